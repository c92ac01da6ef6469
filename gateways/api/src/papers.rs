//! Files of keys and certificates: read whole and within bounds, wiped from memory after use, and secrets only when they
//! are their owner's alone.

mod validity;

pub(crate) use validity::{next_update, not_after};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Largest file of certificates or of a private key, in bytes.
pub(crate) const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Everybody but the owner.
const OTHERS: u32 = 0o077;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// The system said no.
    #[error("can't be read: {0}")]
    Io(io::Error),
    /// Others can read or change it.
    #[error("is open to others (mode {mode:o}): run `chmod 600` on it")]
    Open {
        /// Its permissions.
        mode: u32,
    },
    /// It is larger than any such file.
    #[error("has more than {most} bytes")]
    TooLarge {
        /// The most bytes.
        most: usize,
    },
}

/// What a file holds that everybody may see.
pub(crate) fn public(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, Unread> {
    whole(File::open(path).map_err(Unread::Io)?, most)
}

/// What a file holds that must be its owner's alone.
pub(crate) fn private(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, Unread> {
    let file = File::open(path).map_err(Unread::Io)?;
    // Of the open file, not of the name: nobody can swap it in between.
    let mode = file.metadata().map_err(Unread::Io)?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(Unread::Open { mode });
    }
    whole(file, most)
}

/// What the file of a private key holds, by the rule of every door: it is read when it is its owner's alone. Blocks.
///
/// # Errors
///
/// The file can't be read, is open to others or larger than any such file: in words, without its name.
pub fn private_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    private(path, BYTES_MAX).map_err(|unread| unread.to_string())
}

fn whole(file: File, most: usize) -> Result<Zeroizing<Vec<u8>>, Unread> {
    // Room for everything from the start: a buffer that grows leaves copies behind that nobody wipes.
    let announced = file.metadata().map_err(Unread::Io)?.len();
    let room = usize::try_from(announced).ok().filter(|bytes| *bytes <= most);
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(room.ok_or(Unread::TooLarge { most })?.saturating_add(1)));
    let beyond = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(beyond).read_to_end(&mut bytes).map_err(Unread::Io)?;
    if bytes.len() > most { Err(Unread::TooLarge { most }) } else { Ok(bytes) }
}

/// When the first of the certificates in a file (PEM) ends, in seconds since 1970 in UTC; `None` when no end can be read.
/// Blocks.
///
/// # Errors
///
/// The file can't be read, or holds no certificates: in words, without its name.
pub fn certificates_end(path: &Path) -> Result<Option<i64>, String> {
    let text = public(path, BYTES_MAX).map_err(|unread| unread.to_string())?;
    Ok(certificates(&text)?.iter().filter_map(|certificate| not_after(certificate)).min())
}

/// The certificates in a text; none is an error too.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::{Unread, certificates, private, public};
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_read_when_it_is_its_owner_s_alone_and_never_beyond_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, [7; 100]).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(private(&path, 100), Err(Unread::Open { mode: 0o640 })));
        assert_eq!(public(&path, 100).unwrap().len(), 100, "what is public may be open");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(private(&path, 100).unwrap().len(), 100);
        assert!(matches!(private(&path, 99), Err(Unread::TooLarge { most: 99 })));
        // Of some files the system does not say how long they are.
        assert!(matches!(public("/dev/zero".as_ref(), 1_000), Err(Unread::TooLarge { most: 1_000 })));
        assert!(matches!(public(&directory.path().join("none"), 1), Err(Unread::Io(_))));
    }

    #[test]
    fn of_several_certificates_the_first_end_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain.pem");
        let ending = |year| {
            let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 3, 1);
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
        };
        std::fs::write(&path, ending(2055) + &ending(2031)).unwrap();
        assert_eq!(super::certificates_end(&path), Ok(Some(1_930_089_600)));
        std::fs::write(&path, "nothing").unwrap();
        assert!(super::certificates_end(&path).is_err());
        assert!(super::certificates_end(&directory.path().join("nowhere")).is_err());
    }

    #[test]
    fn a_text_without_a_certificate_is_none() {
        assert!(certificates(b"").is_err() && certificates(b"this is no certificate").is_err());
    }
}
