//! Out of file descriptors: what is acknowledged stays, and nothing needs a restart.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio_util::sync::CancellationToken;

use super::shown::{compare, everything, expected};
use super::traffic::{MARKS, Marked, Traffic, take_all};
use crate::store::truth::Truth;
use crate::support::server::{PATIENCE, Place, RemoteServer, SESSIONS, Server, until};

/// Segments of some requests each, so that new ones are started all the time, and nothing in memory, so that all is read from files.
fn busy_with_files() -> Place {
    Place::new()
        .set("journal.segment_bytes", "64KiB")
        .set("journal.max_bytes", "16MiB")
        .set("journal.tail_bytes", "0B")
        .set("fold.checkpoint_interval", "100ms")
}

/// Lets clients send until `stop`, each request again until it is taken, as exporters do; gives what was acknowledged: all of it.
/// A request that has no answer after `patience` is given up and sent again on another connection.
async fn insist(
    server: &RemoteServer,
    traffic: &Arc<Mutex<Traffic>>,
    n_clients: usize,
    patience: Duration,
    stop: impl Future<Output = ()>,
) -> Vec<Marked> {
    let acked = Arc::new(Mutex::new(Vec::new()));
    let over = CancellationToken::new();
    let clients: Vec<_> = (0..n_clients)
        .map(|_| {
            let (server, traffic, acked, over) = (server.clone(), traffic.clone(), acked.clone(), over.clone());
            tokio::spawn(async move {
                while !over.is_cancelled() {
                    let marked = traffic.lock().unwrap().next();
                    loop {
                        match tokio::time::timeout(patience, server.send(marked.body.clone())).await {
                            Ok(Ok(())) => break,
                            Ok(Err(refused)) => assert!(refused.contains("503"), "{refused}"),
                            Err(_) => {}
                        }
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    acked.lock().unwrap().push(marked);
                }
            })
        })
        .collect();
    stop.await;
    over.cancel();
    for client in clients {
        client.await.unwrap();
    }
    Arc::into_inner(acked).unwrap().into_inner().unwrap()
}

fn connect_many(address: SocketAddr, n: usize) -> Vec<TcpStream> {
    (0..n).map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()).collect()
}

/// The soft limit alone: it can be raised again.
fn limit_open_files(server: &Server, soft: Option<u64>) -> Option<u64> {
    // The hard limit is inherited, so it is ours.
    let limit = Rlimit { current: soft, maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Pid::from_raw(server.id().cast_signed()), Resource::Nofile, limit).unwrap().current
}

/// Until the marks of these requests, some of which were sent twice, are shown.
async fn until_folded(server: &Server, acked: &[Marked]) {
    let n_marks = acked.iter().map(|marked| &marked.mark).collect::<HashSet<_>>().len();
    let path = format!("{SESSIONS}{MARKS}/?limit=1");
    until("all is folded", async || server.json(&path).await["aggregates"]["run_count"] == n_marks).await;
}

async fn not_ready(server: &Server) -> Option<String> {
    let answer = server.get("/readyz").await;
    (answer.status.as_u16() == 503).then_some(answer.text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_hold_every_connection_take_no_descriptor_that_the_journal_needs() {
    let place = busy_with_files().open_files(64);
    let server = place.start().await;
    let traffic = Arc::new(Mutex::new(Traffic::new(21)));
    assert!(everything(&server.client()).await.is_empty(), "this connection stays open");
    let held = Mutex::new(Vec::new());
    // Whoever gives up a connection waits behind the strangers for another.
    let acked = insist(&server.client(), &traffic, 3, PATIENCE, async {
        until("some segments are full", async || place.segments().len() > 2).await;
        for door in [server.otlp_grpc, server.otlp_http, server.http] {
            held.lock().unwrap().extend(connect_many(door, 60));
        }
        let before = place.segments().len();
        until("segments go on being started", async || place.segments().len() > before + 3).await;
    })
    .await;
    assert!(held.lock().unwrap().len() > 60, "more wait than are served");
    // Who asks from here on may need a new connection.
    drop(held);
    assert_eq!(not_ready(&server).await, None);
    let mut truth = Truth::default();
    take_all(&mut truth, &acked);
    until_folded(&server, &acked).await;
    compare(&everything(&server.client()).await, &expected(&truth), "after strangers held the connections");
    assert!(place.log().contains("server.max_connections is more than the limit of open files allows"), "{}", place.log());
    for word in ["stopped", "ERROR"] {
        assert!(!place.log().contains(word), "{word} in\n{}", place.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_no_descriptor_left_says_so_and_recovers_by_itself() {
    let place = busy_with_files();
    let server = place.start().await;
    let traffic = Arc::new(Mutex::new(Traffic::new(22)));
    let mut truth = Truth::default();
    // Connections that will go on to be there, and nothing in the journal that the fold would have opened.
    assert_eq!(server.get("/readyz").await.status.as_u16(), 200);
    server.send(bytes::Bytes::from_static(b"not protobuf")).await.unwrap_err();

    let before = limit_open_files(&server, Some(3));
    let first = traffic.lock().unwrap().next();
    // Over a connection that is there: a new one is not accepted, and a request on it waits.
    until("one of the connections is used", async || {
        let sent = tokio::time::timeout(Duration::from_secs(1), server.send(first.body.clone())).await;
        sent.is_ok_and(|sent| sent.is_ok())
    })
    .await;
    until("the fold waits", async || not_ready(&server).await.is_some_and(|why| why.contains("the fold waits"))).await;
    let mut acked = insist(&server.client(), &traffic, 1, Duration::from_secs(2), async {
        until("the journal waits", async || not_ready(&server).await.is_some_and(|why| why.contains("new segment"))).await;
        let detail = server.get(&format!("{SESSIONS}{MARKS}/")).await;
        assert!([200, 404, 503].contains(&detail.status.as_u16()), "{detail:?}");
        limit_open_files(&server, before);
        until("it is ready again", async || not_ready(&server).await.is_none()).await;
        let n_segments = place.segments().len();
        until("it takes more", async || place.segments().len() > n_segments + 2).await;
    })
    .await;
    acked.insert(0, first);
    take_all(&mut truth, &acked);
    until_folded(&server, &acked).await;
    compare(&everything(&server.client()).await, &expected(&truth), "after it recovered");
    let log = place.log();
    for words in
        ["the journal cannot start a new segment", "has started a new segment and goes on", "the fold waits", "the fold can read again"]
    {
        assert!(log.contains(words), "{words:?} is not in\n{log}");
    }
    assert!(!log.contains("stopped"), "{log}");
    server.kill().await;
    let server = place.start().await;
    compare(&everything(&server.client()).await, &expected(&truth), "after a restart");
}

#[tokio::test]
async fn a_limit_that_is_too_low_to_work_with_is_refused_with_what_to_do() {
    let ended = Place::new().open_files(40).fail().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("at most 40 files") && ended.stderr.contains("ulimit -n"), "{}", ended.stderr);
}
