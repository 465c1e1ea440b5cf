//! What Tempo is told, and that it comes to what the API says: the real server, and a Tempo that keeps what it gets.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prost::Message;

use crate::forward::double::{Double, Reply};
use crate::support::dice::Dice;
use crate::support::server::{Place, SESSIONS, Server, until};
use crate::support::spans::{MILLI, SECOND, TEN, Tell, agent, chat, request, span};
use crate::support::sums::{number, shown, sums, text, value};

/// Everything that this Tempo took, in order.
fn stored(tempo: &Double) -> Vec<Span> {
    let calls = tempo.calls().into_iter().filter(|call| matches!(call.reply, Reply::Ok));
    let requests = calls.map(|call| ExportTraceServiceRequest::decode(call.message).unwrap());
    let resources = requests.flat_map(|request| request.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

async fn agree(what: &str, server: &Server, tempo: &Double) {
    let agreed = async || sums(&stored(tempo)) == shown(server).await;
    let patient = async {
        until(what, agreed).await;
    };
    if tokio::time::timeout(std::time::Duration::from_secs(20), patient).await.is_err() {
        let (told, shown) = (sums(&stored(tempo)), shown(server).await);
        for (session, shown) in &shown {
            let told = told.get(session).copied().unwrap_or_default();
            assert_eq!(&told, shown, "{what}: session {session}: what was told, and what is shown");
        }
        assert_eq!(told, shown, "{what}");
    }
}

async fn tempo() -> Double {
    Double::start(|_, _| Reply::Ok).await
}

fn place(tempo: &Double, hold: &str) -> Place {
    Place::new().argument("--tempo").argument(&tempo.endpoint()).set("forward.hold", hold).set("retention.max_age", "0s")
}

/// A run of two calls in session `s`: children first, the root last, as an SDK exports them.
fn run(trace: u128, session: &str) -> [Span; 3] {
    [
        chat(trace, 2, 1, (100, 20), 300),
        chat(trace, 3, 1, (10, 2), 31),
        agent(trace, 1, 0, "planner").session(session).between(TEN, TEN + 2 * SECOND),
    ]
}

#[tokio::test]
async fn every_span_of_a_run_says_whose_it_is_and_what_it_cost_after_its_own_bytes() {
    let tempo = tempo().await;
    let place = place(&tempo, "5s");
    let server = place.start().await;
    let [first, second, root] = run(7, "s");
    let other = span(9, 1, 0).with("http.method", "GET");
    server.send(request([first.clone(), second.clone()])).await.unwrap();
    server.send(request([root.clone(), other.clone()])).await.unwrap();
    until("all arrived", async || stored(&tempo).len() >= 4).await;

    let stored = stored(&tempo);
    assert_eq!(stored.len(), 4, "no correction was needed");
    let detail = server.json(&format!("{SESSIONS}s/")).await;
    let id = detail["runs"][0]["id"].to_string();
    for (sent, got) in [first, second, root, other].iter().zip(&stored) {
        let n_own = sent.attributes.len();
        assert_eq!(got.attributes[..n_own], sent.attributes[..]);
        assert_eq!(Span { attributes: sent.attributes.clone(), ..got.clone() }, *sent);
        if sent.trace_id == 7_u128.to_be_bytes() {
            let labels = ["session_id", "run_id", "agent_name"].map(|key| text(got, &format!("sessionfold.{key}")));
            assert_eq!(labels, ["s".to_owned(), id.clone(), "planner".to_owned()]);
        } else {
            assert_eq!(got.attributes.len(), n_own, "a span of no run is left alone");
        }
    }
    let amounts =
        |span: &Span| ["cost", "tokens", "run.cost", "run.tokens", "run.llm_calls"].map(|key| value(span, &format!("sessionfold.{key}")));
    let (cost, int) = (Value::DoubleValue, Value::IntValue);
    assert_eq!(amounts(&stored[0]), [Some(cost(0.0003)), Some(int(120)), None, None, None]);
    assert_eq!(amounts(&stored[1]), [Some(cost(0.000_031)), Some(int(12)), None, None, None]);
    assert_eq!(amounts(&stored[2]), [None, None, Some(cost(0.000_331)), Some(int(132)), Some(int(2))]);
    assert_eq!(sums(&stored), shown(&server).await);
}

#[tokio::test]
async fn the_own_span_of_a_run_that_failed_says_why_and_no_other_span_does() {
    let tempo = tempo().await;
    let place = place(&tempo, "5s");
    let server = place.start().await;
    let [first, mut second, root] = run(7, "s");
    second.status = Some(Status { code: 2, message: "Error code: 429 - \"slow down\"\nrequest id 5".into() });
    server.send(request([first, second, root.failed()])).await.unwrap();
    server.send(request(run(8, "t"))).await.unwrap();
    until("all arrived", async || stored(&tempo).len() >= 6).await;
    let detail = server.json(&format!("{SESSIONS}s/?include=errors")).await;
    let reason = "Error code: 429 - \"slow down\" request id 5";
    assert_eq!(detail["runs"][0]["error"], reason);
    let said: Vec<(u8, String)> =
        stored(&tempo).iter().map(|span| (span.span_id[7], text(span, "sessionfold.error"))).filter(|(_, said)| !said.is_empty()).collect();
    assert_eq!(said, [(1, reason.to_owned())]);
    let page = server.get(&format!("/runs/{}", detail["runs"][0]["id"])).await;
    assert!(
        page.text.contains(r#"{ span.sessionfold.error = &quot;Error code: 429 - \&quot;slow down\&quot; request id 5&quot; }"#),
        "{}",
        page.text
    );
    assert!(server.get("/sessions/s").await.text.contains("TraceQL of the same failure"));
    assert!(!server.get("/sessions/t").await.text.contains("TraceQL of the same failure"));
}

#[tokio::test]
async fn a_call_that_comes_after_its_run_left_is_told_as_a_difference() {
    let tempo = tempo().await;
    let place = place(&tempo, "5s");
    let server = place.start().await;
    server.send(request(run(7, "s"))).await.unwrap();
    until("the run arrived", async || stored(&tempo).len() >= 3).await;
    server.send(request([chat(7, 4, 1, (1, 1), 7)])).await.unwrap();
    until("the call and the correction arrived", async || stored(&tempo).len() >= 5).await;
    agree("after a late call", &server, &tempo).await;
    let stored = stored(&tempo);
    let corrections: Vec<_> = stored.iter().filter(|span| span.name == "sessionfold.correction").collect();
    assert_eq!(corrections.len(), 1);
    let [correction] = corrections[..] else { panic!("one correction") };
    assert_eq!(number(correction, "sessionfold.run.cost"), 7_000);
    assert_eq!(value(correction, "sessionfold.cost"), None, "the call's own stamp says it");
    assert_eq!((correction.start_time_unix_nano, correction.end_time_unix_nano), (TEN, TEN));
    assert_eq!(correction.parent_span_id, 1_u64.to_be_bytes());
}

#[tokio::test]
async fn calls_that_left_before_anybody_knew_their_session_are_made_up_for() {
    let tempo = tempo().await;
    let place = place(&tempo, "300ms");
    let server = place.start().await;
    let [first, second, root] = run(7, "s");
    server.send(request([first])).await.unwrap();
    until("the call left", async || stored(&tempo).len() == 1).await;
    assert_eq!(text(&stored(&tempo)[0], "sessionfold.session_id"), "");
    server.send(request([second, root])).await.unwrap();
    agree("a long run", &server, &tempo).await;
}

#[tokio::test]
async fn a_late_call_is_told_right_also_after_the_process_was_killed() {
    let tempo = tempo().await;
    let place = place(&tempo, "300ms");
    let server = place.start().await;
    for trace in 1..=40 {
        server.send(request(run(trace, if trace % 3 == 0 { "a" } else { "b" }))).await.unwrap();
    }
    agree("before the kill", &server, &tempo).await;
    // The position is noted a moment after the answer.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    server.kill().await;
    let before = stored(&tempo).len();
    let server = place.start().await;
    for trace in (1..=40).step_by(5) {
        server.send(request([chat(trace, 5, 1, (3, 4), 5)])).await.unwrap();
    }
    agree("after the kill", &server, &tempo).await;
    assert_eq!(stored(&tempo).len(), before + 16, "eight calls, eight corrections, nothing twice");
}

#[tokio::test]
async fn what_a_sender_repeats_is_forwarded_once() {
    let tempo = tempo().await;
    let place = place(&tempo, "300ms");
    let server = place.start().await;
    let spans = run(7, "s");
    server.send(request(spans.clone())).await.unwrap();
    server.send(request(spans.clone())).await.unwrap();
    until("they arrived", async || stored(&tempo).len() >= 3).await;
    server.send(request(spans.into_iter().chain([chat(7, 4, 1, (1, 1), 7)]))).await.unwrap();
    until("the new one arrived", async || stored(&tempo).len() >= 5).await;
    agree("repetitions", &server, &tempo).await;
    assert_eq!(stored(&tempo).len(), 5, "three spans, one more, one correction");
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("sessionfold_forward_duplicate_spans_total 6\n"), "{metrics}");
}

#[tokio::test]
async fn without_stamps_the_very_bytes_arrive_and_without_corrections_no_span_of_ours() {
    let tempo = tempo().await;
    let place = place(&tempo, "300ms").set("forward.stamp", "false");
    let server = place.start().await;
    let sent = request(run(7, "s"));
    server.send(sent.clone()).await.unwrap();
    until("it arrived", async || !stored(&tempo).is_empty()).await;
    assert_eq!(tempo.calls()[0].message, sent);
    assert_eq!(server.terminate().await.code, Some(0));

    let tempo = self::tempo().await;
    let place = self::place(&tempo, "300ms").set("forward.corrections", "false");
    let server = place.start().await;
    server.send(request(run(7, "s"))).await.unwrap();
    until("the run arrived", async || stored(&tempo).len() == 3).await;
    server.send(request([chat(7, 4, 1, (1, 1), 7)])).await.unwrap();
    until("the late call arrived", async || stored(&tempo).len() >= 4).await;
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(stored(&tempo).len(), 4);
}

/// Traces of one to three nested runs in one or two sessions, some with calls below tools, all spans of all of them.
fn world(dice: &mut Dice, n_traces: u128) -> Vec<Span> {
    let mut spans = Vec::new();
    for trace in 1..=n_traces {
        let session = format!("conv-{}", dice.below(9));
        let start = TEN + trace as u64 * 50 * MILLI;
        let mut root = agent(trace, 1, 0, "planner").session(&session).between(start, start + 3 * SECOND);
        if dice.below(5) == 0 {
            root = root.failed();
        }
        spans.push(root);
        spans.push(span(trace, 2, 1).between(start, start + SECOND));
        for number in 3..3 + dice.below(4) {
            let parent = if dice.below(2) == 0 { 1 } else { 2 };
            let tokens = (dice.below(900) as i64 + 1, dice.below(90) as i64);
            spans.push(chat(trace, number, parent, tokens, dice.below(5_000) as u32).between(start + number * MILLI, start + SECOND));
        }
        if dice.below(3) == 0 {
            // Another agent without a session of its own is a run whose session can come after it left: its sums are then corrected, and it
            // is in no count. So without one it is another layer of the same agent.
            let inner = match dice.below(2) {
                0 => agent(trace, 20, 1, "searcher").session(&format!("conv-{}", dice.below(9))),
                _ => agent(trace, 20, 1, "planner"),
            };
            spans.push(inner.between(start + MILLI, start + SECOND));
            spans.push(chat(trace, 21, 20, (5, dice.below(50) as i64), dice.below(900) as u32).between(start + MILLI, start + SECOND));
        }
    }
    spans
}

#[tokio::test]
async fn in_any_order_with_repetitions_outages_and_kills_the_sums_come_to_what_is_shown() {
    for seed in 1..=3 {
        let mut dice = Dice::new(seed);
        let n_refused = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let tempo = Double::start({
            let n_refused = n_refused.clone();
            // Every now and then it is away for a moment, and stores nothing.
            move |_, _| match n_refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 7 {
                3 => Reply::Status(tonic::Code::Unavailable, "starting".into()),
                _ => Reply::Ok,
            }
        })
        .await;
        let place = place(&tempo, "250ms");
        let mut server = place.start().await;
        let mut spans = world(&mut dice, 120);
        for n in (1..spans.len()).rev() {
            spans.swap(n, dice.below(n as u64 + 1) as usize);
        }
        let mut rest = &spans[..];
        let mut n_sent = 0;
        while !rest.is_empty() {
            let n = (dice.below(40) as usize + 1).min(rest.len());
            let repeated: Vec<Span> = (0..dice.below(3)).map(|_| spans[dice.below(n_sent as u64 + 1) as usize].clone()).collect();
            server.send(request(rest[..n].iter().cloned().chain(repeated))).await.unwrap();
            (n_sent, rest) = (n_sent + n, &rest[n..]);
            if dice.below(6) == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(dice.below(400))).await;
            }
        }
        agree(&format!("seed {seed}, everything sent"), &server, &tempo).await;
        // Late ones, after a clean stop and a start on the same data.
        assert_eq!(server.terminate().await.code, Some(0));
        server = place.start().await;
        let late = (1..=120_u128).step_by(7).map(|trace| chat(trace, 30, 1, (2, 3), 4)).collect::<Vec<_>>();
        server.send(request(late)).await.unwrap();
        agree(&format!("seed {seed}, after a restart"), &server, &tempo).await;
    }
}

/// What the SDK posts about a run, in its order; gives the run's id.
async fn report(server: &Server, session: &str, calls: &str, complete: &str) -> String {
    let post = async |path: &str, body: String| {
        let to = format!("http://{}/api/v1/observe/{path}", server.http);
        let answer = server.client().request(http::Method::POST, &to, &[("content-type", "application/json")], body.into()).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text);
        answer.json()
    };
    let started = post("runs/start/", format!(r#"{{"agent_name":"caller","workflow_name":"default","session_id":"{session}"}}"#)).await;
    let run = started["run_id"].as_str().unwrap().to_owned();
    if !calls.is_empty() {
        post(&format!("runs/{run}/llm-calls/"), format!(r#"{{"calls":[{calls}]}}"#)).await;
    }
    post(&format!("runs/{run}/complete/"), complete.to_owned()).await;
    run
}

#[tokio::test]
async fn a_run_that_only_the_http_path_tells_of_becomes_one_span_of_ours() {
    let tempo = tempo().await;
    let place = place(&tempo, "1s");
    let server = place.start().await;
    let call = r#"{"model":"house-model","tokens_in":70,"tokens_out":7,"cost":0.0125,"task":"chat.completions"}"#;
    report(&server, "killed", call, r#"{"status":"error","error":"killed"}"#).await;
    report(&server, "blocked", "", r#"{"status":"blocked"}"#).await;
    // A run whose trace was not sampled: named, and never exported.
    let named = r#"{"status":"success","trace_id":"000000000000000000000000000000bb","root_span_id":"00000000000000b1"}"#;
    report(&server, "unsampled", call, named).await;
    agree("reported runs", &server, &tempo).await;
    let stored = stored(&tempo);
    assert_eq!(stored.len(), 3);
    for span in &stored {
        assert_eq!(value(span, "sessionfold.synthetic"), Some(Value::BoolValue(true)));
    }
    assert_eq!(stored[2].trace_id, 0xbb_u128.to_be_bytes());
    assert_eq!(sums(&stored)["killed"].errors, 1);
}

#[tokio::test]
async fn a_reported_run_with_its_spans_is_told_once_whichever_comes_first() {
    let tempo = tempo().await;
    let place = place(&tempo, "1s");
    let server = place.start().await;
    let call = r#"{"model":"house-model","tokens_in":70,"tokens_out":7,"cost":0.0125,"task":"chat.completions"}"#;
    let complete = |trace: u128| format!(r#"{{"status":"success","trace_id":"{trace:032x}","root_span_id":"0000000000000001"}}"#);

    // Spans within the hold; spans before the report; spans long after it.
    report(&server, "soon", call, &complete(0x51)).await;
    server.send(request(run(0x51, "soon"))).await.unwrap();
    agree("spans soon after", &server, &tempo).await;
    let with_synthetic = |spans: &[Span]| spans.iter().filter(|span| value(span, "sessionfold.synthetic").is_some()).count();
    assert_eq!(with_synthetic(&stored(&tempo)), 0);

    server.send(request(run(0x52, "before"))).await.unwrap();
    until("the spans left", async || stored(&tempo).len() >= 6).await;
    report(&server, "before", call, &complete(0x52)).await;
    agree("spans before", &server, &tempo).await;
    assert_eq!(with_synthetic(&stored(&tempo)), 0);

    report(&server, "late", call, &complete(0x53)).await;
    until("a span stands for the run", async || with_synthetic(&stored(&tempo)) == 1).await;
    server.send(request(run(0x53, "late"))).await.unwrap();
    agree("spans late", &server, &tempo).await;
    assert_eq!(with_synthetic(&stored(&tempo)), 1);
}

#[tokio::test]
async fn tenants_are_stamped_apart_though_their_ids_are_the_same() {
    let tempo = tempo().await;
    let keys = "[auth]\nkeys = [{ key = \"wax_sk_first_0123456789\", tenant = \"acme\" }, { key = \"wax_sk_second_0123456789\", tenant = \"globex\" }]\n";
    let place = place(&tempo, "1s").config(keys);
    let server = place.start().await;
    for (key, calls) in [("wax_sk_first_0123456789", 1), ("wax_sk_second_0123456789", 3)] {
        let client = server.client().with_key(key);
        let calls = (0..calls).map(|n| chat(7, 10 + n, 1, (1, 1), 5));
        client.send(request(calls.chain(run(7, "s")))).await.unwrap();
    }
    until("both arrived", async || stored(&tempo).len() >= 10).await;
    for (tenant, cost) in [("acme", 336_000), ("globex", 346_000)] {
        let of_tenant = tempo.calls().into_iter().filter(|call| call.headers.get("x-scope-orgid").is_some_and(|name| name == tenant));
        let requests = of_tenant.map(|call| ExportTraceServiceRequest::decode(call.message).unwrap());
        let spans: Vec<Span> = requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect();
        let sums = sums(&spans)["s"];
        assert_eq!((sums.runs, sums.cost, sums.run_cost), (1, cost, cost), "{tenant}");
    }
}
