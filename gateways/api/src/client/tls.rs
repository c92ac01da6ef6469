//! TLS towards a desk: whom to believe, and the client's own certificate.

use super::key;
use super::setup::SetupError;
use crate::papers::{self, BYTES_MAX, Unread};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The only protocol that this client speaks.
const HTTP: &[u8] = b"http/1.1";

/// Whom to believe, and as whom to come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Certificates (PEM) of those who may vouch for the desk; those of the operating system without it.
    pub ca_file: Option<PathBuf>,
    /// The client's own certificate chain (PEM) and its private key (PEM, mode 0600).
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// TLS, ready to be spoken.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(host: &str, trust: &Trust) -> Result<Self, SetupError> {
        let failed = |error: &dyn fmt::Display| SetupError::Tls(error.to_string());
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots(trust.ca_file.as_deref())?);
        let mut config = match &trust.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let (chain, key) = (certificates(chain, CLIENT)?, private_key(key)?);
                builder.with_client_auth_cert(chain, key).map_err(|error| failed(&error))?
            }
        };
        config.alpn_protocols = vec![HTTP.to_vec()];
        Ok(Self { config: Arc::new(config), name })
    }
}

const AUTHORITIES: &str = "a list of authorities";
const CLIENT: &str = "a client certificate";
const KEY: &str = "the private key of a certificate";

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        for certificate in certificates(path, AUTHORITIES)? {
            roots.add(certificate).map_err(|error| unusable(path, AUTHORITIES, &error))?;
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    // Some of a system's certificates may be too old to be read; the others still vouch.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let what = "this machine has no certificates of authorities: name some with --ca-file";
        return Err(SetupError::Tls(what.to_owned()));
    }
    Ok(roots)
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let text = papers::public(path, BYTES_MAX).map_err(|unread| match unread {
        Unread::Io(error) => unusable(path, what, &error),
        Unread::TooLarge { most } => too_large(path, what, most),
        Unread::Open { mode } => SetupError::KeyFileOpen { path: path.to_owned(), mode },
    })?;
    papers::certificates(&text).map_err(|error| unusable(path, what, &error))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SetupError> {
    let text = papers::private(path, BYTES_MAX).map_err(|unread| match unread {
        Unread::TooLarge { most } => too_large(path, KEY, most),
        Unread::Io(_) | Unread::Open { .. } => key::refused(path, unread),
    })?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| unusable(path, KEY, &error))
}

fn too_large(path: &Path, what: &'static str, most: usize) -> SetupError {
    unusable(path, what, &format!("it has more than {most} bytes"))
}

fn unusable(path: &Path, what: &'static str, why: &dyn fmt::Display) -> SetupError {
    SetupError::Certificates { path: path.to_owned(), what, why: why.to_string() }
}
