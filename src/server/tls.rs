//! TLS on the listeners: rustls, from PEM files that can be replaced while it runs.
//!
//! - What is read anew holds for new connections; what cannot be read leaves the old in place.
//! - A new certificate begins with no resumable sessions, so that nobody resumes past a change of those who may sign clients'.
//! - Never logs or shows a private key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// Where the certificate, its key, and those who may sign clients' certificates are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// With it every client needs a certificate.
    pub client_ca: Option<PathBuf>,
}

/// What the connections of all listeners are accepted with.
pub struct Tls {
    files: TlsFiles,
    /// Read by every new connection, replaced when the files have changed.
    config: RwLock<Arc<ServerConfig>>,
}

/// Why files cannot be used; the text names the setting and the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{setting}: cannot read {}: {reason}", path.display())]
    Unreadable { setting: &'static str, path: PathBuf, reason: String },
    #[error("{setting}: {} holds no {what}", path.display())]
    Nothing { setting: &'static str, path: PathBuf, what: &'static str },
    #[error("server.tls_cert and server.tls_key: {} with {} cannot be used: {source}", cert.display(), key.display())]
    Unfit { cert: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("server.tls_client_ca: {} cannot be used: {reason}", path.display())]
    ClientCa { path: PathBuf, reason: String },
}

// === impl Tls ===

impl Tls {
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let config = RwLock::new(Arc::new(read(&files)?));
        Ok(Self { files, config })
    }

    /// Reads the files again. Blocks.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = Arc::new(read(&self.files)?);
        *self.config.write() = config;
        Ok(())
    }

    /// The files, to be watched for changes.
    pub fn paths(&self) -> Vec<PathBuf> {
        let TlsFiles { cert, key, client_ca } = self.files.clone();
        [cert, key].into_iter().chain(client_ca).collect()
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read()))
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates("server.tls_cert", &files.cert)?;
    let key = private_key(&files.key)?;
    let unfit = |source| TlsError::Unfit { cert: files.cert.clone(), key: files.key.clone(), source };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(unfit)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let refused = |reason: String| TlsError::ClientCa { path: path.clone(), reason };
            let mut roots = RootCertStore::empty();
            for certificate in certificates("server.tls_client_ca", path)? {
                roots.add(certificate).map_err(|error| refused(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| refused(error.to_string()))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unfit)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error: pem::Error| TlsError::Unreadable { setting, path: path.to_owned(), reason: words(error) };
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() {
        return Err(TlsError::Nothing { setting, path: path.to_owned(), what: "certificate in PEM" });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let setting = "server.tls_key";
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            TlsError::Nothing { setting, path: path.to_owned(), what: "private key in PEM, or only one under a password" }
        }
        error => TlsError::Unreadable { setting, path: path.to_owned(), reason: words(error) },
    })
}

/// The parser's own words may repeat a line of the file, which may be part of a key.
fn words(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        _ => "it is not PEM, or damaged".to_owned(),
    }
}
