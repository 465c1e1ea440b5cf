//! The overview: its figures are those of the JSON, which are those of the runs, and its links lead where they say.

use http::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::Value;
use sessionfold::model::time::UnixNanos;
use sessionfold::params::format;

use super::{HOSTILE, Visitor, place, send, shows};
use crate::support::server::{SESSIONS, Server, until};
use crate::support::spans::{SECOND, Tell, agent, chat, tool};

const PATH: &str = "/api/v1/observability/overview/";
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// When the first run began: some hours ago, since what is old is kept by the day.
fn first() -> u64 {
    UnixNanos(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64).0 / HOUR * HOUR - 7 * HOUR
}

fn time(at: u64) -> String {
    format::timestamp(UnixNanos(at))
}

/// The parameters of a window.
fn window(since: u64, until: u64) -> String {
    format!("since={}&until={}", time(since), time(until)).replace(':', "%3A")
}

/// All of the runs, with an hour before them and one after.
fn all_of(first: u64) -> String {
    window(first - HOUR, first + 7 * HOUR)
}

/// So many runs over some hours, of two agents and one without a name, each with a call; every fifth has failed.
async fn told(server: &Server, first: u64) {
    let mut spans = Vec::new();
    for number in 0..40_u64 {
        let (trace, at) = (u128::from(number) + 1, first + number * 7 * MINUTE);
        let name = ["planner", HOSTILE, ""][number as usize % 3];
        let session = format!("s{}", number % 4);
        let run = agent(trace, 1, 0, name).session(&session).between(at, at + (number + 1) * SECOND);
        let run = if number % 2 == 0 { run.with("waxell.user_id", "anna & bert") } else { run.with("waxell.user_id", "carl") };
        let failed = Status { code: 2, message: "429 <slow down>".to_owned() };
        spans.push(if number % 5 == 0 { Span { status: Some(failed), ..run } } else { run });
        let call = chat(trace, 2, 1, (100 + number as i64, 20), 300 + number as u32).between(at, at + SECOND);
        spans.push(call.with("gen_ai.response.model", if number % 3 == 1 { "m<1>" } else { "m-2" }));
    }
    send(server, spans).await;
    shows(server, 4).await;
    until("all runs are there", async || server.json(&format!("{PATH}?{}", all_of(first))).await["totals"]["run_count"] == 40).await;
}

#[tokio::test]
async fn the_json_is_what_the_runs_say() {
    let place = place();
    let server = place.start().await;
    let first = first();
    let window = all_of(first);
    told(&server, first).await;
    let all = server.json(&format!("{PATH}?{window}&step=1h")).await;
    let ends = (time(first - HOUR).into(), time(first + 7 * HOUR).into());
    assert_eq!((&all["since"], &all["until"], &all["step_seconds"]), (&ends.0, &ends.1, &3_600.into()));
    let totals = &all["totals"];
    assert_eq!((&totals["error_count"], &totals["total_tokens"], &totals["llm_calls"]), (&8.into(), &(40 * 120 + 780).into(), &40.into()));
    assert_eq!(totals["total_cost"].to_string(), "0.01278");
    let about = |value: &Value, exact: f64| assert!((value.as_f64().unwrap() - exact).abs() <= exact / 20.0, "{value} for {exact}");
    about(&totals["duration_p50"], 20.0);
    about(&totals["duration_p95"], 38.0);
    let series = all["series"].as_array().unwrap();
    assert_eq!(series.len(), 8);
    let sum = |key: &str| series.iter().map(|point| point[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("run_count"), sum("error_count"), sum("total_tokens")), (40, 8, 40 * 120 + 780));
    assert_eq!((&series[1]["start"], &series[1]["run_count"]), (&time(first).into(), &9.into()));
    assert_eq!((&series[0]["run_count"], &series[0]["duration_p50"]), (&0.into(), &Value::Null));
    assert_eq!((&all["agent_count"], &all["model_count"]), (&3.into(), &2.into()));
    assert_eq!(all["previous"]["run_count"], 0);
    assert_eq!((&all["runs_are_complete"], &all["includes_runs_without_session"]), (&true.into(), &true.into()));
    let users: Vec<_> = all["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (user["user_id"].as_str().unwrap(), user["run_count"].as_u64().unwrap()))
        .collect();
    assert_eq!(users, [("carl", 20), ("anna & bert", 20)]);
    let (slowest, dearest) = (&all["slowest_runs"], &all["most_expensive_runs"]);
    assert_eq!((&slowest[0]["duration"], &dearest[0]["cost"].to_string()[..]), (&40.0.into(), "0.000339"));
    assert_eq!((&slowest[0]["session_id"], slowest.as_array().unwrap().len()), (&"s3".into(), 10));
    assert_eq!(all["failed_runs"][0]["started_at"], time(first + 35 * 7 * MINUTE));

    for (narrowed, n_runs) in
        [("agent=planner", 14), ("model=m%3C1%3E", 13), ("user=carl", 20), ("agent=planner&user=carl", 7), ("model=none", 0)]
    {
        let part = server.json(&format!("{PATH}?{window}&{narrowed}")).await;
        assert_eq!(part["totals"]["run_count"], n_runs, "{narrowed}");
    }
    let bad = server.get(&format!("{PATH}?last=2h")).await;
    assert_eq!((bad.status, &bad.json()["parameter"]), (StatusCode::BAD_REQUEST, &"last".into()));

    // Deleted, expired and after a restart they are not the same.
    assert_eq!(server.delete(&format!("{SESSIONS}s0/")).await.status, StatusCode::OK);
    assert_eq!(server.json(&format!("{PATH}?{window}")).await["totals"]["run_count"], 30);
    drop(server);
    let server = place.start().await;
    assert_eq!(server.json(&format!("{PATH}?{window}")).await["totals"]["run_count"], 30);
}

/// The values of all `<data>` in a part of the page.
fn data(text: &str) -> Vec<&str> {
    text.split("<data value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn every_figure_of_the_page_is_one_of_the_json() {
    let place = place();
    let server = place.start().await;
    let first = first();
    let window = all_of(first);
    told(&server, first).await;
    let visitor = Visitor::of(&server);
    for narrowed in ["", "&agent=planner", "&model=m-2", "&user=carl", "&agent=planner&user=carl"] {
        let json = server.json(&format!("{PATH}?{window}{narrowed}")).await;
        let page = visitor.get(&format!("/overview?{window}{narrowed}")).await;
        assert_eq!(page.status, StatusCode::OK);
        let text = |figures: &Value, keys: &[&str]| keys.iter().map(|key| figures[key].to_string()).collect::<Vec<_>>();
        let as_shown = |values: Vec<String>| values.into_iter().filter(|value| value != "null").collect::<Vec<_>>();

        let cards = page.text.split("headline").nth(1).unwrap().split("</dl>").next().unwrap();
        let keys = ["run_count", "error_count", "total_cost", "total_tokens", "duration_p50", "duration_p95"];
        assert_eq!(data(cards), text(&json["totals"], &keys), "{narrowed}");

        let points = page.text.split("table class=\"plain points\"").nth(1).unwrap().split("</table>").next().unwrap();
        let expected: Vec<String> =
            json["series"].as_array().unwrap().iter().rev().flat_map(|point| as_shown(text(point, &keys))).collect();
        assert_eq!(data(points), expected, "{narrowed}");

        for (title, list) in [("By agent", "agents"), ("By model", "models"), ("Top users", "users")] {
            let table =
                page.text.split(&format!("<caption class=\"for-readers\">{title}")).nth(1).unwrap().split("</table>").next().unwrap();
            let expected: Vec<String> = json[list].as_array().unwrap().iter().flat_map(|row| as_shown(text(row, &keys))).collect();
            assert_eq!(data(table), expected, "{title}, {narrowed}");
        }
        for (title, list) in
            [("Most expensive runs", "most_expensive_runs"), ("Slowest runs", "slowest_runs"), ("Latest failures", "failed_runs")]
        {
            let Some(table) = page.text.split(&format!("<caption class=\"for-readers\">{title}")).nth(1) else {
                assert!(json[list].as_array().unwrap().is_empty(), "{title}, {narrowed}");
                continue;
            };
            let table = table.split("</table>").next().unwrap();
            let expected: Vec<String> = json[list].as_array().unwrap().iter().flat_map(|row| text(row, &["duration", "cost"])).collect();
            assert_eq!(data(table), expected, "{title}, {narrowed}");
            let failed = json[list].as_array().unwrap().iter().filter(|run| run["status"] == "error").count();
            assert_eq!(table.matches("429 &lt;slow down&gt;</bdi>").count(), failed, "{title}, {narrowed}: why each of them failed");
        }
    }
}

#[tokio::test]
async fn the_page_is_linked_from_every_other_and_each_bar_and_name_leads_on() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    visitor.get("/sessions").await.says("href=\"/overview\"");
    let empty = visitor.get("/overview").await;
    empty.says("No run in this time");
    assert!(!empty.text.contains("<figure"));
    let first = first();
    let window = all_of(first);
    told(&server, first).await;

    let page = visitor.get(&format!("/overview?{window}")).await;
    for link in [format!("/overview?{window}&agent=planner"), format!("/overview?{window}&model=m%3C1%3E")] {
        assert!(page.links().contains(&link), "{link}: {:?}", page.links());
    }
    // Each of four charts, and the table beside them.
    let bar = format!("/overview?{}", self::window(first, first + 10 * MINUTE));
    assert_eq!(page.links().iter().filter(|link| **link == bar).count(), 5);
    let part = visitor.get(&bar).await;
    part.says("a bar is 10 min");
    let of_planner = page.links().into_iter().find(|link| link.starts_with("/sessions?agent=planner&start=")).unwrap();
    let sessions = visitor.get(&of_planner).await;
    assert_eq!(sessions.status, StatusCode::OK);
    sessions.says("4 sessions");
    assert!(!page.text.contains("<script>alert"), "what agents are called is text");
    page.says("&lt;script&gt;alert");
    let refused = visitor.get("/overview?since=soon").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    refused.says("Invalid since");
}

#[tokio::test]
async fn users_agents_and_models_are_listed_and_lead_to_their_overview_and_their_sessions() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    visitor.get("/users").await.says("No run names a user");
    visitor.get("/agents").await.says("0 agents");
    let first = first();
    told(&server, first).await;
    let rows = |page: &super::Page| {
        let table = page.text.split("table class=\"plot listed\"").nth(1).unwrap().split("</table>").next().unwrap().to_owned();
        let names =
            table.split("<th scope=\"row\">").skip(1).map(|row| row.split("<bdi>").nth(1).unwrap().split('<').next().unwrap().to_owned());
        (names.collect::<Vec<_>>(), data(&table).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let users = visitor.get("/users?sort=-total_cost").await;
    let (names, figures) = rows(&users);
    assert_eq!(names, ["carl", "anna &amp; bert"]);
    let json = server.json("/api/v1/observability/users/?sort=-total_cost").await;
    let expected: Vec<String> = json["results"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|user| ["run_count", "total_cost", "total_tokens"].map(|key| user[key].to_string()))
        .collect();
    assert_eq!(figures, expected);
    assert!(users.links().contains(&"/sessions?user=anna%20%26%20bert".to_owned()), "{:?}", users.links());
    assert_eq!(rows(&visitor.get("/users?search=ANNA").await).0, ["anna &amp; bert"]);
    let of_carl = visitor.get("/sessions?user=carl").await;
    of_carl.says("2 sessions");
    of_carl.says("data-label=\"Users\"");
    assert_eq!(server.json(&format!("{SESSIONS}?user=carl")).await["count"], 2);
    assert_eq!(server.json(&format!("{SESSIONS}?user=car")).await["count"], 0);

    for (path, list, n) in [("/agents", "agents", 3), ("/models", "models", 2)] {
        let page = visitor.get(&format!("{path}?sort=-total_cost")).await;
        let (names, figures) = rows(&page);
        assert_eq!(names.len(), n, "{names:?}");
        let json = server.json(&format!("{PATH}?last=30d")).await;
        let keys = ["run_count", "error_count", "total_cost", "total_tokens", "duration_p50", "duration_p95"];
        let expected: Vec<String> = json[list].as_array().unwrap().iter().flat_map(|row| keys.map(|key| row[key].to_string())).collect();
        assert_eq!(figures, expected, "{path}");
        let turned = rows(&visitor.get(&format!("{path}?sort=total_cost")).await).0;
        assert_eq!(turned, names.into_iter().rev().collect::<Vec<_>>());
        assert_eq!(visitor.get(&format!("{path}?offset=50")).await.status, StatusCode::OK);
        assert_eq!(visitor.get(&format!("{path}?sort=size")).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(visitor.get(&format!("{path}?last=2h")).await.status, StatusCode::BAD_REQUEST);
    }
    let narrowed = visitor.get("/agents?search=plan").await;
    assert_eq!(rows(&narrowed).0, ["planner"]);
    for link in narrowed.links().iter().chain(&users.links()).filter(|link| link.starts_with('/')) {
        let answer = visitor.get(link.split('#').next().unwrap()).await;
        assert!(answer.status.is_success() || answer.status.is_redirection(), "{link}: {}", answer.status);
    }
}

#[tokio::test]
async fn what_nothing_was_heard_of_before_is_new() {
    let place = place();
    let server = place.start().await;
    let first = first();
    told(&server, first).await;
    let at = first + 6 * HOUR;
    let tool = tool(100, 3, 1, "<dig>");
    let call = chat(100, 2, 1, (10, 2), 300).between(at, at + SECOND).with("gen_ai.response.model", "m-new");
    let run = agent(100, 1, 0, "new<comer>").session("s0").between(at, at + 3 * SECOND);
    let others = (1..12).map(|n| agent(100 + n, 1, 0, &format!("new-{n:02}")).session("s0").between(at, at + 3 * SECOND));
    send(&server, others.chain([run, call, tool.between(at, at + SECOND)])).await;
    until("the new ones are there", async || server.json(&format!("{PATH}?{}", all_of(first))).await["totals"]["run_count"] == 52).await;
    let visitor = Visitor::of(&server);
    // Of the hours before only the last of the others are.
    let window = format!("{}&step=1h", window(first + 5 * HOUR, first + 7 * HOUR));
    let page = visitor.get(&format!("/overview?{window}")).await;
    let (_, news) = page.text.split_once("New in this time</h2>").expect("something is new");
    let (news, _) = news.split_once("</section>").unwrap();
    for words in [">new&lt;comer&gt;<", ">m-new<", ">&lt;dig&gt;<", "agent=new%3Ccomer%3E", "model=m-new", "/tools/%3Cdig%3E?"] {
        assert!(news.contains(words), "{words} in {news}");
    }
    assert!(!news.contains("planner") && !news.contains("m-2"), "{news}");
    let json = server.json(&format!("{PATH}?{window}")).await["new"].clone();
    for (title, list, count, n) in
        [("Agents", "agents", "agent_count", 12), ("Models", "models", "model_count", 1), ("Tools", "tools", "tool_count", 1)]
    {
        let line = news.split(&format!("<strong>{title}</strong>")).nth(1).unwrap().split("</p>").next().unwrap();
        let names = line.split("<bdi>").skip(1).map(|rest| rest.split('<').next().unwrap());
        let names: Vec<String> = names.map(|name| name.replace("&lt;", "<").replace("&gt;", ">")).collect();
        assert_eq!((&json[list], &json[count]), (&names.clone().into(), &n.into()), "{title}");
        assert_eq!(line.ends_with(&format!(" and {} more", n - names.len())), n > names.len(), "{line}");
    }
    let all = server.json(&format!("{PATH}?{window}&limit=50")).await["new"].clone();
    assert_eq!((all["agents"].as_array().unwrap().len(), &all["agents"][0]), (12, &"new<comer>".into()));
    let of_model = server.json(&format!("{PATH}?{window}&model=m-2")).await["new"].clone();
    assert_eq!((&of_model["agents"], &of_model["tools"], &of_model["tool_count"]), (&Value::Array(Vec::new()), &Value::Null, &Value::Null));
    assert_eq!(server.json(&format!("{PATH}?{}", all_of(first))).await["new"], Value::Null);
    let whole = visitor.get(&format!("/overview?{}", all_of(first))).await;
    assert!(!whole.text.contains("New in this time"), "before that there was nothing at all");
}
