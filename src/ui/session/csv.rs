//! The runs of a session as CSV (RFC 4180), with the fields and the notation of the API.
//!
//! - Written as it is read: a few chunks of it are in memory, whatever its length.
//! - One file holds at most so many runs; `limit` and `offset` page beyond.
//! - Texts of agents are harmless ([`crate::ui::cell`]).

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, header};

use crate::bounds::stream::{self, Aborted, Cut, Sink};
use crate::model::ids::{SessionId, Tenant};
use crate::model::run::Run;
use crate::params::format;
use crate::store::RunPage;
use crate::ui::Ui;
use crate::ui::cell::text;
use crate::ui::refusal::Refusal;

/// Some 20 MB of text.
const RUNS_MAX: u64 = 100_000;

const HEAD: &str = "id,agent_name,workflow_name,user_id,started_at,completed_at,duration,status,cost,unpriced_calls,tokens,input_tokens,output_tokens,trace_id,error,tool_errors,parent_run_id\r\n";

pub(super) async fn answer(ui: &Arc<Ui>, tenant: Tenant, id: SessionId, page: RunPage) -> Result<Response, Refusal> {
    let disposition = format!("attachment; filename=\"{}\"", file_name(&id));
    let disposition = HeaderValue::from_str(&disposition).map_err(|_| Refusal::Internal)?;
    let page = RunPage { limit: Some(page.limit.unwrap_or(RUNS_MAX).min(RUNS_MAX)), offset: page.offset };
    let store = Arc::clone(&ui.store);
    let write = move |sink: &mut Sink| -> Result<(), Cut<Refusal>> {
        let detail = store.session(&tenant, &id, page)?.ok_or(Refusal::NotFound("session"))?;
        sink.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        sink.headers.insert(header::CONTENT_DISPOSITION, disposition);
        sink.text(HEAD)?;
        for run in detail.runs {
            sink.pace()?;
            sink.text(&line(&run?))?;
        }
        Ok(())
    };
    let broken = |how: Aborted| tracing::debug!(?how, "a CSV file was not sent whole");
    stream::respond(&ui.answers, broken, write).await
}

/// What every file system takes.
fn file_name(id: &SessionId) -> String {
    let safe: String =
        id.as_str().chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).take(80).collect();
    format!("{safe}.csv")
}

fn line(run: &Run) -> String {
    let fields = [
        run.id.get().to_string(),
        text(&run.agent),
        text(&run.workflow),
        run.user.as_deref().map(text).unwrap_or_default(),
        format::timestamp(run.started_at),
        run.completed_at.map(format::timestamp).unwrap_or_default(),
        run.duration().map(format::seconds).unwrap_or_default(),
        run.status.as_str().to_owned(),
        format::dollars(run.usage.cost),
        run.usage.unpriced_calls.to_string(),
        run.usage.tokens.to_string(),
        run.usage.input_tokens.to_string(),
        run.usage.output_tokens.to_string(),
        run.trace_id().map(|trace| trace.to_string()).unwrap_or_default(),
        run.error.as_deref().map(text).unwrap_or_default(),
        run.tool_errors.to_string(),
        run.parent.map(|parent| parent.get().to_string()).unwrap_or_default(),
    ];
    fields.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_can_be_called_that_everywhere() {
        assert_eq!(file_name(&SessionId::new("a/b \"c\" ü").unwrap()), "a_b__c___.csv");
    }
}
