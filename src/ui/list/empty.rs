//! Three reasons for an empty list, and what to do about each.

use maud::{Markup, html};

use super::state::ListState;
use crate::params::pairs;
use crate::store::overview::Overview;
use crate::ui::Ui;
use crate::ui::session::{copyable, copyable_from};
use crate::ui::visitor::Place;
use crate::ui::words;

/// The keys of a session id that newcomers are shown; `docs/conventions.md` has all of them.
const KEYS: [&str; 4] = ["gen_ai.conversation.id", "session.id", "waxell.session_id", "langfuse.session.id"];

const FIRST_SPAN: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"TRACE","spanId":"00f067aa0ba902b7","name":"invoke_agent hello","kind":1,"startTimeUnixNano":"START","endTimeUnixNano":"END","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}},{"key":"gen_ai.agent.name","value":{"stringValue":"hello"}},{"key":"gen_ai.conversation.id","value":{"stringValue":"my-first-session"}}]}]}]}]}"#;

const ADD_ID: &str = r#"with tracer.start_as_current_span("invoke_agent support") as span:
    span.set_attribute("gen_ai.operation.name", "invoke_agent")
    span.set_attribute("gen_ai.agent.name", "support")
    span.set_attribute("gen_ai.conversation.id", conversation_id)  # this makes it a session
    answer(question)  # the calls below inherit it"#;

const ADD_ID_WAXELL: &str = r#"await handle_message("Hello!", session_id="session-abc123")  # at call time, nothing else changes"#;

/// Nothing has come yet.
pub(super) fn nothing_received(ui: &Ui, place: &Place) -> Markup {
    let endpoint = &ui.otlp_url;
    let heard = (!place.is_base_known).then_some(endpoint.as_str());
    html! {
        div.empty {
            h2 { "Nothing received yet" }
            p { "Point an agent here. Any OpenTelemetry SDK takes its endpoint from the environment:" }
            (copyable_from("endpoint", "Environment", &format!("export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"), heard))
            p { "Or send one span by hand, and see it appear on this page:" }
            (copyable_from("first-span", "One span", &first_span(endpoint, ui.authenticator.is_on()), heard))
            p { "Or fill it with conversations to look at:" }
            (copyable("demo", "Demo", "sessionfold demo"))
        }
    }
}

fn first_span(endpoint: &str, needs_key: bool) -> String {
    let key = if needs_key { " -H \"X-Wax-Key: $KEY\"" } else { "" };
    let body = FIRST_SPAN
        .replace("TRACE", "'$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')'")
        .replace("START", "'$(date +%s)000000000'")
        .replace("END", "'$(date +%s)500000000'");
    format!("curl{key} -H 'Content-Type: application/json' {endpoint}/v1/traces -d '{body}'")
}

/// Spans came, and none of them says which session it belongs to.
pub(super) fn no_session_id(overview: &Overview) -> Markup {
    html! {
        div.empty {
            h2 { "Spans, but no session" }
            p {
                (words::counted(overview.n_spans, "span", "spans")) " came"
                @if overview.n_sessionless_runs > 0 { ", with " (words::counted(overview.n_sessionless_runs, "run", "runs")) }
                ", but none carries a session id."
                @if !overview.services.is_empty() { " They came from:" }
            }
            @if !overview.services.is_empty() {
                ul.services {
                    @for (service, n_spans) in &overview.services {
                        li { (words::name(service)) ": " (words::counted(*n_spans, "span", "spans")) }
                    }
                }
            }
            p {
                "A session id is read from the agent's span, from "
                @for (at, key) in KEYS.iter().enumerate() { @if at > 0 { ", " } code { (key) } }
                " and more. Spans below inherit it. Add one:"
            }
            (copyable("add-id", "OpenTelemetry, Python", ADD_ID))
            (copyable("add-id-waxell", "Waxell SDK", ADD_ID_WAXELL))
        }
    }
}

/// There are sessions, but not with these filters.
pub(super) fn nothing_fits(place: &Place, state: &ListState) -> Markup {
    html! {
        div.empty {
            h2 data-say { "No session fits" }
            p { "You asked for:" }
            ul {
                @for (name, words) in [("search", "the id contains"), ("session_id", "the id is"), ("agent", "has a run of"), ("status", "has a run with the status"),
                    ("last", "was active in the last"), ("start", "was active after"), ("end", "was active before")]
                {
                    @if let Some(value) = state.get(name) {
                        li { (words) " " strong { (crate::ui::words::name(value)) } " · " a href=(place.to(&state.with(name, None))) { "without this" } }
                    }
                }
            }
            @if let Some(search) = state.get("search") {
                p { a href=(place.to(&format!("/search?q={}", pairs::encode(search)))) { "Look for it in what was said" } }
            }
            p { a.button href=(place.to(&state.unfiltered())) { "Show all sessions" } }
        }
    }
}
