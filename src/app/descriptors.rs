//! How many files may be open at once, and who gets how many.
//!
//! - The soft limit is raised to the hard one: the usual soft limit of 1024 is there for programs that use `select`, which this is not.
//! - What connections may use is bounded, so that strangers can never take what the journal, the index database and the forwarder need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::StartError;

/// Three ports share what is left for connections.
const LISTENERS: u64 = 3;
/// Kept for ourselves: a quarter of what there is, within these bounds. An idle server has about thirty open; a read of the index takes two
/// or three, and the most reads that can run at one time take less than a thousand.
const OWN_SHARE: u64 = 4;
const OWN_MIN: u64 = 48;
const OWN_MAX: u64 = 1024;
/// With fewer it does not start: it would meet its limit while it opens its own files.
const LIMIT_MIN: u64 = 64;

/// Raises the limit of open files as far as this process may, and gives the connections that each of the three ports may have of the
/// `wanted`.
pub(super) fn connections_each(wanted: usize) -> Result<usize, StartError> {
    let limit = raise();
    if limit < LIMIT_MIN {
        return Err(StartError::Descriptors { limit, needed: LIMIT_MIN });
    }
    let allowed = allowed_each(limit).min(wanted);
    if allowed < wanted {
        tracing::warn!(
            open_files_max = limit,
            wanted,
            allowed,
            "server.max_connections is more than the limit of open files allows: each port serves fewer connections at once; raise the limit \
             (ulimit -n, LimitNOFILE=, ulimits in compose)"
        );
    }
    Ok(allowed)
}

/// Connections on each port, of so many open files.
fn allowed_each(limit: u64) -> usize {
    let own = (limit / OWN_SHARE).clamp(OWN_MIN, OWN_MAX);
    usize::try_from(limit.saturating_sub(own) / LISTENERS).unwrap_or(usize::MAX).max(1)
}

/// The limit that then holds. Infinity is `u64::MAX`.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(u64::MAX);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(error) => {
            // macOS refuses infinity, for instance.
            tracing::info!(%error, "the limit of open files could not be raised");
            current.unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_enough_for_ourselves_whatever_the_limit() {
        for (limit, each) in [(64, 5), (256, 64), (1024, 256), (4096, 1024), (524_288, 174_421), (u64::MAX, usize::MAX / 3)] {
            let allowed = allowed_each(limit);
            assert!(allowed >= 1 && allowed <= each.max(1) && allowed as u64 * LISTENERS <= limit - OWN_MIN, "{limit}: {allowed}");
            assert!(limit == u64::MAX || allowed == each, "{limit}: {allowed}");
        }
    }
}
