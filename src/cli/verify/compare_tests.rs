//! Why a run differs, as far as its spans show.

use super::*;
use crate::model::ids::TraceId;

const RUN: u64 = 7;

fn run() -> IndexedRun {
    IndexedRun {
        id: RUN,
        session: "s".into(),
        trace: TraceId::from_bytes(&[1; 16]),
        cost: 2_000,
        tokens: 643,
        is_running: false,
        is_error: false,
        started_at: 1,
        completed_at: Some(2),
    }
}

/// A span in Tempo that states so many tokens and nano-dollars of calls, and of the run where it stands for it.
fn span(id: u64, role: Role, (tokens, cost): (i64, i64), is_run: bool) -> Stamped {
    Stamped {
        trace: TraceId::from_bytes(&[1; 16]).unwrap(),
        span: SpanId::from_u64(id).unwrap(),
        role,
        session: Some("s".into()),
        run_id: Some(RUN.to_string()),
        agent: None,
        workflow: None,
        user: None,
        user_group: None,
        status: None,
        error: None,
        cost: if is_run { 0 } else { cost },
        tokens: (!is_run).then_some(tokens),
        run_cost: if is_run { cost } else { 0 },
        run_tokens: if is_run { tokens } else { 0 },
        run_calls: 1,
        has_amounts: true,
        is_run,
        is_error: false,
        start_unix_nanos: 1,
        end_unix_nanos: 2,
    }
}

fn told_once() -> Vec<Stamped> {
    vec![span(1, Role::OfSender, (643, 2_000), true), span(2, Role::OfSender, (643, 2_000), false)]
}

#[test]
fn a_span_that_is_there_twice_is_named() {
    let mut held = HeldRun { spans: told_once() };
    assert_eq!(held.doubled(), []);
    held.spans.push(span(2, Role::OfSender, (643, 2_000), false));
    assert_eq!(held.doubled(), [SpanId::from_u64(2).unwrap()]);
}

/// The process was killed after a call had left with the stamps of its run, and before the run's own span was noted. The next one took it that the
/// call had left without, and reported it again.
#[test]
fn a_call_that_a_correction_tells_of_again_is_named_as_that_and_a_right_correction_is_not() {
    let mut held = HeldRun { spans: told_once() };
    assert!(held.sums(|_| true).are_of(&run()) && held.corrected_twice(&run()).is_none());
    held.spans.push(span(9, Role::Correction, (643, 2_000), false));
    assert!(!held.sums(|_| true).are_of(&run()));
    assert_eq!(held.corrected_twice(&run()), Some(vec![SpanId::from_u64(9).unwrap()]));
    // It left without its tokens, and the correction brought too few.
    held.spans[1].tokens = Some(0);
    assert_eq!(held.corrected_twice(&run()), None);
}
