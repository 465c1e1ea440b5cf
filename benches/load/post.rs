//! Sends a source to a receiver, flat out or at a rate, and measures how long each ack takes.
//!
//! - One thread: making, sending and measuring together take one core.
//! - At a rate, a request that had to wait for a free place counts from the moment it was due, so that a slow receiver cannot hide.
//! - Ends with the source or at the deadline, whichever is first; a run that was begun is finished, with five seconds of grace.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{Broken, Connection, Outcome, Target};
use super::plan::Request;

/// How long what was begun may take to be finished after the deadline.
const GRACE: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// What is sent, one request after the other.
pub trait Requests: Iterator<Item = Request> {
    /// Begins nothing further.
    fn stop(&mut self);
}

#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Spans a second; `None` is as fast as it goes.
    pub rate: Option<u64>,
    /// The longest it may take.
    pub duration: Duration,
    pub connections: usize,
    /// Requests under way on one connection; over HTTP/1.1 that is always one.
    pub in_flight: usize,
}

#[derive(Debug, Default)]
pub struct Report {
    pub spans: u64,
    pub requests: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    /// Spans that a receiver took out of an acknowledged request.
    pub rejected: u64,
    /// Spans that belong to what was begun and were never acknowledged.
    pub lost: u64,
    /// Whatever was not an ack, by its reason; most were sent again.
    pub errors: BTreeMap<String, u64>,
    /// Microseconds from due to acknowledged, sorted at the end.
    latencies: Vec<u32>,
}

struct Shared<S> {
    source: S,
    report: Report,
    start: Instant,
    pace: Pace,
    /// Spans handed out so far: tells when the next request is due.
    handed_out: u64,
}

/// Must run on a `LocalSet`.
pub async fn post<S: Requests + 'static>(target: &Target, source: S, pace: Pace) -> (Report, S) {
    let start = Instant::now();
    let shared = Rc::new(RefCell::new(Shared { source, report: Report::default(), start, pace, handed_out: 0 }));
    let mut workers = Vec::new();
    for _ in 0..pace.connections {
        let connection = Rc::new(Mutex::new(None));
        let places = if matches!(target.transport, super::connection::Transport::Grpc) { pace.in_flight } else { 1 };
        for _ in 0..places {
            workers.push(tokio::task::spawn_local(work(Rc::clone(&shared), target.clone(), Rc::clone(&connection))));
        }
    }
    for worker in workers {
        worker.await.expect("a worker does not panic");
    }
    let Some(shared) = Rc::into_inner(shared) else { unreachable!("every worker has ended") };
    let Shared { mut source, mut report, .. } = shared.into_inner();
    report.elapsed = start.elapsed();
    // What was begun and could not be finished in time.
    source.stop();
    report.lost += source.by_ref().map(|request| request.n_spans).sum::<u64>();
    report.latencies.sort_unstable();
    (report, source)
}

type Slot = Rc<Mutex<Option<Connection>>>;

async fn work<S: Requests>(shared: Rc<RefCell<Shared<S>>>, target: Target, slot: Slot) {
    loop {
        let next = shared.borrow_mut().next();
        let Some((request, due)) = next else { return };
        let mut since = Instant::now();
        match due {
            // Timers round up to a millisecond, which is not the receiver's fault.
            Some(due) if due > since => {
                sleep_until(due).await;
                since = Instant::now();
            }
            Some(due) => since = due,
            None => {}
        }
        let rejected = deliver(&shared, &target, &slot, &request).await;
        let mut shared = shared.borrow_mut();
        let report = &mut shared.report;
        let Some(rejected) = rejected else {
            report.lost += request.n_spans;
            continue;
        };
        report.spans += request.n_spans;
        report.requests += 1;
        report.bytes += request.bytes.len() as u64;
        report.rejected += rejected;
        report.latencies.push(since.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
    }
}

/// Until it is acknowledged; `None` if it never was.
async fn deliver<S: Requests>(shared: &RefCell<Shared<S>>, target: &Target, slot: &Slot, request: &Request) -> Option<u64> {
    let give_up = { shared.borrow().deadline() } + GRACE;
    while Instant::now() < give_up {
        let (reason, after) = match exchange(target, slot, request).await {
            Ok(Outcome::Acked { rejected }) => return Some(rejected),
            Ok(Outcome::Refused { reason }) => {
                shared.borrow_mut().report.count(reason);
                return None;
            }
            Ok(Outcome::Busy { reason, after }) => (reason, after),
            Err(Broken(reason)) => {
                slot.lock().await.take();
                (reason, None)
            }
        };
        shared.borrow_mut().report.count(reason);
        sleep(after.unwrap_or(RETRY_AFTER)).await;
    }
    None
}

async fn exchange(target: &Target, slot: &Slot, request: &Request) -> Result<Outcome, Broken> {
    let mut held = slot.lock().await;
    if held.is_none() {
        *held = Some(Connection::open(target).await?);
    }
    let answer = match held.as_mut() {
        Some(Connection::Grpc(sender)) => {
            let mut connection = Connection::Grpc(sender.clone());
            drop(held);
            timeout(ANSWER_TIMEOUT, async { connection.send(target, request.signal, request.bytes.clone()).await }).await
        }
        Some(connection) => timeout(ANSWER_TIMEOUT, connection.send(target, request.signal, request.bytes.clone())).await,
        None => return Err(Broken("connection: gone".into())),
    };
    answer.unwrap_or_else(|_| Err(Broken("no answer within 30 s".into())))
}

// === impl Shared ===

impl<S: Requests> Shared<S> {
    fn deadline(&self) -> Instant {
        self.start + self.pace.duration
    }

    fn next(&mut self) -> Option<(Request, Option<Instant>)> {
        let now = Instant::now();
        if now >= self.deadline() {
            self.source.stop();
        }
        if now >= self.deadline() + GRACE {
            return None;
        }
        let due = self.pace.rate.map(|rate| self.start + Duration::from_secs_f64(self.handed_out as f64 / rate as f64));
        let request = self.source.next()?;
        self.handed_out += request.n_spans;
        Some((request, due))
    }
}

// === impl Report ===

impl Report {
    pub fn spans_per_second(&self) -> f64 {
        self.spans as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency that `share` of the requests did not exceed, in milliseconds.
    pub fn latency_ms(&self, share: f64) -> f64 {
        let rank = (self.latencies.len() as f64 * share).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
    }

    fn count(&mut self, reason: String) {
        *self.errors.entry(reason).or_default() += 1;
    }
}
