//! Refuses to forward to ourselves: spans would go round for ever.
//!
//! - An address is ours if one of our listeners has its port and would be reached through its IP: the same IP, or any IP of this machine where
//!   the listener is bound to all of them.
//! - A name that cannot be resolved now is let through: Tempo may start later. The instance id that every export carries is the second guard.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::tempo::link::target::Target;

/// The Tempo address leads back to this process.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the Tempo address {target} is this server's own listener {listener}: forwarding would go round in circles; give the \
port of Tempo's own OTLP gRPC, or move this server with --otlp-grpc"
)]
pub struct OwnAddress {
    pub target: String,
    pub listener: SocketAddr,
}

/// Resolves the target's name and compares every address with our `listeners`.
pub async fn check(target: &Target, listeners: &[SocketAddr]) -> Result<(), OwnAddress> {
    let Ok(addresses) = tokio::net::lookup_host((target.host(), target.port())).await else {
        return Ok(());
    };
    for address in addresses {
        if let Some(listener) = listeners.iter().find(|listener| reaches(address, **listener, is_local)) {
            return Err(OwnAddress { target: target.to_string(), listener: *listener });
        }
    }
    Ok(())
}

/// Whether a connection to `address` would arrive at `listener`.
fn reaches(address: SocketAddr, listener: SocketAddr, is_local: impl Fn(IpAddr) -> bool) -> bool {
    if address.port() != listener.port() {
        return false;
    }
    let to = address.ip().to_canonical();
    let at = listener.ip().to_canonical();
    // Connecting to the unspecified address is connecting to loopback.
    let to = if to.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { to };
    if at.is_unspecified() || (address.ip().is_unspecified() && at.is_loopback()) {
        return is_local(to);
    }
    to == at
}

/// Whether the address belongs to this machine: only then can a socket be bound to it.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_reaches(address: &str, listener: &str, expected: bool) {
        let of_this_machine = |ip: IpAddr| ip.is_loopback() || ip.to_string() == "192.168.1.5";
        assert_eq!(reaches(address.parse().unwrap(), listener.parse().unwrap(), of_this_machine), expected, "{address} at {listener}");
    }

    #[test]
    fn our_own_listener_is_recognised_under_each_of_its_addresses() {
        check_reaches("127.0.0.1:4317", "127.0.0.1:4317", true);
        check_reaches("127.0.0.1:4317", "0.0.0.0:4317", true);
        check_reaches("192.168.1.5:4317", "0.0.0.0:4317", true);
        check_reaches("192.168.1.5:4317", "[::]:4317", true);
        check_reaches("[::1]:4317", "[::]:4317", true);
        check_reaches("0.0.0.0:4317", "127.0.0.1:4317", true);
        check_reaches("[::]:4317", "[::1]:4317", true);
        check_reaches("[::ffff:127.0.0.1]:4317", "127.0.0.1:4317", true);
    }

    #[test]
    fn another_port_or_another_machine_is_not_ours() {
        check_reaches("127.0.0.1:14317", "127.0.0.1:4317", false);
        check_reaches("192.168.1.6:4317", "0.0.0.0:4317", false);
        check_reaches("192.168.1.5:4317", "127.0.0.1:4317", false);
        check_reaches("127.0.0.2:4317", "127.0.0.1:4317", false);
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_resolved_and_an_unknown_one_is_let_through() {
        let listener: SocketAddr = "0.0.0.0:4317".parse().unwrap();
        let own = Target::parse("localhost:4317").unwrap();
        assert_eq!(check(&own, &[listener]).await.unwrap_err().listener, listener);
        assert!(check(&own, &["127.0.0.1:14317".parse().unwrap()]).await.is_ok());
        assert!(check(&Target::parse("tempo.invalid:4317").unwrap(), &[listener]).await.is_ok());
    }
}
