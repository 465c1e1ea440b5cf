//! The body of a fuzz target: what must hold for anything the SDK may post.

use super::posts::{Post, apply};
use crate::model::Str;
use crate::model::ids::RunId;
use crate::model::report::{
    CALLS_MAX, EventKind, NAME_MAX_BYTES, PREVIEW_MAX_BYTES, RunReport, SCORES_MAX, SPANS_MAX, STEPS_MAX, TEXT_MAX_BYTES,
};
use crate::model::time::UnixNanos;

const AT: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

/// Any posts of the SDK, one after another: never a panic, the same report each time, and never more kept than `model::report` says.
///
/// The first byte of each line is its kind, the rest of the line is its body.
pub fn check_posts(bytes: &[u8]) {
    let report = read(bytes);
    // Formatted, because a score of NaN is not equal to itself.
    assert_eq!(format!("{report:?}"), format!("{:?}", read(bytes)));
    let fits = |text: &Option<Str>, max: usize| text.as_ref().is_none_or(|text| text.len() <= max + '…'.len_utf8());
    let is_name = |text: &Str| text.len() <= NAME_MAX_BYTES + '…'.len_utf8();
    assert!(report.calls.len() <= CALLS_MAX && report.steps.len() <= STEPS_MAX);
    assert!(report.scores.len() <= SCORES_MAX && report.spans.len() <= SPANS_MAX);
    for call in &report.calls {
        assert!(is_name(&call.model) && is_name(&call.task));
        assert!(fits(&call.prompt, PREVIEW_MAX_BYTES) && fits(&call.response, PREVIEW_MAX_BYTES));
    }
    assert!(report.steps.iter().all(|step| is_name(&step.name) && fits(&step.output, PREVIEW_MAX_BYTES)));
    assert!(report.scores.iter().all(|score| is_name(&score.name) && is_name(&score.source) && fits(&score.comment, PREVIEW_MAX_BYTES)));
    if let Some(completion) = &report.completion {
        assert!(fits(&completion.result, TEXT_MAX_BYTES) && fits(&completion.error, TEXT_MAX_BYTES));
    }
    report.weight();
}

fn read(bytes: &[u8]) -> RunReport {
    let mut report = RunReport::new(RunId::mint(7), AT);
    for (position, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let Some((kind, body)) = line.split_first() else { continue };
        let Some(kind) = EventKind::from_u8(kind % 11 + 1) else { continue };
        apply(&mut report, &Post { kind, body, received_at: AT, position: position as u64 }, 2);
    }
    report
}
