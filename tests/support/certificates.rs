//! Certificates of a small world, for the tests of every crate that speaks TLS, which include this file by its path. Not
//! a public key infrastructure: nothing here is ever believed outside of a test.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType,
    SerialNumber, date_time_ymd,
};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Who vouches for certificates.
pub type Authority = CertifiedIssuer<'static, KeyPair>;

/// How long the desk's own certificate holds: a month.
const DESK_SECONDS: u64 = 30 * 24 * 60 * 60;

/// How long a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Valid {
    /// For long.
    Now,
    /// It has ended years ago.
    Ended,
    /// It ends in so many seconds.
    ForSeconds(u64),
}

/// A folder with an authority (`ca.pem`) and what it has issued, the desk's own first (`desk.pem`, `desk.key`).
pub struct World {
    dir: TempDir,
    /// The authority of `ca.pem`.
    pub authority: Authority,
}

impl World {
    /// An authority, and a certificate of a desk at 127.0.0.1.
    pub fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap(), authority: authority() };
        keep(&world.path("ca.pem"), &world.authority.pem());
        world.issue("desk", &world.authority, here(), Valid::ForSeconds(DESK_SECONDS));
        world
    }

    /// A file of this world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes `{name}.pem` and `{name}.key`, in place of those that are there; the certificate's number.
    pub fn issue(&self, name: &str, by: &Authority, names: Vec<SanType>, valid: Valid) -> u64 {
        static ISSUED: AtomicU64 = AtomicU64::new(1);
        let number = ISSUED.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names;
        params.serial_number = Some(SerialNumber::from(number));
        match valid {
            Valid::Now => {}
            Valid::Ended => {
                (params.not_before, params.not_after) =
                    (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 4, 1));
            }
            Valid::ForSeconds(seconds) => {
                params.not_after = (SystemTime::now() + Duration::from_secs(seconds)).into();
            }
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, by).unwrap();
        keep(&self.path(&format!("{name}.pem")), &certificate.pem());
        keep(&self.path(&format!("{name}.key")), &key.serialize_pem());
        number
    }
}

/// An authority that nobody knows yet, with a name of its own.
pub fn authority() -> Authority {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let mut params = CertificateParams::new(vec![]).unwrap();
    let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The name of this machine, which is all that tests ever call.
pub fn here() -> Vec<SanType> {
    vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())]
}

/// Writes a file that only its owner can read, as whoever issues certificates does: whole, by a new name.
pub fn keep(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&fresh, path).unwrap();
}
