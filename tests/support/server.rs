//! The real binary as a process of its own, with a directory and ports of its own.
//!
//! ```ignore
//! let place = Place::new().set("fold.checkpoint_interval", "200ms");
//! let server = place.start().await;
//! server.send(request([agent(1, 1, 0, "planner").session("s")])).await.unwrap();
//! let list = server.json("/api/v1/observability/sessions/").await;
//! server.kill().await; // as kill -9 does
//! let server = place.start().await; // on the same data
//! assert_eq!(server.terminate().await.code, Some(0));
//! ```

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// How long anything may take on a busy machine before the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const SESSIONS: &str = "/api/v1/observability/sessions/";

/// A data directory and settings; servers are started in it one after another.
pub struct Place {
    dir: TempDir,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    /// The limit of open files, soft and hard, if it is not the test's own.
    open_files: Option<u32>,
}

/// A process that has not said yet that it is ready.
pub struct Starting {
    process: Child,
    ready: oneshot::Receiver<String>,
    log: PathBuf,
}

/// A server that is ready. Killed when dropped.
pub struct Server {
    process: Child,
    pub otlp_grpc: SocketAddr,
    pub otlp_http: SocketAddr,
    pub http: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    log: PathBuf,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    /// Everything that any server of the place wrote there.
    pub stderr: String,
    pub took: Duration,
}

/// An answer, read to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// `X-Index-Lag`, in seconds.
    pub index_lag: Option<u64>,
    pub text: String,
}

// === impl Place ===

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), arguments: Vec::new(), settings: Vec::new(), open_files: None }
    }

    /// One setting by its name in the configuration file, for instance `fold.checkpoint_interval`.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        let variable = format!("SESSIONFOLD_{}", key.replace('.', "_").to_ascii_uppercase());
        self.settings.retain(|(held, _)| *held != variable);
        self.settings.push((variable, value.to_owned()));
        self
    }

    pub fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// A configuration file with this text.
    pub fn config(self, toml: &str) -> Self {
        let path = self.dir.path().join("sessionfold.toml");
        std::fs::write(&path, toml).unwrap();
        self.argument("--config").argument(path.to_str().unwrap())
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The segments of the journal, oldest first.
    pub fn segments(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.data().join("journal")).unwrap();
        let mut paths: Vec<_> =
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "journal")).collect();
        paths.sort();
        paths
    }

    /// Everything that servers of this place have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Starts a server and returns at its ready line.
    pub async fn start(&self) -> Server {
        self.spawn().ready().await
    }

    /// Starts a server without waiting for it.
    pub fn spawn(&self) -> Starting {
        let log = self.dir.path().join("log");
        let stderr = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let binary = env!("CARGO_BIN_EXE_sessionfold");
        let mut command = match self.open_files {
            None => Command::new(binary),
            Some(limit) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\""), binary]);
                shell
            }
        };
        let mut process = command
            .env_clear()
            .env("SESSIONFOLD_DATA_DIR", self.data())
            .env("SESSIONFOLD_OTLP_GRPC", "127.0.0.1:0")
            .env("SESSIONFOLD_OTLP_HTTP", "127.0.0.1:0")
            .env("SESSIONFOLD_HTTP", "127.0.0.1:0")
            .envs(self.settings.iter().map(|(key, value)| (key, value)))
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, ready) = oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // An end without a line drops the sender, which tells.
            if stdout.read_line(&mut line).is_ok_and(|n_bytes| n_bytes > 0) {
                let _ = sender.send(line);
            }
            let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        });
        Starting { process, ready, log }
    }

    /// Starts a server that is expected not to run, and waits for its end.
    pub async fn fail(&self) -> Ended {
        let mut starting = self.spawn();
        ended(&mut starting.process, &starting.log).await
    }
}

// === impl Starting ===

impl Starting {
    pub async fn ready(mut self) -> Server {
        let line = match tokio::time::timeout(PATIENCE, &mut self.ready).await {
            Ok(Ok(line)) => line,
            other => panic!("no ready line ({other:?}); its log ends:\n{}", tail(&self.log)),
        };
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(line["event"], "ready");
        let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let log = self.log.clone();
        let process = self.process;
        Server { otlp_grpc: address("otlp_grpc"), otlp_http: address("otlp_http"), http: address("http"), process, client, log }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGTERM, and the end that follows.
    pub async fn terminate(mut self) -> Ended {
        signal(self.id());
        ended(&mut self.process, &self.log).await
    }

    /// As `kill -9` does; whether it had become ready.
    pub fn kill(mut self) -> bool {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.ready.try_recv().is_ok()
    }
}

// === impl Server ===

impl Server {
    /// How others reach it; [`RemoteServer::with_key`] makes it one tenant's.
    pub fn client(&self) -> RemoteServer {
        RemoteServer { otlp_http: self.otlp_http, http: self.http, key: None, client: self.client.clone() }
    }

    /// Sends an encoded trace request over OTLP HTTP; an error says why it is not known to be accepted.
    pub async fn send(&self, request: Bytes) -> Result<(), String> {
        self.client().send(request).await
    }

    /// An encoded OTLP request of any signal, to its path.
    pub async fn post_otlp(&self, path: &str, request: Bytes) -> Answer {
        let to = format!("http://{}{path}", self.otlp_http);
        let headers = [("content-type", "application/x-protobuf")];
        self.client().request(Method::POST, &to, &headers, request).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.client().call(Method::GET, path).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.client().call(Method::DELETE, path).await
    }

    /// The JSON of a path that answers 200.
    pub async fn json(&self, path: &str) -> Value {
        self.client().json(path).await
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// As `kill -9` does. Returns once it is gone.
    pub async fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM.
    pub fn ask_to_stop(&self) {
        signal(self.id());
    }

    /// SIGTERM, and the end that follows.
    pub async fn terminate(self) -> Ended {
        self.ask_to_stop();
        self.ended().await
    }

    pub async fn ended(mut self) -> Ended {
        ended(&mut self.process, &self.log).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

// === clients ===

/// How to reach a server, without owning its process.
#[derive(Clone)]
pub struct RemoteServer {
    pub otlp_http: SocketAddr,
    pub http: SocketAddr,
    /// Sent as `X-Wax-Key`.
    key: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl RemoteServer {
    pub fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// As [`Server::send`].
    pub async fn send(&self, request: Bytes) -> Result<(), String> {
        let to = format!("http://{}/v1/traces", self.otlp_http);
        let answer = self.request(Method::POST, &to, &[("content-type", "application/x-protobuf")], request).await?;
        // A partial success has a body.
        if answer.status != StatusCode::OK || !answer.text.is_empty() {
            return Err(format!("{} {:?}", answer.status, answer.text));
        }
        Ok(())
    }

    pub async fn call(&self, method: Method, path: &str) -> Answer {
        let to = format!("http://{}{path}", self.http);
        self.request(method, &to, &[], Bytes::new()).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }

    /// A request that only asks is asked again where it has no answer for some seconds: the client may have opened a connection that a server
    /// without room never accepts, while the one that is there came free a moment later.
    pub async fn request(&self, method: Method, to: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer, String> {
        let n_tries = if method == Method::GET { 6 } else { 1 };
        for _ in 0..n_tries {
            let once = self.request_once(method.clone(), to, headers, body.clone());
            if let Ok(answer) = tokio::time::timeout(PATIENCE / n_tries, once).await {
                return answer;
            }
        }
        Err(format!("no answer within {PATIENCE:?}"))
    }

    async fn request_once(&self, method: Method, to: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(to);
        for (name, value) in headers.iter().copied().chain(self.key.as_deref().map(|key| ("x-wax-key", key))) {
            request = request.header(name, value);
        }
        let response = self.client.request(request.body(Full::new(body)).unwrap()).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let index_lag = response.headers().get("x-index-lag").and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status, index_lag, text: String::from_utf8_lossy(&body).into_owned() })
    }
}

// === impl Answer ===

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

// === waiting ===

/// Asks again and again until it is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// SIGTERM, by the shell: the standard library knows only SIGKILL.
pub fn signal(process: u32) {
    let sent = Command::new("/bin/sh").args(["-c", &format!("kill -TERM {process}")]).status().unwrap();
    assert!(sent.success());
}

async fn ended(process: &mut Child, log: &Path) -> Ended {
    let began = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            let stderr = std::fs::read_to_string(log).unwrap_or_default();
            return Ended { code: status.code(), stderr, took: began.elapsed() };
        }
        if began.elapsed() > PATIENCE {
            let _ = process.kill();
            let _ = process.wait();
            panic!("it does not end; its log ends:\n{}", tail(log));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn tail(log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
