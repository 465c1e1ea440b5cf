//! `config/tempo.yaml`: late and long runs must be found, and a real Tempo must take it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{read, yaml};

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn spans_that_come_late_are_found_in_all_three_places_tempo_keeps_them() {
    let tempo = yaml("config/tempo.yaml");
    for (place, wal) in [
        ("live_store", &tempo["live_store"]["wal"]),
        ("block_builder", &tempo["block_builder"]["wal"]),
        ("storage.trace", &tempo["storage"]["trace"]["wal"]),
    ] {
        assert_eq!(wal["ingestion_time_range_slack"], "24h", "{place}");
    }
    let cutoff = humantime::parse_duration(tempo["query_frontend"]["query_end_cutoff"].as_str().unwrap()).unwrap();
    assert!(cutoff <= Duration::from_secs(5), "a run must be found seconds after it ended");
    assert!(
        tempo["overrides"]["defaults"]["ingestion"]["max_traces_per_user"].as_u64().unwrap() >= 100_000,
        "tempo drops traces beyond it and answers OK"
    );
}

#[test]
fn everything_tempo_keeps_is_on_its_volume() {
    for line in read("config/tempo.yaml")
        .lines()
        .filter(|line| line.trim_start().starts_with("path:") || line.contains("_path:") || line.contains("_dir:"))
    {
        assert!(line.contains("/var/tempo"), "{line}");
    }
}

#[test]
fn a_real_tempo_starts_with_the_shipped_settings() {
    let Some(bin) = std::env::var_os("TEMPO_BIN") else {
        writeln!(
            std::io::stderr(),
            "SKIPPED a_real_tempo_starts_with_the_shipped_settings: set TEMPO_BIN to the binary of a Tempo 3 to run it"
        )
        .unwrap();
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let ports: Vec<u16> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).map(|listener| listener.local_addr().unwrap().port()).collect();
    let settings = read("config/tempo.yaml")
        .replace("/var/tempo", dir.path().join("data").to_str().unwrap())
        .replace("0.0.0.0:4317", &format!("127.0.0.1:{}", ports[0]))
        .replace("0.0.0.0", "127.0.0.1")
        .replace("http_listen_port: 3200", &format!("http_listen_port: {}", ports[1]))
        .replace("grpc_listen_port: 9095", &format!("grpc_listen_port: {}", ports[2]));
    let file = dir.path().join("tempo.yaml");
    std::fs::write(&file, settings).unwrap();
    let log = dir.path().join("log");
    let command = Command::new(bin)
        .arg("-target=all")
        .arg(format!("-config.file={}", file.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn();
    let mut tempo = Killed(command.unwrap());
    let begin = Instant::now();
    while !is_ready(ports[1]) {
        assert!(tempo.0.try_wait().unwrap().is_none(), "tempo refused the settings:\n{}", std::fs::read_to_string(&log).unwrap());
        assert!(begin.elapsed() < PATIENCE, "tempo is not ready:\n{}", std::fs::read_to_string(&log).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /ready HTTP/1.0\r\n\r\n").and_then(|()| stream.read_to_string(&mut answer));
    asked.is_ok() && answer.lines().next().is_some_and(|status| status.contains(" 200 "))
}
