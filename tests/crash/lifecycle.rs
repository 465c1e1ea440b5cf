//! Starting, refusing to start, and stopping.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::shown::{compare, everything, expected, marks};
use super::traffic::{Traffic, now, storm, take_all};
use crate::store::truth::Truth;
use crate::support::server::{Place, Server, until};
use crate::support::spans::{SECOND, Tell, agent, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_loses_nothing_and_exits_with_0() {
    let place = Place::new();
    let traffic = Arc::new(Mutex::new(Traffic::new(7)));
    let mut truth = Truth::default();
    for round in 0..3 {
        let server = place.start().await;
        compare(&everything(&server.client()).await, &expected(&truth), &format!("round {round}"));
        let client = server.client();
        let stopped = async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let ended = server.terminate().await;
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
        };
        let outcome = storm(&client, &traffic, 4, stopped).await;
        assert!(!outcome.acked.is_empty());
        take_all(&mut truth, &outcome.acked);
        // A connection that broke before its answer may have been heard.
        let server = place.start().await;
        let there = marks(&everything(&server.client()).await);
        let heard: Vec<_> = outcome.in_flight.into_iter().filter(|marked| there.contains(&marked.mark)).collect();
        take_all(&mut truth, &heard);
        compare(&everything(&server.client()).await, &expected(&truth), &format!("round {round}, again"));
        assert_eq!(server.terminate().await.code, Some(0));
    }
}

/// Those who read the log as JSON once met a banner of plain text in it, and a start that failed said so in plain text.
#[tokio::test]
async fn with_a_log_in_json_every_line_is_json() {
    let place = Place::new().set("log.format", "json").set("forward.gzipp", "1").set("forward.tempo", "127.0.0.1:9");
    let server = place.start().await;
    server.send(request([agent(1, 1, 0, "a").session("s").between(now().0 - SECOND, now().0)])).await.unwrap();
    let (otlp_http, http) = (server.otlp_http, server.http);
    assert_eq!(server.terminate().await.code, Some(0));
    let failed = Place::new().set("log.format", "json").argument("--http").argument(&format!("0.0.0.0:{}", http.port())).fail().await;
    assert_eq!(failed.code, Some(64));
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    };
    let lines = [lines(&place.log()), lines(&failed.stderr)].concat();
    let says = |words: &str| lines.iter().any(|line| line["message"].as_str().is_some_and(|message| message.contains(words)));
    for words in ["starting", "listening", "is not a setting", "stopped", "without keys"] {
        assert!(says(words), "{words}: {lines:?}");
    }
    let listening = lines.iter().find(|line| line["message"] == "listening").unwrap();
    assert_eq!((&listening["otlp_http"], &listening["http"]), (&otlp_http.to_string().into(), &http.to_string().into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_at_sigterm_is_finished_while_no_new_ones_are_taken() {
    let place = Place::new();
    let server = place.start().await;
    assert_eq!(server.get("/readyz").await.status.as_u16(), 200);
    let body = request([agent(1, 1, 0, "a").session("s").between(now().0 - SECOND, now().0)]);
    let mut stream = TcpStream::connect(server.otlp_http).unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..10]).unwrap();
    until_in_flight(&server).await;
    server.ask_to_stop();
    let doors = [server.http, server.otlp_http, server.otlp_grpc];
    until("no new connection is taken", async || doors.iter().all(|door| TcpStream::connect(door).is_err())).await;
    stream.write_all(&body[10..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let server = place.start().await;
    assert!(everything(&server.client()).await.contains_key("s"));
}

/// The server has read the head of the request: its bytes count as in flight.
async fn until_in_flight(server: &Server) {
    let is_counted = |text: &str| text.lines().any(|line| line.starts_with("sessionfold_receive_inflight_bytes ") && !line.ends_with(" 0"));
    until("the request is in flight", async || is_counted(&server.get("/metrics").await.text)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_while_starting_ends_it_and_loses_nothing() {
    let place = Place::new().set("fold.checkpoint_interval", "1h");
    let traffic = Arc::new(Mutex::new(Traffic::new(11)));
    let mut truth = Truth::default();
    let server = place.start().await;
    let outcome = storm(&server.client(), &traffic, 4, tokio::time::sleep(Duration::from_millis(500))).await;
    take_all(&mut truth, &outcome.acked);
    server.kill().await;
    for millis in [20, 60, 120] {
        let starting = place.spawn();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let ended = starting.terminate().await;
        // Before it listens for signals, the signal itself ends it.
        assert!(matches!(ended.code, Some(0) | None), "{ended:?}");
    }
    let server = place.start().await;
    compare(&everything(&server.client()).await, &expected(&truth), "after three");
}

#[tokio::test]
async fn bad_configuration_exits_with_64_and_says_what() {
    let cases: [(Place, &[&str]); 6] = [
        (Place::new().config("[fold]\nrun_timout = \"1h\"\n"), &["run_timout", "line 2"]),
        (Place::new().set("fold.checkpoint_interval", "soon"), &["SESSIONFOLD_FOLD_CHECKPOINT_INTERVAL", "soon"]),
        (Place::new().argument("--http").argument("0.0.0.0:0"), &["--allow-anonymous"]),
        (Place::new().argument("--http").argument("nowhere"), &["--http"]),
        (Place::new().argument("--config").argument("/does/not/exist.toml"), &["/does/not/exist.toml"]),
        (Place::new().argument("--tempo").argument("http://[::1"), &["--tempo"]),
    ];
    for (place, words) in cases {
        let ended = place.fail().await;
        assert_eq!(ended.code, Some(64), "{}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?} is not in:\n{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn a_taken_port_exits_with_1_and_names_the_flag_and_another_port() {
    for (flag, by) in [("--otlp-grpc", "Tempo or a Collector?"), ("--otlp-http", "Tempo or a Collector?"), ("--http", "another program")] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let ended = Place::new().argument(flag).argument(&format!("127.0.0.1:{port}")).fail().await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let other = port.checked_add(10_000).unwrap_or(0);
        let said = format!("port {port} is taken ({by}): use {flag} 127.0.0.1:{other}");
        assert!(ended.stderr.contains(&said), "{said:?} is not in:\n{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_data_exits_with_1_and_the_first_goes_on() {
    let place = Place::new();
    let server = place.start().await;
    let ended = place.fail().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("in use by another process"), "{}", ended.stderr);
    server.send(request([agent(1, 1, 0, "a").session("s").between(now().0 - SECOND, now().0)])).await.unwrap();
    assert_eq!(server.get("/readyz").await.status.as_u16(), 200);
    assert_eq!(server.terminate().await.code, Some(0));
}
