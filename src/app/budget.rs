//! The bound on memory: how much this process may take, and how that is split among those who take it.
//!
//! - One place: every share is decided here, from the settings and from what the machine has.
//! - The index is not in it: it grows with the sessions that are kept, and has a row of its own in `/metrics`, and is bounded by `retention`.
//! - A share that has a setting of its own is that setting's value where it was changed, and else the smaller of its default and its part of
//!   the budget: the defaults are the parts of 2 GiB.
//! - What the allocator keeps, stacks and code have the part that nobody is given.

use std::path::{Path, PathBuf};

use crate::bounds::memory::Shares;
use crate::config::{self, Config};
use crate::store::local::SqliteLimits;

/// The most that is taken where no setting says otherwise.
const AUTOMATIC_MAX: u64 = 2 << 30;
/// Less is not enough to receive one request of the usual limits.
const MIN: u64 = 64 << 20;
/// What a connection takes that says nothing, with its buffers.
const CONNECTION_BYTES: u64 = 16 << 10;
/// What a row takes that waits for a checkpoint: a run, and its place in two maps.
const CHANGE_BYTES: u64 = 1 << 10;
/// A connection to the database without its cache: statements, and the table of the WAL.
const READER_BYTES: u64 = 256 << 10;
/// Chunks of a streamed answer: 64 KiB each, four of them.
const STREAM_BYTES: u64 = 256 << 10;

/// Who may take how much; bytes unless the name says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    pub total: u64,
    pub open_traces: u64,
    pub journal_tail: u64,
    /// Requests that are being received.
    pub inflight: u64,
    /// Spans that the forwarder holds until their traces have settled.
    pub held_spans: u64,
    /// What is remembered of forwarded spans.
    pub sent_spans: u64,
    pub sqlite: SqliteLimits,
    /// Changed rows that are not on disk yet.
    pub max_changes: usize,
    pub max_connections: usize,
    /// Answers that are streamed at one time.
    pub streams: usize,
    /// What requests take while they are answered.
    pub requests: Shares,
}

// === impl Budget ===

impl Budget {
    /// For these settings on this machine.
    pub fn of(config: &Config) -> Self {
        Self::split(config, available())
    }

    /// For these settings on a machine, or in a cgroup, with so much memory.
    fn split(config: &Config, available: u64) -> Self {
        let total = match config.limits.max_memory.0 {
            0 => (available / 2).min(AUTOMATIC_MAX),
            bytes => bytes,
        };
        let total = total.max(MIN);
        let part = |nth: u64| total / nth;
        let defaults = Config::default();
        let or = |set: config::Size, default: config::Size, part: u64| if set == default { default.0.min(part) } else { set.0 };
        let sqlite = part(16);
        let readers = part(32) + part(64);
        let n_readers = (readers / (2 << 20)).clamp(8, 48);
        let n_connections = usize::try_from(part(8) / 3 / CONNECTION_BYTES).unwrap_or(usize::MAX);
        let max_connections = match config.server.max_connections {
            set if set == defaults.server.max_connections => set.min(n_connections),
            set => set,
        };
        let streams = part(64);
        Self {
            total,
            open_traces: or(config.fold.open_trace_bytes, defaults.fold.open_trace_bytes, part(8)),
            journal_tail: or(config.journal.tail_bytes, defaults.journal.tail_bytes, part(64)),
            // One request of the largest size has to fit, with what it was compressed to.
            inflight: or(config.limits.max_inflight_bytes, defaults.limits.max_inflight_bytes, part(8))
                .max(config.limits.max_request_bytes.0 / 2 * 3),
            held_spans: or(config.forward.max_held_bytes, defaults.forward.max_held_bytes, part(32)),
            sent_spans: part(32),
            sqlite: SqliteLimits {
                max_readers: usize::try_from(n_readers).unwrap_or(8),
                reader_cache_bytes: usize::try_from(readers / n_readers).unwrap_or(usize::MAX).saturating_sub(READER_BYTES as usize),
                writer_cache_bytes: usize::try_from(sqlite / 4).unwrap_or(usize::MAX),
                heap_bytes: usize::try_from(sqlite).unwrap_or(usize::MAX),
            },
            max_changes: usize::try_from(part(10) / CHANGE_BYTES).unwrap_or(usize::MAX).min(200_000),
            max_connections,
            // Each holds a reader as long as its client takes to read; the rest is for those who ask for a page.
            streams: usize::try_from((streams / STREAM_BYTES).min(n_readers * 2 / 3)).unwrap_or(usize::MAX).max(4),
            requests: Shares { requests: part(32), answers: part(16), streams, pages: part(32), sums: part(8) },
        }
    }

    /// What all of them come to when each takes what it may.
    pub fn sum(&self) -> u64 {
        let Shares { requests, answers, streams, pages, sums } = self.requests;
        let connections = self.max_connections as u64 * 3 * CONNECTION_BYTES;
        let changes = self.max_changes as u64 * CHANGE_BYTES;
        let receiving = self.journal_tail + self.inflight + connections;
        let folding = self.open_traces + changes + self.sqlite.heap_bytes as u64;
        receiving + folding + self.held_spans + self.sent_spans + requests + answers + streams + pages + sums
    }

    /// The warning to the operator where the settings ask for more than there is to give.
    pub fn excess(&self) -> Option<String> {
        let (sum, total) = (self.sum(), self.total);
        (sum > total).then(|| {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            format!(
                "the settings let this server take {} MiB where limits.max_memory is {} MiB: lower fold.open_trace_bytes, journal.tail_bytes, \
                 limits.max_inflight_bytes, limits.max_request_bytes, forward.max_held_bytes or server.max_connections, or raise it",
                mib(sum),
                mib(total)
            )
        })
    }
}

// === the machine ===

/// What this process can have at all.
pub(super) fn available() -> u64 {
    available_memory(Path::new("/"))
}

/// What this process can have at all: the smallest limit of its cgroup and those around it (v1 and v2), else the machine's memory.
fn available_memory(root: &Path) -> u64 {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let machine = read(root.join("proc/meminfo")).and_then(|text| meminfo_total(&text)).unwrap_or(u64::MAX);
    let groups = read(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut available = machine;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let mount = root.join(mount);
        // Within a container the path may be that of the host, and then only the mount itself is there.
        let mut group = Some(mount.join(path.trim_start_matches('/')));
        while let Some(at) = group.filter(|at| at.starts_with(&mount)) {
            let limit = read(at.join(file)).and_then(|text| text.trim().parse::<u64>().ok());
            available = available.min(limit.unwrap_or(u64::MAX));
            group = at.parent().map(Path::to_owned);
        }
    }
    available
}

/// `MemTotal` of `/proc/meminfo` in bytes.
fn meminfo_total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;

    const GIB: u64 = 1 << 30;

    fn with_memory(bytes: u64) -> Config {
        let mut config = Config::default();
        config.limits.max_memory = Size(bytes);
        config
    }

    #[test]
    fn the_defaults_are_the_shares_of_two_gibibytes() {
        let budget = Budget::split(&Config::default(), 64 * GIB);
        let config = Config::default();
        assert_eq!(budget.total, 2 * GIB);
        assert_eq!(budget.open_traces, config.fold.open_trace_bytes.0);
        assert_eq!(budget.journal_tail, config.journal.tail_bytes.0);
        assert_eq!(budget.inflight, config.limits.max_inflight_bytes.0);
        assert_eq!(budget.held_spans, config.forward.max_held_bytes.0);
        assert_eq!((budget.max_connections, budget.max_changes, budget.streams), (config.server.max_connections, 200_000, 32));
        assert_eq!(budget.sqlite, SqliteLimits { reader_cache_bytes: budget.sqlite.reader_cache_bytes, ..SqliteLimits::default() });
    }

    #[test]
    fn whatever_there_is_the_shares_stay_inside_it() {
        for available in [GIB / 2, GIB, 3 * GIB, 64 * GIB] {
            let budget = Budget::split(&Config::default(), available);
            assert!(budget.sum() <= budget.total, "{available}: {} of {}", budget.sum(), budget.total);
            assert!(budget.total <= (available / 2).max(MIN));
            assert!(budget.streams * 3 <= budget.sqlite.max_readers * 2, "{available}: all readers may be with slow clients");
        }
        for bytes in [256 << 20, GIB, 8 * GIB] {
            let budget = Budget::split(&with_memory(bytes), 64 * GIB);
            assert!(budget.sum() <= bytes && budget.excess().is_none(), "{bytes}: {}", budget.sum());
        }
    }

    #[test]
    fn what_an_operator_has_set_goes_before_a_share_and_is_told_of_where_it_is_too_much() {
        let mut config = with_memory(GIB / 2);
        config.fold.open_trace_bytes = Size(GIB);
        config.server.max_connections = 9_999;
        let budget = Budget::split(&config, 64 * GIB);
        assert_eq!((budget.open_traces, budget.max_connections), (GIB, 9_999));
        assert!(budget.excess().unwrap().contains("limits.max_memory is 512 MiB"));
    }

    fn machine(cgroup: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, u64) {
        let root = tempfile::tempdir().unwrap();
        let all = [("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n"), ("proc/self/cgroup", cgroup)];
        for (path, text) in all.iter().chain(files) {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let available = available_memory(root.path());
        (root, available)
    }

    #[test]
    fn the_smallest_limit_around_the_process_is_what_it_has() {
        let available = |cgroup, files: &[(&str, &str)]| machine(cgroup, files).1;
        assert_eq!(available("", &[]), 8 * GIB);
        let nested = [("sys/fs/cgroup/a/b/memory.max", "max\n"), ("sys/fs/cgroup/a/memory.max", "1073741824\n")];
        assert_eq!(available("0::/a/b\n", &nested), GIB);
        let in_container = [("sys/fs/cgroup/memory.max", "536870912\n")];
        assert_eq!(available("0::/\n", &in_container), GIB / 2);
        assert_eq!(available("0::/../kubepods/pod1\n", &in_container), GIB / 2);
        let v1 = [
            ("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "2147483648\n"),
        ];
        assert_eq!(available("5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n", &v1), 2 * GIB);
        assert_eq!(available("not a line\n0::/none\n", &[]), 8 * GIB);
    }
}
