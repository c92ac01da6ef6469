//! Where the event log is when this process does not own it.

use std::fmt;
use std::path::PathBuf;

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogElsewhere {
    /// Another process of the desk owns it and lets this one in.
    Owner(RemoteLogAt),
    /// It is on a server that speaks KurrentDB's protocol.
    EventStore(EventStoreAt),
}

/// Where the event log of another process is, and as whom it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteLogAt {
    pub url: String,
    /// `None` where a certificate vouches.
    pub key_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    /// A certificate of our own and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether the key may go to another machine in the clear.
    pub plain_key: bool,
}

/// Where a KurrentDB server is, and as whom it is asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct EventStoreAt {
    /// The connection string. It may hold a password: it is never shown.
    pub address: String,
    /// `None` where the address names a user, or nobody is asked.
    pub key_file: Option<PathBuf>,
    /// Whether a user or a key may go to another machine in the clear.
    pub plain_key: bool,
}

impl fmt::Debug for EventStoreAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStoreAt").field("key_file", &self.key_file).finish_non_exhaustive()
    }
}
