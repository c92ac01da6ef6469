//! What was tried and came to nothing, by whom and from where: the auditor's table.

use super::outcome::REPLY_BYTES_MAX;
use super::prelude::*;
use std::collections::BTreeMap;
use stele_domain::access::event::Event as Access;
use stele_domain::ids::CommandId;
use stele_domain::operations::event::Event as Operations;

/// Attempts.
pub struct AccessAttempts;

/// One attempt, or several alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessAttemptRow {
    pub position: Position,
    pub command_id: Option<CommandId>,
    pub actor: String,
    pub key_id: Option<String>,
    pub address: Option<String>,
    pub action: String,
    pub outcome: String,
    pub code: String,
    pub codes: Option<BTreeMap<String, u64>>,
    pub detail: String,
    pub reason: String,
    pub count: u64,
    pub since: Timestamp,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for AccessAttemptRow {
    const TABLE: Table = Table {
        name: "access_attempts",
        doc: "What was tried and left no other fact: refused by role, scope, rate or rule, already so, or turned \
              away for want of a credential.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            optional("command_id", Kind::Text, "The command, when there was one."),
            column("actor", Kind::Text, "Who tried; `stranger` when nobody vouched for them."),
            optional("key_id", Kind::Text, "With which key."),
            optional("address", Kind::Text, "From where: an IP address, `unix`, or `other`."),
            column("action", Kind::Text, "What was asked; `authenticate` for strangers."),
            column(
                "outcome",
                Kind::Text,
                "refused, already_so, done, or unkept when only the number is known.",
            ),
            column("code", Kind::Text, "The stable code; the most frequent one of several."),
            optional("codes", Kind::Json, "How many of each code, where there were several attempts."),
            column("detail", Kind::Text, "The refusal's words; for strangers the key ids that they claimed."),
            column("reason", Kind::Text, "The reason that was given."),
            column("count", Kind::Int64, "How many attempts this row stands for."),
            column("since", Kind::Timestamp, "The first of them."),
            column("at", Kind::Timestamp, "The last of them."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["actor", "key_id", "address", "code"],
        retention: newest(10_000, 8),
        append_only: true,
    };
}

impl Projection for AccessAttempts {
    const NAME: &'static str = "access_attempts";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[AccessAttemptRow::TABLE];
    const FOLDS: &'static [&'static str] = &[
        "operations.CommandRefused",
        "access.Attempted",
        "access.StrangersRefused",
        "access.AttemptsUnkept",
    ];

    fn touches(_: &Recorded, _: &mut Keys) {}

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        row(event).map_or(Ok(()), |row| rows.insert(&row))
    }
}

fn row(event: &Recorded) -> Option<AccessAttemptRow> {
    let origin = event.meta.origin.as_ref();
    let blank = |action: &str, outcome: String, at: Timestamp| AccessAttemptRow {
        position: event.position,
        command_id: None,
        actor: event.meta.actor.to_string(),
        key_id: origin.and_then(|origin| origin.key_id.clone()),
        address: origin.map(|origin| origin.address.clone()),
        action: action.to_owned(),
        outcome,
        code: String::new(),
        codes: None,
        detail: String::new(),
        reason: String::new(),
        count: 1,
        since: at,
        at,
        recorded_at: event.recorded_at,
    };
    match &event.event {
        Event::Operations(Operations::CommandRefused(refused)) => Some(AccessAttemptRow {
            command_id: Some(refused.command_id),
            code: refused.code.clone(),
            detail: cut(&refused.detail, REPLY_BYTES_MAX),
            reason: cut(&refused.reason, 1_000),
            ..blank(&refused.action, "refused".to_owned(), refused.at)
        }),
        Event::Access(Access::Attempted(tried)) => Some(AccessAttemptRow {
            command_id: tried.command_id,
            code: tried.code.clone(),
            detail: cut(&tried.detail, REPLY_BYTES_MAX),
            reason: cut(&tried.reason, 1_000),
            count: tried.count,
            ..blank(&tried.action, word(&tried.outcome), tried.at)
        }),
        Event::Access(Access::StrangersRefused(strangers)) => Some(AccessAttemptRow {
            actor: "stranger".to_owned(),
            key_id: None,
            address: Some(cut(&strangers.address, 64)),
            code: most(&strangers.codes),
            codes: Some(strangers.codes.clone()),
            detail: cut(&strangers.key_ids.join(", "), REPLY_BYTES_MAX),
            count: strangers.count,
            since: strangers.from,
            ..blank("authenticate", "refused".to_owned(), strangers.to)
        }),
        Event::Access(Access::AttemptsUnkept(unkept)) => Some(AccessAttemptRow {
            code: most(&unkept.codes),
            codes: Some(unkept.codes.clone()),
            count: unkept.count,
            since: unkept.from,
            ..blank("", "unkept".to_owned(), unkept.to)
        }),
        Event::Access(Access::Keyring(_))
        | Event::Operations(_)
        | Event::Market(_)
        | Event::Intents(_)
        | Event::Treasury(_)
        | Event::Trading(_) => None,
    }
}

/// The most frequent code; the first by name of those that are equally frequent.
fn most(codes: &BTreeMap<String, u64>) -> String {
    let most = codes.iter().rev().max_by_key(|(_, count)| **count);
    most.map(|(code, _)| code.clone()).unwrap_or_default()
}
