//! Where Tempo is, as the user wrote it, and the metadata that goes with every request.

use std::fmt;

use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

/// A checked `--tempo` value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    host: String,
    port: u16,
    tls: bool,
}

/// What is wrong with an address or a header; the texts name the value and what is allowed. A header's value is never shown.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidTarget {
    #[error("`{0}` is not an address for OTLP gRPC: expected host:port, http://host:port or https://host:port")]
    Address(String),
    #[error("`{0}` has a path: OTLP gRPC has none (the path of OTLP/HTTP, usually on port 4318, does not apply here)")]
    Path(String),
    #[error("the header name `{0}` is not allowed in gRPC metadata")]
    HeaderName(String),
    #[error("the value of the header `{0}` has characters that are not allowed in gRPC metadata")]
    HeaderValue(String),
}

/// OTLP gRPC's registered port, taken where the address has none.
const DEFAULT_PORT: u16 = 4317;

// === impl Target ===

impl Target {
    /// Reads `host`, `host:port`, `[v6]:port`, with or without `http://` or `https://`. The port defaults to 4317.
    pub fn parse(address: &str) -> Result<Self, InvalidTarget> {
        let invalid = || InvalidTarget::Address(address.to_owned());
        let trimmed = address.trim();
        let (tls, rest) = match trimmed.split_once("://") {
            None => (false, trimmed),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("grpc") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("grpcs") => (true, rest),
            Some(_) => return Err(invalid()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(InvalidTarget::Path(address.to_owned()));
        }
        let authority: http::uri::Authority = authority.parse().map_err(|_| invalid())?;
        let host = authority.host();
        // User information would be sent nowhere, and a bare colon or a port of 0 is a slip of the pen.
        if host.is_empty() || authority.as_str().contains('@') || authority.as_str().ends_with(':') {
            return Err(invalid());
        }
        // `4317` is a port that lost its host; as a name it would be looked up, or be the address 0.0.16.221.
        if host.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let has_port = authority.as_str().len() > host.len();
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if !has_port => DEFAULT_PORT,
            _ => return Err(invalid()),
        };
        Ok(Self { host: host.to_owned(), port, tls })
    }

    /// The host name or address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn is_tls(&self) -> bool {
        self.tls
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }
}

/// Checks headers and makes them gRPC metadata; values are marked sensitive, so that no debug output shows them.
pub fn metadata(headers: &[(String, String)]) -> Result<MetadataMap, InvalidTarget> {
    let mut map = MetadataMap::with_capacity(headers.len());
    for (name, value) in headers {
        let key = metadata_key(name)?;
        let mut value: MetadataValue<Ascii> = value.trim().parse().map_err(|_| InvalidTarget::HeaderValue(name.clone()))?;
        value.set_sensitive(true);
        map.insert(key, value);
    }
    Ok(map)
}

/// A header name as gRPC metadata has it: lower case, and none of those the protocol keeps for itself.
pub fn metadata_key(name: &str) -> Result<MetadataKey<Ascii>, InvalidTarget> {
    let lower = name.trim().to_ascii_lowercase();
    let reserved = lower.starts_with("grpc-") || matches!(lower.as_str(), "te" | "content-type" | "host" | "connection" | "content-length");
    let key = MetadataKey::from_bytes(lower.as_bytes()).ok().filter(|_| !reserved);
    key.ok_or_else(|| InvalidTarget::HeaderName(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: &str) {
        assert_eq!(Target::parse(address).map(|t| t.to_string()), Ok(expected.to_owned()), "{address}");
    }

    #[test]
    fn every_way_people_write_an_address_is_understood() {
        check("tempo:4317", "http://tempo:4317");
        check("tempo", "http://tempo:4317");
        check(" http://tempo:14317/ ", "http://tempo:14317");
        check("https://tempo.example.com", "https://tempo.example.com:4317");
        check("HTTPS://tempo.example.com:443", "https://tempo.example.com:443");
        check("grpc://10.0.0.1:4317", "http://10.0.0.1:4317");
        check("[::1]:4317", "http://[::1]:4317");
        assert_eq!(Target::parse("[::1]:4317").unwrap().host(), "::1");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            ":4317",
            "tempo:",
            "tempo:0",
            "tempo:70000",
            "ftp://tempo:1",
            "http://",
            "user:secret@tempo:4317",
            "te mpo:1",
            "[::1",
            "4317",
            "http://4317",
        ] {
            assert!(matches!(Target::parse(bad), Err(InvalidTarget::Address(_))), "{bad}");
        }
        assert!(matches!(Target::parse("http://tempo:4318/v1/traces"), Err(InvalidTarget::Path(_))));
    }

    #[test]
    fn headers_are_checked_and_their_values_kept_secret() {
        let header = |name: &str, value: &str| metadata(&[(name.to_owned(), value.to_owned())]);
        let map = header("Authorization", "Bearer top-secret").unwrap();
        assert_eq!(map.get("authorization").unwrap().to_str().unwrap(), "Bearer top-secret");
        assert!(!format!("{map:?}").contains("top-secret"));
        assert_eq!(header("grpc-timeout", "1S").unwrap_err(), InvalidTarget::HeaderName("grpc-timeout".to_owned()));
        assert_eq!(header("a b", "x").unwrap_err(), InvalidTarget::HeaderName("a b".to_owned()));
        assert_eq!(header("x-secret", "a\nb").unwrap_err(), InvalidTarget::HeaderValue("x-secret".to_owned()));
        assert_eq!(header("x-data-bin", "x").unwrap_err(), InvalidTarget::HeaderName("x-data-bin".to_owned()));
    }
}
