//! `/users`: everybody who ever used an agent, over all their runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use super::state::{GroupState, LIMIT};
use super::table::{self, Column, Row};
use crate::model::Str;
use crate::model::ids::Tenant;
use crate::model::query::{UserQuery, UserSort};
use crate::model::session::Page;
use crate::model::tally::Tally;
use crate::model::time::UnixNanos;
use crate::params::pairs;
use crate::ui::frame::Frame;
use crate::ui::refusal::Refusal;
use crate::ui::visitor::{PageContext, Visitor};
use crate::ui::{Effort, Ui, overview, words};

const PATH: &str = "/users";

const COLUMNS: [Column; 6] = [
    Column { sort: "user_id", words: "User" },
    Column { sort: "run_count", words: "Runs" },
    Column { sort: "total_cost", words: "Cost" },
    Column { sort: "total_tokens", words: "Tokens" },
    Column { sort: "first_seen", words: "First seen" },
    Column { sort: "last_seen", words: "Last seen" },
];
const SORTS: [&str; 6] = ["last_seen", "user_id", "run_count", "total_cost", "total_tokens", "first_seen"];

/// What is said of a user.
#[derive(Default)]
struct Total {
    tally: Tally,
    first_seen: Option<UnixNanos>,
    last_seen: UnixNanos,
}

pub(in crate::ui) async fn users(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let state = GroupState::read(PATH, uri.query(), &SORTS)?;
    let (tenant, context) = (visitor.tenant, visitor.context);
    ui.read(Effort::Long, move |ui| page(ui, &tenant, &context, &state)).await
}

fn page(ui: &Ui, tenant: &Tenant, context: &PageContext, state: &GroupState) -> Result<Response, Refusal> {
    let sort = UserSort::ALL.into_iter().find(|sort| sort.as_str() == state.sort.0).unwrap_or(UserSort::LastSeen);
    let query = UserQuery { search: state.search(), sort, descending: state.sort.1, limit: LIMIT, offset: state.offset };
    let found = ui.store.users(tenant, &query)?;
    let list = match &found {
        Some(page) => list(context, state, page, &totals(ui, tenant, &page.items)?),
        None => {
            html! { p.note { "The users are being added up, or there are too many to keep all of them. Load this page again in some seconds, or look one up by the exact id." } }
        }
    };
    let content = html! {
        h1 { "Users" }
        (table::search(context, state, PATH, "users"))
        (list)
        (crate::ui::session::curl(context, &format!("/api/v1/observability{}", state.with(&[]).replacen(PATH, "/users/", 1))))
    };
    Ok(Frame { context, title: "Users", is_live: false }.around(&content).into_response())
}

fn totals(ui: &Ui, tenant: &Tenant, users: &[Str]) -> Result<BTreeMap<Str, Total>, Refusal> {
    let mut totals: BTreeMap<Str, Total> = users.iter().map(|user| (user.clone(), Total::default())).collect();
    ui.store.runs_of_users(tenant, users, &mut |run| {
        let Some(total) = run.user.as_ref().and_then(|user| totals.get_mut(user)) else { return };
        total.tally.add(run, &run.usage);
        total.first_seen = Some(total.first_seen.unwrap_or(run.started_at).min(run.started_at));
        total.last_seen = total.last_seen.max(run.last_activity);
    })?;
    Ok(totals)
}

fn list(context: &PageContext, state: &GroupState, page: &Page<Str>, totals: &BTreeMap<Str, Total>) -> Markup {
    let rows = page.items.iter().filter_map(|user| {
        let Total { tally, first_seen, last_seen } = totals.get(user)?;
        Some(Row {
            name: words::name(user),
            to: Some(format!("/overview?last=30d&user={}", pairs::encode(user))),
            sessions: Some(overview::sessions(None, Some(user), None)),
            n_runs: tally.n_runs(),
            cells: vec![
                words::cost(tally.usage.cost, tally.usage.unpriced_calls),
                words::tokens(tally.usage.tokens),
                words::moment(first_seen.unwrap_or_default()),
                words::moment(*last_seen),
            ],
        })
    });
    html! {
        @if page.count == 0 && state.get("search").is_none() {
            div.empty {
                h2 { "No run names a user" }
                p { "A span that says who it is for makes them appear here, with what they cost: the attribute " code { "user.id" } ", among others that instrumentations have for it." }
            }
        } @else {
            (table::table(context, state, &COLUMNS, rows.collect(), page.count, ("user", "users")))
        }
    }
}
