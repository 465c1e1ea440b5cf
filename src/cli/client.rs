//! How a command of a client reaches a server: its key and its certificates.

use std::path::PathBuf;

use clap::Args;

use crate::demo::client::{Client, ClientError, Door};
use crate::tempo::tls::{Identity, Trust};

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
