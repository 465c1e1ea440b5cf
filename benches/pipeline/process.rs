//! A receiver in a process of its own: started on free ports with an empty directory, watched through `/proc`, and ended.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of `utime` and `stime` in `/proc/<pid>/stat`: `USER_HZ`, 100 on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

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

    /// User and system time so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64, Failure> {
        Ok(self.stat()?.1)
    }

    /// CPU seconds so far of its threads, by their names.
    pub fn threads(&self) -> Result<BTreeMap<String, f64>, Failure> {
        let mut threads = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?.path();
            // A thread may end while it is looked at.
            let (Ok(name), Ok(times)) = (std::fs::read_to_string(task.join("comm")), std::fs::read_to_string(task.join("schedstat")))
            else {
                continue;
            };
            let on_cpu_ns: f64 = times.split(' ').next().unwrap_or_default().parse()?;
            *threads.entry(name.trim().to_owned()).or_default() += on_cpu_ns / 1e9;
        }
        Ok(threads)
    }

    /// Resident memory now and at most, in MiB.
    pub fn rss_mib(&self) -> Result<(f64, f64), Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let mib = |key: &str| kib(key).map(|kib| kib / 1024.0).ok_or_else(|| format!("no {key} of the process"));
        Ok((mib("VmRSS:")?, mib("VmHWM:")?))
    }

    /// Asks it to stop and reads what it had cost when it was gone: its last checkpoint is part of the price.
    pub fn end(mut self) -> Result<Ended, Failure> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let deadline = Instant::now() + PATIENCE;
        // A process that has ended and was not waited for keeps its times.
        while self.stat()?.0 != 'Z' {
            if Instant::now() > deadline {
                return Err("it does not stop".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let cpu_seconds = self.cpu_seconds()?;
        self.child.wait()?;
        Ok(Ended { cpu_seconds })
    }

    /// Its state, and its user and system time in seconds.
    fn stat(&self) -> Result<(char, f64), Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold anything.
        let (_, rest) = stat.rsplit_once(") ").ok_or("an odd /proc/<pid>/stat")?;
        let fields: Vec<_> = rest.split(' ').collect();
        let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).ok_or("an odd /proc/<pid>/stat");
        let state = rest.chars().next().ok_or("an odd /proc/<pid>/stat")?;
        Ok((state, (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
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
