//! What PostgreSQL's troubles mean for us: the world's, which pass, and those that a person must mend.

use super::address::AddressError;
use crate::migrate::MigrateError;
use rustls::CertificateError;
use std::time::Duration;
use stele_domain::port::read_store::StoreError;

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database URL can't be used, or a file that it names. It is not repeated: it may hold a password.
    #[error(transparent)]
    Url(AddressError),
    /// The definitions of the tables make no sense.
    #[error("the tables can't be kept")]
    Definitions(#[source] StoreError),
    /// The server does not answer, or says that it can't now. Trying again may help.
    #[error("PostgreSQL does not answer")]
    Unavailable(#[source] StoreError),
    /// The migrations in the database are not those of this build.
    #[error("the database is not of this build")]
    Migrations(#[from] MigrateError),
    /// A table is not what the projections expect.
    #[error(
        "table read_model.{table} is not what this build expects: {why}; the database was changed by hand, or a migration is missing"
    )]
    Drifted {
        /// The table.
        table: String,
        /// What is wrong with it.
        why: String,
    },
}

impl OpenError {
    /// Whether opening again, unchanged, may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(error) => error.is_transient(),
            Self::Migrations(error) => error.is_transient(),
            Self::Url(_) | Self::Definitions(_) | Self::Drifted { .. } => false,
        }
    }
}

/// Trouble with the server that passes, by itself or when somebody helps. In words that say what to do.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nobody listens there.
    #[error("PostgreSQL can't be reached; is it running, and is the address right?")]
    Unreachable(#[source] sqlx::Error),
    /// The server has no connection left.
    #[error("PostgreSQL has no connection left for us; raise max_connections, or lower database.connections")]
    TooMany(#[source] sqlx::Error),
    /// All of our own connections are at work.
    #[error("all {connections} connections of this process to PostgreSQL have been busy for {waited:?}")]
    AllBusy {
        /// How many there are.
        connections: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// It is coming up, going down, or came back from a crash.
    #[error("PostgreSQL is starting or stopping")]
    Restarting(#[source] sqlx::Error),
    /// The connection broke in the middle.
    #[error("the connection to PostgreSQL broke")]
    Broken(#[source] sqlx::Error),
    /// The server did not finish in time, and was told to stop.
    #[error("PostgreSQL did not finish in time; it is overloaded, or the question needs an index")]
    Slow(#[source] sqlx::Error),
    /// No word from the server at all.
    #[error("PostgreSQL said nothing for {0:?}")]
    Silent(Duration),
    /// No room on its disk.
    #[error("PostgreSQL's disk is full; make room, and the desk goes on by itself")]
    DiskFull(#[source] sqlx::Error),
    /// It takes no writes.
    #[error(
        "PostgreSQL takes no writes (read-only); is this a standby, or is default_transaction_read_only on?"
    )]
    ReadOnly(#[source] sqlx::Error),
    /// It is short of something else, or two transactions met.
    #[error("PostgreSQL is short of resources, or busy with somebody else's lock")]
    Busy(#[source] sqlx::Error),
    /// Role, password, database or encryption.
    #[error("PostgreSQL refuses our role, password, database or encryption; look at the database URL")]
    Refused(#[source] sqlx::Error),
    /// The URL asks for TLS, and there is none.
    #[error(
        "PostgreSQL offers no TLS, and the database URL demands it; turn `ssl` on at the server; over a Unix socket \
         there is none"
    )]
    NoTls(#[source] sqlx::Error),
    /// Its certificate is not what the URL asks for, or it does not take ours.
    #[error("no trust between PostgreSQL and us; {advice}")]
    Certificate {
        /// What to do.
        advice: &'static str,
        /// What is wrong.
        #[source]
        source: sqlx::Error,
    },
    /// A file of ours that TLS needs.
    #[error("our side of TLS is not in order")]
    TlsFile(#[source] AddressError),
    /// A privilege is missing.
    #[error("our role lacks a privilege; run `stele db migrate` as the owner, which grants it")]
    Denied(#[source] sqlx::Error),
    /// A table or function is gone.
    #[error("a table or function of ours is missing; run `stele db migrate` as the owner")]
    Missing(#[source] sqlx::Error),
    /// Another database took the place of ours.
    #[error(
        "the database has no checkpoints of this desk: it is a new one, and is looked at and filled again"
    )]
    NewDatabase,
    /// Something else on the server's side.
    #[error("PostgreSQL failed")]
    Failed(#[source] sqlx::Error),
}

impl Trouble {
    /// A short stable name, for metrics and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TooMany(_) => "too_many_connections",
            Self::AllBusy { .. } => "all_busy",
            Self::Restarting(_) => "restarting",
            Self::Broken(_) => "broken",
            Self::Slow(_) => "slow",
            Self::Silent(_) => "silent",
            Self::DiskFull(_) => "disk_full",
            Self::ReadOnly(_) => "read_only",
            Self::Busy(_) => "busy",
            Self::Refused(_) => "refused",
            Self::NoTls(_) => "no_tls",
            Self::Certificate { .. } => "certificate",
            Self::TlsFile(_) => "tls_file",
            Self::Denied(_) => "denied",
            Self::Missing(_) => "missing",
            Self::NewDatabase => "new_database",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether the connection, rather than the question, is what failed.
    pub(crate) fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Restarting(_) | Self::Unreachable(_))
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        crate::observe::trouble(&trouble);
        Self::Unavailable(Box::new(trouble))
    }
}

/// What a failed call was.
pub(crate) enum Failure {
    /// The world's.
    Trouble(Trouble),
    /// The data's: it can't be kept or read, now or later.
    Data(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(said) = &error {
            let code = said.code().unwrap_or_default().into_owned();
            return match code.as_str() {
                "53300" => Self::Trouble(Trouble::TooMany(error)),
                "53100" => Self::Trouble(Trouble::DiskFull(error)),
                "25006" => Self::Trouble(Trouble::ReadOnly(error)),
                "57014" => Self::Trouble(Trouble::Slow(error)),
                // A check of the table, by its name.
                "23514" if said.constraint().is_some() => Self::Data(error.to_string()),
                // No such table, function or column; a row without a partition, which was dropped just now and is
                // made again at the next try.
                "42P01" | "42883" | "42703" | "23514" => Self::Trouble(Trouble::Missing(error)),
                "42501" => Self::Trouble(Trouble::Denied(error)),
                "3D000" => Self::Trouble(Trouble::Refused(error)),
                _ => by_class(&code, error),
            };
        }
        if let Some(advice) = tls_failure(&error).map(tls_advice) {
            return Self::Trouble(Trouble::Certificate { advice, source: error });
        }
        if let sqlx::Error::Io(io) = &error {
            let refused = is_refusal(io.kind());
            return Self::Trouble(if refused { Trouble::Unreachable(error) } else { Trouble::Broken(error) });
        }
        if matches!(error, sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed) {
            return Self::Trouble(Trouble::Broken(error));
        }
        if matches!(error, sqlx::Error::Tls(_)) {
            return Self::Trouble(Trouble::NoTls(error));
        }
        if matches!(error, sqlx::Error::Configuration(_)) {
            return Self::Trouble(Trouble::Refused(error));
        }
        if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_))
        {
            return Self::Data(error.to_string());
        }
        Self::Trouble(Trouble::Failed(error))
    }
}

/// What TLS itself says: the driver passes it on in a failure of input and output, or of its own.
fn tls_failure(error: &sqlx::Error) -> Option<&rustls::Error> {
    if let sqlx::Error::Io(io) = error {
        return io.get_ref()?.downcast_ref();
    }
    if let sqlx::Error::Tls(why) = error {
        return why.downcast_ref();
    }
    None
}

fn tls_advice(error: &rustls::Error) -> &'static str {
    use CertificateError::{BadSignature, NotValidForName, NotValidForNameContext, UnknownIssuer};
    if let rustls::Error::InvalidCertificate(why) = error {
        if matches!(why, UnknownIssuer | BadSignature) {
            return "its certificate is of another authority: name the file of the right one in `sslrootcert`";
        }
        if matches!(why, NotValidForName | NotValidForNameContext { .. }) {
            return "its certificate is for another host: write the host in the database URL as the certificate does";
        }
        return "its certificate does not hold: replace it at the server";
    }
    if matches!(error, rustls::Error::AlertReceived(_)) {
        return "it does not take our certificate: look at `sslcert` and `sslkey`, and at `ssl_ca_file` of the server";
    }
    if matches!(error, rustls::Error::InconsistentKeys(_)) {
        return "`sslkey` is not the key of `sslcert`";
    }
    "TLS with it can't be set up: is it PostgreSQL that answers there?"
}

/// By the first two characters of the code: the standard groups its codes in classes.
fn by_class(code: &str, error: sqlx::Error) -> Failure {
    match code.get(..2).unwrap_or_default() {
        "08" => Failure::Trouble(Trouble::Broken(error)),
        "57" => Failure::Trouble(Trouble::Restarting(error)),
        "28" => Failure::Trouble(Trouble::Refused(error)),
        "3F" => Failure::Trouble(Trouble::Missing(error)),
        "40" | "53" | "55" => Failure::Trouble(Trouble::Busy(error)),
        "22" | "23" | "54" => Failure::Data(error.to_string()),
        _ => Failure::Trouble(Trouble::Failed(error)),
    }
}

fn is_refusal(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{
        ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound, PermissionDenied, TimedOut,
    };
    matches!(
        kind,
        ConnectionRefused | HostUnreachable | NetworkUnreachable | NotFound | PermissionDenied | TimedOut
    )
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Failure {
    /// As trouble of whoever has no data in hand.
    pub fn into_trouble(self) -> Trouble {
        match self {
            Self::Trouble(trouble) => trouble,
            Self::Data(why) => Trouble::Failed(sqlx::Error::Protocol(why)),
        }
    }

    /// As the port says it; `what` was being read or written.
    pub fn into_store(self, what: &str) -> StoreError {
        match self {
            Self::Trouble(trouble) => trouble.into(),
            Self::Data(why) => StoreError::Invalid(format!("{what}: {why}")),
        }
    }
}
