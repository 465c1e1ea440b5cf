//! Notes and bookmarks on the pages: forms without scripts, the list's star and filter, and the same in the files.

use http::{Method, StatusCode};

use super::{HOSTILE, Visitor, encode, place, run, send, shows};
use crate::support::server::SESSIONS;
use crate::support::spans::{SECOND, TEN, Tell, agent};

#[tokio::test]
async fn a_session_is_bookmarked_and_noted_by_forms_and_found_by_it() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, HOSTILE, "planner", 0)).await;
    send(&server, run(2, "plain", "planner", 1)).await;
    shows(&server, 2).await;
    let visitor = Visitor::of(&server);
    let page = format!("/sessions/{}", encode(HOSTILE));
    let first = visitor.get(&page).await;
    first.says("> Bookmark</button>");
    first.says("Write a note");
    let answer = visitor.post(&page, "change=bookmark&bookmarked=true&next=%2Fsessions%2Fx%3Fview%3Dconversation").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/sessions/x?view=conversation"));
    let written = "note=%3Cb%3Eticket%3C%2Fb%3E+1234%0D%0Asecond+line&change=note&bookmarked=true&next=https%3A%2F%2Fevil.example";
    let answer = visitor.post(&page, written).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    // Back to the session's own page, since the other is not ours.
    assert!(answer.header("location").starts_with("/sessions/%3Cscript"), "{}", answer.header("location"));
    for view in ["", "?view=conversation"] {
        let noted = visitor.get(&format!("{page}{view}")).await;
        noted.says("Remove bookmark");
        noted.says("&lt;b&gt;ticket&lt;/b&gt; 1234\nsecond line</bdi>");
        noted.says("Change the note");
    }
    let list = visitor.get("/sessions?bookmarked=true").await;
    list.says("1 session");
    list.says("title=\"Bookmarked\"");
    list.says("title=\"&lt;b&gt;ticket&lt;/b&gt; 1234\nsecond line\"");
    assert!(!list.text.contains("/sessions/plain\""));
    let others = visitor.get("/sessions?bookmarked=false").await;
    assert!(others.text.contains("/sessions/plain\"") && !others.text.contains("title=\"Bookmarked\""));
    assert_eq!(visitor.get("/sessions?bookmarked=maybe").await.status, StatusCode::BAD_REQUEST);
    let none = visitor.get("/sessions?bookmarked=true&search=plain").await;
    none.says("is bookmarked:");

    // A box that is not ticked is not sent.
    visitor.post(&page, "note=kept&change=note").await;
    assert_eq!(server.json(&format!("{SESSIONS}{}/note/", encode(HOSTILE))).await["bookmarked"], false);
    visitor.post(&page, "change=remove").await;
    visitor.get(&page).await.says("Write a note");
}

#[tokio::test]
async fn what_no_form_of_ours_sends_changes_nothing() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "s", "planner", 0)).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    let form = "application/x-www-form-urlencoded";
    let star = "change=bookmark&bookmarked=true";
    for (headers, body, status) in [
        (&[("content-type", "text/plain")][..], star, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[("content-type", form), ("origin", "https://evil.example")], star, StatusCode::FORBIDDEN),
        (&[("content-type", form), ("sec-fetch-site", "cross-site")], star, StatusCode::FORBIDDEN),
        (&[("content-type", form)], "bookmarked=true", StatusCode::BAD_REQUEST),
        (&[("content-type", form)], &format!("change=note&note={}", "x".repeat(2_001)), StatusCode::BAD_REQUEST),
        (&[("content-type", form)], "change=note&note=%FF", StatusCode::BAD_REQUEST),
        (&[("content-type", form)], &format!("change=note&note={}", "x".repeat(70_000)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = visitor.send(Method::POST, "/sessions/s", headers, body).await;
        assert_eq!(answer.status, status, "{headers:?} {}", &body[..body.len().min(60)]);
    }
    assert_eq!(visitor.post("/sessions/none", star).await.status, StatusCode::NOT_FOUND);
    let note = server.json(&format!("{SESSIONS}s/note/")).await;
    assert_eq!((&note["bookmarked"], &note["note"]), (&false.into(), &"".into()));
    // The longest that the form can send, each character four bytes.
    let most = format!("change=note&bookmarked=true&note={}", "%F0%9F%98%80".repeat(2_000));
    assert_eq!(visitor.post("/sessions/s", &most).await.status, StatusCode::SEE_OTHER);
}

/// Every figure of a line as the API has it.
#[tokio::test]
async fn the_file_of_the_list_says_what_the_api_says() {
    let place = place();
    let server = place.start().await;
    for n in 0..140_u64 {
        let [agent, call] = run(u128::from(n) + 1, &format!("conv-{n:03}"), "planner", n * 60);
        let mut agent = if n % 3 == 0 { agent.with("user.id", &*format!("user, {n}")) } else { agent };
        if n % 5 == 0 {
            agent = agent.failed();
            agent.status.as_mut().unwrap().message = "Error code: 429 - \"rate\" limit".into();
        }
        send(&server, [agent, call]).await;
    }
    let two_users = |trace: u128, user: &str| {
        agent(trace, 1, 0, "b").session("conv-000").with("user.id", user).between(TEN, TEN + trace as u64 * SECOND)
    };
    send(&server, [two_users(900, "ada"), two_users(901, "=bob()")]).await;
    shows(&server, 140).await;
    let visitor = Visitor::of(&server);
    for n in [0, 7, 139] {
        visitor.post(&format!("/sessions/conv-{n:03}"), &format!("change=note&bookmarked=true&note=see,+\"{n}\"%0Aand+more")).await;
    }
    let file = visitor.get("/sessions?format=csv&sort=session_id").await;
    let lines = visitor.get(&format!("{SESSIONS}?format=ndjson&include=usage,users,errors,note,question&sort=session_id")).await;
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let lines: Vec<serde_json::Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), lines.len()), (140, 140));
    assert_eq!(names[11..], ["users", "last_error", "tool_errors", "bookmarked", "note", "note_changed_at", "scores", "first_question"]);
    for (row, line) in rows.iter().zip(&lines) {
        // In words here, and as a table there.
        for (name, cell) in names.iter().zip(row).filter(|(name, _)| *name != "scores") {
            let group = match &**name {
                "unpriced_calls" => &line["usage"],
                "error_count" | "running_count" | "last_error" | "tool_errors" => &line["errors"],
                _ => line,
            };
            let said = match &group[name] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join(", "),
                other => other.to_string(),
            };
            // A text that a spreadsheet would compute is made harmless, and only there.
            assert_eq!(cell.replace("'=", "="), said, "{name} of {}", &row[0]);
        }
    }
    let said = |name: &str| names.iter().position(|known| known == name).map(|at| rows[0][at].to_owned()).unwrap();
    assert!(said("users").contains("ada") && said("last_error").contains("429") && said("bookmarked") == "true", "{:?}", rows[0]);
}

/// Scores are kept of runs; the list adds up those of the newest.
#[tokio::test]
async fn scores_are_in_the_list_where_they_are_asked_for_and_those_of_the_session() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "plain", "planner", 0)).await;
    let visitor = Visitor::of(&server);
    let post = async |path: &str, body: &str| {
        let headers = [("content-type", "application/json")];
        let answer = visitor.send(Method::POST, &format!("/api/v1/observe/runs/{path}"), &headers, body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        serde_json::from_str::<serde_json::Value>(&answer.text).unwrap()
    };
    for (number, label) in [("0.5", "kind"), ("1.0", "=rude()")] {
        let run = post("start/", r#"{"agent_name":"clerk","session_id":"told"}"#).await["run_id"].as_str().unwrap().to_owned();
        let scores = format!(
            r#"{{"scores":[{{"name":"helpful","data_type":"numeric","numeric_value":{number}}},{{"name":"tone","data_type":"categorical","string_value":"{label}"}}]}}"#
        );
        post(&format!("{run}/scores/"), &scores).await;
        post(&format!("{run}/complete/"), r#"{"status":"success"}"#).await;
    }
    shows(&server, 2).await;
    let list = server.json(&format!("{SESSIONS}?include=scores&sort=session_id")).await;
    let told = server.json(&format!("{SESSIONS}told/?include=scores")).await["scores"].clone();
    assert_eq!((&list["results"][0]["scores"], &list["results"][1]["scores"]), (&serde_json::json!([]), &told));
    assert_eq!(told[0]["average"], 0.75, "{told}");
    visitor.get("/sessions?columns=scores").await.says("<span class=\"score\"><bdi>helpful</bdi> 0.75</span>");
    assert!(!visitor.get("/sessions").await.text.contains("helpful"));
    let file = visitor.get("/sessions?format=csv&sort=session_id").await;
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((&rows[0][17], &rows[1][17]), ("", "helpful: 0.75; tone: =rude() 1, kind 1"));
}
