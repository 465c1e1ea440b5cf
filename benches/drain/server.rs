//! sessionfold in a process of its own, over a data directory that is kept from one start to the next.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sessionfold::journal::{Journal, Options, PositionFile};

pub type Failure = Box<dyn Error>;

pub struct Server {
    child: Child,
    pub grpc: SocketAddr,
    http: SocketAddr,
}

// === impl Server ===

impl Server {
    /// Forwards to `tempo`, if anywhere. Traces leave memory as soon as they may.
    pub fn start(bin: &Path, data: &Path, tempo: Option<SocketAddr>) -> Result<Self, Failure> {
        let mut command = Command::new(bin);
        command.env_clear().arg("serve").arg("--data-dir").arg(data);
        command.args(["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let settings = [
            ("LOG_LEVEL", "info"),
            ("FOLD_OPEN_TRACE_IDLE", "1s"),
            ("FOLD_CHECKPOINT_INTERVAL", "2s"),
            ("RETENTION_RAW_MAX_BYTES", "256MiB"),
        ];
        for (key, value) in settings {
            command.env(format!("SESSIONFOLD_{key}"), value);
        }
        if let Some(tempo) = tempo {
            command.args(["--tempo", &format!("http://{tempo}")]);
        }
        let log = data.with_extension("log");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut ready = String::new();
        BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut ready)?;
        let ready: serde_json::Value =
            serde_json::from_str(&ready).map_err(|_| format!("it did not start: {}", std::fs::read_to_string(&log).unwrap_or_default()))?;
        let addr = |key: &str| ready[key].as_str().ok_or("no address")?.parse::<SocketAddr>().map_err(Failure::from);
        Ok(Self { grpc: addr("otlp_grpc")?, http: addr("http")?, child })
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) -> Result<(), Failure> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        Ok(())
    }

    pub fn wait_for_sessions(&self, sessions: u64, patience: Duration) -> Result<(), Failure> {
        let is_there = || {
            let page: serde_json::Value = serde_json::from_str(&self.get("/api/v1/observability/sessions/?limit=1")?)?;
            Ok(page["count"].as_u64() >= Some(sessions))
        };
        self.wait("the sessions are listed", patience, is_there)
    }

    /// Waits until every trace has left memory.
    pub fn wait_until_evicted(&self, patience: Duration) -> Result<(), Failure> {
        // The gauge is that of the last look at what is idle, one every ten seconds: it must be one of after the last trace came.
        std::thread::sleep(Duration::from_secs(25));
        let is_evicted = || Ok(self.get("/metrics")?.lines().any(|line| line == "sessionfold_store_open_traces 0"));
        self.wait("every trace has left memory", patience, is_evicted)
    }

    fn wait(&self, what: &str, patience: Duration, is_so: impl Fn() -> Result<bool, Failure>) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        while !is_so()? {
            if Instant::now() > deadline {
                return Err(format!("never: {what}").into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.http)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
        if !head.contains(" 200 ") {
            return Err(format!("{path}: {head}").into());
        }
        Ok(body.to_owned())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where it was stopped there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Notes that Tempo has everything that is in the journal.
pub fn call_forwarded(data: &Path) -> Result<(), Failure> {
    let (journal, _) = Journal::open(&data.join("journal"), Options { segment_bytes: 64 << 20, max_bytes: 8 << 30, tail_bytes: 1 << 20 })?;
    let end = journal.end();
    journal.close();
    for name in ["forwarded.position", "forwarding.position"] {
        PositionFile::open(&data.join(name))?.set(end)?;
    }
    Ok(())
}

/// A port that nobody listens on now.
pub fn free_port() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
