//! The three listeners: what their settings mean, whether that is safe, and binding them.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::StartError;
use crate::auth;
use crate::config::Config;

pub(super) const FLAGS: [&str; 3] = ["--otlp-grpc", "--otlp-http", "--http"];

/// For each of [`FLAGS`] every address that its setting means, the one to bind first; never empty.
pub(super) type Wanted = [Vec<SocketAddr>; 3];

/// Looks up the names. Blocks for as long as the system's resolver takes.
pub(super) fn resolve(config: &Config) -> Result<Wanted, String> {
    let server = &config.server;
    let mut wanted = Wanted::default();
    for ((listen, flag), addresses) in [&server.otlp_grpc, &server.otlp_http, &server.http].into_iter().zip(FLAGS).zip(&mut wanted) {
        *addresses = listen.addresses().map_err(|error| format!("{flag}: cannot find the address of {listen}: {error}"))?;
    }
    Ok(wanted)
}

/// Whether they can be bound side by side, and whether strangers can be let in so.
///
/// A name that has an address beyond loopback counts as exposed, also where another of its addresses would be bound: which comes first
/// is not ours to say.
pub(super) fn check(wanted: &Wanted, has_keys: bool, allow_anonymous: bool) -> Result<(), String> {
    let bound = |at: usize| wanted[at][0];
    if let Some((a, b)) = [(0, 1), (0, 2), (1, 2)].into_iter().find(|&(a, b)| bound(a) == bound(b) && bound(a).port() != 0) {
        return Err(format!("{} and {} are both {}: give each a port of its own", FLAGS[a], FLAGS[b], bound(a)));
    }
    auth::exposure_error(&wanted.concat(), has_keys, allow_anonymous).map_or(Ok(()), Err)
}

/// Why a port cannot be had, and what to do.
pub(super) fn bind_problem(flag: &str, address: SocketAddr, error: &std::io::Error) -> String {
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return format!("cannot listen on {address}: {error}");
    }
    let port = address.port();
    let by = if flag == "--http" { "another program" } else { "Tempo or a Collector?" };
    let other = port.checked_add(10_000).unwrap_or(port.saturating_sub(10_000));
    format!("port {port} is taken ({by}): use {flag} {}", SocketAddr::new(address.ip(), other))
}

pub(super) async fn bind(wanted: &Wanted) -> Result<[TcpListener; 3], StartError> {
    let mut bound = Vec::with_capacity(3);
    for (addresses, flag) in wanted.iter().zip(FLAGS) {
        let address = addresses[0];
        let listener = TcpListener::bind(address).await.map_err(|error| StartError::Bind(bind_problem(flag, address, &error)))?;
        bound.push(listener);
    }
    bound.try_into().map_err(|_| StartError::Config("three listeners were expected".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(third: &[&str]) -> Wanted {
        [vec!["127.0.0.1:1".parse().unwrap()], vec!["127.0.0.1:2".parse().unwrap()], third.iter().map(|it| it.parse().unwrap()).collect()]
    }

    #[test]
    fn a_name_that_leads_beyond_loopback_is_exposed_whatever_else_it_means() {
        assert_eq!(check(&wanted(&["127.0.0.1:3", "[::1]:3"]), false, false), Ok(()));
        for addresses in [&["192.0.2.1:3"][..], &["127.0.0.1:3", "192.0.2.1:3"], &["127.0.1.1:3", "[2001:db8::1]:3"]] {
            let problem = check(&wanted(addresses), false, false).unwrap_err();
            assert!(problem.contains("without keys") && !problem.contains("127.0.0.1:") && !problem.contains("127.0.1.1"), "{problem}");
            assert_eq!(check(&wanted(addresses), true, false), Ok(()));
            assert_eq!(check(&wanted(addresses), false, true), Ok(()));
        }
    }

    #[test]
    fn a_name_that_is_not_known_is_named_with_its_flag() {
        let mut config = Config::default();
        config.server.otlp_http = "nowhere.invalid:4318".parse().unwrap();
        let problem = resolve(&config).unwrap_err();
        assert!(problem.contains("--otlp-http") && problem.contains("nowhere.invalid:4318"), "{problem}");
    }
}
