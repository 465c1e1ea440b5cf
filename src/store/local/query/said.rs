//! A phrase, looked for in the journal from its newest end.
//!
//! - Bytes are compared, ASCII letters in any case, with a piece of the phrase that every notation writes alike; whoever asked reads the
//!   messages and sees whether the phrase is in them.
//! - What is found is given newest first: of each segment so many findings are kept until it is read, the newest of them.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::look_back::{Bounds, look_back};
use super::raw::{Wanted, spans_of};
use crate::model::ids::{RunId, SpanId, Tenant, TraceId};
use crate::model::stretches::Stretch;
use crate::model::time::UnixNanos;
use crate::store::local::LocalStore;
use crate::store::said::{Heard, Looked};
use crate::wire::format::entry::{Entry, Event};
use crate::wire::otlp;

/// A look takes no longer, and a segment.
const BOUNDS: Bounds = Bounds { time: Duration::from_millis(1_500), bytes: 1 << 30 };
/// Findings of one segment that are kept, and their bytes.
const HELD_MAX: usize = 500;
const HELD_MAX_BYTES: usize = 32 << 20;
/// A shorter piece of a phrase is everywhere.
const PIECE_MIN_BYTES: usize = 2;

/// A phrase as bytes hold it.
struct Piece {
    /// It is there if one of these is.
    finders: Vec<Finder<'static>>,
    /// Reused for what is looked at, in small letters.
    scratch: Vec<u8>,
}

/// The newest findings of a segment, each with when it came.
#[derive(Default)]
struct Held {
    findings: VecDeque<(UnixNanos, Heard)>,
    n_bytes: usize,
    /// Older ones were dropped.
    is_cut: bool,
}

impl LocalStore {
    pub(in crate::store::local) fn find_said(
        &self,
        tenant: &Tenant,
        phrase: &str,
        each: &mut dyn FnMut(Heard) -> ControlFlow<()>,
    ) -> Looked {
        let mut piece = Piece::of(phrase);
        let (mut n_bytes, mut stopped_at) = (0, None);
        let reach = look_back(&self.journal, [Stretch::ANYWHERE], BOUNDS, |entries| {
            let mut held = Held::default();
            for entry in entries.filter(|entry| entry.tenant == *tenant) {
                let at = entry.received_at;
                n_bytes += body_bytes(&entry);
                if let Some(found) = find(entry, &mut piece) {
                    held.push(at, found);
                }
            }
            while let Some((at, heard)) = held.findings.pop_back() {
                let is_last = held.is_cut && held.findings.is_empty();
                if each(heard).is_break() || is_last {
                    stopped_at = Some(at);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        Looked { bytes: n_bytes, since: stopped_at.or(reach.since), is_whole: reach.is_whole }
    }
}

fn body_bytes(entry: &Entry) -> u64 {
    match &entry.event {
        Event::Spans(body) | Event::UnforwardedSpans(body) | Event::Run { body, .. } => body.len() as u64,
        Event::DeleteSession(_) | Event::ChangeNote { .. } | Event::Opened => 0,
    }
}

fn find(entry: Entry, piece: &mut Piece) -> Option<Heard> {
    if let Event::Run { run, body, .. } = &entry.event {
        return run.filter(|_| piece.is_in(body)).map(Heard::Post);
    }
    let (request, is_wanted) = spans_of(entry)?;
    let spans = spans_with(piece, &request, is_wanted);
    (!spans.is_empty()).then_some(Heard::Spans { request, spans })
}

fn spans_with(piece: &mut Piece, request: &Bytes, is_wanted: Wanted) -> Vec<(TraceId, SpanId)> {
    let scopes = otlp::resource_spans(request).map_while(Result::ok).flat_map(|resource| resource.scope_spans().map_while(Result::ok));
    let spans = scopes.filter(|scope| is_wanted(scope.scope_name)).flat_map(|scope| scope.spans().map_while(Result::ok));
    let with_piece = spans.filter(|span| piece.is_in(span.bytes));
    let mut found: Vec<_> =
        with_piece.filter_map(|span| TraceId::from_bytes(span.trace_id).zip(SpanId::from_bytes(span.span_id))).collect();
    found.reverse();
    found
}

// === impl Piece ===

impl Piece {
    /// Quotes, backslashes, line ends and letters beyond ASCII are written in several ways; what stands between them in one.
    fn of(phrase: &str) -> Self {
        let phrase = phrase.to_ascii_lowercase();
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '/' | '<' | '>' | '&');
        let longest = phrase.split(|c| !is_plain(c)).max_by_key(|piece| piece.len()).filter(|piece| piece.len() >= PIECE_MIN_BYTES);
        let pieces = match longest {
            Some(piece) => vec![piece.to_owned()],
            // As it is, and as JSON in ASCII has it.
            None => vec![phrase.clone(), phrase.encode_utf16().map(escaped).collect()],
        };
        Self { finders: pieces.iter().map(|piece| Finder::new(piece).into_owned()).collect(), scratch: Vec::new() }
    }

    fn is_in(&mut self, bytes: &[u8]) -> bool {
        self.scratch.clear();
        self.scratch.extend(bytes.iter().map(u8::to_ascii_lowercase));
        self.finders.iter().any(|finder| finder.find(&self.scratch).is_some())
    }
}

fn escaped(unit: u16) -> String {
    match char::from_u32(unit.into()).filter(char::is_ascii) {
        Some(c) => c.to_string(),
        None => format!("\\u{unit:04x}"),
    }
}

// === impl Held ===

impl Held {
    fn push(&mut self, at: UnixNanos, heard: Heard) {
        self.n_bytes += weight(&heard);
        self.findings.push_back((at, heard));
        while self.findings.len() > HELD_MAX || self.n_bytes > HELD_MAX_BYTES && self.findings.len() > 1 {
            self.is_cut = true;
            self.n_bytes -= self.findings.pop_front().map_or(0, |(_, heard)| weight(&heard));
        }
    }
}

fn weight(heard: &Heard) -> usize {
    match heard {
        Heard::Spans { request, spans } => request.len() + size_of_val(&**spans),
        Heard::Post(_) => size_of::<RunId>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_in_whatever_notation_it_stands() {
        for (phrase, bytes, is_there) in [
            ("Rate Limit", r#"{"text":"the rate limit"}"#, true),
            ("rate limit", "a rate\\nlimit", true),
            ("say \"hello\"", r#"{"text":"say \"hello\""}"#, true),
            ("say \"hello\"", r#"{"text":"say \\\"HELLO\\\""}"#, true),
            ("שלום", "{\"text\":\"שלום\"}", true),
            ("שלום", r#"{"text":"\u05e9\u05dc\u05d5\u05dd"}"#, true),
            ("💬", r#"{"text":"\uD83D\uDCAC"}"#, true),
            ("rate limit", "nothing of the kind", false),
        ] {
            assert_eq!(Piece::of(phrase).is_in(bytes.as_bytes()), is_there, "{phrase} in {bytes}");
        }
    }

    #[test]
    fn of_many_findings_the_newest_are_kept() {
        let mut held = Held::default();
        for at in 0..600 {
            held.push(UnixNanos(at), Heard::Post(RunId::mint(at)));
        }
        assert_eq!((held.findings.len(), held.findings[0].0, held.is_cut), (HELD_MAX, UnixNanos(100), true));
        let large = |at| (UnixNanos(at), Heard::Spans { request: vec![0; 20 << 20].into(), spans: Vec::new() });
        for (at, heard) in [large(1_000), large(1_001)] {
            held.push(at, heard);
        }
        assert_eq!(held.findings.iter().map(|(at, _)| at.0).collect::<Vec<_>>(), [1_001]);
    }
}
