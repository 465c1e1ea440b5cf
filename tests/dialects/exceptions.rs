//! What is known not to be exact, and why.

pub struct Exception {
    pub recording: &'static str,
    pub sessions: &'static [&'static str],
    /// What differs, in the words of `judging`.
    pub differs: &'static [&'static str],
    pub reason: &'static str,
}

const NO_USER: &str = "the user that the program gave is in no attribute of any span";

pub const EXCEPTIONS: &[Exception] = &[
    Exception { recording: "google-adk-1.10.0", sessions: &["adk-oi"], differs: &["users"], reason: NO_USER },
    Exception {
        recording: "google-adk-2.13.0",
        sessions: &["adk-1", "adk-2", "adk-3", "adk-4", "adk-5", "adk-6"],
        differs: &["users"],
        reason: NO_USER,
    },
];
