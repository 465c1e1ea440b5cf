//! An index of different sizes: what a new session costs, what a run of a known one, and what queries take while runs stream in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sessionfold::model::ids::SessionId;
use sessionfold::model::query::{AgentQuery, SessionQuery, Sort, SortField, StatusFilter, UserQuery, UserSort};
use sessionfold::model::time::UnixNanos;
use sessionfold::store::{RunPage, Store};

use super::asked::{QueryCost, asked, print_head};
use super::keeping_up;
use super::load::random::mix;
use super::spans::{self, Root};
use super::world::{World, now};
use super::{Failure, usage};

/// Runs of a request.
const BATCH: u64 = 256;
/// Runs that are sent to measure what one costs.
const MEASURED: u64 = 100_000;
/// Runs a second that come while queries are asked.
const STREAM_RATE: u64 = 50_000;
const AGENTS: u64 = 50;

pub struct SessionCost {
    pub sessions: u64,
    /// CPU of everything for one run, in microseconds: of a new session, and of a known one.
    pub new: f64,
    pub known: f64,
    pub queries: Vec<QueryCost>,
}

pub fn measure(sizes: &[u64]) -> Result<Vec<SessionCost>, Failure> {
    sizes.iter().map(|sessions| one_size(*sessions)).collect()
}

fn one_size(sessions: u64) -> Result<SessionCost, Failure> {
    let world = World::open()?;
    let filling = sessions.saturating_sub(MEASURED.min(sessions / 2));
    send(&world, 0..filling, |n| n)?;
    let new = cost(&world, filling..sessions, |n| n)?;
    let known = cost(&world, sessions..sessions + MEASURED.min(sessions), |n| mix(1, n) % sessions)?;
    println!("\n{sessions} sessions: a run of a new one {new:.1} us, of a known one {known:.1} us\n");
    println!("With {STREAM_RATE} runs a second coming in:\n");
    print_head();
    let queries = while_streaming(&world, sessions, || queries(&world, sessions))?;
    world.wait_until_written()?;
    keeping_up::measure(&world)?;
    world.stop();
    Ok(SessionCost { sessions, new, known, queries })
}

/// CPU microseconds of the process for one of these runs, until all are visible and on disk; what came before them is there already.
fn cost(world: &World, runs: std::ops::Range<u64>, session: impl Fn(u64) -> u64) -> Result<f64, Failure> {
    let n_runs = runs.end - runs.start;
    world.wait_until_written()?;
    let before = usage::cpu_seconds(std::process::id())?;
    send(world, runs, session)?;
    world.wait_until_written()?;
    Ok((usage::cpu_seconds(std::process::id())? - before) * 1e6 / n_runs as f64)
}

fn send(world: &World, runs: std::ops::Range<u64>, session: impl Fn(u64) -> u64) -> Result<(), Failure> {
    for from in runs.clone().step_by(BATCH as usize) {
        world.send(request(from..runs.end.min(from + BATCH), &session))?;
    }
    world.wait_until_folded()
}

fn request(runs: std::ops::Range<u64>, session: impl Fn(u64) -> u64) -> Bytes {
    let now = now();
    spans::request(runs.map(|n| {
        let (session, user, agent) =
            (name(session(n)), format!("user-{}", mix(3, n) % 1_000_000), format!("agent-{:02}", mix(4, n) % AGENTS));
        let root =
            Root { session: &session, agent: &agent, user: Some(&user), is_error: mix(5, n).is_multiple_of(50), tokens: mix(6, n) % 5_000 };
        root.span(n, 0, now)
    }))
}

fn name(session: u64) -> String {
    format!("s-{:016x}", mix(2, session))
}

/// Asks while runs of known sessions come in at a steady rate.
fn while_streaming<T>(world: &World, sessions: u64, ask: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stream = scope.spawn(|| {
            let (began, mut n) = (Instant::now(), 2 * sessions);
            while !is_over.load(Ordering::Relaxed) {
                let sent = n - 2 * sessions;
                std::thread::sleep(Duration::from_micros(sent * 1_000_000 / STREAM_RATE).saturating_sub(began.elapsed()));
                world.send(request(n..n + BATCH, |n| mix(1, n) % sessions)).map_err(|error| error.to_string())?;
                n += BATCH;
            }
            Ok::<_, String>((n - 2 * sessions) as f64 / began.elapsed().as_secs_f64())
        });
        let asked = ask();
        is_over.store(true, Ordering::Relaxed);
        let rate = stream.join().map_err(|_| "the stream panicked")??;
        println!("\nmeanwhile {rate:.0} runs a second came, and the fold is {:.1} s behind", world.store.lag().age.as_secs_f64());
        asked
    })
}

fn queries(world: &World, sessions: u64) -> Result<Vec<QueryCost>, Failure> {
    let sorted = |field, descending, offset| SessionQuery { sort: Sort { field, descending }, offset, ..SessionQuery::default() };
    let search = |text: &str| SessionQuery { search: Some(text.into()), ..SessionQuery::default() };
    let agent = |offset| SessionQuery { agent: Some("agent-07".into()), offset, ..SessionQuery::default() };
    let ago = |seconds: u64| UnixNanos(now() - seconds * 1_000_000_000);
    let half = sessions as usize / 2;
    let lists = [
        ("first page", SessionQuery::default()),
        ("dearest first, in the middle", sorted(SortField::TotalCost, true, half)),
        ("by id, in the middle", sorted(SortField::SessionId, false, half)),
        ("search, 1 character", search("7")),
        ("search, 3 characters", search("7a3")),
        ("search, 8 characters", search("7a3f01bc")),
        ("one agent", agent(0)),
        ("one agent, in its middle", agent(half / AGENTS as usize)),
        ("with errors", SessionQuery { status: Some(StatusFilter::Error), ..SessionQuery::default() }),
        ("active in the last 30 s", SessionQuery { start: Some(ago(30)), ..SessionQuery::default() }),
        ("most runs first, in the middle", sorted(SortField::RunCount, true, half)),
        (
            "100 with errors, dearest first",
            SessionQuery { limit: 100, status: Some(StatusFilter::Error), ..sorted(SortField::TotalCost, true, 0) },
        ),
    ];
    let mut costs = vec![asked("nothing, for 50 us", spin)?];
    for (name, query) in &lists {
        costs.push(asked(name, || Ok(world.store.sessions(&world.tenant, query).map(drop)?))?);
    }
    let session = SessionId::new(&self::name(mix(7, 7) % sessions)).ok_or("no session id")?;
    costs.push(asked("one session with its runs", || {
        let detail = world.store.session(&world.tenant, &session, RunPage::default())?;
        Ok(detail.into_iter().flat_map(|detail| detail.runs).try_for_each(|run| run.map(drop))?)
    })?);
    let users = UserQuery { search: None, sort: UserSort::LastSeen, descending: true, limit: 25, offset: 0 };
    costs.push(asked("agents", || Ok(world.store.agents(&world.tenant, &AgentQuery::default()).map(drop)?))?);
    costs.push(asked("users", || Ok(world.store.users(&world.tenant, &users).map(drop)?))?);
    costs.push(asked("sums by agent and model", || Ok(world.store.sums(&world.tenant, UnixNanos::ZERO).map(drop)?))?);
    Ok(costs)
}

/// What the machine alone adds: its cores are shared by whoever asks, whoever sends and the store.
fn spin() -> Result<(), Failure> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_micros(50) {
        std::hint::spin_loop();
    }
    Ok(())
}
