//! From a body as it came to the bytes that are journaled: decompressed, turned into protobuf, inspected, text repaired, bad spans taken out.
//!
//! Pure: no clock, no I/O. A large body is screened on a blocking thread.

use super::body::Held;
use super::encoding::Coding;
use super::mistaken::mistaken;
use super::noticed::Noticed;
use super::refusal::Refusal;
use crate::model::digest::hex;
use crate::wire::otlp::Span;
use crate::wire::otlp::inspect::{self, Inspection, Limits, SpanFault};
use crate::wire::otlp::json;
use crate::wire::otlp::json::mend::{self, Breakage};
use crate::wire::otlp::json::misplaced;
use crate::wire::otlp::repair::{self, Repaired};
use crate::wire::otlp::rewrite::{self, Edit};

/// How the message itself is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    Protobuf,
    Json,
}

/// A request that is ready for the journal.
#[derive(Debug)]
pub(super) struct Screened {
    /// An encoded `ExportTraceServiceRequest` without bad spans, and what it holds of the bytes in flight.
    pub(super) held: Held,
    pub(super) n_accepted: u64,
    pub(super) rejected: Rejected,
    pub(super) noticed: Noticed,
}

/// The spans that were taken out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Rejected {
    /// How many, by why; each reason once, the most frequent first.
    pub(super) by_fault: Vec<(SpanFault, u64)>,
    pub(super) first: First,
}

/// The first span that was taken out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct First {
    /// In hexadecimal, whatever its length.
    pub(super) trace_id: String,
    /// What is wrong with an id of it, in words; empty if nothing more can be said.
    detail: String,
}

/// Undoes the coding and leaves the message in the format it was sent in.
pub(super) fn decode(held: Held, coding: Coding, max_bytes: usize) -> Result<Held, Refusal> {
    if coding == Coding::Identity {
        return Ok(held);
    }
    let Held { bytes, mut permit } = held;
    let plain = coding.decompress(&bytes, max_bytes, &mut permit)?;
    drop(bytes);
    permit.shrink_to(plain.len());
    Ok(Held { bytes: plain.into(), permit })
}

/// Checks every byte of a decoded request, repairs its text and takes out the spans that cannot be kept.
pub(super) fn screen(held: Held, format: Format, limits: Limits) -> Result<Screened, Refusal> {
    let (held, mut noticed) = match format {
        Format::Protobuf => (held, Noticed::default()),
        Format::Json => to_protobuf(held)?,
    };
    let Inspection { n_spans, faults, n_broken_texts, repair_bytes, by_time_unit } =
        inspect::inspect(&held.bytes, limits).map_err(|malformed| mistaken(&held.bytes, format).unwrap_or(malformed.into()))?;
    noticed.by_time_unit = by_time_unit;
    let held = if n_broken_texts > 0 { repaired(held, (n_broken_texts, repair_bytes), &mut noticed)? } else { held };
    if faults.is_empty() {
        return Ok(Screened { held, n_accepted: n_spans as u64, rejected: Rejected::default(), noticed });
    }
    let Held { bytes, mut permit } = held;
    let mut first = None;
    let mut bad = faults.iter().peekable();
    permit.grow(bytes.len())?;
    let kept = rewrite::rewrite(&bytes, |ordinal, span| {
        let Some((_, fault)) = bad.next_if(|(bad, _)| *bad == ordinal) else {
            return Edit::Keep;
        };
        first.get_or_insert_with(|| First::of(span, *fault));
        Edit::Drop
    })?;
    drop(bytes);
    permit.shrink_to(kept.len());
    let n_rejected = faults.len() as u64;
    Ok(Screened {
        held: Held { bytes: kept.into(), permit },
        n_accepted: (n_spans as u64).saturating_sub(n_rejected),
        rejected: Rejected { by_fault: tally(&faults), first: first.unwrap_or_default() },
        noticed,
    })
}

/// The request that says the same as OTLP/JSON, whose text is mended where it must be.
fn to_protobuf(held: Held) -> Result<(Held, Noticed), Refusal> {
    let Held { mut bytes, mut permit } = held;
    let mut noticed = Noticed::default();
    let encoded = match json::to_protobuf(&bytes) {
        Ok(encoded) => encoded,
        Err(error) => {
            if let Some(refusal) = mistaken(&bytes, Format::Json) {
                return Err(refusal);
            }
            permit.grow(bytes.len())?;
            let Some(mended) = mend::mend(&bytes) else {
                return Err(error.into());
            };
            bytes = mended.json.into();
            let encoded = json::to_protobuf(&bytes)?;
            let by_breakage = [(Breakage::InvalidUtf8, mended.n_invalid_utf8), (Breakage::HalfSurrogate, mended.n_half_surrogates)];
            noticed.repaired = by_breakage.into_iter().filter(|(_, n_texts)| *n_texts > 0).collect();
            noticed.first_repaired = error.0;
            encoded
        }
    };
    if encoded.is_empty() {
        noticed.misplaced = misplaced::misplaced(&bytes);
    }
    drop(bytes);
    let n_bytes = encoded.len();
    permit.grow(n_bytes.saturating_sub(usize::try_from(permit.bytes()).unwrap_or(usize::MAX)))?;
    permit.shrink_to(n_bytes);
    Ok((Held { bytes: encoded.into(), permit }, noticed))
}

/// The same request with text that can be read.
fn repaired(held: Held, (n_texts, more_bytes): (usize, usize), noticed: &mut Noticed) -> Result<Held, Refusal> {
    let Held { bytes, mut permit } = held;
    permit.grow(bytes.len().saturating_add(more_bytes))?;
    let Repaired { bytes: kept, first } = repair::repair(&bytes, more_bytes)?;
    drop(bytes);
    permit.shrink_to(kept.len());
    noticed.repaired.push((Breakage::InvalidUtf8, n_texts as u64));
    noticed.first_repaired = first;
    Ok(Held { bytes: kept.into(), permit })
}

fn tally(faults: &[(usize, SpanFault)]) -> Vec<(SpanFault, u64)> {
    let mut by_fault: Vec<(SpanFault, u64)> = Vec::new();
    for (_, fault) in faults {
        match by_fault.iter_mut().find(|(known, _)| known == fault) {
            Some((_, n)) => *n += 1,
            None => by_fault.push((*fault, 1)),
        }
    }
    by_fault.sort_by(|(a, n), (b, m)| m.cmp(n).then(a.as_str().cmp(b.as_str())));
    by_fault
}

// === impl Rejected ===

impl Rejected {
    pub(super) fn n_spans(&self) -> u64 {
        self.by_fault.iter().map(|(_, n)| n).sum()
    }

    /// What the sender is told of a request of `n_total` spans, if any was rejected.
    pub(super) fn message(&self, n_total: u64) -> Option<String> {
        if self.by_fault.is_empty() {
            return None;
        }
        let reasons: Vec<String> = self.by_fault.iter().map(|(fault, n)| format!("{} ({n})", fault.as_str())).collect();
        let First { trace_id, detail } = &self.first;
        let first = if trace_id.is_empty() { "without a trace id".into() } else { format!("of trace {trace_id}") };
        Some(format!("{} of {n_total} spans rejected: {}; the first is {first}{detail}", self.n_spans(), reasons.join(", ")))
    }
}

// === impl First ===

impl First {
    fn of(span: &Span<'_>, fault: SpanFault) -> Self {
        let (name, id, n_bytes) = match fault {
            SpanFault::TraceIdLength => ("trace id", span.trace_id, 16),
            SpanFault::SpanIdLength => ("span id", span.span_id, 8),
            SpanFault::ParentIdLength => ("parent span id", span.parent_span_id, 8),
            SpanFault::TraceIdZero | SpanFault::SpanIdZero | SpanFault::TooDeep => ("", &[][..], 0),
        };
        let mut detail = String::new();
        if !id.is_empty() {
            detail = format!(", whose {name} has {} bytes, not {n_bytes}", id.len());
            // Both would be a right id in JSON, where bytes are written so.
            if id.len() == 2 * n_bytes && id.iter().all(u8::is_ascii_hexdigit) {
                detail += ": it looks like hexadecimal text, send the bytes that it stands for";
            }
        }
        // An id of a wrong length can be as long as the request: 32 bytes are enough to recognize it.
        Self { trace_id: hex(&span.trace_id[..span.trace_id.len().min(32)]), detail }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::ingest::admission::Admission;

    const LIMITS: Limits = Limits { max_depth: 30 };

    fn held(bytes: Vec<u8>) -> (Admission, Held) {
        let admission = Admission::new(1 << 20);
        let permit = admission.admit(bytes.len()).unwrap();
        (admission, Held { bytes: bytes.into(), permit })
    }

    /// Ids of the right and of wrong lengths, zero and not.
    fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            8 => Just(vec![7; length]),
            1 => Just(vec![0; length]),
            1 => proptest::collection::vec(any::<u8>(), 0..2 * length),
        ]
    }

    fn span() -> impl Strategy<Value = Span> {
        let parent = prop_oneof![Just(Vec::new()), id(8)];
        (id(16), id(8), parent, "[a-z]{0,8}").prop_map(|(trace_id, span_id, parent_span_id, name)| Span {
            trace_id,
            span_id,
            parent_span_id,
            name,
            ..Default::default()
        })
    }

    fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
        let scope = proptest::collection::vec(span(), 0..5).prop_map(|spans| ScopeSpans { spans, ..Default::default() });
        let resource = proptest::collection::vec(scope, 0..3).prop_map(|scope_spans| ResourceSpans { scope_spans, ..Default::default() });
        proptest::collection::vec(resource, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
    }

    fn spans(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
        request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans)
    }

    fn is_good(span: &&Span) -> bool {
        let is_id = |id: &[u8], length| id.len() == length && id.iter().any(|byte| *byte != 0);
        is_id(&span.trace_id, 16) && is_id(&span.span_id, 8) && [0, 8].contains(&span.parent_span_id.len())
    }

    proptest! {
        #[test]
        fn exactly_the_good_spans_are_kept_and_every_span_is_counted(sent in request()) {
            let (admission, held) = held(sent.encode_to_vec());
            let screened = screen(held, Format::Protobuf, LIMITS).unwrap();
            let kept = ExportTraceServiceRequest::decode(screened.held.bytes.clone()).unwrap();
            prop_assert!(spans(&kept).eq(spans(&sent).filter(is_good)));
            prop_assert_eq!(screened.n_accepted as usize, spans(&kept).count());
            prop_assert_eq!((screened.n_accepted + screened.rejected.n_spans()) as usize, spans(&sent).count());
            prop_assert_eq!(admission.inflight_bytes(), screened.held.bytes.len() as u64);
            drop(screened);
            prop_assert_eq!(admission.inflight_bytes(), 0);
        }

        #[test]
        fn whatever_the_bytes_what_is_kept_can_be_decoded_by_anyone(
            sent in request(),
            noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut bytes = sent.encode_to_vec();
            for (at, byte) in noise.into_iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let (admission, held) = held(bytes);
            if let Ok(screened) = screen(held, Format::Protobuf, LIMITS) {
                let kept = ExportTraceServiceRequest::decode(screened.held.bytes.clone()).unwrap();
                prop_assert!(spans(&kept).all(|span| is_good(&span)));
                prop_assert_eq!(spans(&kept).count() as u64, screened.n_accepted);
            }
            prop_assert_eq!(admission.inflight_bytes(), 0);
        }
    }
}
