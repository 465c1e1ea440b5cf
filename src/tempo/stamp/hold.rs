//! The task of one tenant that has its entries held and stamped: it waits here, and works on the threads for that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::hold_queue::{Came, HoldContext, HoldQueue, Released};
use super::intake::Incoming;
use super::stamper::Stamper;
use super::workers::Undone;
use super::{StampOptions, Verdicts};
use crate::model::ids::Tenant;
use crate::tempo::drain::Pause;
use crate::tempo::piece::Piece;

/// How often the head of the queue is looked at while nothing comes, and how much less often where there are many queues: all tenants
/// together are looked at a few thousand times a second at most.
const TICK: Duration = Duration::from_millis(25);
const QUEUES_A_TICK: u32 = 32;
const MAX_TICK: Duration = Duration::from_secs(1);

/// How long what comes is collected: a job on a thread is cheap, but not free.
const COLLECT: Duration = Duration::from_millis(5);

/// The ends of a queue that others hold.
pub(in crate::tempo) struct Ends {
    pub(in crate::tempo) incoming: mpsc::Receiver<Incoming>,
    pub(in crate::tempo) outgoing: mpsc::Sender<Piece>,
    /// How many entries were put into `incoming`; raised before each is.
    pub(in crate::tempo) n_dispatched: Arc<AtomicU64>,
    /// Held while the queue must not be closed for want of entries.
    pub(in crate::tempo) in_use: Weak<()>,
}

pub(in crate::tempo) struct Hold {
    ends: Ends,
    context: HoldContext,
    batch_bytes: usize,
    tenant: Tenant,
    /// Away while it is worked on.
    queue: Option<Box<HoldQueue>>,
    /// This queue's share of the gauge.
    told_bytes: i64,
    is_busy: bool,
    _in_use: Option<Arc<()>>,
}

// === impl Hold ===

impl Hold {
    pub(in crate::tempo) fn new(
        tenant: &Tenant,
        verdicts: Arc<dyn Verdicts>,
        options: StampOptions,
        ends: Ends,
        context: HoldContext,
    ) -> Self {
        let stamper = Stamper::new(tenant.clone(), verdicts, options, context.metrics.clone());
        let queue = HoldQueue::new(stamper, options, context.clone(), ends.n_dispatched.clone());
        let (batch_bytes, tenant) = (options.batch_bytes, tenant.clone());
        Self { ends, context, batch_bytes, tenant, queue: Some(Box::new(queue)), told_bytes: 0, is_busy: false, _in_use: None }
    }

    /// Until its channel is closed and everything has left, or until the lane has gone.
    pub(in crate::tempo) async fn run(mut self) {
        let mut is_open = true;
        let mut is_more = false;
        let mut came = Came::default();
        while is_open || self.queue.as_ref().is_some_and(|queue| !queue.is_empty()) {
            if !is_more {
                let (tick, is_ticking) = (self.tick(), self.is_busy || !is_open);
                tokio::select! {
                    biased;
                    incoming = self.ends.incoming.recv(), if is_open => match incoming {
                        Some(incoming) => came.entries.push(incoming),
                        None => is_open = false,
                    },
                    () = sleep(tick), if is_ticking => {}
                }
            }
            self.take_more(&mut came.entries);
            if !came.entries.is_empty() && !self.context.drain.is_draining() && bytes_of(&came.entries) < self.batch_bytes {
                // Nothing leaves before it has waited for company, so it may as well be looked at in company.
                sleep(COLLECT).await;
                self.take_more(&mut came.entries);
            }
            came.is_closing = !is_open;
            let Ok(released) = self.work(std::mem::take(&mut came)).await else {
                tracing::error!(tenant = self.tenant.as_str(), "stamping ended unexpectedly; the spans stay in the journal");
                break;
            };
            is_more = released.is_more || !released.ask.is_empty() || released.is_in_doubt;
            for piece in released.pieces {
                if self.ends.outgoing.send(piece).await.is_err() {
                    return;
                }
            }
            if let Some(asker) = self.context.asker.clone().filter(|_| !released.ask.is_empty()) {
                came.answers = asker.ask(&self.tenant, &released.ask).await;
                came.asked = released.ask;
            }
            if released.is_in_doubt {
                let wait = self.context.doubt_ends.saturating_duration_since(Instant::now());
                if self.context.drain.is_draining() || self.context.drain.pause(wait).await == Pause::Stop {
                    // It stays in the journal, as what comes after it does.
                    return;
                }
                came.is_doubt_over = true;
            }
        }
    }

    /// What is there already is taken together.
    fn take_more(&mut self, came: &mut Vec<Incoming>) {
        let mut bytes = bytes_of(came);
        while bytes <= self.batch_bytes
            && let Ok(incoming) = self.ends.incoming.try_recv()
        {
            bytes += incoming.what.bytes();
            came.push(incoming);
        }
    }

    async fn work(&mut self, came: Came) -> Result<Released, Undone> {
        let mut queue = self.queue.take().ok_or(Undone)?;
        let job = move || {
            let released = queue.work(came);
            (queue, released)
        };
        let (queue, released) = self.context.workers.run(job).await?;
        self.tell_held(queue.queued_bytes());
        self._in_use = if queue.is_unsure() { self.ends.in_use.upgrade() } else { None };
        self.set_busy(!queue.is_empty() || queue.is_unsure());
        self.queue = Some(queue);
        Ok(released)
    }

    fn tick(&self) -> Duration {
        let n_busy = u32::try_from(self.context.n_busy.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        TICK.saturating_mul(1 + n_busy / QUEUES_A_TICK).min(MAX_TICK)
    }

    fn set_busy(&mut self, is_busy: bool) {
        match (std::mem::replace(&mut self.is_busy, is_busy), is_busy) {
            (false, true) => _ = self.context.n_busy.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.context.n_busy.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }

    /// The gauge is the sum over all tenants.
    fn tell_held(&mut self, bytes: usize) {
        let now = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.context.metrics.held_bytes.inc_by(now - self.told_bytes);
        self.told_bytes = now;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.tell_held(0);
        self.set_busy(false);
    }
}

fn bytes_of(came: &[Incoming]) -> usize {
    came.iter().map(|incoming| incoming.what.bytes()).sum()
}
