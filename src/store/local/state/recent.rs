//! The runs of a tenant that changed since the last finished checkpoint: what lies on disk is older.

use std::cmp::Ordering;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::index::SessionNo;
use crate::model::ids::{RunId, RunKey};
use crate::model::run::Run;
use crate::model::time::UnixNanos;

/// The order of the runs of a session: by start, ties by the id that is shown, then by identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RunOrder {
    pub started_at: UnixNanos,
    pub id: RunId,
    pub key: RunKey,
}

/// Counts the checkpoints: what changed in a generation is on disk once its checkpoint is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Generation(pub u64);

/// What a session's runs are where that differs from disk, as of one moment: shared with the fold, which copies a piece before it changes
/// what a reader still looks at.
#[derive(Default)]
pub struct Overlay {
    pieces: Vec<Arc<Piece>>,
}

/// The runs of an [`Overlay`] in order; `None` is "gone".
pub struct OverlayRuns {
    pieces: std::vec::IntoIter<Arc<Piece>>,
    /// The piece that is read, and how many runs of it were.
    current: Option<(Arc<Piece>, usize)>,
}

/// The changed runs of one session, in pieces by order; none is empty.
#[derive(Default)]
struct Changes {
    pieces: Vec<Arc<Piece>>,
}

/// Runs in order. Mostly there is one, or a few, and a node of a tree would have room for eleven.
#[derive(Clone)]
struct Piece(Vec<(RunOrder, Change)>);

/// A larger piece is halved: what the fold copies at most, 14 KiB, while a reader holds it.
const PIECE_MAX: usize = 256;

#[derive(Default)]
pub struct RecentRuns {
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
pub struct Moment(u64);

#[derive(Default)]
struct RecentSession {
    runs: Changes,
    changed: Moment,
}

/// A run that is different from disk, or gone, since a generation.
type Change = (Generation, Option<Arc<Run>>);

impl RunOrder {
    pub fn of(run: &Run) -> Self {
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
    pub fn set(&mut self, session: SessionNo, order: RunOrder, run: Option<Arc<Run>>, generation: Generation) {
        if run.is_some() {
            self.places.insert(order.id, (session, order));
        } else if self.places.get(&order.id) == Some(&(session, order)) {
            self.places.remove(&order.id);
        }
        self.now.0 += 1;
        let recent = self.sessions.entry(session).or_default();
        recent.changed = self.now;
        recent.runs.set(order, (generation, run));
    }

    pub fn moment(&self) -> Moment {
        self.now
    }

    /// Whether a run of the session has changed since then; `true` also where that is not known any more.
    pub fn changed_since(&self, session: SessionNo, moment: Moment) -> bool {
        self.sessions.get(&session).map_or(self.trimmed, |recent| recent.changed) > moment
    }

    /// A run that is newer than disk.
    pub fn find(&self, id: RunId) -> Option<&Arc<Run>> {
        let (session, order) = self.places.get(&id)?;
        self.sessions.get(session)?.runs.get(order)?.1.as_ref()
    }

    /// The numbers of the runs that are newer than disk.
    pub fn ids(&self) -> impl Iterator<Item = RunId> {
        self.places.keys().copied()
    }

    /// Everything that is newer than disk.
    pub fn all(&self) -> impl Iterator<Item = (SessionNo, &RunOrder, Option<&Arc<Run>>)> {
        self.sessions.iter().flat_map(|(session, recent)| recent.runs.iter().map(|(order, (_, run))| (*session, order, run.as_ref())))
    }

    /// What is newer than disk in one session, as it is now: no copy, however much it is.
    pub fn overlay(&self, session: SessionNo) -> Overlay {
        let pieces = self.sessions.get(&session).map(|recent| recent.runs.pieces.clone());
        Overlay { pieces: pieces.unwrap_or_default() }
    }

    /// The same without a copy, for short looks.
    pub fn iter(&self, session: SessionNo) -> impl Iterator<Item = (&RunOrder, Option<&Arc<Run>>)> {
        self.sessions.get(&session).into_iter().flat_map(|recent| recent.runs.iter()).map(|(order, (_, run))| (order, run.as_ref()))
    }

    pub fn contains(&self, session: SessionNo, order: &RunOrder) -> bool {
        self.sessions.get(&session).is_some_and(|recent| recent.runs.get(order).is_some())
    }

    /// The checkpoint of `done` has put this on disk.
    pub fn forget(&mut self, session: SessionNo, order: &RunOrder, done: Generation) {
        let Some(recent) = self.sessions.get_mut(&session) else { return };
        let runs = &mut recent.runs;
        if runs.get(order).is_some_and(|(generation, _)| *generation <= done) {
            runs.remove(order);
            if self.places.get(&order.id) == Some(&(session, *order)) {
                self.places.remove(&order.id);
            }
        }
        if runs.pieces.is_empty() {
            self.trimmed = self.trimmed.max(recent.changed);
            self.sessions.remove(&session);
        }
    }

    pub fn forget_session(&mut self, session: SessionNo) {
        let recent = self.sessions.remove(&session).unwrap_or_default();
        for (order, _) in recent.runs.iter() {
            if self.places.get(&order.id) == Some(&(session, *order)) {
                self.places.remove(&order.id);
            }
        }
    }
}

// === impl Changes ===

impl Changes {
    fn get(&self, order: &RunOrder) -> Option<&Change> {
        self.pieces.get(self.at(order))?.get(order)
    }

    fn set(&mut self, order: RunOrder, change: Change) {
        let at = self.at(&order);
        let Some(piece) = self.pieces.get_mut(at) else {
            // Most sessions have a few runs and one piece.
            self.pieces.reserve_exact(1);
            return self.pieces.push(Arc::new(Piece(vec![(order, change)])));
        };
        let piece = Arc::make_mut(piece);
        piece.set(order, change);
        if piece.0.len() > PIECE_MAX {
            let rest = piece.0.split_off(PIECE_MAX / 2);
            // It keeps what the whole had room for, and mostly nothing more comes into it.
            piece.0.shrink_to_fit();
            self.pieces.insert(at + 1, Arc::new(Piece(rest)));
        }
    }

    fn remove(&mut self, order: &RunOrder) {
        let at = self.at(order);
        let Some(piece) = self.pieces.get_mut(at) else { return };
        let piece = Arc::make_mut(piece);
        piece.remove(order);
        if piece.0.is_empty() {
            self.pieces.remove(at);
        }
    }

    /// Which piece the order belongs to.
    fn at(&self, order: &RunOrder) -> usize {
        // As of most sessions.
        if self.pieces.len() < 2 {
            return 0;
        }
        piece_of(&self.pieces, order)
    }

    fn iter(&self) -> impl Iterator<Item = (&RunOrder, &Change)> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }
}

/// The last piece that does not begin after the order, else the first.
fn piece_of(pieces: &[Arc<Piece>], order: &RunOrder) -> usize {
    let begins_before = |piece: &Arc<Piece>| piece.0.first().is_some_and(|(first, _)| first <= order);
    pieces.partition_point(begins_before).saturating_sub(1)
}

// === impl Piece ===

impl Piece {
    fn get(&self, order: &RunOrder) -> Option<&Change> {
        self.find(order).ok().map(|at| &self.0[at].1)
    }

    fn set(&mut self, order: RunOrder, change: Change) {
        match self.find(&order) {
            Ok(at) => self.0[at].1 = change,
            Err(at) => self.0.insert(at, (order, change)),
        }
    }

    fn remove(&mut self, order: &RunOrder) {
        if let Ok(at) = self.find(order) {
            self.0.remove(at);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&RunOrder, &Change)> {
        self.0.iter().map(|(order, change)| (order, change))
    }

    fn find(&self, order: &RunOrder) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(order))
    }
}

// === impl Overlay ===

impl Overlay {
    pub fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.0.len()).sum()
    }

    pub fn orders(&self) -> impl Iterator<Item = &RunOrder> {
        self.pieces.iter().flat_map(|piece| piece.iter()).map(|(order, _)| order)
    }

    /// The runs that are not gone.
    pub fn runs(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.pieces.iter().flat_map(|piece| piece.iter()).filter_map(|(_, (_, run))| run.as_ref())
    }

    /// Whether a row of this place on disk is out of date.
    pub fn contains(&self, order: &RunOrder) -> bool {
        self.pieces.get(piece_of(&self.pieces, order)).is_some_and(|piece| piece.find(order).is_ok())
    }
}

impl IntoIterator for Overlay {
    type Item = (RunOrder, Option<Arc<Run>>);
    type IntoIter = OverlayRuns;

    fn into_iter(self) -> OverlayRuns {
        OverlayRuns { pieces: self.pieces.into_iter(), current: None }
    }
}

impl Iterator for OverlayRuns {
    type Item = (RunOrder, Option<Arc<Run>>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((piece, n_read)) = &mut self.current
                && let Some((order, (_, run))) = piece.0.get(*n_read)
            {
                *n_read += 1;
                return Some((*order, run.clone()));
            }
            self.current = Some((self.pieces.next()?, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::ids::{SpanId, TraceId};
    use crate::store::local::disk::rows::signed;

    fn at(start: u64) -> RunOrder {
        let key = RunKey { trace: TraceId::from_bytes(&[1; 16]).unwrap(), span: SpanId::from_u64(1).unwrap() };
        RunOrder { started_at: UnixNanos(start), id: RunId::new(start + 1).unwrap(), key }
    }

    /// The pieces against one map, while what readers were given stays what it was.
    #[test]
    fn a_reader_keeps_the_moment_it_was_given_while_the_runs_change() {
        let session = SessionNo(1);
        let (mut recent, mut model) = (RecentRuns::default(), BTreeMap::new());
        let mut given: Vec<(Overlay, Vec<RunOrder>)> = Vec::new();
        for step in 0..6_000_u64 {
            let order = at(step * 7_919 % 3_001);
            if step % 5 == 4 {
                recent.forget(session, &order, Generation(step));
                model.remove(&order);
            } else {
                recent.set(session, order, None, Generation(step));
                model.insert(order, ());
            }
            assert_eq!(recent.contains(session, &order), model.contains_key(&order));
            if step % 1_000 == 999 {
                let overlay = recent.overlay(session);
                assert!(overlay.len() == model.len() && overlay.orders().eq(model.keys()));
                given.push((overlay, model.keys().copied().collect()));
            }
        }
        for (overlay, orders) in given {
            assert!(overlay.into_iter().map(|(order, _)| order).eq(orders));
        }
        recent.forget_session(session);
        assert_eq!(recent.overlay(session).len(), 0);
    }

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
