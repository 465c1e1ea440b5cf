//! `sessionfold serve`: start, say where, run until a signal, drain.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::{fail, print_line, refuse};
use crate::app::{App, StartError};
use crate::config::{self, Config, unknown_environment};
use crate::telemetry;

pub fn run(config: Config) -> ExitCode {
    if let Err(problem) = telemetry::init(&config.log) {
        return refuse(&problem);
    }
    let environment = config::environment(std::env::vars_os()).unwrap_or_default();
    for variable in unknown_environment(&environment) {
        tracing::warn!(variable, "this environment variable is not a setting and is ignored; --print-config shows all of them");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("worker").build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> ExitCode {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data_dir = %config.server.data_dir.display(), "starting");
    // Before anything takes long, so that a signal during a replay is not the default one.
    let stop = match stop_signal() {
        Ok(stop) => stop,
        Err(error) => return fail(&format!("cannot listen for signals: {error}")),
    };
    let app = match App::build(&config).await {
        Ok(app) => app,
        Err(error @ StartError::Config(_)) => return refuse(&error.to_string()),
        Err(error) => return fail(&error.to_string()),
    };
    let [otlp_grpc, otlp_http, http] = app.addresses();
    introduce(otlp_grpc, otlp_http, http);
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

/// Three lines that can be pasted: how an agent reaches it, and how a person does.
fn introduce(otlp_grpc: SocketAddr, otlp_http: SocketAddr, http: SocketAddr) {
    eprintln!(
        "\n  export OTEL_EXPORTER_OTLP_ENDPOINT=http://{otlp_http}                                    # any agent, OTLP over HTTP\n  \
         export OTEL_EXPORTER_OTLP_ENDPOINT=http://{otlp_grpc} OTEL_EXPORTER_OTLP_PROTOCOL=grpc   # or over gRPC\n  \
         curl http://{http}/api/v1/observability/sessions/                                # its sessions\n"
    );
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
