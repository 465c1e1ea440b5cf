//! What the sessions list costs: every shape of query against 100 000 and 1 000 000 sessions, and against a plain scan and sort.
//!
//! `cargo bench --bench list` prints a table; `cargo bench --bench list -- 100000 search` measures that many sessions only, and only the
//! queries with that word in their name.
//! Latencies are wall time on one thread with nobody else holding the index. All data comes from one seed.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use sessionfold::index::{AgentShare, SessionIndex, SessionNo, SessionRow};
use sessionfold::model::Str;
use sessionfold::model::ids::{RunId, RunKey, SessionId, SpanId, TraceId};
use sessionfold::model::query::{AgentQuery, SessionQuery, Sort, SortField, StatusFilter};
use sessionfold::model::run::{Run, RunStatus};
use sessionfold::model::session::SessionSummary;
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::model::usage::{NanoUsd, UsageTotal};

const N_AGENTS: u64 = 200;
const DAY: u64 = 86_400_000_000_000;
/// The sessions began in the 30 days from here.
const EPOCH: u64 = 1_790_000_000_000_000_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, upper: u64) -> u64 {
        self.next() % upper
    }

    /// 1 to `upper`, `n` about as often as 1/n.
    fn zipf(&mut self, upper: u64) -> u64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((upper as f64 + 1.0).powf(uniform) as u64).clamp(1, upper)
    }
}

fn main() {
    let only: Option<usize> = std::env::args().find_map(|argument| argument.parse().ok());
    let is_word = |argument: &String| !argument.starts_with('-') && argument.parse::<usize>().is_err();
    let word = std::env::args().skip(1).find(is_word).unwrap_or_default();
    for n in only.map_or(vec![100_000, 1_000_000], |n| vec![n]) {
        measure(n, &word);
    }
}

fn measure(n: usize, word: &str) {
    let mut random = Random(42);
    let agents: Vec<Str> = (0..N_AGENTS).map(|number| format!("agent-{number:03}").into()).collect();
    let rows: Vec<SessionRow> = (0..n).map(|number| session(number, &agents, &mut random)).collect();

    println!("\n## {n} sessions\n");
    let started = Instant::now();
    let mut index = SessionIndex::new(SessionNo(0));
    index.restore_all(rows.iter().cloned());
    println!("- all rows put back at once: {:.2} s", started.elapsed().as_secs_f64());
    {
        let started = Instant::now();
        let mut one_by_one = SessionIndex::new(SessionNo(0));
        rows.iter().take(n / 10).cloned().for_each(|row| one_by_one.restore(row));
        println!("- a tenth of them one by one: {:.2} s", started.elapsed().as_secs_f64());
    }
    print_memory("after that", &index);
    updates(&mut index, &agents, &mut random);
    print_memory("after the updates", &index);

    let columns: Vec<SessionRow> = (0..index.next_no().0).filter_map(|no| index.row(SessionNo(no))).collect();
    println!(
        "\n| query | hits | least us | p50 us | p99 us | max us | scan and sort p50 us | ratio |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    );
    for (name, query) in queries(&columns).into_iter().filter(|(name, _)| name.contains(word)) {
        let mut times: Vec<Duration> = (0..101).map(|_| timed(|| index.list(&query, &mut |no, _, _| no.0 % 2 == 0))).collect();
        times.sort();
        let mut plain: Vec<Duration> = (0..3).map(|_| timed(|| scan(&columns, &query))).collect();
        plain.sort();
        let page = index.list(&query, &mut |no, _, _| no.0 % 2 == 0);
        let (count, ids) = scan(&columns, &query);
        assert_eq!((page.count, page.items.iter().map(|item| item.id.clone()).collect()), (count, ids), "{name}");
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let (least, p50, p99, max) = (micros(times[0]), micros(times[50]), micros(times[99]), micros(times[100]));
        let plain = micros(plain[1]);
        println!("| {name} | {count} | {least:.1} | {p50:.1} | {p99:.1} | {max:.1} | {plain:.0} | {:.0} |", plain / p50);
    }
    let mut times: Vec<Duration> = (0..21).map(|_| timed(|| index.agents(&AgentQuery::default()))).collect();
    times.sort();
    println!("\n- agents(): p50 {:?}, max {:?}", times[10], times[20]);
    for (name, status) in [("all", None), ("with errors", Some(StatusFilter::Error))] {
        let query = SessionQuery { status, ..SessionQuery::default() };
        let mut times: Vec<Duration> = (0..21).map(|_| timed(|| index.activity(&query, None, 60))).collect();
        times.sort();
        println!("- activity() of {name}: p50 {:?}, max {:?}", times[10], times[20]);
    }
    let idle = timed(|| index.idle_since(UnixNanos(EPOCH + DAY), 1_000));
    println!("- idle_since, 1000 of a day: {idle:?}");
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let started = Instant::now();
    black_box(work());
    started.elapsed()
}

fn print_memory(when: &str, index: &SessionIndex) {
    let (memory, n) = (index.memory_bytes(), index.len());
    println!("- memory {when}: {} bytes a session in lists, {} ids, {} agents", memory.lists / n, memory.ids / n, memory.agents / n);
    assert!(memory.lists / n <= 400, "more than 400 bytes a session");
}

fn session(number: usize, agents: &[Str], random: &mut Random) -> SessionRow {
    let bits = random.next();
    // Half are named by a person's habit, half by a machine.
    let id = match bits % 2 {
        0 => format!("session-{:010}-{:04x}", number, bits >> 48),
        _ => format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", bits as u32, bits >> 48, bits >> 52, bits >> 36 & 0xfff, random.next() >> 16),
    };
    let run_count = random.zipf(1_000);
    let first_run = EPOCH + random.below(30 * DAY);
    // Most last minutes, some last days.
    let length = if run_count == 1 { random.below(DAY / 1_000) } else { DAY / 200 * random.zipf(2_000) };
    let last_activity = UnixNanos(first_run + length);
    let mut names: Vec<Str> = (0..run_count.min(1 + random.below(3))).map(|_| agents[random.zipf(N_AGENTS) as usize - 1].clone()).collect();
    names.sort();
    names.dedup();
    let first_run = UnixNanos(first_run);
    let summary = SessionSummary {
        id: SessionId::new(&id).expect("short"),
        note: None,
        run_count,
        first_run,
        last_activity,
        total_duration: Nanos(length / 2),
        total_cost: NanoUsd(if bits.is_multiple_of(4) { 0 } else { run_count * random.below(50_000_000) }),
        total_tokens: run_count * random.below(20_000),
        agents: names,
        error_count: u64::from(bits % 50 == 1),
        tool_errors: 0,
        running_count: u64::from(bits % 200 == 3),
        unpriced_calls: 0,
    };
    let share = AgentShare { run_count: 1, first_run, last_activity };
    SessionRow {
        no: SessionNo(number as u32),
        agents: vec![share; summary.agents.len()],
        summary,
        sort_activity: last_activity,
        sort_first_run: first_run,
    }
}

/// New runs for sessions that are there and for new ones, as they come when agents work.
fn updates(index: &mut SessionIndex, agents: &[Str], random: &mut Random) {
    let n = index.len() as u64;
    let n_updates = n / 4;
    let run = |at: u64, random: &mut Random| a_run(&agents[random.zipf(N_AGENTS) as usize - 1], EPOCH + 31 * DAY + at * 1_000_000, random);
    let mut times = Vec::with_capacity(n_updates as usize);
    for at in 0..n_updates {
        let (no, run) = (SessionNo(random.below(n) as u32), run(at, random));
        times.push(timed(|| black_box(index.apply(no, None, Some(&run)))));
    }
    print_times("a run joins any session", &mut times);
    let mut joins = Vec::with_capacity(n_updates as usize);
    for at in 0..n_updates {
        // The latest twentieth: what a working day looks like.
        let (no, before) = (SessionNo((n - 1 - random.below(n / 20)) as u32), run(n_updates + at, random));
        let after = Run { usage: UsageTotal { tokens: before.usage.tokens + 900, ..before.usage }, ..before.clone() };
        joins.push(timed(|| black_box(index.apply(no, None, Some(&before)))));
        times.push(timed(|| black_box(index.apply(no, Some(&before), Some(&after)))));
    }
    print_times("a run joins a recent session", &mut joins);
    print_times("a run grows", &mut times);
    for at in 0..n / 20 {
        let id = SessionId::new(&format!("session-{:010}-new", n + at)).expect("short");
        let run = run(2 * n_updates + at, random);
        times.push(timed(|| {
            let no = index.number(&id);
            black_box(index.apply(no, None, Some(&run)))
        }));
    }
    print_times("a session begins", &mut times);
    for _ in 0..n / 20 {
        let no = SessionNo(random.below(n) as u32);
        times.push(timed(|| index.remove(no)));
    }
    print_times("a session is removed", &mut times);
}

fn print_times(what: &str, times: &mut Vec<Duration>) {
    let mean = times.iter().sum::<Duration>().as_secs_f64() * 1e6 / times.len() as f64;
    times.sort();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6;
    println!("- {what}: mean {mean:.2} us, p50 {:.2}, p99 {:.2}, p99.9 {:.1} us", at(0.5), at(0.99), at(0.999));
    times.clear();
}

fn a_run(agent: &Str, start: u64, random: &mut Random) -> Run {
    let key = RunKey { trace: TraceId::from_bytes(&[1; 16]).expect("not zero"), span: SpanId::from_u64(1).expect("not zero") };
    let end = UnixNanos(start + random.below(60_000_000_000));
    Run {
        key,
        id: RunId::derive(key),
        session: None,
        agent: agent.clone(),
        workflow: agent.clone(),
        user: None,
        user_group: None,
        parent: None,
        started_at: UnixNanos(start),
        completed_at: Some(end),
        last_activity: end,
        status: RunStatus::Success,
        error: None,
        tool_errors: 0,
        usage: UsageTotal { cost: NanoUsd(random.below(50_000_000)), tokens: random.below(20_000), ..UsageTotal::default() },
        suppressed: UsageTotal::default(),
        models: Vec::new(),
        tools: Vec::new(),
        question: None,
        n_spans: 5,
        is_provisional: false,
        is_future: false,
        is_truncated: false,
        is_reported: false,
        is_untraced: false,
        is_agentless: false,
        is_turn: false,
        is_retelling: false,
        scores: Vec::new(),
    }
}

fn queries(rows: &[SessionRow]) -> Vec<(String, SessionQuery)> {
    let base = SessionQuery::default;
    let by = |field, descending| SessionQuery { sort: Sort { field, descending }, ..base() };
    let text = |search: &str| SessionQuery { search: Some(search.into()), ..base() };
    let agent = |number: u32| SessionQuery { agent: Some(format!("agent-{number:03}")), ..base() };
    let from = |day: u64| Some(UnixNanos(EPOCH + day * DAY));
    let run_count = Sort { field: SortField::RunCount, descending: true };
    let mut queries = Vec::new();
    for field in SortField::ALL {
        for descending in [true, false] {
            queries.push((format!("page 1, {}{}", if descending { "-" } else { "" }, field.as_str()), by(field, descending)));
        }
    }
    let deep = rows.len() / 2;
    queries.push(("half way down, -last_activity".into(), SessionQuery { offset: deep, ..base() }));
    queries.push(("half way down, -run_count".into(), SessionQuery { offset: deep, sort: run_count, ..base() }));
    for needle in ["e", "ab", "abc", "abcd", "se", "session-", "session-00", "SESSION-0000012", "no such id"] {
        queries.push((format!("search '{needle}'"), text(needle)));
    }
    queries.push(("search 'session-', half way down".into(), SessionQuery { offset: deep / 2, ..text("session-") }));
    queries.push(("search, the whole id".into(), text(rows[deep].summary.id.as_str())));
    queries.push(("exactly one session".into(), SessionQuery { session_id: Some(rows[deep].summary.id.clone()), ..base() }));
    queries.push(("common agent".into(), agent(0)));
    queries.push(("common agent, -run_count, offset 10000".into(), SessionQuery { offset: 10_000, sort: run_count, ..agent(0) }));
    queries.push(("rare agent".into(), agent(199)));
    queries.push((
        "rare agent, total_cost".into(),
        SessionQuery { sort: Sort { field: SortField::TotalCost, descending: false }, ..agent(199) },
    ));
    queries.push(("status error".into(), SessionQuery { status: Some(StatusFilter::Error), ..base() }));
    queries.push(("status running, -run_count".into(), SessionQuery { status: Some(StatusFilter::Running), sort: run_count, ..base() }));
    queries.push(("start".into(), SessionQuery { start: from(29), ..base() }));
    queries.push(("end".into(), SessionQuery { end: from(1), ..base() }));
    queries.push(("start and end".into(), SessionQuery { start: from(10), end: from(20), ..base() }));
    queries.push((
        "start and end, -run_count, offset 10000".into(),
        SessionQuery { start: from(10), end: from(20), offset: 10_000, sort: run_count, ..base() },
    ));
    queries.push(("a day".into(), SessionQuery { start: from(12), end: from(13), ..base() }));
    queries.push(("common agent, start and end".into(), SessionQuery { start: from(10), end: from(20), ..agent(0) }));
    queries.push(("'abc', common agent, start".into(), SessionQuery { start: from(10), search: Some("abc".into()), ..agent(0) }));
    queries.push((
        "'e', common agent, start, -run_count".into(),
        SessionQuery { start: from(10), search: Some("e".into()), sort: run_count, ..agent(0) },
    ));
    queries.push((
        "'e', error, start and end".into(),
        SessionQuery { start: from(5), end: from(25), search: Some("e".into()), status: Some(StatusFilter::Error), ..base() },
    ));
    queries
}

/// Looks at every row and sorts what fits.
fn scan(rows: &[SessionRow], query: &SessionQuery) -> (u64, Vec<SessionId>) {
    let needle = query.search.as_ref().map(|search| search.to_ascii_lowercase());
    let (start, end) = (query.start.unwrap_or(UnixNanos::ZERO), query.end.unwrap_or(UnixNanos::MAX));
    let fits = |row: &&SessionRow| {
        let summary = &row.summary;
        let (first, last) = (summary.first_run, summary.last_activity);
        let ends_inside = first >= start || last <= end || summary.run_count == 1;
        needle.as_ref().is_none_or(|needle| summary.id.as_str().to_ascii_lowercase().contains(needle))
            && query.session_id.as_ref().is_none_or(|id| *id == summary.id)
            && query.agent.as_ref().is_none_or(|agent| summary.agents.iter().any(|name| **name == **agent))
            && query.status.is_none_or(|status| match status {
                StatusFilter::Running => summary.running_count > 0,
                StatusFilter::Error => summary.error_count > 0,
                StatusFilter::ToolError => summary.tool_errors > 0,
            })
            && first <= end
            && last >= start
            && (ends_inside || row.no.0.is_multiple_of(2))
    };
    let flip = if query.sort.descending { u64::MAX } else { 0 };
    let key = |row: &SessionRow| {
        flip ^ match query.sort.field {
            SortField::LastActivity => row.sort_activity.0,
            SortField::FirstRun => row.sort_first_run.0,
            SortField::RunCount => row.summary.run_count,
            SortField::TotalCost => row.summary.total_cost.0,
            SortField::TotalTokens => row.summary.total_tokens,
            SortField::TotalDuration => row.summary.total_duration.0,
            SortField::SessionId => 0,
        }
    };
    let is_reversed = query.sort.field == SortField::SessionId && query.sort.descending;
    let mut hits: Vec<(u64, &SessionId)> = rows.iter().filter(fits).map(|row| (key(row), &row.summary.id)).collect();
    hits.sort_unstable_by(|a, b| if is_reversed { b.cmp(a) } else { a.cmp(b) });
    let page = hits.iter().skip(query.offset).take(query.limit).map(|(_, id)| (*id).clone()).collect();
    (hits.len() as u64, page)
}
