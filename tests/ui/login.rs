//! Who may see the pages.

use http::{Method, StatusCode};

use super::{Visitor, encode, place, run, shows};
use crate::support::server::{Place, SESSIONS, Server};
use crate::support::spans::request;

const READER: &str = "wax_sk_reader_0123456789";
const SENDER: &str = "wax_sk_sender_0123456789";
const OTHER: &str = "wax_sk_other_01234567890";

fn guarded() -> Place {
    place().config(&format!(
        "[auth]\nkeys = [\n{{ key = \"{READER}\", tenant = \"acme\", rights = [\"read\"] }},\n\
         {{ key = \"{SENDER}\", tenant = \"acme\", rights = [\"ingest\"] }},\n{{ key = \"{OTHER}\", tenant = \"other\" }},\n]\n"
    ))
}

async fn with_a_session(server: &Server) {
    server.client().with_key(SENDER).send(request(run(1, "secret-session", "planner", 0))).await.unwrap();
    let reader = server.client().with_key(READER);
    crate::support::server::until("the session is there", async || reader.json(SESSIONS).await["count"] == 1).await;
}

#[tokio::test]
async fn nothing_is_readable_without_a_login_and_the_way_back_is_kept() {
    let place = guarded();
    let server = place.start().await;
    with_a_session(&server).await;
    let visitor = Visitor::of(&server);
    for path in [
        "/",
        "/sessions",
        "/sessions?search=a%2Fb",
        "/sessions/secret-session",
        "/sessions/secret-session?format=csv",
        "/runs/1",
        "/traces/00000000000000000000000000000001",
    ] {
        let answer = visitor.get(path).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, &*format!("/login?next={}", encode_unreserved(path))),
            "{path}"
        );
        let stream = visitor.send(Method::GET, path, &[("accept", "text/event-stream")], "").await;
        assert_eq!(stream.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(visitor.get("/login").await.status, StatusCode::OK);
}

/// As the server encodes a value of a query.
fn encode_unreserved(text: &str) -> String {
    encode(text).replace("%2D", "-").replace("%5F", "_").replace("%2E", ".").replace("%7E", "~")
}

#[tokio::test]
async fn a_read_key_opens_the_pages_and_the_api_and_logging_out_closes_them() {
    let place = guarded();
    let server = place.start().await;
    with_a_session(&server).await;
    let mut visitor = Visitor::of(&server);
    let answer = visitor.post("/login", &format!("key={READER}&next=%2Fsessions%2Fsecret-session")).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/sessions/secret-session"));
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Lax") && !cookie.contains("Secure") && !cookie.contains(READER), "{cookie}");
    let pair = cookie.split(';').next().unwrap().to_owned();
    visitor.cookie = Some(pair.clone());
    visitor.get("/sessions").await.says("secret-session");
    visitor.get("/sessions").await.says("Log out");

    // The documented name of the cookie, for scripts.
    let token = pair.split_once('=').unwrap().1;
    let api = Visitor { cookie: Some(format!("other=1; sessionid={token}")), ..Visitor::of(&server) };
    api.get(SESSIONS).await.says("secret-session");

    let answer = visitor.post("/logout", "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(visitor.get("/sessions").await.status, StatusCode::SEE_OTHER);
    assert_eq!(api.get(SESSIONS).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_cookie_shows_its_own_tenant_only() {
    let place = guarded();
    let server = place.start().await;
    with_a_session(&server).await;
    let mut visitor = Visitor::of(&server);
    let answer = visitor.post("/login", &format!("key={OTHER}")).await;
    visitor.cookie = Some(answer.header("set-cookie").split(';').next().unwrap().to_owned());
    assert!(!visitor.get("/sessions").await.text.contains("secret-session"));
    assert_eq!(visitor.get("/sessions/secret-session").await.status, StatusCode::NOT_FOUND);
    assert_eq!(visitor.get("/traces/00000000000000000000000000000001").await.status, StatusCode::NOT_FOUND);
    shows_nothing_to(&server, OTHER).await;
}

async fn shows_nothing_to(server: &Server, key: &str) {
    assert_eq!(server.client().with_key(key).json(SESSIONS).await["count"], 0);
}

#[tokio::test]
async fn wrong_keys_are_refused_and_throttled() {
    let place = guarded();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    let sender = visitor.post("/login", &format!("key={SENDER}")).await;
    assert_eq!(sender.status, StatusCode::FORBIDDEN);
    for n in 0..9 {
        let answer = visitor.post("/login", &format!("key=guess-number-{n}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{n}");
        assert!(!answer.text.contains("guess-number"));
    }
    assert_eq!(visitor.post("/login", "key=guess-number-9").await.status, StatusCode::UNAUTHORIZED);
    let answer = visitor.post("/login", "key=guess-number-10").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() <= 6);
    // Who has a right one is not concerned, though they share the address.
    assert_eq!(visitor.post("/login", &format!("key={READER}")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(visitor.send(Method::GET, SESSIONS, &[("x-wax-key", READER)], "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_form_of_another_site_neither_logs_in_nor_out() {
    let place = guarded();
    let server = place.start().await;
    let mut visitor = Visitor::of(&server);
    let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let answer = visitor.send(Method::POST, "/login", &form, &format!("key={READER}")).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
    let answer = visitor.post("/login", &format!("key={READER}&next=https%3A%2F%2Fevil.example")).await;
    assert_eq!(answer.header("location"), "/");
    visitor.cookie = Some(answer.header("set-cookie").split(';').next().unwrap().to_owned());
    assert_eq!(visitor.send(Method::POST, "/logout", &form, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(visitor.get("/sessions").await.status, StatusCode::OK);
}

#[tokio::test]
async fn behind_https_and_under_a_path_the_cookie_and_every_link_know_it() {
    let place = guarded().set("server.public_url", "https://traces.example.org/agents");
    let server = place.start().await;
    let mut visitor = Visitor::of(&server);
    let answer = visitor.post("/login", &format!("key={READER}")).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("; Path=/agents;") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(answer.header("location"), "/agents/");
    visitor.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    assert_eq!(visitor.get("/").await.header("location"), "/agents/sessions");
    assert_eq!(visitor.get("/?search=none").await.header("location"), "/agents/sessions?search=none");
    for path in ["/", "/sessions", "/sessions?search=none", "/sessions/none", "/sessions?sort=none"] {
        let page = visitor.get(path).await;
        for link in page.links().iter().filter(|link| link.starts_with('/')) {
            assert!(link.starts_with("/agents/"), "{path}: {link}");
        }
    }
}

#[tokio::test]
async fn without_keys_there_is_nothing_to_log_in_to() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    assert_eq!(visitor.get("/login").await.header("location"), "/");
    shows(&server, 0).await;
    assert!(!visitor.get("/sessions").await.text.contains("Log out"));
}
