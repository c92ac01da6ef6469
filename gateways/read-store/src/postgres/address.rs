//! The database URL: what of it is understood, and how a connection is made by it.
//!
//! Stricter than the driver, which passes over what it does not know and would then connect with less protection
//! than the URL asks for. Nothing here repeats a part of the URL that may be a secret.

use super::error::{Failure, Trouble};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What may stand after the `?`, in the order in which it is told.
const KNOWN: [&str; 13] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
];

/// What other programs understand there, and what to do here instead.
const ELSEWHERE: [(&str, &str); 8] = [
    ("channel_binding", "sslmode=verify-full proves the server by its certificate"),
    ("connect_timeout", "the desk waits two seconds, and tries again by itself"),
    ("gssencmode", "leave it out"),
    ("pgbouncer", "statement-cache-capacity=0 is for poolers that share connections"),
    ("sslcrl", "withdraw a certificate by a new authority"),
    ("sslnegotiation", "leave it out"),
    ("sslpassword", "give sslkey a file without a pass phrase, which only the desk can read"),
    ("target_session_attrs", "name the server that takes writes as host"),
];

/// Statements that the server keeps prepared for each connection.
const STATEMENTS_KEPT: usize = 512;

/// Why a database URL can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is none.
    #[error("the database URL can't be read; it looks like postgres://role:password@host:5432/database")]
    Unreadable(#[source] sqlx::Error),
    /// A parameter that nobody knows. It is not repeated: an unescaped password ends up there.
    #[error(
        "parameter {place} after the ? of the database URL is not understood; known are {}; \
         in a password, ? is written %3F and & %26",
        KNOWN.join(", ")
    )]
    Unknown {
        /// Which, counted from one.
        place: usize,
    },
    /// Something that the driver does not do.
    #[error("{what} in the database URL is not offered here: {instead}")]
    NotOffered {
        /// What was asked for.
        what: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// A parameter stands there twice.
    #[error("{name} stands twice in the database URL; which one counts?")]
    Twice {
        /// Which.
        name: &'static str,
    },
    /// No such mode.
    #[error("sslmode ({origin}) is one of disable, prefer, require and verify-full")]
    Mode {
        /// Where it is set.
        origin: &'static str,
    },
    /// A certificate that would not be looked at.
    #[error("{name} in the database URL is looked at only with {mode}: set that, or take {name} out")]
    Unused {
        /// Which parameter.
        name: &'static str,
        /// The modes with which it is.
        mode: &'static str,
    },
    /// A certificate without its key, or the other way round.
    #[error("the database URL has {given} and no {missing}: they belong together")]
    Half {
        /// What is there.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// A file can't be read.
    #[error("{name} in the database URL names {}, which can't be read", .path.display())]
    File {
        /// Which parameter.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{name} in the database URL names {}, which holds no {wanted}", .path.display())]
    NotPem {
        /// Which parameter.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// Others can read a private key.
    #[error("sslkey in the database URL names {}, which others can read; chmod 600 it", .path.display())]
    Open {
        /// Its file.
        path: PathBuf,
    },
}

/// A database URL that was understood.
#[derive(Debug, Clone)]
pub struct Address {
    options: PgConnectOptions,
    files: Vec<PemFile>,
}

/// A file with certificates or a key.
#[derive(Debug, Clone)]
struct PemFile {
    name: &'static str,
    path: PathBuf,
}

impl Address {
    /// Reads a URL, and the files that it names: what can't work is said before anything is tried.
    pub fn of(url: &str, application: &str) -> Result<Self, AddressError> {
        let given = parameters(url)?;
        let mode = mode(&given, std::env::var("PGSSLMODE").ok())?;
        let files = files(&given, mode)?;
        files.iter().try_for_each(PemFile::check)?;
        let mut options: PgConnectOptions = url.parse().map_err(AddressError::Unreadable)?;
        options = options.ssl_mode(mode).disable_statement_logging();
        for PemFile { name, path } in &files {
            options = match *name {
                "sslrootcert" => options.ssl_root_cert(path),
                "sslcert" => options.ssl_client_cert(path),
                _key => options.ssl_client_key(path),
            };
        }
        if !given.contains_key("application_name") {
            options = options.application_name(application);
        }
        if !given.contains_key("statement-cache-capacity") {
            options = options.statement_cache_capacity(STATEMENTS_KEPT);
        }
        Ok(Self { options, files })
    }

    /// A new connection. Files of certificates are read again, so renewed ones count from then on.
    pub async fn connect(&self) -> Result<PgConnection, Trouble> {
        self.options.connect().await.map_err(|error| self.explained(error))
    }

    /// A file that has gone meanwhile looks to the driver like a server that has.
    fn explained(&self, error: sqlx::Error) -> Trouble {
        if let Some(file) = self.files.iter().find_map(|file| file.check().err()) {
            return Trouble::TlsFile(file);
        }
        Failure::from(error).into_trouble()
    }
}

/// What stands after the `?`: known names, each once.
fn parameters(url: &str) -> Result<BTreeMap<&'static str, String>, AddressError> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let mut given = BTreeMap::new();
    for (at, part) in query.split('&').enumerate().filter(|(_, part)| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if let Some((what, instead)) = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
            return Err(AddressError::NotOffered { what, instead });
        }
        let known = KNOWN.iter().find(|known| **known == name);
        let known = known.ok_or(AddressError::Unknown { place: at.saturating_add(1) })?;
        if given.insert(*known, decoded(value)).is_some() {
            return Err(AddressError::Twice { name: known });
        }
    }
    Ok(given)
}

/// The mode that the URL asks for; else the one of libpq's variable, as the driver would take it.
fn mode(
    given: &BTreeMap<&'static str, String>,
    of_environment: Option<String>,
) -> Result<PgSslMode, AddressError> {
    let of_url = given.get("sslmode").map(|mode| (mode.clone(), "in the database URL"));
    let of_environment = of_environment.map(|mode| (mode, "from PGSSLMODE"));
    let Some((mode, origin)) = of_url.or(of_environment) else { return Ok(PgSslMode::Prefer) };
    match mode.as_str() {
        "disable" => Ok(PgSslMode::Disable),
        "prefer" => Ok(PgSslMode::Prefer),
        "require" => Ok(PgSslMode::Require),
        "verify-full" => Ok(PgSslMode::VerifyFull),
        "allow" => Err(AddressError::NotOffered {
            what: "sslmode=allow",
            instead: "the driver would never ask for TLS; say require or verify-full, or disable",
        }),
        "verify-ca" => Err(AddressError::NotOffered {
            what: "sslmode=verify-ca",
            instead: "public authorities are trusted beside yours, and without a look at the name any certificate \
                      of theirs would do; say verify-full",
        }),
        _other => Err(AddressError::Mode { origin }),
    }
}

/// The files that are named, where they are looked at.
fn files(given: &BTreeMap<&'static str, String>, mode: PgSslMode) -> Result<Vec<PemFile>, AddressError> {
    let (encrypted, verified) = match mode {
        PgSslMode::VerifyFull => (true, true),
        PgSslMode::Require | PgSslMode::VerifyCa => (true, false),
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => (false, false),
    };
    if given.contains_key("sslrootcert") && !verified {
        return Err(AddressError::Unused { name: "sslrootcert", mode: "sslmode=verify-full" });
    }
    if given.get("sslrootcert").is_some_and(|value| value == "system") {
        let instead = "leave it out: public authorities are trusted already; name another authority's file";
        return Err(AddressError::NotOffered { what: "sslrootcert=system", instead });
    }
    for (name, other) in [("sslcert", "sslkey"), ("sslkey", "sslcert")] {
        if given.contains_key(name) && !given.contains_key(other) {
            return Err(AddressError::Half { given: name, missing: other });
        }
        if given.contains_key(name) && !encrypted {
            return Err(AddressError::Unused { name, mode: "sslmode=require or verify-full" });
        }
    }
    let named = ["sslrootcert", "sslcert", "sslkey"].into_iter();
    let files = named.filter_map(|name| Some(PemFile { name, path: given.get(name)?.into() }));
    Ok(files.collect())
}

impl PemFile {
    fn check(&self) -> Result<(), AddressError> {
        let (name, path) = (self.name, self.path.clone());
        let unreadable = |source| AddressError::File { name, path: path.clone(), source };
        let text = std::fs::read(&self.path).map_err(unreadable)?;
        let (holds, wanted) = if self.name == "sslkey" {
            if is_open(&self.path).map_err(unreadable)? {
                return Err(AddressError::Open { path });
            }
            (PrivateKeyDer::from_pem_slice(&text).is_ok(), "private key in PEM without a pass phrase")
        } else {
            let mut all = CertificateDer::pem_slice_iter(&text).peekable();
            (all.peek().is_some() && all.all(|one| one.is_ok()), "certificate in PEM")
        };
        if holds { Ok(()) } else { Err(AddressError::NotPem { name, path, wanted }) }
    }
}

/// Whether anybody but its owner can read a private key. Root's may be readable by one group.
fn is_open(path: &Path) -> std::io::Result<bool> {
    let there = std::fs::metadata(path)?;
    let others = if there.uid() == 0 { 0o027 } else { 0o077 };
    Ok(there.permissions().mode() & others != 0)
}

/// A value as it was before it was put into a URL.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, first) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (None, b'+') => {
                bytes.push(b' ');
                rest = after;
            }
            (None, other) => {
                bytes.push(*other);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
