//! The conversations of all recordings of real packages (`tests/dialects`): what a recording holds, its page says.
//!
//! The oracle reads nothing but bytes: the fake model numbered many of its answers, so each that is in a recording is looked for in the pages
//! of its sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use regex::Regex;

use super::{encode, place};
use crate::support::server::{RemoteServer, SESSIONS};

/// How long the fold of one recording may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the spans name no session of, so that no page can show it.
const WITHOUT_A_SESSION: [(&str, &[&str]); 3] = [
    ("mlflow-3.17.2", &["Sunny, 21 degrees"]),
    ("openai-agents-0.24.0+otel-v2", &["Sunny in Paris (21).", "Sunny in Paris (23)."]),
    ("opentelemetry-instrumentation-openai-agents-v2-0.1.0--v2_agents", &["Sunny, 21 degrees"]),
];
/// Recordings with calls of whose answers no span tells, and why.
const ANSWERS_UNTOLD: [(&str, &str); 2] = [
    ("openinference-instrumentation-groq-0.1.33", "of a stream it tells what Python prints of it"),
    ("openinference-instrumentation-pipecat-2.0.9", "it does not tell that a call failed"),
];
/// What a page that reads a dialect does not show of it.
const RAW: [&str; 9] = [
    "&quot;lc&quot;",
    "constructor",
    "ToolCall(",
    " object at 0x",
    "tool_calls",
    "toolUse",
    "&quot;role&quot;",
    "role=&lt;",
    "message_content",
];

/// Recordings with a session that the list does not call by what its page shows a user say first, and why.
const CALLED_OTHERWISE: [(&str, &str); 5] = [
    ("haystack-3.4.1", "sessions of components alone, which are no spans of a kind that is asked"),
    ("llama-index-0.14.25-otel", "written as Python writes its objects, which the page takes apart"),
    ("openinference-instrumentation-dspy-0.1.48--oi_dspy", "the agent's own question, where the page shows the prompt made of it"),
    ("strands-1.62.0", "in events of the span"),
    ("traceloop-sdk-0.62.4--tl_openai", "the page takes names of arguments for words"),
];

struct Recording {
    name: String,
    requests: Vec<Bytes>,
}

#[tokio::test]
async fn every_recording_that_captures_words_is_a_conversation() {
    let recordings = recordings();
    let keys: Vec<String> = (0..recordings.len()).map(|n| format!("{{ key = \"{}\", tenant = \"t{n}\" }}", key(n))).collect();
    let place = place().config(&format!("[auth]\nkeys = [{}]\n", keys.join(", ")));
    let server = place.start().await;
    let mut wrong = Vec::new();
    let mut n_answers = 0;
    let (mut n_alike, mut different) = (0, Vec::new());
    for (n, recording) in recordings.iter().enumerate() {
        let client = server.client().with_key(&key(n));
        for request in &recording.requests {
            client.send(request.clone()).await.unwrap();
        }
        // What arrives last is folded last.
        let started = Instant::now();
        let (found, text) = loop {
            let judged = judge(recording, &pages(&client).await);
            if judged.1.is_empty() || started.elapsed() > PATIENCE {
                break judged;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for attempt in 0..5 {
            let (alike, others) = compare_questions(&client, &recording.name).await;
            if others.is_empty() || attempt == 4 {
                n_alike += alike;
                different.extend(others);
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        n_answers += found;
        wrong.extend(text);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(n_answers > 140, "{n_answers} answers were looked for");
    println!("{n_alike} sessions are called by what their pages show a user say first; these are not:\n{}", different.join("\n"));
    let of_exception = |line: &str| CALLED_OTHERWISE.iter().position(|(name, _)| line.starts_with(&format!("{name}: ")));
    let unexpected: Vec<_> = different.iter().filter(|line| of_exception(line).is_none()).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let needed: BTreeSet<usize> = different.iter().filter_map(|line| of_exception(line)).collect();
    assert_eq!(needed.len(), CALLED_OTHERWISE.len(), "an exception is not needed any more: {different:#?}");
    assert!(n_alike > 140, "{n_alike} sessions were compared");
}

/// What each session is called by in the list, beside what its conversation begins with.
async fn compare_questions(client: &RemoteServer, name: &str) -> (usize, Vec<String>) {
    let (mut n_alike, mut different) = (0, Vec::new());
    let first = Regex::new(r#"(?s)<li class="user"><div class="who"><bdi>user</bdi></div><div class="said"[^>]*>(.*?)</div>"#).unwrap();
    let tag = Regex::new("<[^>]*>").unwrap();
    let list = client.json(&format!("{SESSIONS}?limit=100&include=question")).await;
    let pages = pages(client).await;
    for session in list["results"].as_array().unwrap() {
        let page = &pages[session["session_id"].as_str().unwrap()];
        let Some(shown) = first.captures(page) else { continue };
        let mut shown = tag.replace_all(&shown[1], " ").into_owned();
        for (written, meant) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")] {
            shown = shown.replace(written, meant);
        }
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let question = session["first_question"].as_str();
        match question.map(|question| question.trim_end_matches('…')) {
            Some(question) if shown.starts_with(question) => n_alike += 1,
            _ => different.push(format!("{name}: {question:?} is not {:?}", &shown[..shown.floor_char_boundary(80)])),
        }
    }
    (n_alike, different)
}

fn key(n: usize) -> String {
    format!("wax_sk_recording_{n:04}")
}

fn recordings() -> Vec<Recording> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects/recordings");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let read = |folder: &PathBuf| {
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with("otlp-"));
        let request = |file: &PathBuf| match file.extension().unwrap().to_str() {
            Some("json") => sessionfold::wire::otlp::json::to_protobuf(&fs::read(file).unwrap()).unwrap().into(),
            _ => Bytes::from(fs::read(file).unwrap()),
        };
        Recording { name: folder.file_name().unwrap().to_str().unwrap().to_owned(), requests: files.iter().map(request).collect() }
    };
    folders.iter().map(read).collect()
}

/// The conversation of each session.
async fn pages(client: &RemoteServer) -> BTreeMap<String, String> {
    let list = client.json(&format!("{SESSIONS}?limit=100")).await;
    let mut pages = BTreeMap::new();
    for session in list["results"].as_array().unwrap() {
        let id = session["session_id"].as_str().unwrap();
        let page = client.call(Method::GET, &format!("/sessions/{}?view=conversation", encode(id))).await;
        assert_eq!(page.status, 200, "{id}: {}", page.text);
        pages.insert(id.to_owned(), page.text);
    }
    pages
}

/// How many answers the recording holds, and what is wrong with its pages.
fn judge(recording: &Recording, pages: &BTreeMap<String, String>) -> (usize, Vec<String>) {
    let raw: String = recording.requests.iter().map(|request| String::from_utf8_lossy(request).into_owned()).collect();
    let shown: String = pages.values().map(String::as_str).collect();
    let numbered = Regex::new(r"Sunny in Paris \(\d+\)\.").unwrap();
    let mut answers: BTreeSet<&str> = numbered.find_iter(&raw).map(|found| found.as_str()).collect();
    answers.extend(["Sunny, 21 degrees", "It is sunny"].into_iter().filter(|answer| raw.contains(answer)));
    let excepted = WITHOUT_A_SESSION.iter().find(|(name, _)| *name == recording.name).map_or(&[][..], |(_, answers)| answers);
    let mut wrong: Vec<String> = Vec::new();
    for answer in &answers {
        if shown.contains(answer) == excepted.contains(answer) {
            wrong.push(format!("{answer:?} is{} shown", if excepted.contains(answer) { "" } else { " not" }));
        }
    }
    if !answers.is_empty() && answers.len() > excepted.len() {
        wrong.extend(of_words(&recording.name, &shown));
        let calls_a_tool =
            raw.contains("get_weather") && raw.contains("sunny") && Regex::new(r#"city\W{1,8}(Paris|Oslo)"#).unwrap().is_match(&raw);
        // A card: its name, its arguments, its result.
        let card = Regex::new(
            r#"(?s)<bdi>(\w+-)?get_weather</bdi></strong>.{0,400}?Arguments</p>.{0,80}?(Paris|Oslo).{0,200}?Result</p>.{0,60}?sunny"#,
        )
        .unwrap();
        if calls_a_tool && !card.is_match(&shown) {
            wrong.push("no card of get_weather with arguments and result".to_owned());
        }
    }
    wrong.extend(RAW.iter().filter(|raw| shown.contains(*raw)).map(|raw| format!("{raw:?} is shown")));
    (answers.len(), wrong.into_iter().map(|what| format!("{}: {what}", recording.name)).collect())
}

/// A page of a recording that has words.
fn of_words(name: &str, shown: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_untold = ANSWERS_UNTOLD.iter().any(|(untold, _)| *untold == name);
    if shown.contains("What was answered was not captured") != is_untold {
        wrong.push(format!("an answer is{} said not to be captured", if is_untold { " not" } else { "" }));
    }
    if !shown.contains("<li class=\"user\"><div class=\"who\"><bdi>user</bdi></div><div class=\"said\"") {
        wrong.push("no user says anything".to_owned());
    }
    wrong
}
