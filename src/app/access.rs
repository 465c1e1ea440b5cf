//! Who may come in, over what, and under which name: built from the settings, and again when they change.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;

use super::wiring::public_url;
use crate::auth::{self, Authenticator, KeyEntry, Keys, Secret};
use crate::config::{self, Config};
use crate::log_limiter::LogLimiter;
use crate::model::ids::Tenant;
use crate::server;
use crate::server::gate::Gate;
use crate::server::hosts::Hosts;
use crate::server::origins::Origins;
use crate::server::tls::{Tls, TlsFiles};

/// What stands before the doors. Clones share it.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) gate: Arc<Gate>,
    cors: Option<CorsLayer>,
    /// Whether the names are checked wherever it listens.
    checks_every_host: bool,
}

// === impl Access ===

impl Access {
    /// Reads every file that the settings name. Blocks.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        let authenticator = match config.auth.is_on() {
            true => Authenticator::with_keys(keys(&config.auth)?),
            false => Authenticator::off(),
        };
        let public_url = public_url(config);
        let hosts = Hosts::new(&config.server.allowed_hosts, public_url.as_deref()).map_err(|error| error.to_string())?;
        let origins = Origins::new(&config.server.cors_origins, public_url.as_deref()).map_err(|error| error.to_string())?;
        let cors = origins.cors();
        Ok(Self {
            authenticator: Arc::new(authenticator),
            tls: tls(config)?.map(Arc::new),
            gate: Arc::new(Gate { hosts, origins, metrics: server::Metrics::default(), log_limiter: LogLimiter::default() }),
            cors,
            checks_every_host: !config.server.allowed_hosts.is_empty(),
        })
    }

    /// What is served on each listener, behind the gate.
    pub(super) fn doors(
        &self,
        listeners: [TcpListener; 3],
        routers: [Router; 3],
        addresses: [SocketAddr; 3],
        connections: [server::Connections; 3],
    ) -> Vec<server::Door> {
        let doors =
            listeners.into_iter().zip(routers).zip(addresses).zip(connections).map(|(((listener, router), address), connections)| {
                server::Door {
                    listener,
                    router: self.gate.around(router, self.checks_host(address)),
                    tls: self.tls.clone(),
                    metrics: self.gate.metrics.clone(),
                    connections,
                }
            });
        doors.collect()
    }

    /// Lets the pages that are named send to a door of agents.
    pub(super) fn for_browsers(&self, router: Router) -> Router {
        match self.cors.clone() {
            Some(cors) => router.layer(cors),
            None => router,
        }
    }

    /// Whether a request to this listener must name a host that is known. Beyond loopback a name says nothing unless somebody has said
    /// which are right, and with keys a page that has given itself a name of ours has no key.
    fn checks_host(&self, address: SocketAddr) -> bool {
        self.checks_every_host || !self.authenticator.is_on() && address.ip().to_canonical().is_loopback()
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// The keys of the settings and of the file that they name.
pub(super) fn keys(auth: &config::Auth) -> Result<Keys, String> {
    let mut written = auth.keys.clone();
    if !auth.keys_file.as_os_str().is_empty() {
        written.extend(config::read_keys(&auth.keys_file).map_err(|error| format!("auth.keys_file: {error}"))?);
    }
    let entries = written.iter().map(entry).collect::<Result<Vec<_>, String>>()?;
    let n_weak = entries.iter().filter(|entry| entry.key.is_weak()).count();
    let keys = Keys::new(entries).map_err(|error| format!("auth.keys: {error}"))?;
    if n_weak > 0 {
        let least = auth::STRONG_KEY_MIN_BYTES;
        tracing::warn!(n_keys = n_weak, "keys with fewer than {least} characters can be guessed; `sessionfold key new` makes better ones");
    }
    Ok(keys)
}

fn entry(key: &config::Key) -> Result<KeyEntry, String> {
    let rights = key.rights.iter().map(|right| match right {
        config::Right::Ingest => auth::Right::Ingest,
        config::Right::Read => auth::Right::Read,
    });
    let tenant = Tenant::new(&key.tenant).ok_or_else(|| format!("auth.keys: {:?} is no tenant", key.tenant))?;
    let secret = match (&key.key, &key.hash) {
        (Some(key), None) => Secret::Plain(key.clone()),
        (None, Some(hash)) => Secret::Hashed(hash.clone()),
        _ => return Err("auth.keys: a key has either `key` or `hash`".into()),
    };
    Ok(KeyEntry { key: secret, tenant, rights: rights.collect() })
}

fn tls(config: &Config) -> Result<Option<Tls>, String> {
    let config::Server { tls_cert, tls_key, tls_client_ca, .. } = &config.server;
    if tls_cert.as_os_str().is_empty() {
        return Ok(None);
    }
    let client_ca = Some(tls_client_ca.clone()).filter(|path| !path.as_os_str().is_empty());
    Tls::load(TlsFiles { cert: tls_cert.clone(), key: tls_key.clone(), client_ca }).map(Some).map_err(|error| error.to_string())
}
