//! Requests to arm that needed a second person, and who approved.

use super::prelude::*;
use stele_domain::ids::CommandId;
use stele_domain::trading::account::event::{Event as Desk, Mode};
use stele_domain::trading::event::Event as Trading;

/// Requests to arm.
pub struct ArmRequests;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmRequestRow {
    pub request_id: CommandId,
    pub position: Position,
    pub last_position: Position,
    pub account: String,
    pub mode: Mode,
    pub limits_version: u64,
    pub limits_hash: String,
    pub until: Timestamp,
    pub expires_at: Timestamp,
    pub requested_by: String,
    pub reason: String,
    pub requested_at: Timestamp,
    pub state: String,
    pub approved_by: Option<String>,
    pub approved_at: Option<Timestamp>,
    pub approve_reason: Option<String>,
}

impl TableRow for ArmRequestRow {
    const TABLE: Table = Table {
        name: "arm_requests",
        doc: "Requests to arm that needed a second person, and who approved.",
        columns: &[
            column("request_id", Kind::Text, "The request: the command that made it."),
            column("position", Kind::Int64, "Log position of the request."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("account", Kind::Text, "The account."),
            column("mode", Kind::Text, "full or reducing."),
            column("limits_version", Kind::Int64, "The limits that it would be armed under."),
            column("limits_hash", Kind::Text, "SHA-256 of them, in hex: what an approval is bound to."),
            column("until", Kind::Timestamp, "When the arming would run out."),
            column("expires_at", Kind::Timestamp, "Nobody can approve it from then on."),
            column("requested_by", Kind::Text, "Who asked."),
            column("reason", Kind::Text, "Why."),
            column("requested_at", Kind::Timestamp, "When."),
            column(
                "state",
                Kind::Text,
                "requested or approved. One that ran out, was superseded or was withdrawn stays requested.",
            ),
            optional("approved_by", Kind::Text, "Who approved: another person."),
            optional("approved_at", Kind::Timestamp, "When."),
            optional("approve_reason", Kind::Text, "Why; empty when nothing was said."),
        ],
        key: &["request_id"],
        indexes: &["state"],
        retention: newest_rows(1_000),
        append_only: false,
    };
}

impl Projection for ArmRequests {
    const NAME: &'static str = "arm_requests";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] = &[ArmRequestRow::TABLE];

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Trading(Trading::Account(Desk::ArmApproved(approved))) = &event.event {
            keys.add::<ArmRequestRow>(approved.request_id);
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Trading(Trading::Account(desk)) = &event.event else { return Ok(()) };
        if let Desk::ArmRequested(asked) = desk {
            return rows.insert(&ArmRequestRow {
                request_id: asked.request_id,
                position: event.position,
                last_position: event.position,
                account: subject(event),
                mode: asked.mode,
                limits_version: asked.limits_version,
                limits_hash: asked.limits_hash.clone(),
                until: asked.until,
                expires_at: asked.expires_at,
                requested_by: asked.by.to_string(),
                reason: cut(&asked.reason, 1_000),
                requested_at: asked.at,
                state: "requested".to_owned(),
                approved_by: None,
                approved_at: None,
                approve_reason: None,
            });
        }
        let Desk::ArmApproved(approved) = desk else { return Ok(()) };
        rows.change::<ArmRequestRow>(approved.request_id, |row| {
            row.last_position = event.position;
            "approved".clone_into(&mut row.state);
            row.approved_by = Some(approved.by.to_string());
            row.approved_at = Some(approved.at);
            row.approve_reason = Some(cut(&approved.reason, 1_000));
            Ok(())
        })
    }
}
