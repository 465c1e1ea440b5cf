//! `/`: where a visit begins. The overview where there is enough to be looked at in pictures, else the list.
//!
//! - With a query it is the list: that was its address, and people have kept it.
//! - Never remembered, neither here nor by the browser: the answer is another one when more has come, or when it has become quiet.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;
use http::Uri;

use super::refusal::Refusal;
use super::visitor::Visitor;
use super::{Effort, Ui, list, overview};
use crate::params::overview::OverviewParams;

/// Runs within the overview's own range of time from which on its charts say more than a list of as many lines, which is about one page.
/// Whoever tries it out with a span or two is better off with the list, which says how to send more.
const ENOUGH_RUNS: u64 = 30;

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Redirect, Refusal> {
    let query = uri.query().unwrap_or_default();
    // A list that was open before it moved asks for its changes here.
    if !query.is_empty() || visitor.wants_events {
        return Ok(list::moved(&visitor.context, query));
    }
    let window = OverviewParams::parse(None)?.query(ui.now());
    let tenant = visitor.tenant;
    let is_enough = move |ui: &Ui| Ok(ui.store.has_runs(&tenant, window.since..window.until, ENOUGH_RUNS));
    let page = if ui.read(Effort::Short, is_enough).await? { overview::PATH } else { list::PATH };
    Ok(Redirect::to(&visitor.context.to(page)))
}
