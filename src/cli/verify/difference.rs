//! What can differ between the two views, and why it probably does.

use crate::model::ids::{SpanId, TraceId};

/// Something that the two views do not agree on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Difference {
    pub(super) session: String,
    pub(super) run: Option<String>,
    pub(super) trace: Option<TraceId>,
    pub(super) what: What,
    pub(super) cause: Cause,
    pub(super) spans: Vec<SpanId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    OnlyInIndex,
    OnlyInTempo,
    /// Spans that stand for the run; the index has one.
    Runs {
        in_tempo: i64,
    },
    Session,
    Error {
        in_index: bool,
    },
    /// Nano-dollars on model spans and on the run's own; the index has one number for both.
    Cost {
        in_index: i64,
        in_tempo: i64,
        of_run: i64,
    },
    Tokens {
        in_index: i64,
        in_tempo: i64,
        of_run: i64,
    },
}

/// What probably happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// Tempo holds the same span more than once.
    Doubled,
    /// Tempo has no such trace.
    TraceDropped,
    /// Tempo has it, and search does not show it.
    NotSearchable,
    /// The same, and it did not come too late for search.
    NotShownYet,
    /// Tempo was asked for others like it, and not for this.
    NotLookedUp,
    /// Tempo has the trace, without stamps of this run.
    NotStamped,
    /// Tempo has spans of the run that the index has not.
    MissingInIndex,
    /// The index has spans of the run that Tempo has not.
    MissingInTempo,
    /// The session is not in the index.
    SessionGone,
    /// A correction repeats what the spans say.
    CorrectedTwice,
    NotCorrected,
}

// === impl What, Cause ===

impl What {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OnlyInIndex => "only_in_index",
            Self::OnlyInTempo => "only_in_tempo",
            Self::Runs { .. } => "runs",
            Self::Session => "session",
            Self::Error { .. } => "error",
            Self::Cost { .. } => "cost",
            Self::Tokens { .. } => "tokens",
        }
    }
}

impl Cause {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Doubled => "doubled_in_tempo",
            Self::TraceDropped => "trace_not_in_tempo",
            Self::NotSearchable => "not_searchable",
            Self::NotShownYet => "not_shown_yet",
            Self::NotLookedUp => "not_looked_up",
            Self::NotStamped => "not_stamped",
            Self::MissingInIndex => "missing_in_index",
            Self::MissingInTempo => "missing_in_tempo",
            Self::SessionGone => "session_gone",
            Self::CorrectedTwice => "corrected_twice",
            Self::NotCorrected => "not_corrected",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Doubled => {
                "tempo holds these spans more than once: they were sent before and after a restart, or again after a lost answer"
            }
            Self::TraceDropped => {
                "tempo has no such trace: it was killed within seconds of taking it, dropped it for a limit \
                 (tempo_discarded_spans_total), or it is past tempo's retention"
            }
            Self::NotSearchable => {
                "tempo has the trace and search does not show it: its spans began longer before they arrived than \
                 ingestion_time_range_slack; or they came in the last minutes, and tempo has not written and polled their block yet"
            }
            Self::NotShownYet => {
                "tempo has the trace and search does not show it yet: what begins longer ago than query_backend_after is found once its \
                 block is written and polled (blocklist_poll); verify again in some minutes"
            }
            Self::NotLookedUp => {
                "search does not show all of it, as of so many others that tempo was asked by id for some of them only; their causes are likely \
                 this one's too"
            }
            Self::NotStamped => "tempo has the trace without stamps of this run: it was forwarded with forward.stamp=false",
            Self::MissingInIndex => {
                "tempo has these spans and the index does not: the index lost them, or they were folded into another run"
            }
            Self::MissingInTempo => "tempo lacks spans that the index has: dropped by a limit, or not shown by search yet",
            Self::SessionGone => "the index does not show this session: deleted, or past its retention",
            Self::CorrectedTwice => {
                "these corrections repeat what the run's spans in tempo already say: sessionfold was killed after it had sent the one, and \
                 before it had noted that"
            }
            Self::NotCorrected => {
                "the run changed after it was exported, and no correction followed: forward.corrections=false, or a restart"
            }
        }
    }
}
