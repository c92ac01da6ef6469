//! Who is let in: keys are recognised here, callers admitted or refused, and every refusal is kept.
//!
//! The doors find out who stands before them (a key, a certificate, a user of the machine); what these may do is the
//! domain's matrix.

mod key_text;
mod keys;

pub use key_text::{KeyText, PEPPER_FILE_BYTES, PREFIX, Pepper, WrongPepper};
pub use keys::{Created, KeyInfo, Keys, NewKey, Revocation};

use crate::envelope::Failure;
use crate::ledger::Ledger;
use crate::service::ServiceError;
use crate::stop::Stop;
use crate::wishes::Wishes;
use crate::{observe, streams};
use secrecy::ExposeSecret;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use stele_domain::access::keyring::{self, Keyring, Standing};
use stele_domain::access::{Action, Caller, Origin, Role};
use stele_domain::ids::Actor;
use stele_domain::port::event_log::{Filter, InvalidStream, Position};

/// Nothing was presented.
pub const NO_CREDENTIAL: &str = "no-credential";
/// What was presented is no key of ours.
pub const BAD_KEY: &str = "bad-key";
/// The key's time is over.
pub const EXPIRED_KEY: &str = "expired-key";
/// The key was taken back.
pub const REVOKED_KEY: &str = "revoked-key";
/// The role or the scope leaves it out.
pub const FORBIDDEN: &str = "forbidden";
/// Too many requests of this caller.
pub const RATE_LIMITED: &str = "rate-limited";

/// Records that are read in one go.
const PAGE: usize = 256;
/// How long a log that did not answer is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// A no at the door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// Stable: one of the constants of this module.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Denied {
    fn new(code: &'static str, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }
}

/// Lets in, or not. There is one of it in a process with a door.
pub struct Gatekeeper {
    pepper: Pepper,
    wishes: Arc<Wishes>,
    ledger: Ledger<Keyring>,
    ring: RwLock<Arc<keyring::State>>,
}

impl Gatekeeper {
    /// Knows no key before [`Gatekeeper::load`].
    pub fn new(pepper: Pepper, wishes: Arc<Wishes>) -> Result<Self, InvalidStream> {
        let ledger = Ledger::new(Arc::clone(wishes.log()), streams::keys()?);
        Ok(Self { pepper, wishes, ledger, ring: RwLock::default() })
    }

    /// Takes the keys as they stand in the log now; the place of the last fact about them.
    pub async fn load(&self) -> Result<Position, Failure<keyring::Rejection>> {
        let newest = |state: &keyring::State, last| (Arc::new(state.clone()), last);
        let (newest, last) = self.ledger.look_at(newest).await?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(last)
    }

    /// Follows the keys, so that one that is made or taken back anywhere is known here at once.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Log`] when the log can't go on, [`ServiceError::Stream`] when the keys can't be read.
    pub async fn run(&self, mut stop: Stop) -> Result<(), ServiceError> {
        tokio::select! {
            biased;
            () = stop.requested() => Ok(()),
            end = self.follow() => end,
        }
    }

    async fn follow(&self) -> Result<(), ServiceError> {
        let known = self.load_in_the_end().await?;
        let mut follow = self.wishes.log().follow(known.next(), Filter::categories(&[streams::ACCESS]));
        loop {
            match follow.next(PAGE).await {
                Ok(page) if page.records.is_empty() => {}
                Ok(_) => {
                    self.load_in_the_end().await?;
                }
                Err(error) => survive(Failure::Log(error)).await?,
            }
        }
    }

    /// Loads, however long the log takes to answer.
    async fn load_in_the_end(&self) -> Result<Position, ServiceError> {
        loop {
            match self.load().await {
                Ok(last) => return Ok(last),
                Err(failure) => survive(failure).await?,
            }
        }
    }

    /// Who presents this key. A no is counted: strangers are kept in the log, together for each address and minute.
    ///
    /// `address` is the peer's, without its port.
    ///
    /// # Errors
    ///
    /// [`BAD_KEY`], [`EXPIRED_KEY`] or [`REVOKED_KEY`]; the last two only to who has the right secret.
    pub fn authenticate(&self, text: &str, address: &str) -> Result<Caller, Denied> {
        let Some(presented) = key_text::presented(text) else {
            self.wishes.attempts().stranger(address, BAD_KEY, None);
            return Err(bad_key());
        };
        let ring = Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner));
        let hash = self.pepper.hash(presented.secret.expose_secret());
        let key = ring.key(presented.id);
        // An unknown id costs the same work as a wrong secret.
        let kept = key.and_then(|key| blake3::Hash::from_hex(&key.created.hash).ok());
        let right = kept.unwrap_or(blake3::Hash::from_bytes([0; 32])) == hash;
        let denied = match key.filter(|_| right) {
            None => bad_key(),
            Some(key) => match key.standing(self.wishes.clock().now()) {
                Standing::Valid => return caller(key, address).ok_or_else(bad_key),
                Standing::Expired => expired_key(),
                Standing::Revoked => revoked_key(),
            },
        };
        self.wishes.attempts().stranger(address, denied.code, Some(presented.id));
        Err(denied)
    }

    /// Whether a known caller may; a no is kept.
    ///
    /// # Errors
    ///
    /// [`FORBIDDEN`].
    pub fn admit(&self, caller: &Caller, action: Action) -> Result<(), Denied> {
        if caller.may(action) {
            return Ok(());
        }
        let (role, actor) = (caller.role, &caller.actor);
        let message = if role.permits(action) {
            format!("this credential is narrowed and leaves {action} out: use another one")
        } else {
            format!("{actor} is {role}, who may not {action}: ask somebody who may")
        };
        self.wishes.attempts().refused(caller, action, FORBIDDEN, &message);
        Err(Denied { code: FORBIDDEN, message })
    }

    /// Whether the key that a caller came with is still taken: for whoever was let in long ago and listens since.
    ///
    /// # Errors
    ///
    /// [`EXPIRED_KEY`] or [`REVOKED_KEY`].
    pub fn stands(&self, caller: &Caller) -> Result<(), Denied> {
        let Some(key_id) = &caller.origin.key_id else { return Ok(()) };
        let ring = Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner));
        match ring.key(key_id).map(|key| key.standing(self.wishes.clock().now())) {
            Some(Standing::Valid) => Ok(()),
            Some(Standing::Expired) => Err(expired_key()),
            Some(Standing::Revoked) | None => Err(revoked_key()),
        }
    }

    /// Keeps that a known caller was told no by a service that judges by itself.
    pub fn denied(&self, caller: &Caller, action: Action, detail: &str) {
        self.wishes.attempts().refused(caller, action, FORBIDDEN, detail);
    }

    /// Keeps that a known caller asked too often.
    pub fn limited(&self, caller: &Caller, action: Action, code: &'static str) {
        self.wishes.attempts().refused(caller, action, code, "too many requests");
    }

    /// Keeps that somebody came for whom nobody vouches.
    pub fn stranger(&self, address: &str, code: &'static str) {
        self.wishes.attempts().stranger(address, code, None);
    }
}

fn expired_key() -> Denied {
    Denied::new(EXPIRED_KEY, "this key's time is over: ask for a new one")
}

fn revoked_key() -> Denied {
    Denied::new(REVOKED_KEY, "this key was taken back: ask for a new one")
}

fn bad_key() -> Denied {
    Denied::new(BAD_KEY, "this is no key of this desk: check that it was copied whole")
}

fn caller(key: &keyring::Key, address: &str) -> Option<Caller> {
    let created = &key.created;
    let kind = match created.role {
        Role::Service => "service",
        Role::Viewer | Role::Trader | Role::Operator | Role::Admin | Role::Auditor => "person",
    };
    let actor = Actor::try_from(format!("{kind}:{}", created.owner)).ok()?;
    let origin = Origin { key_id: Some(created.key_id.clone()), address: address.to_owned() };
    Some(Caller { actor, role: created.role, scope: created.scope.clone(), origin })
}

/// Waits when the log did not answer; what is worse ends the service.
async fn survive(failure: Failure<keyring::Rejection>) -> Result<(), ServiceError> {
    match failure {
        Failure::Log(error) if error.is_transient() => {
            observe::log_failed("access", &error);
            tokio::time::sleep(RETRY).await;
            Ok(())
        }
        Failure::Log(error) => Err(ServiceError::Log(error)),
        Failure::Rejected(_)
        | Failure::IdReused(_)
        | Failure::Contended(_)
        | Failure::Codec(_)
        | Failure::Foreign { .. } => {
            Err(ServiceError::Stream(format!("the keys can't be read: {failure:?}")))
        }
    }
}
