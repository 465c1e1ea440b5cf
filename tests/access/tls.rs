//! TLS on all three listeners, and towards Tempo.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use sessionfold::server::tls::{Tls, TlsFiles};
use sessionfold::server::{self, Door, Limits, Metrics};
use sessionfold::tempo::tls::{Identity, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::certificates::{Signer, connect};
use super::keys::hang_up;
use super::{Ask, EXPORT, JSON};
use crate::support::server::{Place, Server, until};

/// A server with this certificate.
fn secured(identity: &Identity) -> Place {
    Place::new().set("server.tls_cert", identity.cert.to_str().unwrap()).set("server.tls_key", identity.key.to_str().unwrap())
}

/// Another of our commands, with the ports of a running server.
fn command(server: &Server, arguments: &[&str], settings: &[(&str, &std::path::Path)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sessionfold"))
        .env_clear()
        .env("SESSIONFOLD_HTTP", server.http.to_string())
        .envs(settings.iter().copied())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// The certificate that is shown now.
async fn shown(server: &Server, trust: &Trust) -> Vec<u8> {
    let stream = connect(server.http, trust, None, &[]).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn every_listener_speaks_tls_with_both_versions_of_http() {
    let signer = Signer::new();
    let place = secured(&signer.sign("server"));
    let server = place.start().await;
    let trust = Trust::Only(signer.ca());
    for address in [server.http, server.otlp_http, server.otlp_grpc] {
        for (http2, alpn) in [(false, "http/1.1"), (true, "h2")] {
            let stream = connect(address, &trust, None, &["h2", "http/1.1"][usize::from(!http2)..]).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
            let ask = Ask { method: "POST", path: "/v1/traces", headers: &[JSON], body: "{}", http2, ..Ask::default() };
            assert_eq!(ask.over(stream).await.unwrap().status, 200, "{address} {alpn}");
            // A name that leads here is no better over TLS.
            let stream = connect(address, &trust, None, &[alpn]).await.unwrap();
            assert_eq!(Ask { host: "evil.example", ..ask }.over(stream).await.unwrap().status, 421);
        }
        let stream = connect(address, &trust, None, &["h2"]).await.unwrap();
        let grpc = Ask {
            method: "POST",
            path: EXPORT,
            headers: &[("content-type", "application/grpc"), ("te", "trailers")],
            body: "\0\0\0\0\0",
            http2: true,
            ..Ask::default()
        };
        assert_eq!(grpc.over(stream).await.unwrap().status, 200);
    }
    // Whoever trusts others does not connect.
    assert!(connect(server.http, &Trust::Only(Signer::new().ca()), None, &[]).await.is_err());
    let (code, said) = command(
        &server,
        &["health"],
        &[("SESSIONFOLD_SERVER_TLS_CERT", &signer.sign("server").cert), ("SESSIONFOLD_SERVER_TLS_KEY", &signer.ca())],
    );
    assert_eq!((code, said.trim()), (Some(0), "ready"));
    assert!(
        place.log().contains("curl https://127.0.0.1:") && place.log().contains("OTEL_EXPORTER_OTLP_ENDPOINT=https://"),
        "{}",
        place.log()
    );
    let urls = [format!("https://{}", server.otlp_http), format!("https://{}", server.http)];
    let demo = |more: &[&str]| {
        command(&server, &[&["demo", "--sessions", "2", "--seed", "7", "--url", &urls[0], "--http", &urls[1]], more].concat(), &[])
    };
    for trusted in [&["--ca", signer.ca().to_str().unwrap()][..], &["--insecure"]] {
        let (code, said) = demo(trusted);
        assert!(code == Some(0) && said.contains("sent 2 sessions"), "{said}");
    }
    let (code, said) = demo(&[]);
    assert!(code == Some(1) && said.contains("certificate"), "{said}");
    assert_eq!(server.terminate().await.code, Some(0));
}

#[tokio::test]
async fn who_speaks_plainly_to_tls_or_tls_to_a_plain_port_is_told() {
    let signer = Signer::new();
    let place = secured(&signer.sign("server"));
    let server = place.start().await;
    let answer = Ask::default().of(server.http).await;
    assert!(answer.status == 400 && answer.text.contains("https://"), "{answer:?}");
    let grpc = Ask {
        method: "POST",
        path: EXPORT,
        headers: &[("content-type", "application/grpc")],
        body: "\0\0\0\0\0",
        http2: true,
        ..Ask::default()
    };
    let answer = grpc.of(server.otlp_grpc).await;
    assert!(answer.grpc().0 == "9" && answer.grpc().1.contains("https://"), "{answer:?}");
    assert!(place.log().contains("spoke plainly to a port with TLS"), "{}", place.log());
    drop(server);

    let place = Place::new();
    let server = place.start().await;
    assert!(connect(server.otlp_http, &Trust::Anybody, None, &[]).await.is_err());
    assert!(place.log().contains("spoke TLS to a plain port") && place.log().contains("server.tls_cert"), "{}", place.log());
    let page = server.get("/metrics").await.text;
    assert!(page.contains("sessionfold_server_failed_connections_total{reason=\"tls_on_plain\"} 1"), "{page}");
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart_and_a_bad_one_is_not() {
    let signer = Signer::new();
    let identity = signer.sign("server");
    let place = secured(&identity);
    let server = place.start().await;
    let trust = Trust::Only(signer.ca());
    let first = shown(&server, &trust).await;
    let mut open = connect(server.http, &trust, None, &[]).await.unwrap();

    signer.sign("server");
    until("the new certificate is shown", async || shown(&server, &trust).await != first).await;
    let second = shown(&server, &trust).await;
    // A connection that is open stays open.
    open.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    open.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");

    std::fs::write(&identity.cert, "nonsense").unwrap();
    until("the bad one was seen", async || place.log().contains("the old one is still used")).await;
    assert!(place.log().contains("server.tls_cert") && place.log().contains("ERROR"), "{}", place.log());
    assert_eq!(shown(&server, &trust).await, second);
    // The key of another certificate is a bad one too.
    std::fs::copy(&signer.sign("other").cert, &identity.cert).unwrap();
    hang_up(server.id());
    until("it does not fit", async || place.log().contains("cannot be used")).await;
    assert_eq!(shown(&server, &trust).await, second);
    signer.sign("server");
    hang_up(server.id());
    until("the third is shown", async || shown(&server, &trust).await != second).await;
}

#[tokio::test]
async fn with_a_signer_of_clients_nobody_comes_in_without_a_certificate() {
    let (signer, other) = (Signer::new(), Signer::new());
    let identity = signer.sign("server");
    let place = secured(&identity).set("server.tls_client_ca", signer.ca().to_str().unwrap());
    let server = place.start().await;
    let trust = Trust::Only(signer.ca());
    for address in [server.http, server.otlp_http, server.otlp_grpc] {
        for stranger in [None, Some(other.sign("client"))] {
            // With TLS 1.3 the client hears of it when it reads.
            let answer = match connect(address, &trust, stranger.as_ref(), &[]).await {
                Ok(stream) => Ask::default().over(stream).await.map(drop).map_err(drop),
                Err(_) => Err(()),
            };
            assert_eq!(answer, Err(()));
        }
        let stream = connect(address, &trust, Some(&signer.sign("client")), &[]).await.unwrap();
        let ask = Ask { method: "POST", path: "/v1/traces", headers: &[JSON], body: "{}", ..Ask::default() };
        assert_eq!(ask.over(stream).await.unwrap().status, 200);
    }
    let files = [
        ("SESSIONFOLD_SERVER_TLS_CERT", identity.cert.as_path()),
        ("SESSIONFOLD_SERVER_TLS_KEY", identity.key.as_path()),
        ("SESSIONFOLD_SERVER_TLS_CLIENT_CA", &signer.ca()),
    ];
    let (code, said) = command(&server, &["health"], &files);
    assert_eq!((code, said.trim()), (Some(0), "ready"));
    let client = signer.sign("client");
    let (ca, cert, key) = (signer.ca(), client.cert, client.key);
    let (url, http) = (format!("https://{}", server.otlp_http), format!("https://{}", server.http));
    let shows = ["--ca", ca.to_str().unwrap(), "--client-cert", cert.to_str().unwrap(), "--client-key", key.to_str().unwrap()];
    let (code, said) = command(&server, &[&["demo", "--sessions", "1", "--url", &url, "--http", &http], &shows[..]].concat(), &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_at_the_start() {
    let signer = Signer::new();
    let (identity, other) = (signer.sign("server"), signer.sign("other"));
    let nowhere = std::path::PathBuf::from("/nowhere/at/all.pem");
    for (cert, key, says) in [
        (&nowhere, &identity.key, "server.tls_cert"),
        (&identity.cert, &nowhere, "server.tls_key"),
        (&identity.key, &identity.key, "holds no certificate"),
        (&identity.cert, &identity.cert, "holds no private key"),
        (&identity.cert, &other.key, "cannot be used"),
    ] {
        let ended = secured(&Identity { cert: cert.clone(), key: key.clone() }).fail().await;
        assert_eq!(ended.code, Some(64), "{}", ended.stderr);
        assert!(ended.stderr.contains(says) && !ended.stderr.contains("PRIVATE KEY-"), "{}", ended.stderr);
    }
}

/// Serves a router with TLS on a free port.
async fn serve(identity: &Identity, router: Router, limits: Limits) -> (std::net::SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let files = TlsFiles { cert: identity.cert.clone(), key: identity.key.clone(), client_ca: None };
    let tls = Some(Arc::new(Tls::load(files).unwrap()));
    let shutdown = CancellationToken::new();
    let door = Door { listener, router, tls, metrics: Metrics::default(), connections: Default::default() };
    tokio::spawn(server::serve_door(door, shutdown.clone(), limits));
    (address, shutdown)
}

#[tokio::test]
async fn a_handshake_that_is_never_finished_is_given_up() {
    let signer = Signer::new();
    let identity = signer.sign("server");
    let limits = Limits { handshake_timeout: Duration::from_millis(200), header_timeout: Duration::from_millis(300), ..Limits::default() };
    let (address, _shutdown) = serve(&identity, Router::new(), limits).await;
    // Nothing, the beginning of a record, and a whole handshake after which nothing comes.
    for said in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok() && began.elapsed() >= Duration::from_millis(150), "{said:?} kept a connection");
    }
    for alpn in ["h2", "http/1.1"] {
        let mut stream = connect(address, &Trust::Anybody, None, &[alpn]).await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "silence after a handshake kept a connection");
    }
}

/// Tempo behind TLS with a signer of its own: its query API, and what `check` says of it.
#[tokio::test]
async fn tempo_is_asked_over_https_and_believed_only_with_its_signer() {
    let (signer, other) = (Signer::new(), Signer::new());
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let router = Router::new().fallback(move |uri: http::Uri| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move { if uri.path() == "/status/config" { "query_end_cutoff: 5s" } else { "" } }
    });
    let (address, _shutdown) = serve(&signer.sign("tempo"), router, Limits::default()).await;
    let url = format!("https://localhost:{}", address.port());
    let client = |ca| {
        let options = sessionfold::tempo::query::QueryOptions {
            url: url.clone(),
            ca,
            headers: Vec::new(),
            send_tenant: false,
            timeout: Duration::from_secs(20),
        };
        sessionfold::tempo::query::QueryClient::new(&options).unwrap()
    };
    let trace = sessionfold::model::ids::TraceId::from_hex("0000000000000000000000000000000a").unwrap();
    let tenant = sessionfold::model::ids::Tenant::default();
    assert!(client(Some(signer.ca())).trace(&tenant, trace).await.unwrap().is_some());
    let error = client(Some(other.ca())).trace(&tenant, trace).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
    let settings = sessionfold::tempo::probe::settings(&url, &Trust::Only(signer.ca())).await.unwrap();
    assert_eq!(settings.cutoff, Some(Duration::from_secs(5)));

    // OTLP to Tempo, with the same setting: nobody is there who speaks it, but whoever is there is believed.
    let mut options = sessionfold::tempo::options::Options::new(&url, "a test");
    options.ca = Some(signer.ca());
    let reached = sessionfold::tempo::probe::reach(&options).await.unwrap();
    assert!(matches!(reached, sessionfold::tempo::probe::Reached::Refused(_)), "{reached:?}");
    options.ca = Some(other.ca());
    let reached = sessionfold::tempo::probe::reach(&options).await.unwrap();
    assert!(matches!(reached, sessionfold::tempo::probe::Reached::No(_)), "{reached:?}");
    options.ca = Some("/nowhere/ca.pem".into());
    assert!(sessionfold::tempo::probe::reach(&options).await.unwrap_err().to_string().contains("/nowhere/ca.pem"));

    let place = Place::new().set("forward.tempo_ca", "/nowhere/ca.pem").set("forward.tempo_query", &url);
    let ended = place.fail().await;
    assert!(ended.code == Some(64) && ended.stderr.contains("/nowhere/ca.pem"), "{}", ended.stderr);
}
