//! Three reasons for an empty list, and what to do about each.

use maud::{Markup, html};

use super::state::ListState;
use crate::params::pairs;
use crate::store::overview::Overview;
use crate::ui::Ui;
use crate::ui::session::{Listening, copyable, copyable_from};
use crate::ui::visitor::PageContext;
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

/// Nothing has come yet. What is to be copied is for this very server: its ports, and its keys where it wants one.
pub(super) fn nothing_received(ui: &Ui, context: &PageContext) -> Markup {
    let (otlp, pages, needs_key) = (ui.otlp_url.as_str(), context.base.as_str(), context.has_login);
    let listening = Listening { pages: (!context.is_base_known).then_some(pages), otlp: (!context.is_base_known).then_some(otlp) };
    let key = if needs_key { "\nexport OTEL_EXPORTER_OTLP_HEADERS=\"X-Wax-Key=$KEY\"" } else { "" };
    let endpoint = format!("export OTEL_EXPORTER_OTLP_ENDPOINT={otlp}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf{key}");
    let key = if needs_key { "\nexport WAXELL_API_KEY=\"$KEY\"" } else { "" };
    let waxell = format!("export WAXELL_API_URL={pages}{key}");
    let demo = format!("sessionfold demo --http {pages} --otlp-http {otlp}{}", if needs_key { " --key \"$KEY\"" } else { "" });
    html! {
        div.empty {
            h2 { "Nothing received yet" }
            p { "Point an agent here. Any OpenTelemetry SDK takes its endpoint from the environment:" }
            (copyable_from("endpoint", "Environment", &endpoint, listening))
            p { "An agent with the Waxell SDK takes this one:" }
            (copyable_from("waxell", "Waxell SDK", &waxell, listening))
            p { "Or send one span by hand, and see it appear on this page:" }
            (copyable_from("first-span", "One span", &first_span(otlp, needs_key), listening))
            p { "Or fill it with conversations to look at:" }
            (copyable_from("demo", "Demo", &demo, listening))
            @if needs_key { p { "Where it says " code { "KEY" } ", a key that may send goes, and for the demo one that may read, too." } }
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
pub(super) fn nothing_fits(context: &PageContext, state: &ListState) -> Markup {
    html! {
        div.empty {
            h2 data-say { "No session fits" }
            p { "You asked for:" }
            ul {
                @for (name, words) in [("search", "the id contains"), ("session_id", "the id is"), ("agent", "has a run of"), ("user", "has a run of the user"), ("status", "has a run with the status"), ("bookmarked", "is bookmarked:"),
                    ("last", "was active in the last"), ("start", "was active after"), ("end", "was active before")]
                {
                    @if let Some(value) = state.get(name) {
                        li { (words) " " strong { (crate::ui::words::name(value)) } " · " a href=(context.to(&state.with(name, None))) { "without this" } }
                    }
                }
            }
            @if let Some(search) = state.get("search") {
                p { a href=(context.to(&format!("/search?q={}", pairs::encode(search)))) { "Look for it in what was said" } }
            }
            p { a.button href=(context.to(&state.unfiltered())) { "Show all sessions" } }
        }
    }
}
