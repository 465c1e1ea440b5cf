//! How far a rebuild has come, so that one that was broken off goes on from there.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::RebuildError;
use crate::model::ids::Tenant;
use crate::telemetry::stderr;

/// A small file in the data directory. Losing it costs reading again, and changes nothing.
pub(super) struct Bookmark {
    path: PathBuf,
    url: String,
    tenant: Tenant,
    /// What an earlier process left: where it began and how far it came, in seconds since 1970.
    left: Option<(u64, u64)>,
    from: u64,
    /// It began with an empty index.
    is_fresh: bool,
}

const NAME: &str = "rebuild.json";

// === impl Bookmark ===

impl Bookmark {
    /// One that was left for another Tempo or tenant is not ours; neither is one that did not begin afresh where that is wanted.
    pub(super) fn open(data_dir: &Path, url: &str, tenant: &Tenant, is_fresh: bool) -> Self {
        let path = data_dir.join(NAME);
        let left = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let is_ours = |left: &Value| left["tempo"] == url && left["tenant"] == tenant.as_str() && (left["fresh"] == true || !is_fresh);
        let left = left.filter(is_ours).and_then(|left| Some((left["from"].as_u64()?, left["next"].as_u64()?)));
        Self { path, url: url.to_owned(), tenant: tenant.clone(), left, from: 0, is_fresh }
    }

    /// What was read into another index is not in this one.
    pub(super) fn forget(&mut self) {
        self.left = None;
    }

    /// Whether nothing was left by an earlier process.
    pub(super) fn is_new(&self) -> bool {
        self.left.is_none()
    }

    /// Where to begin: where the last process stopped, if it read at least as far back as is wanted now.
    pub(super) fn begin(&mut self, since: u64) -> u64 {
        match self.left {
            Some((from, next)) if from <= since && next > since => {
                stderr::note(&format!("going on where the last rebuild stopped; remove {} to begin again", self.path.display()));
                self.from = from;
                next
            }
            _ => {
                self.from = since;
                since
            }
        }
    }

    /// Everything before `next` is durable.
    pub(super) fn move_to(&mut self, next: u64) -> Result<(), RebuildError> {
        let Self { url, from, is_fresh, .. } = self;
        let text = json!({ "tempo": url, "tenant": self.tenant.as_str(), "fresh": is_fresh, "from": from, "next": next });
        let new = self.path.with_extension("json.new");
        fs::write(&new, text.to_string())
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|source| RebuildError::Bookmark { path: self.path.display().to_string(), source })
    }

    pub(super) fn remove(self) {
        // Nothing there is as good.
        let _ = fs::remove_file(&self.path);
    }
}
