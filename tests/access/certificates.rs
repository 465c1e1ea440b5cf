//! Certificates for one test: a signer of its own, and files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use sessionfold::tempo::tls::{Identity, Trust};
use tempfile::TempDir;
use tokio_rustls::rustls::{self, pki_types::ServerName};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Somebody who signs certificates.
pub struct Signer {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named("signer");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Writes a certificate of `name` for localhost and 127.0.0.1, and its key, over what was there.
    pub fn sign(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = named(name);
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity { cert: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) };
        exchange(&identity.key, &key.serialize_pem());
        exchange(&identity.cert, &cert.pem());
        identity
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// As careful programs write: another file under the same name.
fn exchange(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// Connects with TLS, and offers these protocols.
pub async fn connect(
    address: std::net::SocketAddr,
    trust: &Trust,
    identity: Option<&Identity>,
    alpn: &[&str],
) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let mut config: rustls::ClientConfig = trust.client_config(identity).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = tokio::net::TcpStream::connect(address).await?;
    TlsConnector::from(std::sync::Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}
