//! A page as an event stream: its parts, sent again whenever they differ from what was sent before.
//!
//! - All who look at the same page share its parts: they are made once, and the bytes that go out are the same ones.
//! - Who has what was made before gets the difference from it (`delta`); who has it already, nothing. An `EventSource` that comes back says
//!   what it has.
//! - The store's version is asked for twice a second, and the parts are made only when that has moved, or when words such as "3 s ago" may
//!   be old.
//! - A part that takes long to make is made less often: a page takes at most a tenth of a core, however many look at it.
//! - A stream ends with the server, when the visitor may not read any more, and when the page is gone; it never holds up a stop.
//! - A stream has no task: the connection drives it. The parts are made by a task that ends with them, so that no client that takes nothing
//!   can hold up the others.

mod delta;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::convert::Infallible;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use maud::Markup;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::refusal::Refusal;
use super::visitor::PageContext;
use super::{Effort, Ui};
use crate::auth::Right;
use crate::bounds::memory::{Permit, Use};
use crate::model::ids::Tenant;

/// How often the version is asked for.
const STEP: Duration = Duration::from_millis(500);
/// What has not changed is made again this often, for the words that age, and so that a proxy sees some life.
const REFRESH: Duration = Duration::from_secs(10);
/// A part that took this long to make is not made again before this many times as long.
const REST_FACTOR: u32 = 10;
/// About what a stream takes, beside the parts that it shares.
const STREAM_BYTES: usize = 16 << 10;
/// Pages that nobody looks at any more are looked for once there are so many.
const SWEEP_AT: usize = 256;

/// Makes the parts of a page as they are now.
pub(super) type Make = Arc<dyn Fn(&Ui) -> Result<Markup, Refusal> + Send + Sync>;

/// The pages that are looked at. An entry lives as long as a stream of it.
#[derive(Default)]
pub struct Hub {
    pages: Mutex<HashMap<Key, Weak<Page>>>,
}

/// All that a page's parts depend on, beside the state of the store.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: Tenant,
    /// Path and query.
    here: String,
    prefix: String,
    base: String,
}

/// One page that somebody looks at.
struct Page {
    make: Make,
    effort: Effort,
    /// What was made last, for all streams.
    made: watch::Sender<Option<Made>>,
    is_being_made: AtomicBool,
}

#[derive(Clone)]
struct Made {
    /// The event as it is sent; `None` if the page is gone.
    event: Option<Bytes>,
    /// What was made, for the next difference; empty where nothing was.
    parts: Bytes,
    change: Option<Change>,
    hash: u64,
    version: u64,
    at: Instant,
    took: Duration,
}

/// The same for those who have what was made before.
#[derive(Clone)]
struct Change {
    from: u64,
    event: Bytes,
}

struct Stream {
    ui: Arc<Ui>,
    headers: HeaderMap,
    page: Arc<Page>,
    made: watch::Receiver<Option<Made>>,
    /// Of what was sent last.
    sent: Option<u64>,
    sent_at: Instant,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
    _held: Permit,
}

/// Answers with the stream of what `make` makes.
pub(super) fn respond(
    ui: &Arc<Ui>,
    tenant: &Tenant,
    context: &PageContext,
    headers: HeaderMap,
    effort: Effort,
    make: Make,
) -> Result<Response, Refusal> {
    let permit = Arc::clone(&ui.limits.streams).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let held = ui.answers.memory.take(Use::Pages, STREAM_BYTES)?;
    let PageContext { here, prefix, base, .. } = context.clone();
    let page = ui.live.page(Key { tenant: tenant.clone(), here, prefix, base }, effort, make);
    let made = page.made.subscribe();
    let (ui, sent_at) = (Arc::clone(ui), Instant::now());
    // What it had heard when its connection broke.
    let sent = headers.get("last-event-id").and_then(|id| u64::from_str_radix(id.to_str().ok()?, 16).ok());
    let stream = Stream { ui, headers, page, made, sent, sent_at, is_over: false, _permit: permit, _held: held };
    let events = futures_util::stream::unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    // Proxies that buffer would hold back every event.
    let head = [(header::CONTENT_TYPE, "text/event-stream"), (header::HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((head, Body::from_stream(events)).into_response())
}

// === impl Hub ===

impl Hub {
    fn page(&self, key: Key, effort: Effort, make: Make) -> Arc<Page> {
        let mut pages = self.pages.lock();
        if let Some(page) = pages.get(&key).and_then(Weak::upgrade) {
            return page;
        }
        if pages.len() >= SWEEP_AT {
            pages.retain(|_, page| page.strong_count() > 0);
        }
        let page = Arc::new(Page { make, effort, made: watch::Sender::new(None), is_being_made: AtomicBool::new(false) });
        pages.insert(key, Arc::downgrade(&page));
        page
    }
}

// === impl Page ===

impl Page {
    fn is_due(&self, version: u64) -> bool {
        let made = self.made.borrow();
        let Some(made) = &*made else { return true };
        let waited = made.at.elapsed();
        made.version != version && waited >= made.took * REST_FACTOR || waited >= REFRESH
    }

    /// Has the parts made if they are due and nobody makes them.
    fn refresh(self: &Arc<Self>, ui: &Arc<Ui>) {
        let version = (ui.version)();
        if !self.is_due(version) || self.is_being_made.swap(true, Ordering::AcqRel) {
            return;
        }
        let (page, ui) = (Arc::clone(self), Arc::clone(ui));
        // Ends with the parts: waiting for its lane has a limit, and making them is of bounded size.
        tokio::spawn(async move {
            let made = page.make(&ui, version).await;
            page.made.send_replace(Some(made));
            page.is_being_made.store(false, Ordering::Release);
        });
    }

    async fn make(&self, ui: &Arc<Ui>, version: u64) -> Made {
        let make = Arc::clone(&self.make);
        let last = self.made.borrow().clone();
        let work = move |ui: &Ui| {
            let started = Instant::now();
            let html = delta::still(&make(ui)?.into_string());
            let now = hash(&html);
            if let Some(same) = last.as_ref().filter(|last| last.hash == now) {
                return Ok(Made { took: started.elapsed(), ..same.clone() });
            }
            let held = |bytes| ui.answers.memory.hold(Use::Pages, bytes);
            let event = held(encode("parts", now, &html))?;
            let before = last.filter(|last| !last.parts.is_empty());
            let change = before.and_then(|last| {
                let change = delta::between(std::str::from_utf8(&last.parts).ok()?, &html);
                // What is nearly all new is better sent as such.
                let change = Some(change).filter(|change| change.len() < html.len() / 2)?;
                Some((last.hash, format!("{:016x}\n{change}", last.hash)))
            });
            let change = match change {
                Some((from, change)) => Some(Change { from, event: held(encode("change", now, &change))? }),
                None => None,
            };
            let took = started.elapsed();
            Ok(Made { event: Some(event), parts: held(html.into())?, change, hash: now, version: 0, at: started, took })
        };
        let at = Instant::now();
        match ui.read(self.effort, work).await {
            Ok(made) => Made { version, at, ..made },
            // What was there stays for now; it is tried again when that has rested.
            Err(Refusal::Busy) => match self.made.borrow().clone() {
                Some(last) => Made { at, took: last.took.max(STEP), ..last },
                None => Made { version: version.wrapping_sub(1), took: STEP, ..Made::nothing(Some(comment()), at) },
            },
            Err(_) => Made { version, ..Made::nothing(None, at) },
        }
    }
}

// === impl Made ===

impl Made {
    /// Of a page of which nothing is there to be sent.
    fn nothing(event: Option<Bytes>, at: Instant) -> Self {
        Self { event, parts: Bytes::new(), change: None, hash: 0, version: 0, at, took: Duration::ZERO }
    }
}

// === impl Stream ===

impl Stream {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        let shutdown = self.ui.shutdown.clone();
        while !self.is_over {
            self.page.refresh(&self.ui);
            if let Some(event) = self.news() {
                return Some(event);
            }
            let changed = tokio::time::timeout(STEP, self.made.changed());
            // The sender is in the page, which this stream holds; what it says is looked at above.
            let _ = shutdown.run_until_cancelled(changed).await?;
        }
        None
    }

    /// What this client has not heard.
    fn news(&mut self) -> Option<Bytes> {
        let made = self.made.borrow_and_update().clone()?;
        let is_new = self.sent != Some(made.hash);
        if !is_new && made.event.is_some() && self.sent_at.elapsed() < REFRESH {
            return None;
        }
        self.sent_at = Instant::now();
        let may_read = self.ui.authenticator.from_headers(&self.headers, None, Right::Read).is_ok();
        match made.event.filter(|_| may_read) {
            Some(event) if is_new => {
                let change = made.change.filter(|change| self.sent == Some(change.from));
                self.sent = Some(made.hash);
                Some(change.map_or(event, |change| change.event))
            }
            Some(_) => Some(comment()),
            None => {
                self.is_over = true;
                Some(encode("gone", 0, ""))
            }
        }
    }
}

/// Nobody hears it, and it keeps the line open.
fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}

/// One event with the hash of what the client has then; a line end within the data begins a new line of data.
fn encode(name: &str, hash: u64, data: &str) -> Bytes {
    let mut event = format!("event: {name}\nid: {hash:016x}\n");
    for line in data.split('\n') {
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
        assert_eq!(encode("parts", 0xab, "a\nb"), "event: parts\nid: 00000000000000ab\ndata: a\ndata: b\n\n");
    }
}
