//! Metrics of the server as a whole: whether it is ready, its connections, and the disk under it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::server::Connections;

/// What is looked at when somebody asks.
pub struct Health {
    pub is_ready: Arc<dyn Fn() -> bool + Send + Sync>,
    /// What the process can have of memory: what its control group allows, or what the machine has.
    pub memory_available_bytes: u64,
    pub data_dir: PathBuf,
    /// By the name of the listener, as in the ready line.
    pub connections: [(&'static str, Connections); 3],
    /// Most that one listener has at once.
    pub max_connections: usize,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

/// Shows them under `sessionfold_`.
pub fn register(health: Health, registry: &mut Registry) {
    registry.register_collector(Box::new(health));
}

/// Free and all bytes of the file system that holds `dir`, or the nearest folder above it that is there.
pub fn disk(dir: &Path) -> Option<(u64, u64)> {
    let there = dir.ancestors().find(|dir| dir.exists()).filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(there).ok()?;
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

impl Collector for Health {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let is_ready = ConstGauge::new(i64::from((self.is_ready)()));
        let help = "1 while data is taken and shown, as /readyz says; else 0";
        let descriptor = encoder.encode_descriptor("sessionfold_ready", help, None, is_ready.metric_type())?;
        is_ready.encode(descriptor)?;
        let memory = ConstGauge::new(self.memory_available_bytes);
        let help = "Memory that the process can have: what its control group allows, or what the machine has";
        let descriptor = encoder.encode_descriptor("sessionfold_memory_available", help, Some(&Unit::Bytes), memory.metric_type())?;
        memory.encode(descriptor)?;
        if let Some((free, all)) = disk(&self.data_dir) {
            for (name, help, bytes) in [
                ("sessionfold_disk_free", "Room that is left on the file system of the data directory", free),
                ("sessionfold_disk_size", "Size of the file system of the data directory", all),
            ] {
                let metric = ConstGauge::new(bytes);
                let descriptor = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), metric.metric_type())?;
                metric.encode(descriptor)?;
            }
        }
        let help = "Open connections by listener";
        let mut family = encoder.encode_descriptor("sessionfold_server_connections", help, None, MetricType::Gauge)?;
        for (listener, connections) in &self.connections {
            let labels = ListenerLabels { listener };
            ConstGauge::new(connections.open()).encode(family.encode_family(&labels)?)?;
        }
        let most = ConstGauge::new(self.max_connections as u64);
        let help = "Most connections of one listener; more wait until one closes";
        let descriptor = encoder.encode_descriptor("sessionfold_server_max_connections", help, None, most.metric_type())?;
        most.encode(descriptor)
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}
