//! Two sessions side by side.

use http::StatusCode;

use super::{HOSTILE, Visitor, encode, place, run, send, shows};

#[tokio::test]
async fn two_sessions_stand_side_by_side_with_what_differs() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "a,1", "planner", 0)).await;
    // At once, so that the session is never shown with one of them alone.
    send(&server, run(2, HOSTILE, "planner", 0).into_iter().chain(run(3, HOSTILE, "writer <b>", 60))).await;
    shows(&server, 2).await;
    let visitor = Visitor::of(&server);
    // What two boxes of the list send.
    let sent = visitor.get(&format!("/compare?a=a%2C1&a={}", encode(HOSTILE))).await;
    let address = sent.header("location").to_owned();
    assert!(address.starts_with("/compare?a=a%2C1&b="), "{address}");
    let page = visitor.get(&address).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("<script>alert") && !page.text.contains("<b>"));
    let row = |name: &str| {
        let row = page.text.split("<tr>").find(|row| row.contains(&format!("<th scope=\"row\">{name}</th>"))).unwrap_or_default();
        row.split("</td>").map(|cell| cell.rsplit_once('>').map_or("", |(_, text)| text).to_owned()).take(3).collect::<Vec<_>>()
    };
    let number =
        |name: &str| page.text.split("<tr>").find(|row| row.contains(&format!("<th scope=\"row\">{name}</th>"))).unwrap().to_owned();
    assert!(number("Runs").contains("value=\"1\"") && number("Runs").contains("value=\"2\""), "{}", number("Runs"));
    assert_eq!(row("Runs")[2], "+1");
    assert_eq!(row("Tokens")[2], "+120");
    assert_eq!(row("Duration (sum)")[2], "+2 s");
    page.says("<bdi>writer &lt;b&gt;</bdi>, runs");
    for (query, status) in [("a=a%2C1", 400), ("", 400), ("a=x&b=y", 404), ("a=a%2C1&a=b&a=c", 400)] {
        assert_eq!(visitor.get(&format!("/compare?{query}")).await.status.as_u16(), status, "{query}");
    }
}
