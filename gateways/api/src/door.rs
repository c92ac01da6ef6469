//! The door on the machine itself: a Unix socket that only its owner and root can knock on.
//!
//! The operating system vouches for the caller, so there is no password: the peer's user becomes the actor. The
//! door to the network is in [`tcp`].

mod conversation;
mod identity;
mod manners;
mod patient;
mod presented;
mod renewal;
mod socket;
mod tcp;
mod tls;

pub use tcp::{TcpDoor, TcpOptions};
pub use tls::TlsFiles;

use crate::api::Visitor;
use crate::observe;
use axum::Router;
use conversation::{Guest, converse};
use manners::Manners;
use socket::Owned;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stele_commands::stop::Stop;
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Most connections at the same time; more wait in the socket's queue.
const CONNECTIONS_MAX: usize = 256;
/// How long a closing door waits for what is being said.
const GRACE: Duration = Duration::from_secs(1);
/// How long nothing is accepted after the system had no room for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Where user names stand.
const USERS_FILE: &str = "/etc/passwd";
/// What stands for the address of a caller at the machine itself.
pub(crate) const UNIX_ADDRESS: &str = "unix";

/// Somebody at the other end of a network connection, as far as the connection itself tells.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The IP address, without the port.
    pub(crate) address: String,
    /// Who they are by their certificate, if they sent one that says so.
    pub(crate) certified: Option<Caller>,
    /// When it is given, the door closes and streams end.
    pub(crate) stop: Stop,
}

/// Why a door can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Unix sockets have short names.
    #[error(
        "the socket path {path} has {bytes} bytes, and a Unix socket's has at most {max}: choose a shorter one"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// The longest.
        max: usize,
    },
    /// A live process has the door.
    #[error("another desk answers on {path}: stop it, or choose another socket")]
    Taken {
        /// The path.
        path: PathBuf,
    },
    /// Something stands there that no desk has left behind.
    #[error("{path} is no socket: it is left alone; choose another path, or remove it")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system said no.
    #[error("the socket {path}: can't {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The network address can't be listened on.
    #[error("the address {address}: can't listen: is something else there? Choose another one")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificates can't be used.
    #[error("TLS with {path}: {what}")]
    Tls {
        /// The file that is wrong.
        path: PathBuf,
        /// What is wrong with it, and what it should have.
        what: String,
    },
}

/// Opens a door on `path` and serves `router` through it until it is told to stop.
///
/// # Errors
///
/// [`DoorError`] when it can't be opened.
pub async fn serve_unix(path: &Path, router: Router, stop: Stop) -> Result<(), DoorError> {
    UnixDoor::open(path).await?.serve(router, stop).await;
    Ok(())
}

/// An open door: callers may knock, and wait until somebody serves.
#[derive(Debug)]
pub struct UnixDoor {
    owned: Owned,
    uid: u32,
    names: BTreeMap<u32, String>,
}

impl UnixDoor {
    /// Opens a door. The socket is only for its owner from the first moment on; one that a dead process left
    /// behind is taken over. A missing directory is made, for the owner only.
    ///
    /// # Errors
    ///
    /// [`DoorError`]; a second desk on the same path gets [`DoorError::Taken`].
    pub async fn open(path: &Path) -> Result<Self, DoorError> {
        let owned = Owned::open(path).await?;
        let uid = own_uid().map_err(|source| DoorError::Io {
            what: "find out its own user",
            path: path.to_owned(),
            source,
        })?;
        // Without names the numbers will do.
        let names = users(&std::fs::read_to_string(USERS_FILE).unwrap_or_default());
        observe::open(path);
        Ok(Self { owned, uid, names })
    }

    /// Serves until it is told to stop; streams are ended then, and what takes longer than a second is cut off.
    pub async fn serve(self, router: Router, mut stop: Stop) {
        let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut conversations = JoinSet::new();
        loop {
            let accepted = async {
                // The semaphore is never closed, so a missing permit only means no limit for this one.
                let seat = Arc::clone(&seats).acquire_owned().await.ok();
                (seat, self.owned.listener.accept().await)
            };
            tokio::select! {
                biased;
                () = stop.requested() => break,
                Some(_) = conversations.join_next(), if !conversations.is_empty() => {}
                (seat, accepted) = accepted => match accepted {
                    Ok((stream, _)) => if let Some(actor) = self.actor(&stream) {
                        let guest = Guest::Known(Visitor { caller: owner(actor), stop: stop.clone() });
                        conversations.spawn(converse(stream, guest, router.clone(), Manners::UNIX, seat));
                    },
                    Err(error) => {
                        observe::not_accepted(&error);
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        let path = self.owned.close();
        let all = async { while conversations.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, all).await;
        observe::closed(&path, conversations.len());
        conversations.shutdown().await;
    }

    /// Under which name a caller acts; `None` for strangers.
    fn actor(&self, stream: &UnixStream) -> Option<Actor> {
        let uid = stream.peer_cred().ok().map(|peer| peer.uid());
        let admitted = uid.filter(|uid| admits(self.uid, *uid));
        let Some(uid) = admitted else {
            observe::stranger(uid);
            return None;
        };
        let name = self.names.get(&uid).cloned().unwrap_or_else(|| uid.to_string());
        Actor::try_from(format!("operator:{name}"))
            .or_else(|_| Actor::try_from(format!("operator:{uid}")))
            .ok()
    }
}

/// Whoever may use the machine's own socket owns the desk.
fn owner(actor: Actor) -> Caller {
    let origin = Origin { key_id: None, address: UNIX_ADDRESS.to_owned() };
    Caller { actor, role: Role::Admin, scope: Scope::default(), origin }
}

/// Whom the socket would vouch for if this process came in: who works on a data directory whose desk does not run.
///
/// # Errors
///
/// As the system, which is asked who runs this process.
pub fn this_user() -> std::io::Result<Caller> {
    let uid = own_uid()?;
    let names = users(&std::fs::read_to_string(USERS_FILE).unwrap_or_default());
    let name = names.get(&uid).cloned().unwrap_or_else(|| uid.to_string());
    let actor =
        Actor::try_from(format!("operator:{name}")).or_else(|_| Actor::try_from(format!("operator:{uid}")));
    actor.map(owner).map_err(|error| std::io::Error::other(error.to_string()))
}

/// The owner and root.
fn admits(own: u32, uid: u32) -> bool {
    uid == own || uid == 0
}

/// The user of this process: its own peer in a pair of sockets.
fn own_uid() -> std::io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

/// Names by number, the first of each, from the system's file of users.
fn users(file: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in file.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(uid)) = (fields.next(), fields.next(), fields.next())
            && let Ok(uid) = uid.parse()
            && !name.is_empty()
        {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{admits, users};

    #[test]
    fn only_the_owner_and_root_are_let_in() {
        assert!(admits(1_000, 1_000));
        assert!(admits(1_000, 0));
        assert!(!admits(1_000, 1_001));
        assert!(!admits(0, 1_000));
    }

    #[test]
    fn a_user_without_a_readable_line_has_no_name() {
        let names = users(
            "root:x:0:0::/root:/bin/sh\nbroken\n:x:7:7\nalice:x:1000:1000\nsecond:x:1000:1000\nx:y:z\n",
        );
        let alice = names.get(&1_000).map(String::as_str);
        assert_eq!((names.get(&0).map(String::as_str), alice, names.len()), (Some("root"), Some("alice"), 2));
    }
}
