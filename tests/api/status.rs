//! The status as JSON, and as a page: one truth, told twice.

use std::sync::Arc;

use axum::Router;
use http::header;
use serde_json::Value as Json;
use sessionfold::api;
use sessionfold::auth::Authenticator;
use sessionfold::model::status::{Gauge, Scope, Section, ServerStatus, Severity, Unit, Value, Warning};
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::ui::{self, Ui, UiMetrics};
use tokio_util::sync::CancellationToken;

use super::double::{Double, TEN};
use super::{get, open_api, send};

const PAGE: &str = "/status";
const PATH: &str = "/api/v1/status/";

/// All is well, and there is little to tell.
pub fn plain() -> ServerStatus {
    ServerStatus { at: UnixNanos(TEN), scope: Scope::Server, warnings: Vec::new(), limits: Vec::new(), sections: Vec::new() }
}

/// Every kind of value, with what would break a page or JSON.
fn rich() -> ServerStatus {
    let hostile = "<b>\"a\" & 'b'</b>\u{1}";
    ServerStatus {
        warnings: vec![
            Warning {
                severity: Severity::Critical,
                about: "journal",
                text: format!("It stopped: {hostile}."),
                next_step: "Look at the disk.".into(),
            },
            Warning { severity: Severity::Warning, about: "tempo", text: "It is away.".into(), next_step: format!("Ask {hostile}.") },
        ],
        limits: vec![
            Gauge {
                key: "disk",
                label: "Disk",
                used: 93,
                limit: 100,
                unit: Unit::Bytes,
                near: 0.9,
                setting: "--data-dir",
                advice: "Make room.",
            },
            Gauge {
                key: "connections",
                label: "Connections",
                used: 5,
                limit: 4096,
                unit: Unit::Count,
                near: 0.8,
                setting: "server.max_connections",
                advice: "",
            },
        ],
        sections: vec![
            Section::new("server", "Server").with("ready", "Ready", false).with("version", "Version", hostile).with(
                "started_at",
                "Started",
                UnixNanos(TEN + 1_500),
            ),
            Section::new("journal", "Journal")
                .with("used_bytes", "On disk", Value::Bytes(52_000_000))
                .with("end_position", "Ends at", Value::Count(u64::MAX))
                .with("lag_seconds", "Lag", Nanos(83_400_000_000))
                .with_or("oldest_at", "Oldest", None::<UnixNanos>, "it is empty"),
        ],
        ..plain()
    }
}

/// Both doors, as the server has them.
fn doors() -> Router {
    let store = Arc::new(Double::default());
    let api = open_api(store.clone());
    let api = api::router(Arc::new(api::Api { status: Arc::new(|_| rich()), ..api }));
    let pages = Ui {
        store,
        authenticator: Arc::new(Authenticator::off()),
        public_url: None,
        tempo: None,
        grafana: None,
        own_url: "http://127.0.0.1:8080".into(),
        otlp_url: "http://127.0.0.1:4318".into(),
        version: Arc::new(|| 0),
        clock: Arc::new(|| UnixNanos(TEN)),
        shutdown: CancellationToken::new(),
        limits: ui::Limits::default(),
        answers: Default::default(),
        live: Default::default(),
        status: Arc::new(|_| rich()),
        api: api.clone(),
        metrics: UiMetrics::default(),
    };
    api.merge(ui::router(Arc::new(pages)))
}

/// What the page says under a key: the exact value where there is one, else the words.
fn shown<'a>(page: &'a str, key: &str) -> &'a str {
    let after = page.split(&format!("data-key=\"{key}\">")).nth(1).unwrap_or_else(|| panic!("{key} is not on the page"));
    let cell = after.split("</dd>").next().unwrap();
    for attribute in ["value=\"", "datetime=\""] {
        if let Some(value) = cell.split(attribute).nth(1) {
            return value.split('"').next().unwrap();
        }
    }
    cell.split_once('>').unwrap().1.rsplit_once("</").unwrap().0
}

/// Text as a page has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\u{1}', "\u{2401}")
}

#[tokio::test]
async fn the_page_and_the_json_say_the_same() {
    let doors = doors();
    let json = get(&doors, PATH).await.json();
    let page = get(&doors, PAGE).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let mut n_facts = 0;
    for (section, facts) in json.as_object().unwrap() {
        for (key, value) in facts.as_object().into_iter().flatten() {
            let shown = shown(&page.text, &format!("{section}.{key}"));
            match value {
                Json::Null => assert_eq!(shown, "it is empty"),
                Json::String(text) => assert_eq!(shown, escaped(text), "{section}.{key}"),
                other => assert_eq!(shown, other.to_string(), "{section}.{key}"),
            }
            n_facts += 1;
        }
    }
    assert_eq!(n_facts, page.text.matches("<dd data-key=").count());
    assert_eq!(n_facts, 7);
    for warning in json["warnings"].as_array().unwrap() {
        for key in ["severity", "text", "next_step"] {
            assert!(page.text.contains(&escaped(warning[key].as_str().unwrap())), "{warning} is not on the page");
        }
    }
    for limit in json["limits"].as_array().unwrap() {
        let row = page.text.split(&format!("<tr data-key={}>", limit["key"])).nth(1).unwrap().split("</tr>").next().unwrap();
        for key in ["used", "limit"] {
            assert!(row.contains(&format!("value=\"{}\"", limit[key])), "{limit}: {row}");
        }
        assert_eq!(row.contains("near it"), limit["is_near"] == true, "{limit}: {row}");
    }
}

#[tokio::test]
async fn the_json_is_typed_and_keeps_its_order() {
    let answer = get(&doors(), PATH).await;
    let expected = concat!(
        r#"{"status":"critical","scope":"server","at":"2026-02-07T10:00:00Z","warnings":[{"severity":"critical","about":"journal","#,
        r#""text":"It stopped: <b>\"a\" & 'b'</b>\u0001.","next_step":"Look at the disk."},{"severity":"warning","about":"tempo","#,
        r#""text":"It is away.","next_step":"Ask <b>\"a\" & 'b'</b>\u0001."}],"limits":[{"key":"disk","used":93,"limit":100,"unit":"bytes","#,
        r#""ratio":0.93,"is_near":true,"setting":"--data-dir"},{"key":"connections","used":5,"limit":4096,"unit":"count","ratio":0.00,"#,
        r#""is_near":false,"setting":"server.max_connections"}],"server":{"ready":false,"version":"<b>\"a\" & 'b'</b>\u0001","#,
        r#""started_at":"2026-02-07T10:00:00.000001Z"},"journal":{"used_bytes":52000000,"end_position":18446744073709551615,"#,
        r#""lag_seconds":83.4,"oldest_at":null}}"#,
    );
    assert_eq!(answer.text, expected);
}

#[tokio::test]
async fn the_address_of_the_page_answers_a_program_with_json() {
    let doors = doors();
    let json = send(&doors, "GET", PAGE, &[("accept", "application/json")]).await;
    assert_eq!((json.header("content-type"), &json.text), (Some("application/json"), &get(&doors, PATH).await.text));
    for answer in [json, get(&doors, PAGE).await] {
        assert_eq!(answer.headers.get_all(header::VARY).iter().count(), 1);
        assert_eq!(answer.header("vary"), Some("Accept"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}
