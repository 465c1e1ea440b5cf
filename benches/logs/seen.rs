//! What the list says of all sessions together.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::load::logs::Sums;
use super::process::Failure;

const PAGE: u64 = 100;

/// Until the list has exactly this.
pub fn wait_for(api: SocketAddr, expected: &Sums, patience: Duration) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let deadline = Instant::now() + patience;
        loop {
            // Asked once before all pages are read: reading them is work for the server, too.
            let seen = match count(api).await? {
                sessions if sessions < expected.sessions => Sums { sessions, ..Sums::default() },
                _ => all(api).await?,
            };
            // The list knows nothing of spans.
            if seen == (Sums { spans: 0, ..*expected }) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the list has {seen:?}, sent was {expected:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
}

async fn count(api: SocketAddr) -> Result<u64, Failure> {
    let page = get(&mut connect(api).await?, 0, 1).await?;
    Ok(number(&page, "count"))
}

async fn all(api: SocketAddr) -> Result<Sums, Failure> {
    let mut client = connect(api).await?;
    let mut sums = Sums::default();
    loop {
        let page = get(&mut client, sums.sessions, PAGE).await?;
        let sessions = page["results"].as_array().ok_or("a page without results")?;
        if sessions.is_empty() {
            return Ok(sums);
        }
        for session in sessions {
            sums.sessions += 1;
            sums.runs += number(session, "run_count");
            sums.tokens += number(session, "total_tokens");
            sums.cost_nanos += (session["total_cost"].as_f64().ok_or("a session without a cost")? * 1e9).round() as u64;
        }
    }
}

fn number(of: &Value, key: &str) -> u64 {
    of[key].as_u64().unwrap_or_default()
}

type Client = http1::SendRequest<Empty<Bytes>>;

async fn connect(api: SocketAddr) -> Result<Client, Failure> {
    let (client, connection) = http1::handshake(TokioIo::new(TcpStream::connect(api).await?)).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn get(client: &mut Client, offset: u64, limit: u64) -> Result<Value, Failure> {
    client.ready().await?;
    let path = format!("/api/v1/observability/sessions/?sort=session_id&limit={limit}&offset={offset}");
    let response = client.send_request(Request::get(&path).header("host", "localhost").body(Empty::new())?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status != 200 {
        return Err(format!("{status} for {path}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(serde_json::from_slice(&body)?)
}
