//! Style, script and icon: part of the binary, at addresses that change with their content, so that a browser may keep them for ever.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::Ui;
use super::refusal::Refusal;
use super::visitor::PageContext;
use crate::model::digest::fnv;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
    /// Of the content, 16 hexadecimal digits.
    hash: String,
}

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const FOR_AN_HOUR: &str = "public, max-age=3600";

const ICON: usize = 5;

static ASSETS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    [
        Asset::new("ui.css", "text/css; charset=utf-8", include_str!("assets/ui.css")),
        Asset::new("page.js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
        Asset::new("live.js", "text/javascript; charset=utf-8", include_str!("assets/live.js")),
        Asset::new("charts.js", "text/javascript; charset=utf-8", include_str!("assets/charts.js")),
        Asset::new("trace.js", "text/javascript; charset=utf-8", include_str!("assets/trace.js")),
        Asset::new("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ]
});

/// The address of an asset; the name is one of ours.
pub(super) fn path(context: &PageContext, name: &str) -> String {
    let hash = ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| asset.hash.as_str());
    context.to(&format!("/assets/{hash}/{name}"))
}

pub(super) async fn show(
    State(_): State<Arc<Ui>>,
    Path((hash, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(Refusal::NotFound("file"))?;
    // A page of another version asks: what it gets is ours, and must not be kept as its own.
    let cache = if hash == asset.hash { FOR_EVER } else { "no-store" };
    Ok(asset.answer(&headers, cache))
}

/// What browsers ask for on their own.
pub(super) async fn icon(State(_): State<Arc<Ui>>, headers: HeaderMap) -> Response {
    ASSETS[ICON].answer(&headers, FOR_AN_HOUR)
}

// === impl Asset ===

impl Asset {
    fn new(name: &'static str, content_type: &'static str, content: &'static str) -> Self {
        Self { name, content_type, content, hash: format!("{:016x}", fnv(content.bytes())) }
    }

    fn answer(&self, headers: &HeaderMap, cache: &'static str) -> Response {
        let etag = format!("\"{}\"", self.hash);
        let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| tags.contains(&etag));
        let head = [(header::ETAG, etag), (header::CACHE_CONTROL, cache.to_owned()), (header::CONTENT_TYPE, self.content_type.to_owned())];
        match known {
            true => (StatusCode::NOT_MODIFIED, head).into_response(),
            false => (head, self.content).into_response(),
        }
    }
}
