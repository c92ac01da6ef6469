//! Certificates of the client: files in, TLS out. They are looked at again while the process runs, because they end
//! sooner than a process does. Whoever issues them is somebody else.

use super::way::CannotConnect;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::zeroize::Zeroizing;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Largest file of certificates or of a key, in bytes. The whole list of an operating system has about 250 KiB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Permissions that a private key must not have: everybody's but its owner's.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Whom to believe, and as whom to come. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Those who may vouch for the owner; those of the operating system without it.
    pub ca_file: Option<PathBuf>,
    /// A certificate of our own with those that vouch for it, and its private key, for an owner that asks for one. Only
    /// its owner may be able to read the key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How often the files are looked at. What was replaced holds for connections from then on.
    pub look_every: Duration,
}

impl Trust {
    /// Soon enough for files that are replaced days before they end.
    pub const LOOK_EVERY: Duration = Duration::from_secs(5);
}

impl Default for Trust {
    fn default() -> Self {
        Self { ca_file: None, identity: None, look_every: Self::LOOK_EVERY }
    }
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Papers {
    authorities: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl Papers {
    /// Reads the files. Blocks.
    pub(super) fn read(trust: &Trust) -> Result<Self, CannotConnect> {
        let authorities = trust.ca_file.as_deref().map(authorities).transpose()?;
        let identity = trust.identity.as_ref().map(|(chain, key)| {
            let chain_pem = content(chain, File::open(chain))?.to_vec();
            certificates(chain, &chain_pem)?;
            let key_pem = content(key, private(key))?;
            PrivateKeyDer::from_pem_slice(&key_pem)
                .map_err(|error| unusable(key, format!("no private key in PEM: {error}")))?;
            Ok((chain_pem, key_pem))
        });
        Ok(Self { authorities, identity: identity.transpose()? })
    }

    /// TLS with these papers.
    pub(super) fn shown_with(&self, tls: ClientTlsConfig) -> ClientTlsConfig {
        let tls = match &self.authorities {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        };
        match &self.identity {
            Some((chain, key)) => tls.identity(Identity::from_pem(chain, &**key)),
            None => tls,
        }
    }
}

fn authorities(path: &Path) -> Result<Vec<u8>, CannotConnect> {
    let pem = content(path, File::open(path))?.to_vec();
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, &pem)? {
        roots.add(certificate).map_err(|error| unusable(path, format!("no CA certificate: {error}")))?;
    }
    Ok(pem)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CannotConnect> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if found.is_empty() => Err(unusable(path, "no certificate in it".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(path, format!("no certificates in PEM: {error}"))),
    }
}

/// Opens a file that must be its owner's alone.
fn private(path: &Path) -> std::io::Result<File> {
    let file = File::open(path)?;
    #[cfg(unix)]
    {
        // The open file is asked, not the path: nobody can swap it in between.
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o7777;
        if mode & OTHERS != 0 {
            let why = format!("it is open to others (mode {mode:o}): run `chmod 600` on it");
            return Err(std::io::Error::other(why));
        }
    }
    Ok(file)
}

fn content(path: &Path, file: std::io::Result<File>) -> Result<Zeroizing<Vec<u8>>, CannotConnect> {
    let mut bytes = Zeroizing::new(vec![]);
    let read = file.and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(unusable(path, error.to_string())),
        Ok(_) if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) => Ok(bytes),
        Ok(_) => Err(unusable(path, format!("it has more than {FILE_BYTES_MAX} bytes"))),
    }
}

fn unusable(path: &Path, what: String) -> CannotConnect {
    CannotConnect::File { path: path.to_owned(), what }
}
