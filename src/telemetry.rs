//! Layer 7: logs to standard error, and metrics of what has no metrics of its own. Standard output belongs to the ready line.

pub mod build;
pub mod health;
pub mod process;
pub mod stderr;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tracing_subscriber::EnvFilter;

use crate::bounds::memory::Memory;
use crate::config::{Log, LogFormat};
use crate::journal::Journal;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging; called once, before anything logs.
///
/// Errors name the directive that cannot be read.
pub fn init(log: &Log) -> Result<(), String> {
    let filter = filter(log)?;
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => logs.with_ansi(is_terminal).with_target(false).init(),
        LogFormat::Json => logs.json().flatten_event(true).with_target(false).init(),
    }
    Ok(())
}

/// What `log.level` lets through.
///
/// A word alone must be a level: the filter would take any other for the name of a module, and log nothing but that.
pub fn filter(log: &Log) -> Result<EnvFilter, String> {
    let directives: Vec<&str> = log.level.split(',').map(str::trim).collect();
    for directive in &directives {
        let is_level = LEVELS.iter().any(|level| directive.eq_ignore_ascii_case(level));
        if !is_level && !directive.contains('=') {
            let allowed = LEVELS.join(", ");
            return Err(format!("log.level {:?}: {directive:?} is no level; allowed are {allowed}, or module=level", log.level));
        }
    }
    EnvFilter::try_new(directives.join(",")).map_err(|error| format!("log.level {:?}: {error}", log.level))
}

/// Shows the journal under `sessionfold_journal_`; its numbers are read when they are asked for.
pub fn register_journal(journal: &Journal, registry: &mut Registry) {
    registry.register_collector(Box::new(JournalCollector { journal: journal.clone() }));
}

/// Puts what is taken of each share of the memory into `/metrics`; `others` are those that count for themselves: name, limit in bytes (0:
/// none), and what they take now.
pub fn register_memory(memory: &Memory, others: Vec<OtherUse>, registry: &mut Registry) {
    registry.register_collector(Box::new(MemoryCollector { memory: memory.clone(), others }));
}

/// A use of memory that keeps its own count.
pub struct OtherUse {
    pub of: &'static str,
    /// 0: none of its own.
    pub limit_bytes: u64,
    pub used_bytes: Box<dyn Fn() -> u64 + Send + Sync>,
}

struct MemoryCollector {
    memory: Memory,
    others: Vec<OtherUse>,
}

impl std::fmt::Debug for MemoryCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryCollector").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl Collector for MemoryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let others = self.others.iter().map(|other| (other.of, (other.used_bytes)(), other.limit_bytes));
        let taken: Vec<(&str, u64, u64)> = self.memory.standing().map(|it| (it.of, it.used_bytes, it.limit_bytes)).chain(others).collect();
        let mut used = encoder.encode_descriptor("sessionfold_memory_bytes", "Memory taken, by what for", None, MetricType::Gauge)?;
        for (of, used_bytes, _) in &taken {
            ConstGauge::new(*used_bytes).encode(used.encode_family(&[("of", *of)])?)?;
        }
        let help = "Memory that may be taken, by what for";
        let mut limit = encoder.encode_descriptor("sessionfold_memory_limit_bytes", help, None, MetricType::Gauge)?;
        for (of, _, limit_bytes) in taken.iter().filter(|(_, _, limit_bytes)| *limit_bytes > 0) {
            ConstGauge::new(*limit_bytes).encode(limit.encode_family(&[("of", *of)])?)?;
        }
        let help = "Requests refused because the memory for them was taken, by what for";
        let mut refused = encoder.encode_descriptor("sessionfold_memory_refused", help, None, MetricType::Counter)?;
        for it in self.memory.standing() {
            ConstCounter::new(it.n_refused).encode(refused.encode_family(&[("of", it.of)])?)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct JournalCollector {
    journal: Journal,
}

impl Collector for JournalCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let stats = self.journal.stats();
        let (used_bytes, max_bytes) = self.journal.usage();
        let seconds = stats.sync_total().as_secs_f64();
        let counters = [
            ("records", "Records made durable", stats.appended_records()),
            ("record_bytes", "Bytes of the records made durable", stats.appended_bytes()),
            ("syncs", "Calls of fdatasync; records over syncs is the size of a group commit", stats.syncs()),
            ("no_space", "Groups refused because the disk was full", stats.no_space()),
            ("shortages", "Groups refused for want of file descriptors or memory", stats.shortages()),
        ];
        for (name, help, value) in counters {
            let metric = ConstCounter::new(value);
            let name = format!("sessionfold_journal_{name}");
            let descriptor = encoder.encode_descriptor(&name, help, None, metric.metric_type())?;
            metric.encode(descriptor)?;
        }
        let metric = ConstCounter::new(seconds);
        let name = "sessionfold_journal_sync_duration";
        let descriptor = encoder.encode_descriptor(name, "Time spent in fdatasync", Some(&Unit::Seconds), metric.metric_type())?;
        metric.encode(descriptor)?;
        let gauges = [
            ("used", "Space the journal takes on disk", used_bytes),
            ("max", "Space the journal may take; beyond it spans are refused", max_bytes),
        ];
        for (name, help, value) in gauges {
            let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let name = format!("sessionfold_journal_{name}");
            let descriptor = encoder.encode_descriptor(&name, help, Some(&Unit::Bytes), metric.metric_type())?;
            metric.encode(descriptor)?;
        }
        let metric = ConstGauge::new(i64::from(self.journal.is_poisoned()));
        let help = "1 after a failed write, when nothing is accepted until a restart; else 0";
        let descriptor = encoder.encode_descriptor("sessionfold_journal_poisoned", help, None, metric.metric_type())?;
        metric.encode(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;

    fn is_taken(level: &str) -> bool {
        filter(&Log { level: level.into(), format: LogFormat::Text }).is_ok()
    }

    /// `loud` was once taken for the name of a module: the server started and never logged a word.
    #[test]
    fn a_word_that_is_no_level_is_refused_and_not_taken_for_a_module() {
        for level in ["info", "WARN", "off", "info,sessionfold::tempo=debug", "sessionfold=trace", "warn, h2=off"] {
            assert!(is_taken(level), "{level}");
        }
        for level in ["loud", "info,verbose", "warning", "", "info,", "sessionfold::tempo=loud"] {
            assert!(!is_taken(level), "{level:?}");
        }
        let error = filter(&Log { level: "info,loud".into(), format: LogFormat::Text }).unwrap_err();
        assert!(error.contains("log.level") && error.contains("\"loud\"") && error.contains("debug"), "{error}");
    }
}
