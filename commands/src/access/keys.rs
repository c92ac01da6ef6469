//! Making keys, taking them back, and saying which there are.

use super::Gatekeeper;
use super::key_text::{KeyText, id_of};
use crate::control::{Done, Refused, Rule, Wish};
use crate::envelope::Failure;
use crate::wishes::{What, Wishes};
use std::sync::Arc;
use stele_domain::access::keyring::command::Create;
use stele_domain::access::keyring::{Command, Key, Rejection, Standing, State};
use stele_domain::access::{Action, Role, Scope};
use stele_domain::ids::Actor;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;

/// Hands keys out.
pub struct Keys {
    gatekeeper: Arc<Gatekeeper>,
    wishes: Arc<Wishes>,
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Whose it is.
    pub owner: String,
    /// What they are.
    pub role: Role,
    /// What the key is narrowed to.
    pub scope: Scope,
    /// From when on it is no longer taken; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// What it is for.
    pub label: String,
}

/// A key that was made.
#[derive(Debug)]
pub enum Created {
    /// Just now: its text is shown this once.
    New {
        /// Its id.
        key_id: String,
        /// All of it.
        text: KeyText,
        /// Where its making stands in the log.
        position: Position,
    },
    /// With the same command before: its text can't be shown again.
    Before {
        /// Its id.
        key_id: String,
    },
}

/// What may be told of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Names it; no secret.
    pub key_id: String,
    /// Whose it is.
    pub owner: String,
    /// What they are.
    pub role: Role,
    /// What it is narrowed to.
    pub scope: Scope,
    /// What it is for.
    pub label: String,
    /// Why it was made.
    pub reason: String,
    /// By whom.
    pub created_by: Actor,
    /// With which key; none for who came without one, and where an old build did not say.
    pub made_with: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// From when on it is no longer taken.
    pub expires_at: Option<Timestamp>,
    /// How it was taken back.
    pub revoked: Option<Revocation>,
}

/// How a key was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// By whom.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

const CREATE: What = What { action: Action::ManageKeys, word: "create_key" };
const REVOKE: What = What { action: Action::ManageKeys, word: "revoke_key" };

impl Keys {
    /// Over the gatekeeper's keys.
    pub fn new(gatekeeper: Arc<Gatekeeper>, wishes: Arc<Wishes>) -> Self {
        Self { gatekeeper, wishes }
    }

    /// Makes a key from 32 random bytes. Its id follows from the command's, so that a repetition makes no second one.
    pub async fn create(&self, wish: Wish, new: NewKey, secret: [u8; 32]) -> Result<Created, Refused> {
        let key_id = id_of(wish.command_id);
        let command = Command::Create(Box::new(Create {
            key_id: key_id.clone(),
            owner: new.owner,
            role: new.role,
            scope: new.scope,
            hash: self.gatekeeper.pepper.hash(&secret).to_hex().to_string(),
            expires_at: new.expires_at,
            label: new.label,
            reason: wish.reason.clone(),
            by: wish.caller.actor.clone(),
            made_with: wish.caller.origin.key_id.clone(),
            may: wish.caller.grant(),
            at: self.wishes.clock().now(),
        }));
        let done = self.wishes.act(&self.gatekeeper.ledger, CREATE, wish, command).await?;
        self.refresh().await;
        Ok(match done {
            Done::Recorded(position) => {
                Created::New { text: KeyText::of(&key_id, &secret), key_id, position }
            }
            Done::AlreadySo | Done::Repeated(_) | Done::ApprovalNeeded(_) => Created::Before { key_id },
        })
    }

    /// Takes a key back: no door takes it from then on.
    pub async fn revoke(&self, wish: Wish, key_id: &str) -> Result<Done, Refused> {
        let command = Command::Revoke {
            key_id: key_id.to_owned(),
            reason: wish.reason.clone(),
            by: wish.caller.actor.clone(),
            at: self.wishes.clock().now(),
        };
        let done = self.wishes.act(&self.gatekeeper.ledger, REVOKE, wish, command).await?;
        self.refresh().await;
        match self.left_by(key_id).await {
            Ok(left) if left.is_empty() => {}
            Ok(left) => crate::observe::keys_left(key_id, &left),
            Err(failure) => crate::observe::keys_not_loaded(&failure),
        }
        Ok(done)
    }

    /// The keys that are still taken though a key that was revoked made them, or made the one that did; by id.
    async fn left_by(&self, key_id: &str) -> Result<Vec<String>, Failure<Rejection>> {
        let at = self.wishes.clock().now();
        let left = |ring: &State| {
            let valid = |id: &&str| ring.key(id).is_some_and(|key| key.standing(at) == Standing::Valid);
            ring.made_with(key_id).into_iter().filter(valid).map(str::to_owned).collect()
        };
        self.gatekeeper.ledger.look(left).await
    }

    /// What a key made, directly or through keys that it made, whatever became of it since.
    ///
    /// # Errors
    ///
    /// [`Refused::Unavailable`] or [`Refused::Failed`] when the keys can't be read.
    pub async fn made_with(&self, key_id: &str) -> Result<Vec<KeyInfo>, Refused> {
        let made = |ring: &State| {
            ring.made_with(key_id).into_iter().filter_map(|id| ring.key(id)).map(info).collect()
        };
        let made = self.gatekeeper.ledger.look(made).await;
        made.map_err(|failure| Refused::of(&failure))
    }

    /// Every key there ever was, by id.
    pub async fn list(&self) -> Result<Vec<KeyInfo>, Refused> {
        let all = |state: &State| state.keys().values().map(info).collect();
        let keys = self.gatekeeper.ledger.look(all).await;
        keys.map_err(|failure| Refused::of(&failure))
    }

    /// The doors of this process know at once; should it fail, they do when the follower gets there.
    async fn refresh(&self) {
        if let Err(failure) = self.gatekeeper.load().await {
            crate::observe::keys_not_loaded(&failure);
        }
    }
}

fn info(key: &Key) -> KeyInfo {
    let created = key.created.clone();
    let revoked = key.revoked.clone();
    KeyInfo {
        key_id: created.key_id,
        owner: created.owner,
        role: created.role,
        scope: created.scope,
        label: created.label,
        reason: created.reason,
        created_by: created.by,
        made_with: created.made_with,
        created_at: created.at,
        expires_at: created.expires_at,
        revoked: revoked.map(|fact| Revocation { by: fact.by, reason: fact.reason, at: fact.at }),
    }
}

impl Rule for Rejection {
    fn code(&self) -> &'static str {
        Self::code(self)
    }
    fn words(&self) -> String {
        self.to_string()
    }
}
