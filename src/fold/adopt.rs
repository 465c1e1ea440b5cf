//! Calls that no run above them holds, or only one of another session, and runs without a session: whose they are all the same.
//!
//! - A call for which a session is in effect, named by itself or above it, counts in that session and in no other.
//! - Where a trace names exactly one session, all its calls are of that session, and so are all its runs. Where it names several, what
//!   names none is of the session of the run that was going on then.
//! - In a session a call goes to the run that was going on when it started, of several to the one that started last; else to the last one
//!   that started before it; else to the first. So no span that arrives can take a call out of every session.
//! - A session that has no run gets one: the span that brought it in.
//! - Runs that were reported, and their calls, stay as their reports have them.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::boundary::{self, Territory};
use super::names::{self, Names};
use super::tree::{Forest, NONE};
use crate::model::ids::{SessionId, SpanId};
use crate::model::scopes::scope_traits;
use crate::model::time::UnixNanos;

/// A call that looks for a run.
struct Stray<'a> {
    span: u32,
    /// The session that is in effect for it, and the span that brought that in; `None` and [`NONE`] where there is none.
    session: Option<&'a SessionId>,
    introducer: u32,
}

/// Where something stands in time.
type Moment = (UnixNanos, Option<SpanId>);

/// Gives every call that can have one a run of its session, and every run a session if the trace names any.
pub(super) fn adopt<'a>(forest: &Forest<'a>, territory: &mut Territory<'a>, names: &mut Vec<Names<'a>>) {
    let introducer = forest.introducers();
    let mut strays = find_strays(forest, territory, names, &introducer);
    if strays.is_empty() && find_homeless(forest, territory, names).is_empty() {
        return;
    }
    let known: BTreeSet<&SessionId> = names.iter().filter_map(|names| names.session).collect();
    let is_new = |stray: &&Stray<'_>| stray.session.is_some_and(|session| !known.contains(session));
    let founders: BTreeSet<u32> = strays.iter().filter(is_new).map(|stray| stray.introducer).collect();
    if !founders.is_empty() {
        boundary::found(forest, territory, &founders);
        *names = names::name_runs(forest, territory);
        strays = find_strays(forest, territory, names, &introducer);
    }
    let runs = Runs::of(forest, territory, names);
    for (stray, run) in runs.going_on(strays.iter().map(|stray| (stray.session, moment(forest, stray.span)))) {
        territory.owner[strays[stray].span as usize] = run;
    }
    let homeless = find_homeless(forest, territory, names);
    let moments = homeless.iter().map(|&run| (None, moment(forest, territory.seeds[run].span)));
    for (at, run) in runs.going_on(moments) {
        names[homeless[at]].session = names[run as usize].session;
    }
}

/// Runs without a session.
fn find_homeless(forest: &Forest<'_>, territory: &Territory<'_>, names: &[Names<'_>]) -> Vec<usize> {
    let is_homeless = |run: &usize| names[*run].session.is_none() && forest.report(territory.seeds[*run].span).is_none();
    (0..names.len()).filter(is_homeless).collect()
}

fn moment(forest: &Forest<'_>, span: u32) -> Moment {
    if span == NONE { (UnixNanos::ZERO, None) } else { (forest.start[span as usize], Some(forest.fact(span).span)) }
}

fn find_strays<'a>(forest: &Forest<'a>, territory: &Territory<'a>, names: &[Names<'a>], introducer: &[u32]) -> Vec<Stray<'a>> {
    let mut strays = Vec::new();
    for span in 0..forest.len() as u32 {
        if forest.fact(span).call.is_none() {
            continue;
        }
        let (owner, by) = (territory.owner[span as usize], introducer[span as usize]);
        let session = if by == NONE { None } else { forest.session[by as usize] };
        if owner != NONE {
            let run = territory.seeds[owner as usize].span;
            // Between the run and the call somebody named another session.
            let is_named_below = by != NONE && by != run && territory.owner[by as usize] == owner && run != NONE;
            if !is_named_below || session == names[owner as usize].session || is_settled(forest, run) {
                continue;
            }
        }
        strays.push(Stray { span, session, introducer: by });
    }
    strays
}

/// What the SDK tells of its own runs is not read otherwise.
fn is_settled(forest: &Forest<'_>, run: u32) -> bool {
    forest.report(run).is_some() || scope_traits(&forest.fact(run).scope).reports_runs
}

/// The runs that have a session, in the order of their starts: of each session, and of all under `None`.
struct Runs<'a> {
    by_session: BTreeMap<Option<&'a SessionId>, Vec<(Moment, UnixNanos, u32)>>,
}

impl<'a> Runs<'a> {
    fn of(forest: &Forest<'a>, territory: &Territory<'a>, names: &[Names<'a>]) -> Self {
        let mut by_session: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (run, seed) in territory.seeds.iter().enumerate() {
            let Some(session) = names[run].session else { continue };
            let until = if seed.span == NONE { UnixNanos::MAX } else { forest.contains_until(seed.span) };
            let entry = (moment(forest, seed.span), until, run as u32);
            by_session.entry(Some(session)).or_default().push(entry);
            by_session.entry(None).or_default().push(entry);
        }
        by_session.values_mut().for_each(|runs| runs.sort_unstable());
        Self { by_session }
    }

    /// For each that asks by session and moment, by its place among them: the run that was going on then. Nobody is answered where there is
    /// no such run.
    fn going_on(&self, asking: impl Iterator<Item = (Option<&'a SessionId>, Moment)>) -> Vec<(usize, u32)> {
        let mut asking: Vec<_> = asking.enumerate().map(|(at, (session, moment))| (session, moment, at)).collect();
        asking.sort_unstable();
        let mut found = Vec::with_capacity(asking.len());
        for same in asking.chunk_by(|a, b| a.0 == b.0) {
            let Some(runs) = self.by_session.get(&same[0].0) else { continue };
            let mut open: BinaryHeap<(Moment, UnixNanos, u32)> = BinaryHeap::new();
            let mut next = 0;
            for &(_, moment, at) in same {
                while let Some(run) = runs.get(next).filter(|(started, ..)| started.0 <= moment.0) {
                    open.push(*run);
                    next += 1;
                }
                // Who asks comes in the order of time: a run that has ended before this one holds no later one either.
                while open.peek().is_some_and(|&(_, until, _)| until < moment.0) {
                    open.pop();
                }
                let run = open.peek().or_else(|| runs[..next].last()).or_else(|| runs.first());
                found.extend(run.map(|&(.., run)| (at, run)));
            }
        }
        found
    }
}
