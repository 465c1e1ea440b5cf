//! A receiver in a process of its own: started on free ports with an empty directory, watched through `/proc`, and ended.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::usage;

/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The default of `fold.checkpoint_interval`.
pub const CHECKPOINT_SECONDS: u32 = 15;

pub type Failure = Box<dyn Error>;

pub struct Receiver {
    child: Child,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    /// The API; only of sessionfold.
    pub api: Option<SocketAddr>,
    _dir: TempDir,
}

/// What it cost from start to end.
pub struct Ended {
    pub cpu_seconds: f64,
}

// === impl Receiver ===

impl Receiver {
    /// sessionfold, forwarding to `sink` if there is one.
    pub fn sessionfold(bin: &Path, sink: Option<SocketAddr>) -> Result<Self, Failure> {
        Self::sessionfold_stamping(bin, sink, true)
    }

    /// The same, with stamps or without.
    pub fn sessionfold_stamping(bin: &Path, sink: Option<SocketAddr>, stamp: bool) -> Result<Self, Failure> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(bin);
        command.env_clear().arg("serve").arg("--data-dir").arg(dir.path().join("data"));
        command
            .args(["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .env("SESSIONFOLD_LOG_LEVEL", "warn");
        if !stamp {
            command.env("SESSIONFOLD_FORWARD_STAMP", "false");
        }
        if let Some(sink) = sink {
            command.args(["--tempo", &format!("http://{sink}")]);
        }
        let log = dir.path().join("log");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut ready = String::new();
        let stdout = child.stdout.take().ok_or("no standard output")?;
        BufReader::new(stdout).read_line(&mut ready)?;
        let ready: serde_json::Value =
            serde_json::from_str(&ready).map_err(|_| format!("it did not start: {}", std::fs::read_to_string(&log).unwrap_or_default()))?;
        let addr = |key: &str| ready[key].as_str().ok_or("no address")?.parse::<SocketAddr>().map_err(Failure::from);
        Ok(Self { grpc: addr("otlp_grpc")?, http: addr("otlp_http")?, api: Some(addr("http")?), child, _dir: dir })
    }

    /// The OpenTelemetry Collector with its batch processor, as the reference configuration of `docs/performance.md` has it.
    pub fn otelcol(bin: &Path, sink: SocketAddr) -> Result<Self, Failure> {
        let dir = tempfile::tempdir()?;
        let (grpc, http) = (free_port()?, free_port()?);
        let config = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{grpc}', max_recv_msg_size_mib: 64}}, http: {{endpoint: '{http}'}}}}}}}}\n\
             processors: {{batch: {{send_batch_size: 8192, timeout: 200ms}}}}\n\
             exporters: {{otlp: {{endpoint: '{sink}', compression: none, tls: {{insecure: true}}}}}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}\n  \
             pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}}}\n"
        );
        let path = dir.path().join("otelcol.yaml");
        std::fs::write(&path, config)?;
        let child = Command::new(bin).arg("--config").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let receiver = Self { child, grpc, http, api: None, _dir: dir };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(grpc).and(TcpStream::connect(http)).is_err() {
            if Instant::now() > deadline {
                return Err("the collector does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(receiver)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and reads what it had cost when it was gone: its last checkpoint is part of the price.
    pub fn end(mut self) -> Result<Ended, Failure> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let deadline = Instant::now() + PATIENCE;
        // A process that has ended and was not waited for keeps its times.
        while usage::state_and_cpu(self.child.id())?.0 != 'Z' {
            if Instant::now() > deadline {
                return Err("it does not stop".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let cpu_seconds = usage::cpu_seconds(self.child.id())?;
        self.child.wait()?;
        Ok(Ended { cpu_seconds })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Only where something failed before `end`.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn free_port() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
