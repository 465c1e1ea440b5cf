//! What the store knows in memory: written by the fold thread, read by whoever asks, one lock for each tenant.

pub mod buckets;
pub mod cells;
pub mod clock;
pub mod fair_lock;
pub mod ingest_stats;
pub mod kept;
pub mod known;
pub mod lag;
pub mod metrics;
pub mod patience;
pub mod recent;
pub mod tenant;
pub mod tool_names;
pub mod tool_sums;
pub mod traces;
pub mod users;
