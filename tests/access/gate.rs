//! A page on the internet that reaches this server through somebody's browser: it neither reads nor writes anything.

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Ask, EXPORT, JSON, LIST, START, metric};
use crate::support::server::{Place, Server, until};
use crate::support::spans::{Tell, agent, request};

/// Whose sessions stay, whatever their age, so that fixed times can be used.
fn keeping() -> Place {
    Place::new().set("retention.max_age", "0s").set("fold.run_timeout", "3650d")
}

async fn with_a_session(place: &Place) -> Server {
    let server = place.start().await;
    server.send(request([agent(1, 1, 0, "planner").session("kept")])).await.unwrap();
    until("the session is there", async || server.json(LIST).await["count"] == 1).await;
    server
}

/// DNS rebinding: the page's own name leads to 127.0.0.1, so that the browser takes it and this server for one site.
#[tokio::test]
async fn without_keys_a_name_that_leads_here_is_not_served_on_any_listener_over_any_http() {
    let place = keeping();
    let server = with_a_session(&place).await;
    for address in [server.http, server.otlp_http, server.otlp_grpc] {
        for http2 in [false, true] {
            for (method, path) in
                [("GET", LIST), ("GET", "/"), ("DELETE", "/api/v1/observability/sessions/kept/"), ("POST", START), ("POST", "/v1/traces")]
            {
                let own_page = [("origin", "http://evil.example:8080"), ("sec-fetch-site", "same-origin"), JSON];
                let ask = Ask { method, path, host: "evil.example:8080", headers: &own_page, body: "{}", http2 };
                let answer = ask.of(address).await;
                assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{address} {method} {path} {http2}");
                assert!(answer.text.contains("evil.example") && answer.text.contains("server.allowed_hosts"), "{}", answer.text);
            }
            for host in ["localhost", "localhost:1", "127.0.0.1", "[::1]:99", "a.localhost"] {
                let answer = Ask { path: "/v1/traces", method: "POST", headers: &[JSON], body: "{}", host, http2 }.of(address).await;
                assert_eq!(answer.status, StatusCode::OK, "{host}");
            }
        }
        let grpc = Ask {
            method: "POST",
            path: EXPORT,
            host: "evil.example",
            headers: &[("content-type", "application/grpc")],
            body: "\0\0\0\0\0",
            http2: true,
        };
        let (status, message) = grpc.of(address).await.grpc().to_owned_pair();
        assert!(status == "7" && message.contains("evil.example"), "{status} {message}");
        let (status, _) = Ask { host: "localhost:4317", ..grpc }.of(address).await.grpc().to_owned_pair();
        assert_ne!(status, "7");
    }
    assert_eq!(server.json(LIST).await["count"], 1);
    let counted = metric(server.http, &[], "sessionfold_server_refused_requests_total{reason=\"host\"}").await;
    assert_eq!(counted, 3 * (2 * 5 + 1));
}

trait Owned {
    fn to_owned_pair(self) -> (String, String);
}

impl Owned for (&str, String) {
    fn to_owned_pair(self) -> (String, String) {
        (self.0.to_owned(), self.1)
    }
}

#[tokio::test]
async fn names_that_are_configured_are_served_and_so_is_the_public_one() {
    let place = Place::new().set("server.allowed_hosts", "box,*.lan").set("server.public_url", "https://fold.example/base");
    let server = place.start().await;
    for (host, status) in
        [("box:8080", 200), ("a.lan", 200), ("fold.example", 200), ("localhost", 200), ("box2", 421), ("evil.example", 421)]
    {
        assert_eq!(Ask { host, ..Ask::default() }.of(server.http).await.status, status, "{host}");
    }
}

/// A container listens on 0.0.0.0, and others call it by whatever name its network gives it.
#[tokio::test]
async fn beyond_loopback_or_with_keys_names_are_free_unless_they_are_configured() {
    let open = || Place::new().argument("--http").argument("0.0.0.0:0").argument("--allow-anonymous");
    let server = open().start().await;
    let address = (std::net::Ipv4Addr::LOCALHOST, server.http.port()).into();
    assert_eq!(Ask { host: "sessionfold:8080", ..Ask::default() }.of(address).await.status, 200);
    // The other two listen on loopback.
    assert_eq!(Ask { host: "sessionfold:4318", path: "/v1/traces", ..Ask::default() }.of(server.otlp_http).await.status, 421);
    drop(server);

    let server = open().set("server.allowed_hosts", "sessionfold").start().await;
    let address = (std::net::Ipv4Addr::LOCALHOST, server.http.port()).into();
    for (host, status) in [("sessionfold:8080", 200), ("evil.example", 421)] {
        assert_eq!(Ask { host, ..Ask::default() }.of(address).await.status, status, "{host}");
    }
    drop(server);

    let place = Place::new().set("auth.keys", "[{ key = \"wax_sk_0123456789abcdef\" }]");
    let server = place.start().await;
    let ask = Ask { host: "fold.internal.example", headers: &[("x-wax-key", "wax_sk_0123456789abcdef")], ..Ask::default() };
    assert_eq!(ask.of(server.http).await.status, 200);
}

/// What a page may send without the browser asking first: a "simple" request, with any text in it.
#[tokio::test]
async fn a_page_of_another_site_plants_nothing_and_deletes_nothing() {
    let place = keeping();
    let server = with_a_session(&place).await;
    let run = "/api/v1/observe/runs/1099511627776/llm-calls/";
    for path in [START, run, "/api/v1/observe/events/", "/api/v1/observability/runs/7/memory/episodic/"] {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""]
        {
            let ask = Ask {
                method: "POST",
                path,
                headers: &[("content-type", content_type)],
                body: "{\"agent_name\":\"planted\"}",
                ..Ask::default()
            };
            let answer = ask.of(server.http).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {content_type}");
            assert!(answer.text.contains(content_type) && answer.text.contains("application/json"), "{}", answer.text);
        }
        let ask =
            Ask { method: "POST", path, headers: &[("content-type", "application/json; charset=utf-8")], body: "{}", ..Ask::default() };
        assert!(ask.of(server.http).await.status.is_success(), "{path}");
    }
    let session = "/api/v1/observability/sessions/kept/";
    for strange in
        [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")]
    {
        for (method, path) in
            [("POST", START), ("POST", run), ("POST", "/v1/traces"), ("DELETE", session), ("POST", "/login"), ("POST", "/logout")]
        {
            let answer = Ask { method, path, headers: &[JSON, strange], body: "{}", ..Ask::default() }.of(server.http).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} {strange:?}");
            assert!(answer.text.contains("server.public_url"), "{}", answer.text);
        }
        assert_eq!(
            Ask { headers: &[strange], ..Ask::default() }.of(server.http).await.status,
            StatusCode::OK,
            "reading is the browser's business"
        );
    }
    assert_eq!(metric(server.http, &[], "sessionfold_server_refused_requests_total{reason=\"origin\"}").await, 4 * 6);
    assert_eq!(server.json(LIST).await["count"], 1);
    let own = format!("http://localhost:{}", server.http.port());
    let host = own.strip_prefix("http://").unwrap();
    let delete = Ask { method: "DELETE", path: session, host, headers: &[("origin", &own)], ..Ask::default() };
    assert_eq!(delete.of(server.http).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_login_works_behind_a_proxy_that_has_another_name() {
    let key = "wax_sk_0123456789abcdef";
    let keys = format!("[{{ key = \"{key}\" }}]");
    let place = Place::new().set("auth.keys", &keys).set("server.public_url", "https://fold.example/base");
    let server = place.start().await;
    let body = format!("key={key}&next=%2F");
    let form = ("content-type", "application/x-www-form-urlencoded");
    fn login<'a>(headers: &'a [(&'a str, &'a str)], body: &'a str) -> Ask<'a> {
        Ask { method: "POST", path: "/login", host: "inner:8080", headers, body, http2: false }
    }
    let answer = login(&[form, ("origin", "https://fold.example")], &body).of(server.http).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/base/"));
    assert!(answer.header("set-cookie").contains("Secure"));
    for (headers, status) in [
        (&[form, ("origin", "https://evil.example")][..], StatusCode::FORBIDDEN),
        (&[("content-type", "text/plain"), ("origin", "https://fold.example")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[("content-type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let answer = login(headers, &body).of(server.http).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (status, ""), "{headers:?}");
    }
}

#[tokio::test]
async fn browsers_may_send_from_pages_that_are_named_and_from_no_others() {
    let preflight = |origin, path| Ask {
        method: "OPTIONS",
        path,
        headers: match origin {
            "https://app.example" => &[
                ("origin", "https://app.example"),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "content-type,x-wax-key,traceparent"),
            ],
            _ => &[("origin", "https://evil.example"), ("access-control-request-method", "POST")],
        },
        ..Ask::default()
    };
    let sends = |path| Ask { method: "POST", path, headers: &[("origin", "https://app.example"), JSON], body: "{}", ..Ask::default() };

    let place = Place::new();
    let server = place.start().await;
    let answer = preflight("https://app.example", "/v1/traces").of(server.otlp_http).await;
    assert_eq!(answer.header("access-control-allow-origin"), "", "off by default");
    assert_eq!(sends("/v1/traces").of(server.otlp_http).await.status, 403);
    drop(server);

    let place = Place::new().set("server.cors_origins", "https://app.example");
    let server = place.start().await;
    for (address, path) in [
        (server.otlp_http, "/v1/traces"),
        (server.http, "/v1/traces"),
        (server.http, START),
        (server.otlp_grpc, "/v1/logs"),
        (server.otlp_http, "/api/public/otel/v1/traces"),
        (server.http, "/api/public/otel/v1/traces"),
        (server.http, "/otlp/v1/traces/"),
        (server.http, "/"),
    ] {
        let answer = preflight("https://app.example", path).of(address).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, "https://app.example"), "{path}");
        assert!(answer.header("access-control-allow-headers").contains("x-wax-key"));
        assert!(answer.header("access-control-allow-methods").contains("POST"));
        assert_eq!(preflight("https://evil.example", path).of(address).await.header("access-control-allow-origin"), "");
        let answer = sends(path).of(address).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
    }
    // They send; they do not read, delete or log in.
    let answer = Ask { headers: &[("origin", "https://app.example")], ..Ask::default() }.of(server.http).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let delete = Ask {
        method: "DELETE",
        path: "/api/v1/observability/sessions/x/",
        headers: &[("origin", "https://app.example")],
        ..Ask::default()
    };
    assert_eq!(delete.of(server.http).await.status, 403);
    drop(server);

    let place = Place::new().set("server.cors_origins", "*");
    let server = place.start().await;
    let answer = preflight("https://evil.example", "/v1/traces").of(server.otlp_http).await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials")), ("*", ""));
    assert_eq!(sends("/v1/traces").of(server.otlp_http).await.status, 200);
}

#[tokio::test]
async fn no_answer_repeats_the_host_that_was_asked_for() {
    let open = keeping().argument("--http").argument("0.0.0.0:0").argument("--allow-anonymous");
    let server = open.start().await;
    for n in 1..=2 {
        server.send(request([agent(n, 1, 0, "planner").session(&format!("s{n}"))])).await.unwrap();
    }
    let address = (std::net::Ipv4Addr::LOCALHOST, server.http.port()).into();
    let ask = |path| Ask { path, host: "evil.example", headers: &[("x-forwarded-host", "evil.example")], ..Ask::default() };
    until("both are there", async || ask(LIST).of(address).await.text.contains("\"count\":2")).await;
    let answer = ask("/api/v1/observability/sessions/?limit=1").of(address).await;
    assert_eq!(answer.header("link"), "</api/v1/observability/sessions/?offset=1&limit=1>; rel=\"next\"");
    for path in ["/", "/sessions?search=none", "/sessions/s1", "/sessions/none", "/login", LIST] {
        let answer = ask(path).of(address).await;
        assert!(!answer.text.contains("evil.example") && !format!("{:?}", answer.headers).contains("evil.example"), "{path}");
    }
    // The SDK alone is told the address that it asked for itself, and no cache may keep that.
    let config = ask("/api/v1/observe/config/").of(address).await;
    assert!(config.text.contains("http://evil.example") && config.header("cache-control") == "no-store");
}

#[tokio::test]
async fn settings_that_are_no_names_are_refused_at_the_start() {
    for (key, value, says) in [
        ("server.allowed_hosts", "http://box", "server.allowed_hosts"),
        ("server.cors_origins", "app.example", "server.cors_origins"),
        ("server.cors_origins", "https://app.example/path", "server.cors_origins"),
    ] {
        let ended = Place::new().set(key, value).fail().await;
        assert_eq!(ended.code, Some(64), "{}", ended.stderr);
        assert!(ended.stderr.contains(says) && ended.stderr.contains(value), "{}", ended.stderr);
    }
}

/// hyper undoes `chunked` alone: the rest of the body would be taken as if it had no coding.
#[tokio::test]
async fn a_transfer_coding_that_nobody_undoes_is_refused_by_name() {
    let server = Place::new().start().await;
    for (address, coding, status) in [
        (server.otlp_http, "gzip, chunked", "501"),
        (server.http, "gzip, chunked", "501"),
        (server.otlp_grpc, "x-other, chunked", "501"),
        (server.otlp_http, "Chunked", "200"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: {coding}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(format!("{head}2\r\n{{}}\r\n0\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{coding}: {answer}");
        assert!(status == "200" || answer.contains(coding) && answer.contains("Content-Encoding"), "{answer}");
    }
    let counted = metric(server.http, &[], "sessionfold_server_refused_requests_total{reason=\"transfer_coding\"}").await;
    assert_eq!(counted, 3);
}
