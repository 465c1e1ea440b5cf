//! `GET /api/v1/observability/users/` and `.../users/{user_id}/`: who used the agents, and what it cost.
//!
//! - Over all runs, those without a session too. All users ever seen are kept in order once somebody has asked; those of a window, or of an
//!   agent, are computed from its runs: as slow as there are runs.
//! - With many users only what they are ordered by is kept of all; the rest of what is said is then gathered of those on the page.
//! - What is kept while it is added up is paid for ([`Use::Sums`]).

use std::sync::Arc;

use axum::extract::State;
use http::Uri;
use rustc_hash::FxHashMap;

use super::dto::user::{UserDetail, UserList, UserSummary};
use super::query::gather::{Newest, RUN_BYTES};
use super::reader::Reader;
use super::refusal::Refusal;
use super::user_totals::UserTotal;
use super::whole::{Question, Whole};
use super::{Api, head, path};
use crate::bounds::memory::{Memory, Permit, Spent, Use};
use crate::model::Str;
use crate::model::ids::Tenant;
use crate::model::query::{UserQuery, UserSort};
use crate::model::run::Run;
use crate::model::session::Page;
use crate::params::base::Base;
use crate::params::links::PageWindow;
use crate::params::pairs;
use crate::params::users::UsersParams;
use crate::store::view::RunQuery;
use crate::store::{Store, StoreError};

/// As long as there are no more users, all is gathered in one pass.
const WHOLE_MAX: usize = 10_000;
/// About what a user takes of whom only the figures are kept, beside the id.
const FIGURES_BYTES: usize = 192;

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let params = UsersParams::parse(uri.query())?;
    let base = Base::public(api.public_url.as_deref());
    let question = Question::new(&tenant, &uri, base.as_str());
    api.sum(question, move |store, memory| users(store, memory, &tenant, &params, &base)).await
}

fn users(store: &dyn Store, memory: &Memory, tenant: &Tenant, params: &UsersParams, base: &Base) -> Result<Whole, Refusal> {
    let (skip, take) = (usize::try_from(params.offset).unwrap_or(usize::MAX), usize::try_from(params.limit).unwrap_or(usize::MAX));
    let search = params.search.as_deref().map(str::to_ascii_lowercase);
    let is_of_all_runs = params.start.is_none() && params.end.is_none() && params.agent.is_none();
    let asked = UserQuery { search, sort: params.sort, descending: params.descending, limit: take, offset: skip };
    let page = if is_of_all_runs { store.users(tenant, &asked)? } else { None };
    let (shown, count, totals) = match page {
        Some(Page { items, count }) => {
            let totals = totals_of(&items, memory.take(Use::Sums, 0)?, |each| store.runs_of_users(tenant, &items, each))?;
            (items, count, totals)
        }
        None => summed(store, memory, tenant, params, &asked)?,
    };
    let window = PageWindow { offset: params.offset, limit: params.limit, count };
    let link = window.header(base, path::USERS, &params.pairs);
    let short = |offset| window.short(offset);
    let list = UserList {
        results: shown.iter().filter_map(|user| Some(UserSummary::new(user, totals.get(user)?))).collect(),
        count: usize::try_from(window.count).unwrap_or(usize::MAX),
        next: window.next().map(short),
        previous: window.previous().map(short),
    };
    Whole::json(head::headers(&params.pairs, link), &list)
}

type Totals = FxHashMap<Str, UserTotal>;

/// The page from all runs of the window: who is on it, how many there are, and what is said of them.
fn summed(
    store: &dyn Store,
    memory: &Memory,
    tenant: &Tenant,
    params: &UsersParams,
    asked: &UserQuery,
) -> Result<(Vec<Str>, u64, Totals), Refusal> {
    let query = RunQuery { start: params.start, end: params.end, user: None };
    let is_meant = |run: &Run, user: &str| {
        asked.search.as_ref().is_none_or(|search| user.to_ascii_lowercase().contains(search))
            && params.agent.as_ref().is_none_or(|agent| *agent == *run.agent)
    };
    let mut gathered = Gathered::new(memory)?;
    let mut fits = Ok(());
    store.runs(tenant, &query, &mut |run| {
        if let Some(user) = run.user.as_ref().filter(|user| fits.is_ok() && is_meant(run, user)) {
            fits = gathered.add(user, run);
        }
    })?;
    fits?;
    let ordered = gathered.ordered(params.sort, params.descending);
    let count = ordered.len() as u64;
    let shown: Vec<Str> = ordered.into_iter().skip(asked.offset).take(asked.limit).collect();
    let (mut totals, held) = gathered.into_totals();
    if totals.is_empty() {
        totals = totals_of(&shown, held, |each| {
            store.runs(tenant, &query, &mut |run| {
                if run.user.as_ref().is_some_and(|user| is_meant(run, user)) {
                    each(run);
                }
            })
        })?;
    }
    Ok((shown, count, totals))
}

/// What is said of these users, from runs of whomever.
fn totals_of(
    users: &[Str],
    mut held: Permit,
    runs: impl FnOnce(&mut dyn FnMut(&Run)) -> Result<(), StoreError>,
) -> Result<Totals, Refusal> {
    let mut totals: Totals = users.iter().map(|user| (user.clone(), UserTotal::default())).collect();
    let mut fits = Ok(());
    runs(&mut |run| {
        let total = run.user.as_ref().filter(|_| fits.is_ok()).and_then(|user| totals.get_mut(user));
        if let Some(total) = total {
            fits = total.add(run, &mut held);
        }
    })?;
    fits?;
    Ok(totals)
}

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let user = path::user_id(&uri)?;
    let params = UsersParams::parse(uri.query())?;
    let base = Base::public(api.public_url.as_deref());
    let question = Question::new(&tenant, &uri, base.as_str());
    api.sum(question, move |store, memory| one(store, memory, &tenant, &user, &params, &base)).await
}

fn one(store: &dyn Store, memory: &Memory, tenant: &Tenant, user: &Str, params: &UsersParams, base: &Base) -> Result<Whole, Refusal> {
    let query = RunQuery { start: params.start, end: params.end, user: Some(user.clone()) };
    let (from, limit) = (usize::try_from(params.offset).unwrap_or(usize::MAX), usize::try_from(params.limit).unwrap_or(usize::MAX));
    let mut held = memory.take(Use::Sums, 0)?;
    // The newest first: that is what one asks about a user.
    let (mut total, mut newest) = (UserTotal::default(), Newest::new(from.saturating_add(limit)));
    let mut fits = Ok(());
    store.runs(tenant, &query, &mut |run| {
        if fits.is_ok() {
            fits = total.add(run, &mut held);
        }
        if fits.is_ok() && newest.add(run) {
            fits = held.grow(RUN_BYTES);
        }
    })?;
    fits?;
    if total.run_count == 0 {
        return Err(Refusal::NotFound);
    }
    let window = PageWindow { offset: params.offset, limit: params.limit, count: total.run_count };
    let link = window.header(base, &path_of(user), &params.pairs);
    let runs = newest.into_vec();
    let shown = &runs[from.min(runs.len())..];
    let short = |offset| window.short(offset);
    let detail = UserDetail::new(user, &total, shown, window.next().map(short), window.previous().map(short));
    Whole::json(head::headers(&params.pairs, link), &detail)
}

fn path_of(user: &str) -> String {
    format!("{}{}/", path::USERS, pairs::encode(user))
}

/// What is known of every user: all of it while they are few, else what they can be ordered by.
struct Gathered {
    figures: FxHashMap<Str, Figures>,
    /// Empty once there are too many.
    totals: FxHashMap<Str, UserTotal>,
    held: Permit,
    held_by_totals: Permit,
}

#[derive(Clone, Copy)]
struct Figures {
    first_seen: u64,
    last_seen: u64,
    run_count: u64,
    cost: u64,
    tokens: u64,
    duration: u64,
}

// === impl Gathered ===

impl Gathered {
    fn new(memory: &Memory) -> Result<Self, Spent> {
        let (held, held_by_totals) = (memory.take(Use::Sums, 0)?, memory.take(Use::Sums, 0)?);
        Ok(Self { figures: FxHashMap::default(), totals: FxHashMap::default(), held, held_by_totals })
    }

    fn add(&mut self, user: &Str, run: &Run) -> Result<(), Spent> {
        let is_whole = self.totals.len() == self.figures.len();
        if !self.figures.contains_key(user) {
            self.held.grow(FIGURES_BYTES + user.len())?;
        }
        self.figures.entry(user.clone()).or_insert(Figures::NONE).add(run);
        if !is_whole {
            return Ok(());
        }
        let fits = self.totals.entry(user.clone()).or_default().add(run, &mut self.held_by_totals);
        if fits.is_err() || self.totals.len() > WHOLE_MAX {
            self.totals = FxHashMap::default();
            self.held_by_totals.shrink_to(0);
        }
        Ok(())
    }

    /// All users; ties by id ascending.
    fn ordered(&self, sort: UserSort, descending: bool) -> Vec<Str> {
        let mut ordered: Vec<(u64, &Str)> = self.figures.iter().map(|(user, figures)| (figures.key(sort), user)).collect();
        match (sort, descending) {
            (UserSort::UserId, true) => ordered.sort_unstable_by(|a, b| b.1.cmp(a.1)),
            (_, true) => ordered.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1))),
            (_, false) => ordered.sort_unstable(),
        }
        ordered.into_iter().map(|(_, user)| user.clone()).collect()
    }

    /// What was gathered of the users while they were few, if they stayed so, and what can be paid with for more.
    fn into_totals(self) -> (FxHashMap<Str, UserTotal>, Permit) {
        (self.totals, self.held_by_totals)
    }
}

// === impl Figures ===

impl Figures {
    const NONE: Self = Self { first_seen: u64::MAX, last_seen: 0, run_count: 0, cost: 0, tokens: 0, duration: 0 };

    fn add(&mut self, run: &Run) {
        self.first_seen = self.first_seen.min(run.started_at.0);
        self.last_seen = self.last_seen.max(run.last_activity.0);
        self.run_count += 1;
        self.cost = self.cost.wrapping_add(run.usage.cost.0);
        self.tokens = self.tokens.wrapping_add(run.usage.tokens);
        self.duration = self.duration.saturating_add(run.duration().map_or(0, |length| length.0));
    }

    fn key(&self, sort: UserSort) -> u64 {
        match sort {
            UserSort::LastSeen => self.last_seen,
            UserSort::FirstSeen => self.first_seen,
            UserSort::RunCount => self.run_count,
            UserSort::TotalCost => self.cost,
            UserSort::TotalTokens => self.tokens,
            UserSort::TotalDuration => self.duration,
            UserSort::UserId => 0,
        }
    }
}
