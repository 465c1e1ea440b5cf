//! Where to listen: an IP address or a host name, and a port.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An address to listen on as it was written, such as `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`.
///
/// A name means one address: the first that it has, IPv4 before IPv6. A listener has one address, which the ready line names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listen(Written);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Written {
    Address(SocketAddr),
    Name { host: String, port: u16 },
}

const EXPECTED: &str = "expected an address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080, [::1]:8080 or localhost:8080";
/// The longest name of a host (RFC 1035, section 2.3.4).
const NAME_MAX_BYTES: usize = 253;

// === impl Listen ===

impl Listen {
    /// On 127.0.0.1.
    pub const fn loopback(port: u16) -> Self {
        Self(Written::Address(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)))
    }

    /// Every address that this means, the one to listen on first; never empty. A name is looked up, which may block for some seconds.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = match &self.0 {
            Written::Address(address) => return Ok(vec![*address]),
            Written::Name { host, port } => (host, *port),
        };
        let mut addresses: Vec<SocketAddr> = (host.as_str(), port).to_socket_addrs()?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(addresses)
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self(Written::Address(address))
    }
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse() {
            return Ok(Self(Written::Address(address)));
        }
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten().ok_or(EXPECTED)?;
        if !is_name(host) {
            return Err(EXPECTED);
        }
        Ok(Self(Written::Name { host: host.to_owned(), port }))
    }
}

/// A host name. One that ends in a number was meant to be an IP address.
fn is_name(host: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let mut labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let ends_in_number = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= NAME_MAX_BYTES && labels.all(is_label) && !ends_in_number
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Written::Address(address) => address.fmt(f),
            Written::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|expected| de::Error::custom(format!("{text:?}: {expected}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_read_and_shown_as_they_were_written() {
        for text in
            ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:8080", "[::]:4317", "localhost:8080", "sessionfold.agents.svc:4317", "my-host_1:65535"]
        {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in
            ["8080", ":8080", "localhost", "localhost:", "localhost:http", "localhost:65536", "localhost:+80", "256.0.0.1:80", "1.2.3:80"]
        {
            assert!(text.parse::<Listen>().unwrap_err().contains("localhost:8080"), "{text}");
        }
        for text in ["::1:8080", "a b:80", "http://localhost:8080", "a..b:80", "[::1]", ""] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn localhost_is_the_ipv4_loopback_where_there_is_one() {
        let addresses = "localhost:8080".parse::<Listen>().unwrap().addresses().unwrap();
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 8080), "{addresses:?}");
        let has_v4 = addresses.iter().any(SocketAddr::is_ipv4);
        assert_eq!(addresses[0].is_ipv4(), has_v4, "{addresses:?}");
    }

    #[test]
    fn a_name_without_an_address_is_an_error() {
        assert!("nowhere.invalid:8080".parse::<Listen>().unwrap().addresses().is_err());
    }
}
