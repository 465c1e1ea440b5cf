//! `/api/`: every route of the API with a command that asks this server for it, read from the description at `/api/openapi.yaml`.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::Ui;
use super::frame::Frame;
use super::list;
use super::session::shell;
use super::visitor::PageContext;

/// One operation of the description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Operation {
    path: &'static str,
    /// In small letters.
    method: &'static str,
    summary: &'static str,
}

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| read(include_str!("../../docs/openapi.yaml")));

/// A body for the command that notes a session.
const NOTE: &str = r#"{"bookmarked":true}"#;

/// Needs no credential: it is the same for everybody, as the description is.
pub(super) async fn show(State(_): State<Arc<Ui>>, context: PageContext) -> Response {
    let content = html! {
        nav.way aria-label="Way back" { a href=(context.to(list::PATH)) { "Sessions" } }
        h1 { "API" }
        p {
            "JSON over HTTP, under the same address as these pages. " a href=(context.to("/api/openapi.yaml")) { "The description" }
            " (OpenAPI 3.1) has every parameter and every answer. A path that ends in a slash is served without it, too."
        }
        @if context.has_login { p { "A key that may read goes with each request; put it into " code { "KEY" } " first." } }
        ul.operations { @for (at, operation) in OPERATIONS.iter().enumerate() { li { (one(&context, at, operation)) } } }
    };
    Frame { context: &context, title: "API", is_live: false }.around(&content).into_response()
}

/// `/api` is what people type.
pub(super) async fn move_here(context: PageContext) -> Redirect {
    Redirect::permanent(&context.to("/api/"))
}

fn one(context: &PageContext, at: usize, operation: &Operation) -> Markup {
    let method = operation.method.to_ascii_uppercase();
    let option = match &*method {
        "GET" => String::new(),
        // The one that takes a body.
        "PUT" => format!(" -X PUT -d '{NOTE}'"),
        _ => format!(" -X {method}"),
    };
    html! {
        h2 { (operation.summary) }
        p { code { (method) " " (operation.path) } }
        (shell(context, &format!("operation-{at}"), &option, &example(operation.path)))
    }
}

/// The path with words in capitals for what has to be filled in.
fn example(path: &str) -> String {
    path.chars()
        .scan(false, |is_inside, c| {
            *is_inside = c == '{' || *is_inside && c != '}';
            Some(if *is_inside { c.to_ascii_uppercase() } else { c })
        })
        .filter(|c| !matches!(c, '{' | '}'))
        .collect()
}

/// Of the YAML only what our own description has: a path is indented by two, a method by four, its summary by six.
fn read(description: &'static str) -> Vec<Operation> {
    let (mut path, mut method, mut operations) = ("", "", Vec::new());
    let paths = description.lines().skip_while(|line| *line != "paths:").skip(1).take_while(|line| line.starts_with(' '));
    for line in paths {
        let text = line.trim_start();
        match line.len() - text.len() {
            2 => path = text.trim_end_matches(':'),
            4 => method = text.trim_end_matches(':'),
            6 => {
                if let Some(summary) = text.strip_prefix("summary: ") {
                    operations.push(Operation { path, method, summary });
                }
            }
            _ => {}
        }
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_operation_of_the_description() {
        let whole: serde_json::Value = serde_saphyr::from_str(include_str!("../../docs/openapi.yaml")).unwrap();
        let mut expected = Vec::new();
        for (path, methods) in whole["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                if let Some(summary) = operation["summary"].as_str() {
                    expected.push((path.as_str(), method.as_str(), summary));
                }
            }
        }
        let mut read: Vec<_> = OPERATIONS.iter().map(|one| (one.path, one.method, one.summary)).collect();
        expected.sort_unstable();
        read.sort_unstable();
        assert!(read.len() > 20);
        assert_eq!(read, expected);
    }

    #[test]
    fn what_has_to_be_filled_in_is_in_capitals() {
        assert_eq!(example("/api/v1/observability/sessions/{session_id}/"), "/api/v1/observability/sessions/SESSION_ID/");
    }
}
