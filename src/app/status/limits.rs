//! What is used of every limit that can be reached while the server runs.

use super::Sources;
use super::facts::Facts;
use crate::bounds::memory::{Standing, Use};
use crate::model::status::{Gauge, NEAR, Scope, Unit};

pub(super) fn gauges(sources: &Sources, facts: &Facts, scope: Scope) -> Vec<Gauge> {
    let (config, budget) = (&sources.config, &sources.budget);
    let bytes =
        |key, label, used, limit, setting, advice| Gauge { key, label, used, limit, unit: Unit::Bytes, near: NEAR, setting, advice };
    let count =
        |key, label, used, limit, setting, advice| Gauge { key, label, used, limit, unit: Unit::Count, near: NEAR, setting, advice };
    let mut gauges = vec![
        bytes(
            "journal",
            "Journal on disk",
            facts.journal.used_bytes,
            facts.journal.max_bytes,
            "journal.max_bytes",
            "When it is full, senders are asked to try again later. It shrinks once the index and Tempo have what is in it.",
        ),
        bytes(
            "receiving",
            "Requests being received",
            facts.inflight_bytes,
            budget.inflight,
            "limits.max_inflight_bytes",
            "Beyond it senders are asked to try again in a second. Send smaller batches, or raise it.",
        ),
        bytes(
            "open_traces",
            "Open traces in memory",
            facts.store.open_trace_bytes,
            budget.open_traces,
            "fold.open_trace_bytes",
            "Beyond it traces go to disk earlier, and late spans cost a read.",
        ),
    ];
    if let Some(tempo) = &facts.tempo {
        gauges.push(bytes(
            "held_spans",
            "Spans held until their traces have settled",
            tempo.held_bytes,
            budget.held_spans,
            "forward.max_held_bytes",
            "Beyond it spans are sent to Tempo earlier, and corrections follow.",
        ));
    }
    if config.retention.max_index_bytes.0 > 0 {
        gauges.push(bytes(
            "index",
            "Index database",
            facts.index_bytes,
            config.retention.max_index_bytes.0,
            "retention.max_index_bytes",
            "Beyond it the oldest sessions are removed.",
        ));
    }
    let names = ["connections_otlp_grpc", "connections_otlp_http", "connections_http"];
    let labels = ["Connections to the OTLP gRPC port", "Connections to the OTLP HTTP port", "Connections to the HTTP port"];
    for ((key, label), open) in names.into_iter().zip(labels).zip(facts.connections) {
        let advice = "Beyond it new connections wait until one closes. Find who opens them, or raise it.";
        gauges.push(count(key, label, open, sources.max_connections as u64, "server.max_connections", advice));
    }
    gauges.extend(facts.memory.iter().filter(|standing| standing.limit_bytes > 0).map(share));
    if let Some(process) = &facts.process {
        let advice = "Beyond it the system ends the process; nothing acknowledged is lost. Give it more, or lower limits.max_memory.";
        gauges.push(bytes(
            "memory",
            "Memory",
            process.resident_bytes,
            facts.memory_available_bytes,
            "the control group, or the machine",
            advice,
        ));
    }
    if let Some(process) = &facts.process
        && let Some(max_fds) = process.max_fds
    {
        let advice = "Without file descriptors no connection is accepted and no file is opened. Raise the limit of the process.";
        gauges.push(count("file_descriptors", "Open file descriptors", process.open_fds, max_fds, "RLIMIT_NOFILE (ulimit -n)", advice));
    }
    // What else is on the disk is the operator's business.
    if scope == Scope::Server
        && let Some((free, all)) = facts.disk
    {
        let advice = "When it is full nothing is accepted. Make room, or move --data-dir.";
        let disk = bytes("disk", "File system of the data directory", all.saturating_sub(free), all, "--data-dir", advice);
        // Most of it is others', and a disk that is well used is no alarm: a tenth left is, as in the alert rules.
        gauges.push(Gauge { near: 0.9, ..disk });
    }
    gauges
}

/// A share of `limits.max_memory`.
fn share(standing: &Standing) -> Gauge {
    let (key, label) = Use::ALL.into_iter().find(|of| of.as_str() == standing.of).map_or(("memory_other", "Memory for other uses"), named);
    Gauge {
        key,
        label,
        used: standing.used_bytes,
        limit: standing.limit_bytes,
        unit: Unit::Bytes,
        near: NEAR,
        setting: "limits.max_memory",
        advice: "Beyond it requests of this kind are answered with 503 and a time to try again. Ask for less at once, or raise it.",
    }
}

fn named(of: Use) -> (&'static str, &'static str) {
    match of {
        Use::Requests => ("memory_requests", "Memory for requests being answered"),
        Use::Answers => ("memory_answers", "Memory for answers not taken yet"),
        Use::Streams => ("memory_streamed_answers", "Memory for answers streamed from disk"),
        Use::Pages => ("memory_live_pages", "Memory for live pages"),
        Use::Sums => ("memory_sums", "Memory for sums over agents and users"),
    }
}
