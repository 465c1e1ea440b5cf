//! `GET /api/v1/observability/tools/`: which tools were called, how often, how often they failed, and how long that took; and one of them.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;

use super::dto::tools::{Tool, ToolList};
use super::reader::Reader;
use super::refusal::Refusal;
use super::whole::Whole;
use super::{Api, head, path};
use crate::clock::now;
use crate::params::base::Base;
use crate::params::links::PageWindow;
use crate::params::tools::ToolsParams;

/// Runs in each list of those that called a tool.
const RUNS: usize = 10;

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let params = ToolsParams::parse(uri.query())?;
    let base = Base::public(api.public_url.as_deref());
    let make = move |store: &dyn crate::store::Store| {
        let series = store.series(&tenant, &params.query(now(), None))?.ok_or(Refusal::AddingUp)?;
        let tools = series.tools_sorted(params.search.as_deref(), params.sort, params.descending);
        let window = PageWindow { offset: params.offset, limit: params.limit, count: tools.len() as u64 };
        let link = window.header(&base, path::TOOLS, &params.pairs);
        let short = |offset| window.short(offset);
        let list = ToolList::new(&series, &tools, window, window.next().map(short), window.previous().map(short));
        Whole::json(head::headers(&params.pairs, link), &list)
    };
    api.look(make).await
}

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let tool = path::tool_name(&uri)?;
    let mut params = ToolsParams::parse(uri.query())?;
    let of_lists = ["search", "sort", "limit", "offset"].into_iter().filter(|name| params.pairs.get(name).is_some());
    of_lists.collect::<Vec<_>>().into_iter().for_each(|name| params.pairs.ignore(name));
    let make = move |store: &dyn crate::store::Store| {
        let query = params.query(now(), Some(tool.clone()));
        let series = store.series(&tenant, &query)?.ok_or(Refusal::AddingUp)?;
        let callers = store.callers(&tenant, &query, RUNS)?;
        Whole::json(head::headers(&params.pairs, None), &Tool::new(&tool, &series, &callers))
    };
    api.look(make).await
}
