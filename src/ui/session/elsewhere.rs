//! The same session in other tools: Grafana, TraceQL, JSON, CSV, curl.

use maud::{Markup, html};

use super::PATH;
use crate::model::reason::Reason;
use crate::model::session::SessionSummary;
use crate::model::time::UnixNanos;
use crate::params::explore::{Elsewhere, Link};
use crate::params::pairs;
use crate::ui::visitor::PageContext;
use crate::ui::{Ui, words};

const SECOND: u64 = 1_000_000_000;

/// `error` is why its newest failed run failed.
pub(super) fn links(ui: &Ui, context: &PageContext, summary: &SessionSummary, error: Option<&Reason>) -> Markup {
    let id = pairs::encode(summary.id.as_str());
    let api = format!("/api/v1/observability/sessions/{id}/");
    let elsewhere = Elsewhere { traceql: traceql(summary.id.as_str()), ..Elsewhere::session(summary) };
    html! {
        nav.elsewhere aria-label="This session elsewhere" {
            (in_grafana(ui, &elsewhere))
            a href=(context.to(&format!("{api}?include=usage,users,models,errors,scores,parents,note"))) { "JSON" }
            a href=(context.to(&format!("{PATH}{id}?format=csv"))) download { "CSV" }
            (copyable("traceql", "TraceQL", &elsewhere.traceql))
            (same_failure(ui, error, summary.last_activity))
            (curl(context, &api))
        }
    }
}

/// Explore with the traces, and with the cost over time; nothing where no Grafana is known.
pub(in crate::ui) fn in_grafana(ui: &Ui, elsewhere: &Elsewhere) -> Markup {
    let Some(grafana) = &ui.grafana else { return html! {} };
    html! {
        (explore("Grafana Explore", &elsewhere.searches(grafana)))
        (explore("Cost in Grafana", &elsewhere.costs(grafana)))
    }
}

/// The runs that failed for the same reason; nothing for what did not fail.
pub(in crate::ui) fn same_failure(ui: &Ui, error: Option<&Reason>, last: UnixNanos) -> Markup {
    let Some(error) = error else { return html! {} };
    let elsewhere = Elsewhere::failures(error, last);
    html! {
        @if let Some(grafana) = &ui.grafana { (explore("The same failure in Grafana", &elsewhere.searches(grafana))) }
        (copyable("traceql-failure", "TraceQL of the same failure", &elsewhere.traceql))
    }
}

/// One link, or a list of them where the time is longer than Tempo looks at once.
fn explore(title: &str, links: &[Link]) -> Markup {
    let moment = |seconds: u64| words::moment(UnixNanos(seconds.saturating_mul(SECOND)));
    html! {
        @if let [link] = links { a href=(link.url) rel="noreferrer" { (title) } }
        @else {
            details.copyable {
                summary { (title) ", " (links.len()) " parts" }
                ul { @for link in links { li { a href=(link.url) rel="noreferrer" { (moment(link.start)) " to " (moment(link.end)) } } } }
            }
        }
    }
}

/// Addresses in a text that are only where this server listens. The browser knows better under which name it got here: `page.js` puts that
/// in their place.
#[derive(Clone, Copy, Default)]
pub(in crate::ui) struct Listening<'a> {
    /// Of the pages: the browser's own address.
    pub(in crate::ui) pages: Option<&'a str>,
    /// Of OTLP: the browser's host, and another port.
    pub(in crate::ui) otlp: Option<&'a str>,
}

/// A text to be taken elsewhere: to be marked by hand, or copied by the button that `page.js` shows.
pub(in crate::ui) fn copyable(id: &str, title: &str, text: &str) -> Markup {
    copyable_from(id, title, text, Listening::default())
}

/// As [`copyable`], with addresses in it.
pub(in crate::ui) fn copyable_from(id: &str, title: &str, text: &str, listening: Listening<'_>) -> Markup {
    html! {
        details.copyable open[!matches!(id, "curl" | "traceql" | "traceql-failure")] {
            summary { (title) }
            (to_copy(id, text, listening))
        }
    }
}

fn to_copy(id: &str, text: &str, Listening { pages, otlp }: Listening<'_>) -> Markup {
    let target = format!("text-{id}");
    html! {
        div.text {
            pre tabindex="0" { code id=(target) data-listener=[otlp] data-own=[pages] { (text) } }
            button.quiet type="button" data-copy=(target) hidden { "Copy" }
        }
    }
}

pub(in crate::ui) fn curl(context: &PageContext, path_and_query: &str) -> Markup {
    let base = &context.base;
    copyable_from(
        "curl",
        "Copy as curl",
        &curl_of(context, "", path_and_query),
        Listening { pages: (!context.is_base_known).then_some(base), otlp: None },
    )
}

/// The same in the open; `options` stand before the address.
pub(in crate::ui) fn shell(context: &PageContext, id: &str, options: &str, path_and_query: &str) -> Markup {
    let pages = (!context.is_base_known).then_some(context.base.as_str());
    html! { div.copyable { (to_copy(id, &curl_of(context, options, path_and_query), Listening { pages, otlp: None })) } }
}

fn curl_of(context: &PageContext, options: &str, path_and_query: &str) -> String {
    let key = if context.has_login { " -H \"X-Wax-Key: $KEY\"" } else { "" };
    // Everything in an address of ours is percent-encoded, so no quote can end this one.
    format!("curl{options}{key} '{}{path_and_query}'", context.base)
}

/// The session's runs, by what is stamped onto its spans and by the keys that its agents most likely wrote.
fn traceql(id: &str) -> String {
    let quoted = quote(id);
    let keys = ["sessionfold.session_id", "waxell.session_id", "gen_ai.conversation.id", "session.id"];
    let terms: Vec<String> = keys.iter().map(|key| format!("span.{key} = {quoted}")).collect();
    format!("{{ {} }}", terms.join(" || "))
}

/// A string of TraceQL, which reads escapes as Go does.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_session_id_can_end_a_string_of_traceql() {
        assert_eq!(quote("a\"b\\c\nd\u{1}e💬"), r#""a\"b\\c\nd\u0001e💬""#);
    }
}
