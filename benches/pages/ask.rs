//! Asking as a browser does, and what each answer took.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::process::{Failure, Receiver};
use super::usage;

pub struct Question {
    pub name: String,
    pub path: String,
    pub goal: Option<Goal>,
}

/// What a figure is to stay below.
#[derive(Clone, Copy)]
pub enum Goal {
    FirstByteMs(f64),
    CpuMs(f64),
    /// On the wire.
    Kilobytes(f64),
}

/// What one answer took.
struct Taken {
    first_byte_ms: f64,
    cpu_ms: f64,
    kilobytes: f64,
}

type Client = SendRequest<Full<Bytes>>;

pub async fn measure(receiver: &Receiver, questions: &[Question], n_requests: u64) -> Result<(), Failure> {
    let mut client = connect(receiver.api.ok_or("sessionfold has an API")?).await?;
    println!("{:<28} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}   of goal", "", "1st ms", "byte p50", "p99", "CPU p50", "p99", "kB");
    for question in questions {
        // What the first question has to make is kept for the others.
        let first = ask(receiver, &mut client, &question.path).await?;
        let mut all = Vec::new();
        for _ in 0..n_requests {
            all.push(ask(receiver, &mut client, &question.path).await?);
        }
        let at = |of: fn(&Taken) -> f64, share: f64| {
            let mut figures: Vec<_> = all.iter().map(of).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures[((figures.len() - 1) as f64 * share) as usize]
        };
        let (byte, cpu, kilobytes) =
            (at(|taken| taken.first_byte_ms, 0.5), at(|taken| taken.cpu_ms, 0.5), at(|taken| taken.kilobytes, 0.5));
        let of_goal = match question.goal {
            None => String::new(),
            Some(Goal::FirstByteMs(ms)) => format!("{:.2} of {ms} ms to the first byte", byte / ms),
            Some(Goal::CpuMs(ms)) => format!("{:.2} of {ms} ms of CPU", cpu / ms),
            Some(Goal::Kilobytes(goal)) => format!("{:.2} of {goal} kB", kilobytes / goal),
        };
        println!(
            "{:<28} {:>9.1} {byte:>9.2} {:>9.2} {cpu:>9.2} {:>9.2} {kilobytes:>9.1}   {of_goal}",
            question.name,
            first.first_byte_ms,
            at(|taken| taken.first_byte_ms, 0.99),
            at(|taken| taken.cpu_ms, 0.99),
        );
    }
    Ok(())
}

/// Waits until so many sessions are listed.
pub async fn wait_for(api: SocketAddr, sessions: u64, patience: Duration) -> Result<(), Failure> {
    let mut client = connect(api).await?;
    let deadline = Instant::now() + patience;
    loop {
        client.ready().await?;
        let answer = client.send_request(get("/api/v1/observability/sessions/?limit=1")?).await?;
        let page: serde_json::Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
        if page["count"].as_u64() >= Some(sessions) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("only {} of {sessions} sessions are listed", page["count"]).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn connect(addr: SocketAddr) -> Result<Client, Failure> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let (client, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn get(path: &str) -> Result<Request<Full<Bytes>>, Failure> {
    let request = Request::get(path).header(header::HOST, "localhost").header(header::ACCEPT_ENCODING, "gzip, br");
    Ok(request.body(Full::default())?)
}

async fn ask(receiver: &Receiver, client: &mut Client, path: &str) -> Result<Taken, Failure> {
    client.ready().await?;
    let cpu_before = cpu_ms(receiver)?;
    let began = Instant::now();
    let answer = client.send_request(get(path)?).await?;
    let status = answer.status();
    let mut body = answer.into_body();
    let (mut first_byte, mut n_bytes) = (None, 0);
    while let Some(frame) = body.frame().await {
        first_byte.get_or_insert_with(|| began.elapsed());
        n_bytes += frame?.data_ref().map_or(0, Bytes::len);
    }
    if status != StatusCode::OK {
        return Err(format!("{status} for {path}").into());
    }
    Ok(Taken {
        first_byte_ms: first_byte.unwrap_or_else(|| began.elapsed()).as_secs_f64() * 1e3,
        cpu_ms: cpu_ms(receiver)? - cpu_before,
        kilobytes: n_bytes as f64 / 1e3,
    })
}

fn cpu_ms(receiver: &Receiver) -> Result<f64, Failure> {
    Ok(usage::threads(receiver.pid())?.values().sum::<f64>() * 1e3)
}
