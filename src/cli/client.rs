//! How a command of a client reaches a server: its address, its key and its certificates.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::url_of;
use crate::config::{self, Config, ConfigError, Listen};
use crate::demo::client::{Client, ClientError, Door};
use crate::tempo::tls::{Identity, Trust};

/// Where the server is: at the address that is given, else where it listens by the file and the variables that it runs with.
#[derive(Clone, Debug, Args)]
pub(super) struct ServerArgs {
    /// The settings file that the server runs with
    #[arg(long, value_name = "FILE", env = "SESSIONFOLD_CONFIG")]
    config: Option<PathBuf>,
    /// Where the server's API is: an address as the server takes it, or a URL [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "SESSIONFOLD_HTTP")]
    http: Option<Address>,
}

/// An address as a client or as the server itself has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Address {
    Url(String),
    Listen(Listen),
}

#[derive(Clone, Debug, Args)]
pub(super) struct ClientArgs {
    /// An API key, where the server wants one
    #[arg(long, value_name = "KEY", env = "SESSIONFOLD_KEY", hide_env_values = true)]
    key: Option<String>,
    /// A PEM file of who signed the server's certificate, where the system does not know them
    #[arg(long, value_name = "FILE", env = "SESSIONFOLD_CA")]
    ca: Option<PathBuf>,
    /// Do not check the server's certificate; only for a server on this machine
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    /// A certificate to show to a server that asks for one
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

// === impl ServerArgs ===

impl ServerArgs {
    /// The settings that the server runs with, as far as its file and the variables of this process say them.
    pub(super) fn resolve(&self) -> Result<Config, ConfigError> {
        config::load(self.config.as_deref(), &config::environment(std::env::vars_os())?)
    }

    /// Where its API is.
    pub(super) fn api(&self, config: &Config) -> Result<String, String> {
        Address::or(self.http.as_ref(), &config.server.http).url(config, "--http")
    }
}

// === impl Address ===

impl Address {
    /// What is given, else where the server listens.
    pub(super) fn or(given: Option<&Self>, listens: &Listen) -> Self {
        given.cloned().unwrap_or_else(|| Self::Listen(listens.clone()))
    }

    /// As a URL; `flag` is where another one can be given.
    pub(super) fn url(&self, config: &Config, flag: &str) -> Result<String, String> {
        match self {
            Self::Url(url) => Ok(url.clone()),
            Self::Listen(listen) => url_of(config, listen)
                .ok_or_else(|| format!("{listen} has port 0, so that the port is known only to the running server: say it with {flag}")),
        }
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") { Ok(Self::Url(text.to_owned())) } else { text.parse().map(Self::Listen) }
    }
}

// === impl ClientArgs ===

impl ClientArgs {
    pub(super) fn trust(&self) -> Trust {
        if self.insecure { Trust::Anybody } else { Trust::file_or_system(self.ca.as_deref()) }
    }

    pub(super) fn client(&self, url: &str, door: Door) -> Result<Client, ClientError> {
        let files = self.client_cert.clone().zip(self.client_key.clone());
        let identity = files.map(|(cert, key)| Identity { cert, key });
        Client::secured(url, door, self.key.as_deref(), &self.trust(), identity.as_ref())
    }

    /// What has to be said again for another command to be believed by the same server, but for the key.
    pub(super) fn said(&self) -> String {
        let mut said = String::new();
        for (flag, file) in [("--ca", &self.ca), ("--client-cert", &self.client_cert), ("--client-key", &self.client_key)] {
            if let Some(file) = file {
                said.push_str(&format!(" {flag} {}", file.display()));
            }
        }
        if self.insecure {
            said.push_str(" --insecure");
        }
        said
    }
}
