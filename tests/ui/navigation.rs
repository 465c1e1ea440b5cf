//! What stands where nothing is, and the page of the API.

use http::{Method, StatusCode};

use super::{Visitor, place, run, send, shows};
use crate::support::server::Server;

async fn page(server: &Server, path: &str) -> super::Page {
    Visitor::of(server).send(Method::GET, path, &[("accept", "text/html,*/*")], "").await
}

#[tokio::test]
async fn what_is_not_there_is_named_with_a_next_step() {
    let place = place();
    let server = place.start().await;
    for (path, looked_for, step) in [
        ("/docs", "/docs", "href=\"/api/\""),
        ("/a%3Cb%3E/c?x=1", "/a&lt;b&gt;/c", "href=\"/status\""),
        ("/sessions/no%2Fsuch", "no/such", "href=\"/sessions?search=no%2Fsuch\""),
        ("/runs/4711", "4711", "href=\"/sessions?search=4711\""),
        ("/runs/x", "x", "by its number"),
        ("/traces/4711", "4711", "32 hexadecimal digits"),
        ("/traces/00000000000000000000000000000abc", "00000000000000000000000000000abc", "href=\"/sessions?search=0000"),
    ] {
        let answer = page(&server, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        answer.says(&format!("<code><bdi>{looked_for}</bdi></code>"));
        answer.says(step);
        answer.says("href=\"/sessions\"");
        assert!(answer.header("content-security-policy").starts_with("default-src 'self';"), "{path}");
    }
    // A program is told in words, an agent at the wrong path too, and below /api in JSON.
    let visitor = Visitor::of(&server);
    visitor.get("/docs").await.says("nothing is served at /docs");
    let answer = page(&server, "/api/v1/nothing/").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::NOT_FOUND, "application/json"));
}

#[tokio::test]
async fn the_page_of_the_api_has_a_command_for_every_route_and_they_work() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "s", "planner", 0)).await;
    shows(&server, 1).await;
    let api = page(&server, "/api/").await;
    assert_eq!(api.status, StatusCode::OK);
    for route in sessionfold::api::ROUTES {
        api.says(&format!("GET {}<", route.path));
    }
    let base = format!("http://{}", server.http);
    for command in api.text.split("'").filter(|text| text.starts_with(&base)) {
        let path = command.strip_prefix(&base).unwrap().replace("SESSION_ID", "s");
        let is_complete = !path.contains(|c: char| c.is_ascii_uppercase()) && !path.contains("/query/");
        if is_complete {
            let status = server.get(&path).await.status;
            assert!(status.is_success(), "{path}: {status}");
        }
    }
    api.says("curl -X DELETE 'http");
    assert_eq!(page(&server, "/api").await.header("location"), "/api/");
    page(&server, "/sessions").await.says("href=\"/api/\">API<");
}
