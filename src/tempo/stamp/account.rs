//! The sums that were exported for a trace: of which run, and how much.

use std::collections::BTreeMap;

use crate::model::Str;
use crate::model::ids::{RunId, SessionId, SpanId};
use crate::model::run::{Run, RunStatus};
use crate::model::usage::{Cost, UsageTotal};

/// Whose sums they are. A run is known by its own span, since the id that it is shown by can change when the SDK's report joins it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Owner {
    /// `None`: the run's own span was not known when it was exported.
    pub(super) run: Option<SpanId>,
    pub(super) session: Option<SessionId>,
}

/// Sums of stamps; differences of them can be negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Amounts {
    /// On model spans, in nano-dollars.
    pub(super) cost: i64,
    pub(super) tokens: i64,
    /// On the run's own span.
    pub(super) run_cost: i64,
    pub(super) run_tokens: i64,
    pub(super) run_calls: i64,
}

/// Accounts of one trace: mostly one, and of a conversation that is one trace as many as it has turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    first: Option<(Owner, Amounts)>,
    more: BTreeMap<Owner, Amounts>,
}

// === impl Owner ===

impl Owner {
    pub(super) fn of(run: &Run) -> Self {
        Self { run: own_span(run), session: run.session.clone() }
    }
}

/// The span that is the run; `None` while it is missing.
pub(super) fn own_span(run: &Run) -> Option<SpanId> {
    (!run.is_provisional).then_some(run.key.span)
}

/// Whether a run's sums are compared with what was exported: not before it has ended and its own span is known.
pub(super) fn is_over(run: &Run) -> bool {
    run.status != RunStatus::Running && !run.is_provisional
}

// === impl Amounts ===

impl Amounts {
    /// One call that counts.
    pub(super) fn of_call(tokens: u64, cost: Option<Cost>) -> Self {
        Self { cost: signed(cost.map_or(0, |cost| cost.amount.0)), tokens: signed(tokens), ..Self::default() }
    }

    /// What the run's own span says.
    pub(super) fn of_run(usage: &UsageTotal) -> Self {
        let UsageTotal { cost, tokens, calls, .. } = usage;
        Self { run_cost: signed(cost.0), run_tokens: signed(*tokens), run_calls: signed(*calls), ..Self::default() }
    }

    /// What all stamps of a run must come to.
    pub(super) fn in_all(usage: &UsageTotal) -> Self {
        Self { cost: signed(usage.cost.0), tokens: signed(usage.tokens), ..Self::of_run(usage) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.zip(other, i64::wrapping_add)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.zip(other, i64::wrapping_sub)
    }

    pub(super) fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    fn zip(self, other: Self, with: fn(i64, i64) -> i64) -> Self {
        Self {
            cost: with(self.cost, other.cost),
            tokens: with(self.tokens, other.tokens),
            run_cost: with(self.run_cost, other.run_cost),
            run_tokens: with(self.run_tokens, other.run_tokens),
            run_calls: with(self.run_calls, other.run_calls),
        }
    }
}

// === impl Accounts ===

impl Accounts {
    pub(super) fn add(&mut self, owner: &Owner, amounts: Amounts) {
        match &mut self.first {
            None => self.first = Some((owner.clone(), amounts)),
            Some((first, so_far)) if first == owner => *so_far = so_far.plus(amounts),
            Some(_) => match self.more.get_mut(owner) {
                Some(so_far) => *so_far = so_far.plus(amounts),
                None => _ = self.more.insert(owner.clone(), amounts),
            },
        }
    }

    /// The same for a run, which mostly has the first account.
    pub(super) fn add_of(&mut self, run: &Run, amounts: Amounts) {
        match &mut self.first {
            Some((first, so_far)) if first.run == own_span(run) && first.session == run.session => *so_far = so_far.plus(amounts),
            _ => self.add(&Owner::of(run), amounts),
        }
    }

    pub(super) fn of(&self, owner: &Owner) -> Amounts {
        let first = self.first.as_ref().filter(|(first, _)| first == owner).map(|(_, amounts)| amounts);
        first.or_else(|| self.more.get(owner)).copied().unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Owner, Amounts)> {
        let first = self.first.iter().map(|(owner, amounts)| (owner, *amounts));
        first.chain(self.more.iter().map(|(owner, amounts)| (owner, *amounts)))
    }

    pub(super) fn weight(&self) -> usize {
        // A tree of them is about two thirds full.
        self.more.len() * size_of::<(Owner, Amounts)>() * 3 / 2
    }
}

/// What a correction is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Subject {
    pub(super) id: Option<RunId>,
    pub(super) agent: Str,
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
