//! In which order the spans go: as an SDK exports them, or shuffled, repeated, with parents that come late.

use std::sync::Arc;

use super::connection::Signal;
use super::post::Requests;
use super::random::{Random, mix};
use super::run::World;
use super::shape::{ROOT, SPANS_PER_RUN};
use super::truth::Truth;

/// Spans are shuffled, repeated and delayed within so many runs at a time; this is also what memory they take: 1.5 MiB.
const WINDOW_RUNS: u64 = 8_192;

/// One span of one run.
#[derive(Clone, Copy)]
pub struct SpanRef {
    pub run: u64,
    pub which: u8,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Disorder {
    /// Shuffle spans within the window, with this seed.
    pub shuffle: Option<u64>,
    /// Percent of the spans that are sent a second time.
    pub duplicates: u64,
    /// Percent of the runs whose root comes a window later.
    pub late_parents: u64,
}

/// Yields spans until the world ends or somebody says stop; a run that was begun is always finished.
pub struct Plan {
    world: World,
    disorder: Disorder,
    next_run: u64,
    window: std::vec::IntoIter<SpanRef>,
    late: Vec<SpanRef>,
    is_stopped: bool,
    pub truth: Truth,
}

// === impl Plan ===

impl Plan {
    pub fn new(world: World, disorder: Disorder) -> Self {
        let truth = Truth::new(world.sessions);
        Self { world, disorder, next_run: 0, window: Vec::new().into_iter(), late: Vec::new(), is_stopped: false, truth }
    }

    /// Begins no further run.
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    fn refill(&mut self) -> bool {
        let last = if self.is_stopped { self.next_run } else { self.world.runs().min(self.next_run + self.window_runs()) };
        let mut spans = std::mem::take(&mut self.late);
        for n in self.next_run..last {
            let run = self.world.run(n);
            self.truth.add(&run);
            let is_late = mix(run.n, 0x1a7e) % 100 < self.disorder.late_parents;
            for which in 0..SPANS_PER_RUN {
                let span = SpanRef { run: n, which: which as u8 };
                let into = if which == ROOT && is_late { &mut self.late } else { &mut spans };
                into.push(span);
                if mix(run.n, 0xd0b1 + which as u64) % 100 < self.disorder.duplicates {
                    self.late.push(span);
                }
            }
        }
        self.next_run = last;
        if let Some(seed) = self.disorder.shuffle {
            let mut random = Random::new(seed ^ last);
            for n in (1..spans.len()).rev() {
                spans.swap(n, random.below(n as u64 + 1) as usize);
            }
        }
        self.window = spans.into_iter();
        self.window.len() > 0 || (!self.late.is_empty() && self.refill())
    }

    /// In order, a window may be as short as one run, so that a stop is soon obeyed.
    fn window_runs(&self) -> u64 {
        let is_in_order = self.disorder.shuffle.is_none() && self.disorder.duplicates == 0 && self.disorder.late_parents == 0;
        if is_in_order { 1 } else { WINDOW_RUNS }
    }
}

impl Iterator for Plan {
    type Item = SpanRef;

    fn next(&mut self) -> Option<SpanRef> {
        if self.window.len() == 0 && !self.refill() {
            return None;
        }
        self.window.next()
    }
}

/// Where spans become requests: the bytes of the shape, the order of the plan.
pub struct Source {
    pub plan: Plan,
    shape: Arc<super::shape::Shape>,
    batch: usize,
    /// What stands before every message: the five bytes of a gRPC frame, or nothing.
    is_framed: bool,
    spans: Vec<SpanRef>,
}

/// An encoded request, framed if its transport wants that.
pub struct Request {
    pub signal: Signal,
    /// Or records of logs.
    pub n_spans: u64,
    pub bytes: bytes::Bytes,
}

// === impl Source ===

impl Source {
    pub fn new(plan: Plan, shape: Arc<super::shape::Shape>, batch: usize, is_framed: bool) -> Self {
        Self { plan, shape, batch, is_framed, spans: Vec::with_capacity(batch) }
    }
}

impl Requests for Source {
    fn stop(&mut self) {
        self.plan.stop();
    }
}

impl Iterator for Source {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        self.spans.clear();
        while self.spans.len() < self.batch
            && let Some(span) = self.plan.next()
        {
            self.spans.push(span);
        }
        if self.spans.is_empty() {
            return None;
        }
        let shape = &*self.shape;
        let spans_len: usize = self.spans.iter().map(|span| shape.span_len(usize::from(span.which))).sum();
        let scope_spans_len = shape.scope.len() + spans_len;
        let resource_spans_len = shape.resource.len() + field_len(scope_spans_len);
        let message_len = field_len(resource_spans_len);
        let mut bytes = Vec::with_capacity(message_len + 5);
        if self.is_framed {
            bytes.push(0);
            bytes.extend_from_slice(&(message_len as u32).to_be_bytes());
        }
        super::shape::header(1, resource_spans_len, &mut bytes);
        bytes.extend_from_slice(&shape.resource);
        super::shape::header(2, scope_spans_len, &mut bytes);
        bytes.extend_from_slice(&shape.scope);
        let mut run = self.plan.world.run(self.spans[0].run);
        for span in &self.spans {
            if run.n != span.run {
                run = self.plan.world.run(span.run);
            }
            shape.templates[usize::from(span.which)].write(&run, usize::from(span.which), &mut bytes);
        }
        Some(Request { signal: Signal::Traces, n_spans: self.spans.len() as u64, bytes: bytes.into() })
    }
}

/// Of a field with a one-byte tag: tag, length and `len` bytes.
fn field_len(len: usize) -> usize {
    1 + prost::encoding::encoded_len_varint(len as u64) + len
}
