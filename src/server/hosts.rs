//! Under which names this server is served.
//!
//! A page on the internet can give its own name the address 127.0.0.1 (DNS rebinding). The browser then believes that the page and this
//! server are one site, and lets it read and delete. What the attacker cannot change is the name that the browser says.

use std::net::IpAddr;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// Names by which containers reach the machine they run on, whose loopback the engine hands them on to. Nobody on the internet can own
/// one: `.internal` is reserved.
const CONTAINER_NAMES: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// The names that are served beside those of loopback.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hosts {
    names: Vec<Name>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Name {
    Any,
    Exactly(String),
    /// With the dot before it.
    Below(String),
}

/// Why a name cannot be allowed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("server.allowed_hosts: {0:?} is no host name: expected for instance \"traces.example.org\", \"*.example.org\" or \"*\"")]
pub struct InvalidHost(String);

// === impl Hosts ===

impl Hosts {
    /// `allowed` as it is configured; the host of `public_url` is allowed in any case.
    pub fn new(allowed: &[String], public_url: Option<&str>) -> Result<Self, InvalidHost> {
        let mut names = allowed.iter().map(|name| Name::parse(name)).collect::<Result<Vec<_>, _>>()?;
        let public = public_url.and_then(|url| url.parse::<Uri>().ok()).and_then(|uri| uri.authority().and_then(name_of));
        names.extend(public.map(Name::Exactly));
        Ok(Self { names })
    }

    /// The first name in a request that is not served. One that names nobody, as HTTP/1.0 may, is no browser's.
    pub fn stranger(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let mut named = asked(uri, headers);
        named.find(|host| host.as_deref().is_none_or(|host| !self.has(host))).map(|host| host.unwrap_or_else(|| "?".into()))
    }

    fn has(&self, host: &str) -> bool {
        is_loopback(host)
            || self.names.iter().any(|name| match name {
                Name::Any => true,
                Name::Exactly(name) => name == host,
                Name::Below(domain) => host.ends_with(domain),
            })
    }
}

// === impl Name ===

impl Name {
    fn parse(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.to_owned());
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let (is_below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        // An IPv6 address may be written without its brackets.
        let rest = if rest.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{rest}]") } else { rest.to_owned() };
        let name = rest.parse().ok().as_ref().and_then(name_of).filter(|name| !name.contains('*')).ok_or_else(invalid)?;
        Ok(if is_below { Self::Below(format!(".{name}")) } else { Self::Exactly(name) })
    }
}

/// The hosts that a request names, each `None` if it is none: in its target (`:authority` of HTTP/2), and in `Host`.
fn asked(uri: &Uri, headers: &HeaderMap) -> impl Iterator<Item = Option<String>> {
    let hosts = headers.get_all(HOST).iter().map(|value| value.to_str().ok()?.parse().ok().as_ref().and_then(name_of));
    uri.authority().map(name_of).into_iter().chain(hosts)
}

/// In lower case, without port, brackets, and the dot that ends a name which is complete.
fn name_of(authority: &Authority) -> Option<String> {
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    (!host.is_empty() && !authority.as_str().contains('@')).then(|| host.to_ascii_lowercase())
}

fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        let address = address.to_canonical();
        return address.is_loopback() || address.is_unspecified();
    }
    host == "localhost" || host.ends_with(".localhost") || CONTAINER_NAMES.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(allowed: &[&str], target: &str, host: &[&str]) -> Option<String> {
        let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(HOST, host.parse().unwrap());
        }
        Hosts::new(&allowed, Some("https://fold.example/base")).unwrap().stranger(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn loopback_has_many_names_and_all_are_served() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "localhost.",
            "tempo.localhost:80",
            "127.0.0.1:8080",
            "127.8.9.1",
            "[::1]:4318",
            "[::ffff:127.0.0.1]",
            "0.0.0.0:4318",
            "host.docker.internal:4318",
            "fold.example:8443",
        ] {
            assert_eq!(refused(&[], "/", &[host]), None, "{host}");
            assert_eq!(refused(&[], &format!("http://{host}/"), &[]), None, "{host}");
        }
        assert_eq!(refused(&[], "/", &[]), None);
    }

    #[test]
    fn other_names_are_served_only_where_they_are_allowed() {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "notlocalhost",
            "128.0.0.1",
            "192.168.1.7",
            "[fe80::1]",
            "1.127.0.0.1.evil.example",
        ] {
            assert!(refused(&[], "/", &[host]).is_some(), "{host}");
        }
        assert_eq!(refused(&["box"], "/", &["BOX:4318"]), None);
        assert_eq!(refused(&["box"], "/", &["box2"]), Some("box2".into()));
        assert_eq!(refused(&["*.example.org"], "/", &["a.b.example.org"]), None);
        assert!(refused(&["*.example.org"], "/", &["example.org"]).is_some());
        assert_eq!(refused(&["*"], "/", &["anything"]), None);
        assert_eq!(refused(&["fe80::1", "10.0.0.7:8080"], "/", &["[fe80::1]:1", "10.0.0.7"]), None);
    }

    #[test]
    fn every_place_that_can_name_a_host_counts() {
        assert_eq!(refused(&[], "http://evil.example/", &["127.0.0.1"]), Some("evil.example".into()));
        assert_eq!(refused(&[], "http://127.0.0.1/", &["evil.example"]), Some("evil.example".into()));
        assert!(refused(&[], "/", &["127.0.0.1", "evil.example"]).is_some());
        assert!(refused(&[], "/", &["evil.example@localhost"]).is_some());
        assert!(refused(&[], "/", &["not a host"]).is_some());
    }

    #[test]
    fn what_is_no_name_is_refused_at_the_start() {
        for bad in ["", "http://a.example", "a/b", "*.", "a.*.b", "a b"] {
            assert!(Hosts::new(&[bad.to_owned()], None).is_err(), "{bad}");
        }
    }
}
