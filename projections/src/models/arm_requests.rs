//! Requests to arm that needed a second person, and what became of them.
//!
//! A fold has no clock, and a request ends by time alone too: it runs out, or limits that were set for later take
//! effect. Such an end is told by the first fact of the account that the log wrote down after that moment. An
//! executor renews its lease every few seconds, so that is soon; without an executor nobody can approve anything.
//! What the approver is bound by is the account's own rule, exact to the millisecond, and not this table.

use super::account::ACCOUNT_EVENTS;
use super::prelude::*;
use stele_domain::ids::CommandId;
use stele_domain::trading::account::event::{ArmApproved, ArmRequested, Event as Desk, LimitsSet, Mode};
use stele_domain::trading::event::Event as Trading;

/// Requests to arm.
pub struct ArmRequests;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Nothing yet.
    Requested,
    /// Another person approved.
    Approved,
    /// A later request took its place.
    Superseded,
    /// The account was disarmed, killed or given to a new executor meanwhile.
    Withdrawn,
    /// Other limits took effect than those that were shown.
    LimitsChanged,
    /// Nobody approved in time.
    Expired,
}

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
    pub state: RequestState,
    pub approved_by: Option<String>,
    pub approved_at: Option<Timestamp>,
    pub approve_reason: Option<String>,
    pub ended_at: Option<Timestamp>,
}

/// What waits at an account, and what will end it by time alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmWaitingRow {
    pub account: String,
    pub position: Position,
    pub last_position: Position,
    pub limits_from: Vec<Timestamp>,
    pub waiting: Option<Waiting>,
}

/// A request that nothing has ended yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Nobody can approve it from then on, whatever else happens.
    pub ends_at: Timestamp,
    /// Why not.
    pub ends_as: RequestState,
    /// Its row.
    pub request: ArmRequestRow,
}

impl TableRow for ArmRequestRow {
    const TABLE: Table = Table {
        name: "arm_requests",
        doc: "Requests to arm that needed a second person, and what became of them.",
        columns: &[
            column("request_id", Kind::Text, "The request: the command that made it."),
            column("position", Kind::Int64, "Log position of the request."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("account", Kind::Text, "The account."),
            column("mode", Kind::Text, "full or reducing."),
            column("limits_version", Kind::Int64, "The limits that it would be armed under."),
            column("limits_hash", Kind::Text, "SHA-256 of them, in hex: what an approval is bound to."),
            column("until", Kind::Timestamp, "When the arming would run out."),
            column(
                "expires_at",
                Kind::Timestamp,
                "Nobody can approve it from then on, whatever `state` says.",
            ),
            column("requested_by", Kind::Text, "Who asked."),
            column("reason", Kind::Text, "Why."),
            column("requested_at", Kind::Timestamp, "When."),
            column(
                "state",
                Kind::Text,
                "requested, approved, superseded (by a later request), withdrawn (by a disarm, a kill or a new lease), \
                 limits_changed or expired. The last two are told by the account's first event after that moment.",
            ),
            optional("approved_by", Kind::Text, "Who approved: another person."),
            optional("approved_at", Kind::Timestamp, "When."),
            optional("approve_reason", Kind::Text, "Why; empty when nothing was said."),
            optional("ended_at", Kind::Timestamp, "Since when `state` holds; empty while it is requested."),
        ],
        key: &["request_id"],
        indexes: &["state"],
        retention: newest_rows(1_000),
        append_only: false,
    };
}

impl TableRow for ArmWaitingRow {
    const TABLE: Table = Table {
        name: "arm_waiting",
        doc: "The request to arm of each account that waits for a second person, and what will end it by time alone.",
        columns: &[
            column("account", Kind::Text, "The account."),
            column("position", Kind::Int64, "The first event about it."),
            column("last_position", Kind::Int64, "The last event that changed the row."),
            column(
                "limits_from",
                Kind::Json,
                "When limits that are set take effect; past moments leave with time.",
            ),
            optional(
                "waiting",
                Kind::Json,
                "The request, as its row in arm_requests; from `ends_at` on nobody can approve it, and `ends_as` is why.",
            ),
        ],
        key: &["account"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl Projection for ArmRequests {
    const NAME: &'static str = "arm_requests";
    const VERSION: u32 = 2;
    const TABLES: &'static [Table] = &[ArmRequestRow::TABLE, ArmWaitingRow::TABLE];
    const FOLDS: &'static [&'static str] = ACCOUNT_EVENTS;

    fn touches(event: &Recorded, keys: &mut Keys) {
        let Event::Trading(Trading::Account(desk)) = &event.event else { return };
        keys.add::<ArmWaitingRow>(subject(event));
        if let Desk::ArmApproved(approved) = desk {
            keys.add::<ArmRequestRow>(approved.request_id);
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Trading(Trading::Account(desk)) = &event.event else { return Ok(()) };
        if let Desk::ArmApproved(fact) = desk {
            return approved(event, fact, rows);
        }
        if let Desk::LimitsSet(fact) = desk {
            limits_set(event, fact, rows)?;
        }
        run_out(event, rows)?;
        match desk {
            Desk::ArmRequested(fact) => asked(event, fact, rows),
            Desk::LeaseTaken(fact) => end(event, RequestState::Withdrawn, fact.at, rows),
            Desk::Disarmed(fact) => end(event, RequestState::Withdrawn, fact.at, rows),
            Desk::Killed(fact) => end(event, RequestState::Withdrawn, fact.at, rows),
            // Told above.
            Desk::ArmApproved(_)
            | Desk::LimitsSet(_)
            // An arming that needed nobody else leaves what waits as it is.
            | Desk::Armed(_)
            | Desk::LeaseRenewed(_)
            | Desk::KillConfirmed(_)
            | Desk::StandDownAsked(_)
            | Desk::ExecutionRefused(_)
            | Desk::ExecutionExpired(_)
            | Desk::SubmissionStarted(_)
            | Desk::SubmissionAbandoned(_)
            | Desk::SubmissionAccepted(_)
            | Desk::SubmissionRejected(_)
            | Desk::SubmissionUncertain(_)
            | Desk::ReplyContradicted(_)
            | Desk::SubmissionSettled(_)
            | Desk::SubmissionSettleFailed(_)
            | Desk::SubmissionExpiredUnfilled(_)
            | Desk::ReservationReleased(_) => Ok(()),
        }
    }
}

fn asked(event: &Recorded, asked: &ArmRequested, rows: &mut Rows<'_>) -> Result<(), Poison> {
    end(event, RequestState::Superseded, asked.at, rows)?;
    let request = ArmRequestRow {
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
        state: RequestState::Requested,
        approved_by: None,
        approved_at: None,
        approve_reason: None,
        ended_at: None,
    };
    rows.insert(&request)?;
    waiting(event, rows, |row| {
        let mut waiting = Waiting { ends_at: asked.expires_at, ends_as: RequestState::Expired, request };
        if let Some(limits_from) = row.limits_from.iter().find(|from| **from > asked.at) {
            waiting.limits_change(*limits_from);
        }
        row.waiting = Some(waiting);
    })
}

/// The account's word holds, also when the clocks of two processes differ and the request looked over.
fn approved(event: &Recorded, approved: &ArmApproved, rows: &mut Rows<'_>) -> Result<(), Poison> {
    let id = approved.request_id;
    match rows.get::<ArmWaitingRow>(subject(event))?.and_then(|row| row.waiting) {
        Some(known) if known.request.request_id == id => waiting(event, rows, |row| row.waiting = None)?,
        Some(_) | None => run_out(event, rows)?,
    }
    rows.change::<ArmRequestRow>(id, |row| {
        row.last_position = event.position;
        (row.state, row.ended_at) = (RequestState::Approved, Some(approved.at));
        row.approved_by = Some(approved.by.to_string());
        row.approved_at = Some(approved.at);
        row.approve_reason = Some(cut(&approved.reason, 1_000));
        Ok(())
    })
}

fn limits_set(event: &Recorded, set: &LimitsSet, rows: &mut Rows<'_>) -> Result<(), Poison> {
    waiting(event, rows, |row| {
        // Those that would have taken effect later never will.
        row.limits_from.retain(|from| event.recorded_at < *from && *from < set.effective_from);
        row.limits_from.push(set.effective_from);
        if let Some(waiting) = &mut row.waiting {
            waiting.limits_change(set.effective_from);
        }
    })
}

impl Waiting {
    /// Limits take effect that are not those that were shown.
    fn limits_change(&mut self, from: Timestamp) {
        if from < self.ends_at {
            (self.ends_at, self.ends_as) = (from, RequestState::LimitsChanged);
        }
    }
}

/// Changes what is known of the account.
fn waiting(
    event: &Recorded,
    rows: &mut Rows<'_>,
    change: impl FnOnce(&mut ArmWaitingRow),
) -> Result<(), Poison> {
    let fresh = || ArmWaitingRow {
        account: subject(event),
        position: event.position,
        last_position: event.position,
        limits_from: vec![],
        waiting: None,
    };
    rows.upsert::<ArmWaitingRow>(subject(event), fresh, |row| {
        row.last_position = event.position;
        change(row);
        Ok(())
    })
}

/// Ends what waits when its time is over by the clock of the log.
fn run_out(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
    match rows.get::<ArmWaitingRow>(subject(event))?.and_then(|row| row.waiting) {
        Some(known) if known.ends_at <= event.recorded_at => end(event, known.ends_as, known.ends_at, rows),
        Some(_) | None => Ok(()),
    }
}

/// Ends what waits.
fn end(event: &Recorded, state: RequestState, at: Timestamp, rows: &mut Rows<'_>) -> Result<(), Poison> {
    let known = rows.get::<ArmWaitingRow>(subject(event))?.and_then(|row| row.waiting);
    let Some(known) = known else { return Ok(()) };
    waiting(event, rows, |row| row.waiting = None)?;
    let (last_position, ended_at) = (event.position, Some(at));
    rows.insert(&ArmRequestRow { last_position, state, ended_at, ..known.request })
}
