//! What the runs of each user come to, as columns: a list of users is one pass over one of them.
//!
//! - Of runs in sessions; whoever asks lays those without a session over it.
//! - When a user was first and last seen is a bound that is exact unless the run that held it left.
//! - 100 bytes a user, once somebody has asked for users.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use rustc_hash::FxHashSet;

use super::kept::{Figures, Lost};
use crate::index::Needle;
use crate::model::Str;
use crate::model::query::{UserQuery, UserSort};
use crate::model::run::Run;
use crate::model::session::Page;

/// So many users are kept at most.
const USERS_MAX: usize = 2_000_000;

#[derive(Debug, Default)]
pub struct UserTable {
    by_name: HashTable<u32>,
    hasher: RandomState,
    /// By row; empty where it is free.
    names: Vec<Str>,
    free: Vec<u32>,
    columns: Columns,
    /// Rows whose bounds may be too wide.
    loose_first: FxHashSet<u32>,
    loose_last: FxHashSet<u32>,
}

/// By row.
#[derive(Debug, Default)]
struct Columns {
    first_seen: Vec<u64>,
    last_seen: Vec<u64>,
    n_runs: Vec<u64>,
    cost: Vec<u64>,
    tokens: Vec<u64>,
    duration: Vec<u128>,
}

/// One user's sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserFigures {
    first_seen: u64,
    last_seen: u64,
    n_runs: u64,
    cost: u64,
    tokens: u64,
    /// As wide as no sum of durations overflows.
    duration: u128,
}

/// The first users of an order up to the end of a page: those that can be none of them are let go on the way.
struct First<'a> {
    query: &'a UserQuery,
    /// So many are wanted.
    n: usize,
    ranked: Vec<Ranked<'a>>,
    /// What is not before this is not among the first.
    last: Option<Ranked<'a>>,
    count: u64,
}

/// A key, flipped where the greatest comes first, and the user.
type Ranked<'a> = (u64, &'a Str);

// === impl UserTable ===

impl Figures for UserTable {
    fn memory_bytes(&self) -> usize {
        // The text of a name, which nobody counts here, with two counters before it.
        const TEXT_BYTES: usize = 16 + 2 * size_of::<usize>();
        self.names.capacity() * (size_of::<Str>() + TEXT_BYTES + size_of::<UserFigures>()) + self.by_name.allocation_size()
    }

    fn change(&mut self, before: Option<&Run>, after: Option<&Run>) -> Result<(), Lost> {
        if let Some((run, user)) = before.and_then(|run| Some((run, run.user.as_ref()?))) {
            self.take_away(user, run)?;
        }
        if let Some((run, user)) = after.and_then(|run| Some((run, run.user.as_ref()?))) {
            self.add(user, run);
        }
        if self.by_name.len() > USERS_MAX { Err(Lost::TooMuch) } else { Ok(()) }
    }
}

impl UserTable {
    /// Users whose place in such an order is not known.
    pub fn loose(&self, sort: UserSort) -> Vec<Str> {
        let rows = match sort {
            UserSort::FirstSeen => &self.loose_first,
            UserSort::LastSeen => &self.loose_last,
            _ => return Vec::new(),
        };
        rows.iter().map(|row| self.names[*row as usize].clone()).collect()
    }

    pub fn figures(&self, user: &str) -> Option<UserFigures> {
        self.row(user).map(|row| self.columns.get(row))
    }

    /// A page of users. What is `known` of some of them goes before what stands here.
    pub fn page(&self, query: &UserQuery, known: &BTreeMap<Str, UserFigures>) -> Page<Str> {
        let replaced: FxHashSet<usize> = known.keys().filter_map(|user| self.row(user)).collect();
        let mut needle = query.search.as_deref().map(Needle::new);
        let mut is_meant = |user: &str| needle.as_mut().is_none_or(|needle| needle.is_in(user));
        let mut first = First::new(query);
        for (user, figures) in known.iter().filter(|(user, _)| is_meant(user)) {
            first.add(figures.key(query.sort, user), user);
        }
        // The newest rows first: they lead most orders, and what comes after them is then seldom kept.
        for row in (0..self.names.len()).rev() {
            let name = &self.names[row];
            let is_here = self.columns.n_runs[row] > 0 && (replaced.is_empty() || !replaced.contains(&row));
            if is_here && is_meant(name) {
                first.add(self.columns.key(row, query.sort, name), name);
            }
        }
        first.page()
    }

    fn row(&self, user: &str) -> Option<usize> {
        self.by_name.find(self.hasher.hash_one(user), |row| *self.names[*row as usize] == *user).map(|row| *row as usize)
    }

    fn add(&mut self, user: &Str, run: &Run) {
        let row = match self.row(user) {
            Some(row) => row,
            None => self.new_row(user),
        };
        let number = row as u32;
        if run.started_at.0 <= self.columns.first_seen[row] {
            self.loose_first.remove(&number);
        }
        if run.last_activity.0 >= self.columns.last_seen[row] {
            self.loose_last.remove(&number);
        }
        let mut figures = self.columns.get(row);
        figures.add(run);
        self.columns.set(row, figures);
    }

    fn take_away(&mut self, user: &Str, run: &Run) -> Result<(), Lost> {
        let row = self.row(user).ok_or(Lost::Unknown)?;
        let number = row as u32;
        let mut figures = self.columns.get(row);
        figures.n_runs = figures.n_runs.checked_sub(1).ok_or(Lost::Unknown)?;
        figures.cost = figures.cost.wrapping_sub(run.usage.cost.0);
        figures.tokens = figures.tokens.wrapping_sub(run.usage.tokens);
        figures.duration = figures.duration.wrapping_sub(duration(run));
        if figures.n_runs == 0 {
            self.loose_first.remove(&number);
            self.loose_last.remove(&number);
            if let Ok(entry) = self.by_name.find_entry(self.hasher.hash_one(&**user), |other| *other == number) {
                entry.remove();
            }
            self.names[row] = Str::default();
            self.free.push(number);
            figures = UserFigures::NONE;
        } else {
            if run.started_at.0 <= figures.first_seen {
                self.loose_first.insert(number);
            }
            if run.last_activity.0 >= figures.last_seen {
                self.loose_last.insert(number);
            }
        }
        self.columns.set(row, figures);
        Ok(())
    }

    fn new_row(&mut self, user: &Str) -> usize {
        let row = match self.free.pop() {
            Some(row) => row as usize,
            None => {
                self.names.push(Str::default());
                self.columns.push();
                self.names.len() - 1
            }
        };
        self.names[row] = user.clone();
        let (names, hasher) = (&self.names, &self.hasher);
        self.by_name.insert_unique(hasher.hash_one(&**user), row as u32, |row| hasher.hash_one(&*names[*row as usize]));
        row
    }
}

/// The first eight bytes, which order as the id does unless they are equal.
fn id_key(user: &str) -> u64 {
    let mut key = [0; 8];
    let n_bytes = user.len().min(8);
    key[..n_bytes].copy_from_slice(&user.as_bytes()[..n_bytes]);
    u64::from_be_bytes(key)
}

fn duration(run: &Run) -> u128 {
    run.duration().map_or(0, |length| u128::from(length.0))
}

// === impl First ===

impl<'a> First<'a> {
    fn new(query: &'a UserQuery) -> Self {
        Self { query, n: query.offset.saturating_add(query.limit), ranked: Vec::new(), last: None, count: 0 }
    }

    fn add(&mut self, key: u64, user: &'a Str) {
        self.count += 1;
        let ranked = (if self.query.descending { !key } else { key }, user);
        if self.last.is_some_and(|last| ranked.0 > last.0 || ranked.0 == last.0 && self.compare(&ranked, &last) != Ordering::Less) {
            return;
        }
        self.ranked.push(ranked);
        if self.ranked.len() >= self.n.saturating_mul(2).saturating_add(1_024) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let mut ranked = std::mem::take(&mut self.ranked);
        if let Some(nth) = self.n.checked_sub(1).filter(|nth| *nth < ranked.len()) {
            self.last = Some(*ranked.select_nth_unstable_by(nth, |a, b| self.compare(a, b)).1);
        }
        ranked.truncate(self.n);
        self.ranked = ranked;
    }

    fn page(mut self) -> Page<Str> {
        self.cut();
        let mut ranked = std::mem::take(&mut self.ranked);
        ranked.sort_unstable_by(|a, b| self.compare(a, b));
        let items = ranked.into_iter().skip(self.query.offset).map(|(_, user)| user.clone()).collect();
        Page { items, count: self.count }
    }

    /// Ties by id ascending; the ids themselves either way.
    fn compare(&self, a: &Ranked<'_>, b: &Ranked<'_>) -> Ordering {
        let is_reversed = self.query.descending && self.query.sort == UserSort::UserId;
        a.0.cmp(&b.0).then_with(|| if is_reversed { b.1.cmp(a.1) } else { a.1.cmp(b.1) })
    }
}

// === impl Columns ===

impl Columns {
    fn push(&mut self) {
        let UserFigures { first_seen, last_seen, n_runs, cost, tokens, duration } = UserFigures::NONE;
        self.first_seen.push(first_seen);
        self.last_seen.push(last_seen);
        self.n_runs.push(n_runs);
        self.cost.push(cost);
        self.tokens.push(tokens);
        self.duration.push(duration);
    }

    fn get(&self, row: usize) -> UserFigures {
        UserFigures {
            first_seen: self.first_seen[row],
            last_seen: self.last_seen[row],
            n_runs: self.n_runs[row],
            cost: self.cost[row],
            tokens: self.tokens[row],
            duration: self.duration[row],
        }
    }

    fn set(&mut self, row: usize, figures: UserFigures) {
        self.first_seen[row] = figures.first_seen;
        self.last_seen[row] = figures.last_seen;
        self.n_runs[row] = figures.n_runs;
        self.cost[row] = figures.cost;
        self.tokens[row] = figures.tokens;
        self.duration[row] = figures.duration;
    }

    fn key(&self, row: usize, sort: UserSort, name: &str) -> u64 {
        match sort {
            UserSort::LastSeen => self.last_seen[row],
            UserSort::FirstSeen => self.first_seen[row],
            UserSort::RunCount => self.n_runs[row],
            UserSort::TotalCost => self.cost[row],
            UserSort::TotalTokens => self.tokens[row],
            UserSort::TotalDuration => u64::try_from(self.duration[row]).unwrap_or(u64::MAX),
            UserSort::UserId => id_key(name),
        }
    }
}

// === impl UserFigures ===

impl UserFigures {
    pub const NONE: Self = Self { first_seen: u64::MAX, last_seen: 0, n_runs: 0, cost: 0, tokens: 0, duration: 0 };

    pub fn add(&mut self, run: &Run) {
        self.first_seen = self.first_seen.min(run.started_at.0);
        self.last_seen = self.last_seen.max(run.last_activity.0);
        self.n_runs += 1;
        self.cost = self.cost.wrapping_add(run.usage.cost.0);
        self.tokens = self.tokens.wrapping_add(run.usage.tokens);
        self.duration = self.duration.wrapping_add(duration(run));
    }

    /// The sums of both.
    pub fn with(&self, other: &Self) -> Self {
        Self {
            first_seen: self.first_seen.min(other.first_seen),
            last_seen: self.last_seen.max(other.last_seen),
            n_runs: self.n_runs + other.n_runs,
            cost: self.cost.wrapping_add(other.cost),
            tokens: self.tokens.wrapping_add(other.tokens),
            duration: self.duration.wrapping_add(other.duration),
        }
    }

    fn key(&self, sort: UserSort, name: &str) -> u64 {
        match sort {
            UserSort::LastSeen => self.last_seen,
            UserSort::FirstSeen => self.first_seen,
            UserSort::RunCount => self.n_runs,
            UserSort::TotalCost => self.cost,
            UserSort::TotalTokens => self.tokens,
            UserSort::TotalDuration => u64::try_from(self.duration).unwrap_or(u64::MAX),
            UserSort::UserId => id_key(name),
        }
    }
}
