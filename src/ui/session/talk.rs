//! A session as a conversation: what each run was asked and what it answered, where that was captured.
//!
//! - One turn for each run that was not started by another.
//! - What the SDK posted goes first (inputs, `io:` steps, result), then the run's own span, then its calls of a model.
//! - Spans come from Tempo, some at a time and for a few seconds at most, or from the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use maud::{Markup, html};

use super::Asked;
use super::digest::Digest;
use super::timeline;
use crate::model::facts::SpanKind;
use crate::model::ids::{RunId, Tenant, TraceId};
use crate::model::logs::{ANSWERED_SPAN, ASKED_SPAN};
use crate::model::run::RunStatus;
use crate::store::RunPage;
use crate::store::raw::Origin;
use crate::store::view::{RunView, SpanView};
use crate::ui::messages::{self, Message};
use crate::ui::refusal::Refusal;
use crate::ui::source;
use crate::ui::visitor::Place;
use crate::ui::{Effort, Ui, icons, spans, words};

/// Traces asked of Tempo at a time, and how long all of them may take.
const AT_A_TIME: usize = 8;
const TIME_MAX: Duration = Duration::from_secs(4);

const USER_STEP: &str = "io:user_message";
const AGENT_STEP: &str = "io:agent_response";

struct Turn {
    view: RunView,
    asked: Option<Message>,
    answered: Option<Message>,
}

type Requests = BTreeMap<TraceId, Vec<Bytes>>;

/// The page's part: not live, since its texts come from elsewhere.
pub(super) async fn part(ui: &Arc<Ui>, asked: Asked) -> Result<Markup, Refusal> {
    let (tenant, id, page) = (asked.tenant.clone(), asked.id.clone(), asked.page);
    let effort = super::effort(ui, &asked).await?;
    let digest = ui.read(effort, move |ui| super::digest(ui, &tenant, &id, page)).await?;
    let runs: Vec<RunId> = digest.lines.iter().filter(|line| line.depth == 0).map(|line| line.run.id).collect();
    let traces: Vec<TraceId> = {
        let mut traces: Vec<_> = digest.lines.iter().filter(|line| line.depth == 0).filter_map(|line| line.run.trace_id()).collect();
        traces.sort_unstable();
        traces.dedup();
        traces
    };
    let requests = requests(ui, &asked.tenant, traces).await?;
    let tenant = asked.tenant.clone();
    let turns = ui.read(Effort::Trace, move |ui| turns(ui, &tenant, &runs, &requests)).await?;
    Ok(talk(&asked.place, &digest, asked.page, &turns))
}

async fn requests(ui: &Arc<Ui>, tenant: &Tenant, traces: Vec<TraceId>) -> Result<Requests, Refusal> {
    let mut found = Requests::new();
    if let Some(tempo) = &ui.tempo {
        let asking = futures_util::stream::iter(traces.iter().copied())
            .map(|trace| async move { (trace, tempo.trace(tenant, trace).await.ok().flatten()) })
            .buffer_unordered(AT_A_TIME);
        let mut asking = std::pin::pin!(asking);
        // What is not there by then is not shown.
        let _ = tokio::time::timeout(TIME_MAX, async {
            while let Some((trace, bytes)) = asking.next().await {
                found.extend(bytes.map(|bytes| (trace, vec![bytes])));
            }
        })
        .await;
    }
    let missing: Vec<TraceId> = traces.into_iter().filter(|trace| !found.contains_key(trace)).collect();
    if !missing.is_empty() {
        let raw = source::find_in_journal(ui, tenant, missing.clone(), Origin::Nowhere).await?;
        found.extend(missing.into_iter().map(|trace| (trace, raw.requests.clone())));
    }
    Ok(found)
}

fn turns(ui: &Ui, tenant: &Tenant, runs: &[RunId], requests: &Requests) -> Result<Vec<Turn>, Refusal> {
    let mut turns = Vec::with_capacity(runs.len());
    for id in runs {
        // It may have been deleted meanwhile.
        let Some(view) = ui.store.run(tenant, *id)? else { continue };
        let (asked, answered) = of_report(&view);
        let (asked_in_span, answered_in_span) = match (asked.is_none() || answered.is_none(), view.run.trace_id()) {
            (true, Some(trace)) => of_spans(&view, trace, requests.get(&trace).map_or(&[][..], Vec::as_slice)),
            _ => (None, None),
        };
        turns.push(Turn { view, asked: asked.or(asked_in_span), answered: answered.or(answered_in_span) });
    }
    Ok(turns)
}

fn message(role: &str, text: &str) -> Message {
    Message { role: role.to_owned(), text: messages::text_of(text) }
}

fn of_report(view: &RunView) -> (Option<Message>, Option<Message>) {
    // A run asks its models several times: the first question is the user's, the last answer the agent's.
    let said = |name: &'static str| view.steps.iter().filter(move |step| &*step.name == name).filter_map(|step| step.output.as_deref());
    let inputs = view.inputs.as_deref().filter(|inputs| !matches!(*inputs, "{}" | "null" | "[]"));
    let result = view.result.as_deref().filter(|result| !matches!(*result, "{}" | "null" | "[]"));
    (
        said(USER_STEP).next().or(inputs).map(|asked| message("user", asked)),
        said(AGENT_STEP).next_back().or(result).map(|answered| message("assistant", answered)),
    )
}

/// The run's own span, else what its first call was last asked and what its last one answered.
fn of_spans(view: &RunView, trace: TraceId, requests: &[Bytes]) -> (Option<Message>, Option<Message>) {
    // What coding agents say beside their calls is in spans of its own.
    let says = |span: &&SpanView| span.kind == SpanKind::Llm || span.is_of_log && [ASKED_SPAN, ANSWERED_SPAN].contains(&&*span.name);
    let of_run: Vec<_> = view.spans.iter().filter(|span| span.run == Some(view.run.id)).filter(says).collect();
    let own = view.run.key.span;
    let wants = |span| span == own || of_run.iter().any(|held| held.span == span);
    let attributes = spans::attributes_of(requests, trace, &wants);
    let said = |span| attributes.get(&span).map(messages::both).unwrap_or_default();
    let (input, output) = said(own);
    let mut asked = input.into_iter().rfind(|message| message.role != "system");
    let mut answered = output.into_iter().next_back();
    for span in of_run {
        let (input, output) = said(span.span);
        if asked.is_none() {
            asked = input.into_iter().rfind(|message| matches!(message.role.as_str(), "user" | "human"));
        }
        if attributes.get(&own).is_none_or(|own| messages::both(own).1.is_empty()) {
            answered = output.into_iter().next_back().or(answered);
        }
    }
    (asked, answered)
}

fn talk(place: &Place, digest: &Digest, page: RunPage, turns: &[Turn]) -> Markup {
    let is_silent = turns.iter().all(|turn| turn.asked.is_none() && turn.answered.is_none());
    html! {
        section aria-labelledby="talk-title" {
            h2 #talk-title { "Conversation" }
            (timeline::pager(place, digest, page, Some("conversation")))
            @if is_silent && !turns.is_empty() {
                p.source {
                    "There is no text for these runs. It is shown where an agent captures it (" code { "gen_ai.input.messages" } ", " code { "input.value" }
                    ", inputs and results of the Waxell SDK), and for as long as Tempo or this server's journal keeps the spans. "
                    "What coding agents say in their logs is kept where they are configured to send it and " code { "agents.keep_content" } " is set."
                }
            }
            ol.talk {
                @for turn in turns {
                    @let run = &turn.view.run;
                    @let beside = html! {
                        " " (words::moment(run.started_at)) " "
                        a href=(place.to(&timeline::to_run(run))) { (words::agent(&run.agent)) } " " (icons::status(run.status))
                    };
                    @match &turn.asked {
                        Some(asked) => (messages::item(asked, &html! {})),
                        None => @if !is_silent { li.user { p.quiet { "What was asked was not captured." } } },
                    }
                    @match &turn.answered {
                        Some(answered) => (messages::item(answered, &beside)),
                        None => li.assistant { div.who { (beside) } p.quiet { (unanswered(turn)) } },
                    }
                }
            }
        }
    }
}

fn unanswered(turn: &Turn) -> Markup {
    html! {
        @if let Some(error) = &turn.view.error { (words::visible_lines(error)) }
        @else if turn.view.run.completed_at.is_none() { "No answer yet." }
        @else if turn.view.run.status == RunStatus::Error { "It ended with an error, and no answer was captured." }
        @else { "What was answered was not captured." }
    }
}
