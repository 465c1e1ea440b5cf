//! Delivers one tenant's spans: one request under way, in order, until each span is taken or found unacceptable on its own.
//!
//! - A batch that is refused for what it holds, or for its size, is halved again and again; the halves are delivered in order.
//! - Waiting is done here; nothing that comes later overtakes.
//! - A lane ends when its channel does, or when a wait would outlast the time for draining. What it still had stays in the journal.

use std::sync::Arc;
use std::time::Duration;

use super::backoff::{self, Backoff};
use super::batch::{Batch, Batcher, Halves};
use super::shared::Shared;
use super::split;
use crate::model::ids::Tenant;
use crate::tempo::drain::Pause;
use crate::tempo::link::client::{Accepted, CallError};
use crate::tempo::link::failure::{self, Cause, Failure};
use crate::tempo::metrics::{Doubt, DropReason};
use crate::tempo::piece::Doubted;
use crate::tempo::recover::ask::{Answers, Asker};

pub(super) struct Lane {
    tenant: Tenant,
    batcher: Batcher,
    shared: Arc<Shared>,
    /// Requests taken so far.
    n_accepted: u64,
}

/// A batch on its way, and what is held against it.
struct Job {
    batch: Batch,
    suspicion: Option<Suspicion>,
}

/// Refusals for good that do not blame the data.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    n_refusals: u32,
    /// Requests taken before the first of them. If others were taken since, it is this one and not the receiver.
    n_accepted_before: u64,
}

/// What became of a batch, all waiting done.
enum Outcome {
    Taken,
    TooLarge(String),
    BadData(String),
    /// Failed so often in a way that its size may explain.
    Unwieldy,
    /// No time left.
    Stopped,
}

/// What Tempo was found to have of a request that it may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FoundOut {
    AllTaken,
    /// What is left in the batch is not there.
    Rest,
    Nothing,
    Stopped,
}

/// The wait before Tempo is first asked whether it has a request that it did not answer.
const ASK_EARLY: Duration = Duration::from_secs(3);

/// So many doubtful refusals, each after a wait, make a batch suspect: it is then taken apart.
const MAX_DOUBTFUL_REFUSALS: u32 = 5;

/// So many refusals for the rate of one batch, or requests without an answer, and it is halved: a smaller one may pass. Tempo names the rate
/// also where a batch is larger than the burst but not than the rate, which no waiting heals; and on a slow line a large request never ends in time.
const MAX_RATE_REFUSALS: u32 = 4;
const MAX_TIMEOUTS: u32 = 2;

/// The size of smaller batches explains nothing.
const MIN_UNWIELDY_BYTES: usize = 64 << 10;

/// A lost span is named in the log, up to so many a line.
const MAX_NAMED_SPANS: usize = 8;

// === impl Lane ===

impl Lane {
    pub(super) fn new(tenant: Tenant, batcher: Batcher, shared: Arc<Shared>) -> Self {
        Self { tenant, batcher, shared, n_accepted: 0 }
    }

    pub(super) async fn run(mut self) {
        while let Some(batch) = self.batcher.next().await {
            if !self.deliver(batch).await {
                return;
            }
        }
    }

    /// False when there was no time to finish.
    async fn deliver(&mut self, batch: Batch) -> bool {
        if batch.bytes() == 0 {
            // Nothing but repetitions of what was sent.
            self.settle(batch);
            return true;
        }
        if let Err(error) = self.shared.watermark.raise(batch.end()) {
            self.shared.forward_log.not_saved(&error);
        }
        let Some(batch) = self.without_doubt(batch).await else { return true };
        let mut jobs = vec![Job { batch, suspicion: None }];
        while let Some(mut job) = jobs.pop() {
            let (reason, words) = match self.send(&mut job).await {
                Outcome::Taken => {
                    self.settle(job.batch);
                    continue;
                }
                Outcome::Stopped => return false,
                Outcome::TooLarge(words) => (DropReason::TooLarge, words),
                Outcome::BadData(words) => (DropReason::BadData, words),
                // Only what can be halved ends so, and is not given up.
                Outcome::Unwieldy => (DropReason::TooLarge, String::new()),
            };
            let bytes = job.batch.bytes();
            match job.batch.halve() {
                Halves::Two(first, second) => {
                    if reason == DropReason::TooLarge {
                        self.batcher.shrink_below(bytes);
                    }
                    self.shared.metrics.splits.inc();
                    jobs.push(Job { batch: second, suspicion: job.suspicion });
                    jobs.push(Job { batch: first, suspicion: job.suspicion });
                }
                Halves::Indivisible(batch) => {
                    self.give_up(&batch, reason, &words);
                    self.settle(batch);
                }
            }
        }
        true
    }

    /// Sends a batch until Tempo has taken it, or will never take it as it is.
    async fn send(&mut self, job: &mut Job) -> Outcome {
        let retry = &self.shared.retry;
        let mut refused = Backoff::new(retry.initial_backoff, retry.max_backoff);
        let (mut n_rate_refusals, mut n_timeouts) = (0, 0);
        loop {
            let answer = {
                let _slot = self.shared.slots.acquire().await.expect("the semaphore is never closed");
                self.shared.client.export_via(job.batch.payload(), &self.tenant, &job.batch.via()).await
            };
            let error = match answer {
                Ok(accepted) => {
                    self.accepted(&job.batch, &accepted);
                    return Outcome::Taken;
                }
                Err(error) => error,
            };
            let words = error.to_string();
            let random = backoff::random();
            let failure = classify(&error);
            let (cause, wait) = match failure {
                Failure::TooLarge => return Outcome::TooLarge(words),
                Failure::BadData => return Outcome::BadData(words),
                Failure::Refused { cause, after: Some(delay) } => (cause, backoff::spread(delay, random / 4)),
                Failure::Refused { cause, after: None } => (cause, refused.next(random)),
                Failure::Misconfigured(cause) => (cause, backoff::spread(self.shared.retry.max_backoff, random)),
                Failure::Unknown(cause) => (cause, backoff::spread(self.shared.retry.ambiguous_wait, random / 4)),
                Failure::Doubtful if self.is_proven_bad(job) => return Outcome::BadData(words),
                Failure::Doubtful => (Cause::ServerError, backoff::spread(self.shared.retry.ambiguous_wait, random / 4)),
            };
            self.shared.forward_log.retry(cause, &words, wait);
            let is_unknown = matches!(failure, Failure::Unknown(_));
            match self.find_out(job, wait, is_unknown || failure == Failure::Doubtful).await {
                FoundOut::AllTaken => return Outcome::Taken,
                FoundOut::Rest => {}
                FoundOut::Nothing if is_unknown => {
                    self.shared.metrics.maybe_doubled_spans(Doubt::Unanswered).inc_by(job.batch.n_spans());
                }
                FoundOut::Nothing => {}
                FoundOut::Stopped => return Outcome::Stopped,
            }
            n_rate_refusals += u32::from(cause == Cause::RateLimited);
            n_timeouts += u32::from(cause == Cause::Timeout);
            let is_suspect = n_rate_refusals >= MAX_RATE_REFUSALS || n_timeouts >= MAX_TIMEOUTS;
            if is_suspect && job.batch.bytes() > MIN_UNWIELDY_BYTES && job.batch.is_divisible() {
                return Outcome::Unwieldy;
            }
        }
    }

    /// Waits before a request is sent again. Where Tempo may have it and can be asked, it is: soon, since it mostly has all of it, and once
    /// more at the end of the wait, when nothing of the request can be under way any more.
    async fn find_out(&self, job: &mut Job, wait: Duration, may_have_it: bool) -> FoundOut {
        let asker = self.shared.asker.clone().filter(|_| may_have_it);
        let Some(asker) = asker else {
            return if self.shared.drain.pause(wait).await == Pause::Stop { FoundOut::Stopped } else { FoundOut::Nothing };
        };
        let early = wait.min(ASK_EARLY);
        for (pause, is_last) in [(early, false), (wait - early, true)] {
            if self.shared.drain.pause(pause).await == Pause::Stop {
                return FoundOut::Stopped;
            }
            let Some(answers) = self.ask(&asker, &job.batch).await else { continue };
            let n_held = job.batch.n_held(&answers);
            if n_held == job.batch.n_spans() || is_last {
                self.shared.metrics.held_back_spans.inc_by(n_held);
                job.batch.leave_out(&answers);
                return if job.batch.bytes() == 0 { FoundOut::AllTaken } else { FoundOut::Rest };
            }
        }
        FoundOut::Nothing
    }

    /// Without what Tempo has of it already, where a process before this one may have sent it and stamps do not ask for themselves. `None`
    /// if nothing is left.
    async fn without_doubt(&self, mut batch: Batch) -> Option<Batch> {
        let is_in_doubt = batch.pieces.iter().any(|piece| piece.doubt != Doubted::No);
        let Some(asker) = self.shared.asker.clone().filter(|_| is_in_doubt) else { return Some(batch) };
        match self.ask(&asker, &batch).await {
            Some(answers) => {
                self.shared.metrics.held_back_spans.inc_by(batch.n_held(&answers));
                batch.leave_out(&answers);
            }
            // It stays in the journal, and the next process asks.
            None if self.shared.drain.is_draining() => return None,
            // Tempo had acknowledged it.
            None if batch.pieces.iter().all(|piece| piece.doubt == Doubted::Taken) => {
                self.shared.metrics.unchecked_spans.inc_by(batch.n_spans());
                self.settle(batch);
                return None;
            }
            None => {
                self.shared.metrics.maybe_doubled_spans(Doubt::Restart).inc_by(batch.n_spans());
                // Stopping is for the first request to find out.
                self.shared.drain.pause(self.shared.retry.ambiguous_wait).await;
            }
        }
        if batch.bytes() == 0 {
            self.settle(batch);
            return None;
        }
        Some(batch)
    }

    /// What Tempo holds of the traces of a batch; `None` unless that is known of all of them.
    async fn ask(&self, asker: &Asker, batch: &Batch) -> Option<Answers> {
        let traces = batch.traces();
        if traces.len() > asker.max_traces() {
            return None;
        }
        let answers = asker.ask(&self.tenant, &traces).await;
        (answers.len() == traces.len()).then_some(answers)
    }

    /// Counts a doubtful refusal; true once the data is to be blamed: a batch of several spans is taken apart after a few of them, a single span
    /// is given up only if the receiver has taken others in the meantime.
    fn is_proven_bad(&self, job: &mut Job) -> bool {
        let suspicion = job.suspicion.get_or_insert(Suspicion { n_refusals: 0, n_accepted_before: self.n_accepted });
        suspicion.n_refusals += 1;
        if suspicion.n_refusals < MAX_DOUBTFUL_REFUSALS {
            return false;
        }
        let took_others = self.n_accepted > suspicion.n_accepted_before;
        took_others || job.batch.is_divisible()
    }

    fn accepted(&mut self, batch: &Batch, accepted: &Accepted) {
        self.n_accepted += 1;
        self.batcher.grow();
        self.shared.forward_log.accepted(batch.bytes(), (self.shared.lag_bytes)());
        if accepted.rejected_spans > 0 {
            self.shared.forward_log.rejected(accepted.rejected_spans, &accepted.message);
        }
    }

    fn give_up(&self, batch: &Batch, reason: DropReason, words: &str) {
        for piece in &batch.pieces {
            let (n_spans, names) = split::name_spans(&piece.bytes.contiguous(), MAX_NAMED_SPANS);
            self.shared.forward_log.dropped(reason, n_spans as u64, &names, words);
        }
    }

    fn settle(&self, batch: Batch) {
        for last in batch.pieces.into_iter().filter_map(|piece| piece.last) {
            self.shared.ledger.settle(last.ticket);
            self.shared.metrics.settled_entries.inc();
            drop((last.permit, last.in_use));
        }
    }
}

fn classify(error: &CallError) -> Failure {
    match error {
        CallError::Timeout(_) => Failure::Unknown(Cause::Timeout),
        CallError::Answer(status) => failure::classify(status),
    }
}
