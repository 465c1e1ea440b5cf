//! What the SDK's HTTP path told of one run (`docs/sdk.md`).
//!
//! Events of a run are applied in the order in which the journal has them; the same events in the same order give the same report.
//! What is kept is bounded: texts are cut, and beyond the limits below things are counted and left out.

use crate::model::Str;
use crate::model::ids::{RunId, SessionId, SpanId, SpanKey, TraceId};
use crate::model::run::{RunStatus, Score};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::Usage;

/// The longest name of an agent, a model, a user or a score, in bytes; the rest is cut off.
pub const NAME_MAX_BYTES: usize = 512;
/// The longest `inputs`, `result` or error that is kept, in bytes of JSON or text.
pub const TEXT_MAX_BYTES: usize = 16 << 10;
/// The longest preview (a prompt, a response, the output of a step) that is kept, in bytes.
pub const PREVIEW_MAX_BYTES: usize = 4 << 10;
/// Calls kept of one run; a run that lives as long as its process makes calls without end.
pub const CALLS_MAX: usize = 50_000;
/// Previews are kept of the first calls only.
pub const PREVIEWED_CALLS_MAX: usize = 500;
/// What the model and the task of a call take beside it, about.
const CALL_NAMES_BYTES: usize = 64;
pub const STEPS_MAX: usize = 1_000;
/// How the names of steps begin that tell of a call of a tool; the tool's name follows.
pub const TOOL_STEP: &str = "tool:";
pub const SCORES_MAX: usize = 1_000;
pub const SPANS_MAX: usize = 2_000;
/// How long after the arrival of its completion a run may have ended by the SDK's own measure. Clocks differ, and starts may be told late;
/// an end beyond this is not believed.
const MEASURED_SLACK: Nanos = Nanos::from_secs(60 * 60);
/// Agent spans that may claim to be one run; it is believed if there is one.
pub const CLAIMS_MAX: usize = 4;

/// What a POST of the SDK is about. The numbers are in the journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum EventKind {
    Start = 1,
    /// The one run of an agent's day (`runs/daily/`).
    Daily = 2,
    LlmCalls = 3,
    Steps = 4,
    Spans = 5,
    Scores = 6,
    Partial = 7,
    Complete = 8,
    /// `events/`, `governance-decision/` and the like: kept in the journal, not in the index.
    Other = 9,
    /// An earlier event of the run was taken and its answer did not reach the sender. The body is its digest and the time
    /// before which it cannot have been taken, 8 bytes each, big-endian.
    Unanswered = 10,
    /// What Tempo still knew of a run whose report was lost. It stands only where nothing else was told.
    Restored = 11,
}

/// Everything that was told of one run.
#[derive(Clone, PartialEq, Debug)]
pub struct RunReport {
    pub id: RunId,
    /// When its first and its latest event came.
    pub first_at: UnixNanos,
    pub last_at: UnixNanos,
    pub start: Option<Start>,
    pub calls: Vec<ReportedCall>,
    /// Calls beyond [`CALLS_MAX`].
    pub n_calls_refused: u64,
    pub steps: Vec<Step>,
    pub scores: Vec<Score>,
    pub spans: Vec<ReportedSpan>,
    pub completion: Option<Completion>,
    /// Agent spans that bear this run's id, ordered, at most [`CLAIMS_MAX`].
    pub claims: Vec<SpanKey>,
    /// Events of the last minute, to know a repetition by.
    pub seen: Vec<Seen>,
}

/// `runs/start/`.
#[derive(Clone, PartialEq, Debug)]
pub struct Start {
    pub at: UnixNanos,
    pub agent: Str,
    pub workflow: Str,
    pub session: Option<SessionId>,
    pub user: Option<Str>,
    pub user_group: Option<Str>,
    /// The run it was started in.
    pub parent: Option<RunId>,
    /// Compact JSON.
    pub inputs: Option<Str>,
    /// The SDK made it for calls outside any run (`auto_collected`).
    pub is_auto: bool,
    /// Its answer was lost, or the same start came again: unless more is told of it, it is no run.
    pub is_doubtful: bool,
}

/// An element of `llm-calls/`.
#[derive(Clone, PartialEq, Debug)]
pub struct ReportedCall {
    pub at: UnixNanos,
    pub model: Str,
    pub task: Str,
    pub usage: Usage,
    /// Told by a framework's instrumentation, perhaps beside the provider's own.
    pub is_framework: bool,
    pub is_error: bool,
    /// A run that is no `auto:` run tells of the same call.
    pub is_found: bool,
    pub prompt: Option<Str>,
    pub response: Option<Str>,
}

/// An element of `steps/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub at: UnixNanos,
    pub name: Str,
    pub position: Option<u64>,
    /// Compact JSON.
    pub output: Option<Str>,
}

/// An element of `spans/`: what a run did, without ids and absolute times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportedSpan {
    pub name: Str,
    pub kind: Str,
    pub is_error: bool,
    pub duration: Option<Nanos>,
    pub position: u64,
    /// From the start of the run.
    pub offset: Option<Nanos>,
    pub parent_position: Option<u64>,
}

/// `complete/`.
#[derive(Clone, PartialEq, Debug)]
pub struct Completion {
    pub at: UnixNanos,
    pub status: RunStatus,
    pub trace: Option<TraceId>,
    pub span: Option<SpanId>,
    pub result: Option<Str>,
    pub error: Option<Str>,
}

/// An event that was applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub digest: u64,
    pub at: UnixNanos,
    /// Where the journal has it.
    pub position: u64,
    pub is_unanswered: bool,
}

// === impl EventKind ===

impl EventKind {
    /// The inverse of `as u8`, for what comes from the journal.
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Start,
            2 => Self::Daily,
            3 => Self::LlmCalls,
            4 => Self::Steps,
            5 => Self::Spans,
            6 => Self::Scores,
            7 => Self::Partial,
            8 => Self::Complete,
            9 => Self::Other,
            10 => Self::Unanswered,
            11 => Self::Restored,
            _ => return None,
        })
    }
}

// === impl Start ===

impl Start {
    /// Of a run whose start nobody told.
    pub fn unknown(at: UnixNanos) -> Self {
        let nothing = Str::from("");
        let (agent, workflow) = (nothing.clone(), nothing);
        Self {
            at,
            agent,
            workflow,
            session: None,
            user: None,
            user_group: None,
            parent: None,
            inputs: None,
            is_auto: false,
            is_doubtful: false,
        }
    }
}

// === impl RunReport ===

impl RunReport {
    pub fn new(id: RunId, at: UnixNanos) -> Self {
        Self {
            id,
            first_at: at,
            last_at: at,
            start: None,
            calls: Vec::new(),
            n_calls_refused: 0,
            steps: Vec::new(),
            scores: Vec::new(),
            spans: Vec::new(),
            completion: None,
            claims: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// The span that is this run: what `complete/` named, else the only agent span that bears its id.
    pub fn own_span(&self) -> Option<SpanKey> {
        if let Some(trace) = self.completion.as_ref().and_then(|completion| completion.trace) {
            let span = self.completion.as_ref().and_then(|completion| completion.span);
            let claimed = || self.claims.iter().find(|claim| claim.trace == trace).map(|claim| claim.span);
            return Some(SpanKey { trace, span: span.or_else(claimed).unwrap_or(self.id.to_span()) });
        }
        match self.claims[..] {
            [claim] => Some(claim),
            _ => None,
        }
    }

    /// Whether it is a run at all. A start whose answer was lost, with nothing after it, is not; neither is one whose start is not known,
    /// where nothing tells what it did: it may have been deleted, or never have been.
    pub fn is_run(&self) -> bool {
        match &self.start {
            Some(start) => !start.is_doubtful || self.tells_more(),
            None => !self.claims.is_empty() || self.completion.is_some() || !self.calls.is_empty() || !self.steps.is_empty(),
        }
    }

    /// Whether anything but its start is known.
    pub fn tells_more(&self) -> bool {
        self.completion.is_some()
            || !(self.calls.is_empty()
                && self.steps.is_empty()
                && self.spans.is_empty()
                && self.scores.is_empty()
                && self.claims.is_empty())
    }

    /// The SDK made it for calls outside any run.
    pub fn is_auto(&self) -> bool {
        self.start.as_ref().is_some_and(|start| start.is_auto)
    }

    pub fn started_at(&self) -> UnixNanos {
        self.start.as_ref().map_or(self.first_at, |start| start.at)
    }

    /// When it ended: as long after its start as the SDK measured it, else when its completion came. `None` while it runs.
    pub fn completed_at(&self) -> Option<UnixNanos> {
        let completion = self.completion.as_ref()?;
        let measured = self.spans.iter().filter(|span| span.position == 0 && &*span.kind == "agent").filter_map(|span| span.duration).max();
        let measured = measured.map(|length| self.started_at().plus(length));
        Some(measured.filter(|end| *end <= completion.at.plus(MEASURED_SLACK)).unwrap_or(completion.at))
    }

    /// Takes out all but when and where it was: the session it belongs to was deleted.
    pub fn strip(&mut self) {
        if let Some(start) = &mut self.start {
            (start.inputs, start.user, start.user_group) = (None, None, None);
        }
        if let Some(completion) = &mut self.completion {
            (completion.result, completion.error) = (None, None);
        }
        self.calls.clear();
        self.steps.clear();
        self.scores.clear();
        self.spans.clear();
    }

    /// Bytes this report holds in memory, near enough to bound what open ones may take.
    pub fn weight(&self) -> usize {
        let text = |text: &Option<Str>| text.as_ref().map_or(0, |text| text.len() + 16);
        let start = self.start.as_ref().map_or(0, |start| text(&start.inputs) + size_of::<Start>());
        let completion = self.completion.as_ref().map_or(0, |c| text(&c.result) + text(&c.error) + size_of::<Completion>());
        // Asked for with every event: only the first calls have previews, so only they are looked at.
        let previews = self.calls.iter().take(PREVIEWED_CALLS_MAX).map(|call| text(&call.prompt) + text(&call.response));
        let calls = self.calls.capacity() * size_of::<ReportedCall>() + self.calls.len() * CALL_NAMES_BYTES + previews.sum::<usize>();
        let steps: usize = self.steps.iter().map(|step| size_of::<Step>() + step.name.len() + text(&step.output)).sum();
        let scores: usize = self.scores.iter().map(|score| size_of::<Score>() + 64 + text(&score.comment)).sum();
        let others = self.spans.len() * (size_of::<ReportedSpan>() + 32) + scores;
        size_of::<Self>() + start + completion + calls + steps + others + self.seen.len() * size_of::<Seen>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stands_where_its_completion_says_else_where_one_span_claims_it() {
        let key =
            |trace: u8, span: u64| SpanKey { trace: TraceId::from_bytes(&[trace; 16]).unwrap(), span: SpanId::from_u64(span).unwrap() };
        let mut report = RunReport::new(RunId::mint(7), UnixNanos(1));
        assert_eq!(report.own_span(), None);
        report.claims = vec![key(1, 1)];
        assert_eq!(report.own_span(), Some(key(1, 1)));
        report.claims.push(key(2, 2));
        assert_eq!(report.own_span(), None, "two strangers claim it");
        let named = |trace: SpanKey, span| Completion {
            at: UnixNanos(2),
            status: RunStatus::Success,
            trace: Some(trace.trace),
            span,
            result: None,
            error: None,
        };
        report.completion = Some(named(key(3, 3), SpanId::from_u64(3)));
        assert_eq!(report.own_span(), Some(key(3, 3)));
        report.completion = Some(named(key(2, 9), None));
        assert_eq!(report.own_span(), Some(key(2, 2)), "the span that claims it in the named trace");
        report.completion = Some(named(key(4, 9), None));
        assert_eq!(report.own_span().map(|key| key.span), Some(report.id.to_span()));
    }

    #[test]
    fn reports_are_kept_where_no_trace_of_an_exporter_is() {
        let run = RunId::mint(u64::MAX);
        let trace = TraceId::of_report(run);
        assert!(trace.is_reserved());
        assert_eq!(trace.reported_run(), Some(run));
        assert!(!TraceId::from_bytes(&[7; 16]).unwrap().is_reserved());
        assert_eq!(RunId::from_minted(&run.to_string()), Some(run));
        for stranger in ["4711", "", "run_abc", "+1099511627776", "01099511627776", "9007199254740992"] {
            assert_eq!(RunId::from_minted(stranger), None, "{stranger}");
        }
    }
}
