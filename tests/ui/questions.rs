//! What was asked first is what people know a session by: in the list, on its page, and in the files.

use super::{Visitor, encode, place, run, send, shows};
use crate::support::server::SESSIONS;
use crate::support::spans::{TEN, Tell, agent, chat};

const ASKED: &str = "<script>alert(1)</script> & \"what\"\n\u{202e}is this?";
const SHOWN: &str = "<script>alert(1)</script> & \"what\" is this?";
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;what&quot; is this?";

#[tokio::test]
async fn pages_json_and_files_say_the_same_of_what_was_asked_first() {
    let place = place();
    let server = place.start().await;
    let messages = serde_json::json!([{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]).to_string();
    let spans = [
        agent(1, 1, 0, "bot").session("asked").between(TEN, TEN + 9),
        chat(1, 2, 1, (1, 1), 5).with("gen_ai.input.messages", &*messages).between(TEN, TEN + 5),
    ];
    send(&server, spans).await;
    send(&server, [agent(2, 1, 0, "bot").session("silent").between(TEN, TEN + 9)]).await;
    send(&server, run(3, "plain", "planner", 9)).await;
    shows(&server, 3).await;

    let visitor = Visitor::of(&server);
    let list = visitor.get("/sessions").await;
    list.says(&format!("<span class=\"asked\" title=\"{ESCAPED}\"><bdi>{ESCAPED}</bdi></span>"));
    assert_eq!(list.text.matches("class=\"asked\"").count(), 2, "a session without a question has none");
    let page = visitor.get("/sessions/asked").await;
    page.says(&format!("<p class=\"asked\"><bdi>{ESCAPED}</bdi></p>"));
    visitor.get("/sessions/asked?view=conversation").await.says("<p class=\"asked\">");
    assert!(!visitor.get("/sessions/silent").await.text.contains("class=\"asked\""));

    let json = server.json(&format!("{SESSIONS}?include=question&sort=session_id")).await;
    let questions: Vec<_> = json["results"].as_array().unwrap().iter().map(|line| line["first_question"].as_str()).collect();
    assert_eq!(questions, [Some(SHOWN), Some("What is <b>this</b>?"), None]);
    assert!(json["results"][2].as_object().unwrap().contains_key("first_question"));
    let detail = server.json(&format!("{SESSIONS}{}/?include=question", encode("asked"))).await;
    assert_eq!(detail["first_question"], SHOWN);
    for plain in [SESSIONS.to_owned(), format!("{SESSIONS}asked/")] {
        assert!(!server.json(&plain).await.to_string().contains("first_question"), "the default answer does not grow");
    }
    let file = visitor.get("/sessions?format=csv&sort=session_id").await;
    let rows: Vec<String> =
        csv::Reader::from_reader(file.text.as_bytes()).records().map(|row| row.unwrap().iter().next_back().unwrap().to_owned()).collect();
    assert_eq!(rows, [SHOWN, "What is <b>this</b>?", ""]);
}

#[tokio::test]
async fn nothing_is_kept_or_shown_of_it_where_that_is_not_wanted() {
    let place = place().config("[conventions]\nkeep_questions = false\n");
    let server = place.start().await;
    send(&server, run(3, "plain", "planner", 9)).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    assert!(!visitor.get("/sessions").await.text.contains("class=\"asked\""));
    assert!(server.json(&format!("{SESSIONS}?include=question")).await["results"][0]["first_question"].is_null());
}
