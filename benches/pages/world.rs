//! An index of many sessions, and a journal that is as long as it gets.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::ask;
use super::load::connection::{Target, Transport};
use super::load::plan::{Disorder, Plan, Request, Source};
use super::load::post::{Pace, Requests, post};
use super::load::run::World;
use super::load::shape::{SPANS_PER_RUN, Shape};
use super::process::{CHECKPOINT_SECONDS, Failure, Receiver};
use super::special;
use super::usage;

/// Retention is 30 days by default.
const DAYS: u64 = 28;
const DAY: u64 = 86_400_000_000_000;
/// Of each prompt and each answer.
const CONTENT_BYTES: usize = 105;
const BATCH: usize = 2_048;
/// No part of it takes longer.
const PATIENCE: Duration = Duration::from_secs(900);

/// Most sessions, then what is looked at closely, then as many again as still are in the same gigabyte of journal.
pub fn fill(receiver: &Receiver, sessions: u64) -> Result<(), Failure> {
    let api = receiver.api.ok_or("sessionfold has an API")?;
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    let world = World { seed: 5, sessions, runs_per_session: 1, epoch: now - DAYS * DAY, step: DAYS * DAY / sessions };
    let target = Target { transport: Transport::Grpc, addr: receiver.grpc, key: None };
    let began = Instant::now();
    let source = Source::new(Plan::new(world, Disorder::default()), Arc::new(Shape::new(CONTENT_BYTES)), BATCH, true);
    let left_before = (sessions * SPANS_PER_RUN as u64).div_ceil(BATCH as u64) * 9 / 10;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pace = Pace { rate: None, duration: PATIENCE, connections: 2, in_flight: 4 };
    let all = All { source, left_before, special: special::requests(now).into_iter() };
    let (report, _) = tokio::task::LocalSet::new().block_on(&runtime, post(&target, all, pace));
    if report.rejected + report.lost > 0 {
        return Err(format!("{} spans were rejected, {} lost: {:?}", report.rejected, report.lost, report.errors).into());
    }
    let acknowledged = began.elapsed();
    runtime.block_on(ask::wait_for(api, sessions + special::N_SESSIONS, PATIENCE))?;
    let listed = began.elapsed();
    rest_of_work(receiver)?;
    println!(
        "{sessions} sessions: acknowledged after {:.0} s, all of them listed after {:.0} s, resident memory {:.0} MiB\n",
        acknowledged.as_secs_f64(),
        listed.as_secs_f64(),
        usage::rss_mib(receiver.pid())?.0
    );
    Ok(())
}

struct All {
    source: Source,
    /// Requests of the source that go before the special ones.
    left_before: u64,
    special: std::vec::IntoIter<Request>,
}

/// Waits until what was sent has reached the disk and the server has nothing left to do.
fn rest_of_work(receiver: &Receiver) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    let mut quiet = 0;
    let mut before = usage::cpu_seconds(receiver.pid())?;
    while quiet < CHECKPOINT_SECONDS + 2 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_secs(1));
        let now = usage::cpu_seconds(receiver.pid())?;
        quiet = if now - before < 0.05 { quiet + 1 } else { 0 };
        before = now;
    }
    Ok(())
}

// === impl All ===

impl Iterator for All {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        if let Some(left) = self.left_before.checked_sub(1) {
            self.left_before = left;
            return self.source.next();
        }
        self.special.next().or_else(|| self.source.next())
    }
}

impl Requests for All {
    fn stop(&mut self) {
        self.source.stop();
    }
}
