//! The keys that were ever handed out: whose, for what, until when. Of the secret there is nothing here.

use super::prelude::*;
use stele_domain::access::event::Event as Access;
use stele_domain::access::keyring::event::{Event as Fact, KeyCreated};
use stele_domain::access::{Action, Role};

/// Keys.
pub struct Keyring;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    pub key_id: String,
    pub position: Position,
    pub last_position: Position,
    pub owner: String,
    pub role: Role,
    pub actions: Vec<Action>,
    pub processes: Vec<String>,
    pub label: String,
    pub reason: String,
    pub created_by: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_by: Option<String>,
    pub revoked_at: Option<Timestamp>,
    pub revoke_reason: Option<String>,
}

impl TableRow for KeyRow {
    const TABLE: Table = Table {
        name: "keys",
        doc: "Every key that was ever handed out. Its secret and its hash are not here.",
        columns: &[
            column("key_id", Kind::Text, "Names the key; no secret."),
            column("position", Kind::Int64, "Log position of its making."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("owner", Kind::Text, "Whose it is; all keys of one owner are one person."),
            column("role", Kind::Text, "viewer, trader, operator, admin, auditor or service."),
            column("actions", Kind::Json, "The actions that it is narrowed to; empty for all of the role's."),
            column("processes", Kind::Json, "For a service: the roles of its process."),
            column("label", Kind::Text, "What it is for."),
            column("reason", Kind::Text, "Why it was made."),
            column("created_by", Kind::Text, "By whom."),
            column("created_at", Kind::Timestamp, "When."),
            optional("expires_at", Kind::Timestamp, "From when on it is no longer taken; empty for never."),
            optional("revoked_by", Kind::Text, "Who took it back."),
            optional("revoked_at", Kind::Timestamp, "When."),
            optional("revoke_reason", Kind::Text, "Why."),
        ],
        key: &["key_id"],
        indexes: &["owner"],
        retention: Retention::All,
        append_only: false,
    };
}

/// A key was made or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStepRow {
    pub position: Position,
    pub key_id: String,
    pub step: String,
    pub actor: String,
    pub with_key: Option<String>,
    pub address: Option<String>,
    pub reason: String,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for KeyStepRow {
    const TABLE: Table = Table {
        name: "key_history",
        doc: "Every making and taking back of a key: by whom, with which credential, from where.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("key_id", Kind::Text, "The key."),
            column("step", Kind::Text, "created or revoked."),
            column("actor", Kind::Text, "By whom."),
            optional(
                "with_key",
                Kind::Text,
                "The id of the key that they used; empty at the machine itself.",
            ),
            optional("address", Kind::Text, "From where: an IP address, or `unix`."),
            column("reason", Kind::Text, "Why."),
            column("at", Kind::Timestamp, "When."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["key_id", "actor"],
        retention: newest(2_000, 2),
        append_only: true,
    };
}

impl Projection for Keyring {
    const NAME: &'static str = "keys";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[KeyRow::TABLE, KeyStepRow::TABLE];
    const FOLDS: &'static [&'static str] = &["access.KeyCreated", "access.KeyRevoked"];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Access(Access::Keyring(fact)) = &event.event {
            keys.add::<KeyRow>(match fact {
                Fact::KeyCreated(created) => created.key_id.clone(),
                Fact::KeyRevoked(revoked) => revoked.key_id.clone(),
            });
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Access(Access::Keyring(fact)) = &event.event else { return Ok(()) };
        rows.insert(&step(event, fact))?;
        match fact {
            // As in the keyring's own memory: the first fact about an id stands.
            Fact::KeyCreated(created) => match rows.get::<KeyRow>(created.key_id.clone())? {
                Some(_) => Ok(()),
                None => rows.insert(&fresh(event, created)),
            },
            Fact::KeyRevoked(revoked) => rows.change::<KeyRow>(revoked.key_id.clone(), |row| {
                row.last_position = event.position;
                if row.revoked_at.is_none() {
                    row.revoked_by = Some(revoked.by.to_string());
                    row.revoked_at = Some(revoked.at);
                    row.revoke_reason = Some(cut(&revoked.reason, 1_000));
                }
                Ok(())
            }),
        }
    }
}

fn step(event: &Recorded, fact: &Fact) -> KeyStepRow {
    let (key_id, step, reason, at) = match fact {
        Fact::KeyCreated(created) => (&created.key_id, "created", &created.reason, created.at),
        Fact::KeyRevoked(revoked) => (&revoked.key_id, "revoked", &revoked.reason, revoked.at),
    };
    let origin = event.meta.origin.as_ref();
    KeyStepRow {
        position: event.position,
        key_id: key_id.clone(),
        step: step.to_owned(),
        actor: event.meta.actor.to_string(),
        with_key: origin.and_then(|origin| origin.key_id.clone()),
        address: origin.map(|origin| origin.address.clone()),
        reason: cut(reason, 1_000),
        at,
        recorded_at: event.recorded_at,
    }
}

fn fresh(event: &Recorded, created: &KeyCreated) -> KeyRow {
    KeyRow {
        key_id: created.key_id.clone(),
        position: event.position,
        last_position: event.position,
        owner: created.owner.clone(),
        role: created.role,
        actions: created.scope.actions.iter().copied().collect(),
        processes: created.scope.processes.iter().cloned().collect(),
        label: created.label.clone(),
        reason: cut(&created.reason, 1_000),
        created_by: created.by.to_string(),
        created_at: created.at,
        expires_at: created.expires_at,
        revoked_by: None,
        revoked_at: None,
        revoke_reason: None,
    }
}
