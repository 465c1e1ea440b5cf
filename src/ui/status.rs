//! `/status`: how the server is. A program that asks for JSON gets what `GET /api/v1/status/` says; both are made of one `ServerStatus`.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Uri, header};
use maud::{Markup, html};
use tower::ServiceExt;

use super::frame::Frame;
use super::refusal::Refusal;
use super::table::scroll;
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, icons, list, words};
use crate::model::status::{Fact, Gauge, Scope, Section, ServerStatus, Severity, Unit, Value, Warning};
use crate::params::format;

/// Where the API has the same.
const API_PATH: &str = "/api/v1/status/";

pub(super) async fn show(State(ui): State<Arc<Ui>>, request: Request) -> Result<Response, Refusal> {
    let mut response = if prefers_json(request.headers()) { ask_api(&ui, request).await } else { page(&ui, request).await? };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// Whoever names JSON and no page: a browser names `text/html`.
fn prefers_json(headers: &HeaderMap) -> bool {
    let names = |name: &str| {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|range| range.split(';').next().is_some_and(|found| found.trim() == name))
    };
    names("application/json") && !names("text/html")
}

async fn ask_api(ui: &Ui, mut request: Request) -> Response {
    *request.uri_mut() = Uri::from_static(API_PATH);
    match ui.api.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn page(ui: &Arc<Ui>, request: Request) -> Result<Response, Refusal> {
    let (mut parts, _) = request.into_parts();
    let visitor = Visitor::from_request_parts(&mut parts, ui).await?;
    let tenant = visitor.tenant.clone();
    let context = visitor.context;
    let draw = move |ui: &Ui| {
        let content = content(&context, &(ui.status)(&tenant));
        Ok(Frame { context: &context, title: "Status", is_live: false }.around(&content).into_response())
    };
    ui.read(Effort::Short, draw).await
}

fn content(context: &PageContext, status: &ServerStatus) -> Markup {
    html! {
        nav.way aria-label="Way back" { a href=(context.to(list::PATH)) { "Sessions" } }
        h1 { "Status" }
        p.verdict { (verdict(status)) " as of " (words::moment(status.at)) }
        @if status.scope == Scope::Tenant {
            p.quiet { "This server has several tenants: this page shows what concerns all of them, and what is yours." }
        }
        (warnings(&status.warnings))
        (limits(&status.limits))
        div.facts {
            @for section in &status.sections { (facts(section)) }
        }
        nav.elsewhere aria-label="The same elsewhere" {
            a href=(context.to(API_PATH)) { "As JSON" }
            a href=(context.to("/metrics")) { "Metrics for Prometheus" }
            (super::session::curl(context, API_PATH))
        }
    }
}

fn verdict(status: &ServerStatus) -> Markup {
    match status.severity() {
        None => icons::badge("success", icons::SUCCESS, "all is well"),
        Some(severity) => badge(severity),
    }
}

fn badge(severity: Severity) -> Markup {
    match severity {
        Severity::Critical => icons::badge("error", icons::ERROR, "critical"),
        Severity::Warning => icons::badge("timeout", icons::BLOCKED, "warning"),
    }
}

fn warnings(warnings: &[Warning]) -> Markup {
    html! {
        section aria-label="Warnings" {
            h2 { "What to look at" }
            @if warnings.is_empty() { p { "Nothing." } } @else {
                ul.warnings {
                    @for warning in warnings {
                        li data-about=(warning.about) {
                            p { (badge(warning.severity)) " " span.text { (words::visible(&warning.text)) } }
                            p.next { (words::visible(&warning.next_step)) }
                        }
                    }
                }
            }
        }
    }
}

fn limits(limits: &[Gauge]) -> Markup {
    html! {
        h2 { "Limits" }
        (scroll("Limits", &html! {
            table.plain.limits {
                thead { tr { th scope="col" { "What" } th.number scope="col" { "Used" } th.number scope="col" { "Limit" } th scope="col" { "Share" } th scope="col" { "Changed by" } } }
                tbody { @for gauge in limits { (limit(gauge)) } }
            }
        }))
    }
}

fn limit(gauge: &Gauge) -> Markup {
    let percent = gauge.percent();
    html! {
        tr data-key=(gauge.key) {
            th scope="row" { (gauge.label) }
            td.number { (amount(gauge.used, gauge.unit)) }
            td.number { (amount(gauge.limit, gauge.unit)) }
            td.share {
                svg class=(if gauge.is_near() { "bar near" } else { "bar tokens" }) viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                    rect.track width="100" height="8" rx="2" {}
                    rect.value width=(percent.min(100)) height="8" rx="2" {}
                }
                (percent) " %" @if gauge.is_near() { ", near it" }
            }
            td { code { (gauge.setting) } }
        }
    }
}

fn amount(number: u64, unit: Unit) -> Markup {
    match unit {
        Unit::Bytes => bytes(number),
        Unit::Count => words::tokens(number),
        Unit::Seconds => html! { data value=(number) { (words::count(number)) " s" } },
    }
}

fn bytes(number: u64) -> Markup {
    html! { data value=(number) title=(words::counted(number, "byte", "bytes")) { (format::size(number)) } }
}

fn facts(section: &Section) -> Markup {
    html! {
        section aria-labelledby=(section.key) {
            h2 id=(section.key) { (section.title) }
            dl {
                @for fact in &section.facts {
                    div { dt { (fact.label) } dd data-key=(format!("{}.{}", section.key, fact.key)) { (value(fact)) } }
                }
            }
        }
    }
}

fn value(fact: &Fact) -> Markup {
    match &fact.value {
        Value::Text(text) => html! { bdi { (words::visible(text)) } },
        Value::Count(number) => words::tokens(*number),
        Value::Bytes(number) => bytes(*number),
        Value::Duration(length) => {
            let seconds = format::seconds(*length);
            html! { data value=(seconds) title=(format!("{seconds} s")) { (words::length(*length)) } }
        }
        Value::Moment(at) => words::moment(*at),
        Value::Yes(yes) => html! { data value=(yes) { (if *yes { "yes" } else { "no" }) } },
        Value::None(words) => html! { span.unknown { (words) } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_page_and_a_program_that_names_json_gets_json() {
        let prefers = |accept: &'static str| prefers_json(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]));
        assert!(
            prefers("application/json") && prefers("application/json, text/plain, */*") && prefers("text/plain, application/json;q=0.9")
        );
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        assert!(!prefers(chromium) && !prefers("*/*") && !prefers("text/html, application/json") && !prefers_json(&HeaderMap::new()));
    }
}
