//! The figures over all runs that are kept: a change of a run is a change of them, under the tenant's lock, as it is one of the index.
//!
//! - Sums over time lie on disk beside the index, as of the same moment (`saved`). Where they do not, and for users, every run is read once:
//!   after the start, or by the first question.
//! - Runs without a session are not in it: they are few and go by their age alone. They are read for each question.
//! - Where something does not add up, the sums are let go and made anew for the next question.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use super::buckets::Unread;
use super::recent::{Overlay, RunOrder};
use super::tenant::{TenantCell, TenantState};
use crate::index::SessionNo;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::store::StoreError;
use crate::store::local::disk::read::Reader;
use crate::store::local::disk::rows::NO_SESSION;
use crate::store::local::{LocalStore, Shared, store_error};
use crate::store::sums::Sums;

/// So many changes may come while every run is read: about 200 MB.
const LOG_MAX: usize = 500_000;

/// What can be kept of runs: it changes as they do.
pub trait Figures: Default {
    /// Of no run yet.
    fn begin(_now: UnixNanos) -> Self {
        Self::default()
    }

    fn change(&mut self, before: Option<&Run>, after: Option<&Run>) -> Result<(), Lost>;

    /// Called now and then: what is old may be kept less exactly.
    fn settle(&mut self, _now: UnixNanos) {}

    /// About what it takes.
    fn memory_bytes(&self) -> usize;
}

/// Why figures are worth nothing any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// There is more than may be kept.
    TooMuch,
    /// Something left that never came.
    Unknown,
    /// The store stops: nobody will ask.
    Stopped,
}

#[derive(Default)]
pub enum Kept<F> {
    /// Nobody has asked, or they were let go.
    #[default]
    Off,
    /// Every run is being read, by whoever has this token; what has changed since that began.
    Begun(Arc<()>, Vec<Change>),
    On(F),
    /// There is more than may be kept.
    TooMuch,
}

/// A run as it was and as it is.
type Change = (Option<Arc<Run>>, Option<Arc<Run>>);

/// Runs of one session that must be read.
struct Question {
    session: SessionNo,
    newer: Overlay,
    of: Unread,
}

// === impl Kept ===

impl<F: Figures> Kept<F> {
    /// A run of a session is different, new or gone.
    pub fn change(&mut self, before: Option<&Arc<Run>>, after: Option<&Arc<Run>>) {
        let lost = match self {
            Self::Off | Self::TooMuch => return,
            Self::Begun(_, log) if log.len() < LOG_MAX => return log.push((before.cloned(), after.cloned())),
            Self::Begun(..) => Err(Lost::TooMuch),
            Self::On(figures) => figures.change(before.map(|run| &**run), after.map(|run| &**run)),
        };
        if let Err(lost) = lost {
            debug_assert_ne!(lost, Lost::Unknown, "{before:?}, {after:?}");
            tracing::debug!(?lost, "figures over all runs are let go");
            *self = Self::Off;
        }
    }

    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Off | Self::TooMuch => 0,
            Self::Begun(_, log) => log.capacity() * size_of::<Change>(),
            Self::On(figures) => figures.memory_bytes(),
        }
    }

    pub fn settle(&mut self, now: UnixNanos) {
        if let Self::On(figures) = self {
            figures.settle(now);
        }
    }

    pub fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// Whether changes matter to it.
    pub fn is_told(&self) -> bool {
        matches!(self, Self::Begun(..) | Self::On(_))
    }
}

// === impl LocalStore ===

impl LocalStore {
    /// What all runs come to that were active at `start` or later; `None` if that is not kept now.
    pub fn kept_sums(&self, cell: &TenantCell, start: UnixNanos) -> Result<Option<Sums>, StoreError> {
        let reader = self.shared.reader()?;
        self.shared.begin_keeping(cell, &reader, |state| &state.sums)?;
        let failed = |error| store_error("read the runs at the border of a window", error);
        let state = cell.read();
        let kept = state.sums.lock();
        let Kept::On(buckets) = &*kept else { return Ok(None) };
        let (mut sums, unread) = buckets.sums(start);
        drop(kept);
        let mut questions = Vec::new();
        for of in unread {
            let last = UnixNanos(of.started.end.saturating_sub(1));
            for session in state.index.active_between(UnixNanos(of.active.start), last) {
                questions.push(Question { session, newer: state.recent.overlay(session), of: of.clone() });
            }
        }
        let everything = Unread { active: start.0..u64::MAX, started: 0..u64::MAX, is_uncounted: true };
        questions.push(Question { session: NO_SESSION, newer: state.recent.overlay(NO_SESSION), of: everything });
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        drop(state);
        for Question { session, newer, of } in questions {
            let mut take = |run: &Run| {
                if !of.active.contains(&run.last_activity.0) {
                    return;
                }
                if of.is_uncounted {
                    sums.add(run);
                } else if let Some(agent) = sums.agents.get_mut(&run.agent) {
                    agent.last_run = agent.last_run.max(run.started_at);
                }
            };
            let started = (UnixNanos(of.started.start), UnixNanos(of.started.end));
            reader
                .each_run_started_between(cell.no, session, started, &mut |run| {
                    if !newer.contains(&RunOrder::of(run)) {
                        take(run);
                    }
                })
                .map_err(failed)?;
            newer.runs().for_each(|run| take(run));
        }
        reader.end_snapshot().map_err(failed)?;
        Ok(Some(sums))
    }
}

// === impl Shared ===

impl Shared {
    /// Reads every run of the sessions, unless somebody else does so already.
    pub fn begin_keeping<F: Figures>(
        &self,
        cell: &TenantCell,
        reader: &Reader,
        kept_in: fn(&TenantState) -> &Mutex<Kept<F>>,
    ) -> Result<(), StoreError> {
        let token = Arc::new(());
        let state = cell.read();
        {
            let mut kept = kept_in(&state).lock();
            if !kept.is_off() {
                return Ok(());
            }
            *kept = Kept::Begun(token.clone(), Vec::new());
        }
        // The fold changes nothing as long as the lock is held.
        let sessions: FxHashSet<SessionNo> = state.index.active_between(UnixNanos::ZERO, UnixNanos::MAX).into_iter().collect();
        let newer: Newer = state.recent.all().map(|(session, order, run)| ((session, *order), run.cloned())).collect();
        let snapshot = reader.begin_snapshot();
        drop(state);
        let gathered = snapshot.and_then(|()| self.gather(reader, cell, &sessions, &newer)).and_then(|figures| {
            reader.end_snapshot()?;
            Ok(figures)
        });
        let state = cell.read();
        let mut kept = kept_in(&state).lock();
        // Where too much changed meanwhile, what is there now may be another question's.
        let log = match &mut *kept {
            Kept::Begun(by, log) if Arc::ptr_eq(by, &token) => std::mem::take(log),
            _ => return Ok(()),
        };
        *kept = Kept::Off;
        let gathered = gathered.map_err(|error| store_error("sum up all runs", error))?;
        let replay = |mut figures: F| {
            log.iter().try_for_each(|(before, after)| figures.change(before.as_deref(), after.as_deref()))?;
            Ok(figures)
        };
        *kept = match gathered.and_then(replay) {
            Ok(figures) => Kept::On(figures),
            Err(Lost::Stopped) => Kept::Off,
            Err(Lost::TooMuch | Lost::Unknown) => Kept::TooMuch,
        };
        Ok(())
    }

    /// Every run of these sessions, as it is on disk or newer.
    fn gather<F: Figures>(
        &self,
        reader: &Reader,
        cell: &TenantCell,
        sessions: &FxHashSet<SessionNo>,
        newer: &Newer,
    ) -> rusqlite::Result<Result<F, Lost>> {
        let mut figures = F::begin(self.clock.now());
        let mut outcome = Ok(());
        reader.each_run_of_sessions(cell.no, &mut |session, run| {
            if sessions.contains(&session) && !newer.contains_key(&(session, RunOrder::of(run))) {
                outcome = figures.change(None, Some(run));
            }
            if self.is_stopping() {
                outcome = Err(Lost::Stopped);
            }
            outcome.is_ok()
        })?;
        for ((session, _), run) in newer {
            if let Some(run) = run.as_ref().filter(|_| sessions.contains(session) && outcome.is_ok()) {
                outcome = figures.change(None, Some(run));
            }
        }
        Ok(outcome.map(|()| figures))
    }
}

type Newer = FxHashMap<(SessionNo, RunOrder), Option<Arc<Run>>>;
