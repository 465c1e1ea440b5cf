//! Sums over time are what a pass over all runs says, whatever became of the runs, of old buckets, and of the process.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rusqlite::Connection;
use sessionfold::model::Str;
use sessionfold::model::ids::Tenant;
use sessionfold::model::query::{UserQuery, UserSort};
use sessionfold::model::run::{Run, RunStatus};
use sessionfold::model::tally::Tally;
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::model::tool::ToolUsage;
use sessionfold::model::usage::UsageTotal;
use sessionfold::store::Store;
use sessionfold::store::series::{ModelTally, Series, SeriesQuery};

use super::house::{House, Tuning};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request, tool};

const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Everything that can be asked for is what the runs say.
pub fn check(house: &House, tenant: &str, runs: &[Run]) {
    let ever = (0, TEN + 1_000 * DAY);
    let names = |name: Option<&str>| name.map(Str::from);
    let n_runs = runs.iter().filter(|run| run.session.is_some()).count() as u64;
    let has_runs = |n_least| house.store().has_runs(&Tenant::new(tenant).unwrap(), UnixNanos(ever.0)..UnixNanos(ever.1), n_least);
    assert!((n_runs == 0 || has_runs(n_runs)) && !has_runs(n_runs + 1), "{tenant}: {n_runs} runs in sessions");
    for (since, until) in [(TEN - HOUR, TEN + 2 * HOUR), (TEN + 13 * MINUTE, TEN + 27 * MINUTE), ever] {
        for (agent, model, user, tool) in [
            (None, None, None, None),
            (Some("a1"), None, None, None),
            (None, Some("house-model"), None, None),
            (Some("a0"), Some("house-model"), None, None),
            (Some(""), Some("nobody's"), None, None),
            (None, None, Some("u1"), None),
            (Some("a2"), None, Some("u0"), None),
            (None, None, None, Some("t0")),
            (Some("a1"), None, None, Some("t1")),
            (None, None, Some("u1"), Some("t0")),
        ] {
            let (agent, model, user, tool) = (names(agent), names(model), names(user), names(tool));
            let step = Nanos(10 * MINUTE);
            let query = SeriesQuery { since: UnixNanos(since), until: UnixNanos(until), step, agent, model, user, tool };
            let series = series(house, tenant, &query);
            let expected = expected(runs, &query, &series);
            assert_eq!(exact(series.clone(), &expected), expected, "{tenant}, {query:?}");
            match &query.tool {
                None => check_leading(house, tenant, runs, &query, &series),
                Some(tool) if query.user.is_none() => check_callers(house, tenant, runs, &query, (tool, &series)),
                Some(_) => {}
            }
        }
    }
}

fn series(house: &House, tenant: &str, query: &SeriesQuery) -> Series {
    house.store().series(&Tenant::new(tenant).unwrap(), query).unwrap().expect("the runs have been added up")
}

/// The same by a pass over all runs, of the window that was answered.
fn expected(runs: &[Run], query: &SeriesQuery, answer: &Series) -> Series {
    assert!(answer.since <= query.since && answer.until() >= query.until && answer.step >= query.step);
    let window = SeriesQuery { since: answer.since, until: answer.until(), step: answer.step, ..query.clone() };
    let mut series = Series::empty(&window);
    for (run, usage) in meant(runs, &window) {
        let at = (run.last_activity.0 - window.since.0) / window.step.0;
        for ToolUsage { tool, calls } in calls(run, query).filter(|_| query.model.is_none()) {
            let share = series.tools.as_mut().unwrap().entry(tool.clone()).or_default();
            share.calls.join(calls);
            share.n_runs += 1;
            share.last_seen = share.last_seen.max(run.last_activity);
            share.agents.entry(run.agent.clone()).or_default().join(calls);
            series.calls.get_mut(at as usize).into_iter().for_each(|point| point.join(calls));
        }
        if query.tool.is_some() {
            continue;
        }
        series.points[at as usize].add(run, &usage);
        series.total.add(run, &usage);
        series.agents.entry(run.agent.clone()).or_default().add(run, &usage);
        for share in run.models.iter().filter(|share| query.model.as_ref().is_none_or(|model| *model == share.model)) {
            let ModelTally { tally, providers } = series.models.entry(share.model.clone()).or_default();
            tally.add(run, &share.total);
            providers.extend((!share.provider.is_empty()).then(|| share.provider.clone()));
        }
    }
    series
}

/// With the moments at which tools were last seen, which may be too late where runs have left, as they are expected.
fn exact(mut answer: Series, expected: &Series) -> Series {
    for (tool, share) in answer.tools.iter_mut().flatten() {
        let last_seen = expected.tools.as_ref().unwrap().get(tool).map_or(share.last_seen, |share| share.last_seen);
        assert!((last_seen..last_seen.plus(Nanos(DAY))).contains(&share.last_seen), "{tool}: {:?}, {last_seen:?}", share.last_seen);
        share.last_seen = last_seen;
    }
    answer
}

/// What a run called, as far as it is asked for.
fn calls<'a>(run: &'a Run, query: &'a SeriesQuery) -> impl Iterator<Item = &'a ToolUsage> {
    run.tools.iter().filter(|usage| query.tool.as_ref().is_none_or(|tool| *tool == usage.tool))
}

fn check_callers(house: &House, tenant: &str, runs: &[Run], query: &SeriesQuery, (tool, series): (&str, &Series)) {
    const LIMIT: usize = 3;
    let callers = house.store().callers(&Tenant::new(tenant).unwrap(), query, LIMIT).unwrap();
    assert!(callers.is_complete);
    let window = SeriesQuery { since: series.since, until: series.until(), step: series.step, ..query.clone() };
    let check = |told: &[Run], key: &dyn Fn(&Run) -> Option<u64>| {
        let mut expected: Vec<u64> = meant(runs, &window).filter_map(|(run, _)| key(run)).collect();
        expected.sort_unstable_by_key(|key| Reverse(*key));
        expected.truncate(LIMIT);
        assert_eq!(told.iter().map(|run| key(run).unwrap()).collect::<Vec<_>>(), expected, "{tenant}, {query:?}");
        assert!(told.iter().all(|run| runs.contains(run)), "{tenant}, {query:?}");
    };
    check(&callers.slowest, &|run| run.calls_of(tool)?.slowest().map(|length| length.0));
    check(&callers.failed, &|run| run.calls_of(tool).filter(|calls| calls.n_errors > 0).map(|_| run.last_activity.0));
    check(&callers.latest, &|run| run.calls_of(tool).map(|_| run.last_activity.0));
}

/// The runs that are asked for, and what counts of each.
fn meant<'a>(runs: &'a [Run], query: &'a SeriesQuery) -> impl Iterator<Item = (&'a Run, UsageTotal)> {
    let is_within = |run: &&Run| run.last_activity >= query.since && run.last_activity < query.until;
    runs.iter().filter(is_within).filter(|run| query.matches(run)).map(|run| match &query.model {
        None => (run, run.usage),
        Some(model) => (run, run.models.iter().find(|share| share.model == *model).unwrap().total),
    })
}

fn check_leading(house: &House, tenant: &str, runs: &[Run], query: &SeriesQuery, series: &Series) {
    const LIMIT: usize = 3;
    let leading = house.store().leading(&Tenant::new(tenant).unwrap(), query, LIMIT).unwrap();
    assert!(leading.is_complete);
    let window = SeriesQuery { since: series.since, until: series.until(), step: series.step, ..query.clone() };
    let first = |key: fn(&Run) -> Option<u64>| {
        let mut found: Vec<&Run> = meant(runs, &window).map(|(run, _)| run).filter(|run| key(run).is_some()).collect();
        found.sort_by_key(|run| (Reverse(key(run)), run.id));
        found.truncate(LIMIT);
        found.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(leading.dearest, first(|run| Some(run.usage.cost.0).filter(|cost| *cost > 0)), "{tenant}, {query:?}");
    assert_eq!(leading.slowest, first(|run| run.duration().map(|length| length.0)), "{tenant}, {query:?}");
    assert_eq!(leading.failed, first(|run| (run.status == RunStatus::Error).then_some(run.last_activity.0)), "{tenant}, {query:?}");
    let mut users: BTreeMap<Str, Tally> = BTreeMap::new();
    for (run, user) in meant(runs, &window).filter_map(|(run, _)| Some((run, run.user.clone()?))) {
        users.entry(user).or_default().add(run, &run.usage);
    }
    let mut users: Vec<_> = users.into_iter().collect();
    users.sort_by_key(|(_, tally)| Reverse((tally.usage.cost, tally.n_runs())));
    users.truncate(LIMIT);
    let told = leading.users.unwrap().into_iter().map(|share| (share.user, share.tally)).collect::<Vec<_>>();
    assert_eq!(told, users, "{tenant}, {query:?}");
}

/// A run of some agent at some time, with a call.
fn send(house: &House, number: u64, at: u64) {
    let name = ["a0", "a1", "a2"][number as usize % 3];
    let user = ["u0", "u1"][number as usize % 2];
    let trace = u128::from(number) + 1;
    let length = 1 + number % 50 * SECOND;
    let run = agent(trace, 1, 0, name).session("s").with("waxell.user_id", user).between(at, at + length);
    let run = if number.is_multiple_of(7) { run.failed() } else { run };
    let call = chat(trace, 2, 1, (number as i64, 1), number as u32).between(at, at + length);
    let tool = tool(trace, 3, 1, ["t0", "t1"][number as usize % 2]).between(at, at + length / 2);
    let tool = if number.is_multiple_of(5) { tool.failed() } else { tool };
    house.fold("acme", request([run, call, tool]));
}

fn between(since: UnixNanos, until: UnixNanos) -> SeriesQuery {
    SeriesQuery { since, until, step: Nanos(1), agent: None, model: None, user: None, tool: None }
}

fn lengths(house: &House) -> Vec<i64> {
    [DAY, HOUR, 10 * MINUTE].map(|length| house.count_rows(&format!("SELECT count(*) FROM series WHERE length_ns = {length}"))).to_vec()
}

/// The clock goes on for months while runs come, also late ones and ones that change once their bucket has been joined with others.
#[test]
fn what_is_old_is_kept_by_the_hour_and_by_the_day_and_stays_right() {
    let mut house = House::new(Tuning::restless());
    for number in 0..60 {
        send(&house, number, house.now().0 - number % 5 * HOUR);
        house.advance(36 * HOUR + number * MINUTE);
        if number % 9 == 4 {
            // The call of an old run comes again, and costs more.
            let trace = u128::from(number / 2) + 1;
            let old = house.runs("acme")[number as usize / 2].started_at.0;
            house.send("acme", request([chat(trace, 2, 1, (9_000, 1), 70_000).between(old, old + 90 * SECOND)]));
        }
        if number % 20 == 13 {
            house.settle();
            match number % 40 {
                13 => house.reopen(),
                _ => house.crash(),
            }
        }
    }
    house.settle();
    let kept = lengths(&house);
    assert!(kept[0] > 5 && kept[1] > 5 && kept[2] >= 1, "{kept:?}");
    for turn in 0..3 {
        let runs = house.runs("acme");
        assert_eq!(runs.len(), 60);
        check(&house, "acme", &runs);
        let near = between(house.now().minus(Nanos(DAY)), house.now());
        assert_eq!(series(&house, "acme", &near).step, Nanos(10 * MINUTE));
        let far = SeriesQuery { since: house.now().minus(Nanos(80 * DAY)), ..near };
        assert_eq!(series(&house, "acme", &far).step, Nanos(DAY));
        if turn == 0 { house.reopen() } else { house.crash() }
    }
}

#[test]
fn sums_are_read_from_disk_and_begin_anew_where_another_version_wrote_the_index() {
    let mut house = House::new(Tuning::restless());
    (0..20).for_each(|number| send(&house, number, TEN + number * MINUTE));
    house.settle();
    let window = |house: &House| between(UnixNanos(TEN), house.now().plus(Nanos(HOUR)));
    assert_eq!(series(&house, "acme", &window(&house)).total.n_runs(), 20);

    // Whoever reads them from disk shows what stands there.
    house.stop();
    let write = |house: &House, sql: &str| Connection::open(house.database()).unwrap().execute_batch(sql).unwrap();
    write(&house, &format!("DELETE FROM series WHERE begin_ns >= {}", TEN + 10 * MINUTE));
    house.open().unwrap();
    assert_eq!(series(&house, "acme", &window(&house)).total.n_runs(), 10);

    // A checkpoint of a version that knows nothing of them has another time.
    house.stop();
    write(&house, "UPDATE meta SET value = value + 1 WHERE key = 'clock_ns'");
    house.open().unwrap();
    let tenant = Tenant::new("acme").unwrap();
    house.until("the runs have been added up", || house.store().series(&tenant, &window(&house)).unwrap().is_some());
    check(&house, "acme", &house.runs("acme"));
    house.settle();
    house.reopen();
    assert_eq!(series(&house, "acme", &window(&house)).total.n_runs(), 20);

    // An index of before.
    house.stop();
    write(&house, "DROP TABLE series; DELETE FROM meta WHERE key LIKE 'series:%'");
    house.open().unwrap();
    house.until("the runs have been added up", || house.store().series(&tenant, &window(&house)).unwrap().is_some());
    check(&house, "acme", &house.runs("acme"));
}

/// Of very many names the first are kept, and what is kept with others stays there: whatever leaves is taken from where it was added.
#[test]
fn tools_beyond_those_that_are_kept_by_name_are_summed_together_and_stay_right() {
    let mut house = House::new(Tuning::restless());
    let n_traces = 14_u64;
    let send = |house: &House, number: u64, session: &str| {
        let trace = u128::from(number) + 1;
        let at = TEN + number * 20 * MINUTE;
        let run = agent(trace, 1, 0, "a0").session(session).between(at, at + 50 * SECOND);
        let tools = (0..50).map(|n| tool(trace, 2 + n, 1, &format!("tool-{}", number * 50 + n)).between(at, at + (1 + n) * SECOND));
        house.fold("acme", request(std::iter::once(run).chain(tools)));
    };
    let check = |house: &House, n_named: usize, n_calls: u64| {
        let series = series(house, "acme", &between(UnixNanos(TEN), UnixNanos(TEN + 10 * DAY)));
        let tools = series.tools.unwrap();
        assert_eq!(tools.keys().filter(|name| !name.is_empty()).count(), n_named);
        assert_eq!(tools.values().map(|tool| tool.calls.n_calls).sum::<u64>(), n_calls);
        assert_eq!(tools.values().map(|tool| tool.calls.durations.count()).sum::<u64>(), n_calls);
        tools.get("").map_or(0, |others| others.n_runs)
    };
    (0..n_traces).for_each(|number| send(&house, number, if number % 2 == 0 { "even" } else { "odd" }));
    assert_eq!(check(&house, 500, 700), 4);
    house.settle();
    house.reopen();
    assert_eq!(check(&house, 500, 700), 4);
    // Runs that are counted under names leave, and so do some of those that are not.
    house.delete("acme", "even");
    assert_eq!(check(&house, 250, 350), 2);
    send(&house, 100, "odd");
    assert_eq!(check(&house, 250, 400), 3, "no name is free as long as tools are kept without one");
    house.crash();
    assert_eq!(check(&house, 250, 400), 3);
    house.settle();
    house.delete("acme", "odd");
    send(&house, 200, "new");
    assert_eq!(check(&house, 0, 50), 1);
    house.delete("acme", "new");
    house.settle();
    house.reopen();
    send(&house, 300, "newest");
    assert_eq!(check(&house, 50, 50), 0, "nothing is kept without a name any more, so there is room for others");
    house.settle();
    assert_eq!(house.count_rows("SELECT count(*) FROM meta WHERE key LIKE 'tool:%'"), 50);
}

/// An index that a version without tools has written: its runs have none until their traces come again.
#[test]
fn tools_of_runs_of_before_are_known_once_their_traces_change() {
    let mut house = House::new(Tuning::restless());
    (0..4).for_each(|number| send(&house, number, TEN + number * MINUTE));
    house.settle();
    house.stop();
    // As such a version leaves it: details of runs and sums without the fields of tools, and without the note that these are in them.
    let db = Connection::open(house.database()).unwrap();
    forget_tools(&db);
    drop(db);
    house.open().unwrap();
    let tenant = Tenant::new("acme").unwrap();
    let all = between(UnixNanos(TEN), UnixNanos(TEN + DAY));
    house.until("the runs have been added up", || house.store().series(&tenant, &all).unwrap().is_some());
    assert_eq!(series(&house, "acme", &all).tools, Some(BTreeMap::new()));
    assert_eq!(series(&house, "acme", &all).total.n_runs(), 4);
    house.fold("acme", request([tool(2, 4, 1, "t0").between(TEN + MINUTE, TEN + MINUTE + SECOND)]));
    let tools = series(&house, "acme", &all).tools.unwrap();
    assert_eq!(tools.iter().map(|(name, tool)| (&**name, tool.calls.n_calls)).collect::<Vec<_>>(), [("t0", 1), ("t1", 1)]);
    check(&house, "acme", &house.runs("acme"));
}

/// Takes the details of tools out of every run, as protobuf: they are the last field.
fn forget_tools(db: &Connection) {
    let mut rows = Vec::new();
    {
        let mut select = db.prepare("SELECT run_id, detail FROM runs").unwrap();
        let mut found = select.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            rows.push((row.get::<_, i64>(0).unwrap(), row.get::<_, Vec<u8>>(1).unwrap()));
        }
    }
    for (run, detail) in rows {
        // Field 15, length-delimited: its key is one byte, and it stands behind all others.
        let at = detail.windows(4).position(|bytes| bytes[0] == 15 << 3 | 2 && bytes[2] == 1 << 3 | 2 && bytes[3] == 2).unwrap();
        db.execute("UPDATE runs SET detail = ?1 WHERE run_id = ?2", rusqlite::params![&detail[..at], run]).unwrap();
    }
    db.execute_batch("DELETE FROM series; DELETE FROM meta WHERE key LIKE 'series:%' OR key LIKE 'tool:%'").unwrap();
}

/// Who never asks for users pays nothing for them; who did finds them added up after the next start.
#[test]
fn users_are_kept_from_the_start_on_where_somebody_has_asked_for_them() {
    let mut house = House::new(Tuning::restless());
    (0..60).for_each(|number| send(&house, number, TEN + number * MINUTE));
    house.settle();
    house.reopen();
    house.settle();
    let without = house.store().index_bytes();
    let tenant = Tenant::new("acme").unwrap();
    let query = UserQuery { search: None, sort: UserSort::TotalCost, descending: true, limit: 5, offset: 0 };
    let asked = house.store().users(&tenant, &query).unwrap().unwrap();
    assert_eq!(asked.count, 2);
    let with = house.store().index_bytes();
    assert!(with > without, "{with} bytes with users, {without} without");
    house.settle();
    house.reopen();
    house.until("the users have been added up", || house.store().index_bytes() >= with);
    assert_eq!(house.store().users(&tenant, &query).unwrap().unwrap(), asked);

    // Not for ever: a month later, without a question since.
    house.settle();
    house.reopen();
    house.settle();
    house.advance(31 * DAY);
    send(&house, 60, house.now().0);
    house.settle();
    house.reopen();
    house.settle();
    assert!(house.store().index_bytes() < with, "{} bytes", house.store().index_bytes());
}

/// Where a window has too many runs to read them all, the sums say where to look.
#[test]
fn the_dearest_and_the_slowest_of_very_many_runs_are_found() {
    let house = House::new(Tuning { checkpoint_interval: std::time::Duration::from_millis(50), ..Tuning::default() });
    let mut spans = Vec::new();
    for number in 0..9_000_u64 {
        let (trace, at) = (u128::from(number) + 1, TEN + number * 3 * SECOND);
        let length = if number % 1_000 == 77 { number * SECOND / 10 } else { SECOND };
        let run = agent(trace, 1, 0, "a0").session("s").with("waxell.user_id", "u0").between(at, at + length);
        spans.push(if number % 2_000 == 5 { run.failed() } else { run });
        spans.push(chat(trace, 2, 1, (1, 1), (number * 7_919 % 9_000) as u32).between(at, at + 1));
        if spans.len() >= 1_000 {
            house.send("acme", request(std::mem::take(&mut spans)));
        }
    }
    house.send("acme", request(spans));
    house.wait_folded();
    let query = between(UnixNanos(TEN), UnixNanos(TEN + DAY));
    let leading = house.store().leading(&Tenant::new("acme").unwrap(), &query, 4).unwrap();
    let costs = leading.dearest.iter().map(|run| run.usage.cost.0 / 1_000).collect::<Vec<_>>();
    assert_eq!(costs, [8_999, 8_998, 8_997, 8_996]);
    let lengths = leading.slowest.iter().map(|run| run.duration().unwrap().0 * 10 / SECOND).collect::<Vec<_>>();
    assert_eq!(lengths, [8_077, 7_077, 6_077, 5_077]);
    let failed = leading.failed.iter().map(|run| (run.started_at.0 - TEN) / (3 * SECOND)).collect::<Vec<_>>();
    assert_eq!(failed, [8_005, 6_005, 4_005, 2_005]);
    assert_eq!(leading.users, None);
    assert!(leading.is_complete);
    assert_eq!(leading.dearest[0].session.as_ref().unwrap().as_str(), "s");
}

/// As after a time-out that is the same for all: where all lasted equally long, the first that are read are as slow as any.
#[test]
fn runs_that_all_lasted_equally_long_are_not_read_one_and_all() {
    let house = House::new(Tuning { checkpoint_interval: std::time::Duration::from_millis(50), ..Tuning::default() });
    for requests in (0..31_000_u64).collect::<Vec<_>>().chunks(1_000) {
        let run = |number: &u64| {
            let (trace, at) = (u128::from(*number) + 1, TEN + number * 2 * SECOND);
            agent(trace, 1, 0, &format!("a{}", number % 4)).session("s").between(at, at + SECOND)
        };
        house.send("acme", request(requests.iter().map(run)));
    }
    house.wait_folded();
    house.settle();
    let query = |agent: Option<&str>| SeriesQuery { agent: agent.map(Str::from), ..between(UnixNanos(TEN), UnixNanos(TEN + DAY)) };
    for agent in [None, Some("a1")] {
        let leading = house.store().leading(&Tenant::new("acme").unwrap(), &query(agent), 4).unwrap();
        assert_eq!(leading.slowest.iter().map(|run| run.duration().unwrap().0).collect::<Vec<_>>(), [SECOND; 4]);
        assert!(leading.is_complete, "{agent:?}");
    }
}
