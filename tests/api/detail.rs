//! `GET` and `DELETE /api/v1/observability/sessions/{session_id}/`.

use http::StatusCode;
use sessionfold::model::ids::RunId;
use sessionfold::model::run::Run;
use sessionfold::model::usage::{NanoUsd, UsageTotal};

use super::double::{Double, MILLI, SECOND, by_user, failed, lasting, run, running, using};
use super::{LIST, get, router, send};

#[tokio::test]
async fn the_documented_detail_comes_byte_for_byte() {
    let mut first = using(lasting(run("sess_a1b2c3d4e5f6g7h8", "chat-agent", 0), 2_100 * MILLI), "gpt-4o", (800, 90), Some(4_500_000));
    first.id = RunId::new(101).unwrap();
    let mut second = running(run("sess_a1b2c3d4e5f6g7h8", "", 5 * SECOND), 6 * SECOND);
    second.id = RunId::new((1 << 53) - 1).unwrap();
    second.workflow = "".into();
    let router = router(Double::new([second, first]));
    let expected = concat!(
        r#"{"session_id":"sess_a1b2c3d4e5f6g7h8","#,
        r#""aggregates":{"run_count":2,"total_duration":2.1,"total_cost":0.0045,"total_tokens":890,"agents":["chat-agent"]},"#,
        r#""runs":[{"id":101,"agent_name":"chat-agent","workflow_name":"default","started_at":"2026-02-07T10:00:00Z","#,
        r#""completed_at":"2026-02-07T10:00:02.100000Z","duration":2.1,"status":"success","cost":0.0045,"tokens":890,"#,
        r#""trace_id":"abcdef1234567890abcdef1234567890"},"#,
        r#"{"id":9007199254740991,"agent_name":"","workflow_name":"","started_at":"2026-02-07T10:00:05Z","#,
        r#""completed_at":null,"duration":null,"status":"running","cost":0.0,"tokens":0,"#,
        r#""trace_id":"abcdef1234567890abcdef1234567890"}]}"#
    );
    for path in ["sess_a1b2c3d4e5f6g7h8/", "sess_a1b2c3d4e5f6g7h8", "sess%5Fa1b2c3d4e5f6g7h8?include="] {
        let answer = get(&router, &format!("{LIST}{path}")).await;
        assert_eq!(answer.text, expected, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("content-length"), Some(expected.len().to_string().as_str()));
    }
    let head = send(&router, "HEAD", &format!("{LIST}sess_a1b2c3d4e5f6g7h8/"), &[]).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn any_session_id_can_be_asked_for_by_its_path() {
    let names = [
        "a b",
        "a+b",
        "a/b",
        "/a",
        "a/",
        "a//b",
        "/",
        "100%",
        "%2F",
        "a%20b",
        "it's \"quoted\"",
        "<script>alert(1)</script>",
        "💬",
        "مرحبا",
        "..",
        ".",
        "a?b#c",
        "a\0b",
        "a\nb",
        "é",
        "e\u{301}",
        "sessions",
        "\\",
        "{session_id}",
        "\u{feff}",
        "a&b=c;d",
    ];
    let router = router(Double::new(names.iter().map(|name| run(name, "a", 0))));
    for name in names {
        let encoded: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
        for path in [encoded.clone(), format!("{encoded}/"), format!("{encoded}?x=1")] {
            let answer = get(&router, &format!("{LIST}{path}")).await;
            assert_eq!(answer.json()["session_id"], *name, "{path}");
        }
    }
    for (path, name) in
        [("a+b", "a+b"), ("a/b/", "a/b"), ("a//b", "a//b"), ("/a/", "/a"), ("a//", "a/"), ("//", "/"), ("100%", "100%"), ("%252F", "%2F")]
    {
        assert_eq!(get(&router, &format!("{LIST}{path}")).await.json()["session_id"], name, "{path}");
    }
    for path in ["a", "A+B", "%FF", "%C3%28", "x".repeat(513).as_str()] {
        let answer = get(&router, &format!("{LIST}{path}")).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, r#"{"detail":"Not found."}"#), "{path}");
    }
}

#[tokio::test]
async fn runs_can_be_paged_and_the_aggregates_stay_whole() {
    let router = router(Double::new((0..7).map(|n| using(run("s", "a", n * SECOND), "m", (1, 0), Some(1)))));
    let starts = |answer: &super::Answer| -> Vec<String> {
        answer.json()["runs"].as_array().unwrap().iter().map(|run| run["started_at"].as_str().unwrap()[17..19].to_owned()).collect()
    };
    for (query, found, link) in [
        ("", &["00", "01", "02", "03", "04", "05", "06"][..], None),
        ("?offset=5", &["05", "06"], None),
        ("?limit=3", &["00", "01", "02"], Some("</api/v1/observability/sessions/s/?offset=3&limit=3>; rel=\"next\"")),
        ("?limit=3&offset=6", &["06"], Some("</api/v1/observability/sessions/s/?offset=3&limit=3>; rel=\"prev\"")),
        ("?limit=1000", &["00", "01", "02", "03", "04", "05", "06"], None),
        ("?offset=100", &[], None),
        ("?limit=2&offset=99999999999999999999", &[], Some("</api/v1/observability/sessions/s/?offset=6&limit=2>; rel=\"prev\"")),
    ] {
        let answer = get(&router, &format!("{LIST}s/{query}")).await;
        assert_eq!(starts(&answer), found, "{query}");
        assert_eq!(answer.json()["aggregates"]["run_count"], 7, "{query}");
        assert_eq!(answer.header("link"), link, "{query}");
    }
    // Sums are over all runs, also where only some are shown.
    let answer = get(&router, &format!("{LIST}s/?include=usage&limit=2&offset=3")).await;
    assert_eq!(starts(&answer), ["03", "04"]);
    assert_eq!(answer.json()["usage"]["input_tokens"], 7);
    assert_eq!(
        answer.header("link"),
        Some(concat!(
            "</api/v1/observability/sessions/s/?include=usage&offset=5&limit=2>; rel=\"next\", ",
            "</api/v1/observability/sessions/s/?include=usage&offset=1&limit=2>; rel=\"prev\""
        ))
    );
}

#[tokio::test]
async fn the_tree_of_runs_can_be_rebuilt_from_their_parents() {
    let root = run("s", "lead", 0);
    let below = |parent: &Run, at| Run { parent: Some(parent.id), ..run("s", "helper", at) };
    let child = below(&root, SECOND);
    let grandchild = below(&child, 2 * SECOND);
    let ids = [root.id, child.id, grandchild.id].map(|id| serde_json::json!(id.get()));
    let router = router(Double::new([root, child, grandchild]));
    let body = get(&router, &format!("{LIST}s/?include=parents")).await.json();
    let parents: Vec<_> = body["runs"].as_array().unwrap().iter().map(|run| run["parent_run_id"].clone()).collect();
    assert_eq!(parents, [serde_json::Value::Null, ids[0].clone(), ids[1].clone()]);
    // Who does not ask gets the documented keys and no other.
    let body = get(&router, &format!("{LIST}s/")).await.json();
    assert!(body["runs"][1].get("parent_run_id").is_none());
    // The list has no runs.
    assert_eq!(get(&router, &format!("{LIST}?include=parents")).await.header("x-sessionfold-ignored"), Some("include=parents"));
}

#[tokio::test]
async fn include_tells_usage_users_models_and_errors() {
    let mut first = by_user(using(run("s", "a", 0), "gpt-4o", (100, 20), Some(600_000)), "ann", Some("staff"));
    first.usage.cache_read_tokens = 40;
    first.usage.reasoning_tokens = 5;
    first.suppressed = UsageTotal { calls: 2, tokens: 240, cost: NanoUsd(1), ..UsageTotal::default() };
    let second = failed(by_user(using(using(run("s", "a", SECOND), "gpt-4o", (1, 1), Some(1)), "llama", (7, 3), None), "bob", None));
    let third = by_user(run("s", "a", 2 * SECOND), "ann", Some("staff"));
    let router = router(Double::new([first, second, third, run("s", "a", 3 * SECOND)]));
    let answer = get(&router, &format!("{LIST}s/?include=usage,users,models,errors")).await;
    let body = answer.json();
    let run = &answer.text[answer.text.find(r#","usage":"#).unwrap()..answer.text.find(r#"},{"id""#).unwrap()];
    let expected = concat!(
        r#","usage":{"llm_calls":1,"input_tokens":100,"output_tokens":20,"cached_tokens":40,"cache_write_tokens":0,"#,
        r#""reasoning_tokens":5,"unpriced_calls":0,"cost_is_partial":false,"cost_source":"emitted","#,
        r#""suppressed":{"llm_calls":2,"tokens":240,"cost":0.000000001}},"user_id":"ann","user_group":"staff","#,
        r#""models":[{"model":"gpt-4o","provider":"openai","llm_calls":1,"tokens":120,"input_tokens":100,"output_tokens":20,"#,
        r#""cost":0.0006,"unpriced_calls":0,"cost_source":"emitted"}],"error":null,"tool_errors":0"#
    );
    assert_eq!(run, expected);
    assert_eq!(body["runs"][1]["user_group"], serde_json::Value::Null);
    assert_eq!(body["runs"][3]["user_id"], serde_json::Value::Null);
    let sums = &answer.text[answer.text.find("}],\"usage\"").unwrap() + 2..];
    let expected = concat!(
        r#","usage":{"llm_calls":3,"input_tokens":108,"output_tokens":24,"cached_tokens":40,"cache_write_tokens":0,"#,
        r#""reasoning_tokens":5,"unpriced_calls":1,"cost_is_partial":true,"cost_source":"mixed","#,
        r#""suppressed":{"llm_calls":2,"tokens":240,"cost":0.000000001}},"#,
        r#""users":[{"user_id":"ann","user_group":"staff","run_count":2,"tokens":120,"cost":0.0006},"#,
        r#"{"user_id":"bob","user_group":null,"run_count":1,"tokens":12,"cost":0.000000001}],"#,
        r#""models":[{"model":"gpt-4o","provider":"openai","llm_calls":2,"tokens":122,"input_tokens":101,"output_tokens":21,"#,
        r#""cost":0.000600001,"unpriced_calls":0,"cost_source":"emitted"},"#,
        r#"{"model":"llama","provider":"openai","llm_calls":1,"tokens":10,"input_tokens":7,"output_tokens":3,"cost":0.0,"unpriced_calls":1,"#,
        r#""cost_source":"unknown"}],"#,
        r#""errors":{"error_count":1,"running_count":0,"tool_errors":0}}"#
    );
    assert_eq!(sums, expected);
}

#[tokio::test]
async fn more_users_than_an_answer_may_have_are_not_passed_over_in_silence() {
    let router = router(Double::new((0..1_001).map(|n| by_user(run("s", "a", n * SECOND), &format!("u{n:04}"), None))));
    let body = get(&router, &format!("{LIST}s/?include=users&limit=1")).await.json();
    assert_eq!(body["users"].as_array().unwrap().len(), 1_000);
    assert_eq!(body["truncated"], serde_json::json!(["users"]));
}

#[tokio::test]
async fn a_deleted_session_is_gone_and_the_answer_says_what_stays() {
    let router = router(Double::new([run("s/1", "a", 0), run("s/1", "a", SECOND), run("t", "a", 0)]));
    let answer = send(&router, "DELETE", &format!("{LIST}s%2F1/?x=1"), &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    assert_eq!((body["session_id"].as_str(), body["deleted_runs"].as_u64()), (Some("s/1"), Some(2)));
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("Tempo") && detail.contains("journal") && detail.contains("retention"), "{detail}");
    assert_eq!(answer.header("x-sessionfold-ignored"), Some("x"));
    for method in ["DELETE", "GET"] {
        assert_eq!(send(&router, method, &format!("{LIST}s%2F1/"), &[]).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(get(&router, LIST).await.ids(), ["t"]);
}

#[tokio::test]
async fn include_links_leads_to_tempo_and_to_grafana_where_there_is_one() {
    let runs = || Double::new([run("s", "a", 0), run("s", "a", SECOND)]);
    let grafana = sessionfold::api::Grafana { url: "https://grafana.example.org".into(), datasource_uid: "tempo".into() };
    let api = sessionfold::api::Api { grafana: Some(grafana), ..super::open_api(std::sync::Arc::new(runs())) };
    let with_grafana = sessionfold::api::router(std::sync::Arc::new(api));
    for path in [format!("{LIST}s/?include=links"), format!("{LIST}?include=links")] {
        let body = get(&with_grafana, &path).await.json();
        let session = if path.contains("/s/") { &body["links"] } else { &body["results"][0]["links"] };
        assert_eq!(session["traceql"], "{ span.sessionfold.session_id = \"s\" }", "{path}");
        let link = session["grafana"][0].as_str().unwrap();
        assert!(link.starts_with("https://grafana.example.org/explore?"), "{link}");
        assert!(
            session["cost"]["traceql"]
                .as_str()
                .unwrap()
                .ends_with("| sum_over_time(span.sessionfold.cost) by (span.sessionfold.agent_name)")
        );
        assert_eq!(session["cost"]["grafana"].as_array().unwrap().len(), 1);
        assert!(session["end"].as_u64().unwrap() > session["start"].as_u64().unwrap());
    }
    let body = get(&router(runs()), &format!("{LIST}s/?include=links")).await.json();
    let of_run = &body["runs"][0]["links"];
    assert_eq!(of_run["traceql"], format!("{{ span.sessionfold.run_id = \"{}\" }}", body["runs"][0]["id"]));
    assert_eq!(
        (&of_run["grafana"], &of_run["cost"]["grafana"]),
        (&serde_json::json!([]), &serde_json::json!([])),
        "no Grafana is configured"
    );
}
