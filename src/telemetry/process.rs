//! What the operating system says of this process, under the names that Prometheus' own clients use (`process_…`).
//!
//! Read when asked for. Where there is no `/proc`, nothing is shown.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

/// What was read at one moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ProcessFacts {
    /// User and system time together.
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    pub open_fds: u64,
    /// The soft limit; `None`: unlimited.
    pub max_fds: Option<u64>,
    pub threads: u64,
    /// Seconds since 1970.
    pub started_at_seconds: f64,
}

/// Shows them under `process_`.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
}

/// Reads them; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn facts() -> Option<ProcessFacts> {
    use procfs::process::{LimitValue, Process};
    use procfs::{boot_time_secs, page_size, ticks_per_second};

    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let limits = process.limits().ok()?;
    let ticks = ticks_per_second() as f64;
    Some(ProcessFacts {
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        resident_bytes: stat.rss * page_size(),
        virtual_bytes: stat.vsize,
        // One of them is the directory that is being listed.
        open_fds: (process.fd_count().ok()? as u64).saturating_sub(1),
        max_fds: match limits.max_open_files.soft_limit {
            LimitValue::Value(files) => Some(files),
            LimitValue::Unlimited => None,
        },
        threads: u64::try_from(stat.num_threads).unwrap_or(0),
        started_at_seconds: boot_time_secs().ok()? as f64 + stat.starttime as f64 / ticks,
    })
}

#[cfg(not(target_os = "linux"))]
pub fn facts() -> Option<ProcessFacts> {
    None
}

#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(facts) = facts() else { return Ok(()) };
        let cpu = ConstCounter::new(facts.cpu_seconds);
        let descriptor =
            encoder.encode_descriptor("process_cpu", "Processor time spent, user and system", Some(&Unit::Seconds), cpu.metric_type())?;
        cpu.encode(descriptor)?;
        let gauges = [
            ("resident_memory", "Memory in use", Some(Unit::Bytes), facts.resident_bytes as f64),
            ("virtual_memory", "Address space in use", Some(Unit::Bytes), facts.virtual_bytes as f64),
            ("open_fds", "Open file descriptors", None, facts.open_fds as f64),
            ("max_fds", "Most file descriptors that may be open", None, facts.max_fds.map_or(f64::INFINITY, |files| files as f64)),
            ("threads", "Threads of the operating system", None, facts.threads as f64),
            ("start_time", "When the process started, since 1970", Some(Unit::Seconds), facts.started_at_seconds),
        ];
        for (name, help, unit, value) in gauges {
            let metric = ConstGauge::new(value);
            let name = format!("process_{name}");
            let descriptor = encoder.encode_descriptor(&name, help, unit.as_ref(), metric.metric_type())?;
            metric.encode(descriptor)?;
        }
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_this_process() {
        let before = facts().unwrap();
        assert!(before.resident_bytes > 1 << 20 && before.virtual_bytes > before.resident_bytes, "{before:?}");
        assert!(before.threads >= 1 && before.open_fds >= 3 && before.max_fds.is_none_or(|most| most >= before.open_fds), "{before:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((0.0..3600.0).contains(&(now - before.started_at_seconds)), "{before:?} at {now}");
    }
}
