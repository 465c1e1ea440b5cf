//! Whom a client believes over https: Tempo's query API, and a server that is shown the demo.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Whose certificates are believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Those of whom the system trusts.
    System,
    /// Those that are signed by one in this PEM file, and no others.
    Only(PathBuf),
    /// Anybody's. Only for what stays on this machine, or holds no secret.
    Anybody,
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    Http1,
    Http2,
}

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("cannot read certificates from {}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("{} holds no certificate in PEM", .0.display())]
    Nothing(PathBuf),
    #[error("this system trusts no certificate authority: install its CA certificates, or name a file of your own")]
    NoRoots,
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A certificate and its key, for a server that wants to know its clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub cert: PathBuf,
    pub key: PathBuf,
}

// === impl Trust ===

impl Trust {
    /// A file where one is named, else the system.
    pub fn file_or_system(file: Option<&Path>) -> Self {
        file.map_or(Self::System, |file| Self::Only(file.to_owned()))
    }

    /// Blocks while it reads files.
    pub fn client_config(&self, identity: Option<&Identity>) -> Result<ClientConfig, TrustError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match self {
            Self::System => builder.with_root_certificates(system_roots()?),
            Self::Only(path) => builder.with_root_certificates(roots(certificates(path)?, path)?),
            Self::Anybody => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider))),
        };
        let Some(Identity { cert, key }) = identity else { return Ok(builder.with_no_client_auth()) };
        let private = PrivateKeyDer::from_pem_file(key);
        let private = private
            .map_err(|_| TrustError::File { path: key.clone(), reason: "it holds no private key in PEM that can be read".into() })?;
        Ok(builder.with_client_auth_cert(certificates(cert)?, private)?)
    }

    /// What connects to `url`, over TLS or without, as its scheme says.
    pub fn connector(
        &self,
        url: &http::Uri,
        version: Version,
        identity: Option<&Identity>,
    ) -> Result<HttpsConnector<HttpConnector>, TrustError> {
        let config = match url.scheme_str() {
            Some("https") => self.client_config(identity)?,
            // Nobody is asked for a certificate.
            _ => Self::nobody()?,
        };
        let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
        Ok(match version {
            Version::Http1 => builder.enable_http1().build(),
            Version::Http2 => builder.enable_http2().build(),
        })
    }

    fn nobody() -> Result<ClientConfig, TrustError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
        Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    }
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    // What of it cannot be read is not trusted; a system has one or two odd ones.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TrustError::NoRoots) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let failed = |reason: String| TrustError::File { path: path.to_owned(), reason };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| failed(error.to_string()))?;
    if found.is_empty() { Err(TrustError::Nothing(path.to_owned())) } else { Ok(found) }
}

fn roots(certificates: Vec<CertificateDer<'static>>, path: &Path) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| TrustError::File { path: path.to_owned(), reason: error.to_string() })?;
    }
    Ok(roots)
}

/// Believes every certificate, and still checks that the server holds its key.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
