//! Why something failed, as one line that can be kept and shown anywhere.
//!
//! Made of what a sender said, so it is hostile text: bounded and without control characters, and nothing else is promised of it.

use std::cmp::Ordering;
use std::ops::Deref;

use crate::model::{Str, line};

/// The longest reason that is kept, in bytes, the mark of what was cut off included.
pub const REASON_MAX_BYTES: usize = 300;
/// How the stack traces of Python begin; what was raised stands at their end.
const PYTHON_TRACE: &str = "Traceback (most recent call last)";

/// One line, never empty, at most [`REASON_MAX_BYTES`] long. Of two the one that says more is greater.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reason(Str);

// === impl Reason ===

impl Reason {
    /// Of what a sender said: without a stack trace, in one line, cut between characters where it is too long. `None` if nothing is left.
    pub fn of(said: &str) -> Option<Self> {
        let said = said.trim();
        match said.split_once(PYTHON_TRACE) {
            Some((before, trace)) if before.trim().is_empty() => raised(trace).or_else(|| one_line(said.lines())),
            Some((before, _)) => one_line(before.lines()),
            None => one_line(said.lines().enumerate().take_while(|(n, line)| *n == 0 || !is_frame(line)).map(|(_, line)| line)),
        }
    }

    /// Of an exception: what kind it was, without the modules around it, and what it said.
    pub fn of_exception(kind: &str, said: &str) -> Option<Self> {
        let kind = kind.trim().rsplit(['.', '\\', ':']).next().unwrap_or_default();
        let kind = Self::of(kind).filter(Self::is_telling);
        match (kind, Self::of(said)) {
            (Some(kind), Some(said)) if !said.starts_with(&*kind) => one_line([&*format!("{}: {}", &*kind, &*said)].into_iter()),
            (kind, said) => said.or(kind),
        }
    }

    /// What [`Self::of`] made, from where it was stored; what it cannot have made is brought into shape.
    pub fn from_stored(text: &str) -> Option<Self> {
        one_line([text].into_iter())
    }

    /// Whether it says more than that something failed.
    pub fn is_telling(&self) -> bool {
        let said = self.0.trim_end_matches(['.', ':', '!', ' ']).to_ascii_lowercase();
        // A status code alone says whose fault it was at best.
        !NOT_TELLING.contains(&&*said) && !said.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Bytes that it holds in memory.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + 2 * size_of::<usize>() + self.0.len()
    }
}

impl Ord for Reason {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |reason: &Self| (reason.is_telling(), reason.len());
        rank(self).cmp(&rank(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Reason {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Deref for Reason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// What is said where nobody says why, in small letters: words of frameworks, names of exceptions that can be anything, and what happens to
/// work when other work fails.
const NOT_TELLING: &[&str] = &[
    "",
    "_other",
    "abort",
    "aborted",
    "aborterror",
    "an error occurred",
    "an unexpected error occurred",
    "baseexception",
    "canceled",
    "cancelled",
    "cancellederror",
    "cancelederror",
    "err",
    "error",
    "error occurred",
    "exception",
    "fail",
    "failed",
    "failure",
    "false",
    "internal",
    "internal error",
    "internal server error",
    "null",
    "none",
    "ok",
    "operation failed",
    "request failed",
    "run status: error",
    "runtimeerror",
    "something went wrong",
    "status_code_error",
    "status_code.error",
    "tool_error",
    "true",
    "unexpected error",
    "unknown",
    "unknown error",
    "unset",
];

/// What a Python stack trace says at its end, behind the last line of code.
fn raised(trace: &str) -> Option<Reason> {
    let is_code = |line: &str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
    let lines: Vec<&str> = trace.lines().collect();
    let behind = lines.iter().rposition(|line| is_code(line)).map_or(0, |at| at + 1);
    one_line(lines.get(behind..)?.iter().copied().filter(|line| line.trim() != ":"))
}

/// Whether a line is of a stack trace of a language that writes the error first.
fn is_frame(line: &str) -> bool {
    let inside = line.trim_start();
    let is_indented = inside.len() < line.len();
    is_indented && ["at ", "File \""].iter().any(|beginning| inside.starts_with(beginning))
        || ["goroutine ", "stack backtrace:", "Stack trace:"].iter().any(|beginning| line.starts_with(beginning))
}

fn one_line<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Reason> {
    line::of(lines, REASON_MAX_BYTES).map(Reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::line::is_reordering;

    fn of(said: &str) -> Option<String> {
        Reason::of(said).map(|reason| reason.to_string())
    }

    #[test]
    fn of_a_stack_trace_only_what_went_wrong_is_kept() {
        let python = "Traceback (most recent call last):\n  File \"a.py\", line 2, in f\n    raise E\nValueError: no such order\n";
        let chained = format!("{python}\nDuring handling of the above exception, another exception occurred:\n\n{python}");
        for (said, kept) in [
            ("no such order", "no such order"),
            (python, "ValueError: no such order"),
            (&chained, "ValueError: no such order"),
            (&format!("OpenAIError('fake 400'){python}"), "OpenAIError('fake 400')"),
            ("TypeError: x is not a function\n    at f (a.js:1:2)\n    at g", "TypeError: x is not a function"),
            ("java.io.IOException: closed\n\tat com.a.B.c(B.java:1)", "java.io.IOException: closed"),
            ("panic: nil map\n\ngoroutine 1 [running]:\nmain.main()", "panic: nil map"),
            ("Error while generating output:\nError code: 400 - fake 400", "Error while generating output: Error code: 400 - fake 400"),
            ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ] {
            assert_eq!(of(said).as_deref(), Some(kept), "{said}");
        }
    }

    #[test]
    fn it_is_one_line_and_what_was_cut_is_marked() {
        assert_eq!(of(" a\0\r\n\t b\u{85}c\u{202e}d\u{1b}[31m ").as_deref(), Some("a b c d [31m"));
        assert_eq!(of(" \n\0"), None);
        assert_eq!(of(&"x".repeat(300)), Some("x".repeat(300)));
        assert_eq!(of(&"x".repeat(301)), Some("x".repeat(297) + "…"));
        assert_eq!(of(&"é".repeat(200)), Some("é".repeat(148) + "…"));
    }

    #[test]
    fn an_exception_is_told_by_its_name_and_its_words() {
        let of = |kind, said| Reason::of_exception(kind, said).map(|reason| reason.to_string());
        assert_eq!(of("openai.RateLimitError", "Error code: 429").as_deref(), Some("RateLimitError: Error code: 429"));
        assert_eq!(of("ValueError", "ValueError: no").as_deref(), Some("ValueError: no"));
        assert_eq!(of("Exception", "no such order").as_deref(), Some("no such order"));
        assert_eq!(of("KeyError", "").as_deref(), Some("KeyError"));
        assert_eq!(of("", ""), None);
    }

    #[test]
    fn what_says_nothing_is_known() {
        let is_telling = |said: &str| Reason::of(said).is_some_and(|reason| reason.is_telling());
        assert!(["Error code: 429 - Rate limit reached", "KeyError: 'a'", "api_error"].into_iter().all(is_telling));
        assert!(!["error", "Internal Server Error.", "ERROR:", "_OTHER", "500", "CancelledError"].into_iter().any(is_telling));
    }

    #[test]
    fn of_two_copies_the_one_that_says_more_stands() {
        let reason = |said: &str| Reason::of(said).unwrap();
        assert!(reason("Kind") > reason("error") && reason("Kind: x") > reason("Kind") && reason("b") > reason("a"));
    }

    proptest! {
        #[test]
        fn whatever_was_said_is_bounded_and_stays_as_it_is_stored(said in r"([ -~]|\PC|\s|\PC){0,400}") {
            if let Some(reason) = Reason::of(&said) {
                prop_assert!(reason.len() <= REASON_MAX_BYTES && !reason.is_empty());
                let is_hidden = |c: char| c.is_control() || is_reordering(c) || c.is_whitespace() && c != ' ';
                prop_assert!(!reason.chars().any(is_hidden));
                prop_assert_eq!(Reason::from_stored(&reason), Some(reason.clone()));
            }
        }
    }
}
