//! How long the list and the detail take over HTTP, with 100 000 or a million sessions in the index.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::case::{self, Load};
use super::load::connection::Transport;
use super::load::random::mix;
use super::load::shape::session_id;
use super::process::{CHECKPOINT_SECONDS, Failure, Receiver};
use super::usage;

/// Requests of each kind, one after the other on one connection.
const REQUESTS: u64 = 300;
/// How long the fold may lag behind the acks.
const PATIENCE: Duration = Duration::from_secs(300);
const API: &str = "/api/v1/observability/sessions/";

type Path3<'a> = (&'static str, &'a dyn Fn(u64) -> String);

pub fn measure(bin: &Path, sessions: u64) -> Result<(), Failure> {
    let receiver = Receiver::sessionfold(bin, None)?;
    let api = receiver.api.ok_or("sessionfold has an API")?;
    let load = Load { transport: Transport::Grpc, batch: 2_048, content: 105, sessions, runs: 1, rate: None, seed: 5 };
    let world = load.world()?;
    let start = Instant::now();
    case::send(&receiver, &load)?;
    let sent = start.elapsed();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        wait_for(api, sessions).await?;
        let listed = start.elapsed();
        rest(&receiver).await?;
        println!(
            "\n{sessions} sessions: acknowledged in {:.1} s, all of them listed after {:.1} s, RSS {:.0} MiB",
            sent.as_secs_f64(),
            listed.as_secs_f64(),
            usage::rss_mib(receiver.pid())?.0
        );
        println!("{:<42} {:>9} {:>9} {:>9}", "request", "p50 ms", "p99 ms", "max ms");
        let since = chrono::DateTime::from_timestamp_nanos((world.epoch + sessions / 2 * world.step) as i64);
        let since = since.format("%Y-%m-%dT%H:%M:%SZ");
        let paths: &[Path3<'_>] = &[
            ("list: first page", &|_| API.to_owned()),
            ("list: 100 of it", &|_| format!("{API}?limit=100")),
            ("list: 100, deep in", &|n| format!("{API}?limit=100&offset={}", mix(1, n) % sessions)),
            ("list: dearest first", &|_| format!("{API}?sort=-total_cost")),
            ("list: half of the time", &|_| format!("{API}?start={since}")),
            ("list: one agent of eight", &|_| format!("{API}?agent=writer-agent")),
            ("list: failed", &|_| format!("{API}?status=error")),
            ("list: search, one hit", &|n| format!("{API}?search={}", &session_id(mix(2, n) % sessions)[8..])),
            ("list: search, many hits", &|n| format!("{API}?search={:02x}", mix(3, n) % 256)),
            ("detail", &|n| format!("{API}{}/", session_id(mix(4, n) % sessions))),
        ];
        let mut client = connect(api).await?;
        for (name, path) in paths {
            let mut latencies = Vec::new();
            for n in 0..REQUESTS {
                let start = Instant::now();
                get(&mut client, &path(n)).await?;
                latencies.push(start.elapsed());
            }
            latencies.sort_unstable();
            let ms = |rank: u64| latencies[rank as usize].as_secs_f64() * 1e3;
            println!("{name:<42} {:>9.2} {:>9.2} {:>9.2}", ms(REQUESTS / 2), ms(REQUESTS * 99 / 100), ms(REQUESTS - 1));
        }
        Ok::<_, Failure>(())
    })?;
    receiver.end()?;
    Ok(())
}

/// Waits until what was sent has reached the disk index and the server has nothing left to do.
async fn rest(receiver: &Receiver) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    let mut quiet = 0;
    let mut before = usage::cpu_seconds(receiver.pid())?;
    while quiet < CHECKPOINT_SECONDS + 2 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = usage::cpu_seconds(receiver.pid())?;
        quiet = if now - before < 0.05 { quiet + 1 } else { 0 };
        before = now;
    }
    Ok(())
}

type Client = http1::SendRequest<Empty<Bytes>>;

async fn connect(api: SocketAddr) -> Result<Client, Failure> {
    let stream = TcpStream::connect(api).await?;
    stream.set_nodelay(true)?;
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn get(client: &mut Client, path: &str) -> Result<Bytes, Failure> {
    client.ready().await?;
    let request = Request::get(path).header("host", "localhost").body(Empty::new())?;
    let response = client.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status != 200 {
        return Err(format!("{status} for {path}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(body)
}

pub async fn wait_for(api: SocketAddr, sessions: u64) -> Result<(), Failure> {
    let mut client = connect(api).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page: serde_json::Value = serde_json::from_slice(&get(&mut client, &format!("{API}?limit=1")).await?)?;
        if page["count"].as_u64() >= Some(sessions) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("only {} of {sessions} sessions are listed", page["count"]).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
