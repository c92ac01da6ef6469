//! Why a client can't be made as it was asked for. Nothing has been sent.

use std::path::PathBuf;

/// Why a client can't be made as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An address is none.
    #[error("{text} does not name a desk: {why}; http://HOST:PORT or https://HOST:PORT is expected")]
    NotAServer {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The key file is not there, or not readable.
    #[error("the key file {} can't be read", path.display())]
    KeyFileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Others can read or change the key file.
    #[error(
        "the key file {} is open to others (mode {mode:o}), so it is not used: chmod 600 {}, and revoke the \
         key if somebody may have read it",
        path.display(),
        path.display()
    )]
    KeyFileOpen {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key file holds something else.
    #[error("the key file {} holds no key: one line that begins with stele_ is expected", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// Anybody on the way could take the key.
    #[error(
        "the key would go to {desk} in the clear, for anybody on the way to take: use https://, or a tunnel to \
         this machine, or say --plain-http when the network between is yours"
    )]
    KeyInTheClear {
        /// The desk.
        desk: String,
    },
    /// A file with certificates or a certificate's key can't be used.
    #[error("{} is not usable as {what}: {why}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// TLS can't be spoken as configured.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}
