//! `/traces/{trace_id}/explain?offset=..`: why spans of a trace are of no run. Those of runs are explained on the pages of the runs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use crate::model::ids::TraceId;
use crate::params;
use crate::params::links::PageWindow;
use crate::params::pairs::Pairs;
use crate::store::explain::{Orphans, OrphansQuery};
use crate::store::raw::Origin;
use crate::ui::explained::{self, table};
use crate::ui::frame::Frame;
use crate::ui::refusal::Refusal;
use crate::ui::visitor::{PageContext, Visitor};
use crate::ui::{Effort, Ui, icons, list, pager, source, words};

/// Spans on one page.
const LIMIT: usize = 200;

pub(in crate::ui) async fn show(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(trace): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let trace = super::read_id(&trace)?;
    let offset = params::offset(&Pairs::read(uri.query(), &["offset"])?)?;
    let (tenant, context) = (visitor.tenant, visitor.context);
    // Nobody else is asked for what the index does not have.
    let of = tenant.clone();
    ui.read(Effort::Trace, move |ui| ui.store.trace(&of, trace)?.map(drop).ok_or(Refusal::NotFound("trace"))).await?;
    let found = source::find(&ui, &tenant, trace).await?;
    let draw = move |ui: &Ui| {
        let query = OrphansQuery { trace, limit: LIMIT, offset: usize::try_from(offset).unwrap_or(usize::MAX), raw: &found.requests };
        let orphans = ui.store.orphans(&tenant, &query)?.ok_or(Refusal::NotFound("trace"))?;
        let content = page(&context, trace, &orphans, &found.origin, offset);
        let title = format!("Spans of no run in trace {trace}");
        Ok(Frame { context: &context, title: &title, is_live: false }.around(&content).into_response())
    };
    ui.read(Effort::Trace, draw).await
}

fn page(context: &PageContext, trace: TraceId, orphans: &Orphans, origin: &Origin, offset: u64) -> Markup {
    let shown = orphans.spans.iter().map(|span| span.view.span).collect();
    let window = PageWindow { offset, limit: LIMIT as u64, count: orphans.n_spans as u64 };
    html! {
        nav.way aria-label="Way back" {
            a href=(context.to(list::PATH)) { "Sessions" }
            " › " a href=(context.to(&format!("/traces/{trace}"))) { "Trace " span.mono { (trace.to_string()) } }
        }
        h1 { span.kind { "Spans of no run in trace" } " " span.mono { (trace.to_string()) } }
        p.source { (origin.words()) }
        @if orphans.n_spans == 0 { p { "Each of its spans belongs to a run." } }
        (pager::of_spans(window, |offset| context.to(&format!("/traces/{trace}/explain?offset={offset}"))))
        @if !orphans.spans.is_empty() {
            (table("Spans of no run", &explained::Page { context, trace: Some(trace), run: None, shown }, &orphans.spans))
        }
        @if !orphans.runs.is_empty() {
            h2 { "Runs of the trace" }
            ul {
                @for run in &orphans.runs {
                    li { a href=(context.to(&format!("/runs/{}/explain", run.id.get()))) { (words::agent(&run.agent)) } " " (icons::status(run.status)) }
                }
            }
        }
    }
}
