//! Which web pages may make a browser send something here.
//!
//! - Our own pages may: those of the host that was asked, of `public_url`, and of the host that a proxy in front was asked for.
//! - Pages of `cors_origins` may send traces and the SDK's posts, and nothing else: they never delete or log in.
//! - Whoever says neither `Origin` nor `Sec-Fetch-Site` is no browser. A page cannot change either, nor set `X-Forwarded-Host` without
//!   being asked first.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::{Authority, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::ingest;

/// What browsers say of where a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How long a browser need not ask again.
const PREFLIGHT_SECONDS: u64 = 3600;

/// Whose pages may send what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origins {
    public: Option<Origin>,
    senders: Vec<Origin>,
    is_any_sender: bool,
}

/// Scheme, host and port, all in lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// Why an origin cannot be allowed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "server.cors_origins: {0:?} is no origin: expected scheme, host and port without a path, for instance \"https://app.example.org\", or \"*\""
)]
pub struct InvalidOrigin(String);

// === impl Origins ===

impl Origins {
    pub fn new(cors_origins: &[String], public_url: Option<&str>) -> Result<Self, InvalidOrigin> {
        let mut senders = Vec::new();
        for text in cors_origins.iter().map(|text| text.trim()).filter(|text| *text != "*") {
            let is_bare = text.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?', '#', '@', '*']));
            senders.push(Origin::parse(text).filter(|_| is_bare).ok_or_else(|| InvalidOrigin(text.to_owned()))?);
        }
        let is_any_sender = cors_origins.iter().any(|text| text.trim() == "*");
        Ok(Self { public: public_url.and_then(Origin::parse), senders, is_any_sender })
    }

    /// Whose page makes a browser send this, if it may not.
    pub fn stranger(&self, parts: &Parts) -> Option<String> {
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(&parts.method);
        if !writes {
            return None;
        }
        let text = |name: &HeaderName| parts.headers.get(name).map(HeaderValue::as_bytes);
        match (text(&ORIGIN), text(&FETCH_SITE)) {
            (_, Some(b"same-origin")) | (None, None | Some(b"none")) => None,
            (None, Some(_)) => Some("another site".into()),
            (Some(origin), _) => {
                let origin = String::from_utf8_lossy(origin).into_owned();
                (!self.may_send(&origin, parts)).then_some(origin)
            }
        }
    }

    fn may_send(&self, origin: &str, parts: &Parts) -> bool {
        let takes_from_browsers = is_intake(parts.uri.path()) || ingest::is_export(&parts.method, &parts.uri, &parts.headers);
        if takes_from_browsers && self.is_any_sender {
            return true;
        }
        let Some(origin) = Origin::parse(origin) else { return false };
        self.public.as_ref() == Some(&origin)
            || takes_from_browsers && self.senders.contains(&origin)
            || asked(parts).any(|authority| origin.is_at(&authority))
    }

    /// Answers to what browsers ask before they send from another page; `None` where no page may.
    pub fn cors(&self) -> Option<CorsLayer> {
        let layer = CorsLayer::new()
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .allow_private_network(true)
            .expose_headers([http::header::RETRY_AFTER])
            .max_age(std::time::Duration::from_secs(PREFLIGHT_SECONDS));
        if self.is_any_sender {
            return Some(layer.allow_origin(tower_http::cors::Any));
        }
        let senders: Vec<HeaderValue> = self.senders.iter().filter_map(|origin| HeaderValue::try_from(origin.to_string()).ok()).collect();
        // `sendBeacon`, which exporters use when a page is closed, always asks for credentials. No cookie has the right to send, so none is heeded.
        (!senders.is_empty()).then(|| layer.allow_origin(AllowOrigin::list(senders)).allow_credentials(true))
    }
}

/// What agents send to, and readers do not.
fn is_intake(path: &str) -> bool {
    let is_query = path.starts_with("/api/v1/observe/query/");
    ["/v1/", "/api/v1/observe/", "/opentelemetry.proto.collector."].iter().any(|start| path.starts_with(start)) && !is_query
}

/// The hosts that were asked: by the client, and by a proxy's.
fn asked(parts: &Parts) -> impl Iterator<Item = Authority> {
    let first = |headers: &HeaderMap, name: &HeaderName| headers.get(name)?.to_str().ok()?.split(',').next()?.trim().parse().ok();
    let (host, forwarded) = (first(&parts.headers, &HOST), first(&parts.headers, &FORWARDED_HOST));
    parts.uri.authority().cloned().into_iter().chain(host).chain(forwarded)
}

// === impl Origin ===

impl Origin {
    /// Of a URL, or of what `Origin` says.
    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let authority = uri.authority()?;
        let port = authority.port_u16().or_else(|| default_port(&scheme))?;
        let host = authority.host().to_ascii_lowercase();
        (!host.is_empty()).then_some(Self { scheme, host, port })
    }

    /// Whether a page of this origin is one of the host that was asked. The scheme is the proxy's business.
    fn is_at(&self, authority: &Authority) -> bool {
        let is_port = match authority.port_u16() {
            Some(port) => port == self.port,
            None => Some(self.port) == default_port(&self.scheme),
        };
        is_port && authority.host().eq_ignore_ascii_case(&self.host)
    }
}

impl std::fmt::Display for Origin {
    /// As browsers write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match default_port(&self.scheme) == Some(self.port) {
            true => write!(f, "{}://{}", self.scheme, self.host),
            false => write!(f, "{}://{}:{}", self.scheme, self.host, self.port),
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "/api/v1/observability/sessions/a/";
    const START: &str = "/api/v1/observe/runs/start/";

    fn is_refused(cors: &[&str], method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let cors: Vec<String> = cors.iter().map(|origin| (*origin).to_owned()).collect();
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Origins::new(&cors, Some("https://fold.example/base")).unwrap().stranger(&parts).is_some()
    }

    #[test]
    fn our_own_pages_and_programs_may_write() {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://a.example:8080"), ("host", "a.example:8080")],
            &[("origin", "http://localhost"), ("host", "LOCALHOST:80")],
            &[("origin", "https://a.example"), ("host", "a.example")],
            &[("origin", "https://fold.example"), ("host", "inner:8080")],
            &[("origin", "https://fold.example:443"), ("host", "inner:8080"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://proxy.example"), ("host", "inner:8080"), ("x-forwarded-host", "proxy.example, b")],
            &[("origin", "http://[::1]:8080"), ("host", "[::1]:8080")],
        ] {
            for (method, path) in [("POST", "/login"), ("DELETE", LIST), ("POST", START), ("PUT", "/x")] {
                assert!(!is_refused(&[], method, path, headers), "{method} {path} {headers:?}");
            }
        }
    }

    #[test]
    fn other_pages_may_not() {
        for headers in [
            &[("origin", "http://evil.example"), ("host", "a.example")][..],
            &[("origin", "null"), ("host", "a.example")],
            &[("origin", ""), ("host", "a.example")],
            &[("origin", "http://a.example:3000"), ("host", "a.example:8080")],
            &[("origin", "http://a.example"), ("host", "a.example:8080")],
            &[("origin", "https://a.example"), ("host", "a.example:80")],
            &[("sec-fetch-site", "cross-site"), ("host", "a.example")],
            &[("sec-fetch-site", "same-site"), ("host", "a.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://evil.example"), ("host", "a.example")],
            &[("origin", "chrome-extension://abc"), ("host", "a.example")],
            &[("origin", "http://fold.example"), ("host", "inner")],
        ] {
            for (method, path) in [("POST", "/login"), ("DELETE", LIST), ("POST", START), ("PATCH", "/x")] {
                assert!(is_refused(&[], method, path, headers), "{method} {path} {headers:?}");
            }
            for method in ["GET", "HEAD", "OPTIONS"] {
                assert!(!is_refused(&[], method, LIST, headers), "{method} {headers:?}");
            }
        }
    }

    #[test]
    fn pages_that_are_named_may_send_traces_and_nothing_else() {
        let app = [("origin", "https://app.example"), ("host", "a.example"), ("sec-fetch-site", "cross-site")];
        for cors in [&["https://APP.example:443"][..], &["*"], &["http://other.example", "*"]] {
            for path in [START, "/v1/traces"] {
                assert!(!is_refused(cors, "POST", path, &app), "{cors:?} {path}");
            }
            assert!(is_refused(cors, "DELETE", LIST, &app), "{cors:?}");
            assert!(is_refused(cors, "POST", "/login", &app), "{cors:?}");
            assert!(is_refused(cors, "POST", "/api/v1/observe/query/sessions/", &app), "{cors:?}");
        }
        assert!(is_refused(&["http://app.example"], "POST", START, &app));
    }

    #[test]
    fn what_is_no_origin_is_refused_at_the_start() {
        for bad in
            ["", "app.example", "https://app.example/", "https://app.example/x", "https://*.example", "ftp://a", "https://a@b", "null"]
        {
            assert!(Origins::new(&[bad.to_owned()], None).is_err(), "{bad}");
        }
    }
}
