//! Calls that no run above them holds, or only one of another session, and runs without a session: whose they are all the same.
//!
//! - A call for which a session is in effect, named by itself or above it, counts in that session and in no other.
//! - Where a trace names exactly one session, all its calls are of that session, and so are all its runs. Where it names several, what
//!   names none is of the session of the run that was going on then; if no run has one, of the span that names one.
//! - What was going on at a moment is, of all that had started and not ended, what started last; else what started last before it; else
//!   what started first. So no span that arrives can take a call out of every session.
//! - A session that has no run although a call counts in it gets one: the span that brought it in.
//! - A run for which no user is named, itself or above it, is of the only user that its trace names in the run's session: where the span
//!   between the two never came, the user is lost as the session would be.
//! - Runs that were reported, and their calls, stay as their reports have them.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::boundary::{self, Seed, Territory};
use super::count::{self, Near};
use super::names::{self, Names, Sole};
use super::scratch::List;
use super::tree::{Forest, NONE};
use super::why::WhySession;
use crate::model::Str;
use crate::model::facts::SpanFact;
use crate::model::ids::{SessionId, SpanId};
use crate::model::scopes::scope_traits;
use crate::model::time::UnixNanos;

/// How often runs are founded at most. Each founding can lead to one more, and a trace that is made for it would cost its square; beyond this a
/// call counts in the run that holds it.
const FOUNDING_ROUNDS_MAX: usize = 8;

/// A call that looks for a run.
struct Stray<'a> {
    span: u32,
    /// The session that is in effect for it, and the span that brought that in; `None` and [`NONE`] where there is none.
    session: Option<&'a SessionId>,
    introducer: u32,
}

/// Where something stands in time.
type Moment = (UnixNanos, Option<SpanId>);

/// From when until when something went on, and what it was.
type Course = (Moment, UnixNanos, u32);

/// Gives every call that can have one a run of its session, and every run a session and a user if the trace names any.
pub(super) fn adopt<'a>(forest: &Forest<'a>, territory: &mut Territory<'a>, names: &mut List<'a, Names<'a>>) {
    adopt_calls(forest, territory, names);
    name_users(forest, territory, names);
}

fn adopt_calls<'a>(forest: &Forest<'a>, territory: &mut Territory<'a>, names: &mut List<'a, Names<'a>>) {
    let introducer = forest.introducers();
    let mut strays = find_strays(forest, territory, names, introducer);
    if strays.is_empty() && find_homeless(forest, territory, names).is_empty() {
        return;
    }
    // A run that loses what was below it can get another session from above, and its own is then without a run: so until all have one.
    for _ in 0..FOUNDING_ROUNDS_MAX {
        let founders = find_founders(forest, names, &strays);
        if founders.is_empty() {
            break;
        }
        boundary::found(forest, territory, &founders);
        *names = names::name_runs(forest, territory);
        strays = find_strays(forest, territory, names, introducer);
    }
    house(forest, territory, names, introducer);
    let mut courses: BTreeMap<Option<&SessionId>, Vec<Course>> = BTreeMap::new();
    for (session, course) in courses_of_runs(forest, territory, names) {
        courses.entry(Some(session)).or_default().push(course);
        courses.entry(None).or_default().push(course);
    }
    strays.sort_unstable_by_key(|stray| (stray.session, moment(forest, stray.span)));
    for same in strays.chunk_by(|a, b| a.session == b.session) {
        let Some(courses) = courses.get_mut(&same[0].session) else { continue };
        let found = going_on(courses, same.iter().map(|stray| moment(forest, stray.span)));
        for (stray, run) in same.iter().zip(found) {
            territory.owner[stray.span as usize] = run;
            territory.adopted.push((stray.span, stray.session.is_some()));
        }
    }
}

/// The spans that brought in the sessions that calls count in and no run has.
fn find_founders(forest: &Forest<'_>, names: &[Names<'_>], strays: &[Stray<'_>]) -> BTreeSet<u32> {
    let known: BTreeSet<&SessionId> = names.iter().filter_map(|names| names.session).collect();
    let is_new = |stray: &&Stray<'_>| stray.session.is_some_and(|session| !known.contains(session));
    let mut new: Vec<&Stray<'_>> = strays.iter().filter(is_new).collect();
    if !new.is_empty() {
        let near = Near::of(forest);
        new.retain(|stray| count::counts(forest.fact(stray.span), &near, stray.span));
    }
    new.into_iter().map(|stray| stray.introducer).collect()
}

/// Gives a session to the runs that have none.
fn house<'a>(forest: &Forest<'a>, territory: &Territory<'a>, names: &mut [Names<'a>], introducer: &[u32]) {
    let mut homeless = find_homeless(forest, territory, names);
    if homeless.is_empty() {
        return;
    }
    homeless.sort_unstable_by_key(|&run| moment(forest, territory.seeds[run].span));
    let moments = homeless.iter().map(|&run| moment(forest, territory.seeds[run].span));
    let mut runs: Vec<Course> = courses_of_runs(forest, territory, names).map(|(_, course)| course).collect();
    let sessions: Vec<_> = if runs.is_empty() {
        let brings_in = |&span: &u32| introducer[span as usize] == span;
        let mut spans: Vec<Course> = (0..forest.len() as u32).filter(brings_in).map(|span| course(forest, span, span)).collect();
        going_on(&mut spans, moments).into_iter().map(|span| forest.session[span as usize]).collect()
    } else {
        going_on(&mut runs, moments).into_iter().map(|run| names[run as usize].session).collect()
    };
    for (run, session) in homeless.into_iter().zip(sessions) {
        names[run].session = session;
        names[run].why_session = WhySession::GoingOn;
    }
}

/// Gives a user to the runs that have none.
fn name_users<'a>(forest: &Forest<'a>, territory: &Territory<'a>, names: &mut [Names<'a>]) {
    let is_nobodys = |(seed, names): &(&Seed<'_>, &Names<'_>)| {
        (names.user.is_none() || names.user_group.is_none()) && (seed.span == NONE || !is_settled(forest, seed.span))
    };
    let names_any = |fact: &&SpanFact| fact.labels.as_deref().is_some_and(|labels| labels.user.is_some() || labels.user_group.is_some());
    if !territory.seeds.iter().zip(&*names).any(|run| is_nobodys(&run)) || !forest.facts.iter().copied().any(|fact| names_any(&fact)) {
        return;
    }
    let introducer = forest.introducers();
    let mut sessions = Sole::default();
    forest.session.iter().for_each(|session| sessions.add(*session));
    // Where the trace names one session at most, all that it names is of that.
    let is_of_one = !matches!(sessions, Sole::Several);
    let mut known: BTreeMap<Option<&SessionId>, (Sole<'a, Str>, Sole<'a, Str>)> = BTreeMap::new();
    for (span, fact) in forest.facts.iter().copied().enumerate().filter(|(_, fact)| names_any(fact)) {
        let Some(labels) = fact.labels.as_deref() else { continue };
        let by = introducer[span];
        let session = if is_of_one || by == NONE { None } else { forest.session[by as usize] };
        let (users, groups) = known.entry(session).or_default();
        users.add(labels.user.as_ref());
        groups.add(labels.user_group.as_ref());
    }
    for (seed, names) in territory.seeds.iter().zip(names) {
        if is_nobodys(&(seed, names)) {
            let session = if is_of_one { None } else { names.session };
            let Some((users, groups)) = known.get(&session) else { continue };
            names.user = names.user.or(users.get());
            names.user_group = names.user_group.or(groups.get());
        }
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

/// The runs that have a session.
fn courses_of_runs<'a>(
    forest: &Forest<'a>,
    territory: &Territory<'a>,
    names: &[Names<'a>],
) -> impl Iterator<Item = (&'a SessionId, Course)> {
    let runs = territory.seeds.iter().zip(names).enumerate();
    runs.filter_map(|(run, (seed, names))| Some((names.session?, course(forest, seed.span, run as u32))))
}

fn course(forest: &Forest<'_>, span: u32, what: u32) -> Course {
    let until = if span == NONE { UnixNanos::MAX } else { forest.contains_until(span) };
    (moment(forest, span), until, what)
}

/// For each moment, of which none may come before the one ahead of it, what was going on then. Nothing is found only where nothing is.
fn going_on(courses: &mut [Course], moments: impl Iterator<Item = Moment>) -> Vec<u32> {
    courses.sort_unstable();
    let mut open: BinaryHeap<Course> = BinaryHeap::new();
    let mut next = 0;
    let mut found = Vec::new();
    for moment in moments {
        while let Some(course) = courses.get(next).filter(|(started, ..)| started.0 <= moment.0) {
            open.push(*course);
            next += 1;
        }
        // What has ended by now will not go on at a later moment either.
        while open.peek().is_some_and(|&(_, until, _)| until < moment.0) {
            open.pop();
        }
        let going_on = open.peek().or_else(|| courses[..next].last()).or_else(|| courses.first());
        found.extend(going_on.map(|&(.., what)| what));
    }
    found
}
