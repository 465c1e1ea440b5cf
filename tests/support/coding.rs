//! Recordings of real coding agents: what they sent, and what the model's server counted.
//!
//! ```text
//! tests/fixtures/coding-agents/<agent>-<version>/<scenario>/NN-<signal>.pb   the requests as the agent sent them
//!                                                          /expected.json   by session what the server counted; cost where the agent states one
//! ```
//!
//! - Every call of a recording has token numbers of its own, so that a mix-up shows.
//! - Texts of more than 400 characters were taken out. `constructed` ones are made of recordings, or by an agent's documentation.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde::Deserialize;

pub struct Recording {
    pub name: String,
    /// In the order they came.
    pub requests: Vec<Request>,
    pub expected: Expected,
}

#[derive(Clone)]
pub enum Request {
    Logs(ExportLogsServiceRequest),
    Spans(ExportTraceServiceRequest),
}

#[derive(Deserialize)]
pub struct Expected {
    pub sessions: BTreeMap<String, Truth>,
}

/// What is absent is not known.
#[derive(Deserialize)]
pub struct Truth {
    pub prompts: Option<u64>,
    pub tokens: u64,
    pub cache_read: Option<u64>,
    pub cache_write: Option<u64>,
    pub reasoning: Option<u64>,
    pub cost: Option<f64>,
}

/// What is sent of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Both,
    Logs,
    Spans,
}

// === impl Recording ===

impl Recording {
    pub fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/coding-agents");
        let mut folders: Vec<PathBuf> = folders(&root).iter().flat_map(|agent| folders(agent)).collect();
        folders.sort();
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    fn read(folder: &Path) -> Self {
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let request = |file: &PathBuf| {
            let (name, bytes) = (file.file_name()?.to_str()?, fs::read(file).unwrap());
            let is_logs = name.ends_with("-logs.pb");
            (is_logs || name.ends_with("-traces.pb")).then(|| match is_logs {
                true => Request::Logs(ExportLogsServiceRequest::decode(&bytes[..]).unwrap()),
                false => Request::Spans(ExportTraceServiceRequest::decode(&bytes[..]).unwrap()),
            })
        };
        let part = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        Self {
            name: format!("{}/{}", part(folder.parent().unwrap()), part(folder)),
            requests: files.iter().filter_map(request).collect(),
            expected: serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap(),
        }
    }

    pub fn of(&self, what: What) -> Vec<Request> {
        let is_wanted = |request: &&Request| match request {
            Request::Logs(_) => what != What::Spans,
            Request::Spans(_) => what != What::Logs,
        };
        self.requests.iter().filter(is_wanted).cloned().collect()
    }

    /// Whether what is sent tells of every call.
    pub fn tells_all(&self, what: What) -> bool {
        let has = |is_logs: bool| self.requests.iter().any(|request| matches!(request, Request::Logs(_)) == is_logs);
        let is_of = |agent: &str| self.name.starts_with(agent);
        match what {
            What::Both => true,
            // Copilot has none, and opencode's own say nothing.
            What::Logs => has(true) && !is_of("opencode-") && !is_of("copilot-"),
            // Gemini's say nothing of tokens unless they are asked to.
            What::Spans => has(false) && !is_of("gemini-"),
        }
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

// === impl Request ===

impl Request {
    /// A request for every record and span.
    pub fn split(self) -> Vec<Self> {
        match self {
            Self::Logs(request) => request.resource_logs.into_iter().flat_map(records_apart).map(Self::Logs).collect(),
            Self::Spans(request) => request.resource_spans.into_iter().flat_map(spans_apart).map(Self::Spans).collect(),
        }
    }

    /// Where it goes, and the encoded request.
    pub fn encode(&self) -> (&'static str, Bytes) {
        match self {
            Self::Logs(request) => ("/v1/logs", request.encode_to_vec().into()),
            Self::Spans(request) => ("/v1/traces", request.encode_to_vec().into()),
        }
    }

    fn times(&mut self) -> Vec<&mut u64> {
        match self {
            Self::Logs(request) => records(request).flat_map(|it| [&mut it.time_unix_nano, &mut it.observed_time_unix_nano]).collect(),
            Self::Spans(request) => spans(request).flat_map(|it| [&mut it.start_time_unix_nano, &mut it.end_time_unix_nano]).collect(),
        }
    }
}

/// Moves requests in time, so that the last thing in them was at `end`.
pub fn move_to(requests: &mut [Request], end: u64) {
    let last = requests.iter_mut().flat_map(Request::times).map(|time| *time).max().unwrap();
    for time in requests.iter_mut().flat_map(Request::times).filter(|time| **time > 0) {
        *time = *time + end - last;
    }
}

fn records(request: &mut ExportLogsServiceRequest) -> impl Iterator<Item = &mut LogRecord> {
    request.resource_logs.iter_mut().flat_map(|resource| &mut resource.scope_logs).flat_map(|scope| &mut scope.log_records)
}

fn spans(request: &mut ExportTraceServiceRequest) -> impl Iterator<Item = &mut Span> {
    request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans).flat_map(|scope| &mut scope.spans)
}

fn records_apart(resource: ResourceLogs) -> Vec<ExportLogsServiceRequest> {
    let mut apart = Vec::new();
    for scope in &resource.scope_logs {
        for record in &scope.log_records {
            let scope = ScopeLogs { log_records: vec![record.clone()], ..scope.clone() };
            apart.push(ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..resource.clone() }] });
        }
    }
    apart
}

fn spans_apart(resource: ResourceSpans) -> Vec<ExportTraceServiceRequest> {
    let mut apart = Vec::new();
    for scope in &resource.scope_spans {
        for span in &scope.spans {
            let scope = ScopeSpans { spans: vec![span.clone()], ..scope.clone() };
            apart.push(ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..resource.clone() }] });
        }
    }
    apart
}
