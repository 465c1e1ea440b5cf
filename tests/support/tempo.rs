//! A real Tempo, run as a process of its own with ports and a directory of its own.
//!
//! The environment variable `TEMPO_BIN` names the binary of a Tempo 3. Tests that need it are in a target of their own (`tests/tempo/main.rs`), which
//! is run by `.ci/tempo` or `cargo test --test tempo` and by nothing else: a test that cannot run must not count as passed.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sessionfold::tempo::query::{QueryClient, QueryOptions};
use tempfile::TempDir;

/// A place for a Tempo: its ports are known before it runs, so that a test can begin without it.
pub struct Tempo {
    bin: PathBuf,
    dir: TempDir,
    ports: Ports,
    settings: Vec<(&'static str, String)>,
    process: Option<Child>,
}

#[derive(Clone, Copy)]
struct Ports {
    http: u16,
    grpc: u16,
    otlp_grpc: u16,
    otlp_http: u16,
    memberlist: u16,
}

/// How long starting and finding may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

// === impl Tempo ===

impl Tempo {
    /// A Tempo that is not running yet.
    ///
    /// `settings` are environment variables of `tests/forward/tempo.yaml`, for instance `TEMPO_MULTITENANCY`.
    pub fn prepare(settings: &[(&'static str, &str)]) -> Self {
        Self::with_config(include_str!("../forward/tempo.yaml"), settings)
    }

    /// The same with the settings that are shipped, but for ports and directories.
    pub fn as_shipped() -> Self {
        let shipped = include_str!("../../config/tempo.yaml")
            .replace("/var/tempo", "${TEMPO_DIR}")
            .replace("0.0.0.0:4317", "127.0.0.1:${OTLP_GRPC_PORT}")
            .replace("0.0.0.0", "127.0.0.1")
            .replace("http_listen_port: 3200", "http_listen_port: ${HTTP_PORT}")
            .replace("grpc_listen_port: 9095", "grpc_listen_port: ${GRPC_PORT}");
        assert_eq!(
            shipped.matches("${").count(),
            3 + shipped.matches("${TEMPO_DIR}").count(),
            "a port or an address is set in another way now"
        );
        Self::with_config(&shipped, &[])
    }

    fn with_config(config: &str, settings: &[(&'static str, &str)]) -> Self {
        let bin = std::env::var_os("TEMPO_BIN").expect("TEMPO_BIN must name the binary of a Tempo 3: these tests need one");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tempo.yaml"), config).unwrap();
        let settings = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Self { bin: bin.into(), dir, ports: Ports::free(), settings, process: None }
    }

    /// Another setting, from its next start on.
    pub fn set(&mut self, variable: &'static str, value: &str) {
        self.settings.retain(|(held, _)| *held != variable);
        self.settings.push((variable, value.to_owned()));
    }

    /// Runs it, and returns once it is ready.
    pub async fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let process = Command::new(&self.bin)
            .arg(format!("-config.file={}", self.dir.path().join("tempo.yaml").display()))
            .args(["-target=all", "-config.expand-env=true"])
            .env("TEMPO_DIR", self.dir.path().join("data"))
            .env("HTTP_PORT", self.ports.http.to_string())
            .env("GRPC_PORT", self.ports.grpc.to_string())
            .env("OTLP_GRPC_PORT", self.ports.otlp_grpc.to_string())
            .env("OTLP_HTTP_PORT", self.ports.otlp_http.to_string())
            .env("MEMBERLIST_PORT", self.ports.memberlist.to_string())
            .envs(self.settings.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        self.until("tempo is ready", async || matches!(self.get("/ready", &[]).await, Ok((200, _)))).await;
    }

    /// SIGTERM: it stores what it has taken. What is left of it after some seconds is killed, as a container's runtime does; by then all is stored.
    pub async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        super::server::signal(process.id());
        let began = Instant::now();
        while process.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(8) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let _ = process.kill();
        let _ = process.wait();
    }

    /// As `kill -9` does: what it took in its last seconds is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Where it takes OTLP gRPC.
    pub fn otlp_endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.ports.otlp_grpc)
    }

    /// Where it answers queries.
    pub fn query_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.http)
    }

    /// Our own client of its query API.
    pub fn query_client(&self) -> QueryClient {
        let options = QueryOptions { url: self.query_url(), ca: None, headers: Vec::new(), send_tenant: false, timeout: PATIENCE };
        QueryClient::new(&options).unwrap()
    }

    /// The status and body of a GET; `path` must be percent-encoded.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<(u16, Bytes), String> {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = http::Request::get(format!("{}{path}", self.query_url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = client.request(request.body(Empty::new()).unwrap()).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }

    /// How many searches it has answered, and how many traces it was asked for by their ids, as its metrics say.
    pub async fn n_asked(&self) -> (u64, u64) {
        let metrics = String::from_utf8(self.get("/metrics", &[]).await.unwrap().1.to_vec()).unwrap();
        let counts = metrics.lines().filter_map(|line| line.strip_prefix("tempo_request_duration_seconds_count{")?.rsplit_once(' '));
        let n_of = |routes: &[&str]| {
            let of_route = counts.clone().filter(|(labels, _)| routes.iter().any(|route| labels.contains(&format!("route=\"{route}\""))));
            of_route.map(|(_, count)| count.parse::<u64>().unwrap()).sum()
        };
        (n_of(&["/tempopb.StreamingQuerier/Search", "api_search"]), n_of(&["api_traces_traceid", "api_v2_traces_traceid"]))
    }

    /// Asks again and again until it is so; fails with the end of Tempo's log.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let began = Instant::now();
        while !is_so().await {
            assert!(began.elapsed() < PATIENCE, "never: {what}; the end of tempo's log:\n{}", self.log_tail());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Tempo {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

// === impl Ports ===

impl Ports {
    fn free() -> Self {
        // All five are held at once, so that they differ.
        let listeners: Vec<TcpListener> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        Self { http: ports[0], grpc: ports[1], otlp_grpc: ports[2], otlp_http: ports[3], memberlist: ports[4] }
    }
}
