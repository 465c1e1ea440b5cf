//! The paths of sessions; what an id is in one stands in `params::path`.

use http::Uri;

use super::refusal::Refusal;
use crate::model::Str;
use crate::model::ids::SessionId;
use crate::params::{pairs, path};

pub(super) const SESSIONS: &str = "/api/v1/observability/sessions/";
pub(super) const SESSION: &str = "/api/v1/observability/sessions/{session_id}/";

pub(super) const NOTE: &str = "/api/v1/observability/sessions/{session_id}/note/";

pub(super) const OVERVIEW: &str = "/api/v1/observability/overview/";
pub(super) const AGENTS: &str = "/api/v1/observability/agents/";
pub(super) const TOOLS: &str = "/api/v1/observability/tools/";
pub(super) const TOOL: &str = "/api/v1/observability/tools/{tool_name}/";
pub(super) const USERS: &str = "/api/v1/observability/users/";
pub(super) const USER: &str = "/api/v1/observability/users/{user_id}/";
pub(super) const RUN: &str = "/api/v1/observability/runs/{run_id}/";

/// The user that a request to [`USER`] is about.
pub(super) fn user_id(uri: &Uri) -> Result<Str, Refusal> {
    rest_of(uri, USERS).filter(|user| !user.is_empty()).map(Str::from).ok_or(Refusal::NotFound)
}

/// The tool that a request to [`TOOL`] is about.
pub(super) fn tool_name(uri: &Uri) -> Result<Str, Refusal> {
    rest_of(uri, TOOLS).filter(|tool| !tool.is_empty()).map(Str::from).ok_or(Refusal::NotFound)
}

/// The session that a request to [`SESSION`] is about.
pub(super) fn session_id(uri: &Uri) -> Result<SessionId, Refusal> {
    rest_of(uri, SESSIONS).and_then(|id| SessionId::new(&id)).ok_or(Refusal::NotFound)
}

/// The session that a request to [`NOTE`] is about.
pub(super) fn noted_session_id(uri: &Uri) -> Result<SessionId, Refusal> {
    before_note(uri).and_then(path::decoded).and_then(|id| SessionId::new(&id)).ok_or(Refusal::NotFound)
}

/// Whether a path below [`SESSIONS`] is that of a note, and not of a session: by its end, as it was sent. A session whose own id ends so is
/// asked for with `%2Fnote`.
pub(super) fn is_note(uri: &Uri) -> bool {
    before_note(uri).is_some()
}

/// What stands before the end of a note's path.
fn before_note(uri: &Uri) -> Option<&str> {
    let rest = uri.path().strip_prefix(SESSIONS)?;
    rest.strip_suffix('/').unwrap_or(rest).strip_suffix("/note").filter(|id| !id.is_empty())
}

fn rest_of(uri: &Uri, prefix: &str) -> Option<String> {
    path::decoded(uri.path().strip_prefix(prefix)?)
}

/// The path of a session.
pub(super) fn to_session(id: &SessionId) -> String {
    format!("{SESSIONS}{}/", pairs::encode(id.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(path: &str) -> Option<String> {
        let uri: Uri = format!("{SESSIONS}{path}").parse().unwrap();
        session_id(&uri).ok().map(|id| id.as_str().to_owned())
    }

    #[test]
    fn an_id_is_all_that_follows_decoded_once() {
        for (path, expected) in [
            ("abc", "abc"),
            ("abc/", "abc"),
            ("abc//", "abc/"),
            ("abc%2F", "abc/"),
            ("abc%2F/", "abc/"),
            ("a/b/c", "a/b/c"),
            ("a%2Fb/c/", "a/b/c"),
            ("/abc", "/abc"),
            ("a+b", "a+b"),
            ("a%2Bb%20c", "a+b c"),
            ("a%252Fb", "a%2Fb"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%F0%9F%92%AC", "💬"),
            ("%00", "\0"),
            ("..", ".."),
        ] {
            assert_eq!(id(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_no_session_can_be_called_is_not_found() {
        for path in ["/", "%FF", "%C3", &"x".repeat(513), &"%F0%9F%92%AC".repeat(129)] {
            assert_eq!(id(path), None, "{path}");
        }
    }

    #[test]
    fn what_ends_in_note_is_the_note_of_what_stands_before_it() {
        let noted = |path: &str| {
            let uri: Uri = format!("{SESSIONS}{path}").parse().unwrap();
            assert_eq!(is_note(&uri), noted_session_id(&uri).is_ok(), "{path}");
            noted_session_id(&uri).ok().map(|id| id.as_str().to_owned())
        };
        for (path, expected) in [
            ("abc/note/", Some("abc")),
            ("abc/note", Some("abc")),
            ("a/b%2Fc%2F/note/", Some("a/b/c/")),
            ("note/note/", Some("note")),
            ("note/", None),
            ("/note/", None),
            ("abc%2Fnote/", None),
            ("abc/notes/", None),
            ("abc/", None),
        ] {
            assert_eq!(noted(path).as_deref(), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_path_of_any_id_leads_back_to_it(text in "\\PC{1,60}|[\\x00-\\x7f]{1,60}|[./%+?#&]{1,8}") {
            let id = SessionId::new(&text).unwrap();
            let uri: Uri = to_session(&id).parse().unwrap();
            prop_assert_eq!(session_id(&uri), Ok(id));
        }
    }
}
