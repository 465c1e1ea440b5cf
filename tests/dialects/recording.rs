//! A recording: what a package sent, and what is right.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub struct Recording {
    pub name: String,
    /// Encoded OTLP requests, in the order they came.
    pub requests: Vec<Vec<u8>>,
    pub expected: Expected,
}

#[derive(Deserialize)]
pub struct Expected {
    pub sessions: BTreeMap<String, Truth>,
}

/// What a session comes to; what is absent is not judged.
#[derive(Deserialize)]
pub struct Truth {
    /// The spans tell the truth; where they do not, the rest is what the program did, for information.
    pub known: bool,
    pub run_count: Option<u64>,
    pub total_tokens: Option<u64>,
    pub total_cost: Option<f64>,
    pub agents: Option<Vec<Option<String>>>,
    pub cached: Option<u64>,
    pub cache_written: Option<u64>,
    pub user_ids: Option<Vec<Option<String>>>,
    /// Calls whose price or usage is unknown.
    pub unpriced_calls: Option<u64>,
    /// Of each tool how often it was called, and how many of the calls failed.
    pub tools: Option<BTreeMap<String, (u64, u64)>>,
}

/// All of them, by name.
pub fn all() -> Vec<Recording> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects/recordings");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.iter().map(|folder| Recording::read(folder)).collect()
}

impl Recording {
    fn read(folder: &Path) -> Self {
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with("otlp-"));
        let request = |file: &PathBuf| {
            let bytes = fs::read(file).unwrap();
            match file.extension().unwrap().to_str() {
                Some("json") => sessionfold::wire::otlp::json::to_protobuf(&bytes).unwrap(),
                _ => bytes,
            }
        };
        Self {
            name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
            requests: files.iter().map(request).collect(),
            expected: serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap(),
        }
    }
}
