//! TLS of the door to the network: files in, an acceptor out, and who a client certificate names.

use super::{DoorError, identity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::access::Caller;
use tokio_rustls::TlsAcceptor;
use webpki::EndEntityCert;
use zeroize::Zeroizing;

/// What a caller may speak, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Largest file of certificates or of a key, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where the certificates are. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the desk, then those that vouch for it.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who vouches for client certificates; none are asked for without it.
    pub client_ca: Option<PathBuf>,
    /// Whether nobody is let in without a certificate. Otherwise a key will do.
    pub client_required: bool,
    /// How often the files are looked at. What was replaced holds for connections from then on.
    pub look_every: Duration,
}

impl TlsFiles {
    /// Soon enough for files that are replaced days before they end.
    pub const LOOK_EVERY: Duration = Duration::from_secs(5);
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Papers {
    chain: Zeroizing<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<(PathBuf, Zeroizing<Vec<u8>>)>,
}

/// Reads the files.
pub(super) async fn read(files: &TlsFiles) -> Result<Papers, DoorError> {
    let files = files.clone();
    let path = files.chain.clone();
    let read = tokio::task::spawn_blocking(move || {
        let client_ca = files.client_ca.as_ref().map(|path| Ok((path.clone(), content(path)?)));
        let client_ca = client_ca.transpose()?;
        Ok(Papers { chain: content(&files.chain)?, key: content(&files.key)?, client_ca })
    });
    read.await.unwrap_or_else(|error| Err(wrong(&path, format!("can't be read: {error}"))))
}

fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, DoorError> {
    let mut bytes = Zeroizing::new(vec![]);
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(wrong(path, format!("can't be read: {error}"))),
        Ok(_) if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) => Ok(bytes),
        Ok(_) => Err(wrong(path, format!("has more than {FILE_BYTES_MAX} bytes"))),
    }
}

/// What receives callers with these papers.
pub(super) fn acceptor(files: &TlsFiles, papers: &Papers) -> Result<TlsAcceptor, DoorError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&files.chain, error.to_string()))?;
    let chain = certificates(&files.chain, &papers.chain)?;
    let key = PrivateKeyDer::from_pem_slice(&papers.key)
        .map_err(|error| wrong(&files.key, format!("no private key in PEM: {error}")))?;
    let builder = match &papers.client_ca {
        Some((path, pem)) => {
            builder.with_client_cert_verifier(verifier(path, pem, files.client_required, provider)?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&files.key, format!("does not fit {}: {error}", files.chain.display())))?;
    config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn verifier(
    path: &Path,
    pem: &[u8],
    required: bool,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, DoorError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots.add(certificate).map_err(|error| wrong(path, format!("no CA certificate: {error}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| wrong(path, error.to_string()))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, DoorError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if found.is_empty() => Err(wrong(path, "no certificate in it".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(path, format!("no certificates in PEM: {error}"))),
    }
}

fn wrong(path: &Path, what: String) -> DoorError {
    DoorError::Tls { path: path.to_owned(), what }
}

/// Who the client's certificate names. The handshake has verified it.
pub(super) fn caller(connection: &ServerConnection, address: &str) -> Option<Caller> {
    let certificate = connection.peer_certificates()?.first()?;
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    identity::caller(certificate.valid_uri_names(), address)
}
