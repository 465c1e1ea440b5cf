//! Every answer in `docs/api.md` is one that a server gives, once it has the recordings that the page names.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::{files, read, root};
use crate::support::server::{Answer, Place, Server};

/// One request of the page.
struct Example {
    method: Method,
    path: String,
    /// What is printed below the command; empty where the page does not show it.
    printed: String,
    /// `json.tool` writes some numbers in another way.
    is_formatted: bool,
    /// A part of the answer, in a block of its own.
    part: Option<Value>,
}

fn examples() -> Vec<Example> {
    let page = read("docs/api.md");
    let mut examples = Vec::<Example>::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').unwrap_or((block, ""));
        match kind {
            "console" => {
                let (command, printed) = text.split_once('\n').unwrap_or((text, ""));
                let url = command.split("http://127.0.0.1:8080").nth(1).unwrap();
                examples.push(Example {
                    method: if command.contains("-X DELETE") { Method::DELETE } else { Method::GET },
                    path: url.split(['\'', ' ']).next().unwrap().to_owned(),
                    printed: printed.to_owned(),
                    is_formatted: command.contains("json.tool"),
                    part: None,
                });
            }
            "json" => examples.last_mut().unwrap().part = Some(serde_json::from_str(text).unwrap()),
            _ => {}
        }
    }
    examples
}

impl Example {
    fn is_answered_by(&self, answer: &Answer) -> bool {
        let body = || serde_json::from_str::<Value>(&answer.text).unwrap_or_default();
        let printed = match (self.printed.as_str(), self.is_formatted) {
            ("", _) => answer.status.is_success(),
            (printed, true) => serde_json::from_str::<Value>(printed).unwrap() == body(),
            (printed, false) => printed == answer.text,
        };
        let keys = |part: &Value| part.as_object().unwrap().iter().all(|(key, value)| body()[key] == *value);
        printed && self.part.as_ref().is_none_or(keys)
    }
}

async fn recordings(server: &Server) {
    for recording in files("tests/fixtures/sdk", "pb") {
        let body = fs::read(root().join(&recording)).unwrap();
        server.send(Bytes::from(body)).await.unwrap_or_else(|error| panic!("{}: {error}", recording.display()));
    }
}

#[tokio::test]
async fn every_answer_of_the_page_is_what_a_server_says() {
    // The recordings are old.
    let place = Place::new().set("retention.max_age", "0s").set("fold.run_timeout", "3650d");
    let server = place.start().await;
    recordings(&server).await;
    let examples = examples();
    assert!(examples.len() >= 7 && examples.iter().any(|example| example.part.is_some()));
    for example in examples {
        let to = format!("http://{}{}", server.http, example.path);
        let mut answer = server.client().request(example.method.clone(), &to, &[], Bytes::new()).await.unwrap();
        // What came a moment ago may not be folded yet. A deletion is not asked for twice.
        for _ in 0..200 {
            if example.is_answered_by(&answer) || example.method == Method::DELETE {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = server.get(&example.path).await;
        }
        assert!(example.is_answered_by(&answer), "{} {} answers\n{}", example.method, example.path, answer.text);
    }
}
