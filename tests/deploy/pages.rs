//! `docs/pages.md` says what each page offers, and no more.

use std::collections::BTreeSet;

use super::table;
use crate::support::server::{Place, SESSIONS, until};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

/// What a page can be had as, and how the page calls it.
const OTHER_FORMS: [(&str, &str); 4] = [("JSON", ">JSON<"), ("CSV", ">CSV<"), ("TraceQL", ">TraceQL<"), ("curl", ">Copy as curl<")];

#[tokio::test]
async fn the_table_of_pages_is_what_a_server_shows() {
    let place = Place::new().set("retention.max_age", "0s").set("fold.run_timeout", "3650d");
    let server = place.start().await;
    let spans = [agent(1, 1, 0, "planner").session("s").between(TEN, TEN + SECOND), chat(1, 2, 1, (1, 1), 1).between(TEN, TEN + SECOND)];
    server.send(request(spans)).await.unwrap();
    until("it is folded", async || server.json(SESSIONS).await["count"] == 1).await;
    let run = server.json(&format!("{SESSIONS}s/")).await["runs"][0].clone();
    let rows = table("docs/pages.md", "pages");
    assert!(rows.len() > 5);
    for row in &rows {
        let [page, shows, forms, updates] = &row[..] else { panic!("{row:?}") };
        let id = if page.starts_with("/runs") { run["id"].to_string() } else { "s".to_owned() };
        let path =
            page.replace("/compare", "/compare?a=s&b=s").replace("{trace_id}", run["trace_id"].as_str().unwrap()).replace("{id}", &id);
        let answer = server.get(&path).await;
        assert!(answer.status.is_success() && !shows.is_empty(), "{path}: {}", answer.status);
        let told: BTreeSet<&str> = forms.split(", ").filter(|form| !form.is_empty()).collect();
        let offered: BTreeSet<&str> = OTHER_FORMS.iter().filter(|(_, link)| answer.text.contains(link)).map(|(form, _)| *form).collect();
        assert_eq!(told, offered, "{page}");
        assert_eq!(updates == "yes", answer.text.contains(" data-live"), "{page}: whether it updates itself");
    }
    // Every page that is not there to log in, to look different or to be part of another.
    for route in sessionfold::ui::ROUTES.iter().map(|route| route.path) {
        let is_helper =
            ["/", "/sessions/", "/login", "/logout", "/theme", "/favicon.ico", "/api"].contains(&route) || route.starts_with("/assets");
        let told = route.replace("{*session_id}", "{id}").replace("{run_id}", "{id}").replace("{*tool_name}", "{tool_name}");
        assert!(is_helper || rows.iter().any(|row| row[0] == told), "docs/pages.md lacks {told}");
    }
}
