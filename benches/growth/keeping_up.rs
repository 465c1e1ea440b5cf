//! How far the fold is behind while spans come at a steady rate into an index that holds something.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::load::plan::{Disorder, Plan, Source};
use super::load::run;
use super::load::shape::Shape;
use super::world::{World, now};
use super::{Failure, usage};

/// Spans a second.
const RATES: [u64; 3] = [100_000, 200_000, 300_000];
const LASTS: Duration = Duration::from_secs(10);
const SPANS_OF_A_REQUEST: usize = 256;
const RUNS_OF_A_SESSION: u64 = 5;
/// Of prompts and answers, as in the pipeline benchmark.
const CONTENT_BYTES: usize = 105;
const SAMPLE_EVERY: Duration = Duration::from_millis(5);

/// Sends runs of six spans, as the Waxell SDK shapes them, and prints how far behind the fold is. Their sessions are new, but for those that
/// a lower rate has sent to before.
pub fn measure(world: &World) -> Result<(), Failure> {
    println!("\nSpans in runs of six, five runs to a session, for {} s:\n", LASTS.as_secs());
    println!("| spans/s | came | behind p50 ms | p99 | most | cores of the fold | of everything |\n|--:|--:|--:|--:|--:|--:|--:|");
    RATES.iter().try_for_each(|rate| at_rate(world, *rate))
}

fn at_rate(world: &World, rate: u64) -> Result<(), Failure> {
    let process = std::process::id();
    let (began, fold, all) = (Instant::now(), world.used_by_fold()?, usage::cpu_seconds(process)?);
    let (came, mut behind) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(world, rate).map_err(|error| error.to_string()));
        let mut behind = Vec::new();
        while !sender.is_finished() {
            behind.push(world.store.lag().age.as_secs_f64() * 1e3);
            std::thread::sleep(SAMPLE_EVERY);
        }
        Ok::<_, Failure>((sender.join().map_err(|_| "the sender panicked")??, behind))
    })?;
    let cores = |before: f64, after: f64| (after - before) / began.elapsed().as_secs_f64();
    let (fold, all) = (cores(fold, world.used_by_fold()?), cores(all, usage::cpu_seconds(process)?));
    behind.sort_by(f64::total_cmp);
    let part = |of_hundred: usize| behind[behind.len() * of_hundred / 100];
    let most = behind.last().copied().unwrap_or_default();
    println!("| {rate} | {came:.0} | {:.0} | {:.0} | {most:.0} | {fold:.2} | {all:.2} |", part(50), part(99));
    world.wait_until_written()
}

/// Returns the rate at which it could send.
fn send(world: &World, rate: u64) -> Result<f64, Failure> {
    let sessions = rate * LASTS.as_secs() / (6 * RUNS_OF_A_SESSION);
    let runs = run::World { seed: rate, sessions, runs_per_session: RUNS_OF_A_SESSION, epoch: now(), step: 1_000_000_000 * 6 / rate };
    let requests = Source::new(Plan::new(runs, Disorder::default()), Arc::new(Shape::new(CONTENT_BYTES)), SPANS_OF_A_REQUEST, false);
    let (began, mut sent) = (Instant::now(), 0);
    for request in requests {
        std::thread::sleep(Duration::from_micros(sent * 1_000_000 / rate).saturating_sub(began.elapsed()));
        sent += request.n_spans;
        world.send(request.bytes)?;
    }
    Ok(sent as f64 / began.elapsed().as_secs_f64())
}
