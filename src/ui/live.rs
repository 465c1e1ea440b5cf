//! A page as an event stream: its parts, sent again whenever they differ from what was sent before.
//!
//! - Asks the store's version twice a second and makes the part only when that has moved, or when words such as "3 s ago" may be old.
//! - A part that is dear to make is made less often: a stream takes at most a tenth of a core.
//! - Ends with the server, when the visitor may not read any more, and when the page is gone; never holds up a stop.
//! - No task of its own: the connection drives it, and it is gone with the connection.

use std::collections::hash_map::DefaultHasher;
use std::convert::Infallible;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use maud::Markup;
use tokio::sync::OwnedSemaphorePermit;

use super::Ui;
use super::refusal::Refusal;
use crate::auth::Right;

/// How often the version is asked for.
const STEP: Duration = Duration::from_millis(500);
/// What has not changed is made again this often, for the words that age, and so that a proxy sees some life.
const REFRESH: Duration = Duration::from_secs(10);
/// A part that took this long to make is not made again before this many times as long.
const REST_FACTOR: u32 = 10;

/// Makes the parts of a page as they are now.
pub(super) type Make = Arc<dyn Fn(&Ui) -> Result<Markup, Refusal> + Send + Sync>;

struct Stream {
    ui: Arc<Ui>,
    headers: HeaderMap,
    make: Make,
    /// Of what was sent last.
    sent: Option<u64>,
    version: Option<u64>,
    made_at: Instant,
    took: Duration,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

/// Answers with the stream of what `make` makes.
pub(super) fn respond(ui: &Arc<Ui>, headers: HeaderMap, make: Make) -> Result<Response, Refusal> {
    let permit = Arc::clone(&ui.limits.streams).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let stream = Stream {
        ui: Arc::clone(ui),
        headers,
        make,
        sent: None,
        version: None,
        made_at: Instant::now(),
        took: Duration::ZERO,
        is_over: false,
        _permit: permit,
    };
    let events = futures_util::stream::unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    // Proxies that buffer would hold back every event.
    let head = [(header::CONTENT_TYPE, "text/event-stream"), (header::HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((head, Body::from_stream(events)).into_response())
}

// === impl Stream ===

impl Stream {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        let shutdown = self.ui.shutdown.clone();
        while !self.is_over {
            if self.is_due() {
                return shutdown.run_until_cancelled(self.event()).await;
            }
            shutdown.run_until_cancelled(tokio::time::sleep(STEP)).await?;
        }
        None
    }

    fn is_due(&self) -> bool {
        let waited = self.made_at.elapsed();
        let has_moved = self.version != Some((self.ui.version)());
        has_moved && (self.version.is_none() || waited >= self.took * REST_FACTOR) || waited >= REFRESH
    }

    async fn event(&mut self) -> Bytes {
        self.version = Some((self.ui.version)());
        self.made_at = Instant::now();
        let made = match self.ui.authenticator.from_headers(&self.headers, Right::Read) {
            Ok(_) => {
                let make = Arc::clone(&self.make);
                self.ui.read(move |ui| make(ui).map(Markup::into_string)).await
            }
            Err(_) => Err(Refusal::Unauthenticated),
        };
        self.took = self.made_at.elapsed();
        match made {
            Ok(html) => {
                let hash = hash(&html);
                if self.sent.replace(hash) == Some(hash) {
                    // A comment: nobody hears it, and it keeps the line open.
                    return Bytes::from_static(b":\n\n");
                }
                encode("parts", &html)
            }
            Err(_) => {
                self.is_over = true;
                encode("gone", "")
            }
        }
    }
}

/// One event; a line end within the data begins a new line of data.
fn encode(name: &str, data: &str) -> Bytes {
    let mut event = format!("event: {name}\n");
    for line in data.split(['\n', '\r']) {
        // Writing to a String cannot fail.
        let _ = writeln!(event, "data: {line}");
    }
    event.push('\n');
    event.into()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_every_line_end_in_its_data() {
        assert_eq!(encode("parts", "a\nb\rc"), "event: parts\ndata: a\ndata: b\ndata: c\n\n");
    }
}
