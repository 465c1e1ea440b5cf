//! Sums over runs by the time of their last activity, changed as the runs change.
//!
//! - A bucket is ten minutes, of what is some days old an hour, and of what is months old a day: [`Buckets::settle`] joins them.
//! - Sums change by difference and wrap, so that whatever was added can be taken away again.
//! - When an agent's newest run started is a bound that is exact unless the run that held it left; then only the runs of the bucket can
//!   tell, and [`Buckets::sums`] says that they must be read. What the dearest run cost and how long the slowest took are bounds, and
//!   stay ones.
//! - Which buckets differ from those on disk is noted, for the next checkpoint.
//! - Pure: no clock, no disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::cells::Bucket;
use super::kept::{Figures, Lost};
use super::tool_names::{ToolNames, UnsavedNames};
use super::tool_sums;
use crate::model::Str;
use crate::model::run::Run;
use crate::model::tally::TallySum;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::series::{Series, SeriesQuery};
use crate::store::sums::Sums;

const MINUTES: u64 = 10 * 60 * 1_000_000_000;
const HOUR: u64 = 6 * MINUTES;
const DAY: u64 = 24 * HOUR;

/// So many agents, models, providers and tools in all buckets together are kept at most: about 60 MiB.
const CELLS_MAX: usize = 150_000;

/// How old in days a bucket is that is an hour long, and one that is a day: as a rule, and where there are many cells.
const TIERS: (u64, u64) = (2, 62);
const TIERS_OF_MANY: (u64, u64) = (0, 7);

#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// By where they begin.
    by_time: BTreeMap<u64, Bucket>,
    n_cells: usize,
    tiers: Tiers,
    tools: ToolNames,
    unsaved: Unsaved,
    /// When they began or were last settled.
    now: UnixNanos,
}

/// Where the longer buckets end: whole days. What comes later is in buckets of ten minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tiers {
    days_until: u64,
    hours_until: u64,
}

/// Which buckets on disk are not as they are here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unsaved {
    /// Those on disk, if there are any, are of something else.
    pub is_all: bool,
    pub begins: BTreeSet<u64>,
}

/// Where a bucket begins, its length, and what it holds; `None`: it is empty now.
pub type Unwritten<'a> = (u64, u64, Option<&'a Bucket>);

/// The runs of a bucket that must be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unread {
    /// Where their last activity lies.
    pub active: Range<u64>,
    /// Where their start can lie.
    pub started: Range<u64>,
    /// Whether they are in no sum yet; else only when they started is asked for.
    pub is_uncounted: bool,
}

/// A bucket, and how dear and how long its runs are at most, as far as they are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounds {
    pub active: Range<u64>,
    /// Those that are meant, and all that the bucket holds.
    pub n_runs: u64,
    pub n_held: u64,
    pub n_errors: u64,
    pub dearest: u64,
    pub slowest: u64,
}

/// A bucket, and what its runs have to do with a tool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallBounds {
    pub active: Range<u64>,
    /// All of its runs, which are read to find those that called the tool.
    pub n_runs: u64,
    pub n_calling: u64,
    pub n_errors: u64,
    /// No call took longer.
    pub slowest: u64,
}

// === impl Buckets ===

impl Figures for Buckets {
    fn begin(now: UnixNanos) -> Self {
        let unsaved = Unsaved { is_all: true, begins: BTreeSet::new() };
        Self { tiers: Tiers::at(now, TIERS), tools: ToolNames::begin(), unsaved, now, ..Self::default() }
    }

    fn memory_bytes(&self) -> usize {
        // A cell with some lengths of runs; nodes of a B-tree are about two thirds full; names are mostly shared.
        const CELL_BYTES: usize = 256;
        (self.n_cells * CELL_BYTES + self.by_time.len() * size_of::<(u64, Bucket)>()) * 3 / 2
    }

    fn change(&mut self, before: Option<&Run>, after: Option<&Run>) -> Result<(), Lost> {
        if let Some(run) = before {
            self.take_away(run)?;
        }
        if let Some(run) = after {
            self.add(run);
        }
        if self.n_cells > CELLS_MAX {
            self.join_before(Tiers::at(self.now, TIERS_OF_MANY));
        }
        if self.n_cells > CELLS_MAX { Err(Lost::TooMuch) } else { Ok(()) }
    }

    /// Joins buckets that have become old, or more of them where there are many cells.
    fn settle(&mut self, now: UnixNanos) {
        self.now = now;
        let tiers = if self.n_cells > CELLS_MAX / 2 { TIERS_OF_MANY } else { TIERS };
        self.join_before(Tiers::at(now, tiers));
    }
}

impl Buckets {
    /// As they were saved, beside the names of tools; `None` if there are more than are kept.
    pub fn restored(saved: impl IntoIterator<Item = (u64, u64, Bucket)>, tools: Vec<Str>) -> Option<Self> {
        let mut buckets = Self::default();
        let mut in_use = FxHashSet::default();
        for (begin, length, bucket) in saved {
            let end = begin.saturating_add(length);
            match length {
                MINUTES => {}
                HOUR => buckets.tiers.hours_until = buckets.tiers.hours_until.max(end.div_ceil(DAY).saturating_mul(DAY)),
                _ => buckets.tiers.days_until = buckets.tiers.days_until.max(end),
            }
            buckets.n_cells += bucket.n_cells();
            in_use.extend(bucket.agents.values().flat_map(|agent| agent.tools.keys().cloned()));
            buckets.by_time.insert(begin, bucket);
        }
        buckets.tiers.hours_until = buckets.tiers.hours_until.max(buckets.tiers.days_until);
        buckets.tools = ToolNames::restored(tools, in_use);
        (buckets.n_cells <= CELLS_MAX).then_some(buckets)
    }

    /// What is not on disk as it is; from here on it counts as saved.
    pub fn take_unsaved(&mut self) -> (bool, Vec<Unwritten<'_>>) {
        let Unsaved { is_all, begins } = std::mem::take(&mut self.unsaved);
        let row = |begin: u64| (begin, self.tiers.length(begin), self.by_time.get(&begin));
        let rows = if is_all { self.by_time.keys().map(|begin| row(*begin)).collect() } else { begins.into_iter().map(row).collect() };
        (is_all, rows)
    }

    /// The names of tools that are not on disk; from here on they count as saved.
    pub fn take_unsaved_tools(&mut self) -> UnsavedNames {
        self.tools.take_unsaved()
    }

    /// None in the same tiers, for runs that are added up beside these.
    pub fn beside(&self) -> Self {
        Self { tiers: self.tiers, ..Self::default() }
    }

    /// How long the longest buckets are that hold what was active at `since` or later.
    pub fn longest_since(&self, since: UnixNanos) -> Nanos {
        Nanos(self.tiers.length(since.0))
    }

    /// Adds what the runs of a query come to that is rounded to steps of at least [`Self::longest_since`].
    pub fn series(&self, query: &SeriesQuery, series: &mut Series) {
        if query.model.is_none() {
            tool_sums::add(self.between(query.since.0, query.until.0), query, series);
        }
        if query.tool.is_some() {
            // What else such runs came to is in no sum.
            return;
        }
        let mut points: Vec<Option<TallySum>> = vec![None; series.points.len()];
        let (mut agents, mut models) = (ByName::default(), ByName::default());
        for (begin, bucket) in self.between(query.since.0, query.until.0) {
            let at = (begin - query.since.0) / query.step.0.max(1);
            let Some(point) = usize::try_from(at).ok().and_then(|at| points.get_mut(at)) else { continue };
            for (name, cell) in bucket.agents.iter().filter(|(name, _)| query.agent.as_ref().is_none_or(|agent| agent == *name)) {
                let tally = match &query.model {
                    None => &cell.tally,
                    Some(model) => match cell.models.get(model) {
                        Some(cell) => &cell.tally,
                        None => continue,
                    },
                };
                point.get_or_insert_default().add(tally);
                agents.sum(name).0.add(tally);
                for (model, cell) in cell.models.iter().filter(|(name, _)| query.model.as_ref().is_none_or(|model| model == *name)) {
                    let (sum, providers) = models.sum(model);
                    sum.add(&cell.tally);
                    for provider in cell.providers.iter().filter(|provider| !provider.name.is_empty()) {
                        if !providers.contains(&provider.name) {
                            providers.push(provider.name.clone());
                        }
                    }
                }
            }
        }
        for (point, sum) in series.points.iter_mut().zip(points).filter_map(|(point, sum)| Some((point, sum?))) {
            let tally = sum.tally();
            series.total.join(&tally);
            point.join(&tally);
        }
        for (name, (sum, _)) in agents.into_sums() {
            series.agents.entry(name).or_default().join(&sum.tally());
        }
        for (name, (sum, providers)) in models.into_sums() {
            let model = series.models.entry(name).or_default();
            model.tally.join(&sum.tally());
            model.providers.extend(providers);
        }
    }

    /// Whether at least so many runs lie in the buckets of a window, the first of which holds its beginning. Looks at the newest first, and at no
    /// more of them than it takes.
    pub fn has_runs(&self, window: Range<UnixNanos>, n_least: u64) -> bool {
        let mut n_missing = n_least;
        for (_, bucket) in self.between(self.tiers.begin(window.start.0), window.end.0).rev() {
            for cell in bucket.agents.values() {
                n_missing = n_missing.saturating_sub(cell.tally.n_runs());
                if n_missing == 0 {
                    return true;
                }
            }
        }
        n_missing == 0
    }

    /// The buckets of a window in which runs of a query lie.
    pub fn bounds(&self, query: &SeriesQuery) -> Vec<Bounds> {
        let mut found = Vec::new();
        for (begin, bucket) in self.between(query.since.0, query.until.0) {
            let active = *begin..self.tiers.end(*begin);
            let n_held = bucket.agents.values().map(|cell| cell.tally.n_runs()).sum();
            let mut bounds = Bounds { active, n_runs: 0, n_held, n_errors: 0, dearest: 0, slowest: 0 };
            for (_, cell) in bucket.agents.iter().filter(|(name, _)| query.agent.as_ref().is_none_or(|agent| agent == *name)) {
                let tally = match &query.model {
                    None => Some(&cell.tally),
                    Some(model) => cell.models.get(model).map(|cell| &cell.tally),
                };
                let Some(tally) = tally else { continue };
                bounds.n_runs += tally.n_runs();
                bounds.n_errors += tally.n_of(crate::model::run::RunStatus::Error);
                bounds.dearest = bounds.dearest.max(cell.dearest);
                bounds.slowest = bounds.slowest.max(tally.durations.bound().map_or(0, |bound| bound.0).min(cell.slowest));
            }
            found.extend((bounds.n_runs > 0).then_some(bounds));
        }
        found
    }

    /// The sums over the runs that were active at `start` or later, and which runs must be read for that.
    pub fn sums(&self, start: UnixNanos) -> (Sums, Vec<Unread>) {
        let mut sums = Sums::default();
        let mut unread = Vec::new();
        let cut = self.tiers.begin(start.0);
        let first = if cut == start.0 { cut } else { self.tiers.end(cut) };
        if first != cut
            && let Some(bucket) = self.by_time.get(&cut)
        {
            unread.push(unread_of(bucket, start.0..first, true));
        }
        let mut loose: Vec<(u64, &Str, UnixNanos)> = Vec::new();
        for (begin, bucket) in self.by_time.range(first..) {
            for (name, cell) in &bucket.agents {
                sums.usage.add(&cell.tally.usage);
                let mut of_bucket = cell.sums();
                if cell.is_loose {
                    loose.push((*begin, name, cell.last_run));
                    of_bucket.last_run = UnixNanos::ZERO;
                }
                match sums.agents.get_mut(name) {
                    Some(agent) => agent.join(&of_bucket),
                    None => _ = sums.agents.insert(name.clone(), of_bucket),
                }
                for (model, cell) in &cell.models {
                    for provider in &cell.providers {
                        sums.models.entry((model.clone(), provider.name.clone())).or_default().add(&provider.usage);
                    }
                }
            }
        }
        // A bound that something certain reaches does not matter.
        let matters = |name: &Str, bound: UnixNanos| sums.agents.get(name).is_none_or(|agent| agent.last_run < bound);
        let begins: FxHashSet<u64> = loose.into_iter().filter(|(_, name, bound)| matters(name, *bound)).map(|(begin, ..)| begin).collect();
        let runs_of = |begin: u64| Some(unread_of(self.by_time.get(&begin)?, begin..self.tiers.end(begin), false));
        unread.extend(begins.into_iter().filter_map(runs_of));
        (sums, unread)
    }

    /// The buckets that begin in a window.
    fn between(&self, since: u64, until: u64) -> impl DoubleEndedIterator<Item = (&u64, &Bucket)> {
        self.by_time.range(since..until.max(since))
    }

    /// The buckets of a window in which runs of a query lie that called its tool.
    pub fn bounds_of_calls(&self, query: &SeriesQuery, tool: &Str) -> Vec<CallBounds> {
        let mut found = Vec::new();
        for (begin, bucket) in self.between(query.since.0, query.until.0) {
            let mut bounds = CallBounds { active: *begin..self.tiers.end(*begin), n_runs: 0, n_calling: 0, n_errors: 0, slowest: 0 };
            for (name, cell) in &bucket.agents {
                bounds.n_runs += cell.tally.n_runs();
                let Some(cell) = cell.tools.get(tool).filter(|_| query.agent.as_ref().is_none_or(|agent| agent == name)) else { continue };
                bounds.n_calling += cell.n_runs;
                bounds.n_errors += cell.calls.n_errors;
                bounds.slowest = bounds.slowest.max(cell.calls.durations.bound().map_or(0, |bound| bound.0));
            }
            found.extend((bounds.n_calling > 0).then_some(bounds));
        }
        found
    }

    pub fn add(&mut self, run: &Run) {
        let begin = self.tiers.begin(run.last_activity.0);
        self.n_cells += self.by_time.entry(begin).or_default().add(run, &mut self.tools);
        self.unsaved.note(begin);
    }

    fn take_away(&mut self, run: &Run) -> Result<(), Lost> {
        let begin = self.tiers.begin(run.last_activity.0);
        let bucket = self.by_time.get_mut(&begin).ok_or(Lost::Unknown)?;
        self.n_cells -= bucket.take_away(run)?;
        if bucket.agents.is_empty() {
            self.by_time.remove(&begin);
        }
        self.unsaved.note(begin);
        Ok(())
    }

    fn join_before(&mut self, tiers: Tiers) {
        let tiers = Tiers {
            days_until: self.tiers.days_until.max(tiers.days_until),
            hours_until: self.tiers.hours_until.max(tiers.hours_until).max(tiers.days_until),
        };
        if tiers == self.tiers {
            return;
        }
        let before = std::mem::replace(&mut self.tiers, tiers);
        let is_other = |begin: &u64| tiers.begin(*begin) != *begin || tiers.length(*begin) != before.length(*begin);
        let moved: Vec<u64> = self.by_time.range(..tiers.hours_until).map(|(begin, _)| *begin).filter(is_other).collect();
        for begin in moved {
            let Some(bucket) = self.by_time.remove(&begin) else { continue };
            self.n_cells -= bucket.n_cells();
            let joined = self.by_time.entry(tiers.begin(begin)).or_default();
            let n_before = joined.n_cells();
            joined.join(bucket);
            self.n_cells += joined.n_cells() - n_before;
            self.unsaved.note(begin);
            self.unsaved.note(tiers.begin(begin));
        }
    }
}

fn unread_of(bucket: &Bucket, active: Range<u64>, is_uncounted: bool) -> Unread {
    let started = active.start.saturating_sub(bucket.longest)..active.end.saturating_add(bucket.lead);
    Unread { active, started, is_uncounted }
}

/// Sums by name, each with the providers of a model. Names are mostly shared, so that where one lies is enough to know it.
#[derive(Default)]
struct ByName {
    by_place: FxHashMap<usize, usize>,
    by_name: FxHashMap<Str, usize>,
    sums: Vec<(TallySum, Vec<Str>)>,
}

// === impl ByName ===

impl ByName {
    fn sum(&mut self, name: &Str) -> &mut (TallySum, Vec<Str>) {
        let place = name.as_ptr() as usize;
        let number = match self.by_place.get(&place) {
            // Two names can only lie at one place where they are empty.
            Some(number) if !name.is_empty() => *number,
            _ => {
                let number = *self.by_name.entry(name.clone()).or_insert(self.sums.len());
                if number == self.sums.len() {
                    self.sums.push((TallySum::default(), Vec::new()));
                }
                self.by_place.insert(place, number);
                number
            }
        };
        &mut self.sums[number]
    }

    fn into_sums(mut self) -> impl Iterator<Item = (Str, (TallySum, Vec<Str>))> {
        self.by_name.into_iter().map(move |(name, number)| (name, std::mem::take(&mut self.sums[number])))
    }
}

// === impl Tiers ===

impl Tiers {
    fn at(now: UnixNanos, (hours, days): (u64, u64)) -> Self {
        let days_ago = |n: u64| (now.0 / DAY).saturating_sub(n) * DAY;
        Self { days_until: days_ago(days), hours_until: days_ago(hours) }
    }

    fn length(self, at: u64) -> u64 {
        match at {
            _ if at < self.days_until => DAY,
            _ if at < self.hours_until => HOUR,
            _ => MINUTES,
        }
    }

    /// Where the bucket begins that a time is in.
    fn begin(self, at: u64) -> u64 {
        let length = self.length(at);
        at / length * length
    }

    fn end(self, begin: u64) -> u64 {
        begin.saturating_add(self.length(begin))
    }
}

// === impl Unsaved ===

impl Unsaved {
    fn note(&mut self, begin: u64) {
        if !self.is_all {
            self.begins.insert(begin);
        }
    }
}
