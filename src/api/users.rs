//! `GET /api/v1/observability/users/` and `.../users/{user_id}/`: who used the agents, and what it cost.
//!
//! Computed from all runs when asked, those without a session too, from one state: exact, and as slow as there are runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::dto::{self, user::UserDetail, user::UserList, user::UserSummary};
use super::guard::Reader;
use super::refusal::Refusal;
use super::user_totals::UserTotal;
use super::{Api, head, path};
use crate::model::Str;
use crate::model::run::Run;
use crate::params::base::Base;
use crate::params::links::Place;
use crate::params::pairs;
use crate::params::users::{UserSort, UsersParams};
use crate::store::view::RunQuery;

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let params = UsersParams::parse(uri.query())?;
    let query = RunQuery { start: params.start, end: params.end, user: None };
    let (search, agent) = (params.search.as_deref().map(str::to_ascii_lowercase), params.agent.clone());
    let is_meant = move |run: &Run, user: &str| {
        search.as_ref().is_none_or(|search| user.to_ascii_lowercase().contains(search))
            && agent.as_ref().is_none_or(|agent| *agent == *run.agent)
    };
    let totals = api
        .read(move |store| {
            let mut totals: BTreeMap<Str, UserTotal> = BTreeMap::new();
            store.runs(&tenant, &query, &mut |run| {
                if let Some(user) = run.user.as_ref().filter(|user| is_meant(run, user)) {
                    totals.entry(user.clone()).or_default().add(run);
                }
            })?;
            Ok(totals)
        })
        .await?;
    let ordered = ordered(&totals, params.sort, params.descending);
    let place = Place { offset: params.offset, limit: params.limit, count: ordered.len() as u64 };
    let link = place.header(&Base::of(api.public_url.as_deref(), &headers, &uri), path::USERS, &params.pairs);
    let (skip, take) = (usize::try_from(params.offset).unwrap_or(usize::MAX), usize::try_from(params.limit).unwrap_or(usize::MAX));
    let short = |offset| place.short(offset);
    let list = UserList {
        results: ordered.iter().skip(skip).take(take).map(|(user, total)| UserSummary::new(user, total)).collect(),
        count: ordered.len(),
        next: place.next().map(short),
        previous: place.previous().map(short),
    };
    Ok(dto::answer(StatusCode::OK, head::headers(&params.pairs, link), &list))
}

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let user = path::user_id(&uri)?;
    let params = UsersParams::parse(uri.query())?;
    let query = RunQuery { start: params.start, end: params.end, user: Some(user.clone()) };
    let (total, mut runs) = api
        .read(move |store| {
            let (mut total, mut runs) = (UserTotal::default(), Vec::new());
            store.runs(&tenant, &query, &mut |run| {
                total.add(run);
                runs.push(run.clone());
            })?;
            Ok((total, runs))
        })
        .await?;
    if runs.is_empty() {
        return Err(Refusal::NotFound);
    }
    // The newest first: that is what one asks about a user.
    runs.sort_unstable_by_key(|run| std::cmp::Reverse((run.started_at, run.id)));
    let place = Place { offset: params.offset, limit: params.limit, count: runs.len() as u64 };
    let link = place.header(&Base::of(api.public_url.as_deref(), &headers, &uri), &path_of(&user), &params.pairs);
    let from = usize::try_from(params.offset).unwrap_or(usize::MAX).min(runs.len());
    let to = from.saturating_add(usize::try_from(params.limit).unwrap_or(usize::MAX)).min(runs.len());
    let short = |offset| place.short(offset);
    let detail = UserDetail::new(&user, &total, &runs[from..to], place.next().map(short), place.previous().map(short));
    Ok(dto::answer(StatusCode::OK, head::headers(&params.pairs, link), &detail))
}

fn path_of(user: &str) -> String {
    format!("{}{}/", path::USERS, pairs::encode(user))
}

fn ordered(totals: &BTreeMap<Str, UserTotal>, sort: UserSort, descending: bool) -> Vec<(&Str, &UserTotal)> {
    let mut ordered: Vec<(&Str, &UserTotal)> = totals.iter().collect();
    let key = |total: &UserTotal| match sort {
        UserSort::LastSeen => total.last_seen.0,
        UserSort::FirstSeen => total.first_seen.0,
        UserSort::RunCount => total.run_count,
        UserSort::TotalCost => total.cost.0,
        UserSort::TotalTokens => total.tokens,
        UserSort::TotalDuration => total.duration.0,
        UserSort::UserId => 0,
    };
    // Ties by user id ascending: the map has them so, and sorting is stable.
    match (sort, descending) {
        (UserSort::UserId, true) => ordered.reverse(),
        (_, true) => ordered.sort_by_key(|(_, total)| std::cmp::Reverse(key(total))),
        (_, false) => ordered.sort_by_key(|(_, total)| key(total)),
    }
    ordered
}
