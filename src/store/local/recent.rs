//! The runs of a tenant that changed since the last finished checkpoint: what lies on disk is older.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::index::SessionNo;
use crate::model::ids::{RunId, RunKey};
use crate::model::run::Run;
use crate::model::time::UnixNanos;

/// The order of the runs of a session: by start, ties by the id that is shown, then by identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct RunOrder {
    pub(super) started_at: UnixNanos,
    pub(super) id: RunId,
    pub(super) key: RunKey,
}

/// Counts the checkpoints: what changed in a generation is on disk once its checkpoint is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Generation(pub(super) u64);

/// What a session's runs are now where that differs from disk; `None` is "gone".
pub(super) type Overlay = BTreeMap<RunOrder, Option<Arc<Run>>>;

#[derive(Default)]
pub(super) struct RecentRuns {
    /// Written by the fold, trimmed when a checkpoint is done, read by every look at a session.
    sessions: FxHashMap<SessionNo, RecentSession>,
    /// Where a run of `sessions` is, by the number it is shown by.
    places: FxHashMap<RunId, (SessionNo, RunOrder)>,
    /// Counts the changes.
    now: Moment,
    /// When the sessions that were trimmed away last changed.
    trimmed: Moment,
}

/// A point in the order of all changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Moment(u64);

#[derive(Default)]
struct RecentSession {
    runs: BTreeMap<RunOrder, Change>,
    changed: Moment,
}

/// A run that is different from disk, or gone, since a generation.
type Change = (Generation, Option<Arc<Run>>);

impl RunOrder {
    pub(super) fn of(run: &Run) -> Self {
        Self { started_at: run.started_at, id: run.id, key: run.key }
    }
}

/// As the database orders the rows, whose span ids are signed: both are read in step.
impl Ord for RunOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |order: &Self| (order.started_at, order.id, order.key.trace, order.key.span.to_u64().cast_signed());
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for RunOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RecentRuns {
    pub(super) fn set(&mut self, session: SessionNo, order: RunOrder, run: Option<Arc<Run>>, generation: Generation) {
        if run.is_some() {
            self.places.insert(order.id, (session, order));
        } else if self.places.get(&order.id) == Some(&(session, order)) {
            self.places.remove(&order.id);
        }
        self.now.0 += 1;
        let recent = self.sessions.entry(session).or_default();
        recent.changed = self.now;
        recent.runs.insert(order, (generation, run));
    }

    pub(super) fn moment(&self) -> Moment {
        self.now
    }

    /// Whether a run of the session has changed since then; `true` also where that is not known any more.
    pub(super) fn changed_since(&self, session: SessionNo, moment: Moment) -> bool {
        self.sessions.get(&session).map_or(self.trimmed, |recent| recent.changed) > moment
    }

    /// A run that is newer than disk.
    pub(super) fn find(&self, id: RunId) -> Option<&Arc<Run>> {
        let (session, order) = self.places.get(&id)?;
        self.sessions.get(session)?.runs.get(order)?.1.as_ref()
    }

    /// Everything that is newer than disk.
    pub(super) fn all(&self) -> impl Iterator<Item = (SessionNo, &RunOrder, Option<&Arc<Run>>)> {
        self.sessions.iter().flat_map(|(session, recent)| recent.runs.iter().map(|(order, (_, run))| (*session, order, run.as_ref())))
    }

    /// A copy of what is newer than disk in one session; the runs themselves are shared.
    pub(super) fn overlay(&self, session: SessionNo) -> Overlay {
        let Some(recent) = self.sessions.get(&session) else { return Overlay::new() };
        recent.runs.iter().map(|(order, (_, run))| (*order, run.clone())).collect()
    }

    /// The part of it that started within [start, end].
    pub(super) fn started_between(&self, session: SessionNo, (start, end): (UnixNanos, UnixNanos)) -> Overlay {
        let Some(recent) = self.sessions.get(&session) else { return Overlay::new() };
        let within = recent.runs.iter().skip_while(|(order, _)| order.started_at < start).take_while(|(order, _)| order.started_at <= end);
        within.map(|(order, (_, run))| (*order, run.clone())).collect()
    }

    /// The same without a copy, for short looks.
    pub(super) fn iter(&self, session: SessionNo) -> impl Iterator<Item = (&RunOrder, Option<&Arc<Run>>)> {
        self.sessions.get(&session).into_iter().flat_map(|recent| &recent.runs).map(|(order, (_, run))| (order, run.as_ref()))
    }

    pub(super) fn contains(&self, session: SessionNo, order: &RunOrder) -> bool {
        self.sessions.get(&session).is_some_and(|recent| recent.runs.contains_key(order))
    }

    /// The checkpoint of `done` has put this on disk.
    pub(super) fn forget(&mut self, session: SessionNo, order: &RunOrder, done: Generation) {
        let Some(recent) = self.sessions.get_mut(&session) else { return };
        let runs = &mut recent.runs;
        if runs.get(order).is_some_and(|(generation, _)| *generation <= done) {
            runs.remove(order);
            if self.places.get(&order.id) == Some(&(session, *order)) {
                self.places.remove(&order.id);
            }
        }
        if runs.is_empty() {
            self.trimmed = self.trimmed.max(recent.changed);
            self.sessions.remove(&session);
        }
    }

    pub(super) fn forget_session(&mut self, session: SessionNo) {
        for order in self.sessions.remove(&session).into_iter().flat_map(|recent| recent.runs.into_keys()) {
            if self.places.get(&order.id) == Some(&(session, order)) {
                self.places.remove(&order.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{SpanId, TraceId};
    use crate::store::local::disk::rows::signed;

    #[test]
    fn runs_are_ordered_in_memory_as_the_database_orders_their_rows() {
        let order = |(started_at, id, trace, span): (u64, u64, u8, u64)| RunOrder {
            started_at: UnixNanos(started_at),
            id: RunId::new(id).unwrap(),
            key: RunKey { trace: TraceId::from_bytes(&[trace; 16]).unwrap(), span: SpanId::from_u64(span).unwrap() },
        };
        let spans = [1, 2, (1 << 63) - 1, 1 << 63, u64::MAX];
        let mut orders = Vec::new();
        for span in spans {
            for rest in [(7, 5, 1), (7, 5, 255), (7, 6, 1), (0, 9, 9), (i64::MAX as u64, 1, 1)] {
                orders.push(order((rest.0, rest.1, rest.2, span)));
            }
        }
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE runs (n, started_at_ns, run_id, trace_id, span_id)").unwrap();
        for (n, RunOrder { started_at, id, key }) in (0_u32..).zip(&orders) {
            let values = rusqlite::params![n, signed(started_at.0), signed(id.get()), key.trace.as_bytes(), signed(key.span.to_u64())];
            db.execute("INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5)", values).unwrap();
        }
        let mut select = db.prepare("SELECT n FROM runs ORDER BY started_at_ns, run_id, trace_id, span_id").unwrap();
        let rows: Vec<u32> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let of_database: Vec<RunOrder> = rows.into_iter().map(|n| orders[n as usize]).collect();
        orders.sort();
        assert_eq!(orders, of_database);
    }
}
