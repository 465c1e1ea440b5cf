//! All sessions that fit as CSV, with the fields and the notation of the API.
//!
//! - Written as they are read: a few chunks of it are in memory, and the numbers of the sessions, whatever its length.
//! - Texts of agents are harmless ([`crate::ui::cell`]).

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, header};

use crate::bounds::stream::{self, Aborted, Cut, Sink};
use crate::model::ids::Tenant;
use crate::model::query::SessionQuery;
use crate::model::session::SessionSummary;
use crate::params::format;
use crate::ui::Ui;
use crate::ui::cell::text;
use crate::ui::refusal::Refusal;

const HEAD: &str = "session_id,run_count,first_run,last_activity,total_duration,total_cost,unpriced_calls,total_tokens,error_count,running_count,agents\r\n";

pub(super) async fn answer(ui: &Arc<Ui>, tenant: Tenant, query: SessionQuery) -> Result<Response, Refusal> {
    let store = Arc::clone(&ui.store);
    let write = move |sink: &mut Sink| -> Result<(), Cut<Refusal>> {
        sink.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        sink.headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"sessions.csv\""));
        sink.text(HEAD)?;
        let mut written = Ok(());
        let mut each = |summary: SessionSummary| {
            written = sink.pace().and_then(|()| sink.text(&line(&summary)));
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        store.each_session(&tenant, &query, &mut each)?;
        Ok(written?)
    };
    let broken = |how: Aborted| tracing::debug!(?how, "a CSV file was not sent whole");
    stream::respond(&ui.answers, broken, write).await
}

fn line(summary: &SessionSummary) -> String {
    let agents: Vec<&str> = summary.agents.iter().map(|agent| &**agent).collect();
    let fields = [
        text(summary.id.as_str()),
        summary.run_count.to_string(),
        format::timestamp(summary.first_run),
        format::timestamp(summary.last_activity),
        format::seconds(summary.total_duration),
        format::dollars(summary.total_cost),
        summary.unpriced_calls.to_string(),
        summary.total_tokens.to_string(),
        summary.error_count.to_string(),
        summary.running_count.to_string(),
        text(&agents.join(", ")),
    ];
    fields.join(",") + "\r\n"
}
