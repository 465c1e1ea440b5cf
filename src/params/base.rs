//! Where clients reach this server, for links and for telling them.
//!
//! What a request says of its host is never repeated in a link: whoever can make somebody ask with a host of their own would lead them there.

use http::uri::Authority;
use http::{HeaderMap, Uri, header};

/// Scheme, host and path prefix, or nothing where nobody tells.
pub struct Base(String);

// === impl Base ===

impl Base {
    /// The configured public URL; else nothing, which makes links relative.
    pub fn public(public_url: Option<&str>) -> Self {
        Self(public_url.map(|url| url.trim_end_matches('/').to_owned()).unwrap_or_default())
    }

    /// The configured public URL; else what the client, or the proxy in front, asked for. Only for an answer that a program reads which
    /// was itself told this address, and that no cache may keep. A header that is no host is not repeated.
    pub fn asked(public_url: Option<&str>, headers: &HeaderMap, uri: &Uri, is_tls: bool) -> Self {
        if public_url.is_some() {
            return Self::public(public_url);
        }
        let host =
            first(headers, "x-forwarded-host").or_else(|| first(headers, header::HOST.as_str())).or(uri.authority().map(Authority::as_str));
        let Some(host) = host.filter(|host| is_host(host)) else { return Self(String::new()) };
        let scheme = match first(headers, "x-forwarded-proto") {
            Some("https") => "https",
            None if is_tls => "https",
            _ => "http",
        };
        Self(format!("{scheme}://{host}"))
    }

    /// Without a slash at the end; empty where nothing tells.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first element of a header that proxies append to.
fn first<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
    (!value.is_empty()).then_some(value)
}

/// Whether this is a host with or without a port, and nothing that could end a link early.
fn is_host(text: &str) -> bool {
    text.len() <= 255 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(public_url: Option<&str>, headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Base::asked(public_url, &map, &Uri::from_static("/"), false).as_str().to_owned()
    }

    #[test]
    fn the_configured_url_wins_then_the_proxy_then_the_host_that_was_asked() {
        assert_eq!(base(Some("https://a.example/s/"), &[("host", "b:1")]), "https://a.example/s");
        assert_eq!(base(None, &[("host", "127.0.0.1:8080")]), "http://127.0.0.1:8080");
        let proxied = [("host", "b:1"), ("x-forwarded-host", "c.example, d"), ("x-forwarded-proto", "https")];
        assert_eq!(base(None, &proxied), "https://c.example");
        assert_eq!(base(None, &[("host", "evil\">/x")]), "");
        assert_eq!(base(None, &[]), "");
        assert_eq!(Base::public(Some("https://a.example/s/")).as_str(), "https://a.example/s");
        assert_eq!(Base::public(None).as_str(), "");
    }
}
