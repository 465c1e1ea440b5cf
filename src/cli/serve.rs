//! `sessionfold serve`: start, say where, run until a signal, drain.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::sync::mpsc;

use super::{fail, misspelled, print_line, refuse};
use crate::app::{App, ReloadSource, StartError};
use crate::config::{Config, LogFormat};
use crate::server::reachable;
use crate::telemetry;

pub fn run(config: Config, source: ReloadSource) -> ExitCode {
    if let Err(problem) = telemetry::init(&config.log) {
        return refuse(&problem);
    }
    for variable in misspelled() {
        tracing::warn!(variable = variable.name, nearest = variable.nearest, "this environment variable is not a setting and is ignored");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("worker").build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    runtime.block_on(serve(config, source))
}

async fn serve(config: Config, source: ReloadSource) -> ExitCode {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data_dir = %config.server.data_dir.display(), "starting");
    // Before anything takes long, so that a signal during a replay is not the default one.
    let (stop, reload_asked) = match stop_signal().and_then(|stop| Ok((stop, reload_signals()?))) {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot listen for signals: {error}")),
    };
    let app = match App::build_reloading(&config, source, reload_asked).await {
        Ok(app) => app,
        Err(error @ StartError::Config(_)) => return refuse(&error.to_string()),
        Err(error) => return fail(&error.to_string()),
    };
    let [otlp_grpc, otlp_http, http] = app.addresses();
    let is_tls = !config.server.tls_cert.as_os_str().is_empty();
    match config.log.format {
        LogFormat::Text => eprintln!("{}", introduction(otlp_grpc, otlp_http, http, config.auth.is_on(), is_tls)),
        LogFormat::Json => tracing::info!(%otlp_grpc, %otlp_http, %http, "listening"),
    }
    print_line(&ready_line(otlp_grpc, otlp_http, http));
    match app.run(stop).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

/// The line that scripts wait for.
fn ready_line(otlp_grpc: SocketAddr, otlp_http: SocketAddr, http: SocketAddr) -> String {
    format!(r#"{{"event":"ready","otlp_grpc":"{otlp_grpc}","otlp_http":"{otlp_http}","http":"{http}"}}"#)
}

/// Lines that can be pasted: how an agent reaches it, and how a person does. With keys they need one, which is not ours to show.
fn introduction(otlp_grpc: SocketAddr, otlp_http: SocketAddr, http: SocketAddr, needs_key: bool, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let (agent_key, waxell_key, person_key) = match needs_key {
        true => (" OTEL_EXPORTER_OTLP_HEADERS=x-wax-key=$KEY", "$KEY", " -H \"X-Wax-Key: $KEY\""),
        // The SDK sends nothing without a key.
        false => ("", "any", ""),
    };
    let lines = [
        (format!("export OTEL_EXPORTER_OTLP_ENDPOINT={scheme}://{}{agent_key}", reachable(otlp_http)), "any agent, OTLP over HTTP"),
        (
            format!("export OTEL_EXPORTER_OTLP_ENDPOINT={scheme}://{} OTEL_EXPORTER_OTLP_PROTOCOL=grpc{agent_key}", reachable(otlp_grpc)),
            "or over gRPC",
        ),
        (format!("export WAXELL_API_URL={scheme}://{} WAXELL_API_KEY={waxell_key}", reachable(http)), "the Waxell SDK, both its paths"),
        (format!("curl{person_key} {scheme}://{}/api/v1/observability/sessions/", reachable(http)), "its sessions"),
        (format!("{scheme}://{}/", reachable(http)), "the same in a browser"),
    ];
    let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
    let lines: Vec<_> = lines.iter().map(|(line, what)| format!("\n  {line:width$}   # {what}")).collect();
    lines.concat() + "\n"
}

/// Resolves at the first SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
        }
    })
}

/// A message for each SIGHUP; those that come while one waits are the same one.
fn reload_signals() -> std::io::Result<mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    let (asks, asked) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() && !asks.is_closed() {
            // Full: one waits already.
            let _ = asks.try_send(());
        }
    });
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduce(addresses: [&str; 3], needs_key: bool) -> String {
        let [otlp_grpc, otlp_http, http] = addresses.map(|address| address.parse().unwrap());
        introduction(otlp_grpc, otlp_http, http, needs_key, false)
    }

    #[test]
    fn the_lines_at_the_start_can_be_pasted_as_they_are() {
        let lines = introduce(["127.0.0.1:4317", "0.0.0.0:4318", "[::]:8080"], false);
        assert!(lines.contains("ENDPOINT=http://127.0.0.1:4318 "), "{lines}");
        assert!(lines.contains("ENDPOINT=http://127.0.0.1:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc "), "{lines}");
        assert!(lines.contains("curl http://[::1]:8080/api/v1/observability/sessions/ "), "{lines}");
        assert!(lines.contains("WAXELL_API_URL=http://[::1]:8080 WAXELL_API_KEY=any "), "{lines}");
        assert!(!lines.contains("$KEY"), "{lines}");
    }

    #[test]
    fn with_keys_they_say_where_the_key_goes() {
        let lines = introduce(["127.0.0.1:4317", "127.0.0.1:4318", "127.0.0.1:8080"], true);
        assert_eq!(lines.matches("$KEY").count(), 4, "{lines}");
    }
}
