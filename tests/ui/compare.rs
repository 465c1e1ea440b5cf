//! Two sessions side by side.

use http::StatusCode;

use super::{HOSTILE, Page, Visitor, encode, place, run, send, shows};

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
    for (query, status) in [("a=a%2C1", 200), ("", 400), ("a=x&b=y", 404), ("a=x", 404), ("a=a%2C1&a=b&a=c", 400)] {
        assert_eq!(visitor.get(&format!("/compare?{query}")).await.status.as_u16(), status, "{query}");
    }
}

/// Where each line of a table of sessions leads, and its cells of what tells sessions apart, without that link.
fn lines(page: &Page) -> Vec<(String, Vec<String>)> {
    let lines = page.text.split("<tr").filter_map(|line| {
        let to = line.split("class=\"session\" href=\"").nth(1)?.split('"').next()?;
        let cells = line.split("</td>").flat_map(|cell| cell.split("</th>")).filter_map(|cell| Some(cell.split_once("data-label=\"")?.1));
        let is_shown = |cell: &&str| {
            ["Session ID", "Runs", "Last activity", "Cost", "Tokens"].iter().any(|name| cell.starts_with(&format!("{name}\"")))
        };
        let cells = cells.filter(is_shown).map(|cell| cell.replace(to, ""));
        Some((to.replace("&amp;", "&"), cells.collect()))
    });
    lines.collect()
}

#[tokio::test]
async fn a_session_is_offered_the_others_as_the_list_shows_them() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    let ids = [HOSTILE, "a/b", "  ", "..", "nul\0byte", "line\r\nend", "100%", "+", "'\";--", "a&b=c"];
    for (n, id) in (1..).zip(ids) {
        // At once, so that the session is never shown with some of them alone.
        send(&server, (0..n % 3 + 1).flat_map(|k| run(n + 100 * k, id, HOSTILE, n as u64))).await;
    }
    shows(&server, ids.len() as u64).await;
    let list = lines(&visitor.get("/sessions").await);
    assert_eq!(list.len(), ids.len());
    for id in ids {
        let session = visitor.get(&format!("/sessions/{}?view=conversation", encode(id))).await;
        let here = session.links().into_iter().find(|link| link.starts_with("/compare?a=")).unwrap();
        let own = here.replace("/compare?a=", "/sessions/");
        let page = visitor.get(&here).await;
        assert_eq!(page.status, StatusCode::OK, "{id:?}");
        assert!(!page.text.contains("<script>alert") && !page.text.contains("<b>"), "{id:?}");
        let listed =
            list.iter().filter(|(to, _)| *to != own).map(|(to, cells)| (to.replace("/sessions/", &format!("{here}&b=")), cells.clone()));
        let offered = lines(&page);
        assert_eq!(offered, listed.collect::<Vec<_>>(), "the others, in the order of the list: {id:?}");
        assert!(offered.len() == ids.len() - 1 && offered.iter().all(|(_, cells)| cells.len() == 5), "{offered:?}");
        visitor.get(&offered[0].0).await.says("<h1>Two sessions compared</h1>");
        let can_be_sent = !id.contains(['\0', '\r']);
        assert_eq!(page.text.contains("role=\"search\""), can_be_sent, "a form that would name another session: {id:?}");
    }
}

#[tokio::test]
async fn what_is_offered_is_searched_as_the_list_is_and_says_when_nothing_is_there() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    send(&server, run(1, "conv-00", "bot", 0)).await;
    shows(&server, 1).await;
    let alone = visitor.get("/compare?a=conv-00").await;
    alone.says("<h2>No other session</h2>");
    assert!(!alone.text.contains("role=\"search\""), "there is nothing to search");
    for n in 1..40_u64 {
        send(&server, run(u128::from(n) + 1, &format!("conv-{n:02}"), "bot", n * 60)).await;
    }
    shows(&server, 40).await;
    let offered = async |query: &str| {
        let page = visitor.get(&format!("/compare?{query}")).await;
        (lines(&page).into_iter().map(|(to, _)| to[to.len() - 2..].to_owned()).collect::<Vec<_>>(), page)
    };
    let newest = |ns: std::ops::Range<u64>| ns.rev().map(|n| format!("{n:02}")).collect::<Vec<_>>();
    // With and without the session itself among the newest.
    let (found, page) = offered("a=conv-00").await;
    assert_eq!(found, newest(15..40));
    page.says("The 25 sessions that were active last; search for others");
    assert_eq!(offered("a=conv-39").await.0, newest(14..39));
    let (found, page) = offered("a=conv-15&search=+CONV-1+").await;
    assert_eq!(found, [newest(16..20), newest(10..15)].concat());
    page.says("9 sessions, the last active first");
    page.says("name=\"a\" value=\"conv-15\"");
    page.says("name=\"search\" value=\"CONV-1\"");
    // Just as many as fit, and the one that is compared as one more.
    let (found, page) = offered("a=conv-00&search=conv-").await;
    assert_eq!((found.len(), page.text.contains("search for others")), (25, true));
    for (query, says) in [("a=conv-15&search=conv-15", "conv-15"), ("a=conv-15&search=%3Cb%3E", "&lt;b&gt;")] {
        let (found, page) = offered(query).await;
        assert!(found.is_empty());
        page.says(&format!("No other session's id contains <strong><bdi>{says}</bdi></strong>."));
        assert!(page.links().contains(&"/compare?a=conv-15".to_owned()), "the way back to all of them");
    }
}
