//! The facts, section by section, under the names that the page and the JSON have for them.

use super::facts::{Facts, TempoState};
use crate::config::Config;
use crate::model::build;
use crate::model::status::{Scope, Section, Value};
use crate::model::time::Nanos;
use crate::store::local::TenantFacts;

pub(super) fn sections(config: &Config, facts: &Facts, scope: Scope, own: TenantFacts) -> Vec<Section> {
    let mut sections = vec![server(facts, scope), journal(facts), fold(facts), checkpoint(facts)];
    sections.push(tempo(config, facts, scope));
    sections.push(retention(config, facts, scope, own));
    sections.extend(memory(facts));
    sections.push(counts(facts, scope, own));
    sections
}

fn server(facts: &Facts, scope: Scope) -> Section {
    let section = Section::new("server", "Server")
        .with("ready", "Ready", facts.not_ready.is_none())
        .with("version", "Version", build::VERSION)
        .with_or("revision", "Built from commit", build::REVISION, "not known to this build")
        .with("rustc", "Built with Rust", build::RUSTC)
        .with("started_at", "Started", facts.started_at)
        .with("uptime_seconds", "Up for", facts.uptime);
    if scope == Scope::Tenant {
        return section;
    }
    let [otlp_grpc, otlp_http, http] = facts.addresses.map(|address| address.to_string());
    section.with("otlp_grpc", "OTLP gRPC listens on", otlp_grpc).with("otlp_http", "OTLP HTTP listens on", otlp_http).with(
        "http",
        "Pages and API listen on",
        http,
    )
}

fn journal(facts: &Facts) -> Section {
    let journal = &facts.journal;
    Section::new("journal", "Journal")
        .with("stopped", "Stopped by a failed write", journal.is_poisoned)
        .with("used_bytes", "On disk", Value::Bytes(journal.used_bytes))
        .with("max_bytes", "At most", Value::Bytes(journal.max_bytes))
        .with_or("oldest_at", "Oldest record came", journal.oldest, "it is empty")
        .with("start_position", "Begins at position", Value::Count(journal.start.0))
        .with("end_position", "Ends at position", Value::Count(journal.end.0))
}

fn fold(facts: &Facts) -> Section {
    let fold = &facts.fold;
    Section::new("fold", "From accepted to visible")
        .with("running", "Running", facts.store.fold_problem.is_none())
        .with("lag_bytes", "Accepted and not visible yet", Value::Bytes(fold.lag_bytes))
        .with("lag_seconds", "The oldest of that has waited", fold.lag)
        .with("catch_up_seconds", "Visible in", fold.catch_up)
        .with("position", "Visible up to position", Value::Count(fold.position.0))
}

fn checkpoint(facts: &Facts) -> Section {
    let behind = facts.fold.position.0.saturating_sub(facts.fold.checkpointed.0);
    let age = facts.store.last_checkpoint.map(|at| facts.at.since(at));
    Section::new("checkpoint", "Checkpoints of the index")
        .with("failing", "Failing", facts.store.checkpoint_problem.is_some())
        .with_or("last_at", "Last written", facts.store.last_checkpoint, "none since the start")
        .with_or("age_seconds", "Age of that", age, "none since the start")
        .with("position", "Covers the journal up to position", Value::Count(facts.fold.checkpointed.0))
        .with("behind_bytes", "A restart would read again", Value::Bytes(behind))
}

fn tempo(config: &Config, facts: &Facts, scope: Scope) -> Section {
    let section = Section::new("tempo", "Tempo");
    let Some(tempo) = &facts.tempo else { return section.with("forwarding", "Spans are forwarded", false) };
    let state = match tempo.state {
        TempoState::Up => "up",
        TempoState::Away => "away",
        TempoState::Untried => "nothing sent yet",
    };
    let section = section
        .with("forwarding", "Spans are forwarded", true)
        .with("state", "State", state)
        .with("lag_bytes", "Waiting in the journal", Value::Bytes(tempo.lag_bytes))
        .with_or("oldest_waiting_seconds", "The oldest of that has waited", tempo.oldest_waiting, "nothing waits")
        .with("rate_bytes_per_second", "Taken in a second", Value::Bytes(tempo.rate_bytes_per_s))
        .with_or("drain_seconds", "Tempo has everything in", tempo.drain, "the backlog is not shrinking")
        .with("held_bytes", "Held until their traces have settled", Value::Bytes(tempo.held_bytes))
        .with("dropped_spans", "Spans refused for good since the start", Value::Count(tempo.dropped_spans));
    if scope == Scope::Tenant {
        return section;
    }
    let query = Some(config.forward.tempo_query.as_str()).filter(|url| !url.is_empty());
    section.with("address", "Address", tempo.address.as_str()).with_or(
        "query_address",
        "Asked for whole spans at",
        query,
        "nowhere: --tempo-query is not set",
    )
}

fn retention(config: &Config, facts: &Facts, scope: Scope, own: TenantFacts) -> Section {
    let retention = &config.retention;
    let max_age = Some(retention.max_age.nanos()).filter(|age| *age > Nanos::ZERO);
    let max_index_bytes = Some(Value::Bytes(retention.max_index_bytes.0)).filter(|_| retention.max_index_bytes.0 > 0);
    let oldest = if scope == Scope::Server { facts.store.oldest_activity } else { own.oldest_activity };
    Section::new("retention", "Retention")
        .with_or("max_age_seconds", "Sessions are kept for", max_age, "kept for ever")
        .with_or("oldest_session_at", "Last activity of the oldest session", oldest, "there is no session")
        .with("index_bytes", "Index database", Value::Bytes(facts.index_bytes))
        .with_or("max_index_bytes", "At most", max_index_bytes, "no limit")
}

fn memory(facts: &Facts) -> Option<Section> {
    let process = facts.process.as_ref()?;
    let cpu = Nanos((process.cpu_seconds * 1e9) as u64);
    let section = Section::new("process", "Process")
        .with("resident_bytes", "Memory in use", Value::Bytes(process.resident_bytes))
        .with("cpu_seconds", "Processor time spent", cpu)
        .with("threads", "Threads", Value::Count(process.threads))
        .with("open_fds", "Open file descriptors", Value::Count(process.open_fds));
    Some(section.with_or("max_fds", "At most", process.max_fds.map(Value::Count), "no limit"))
}

fn counts(facts: &Facts, scope: Scope, own: TenantFacts) -> Section {
    let section = Section::new("counts", "Counts");
    if scope == Scope::Tenant {
        return section.with("sessions", "Your sessions", Value::Count(own.n_sessions));
    }
    section
        .with("tenants", "Tenants", Value::Count(facts.store.n_tenants))
        .with("sessions", "Sessions", Value::Count(facts.store.n_sessions))
        .with("open_traces", "Open traces", Value::Count(facts.store.n_open_traces))
        .with("connections", "Open connections", Value::Count(facts.connections.iter().sum()))
}
