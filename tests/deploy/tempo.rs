//! `config/tempo.yaml`: late and long runs must be found. That a real Tempo takes it is tested by `tests/tempo/newcomer.rs`.

use std::time::Duration;

use sessionfold::demo::traffic;

use super::{read, yaml};

#[test]
fn spans_that_come_late_are_found_in_all_three_places_tempo_keeps_them() {
    let tempo = yaml("config/tempo.yaml");
    for (place, wal) in [
        ("live_store", &tempo["live_store"]["wal"]),
        ("block_builder", &tempo["block_builder"]["wal"]),
        ("storage.trace", &tempo["storage"]["trace"]["wal"]),
    ] {
        assert_eq!(wal["ingestion_time_range_slack"], "24h", "{place}");
        let slack = humantime::parse_duration(wal["ingestion_time_range_slack"].as_str().unwrap()).unwrap();
        assert!(traffic::SPREAD + Duration::from_secs(3600) <= slack, "what `sessionfold demo` sends would not be found in Grafana");
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
