//! TLS of the door to the network: files in, an acceptor out, and who a client certificate names.

use super::{DoorError, identity};
use crate::papers::{BYTES_MAX, Unread, next_update, private, public};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::access::Caller;
use tokio_rustls::TlsAcceptor;
use webpki::EndEntityCert;
use zeroize::Zeroizing;

/// What a caller may speak, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where the certificates are. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the desk, then those that vouch for it.
    pub chain: PathBuf,
    /// Its private key, which must be its owner's alone (mode 600).
    pub key: PathBuf,
    /// Who vouches for client certificates; none are asked for without it.
    pub client_ca: Option<PathBuf>,
    /// Which client certificates were taken back: lists of those who vouch for them (CRL), one of each, and each still
    /// holding. Whoever is named there is not let in, and loses the connections that they have.
    pub client_crl: Option<PathBuf>,
    /// Whether nobody is let in without a certificate. Otherwise a key will do.
    pub client_required: bool,
    /// How often the files are looked at. What was replaced holds for connections from then on, and for those that came
    /// with a certificate.
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
    client_crl: Option<(PathBuf, Zeroizing<Vec<u8>>)>,
}

/// What receives callers, and judges the certificates that they show.
#[derive(Clone)]
pub(super) struct Receiving {
    pub(super) acceptor: TlsAcceptor,
    pub(super) judge: Option<Arc<dyn ClientCertVerifier>>,
}

/// Reads the files.
pub(super) async fn read(files: &TlsFiles) -> Result<Papers, DoorError> {
    let files = files.clone();
    let path = files.chain.clone();
    let read = tokio::task::spawn_blocking(move || {
        let named = |path: &PathBuf| Ok((path.clone(), content(path)?));
        let client_ca = files.client_ca.as_ref().map(named).transpose()?;
        let client_crl = files.client_crl.as_ref().map(named).transpose()?;
        let papers =
            Papers { chain: content(&files.chain)?, key: secret(&files.key)?, client_ca, client_crl };
        papers.lists()?;
        Ok(papers)
    });
    read.await.unwrap_or_else(|error| Err(wrong(&path, format!("can't be read: {error}"))))
}

impl Papers {
    /// The lists of revoked certificates, which hold still.
    fn lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, DoorError> {
        let Some((path, pem)) = &self.client_crl else { return Ok(vec![]) };
        let found = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let found = found
            .map_err(|error| wrong(path, format!("no lists of revoked certificates in PEM: {error}")))?;
        if found.is_empty() {
            return Err(wrong(path, "no list of revoked certificates in it".to_owned()));
        }
        let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
        for (nth, list) in found.iter().enumerate() {
            let until = next_update(list);
            let until = until
                .ok_or_else(|| wrong(path, format!("list {} does not say until when it holds", nth + 1)))?;
            if until <= now {
                let ago = now.saturating_sub(until);
                let what =
                    format!("list {} has ended {ago} s ago: put a newer one of its authority there", nth + 1);
                return Err(wrong(path, what));
            }
        }
        Ok(found)
    }
}

fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, DoorError> {
    public(path, BYTES_MAX).map_err(|unread| unusable(path, &unread))
}

fn secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, DoorError> {
    private(path, BYTES_MAX).map_err(|unread| unusable(path, &unread))
}

fn unusable(path: &Path, unread: &Unread) -> DoorError {
    wrong(path, unread.to_string())
}

/// What receives callers with these papers.
pub(super) fn receiving(files: &TlsFiles, papers: &Papers) -> Result<Receiving, DoorError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&files.chain, error.to_string()))?;
    let chain = certificates(&files.chain, &papers.chain)?;
    let key = PrivateKeyDer::from_pem_slice(&papers.key)
        .map_err(|error| wrong(&files.key, format!("no private key in PEM: {error}")))?;
    let judge = papers.client_ca.as_ref();
    let judge =
        judge.map(|(path, pem)| verifier(path, pem, papers.lists()?, files.client_required, provider));
    let judge = judge.transpose()?;
    let builder = match &judge {
        Some(judge) => builder.with_client_cert_verifier(Arc::clone(judge)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&files.key, format!("does not fit {}: {error}", files.chain.display())))?;
    config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Receiving { acceptor: TlsAcceptor::from(Arc::new(config)), judge })
}

fn verifier(
    path: &Path,
    pem: &[u8],
    lists: Vec<CertificateRevocationListDer<'static>>,
    required: bool,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, DoorError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots.add(certificate).map_err(|error| wrong(path, format!("no CA certificate: {error}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).with_crls(lists);
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
