//! Why the fold decided as it did, as values: each is noted by the code that decides, and has its words here.
//!
//! A `code` is for programs and stays as it is; `words` are for people, as the rest of a sentence about the span or run.

/// Why a span is a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhyRun {
    Reported,
    Outermost,
    NamesItself,
    OtherAgent,
    Workflow,
    /// It brought a session in that no run above holds.
    BringsSession,
    /// The root above calls for which a session is in effect.
    HoldsCalls,
    /// A session that has a call would have no run otherwise.
    HoldsSession,
    /// The root of a trace without agents that names one session.
    Root,
    Provisional,
}

/// Why a span is no run of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhyNoRun {
    /// It is no agent and no workflow, and nothing needs it to be a run.
    Ordinary,
    SameExecution,
    /// An agent in a run of the Waxell SDK.
    InSdkRun,
    /// An agent below an agent.
    NamesNothing,
    /// An agent that names nobody, above agents that are named.
    AboveNamed,
    /// A workflow above or below agents.
    BesideAgents,
    InWorkflow,
    /// Its tree is lost, and lies in a run.
    LiesInRun,
}

/// Why a span belongs to its run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhyOwner {
    /// The run stands on it.
    Itself,
    /// The run is the nearest above it.
    Above,
    /// The parent of its tree is not here; it was placed by its time.
    Placed,
    /// The trace is one run.
    OneRun,
    /// A call of a session that no run above it holds.
    OfSession,
    /// A call that names no session, in a trace that does.
    GoingOn,
    Nobody,
}

/// Why a run is of its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhySession {
    /// The span that the run stands on names it.
    #[default]
    Itself,
    /// The same, by its resource.
    Resource,
    Above,
    /// What the run's own spans name.
    Found,
    Reported,
    /// The run that was going on names it.
    GoingOn,
    /// The only one that the trace names.
    OfTrace,
}

/// Why a session that a span names, or its resource, does not hold for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhyOverruled {
    /// Its key is one that a framework may have filled by itself.
    Weak,
    Resource,
}

/// Why what a span or a report tells does not count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WhyNot {
    /// It tells of no model, no tokens and no cost.
    NoCall,
    /// A container that states zeros.
    NothingUsed,
    CallsBelow,
    ToldNear,
    SumOfBelow,
    Echo,
    Wrapper,
    SameAnswer,
    SameTokens,
    /// A log event of a coding agent, beside the agent's own span.
    ToldBySpan,
    /// The report of the run tells of fewer such calls.
    ReportTellsFewer,
    /// The report of another run of the trace tells of it.
    OtherReport,
    /// How many calls there were without tokens says the report.
    ReportCounts,
    /// A record: the spans of the run tell of fewer such calls.
    SpansTellFewer,
    /// A record: another run has it.
    OtherRun,
    /// A record: a framework's and a provider's instrumentation both told of it.
    RecordedTwice,
}

/// Where the cost of a call that counts is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhyCost {
    /// The span states it.
    Stated,
    /// Another span of the same call states it.
    Handed,
    /// The report of the run states it.
    Reported,
    /// The operator's file of prices.
    Override,
    /// The table in the binary.
    Table,
    /// It states no cost, and nobody knows a price.
    Unknown,
    /// Without tokens there is nothing to price.
    NoTokens,
}

/// What a span that was left out gave to one that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Handed {
    pub from: u32,
    pub to: u32,
    /// The cost, or else parts of the tokens.
    pub is_cost: bool,
}

// === impl Handed ===

impl Handed {
    pub fn cost(from: u32, to: u32) -> Self {
        Self { from, to, is_cost: true }
    }

    pub fn parts(from: u32, to: u32) -> Self {
        Self { from, to, is_cost: false }
    }
}

// === impl WhyRun ===

impl WhyRun {
    pub fn code(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Outermost => "outermost_agent",
            Self::NamesItself => "names_itself",
            Self::OtherAgent => "other_agent",
            Self::Workflow => "workflow",
            Self::BringsSession => "brings_session",
            Self::HoldsCalls => "holds_calls",
            Self::HoldsSession => "holds_session",
            Self::Root => "root",
            Self::Provisional => "provisional",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Reported => "a run, since the SDK reported it over HTTP",
            Self::Outermost => "a run, since it is an agent and no agent is above it",
            Self::NamesItself => "a run, since it is an agent that names a session or a run id of its own",
            Self::OtherAgent => "a run, since it is an agent of another name than the one above it",
            Self::Workflow => "a run, since it is a workflow without agents",
            Self::BringsSession => "a run, since it brings in a session that no run above it holds",
            Self::HoldsCalls => "a run, since spans below it call models for a session and no agent is there",
            Self::HoldsSession => "a run, since its session has a call and would have no run otherwise",
            Self::Root => "a run, since it is the root of a trace without agents that names one session",
            Self::Provisional => "a run without a span: the root of the trace has not come",
        }
    }
}

// === impl WhyNoRun ===

impl WhyNoRun {
    pub fn code(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::SameExecution => "same_execution",
            Self::InSdkRun => "in_sdk_run",
            Self::NamesNothing => "names_nothing",
            Self::AboveNamed => "above_named_agents",
            Self::BesideAgents => "beside_agents",
            Self::InWorkflow => "in_workflow",
            Self::LiesInRun => "lies_in_run",
        }
    }

    /// Empty for spans of which nobody would expect it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ordinary => "",
            Self::SameExecution => "no run of its own: it tells of the same execution as the agent of the same name directly above it",
            Self::InSdkRun => "no run of its own: in runs of the Waxell SDK only a session or run id of its own makes one",
            Self::NamesNothing => "no run of its own: an agent below an agent that names no session, no run id and no other agent",
            Self::AboveNamed => "no run of its own: an agent that names nobody, above agents that are named, is a workflow",
            Self::BesideAgents => "no run of its own: a workflow with agents above or below it",
            Self::InWorkflow => "no run of its own: a workflow below a workflow of the same session",
            Self::LiesInRun => "no run of its own: its parent is not here, and by its time it lies in a run",
        }
    }
}

// === impl WhyOwner ===

impl WhyOwner {
    pub fn code(self) -> &'static str {
        match self {
            Self::Itself => "itself",
            Self::Above => "above",
            Self::Placed => "placed_by_time",
            Self::OneRun => "one_run",
            Self::OfSession => "of_session",
            Self::GoingOn => "going_on",
            Self::Nobody => "nobody",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Itself => "the run stands on it",
            Self::Above => "the run is the nearest above it",
            Self::Placed => "its parent, or one above that, is not here: it was placed in the run by its time",
            Self::OneRun => "the trace names one session and has no agent, so all of it is one run",
            Self::OfSession => "it names a session that no run above it is of: it is of that session's run that was going on",
            Self::GoingOn => "no run is above it: it is of the run that was going on when it started",
            Self::Nobody => "it is of no run: no run is above it, and no session is named",
        }
    }
}

// === impl WhySession ===

impl WhySession {
    pub fn code(self) -> &'static str {
        match self {
            Self::Itself => "itself",
            Self::Resource => "resource",
            Self::Above => "above",
            Self::Found => "below",
            Self::Reported => "reported",
            Self::GoingOn => "going_on",
            Self::OfTrace => "of_trace",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Itself => "its own span names the session",
            Self::Resource => "the resource of its span names the session",
            Self::Above => "the session is in effect above it",
            Self::Found => "its own span names none; the session is the one that spans below it name",
            Self::Reported => "the SDK reported the session over HTTP",
            Self::GoingOn => "nothing of it names a session: it is of the session of what was going on when it started",
            Self::OfTrace => "it is the only session that the trace names",
        }
    }
}

// === impl WhyOverruled ===

impl WhyOverruled {
    pub fn code(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Resource => "resource",
        }
    }

    /// The rest of "it does not hold:".
    pub fn words(self) -> &'static str {
        match self {
            Self::Weak => "a framework may have made it up, and another is in effect above",
            Self::Resource => "it is the resource's, and another is in effect above",
        }
    }
}

// === impl WhyNot ===

impl WhyNot {
    pub fn code(self) -> &'static str {
        match self {
            Self::NoCall => "no_call",
            Self::NothingUsed => "nothing_used",
            Self::CallsBelow => "calls_below",
            Self::ToldNear => "told_near",
            Self::SumOfBelow => "sum_of_below",
            Self::Echo => "echo",
            Self::Wrapper => "wrapper",
            Self::SameAnswer => "same_answer",
            Self::SameTokens => "same_tokens",
            Self::ToldBySpan => "told_by_span",
            Self::ReportTellsFewer => "report_tells_fewer",
            Self::OtherReport => "other_report",
            Self::ReportCounts => "report_counts",
            Self::SpansTellFewer => "spans_tell_fewer",
            Self::OtherRun => "other_run",
            Self::RecordedTwice => "recorded_twice",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::NoCall => "it tells of no model call, no tokens and no cost",
            Self::NothingUsed => "it is no model call, and tells of no tokens and no cost",
            Self::CallsBelow => "model spans below it tell of the same tokens",
            Self::ToldNear => "it states no tokens, and a model span above or below it tells of the call",
            Self::SumOfBelow => {
                "it is no model call, and spans below it tell what was used: its figures are a sum or a repetition of theirs"
            }
            Self::Echo => "it is an echo of the same call: opened and closed at once beside the span that tells of it",
            Self::Wrapper => "it is a framework's span around a provider's span of the same call",
            Self::SameAnswer => "another instrumentation tells of the same call: both name the same answer of the provider",
            Self::SameTokens => "another instrumentation tells of the same call: equal tokens, and one lies within the other's time",
            Self::ToldBySpan => "a log event of the agent tells of the call once more, and the agent's own span of it stands",
            Self::ReportTellsFewer => "the SDK's report of the run tells of fewer such calls, and the smaller number stands",
            Self::OtherReport => "the SDK's report of another run of the trace tells of it, and this run's does not",
            Self::ReportCounts => "it has no tokens: how many such calls there were says the SDK's report",
            Self::SpansTellFewer => "the spans of the run tell of fewer such calls, and the smaller number stands",
            Self::OtherRun => "another run tells of the same call",
            Self::RecordedTwice => "a framework's and a provider's instrumentation both reported it",
        }
    }
}

// === impl WhyCost ===

impl WhyCost {
    pub fn code(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Handed => "other_span",
            Self::Reported => "reported",
            Self::Override => "override",
            Self::Table => "table",
            Self::Unknown => "unknown",
            Self::NoTokens => "no_tokens",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Stated => "the span states the cost",
            Self::Handed => "another span of the same call states the cost",
            Self::Reported => "the SDK's report states the cost",
            Self::Override => "the cost is by the operator's prices",
            Self::Table => "the cost is by the built-in table of prices",
            Self::Unknown => "no cost is stated, and no price of the model is known",
            Self::NoTokens => "no cost is stated, and without tokens there is none to compute",
        }
    }
}
