//! The account: whether it may offer, under which limits and lease, and what it has out.

use super::prelude::*;
use stele_domain::ids::{CommandId, QuoteHash, QuoteId, TokenId};
use stele_domain::money::Units;
use stele_domain::pair::Direction;
use stele_domain::trading::account::event::{DisarmCause, Event as Desk, Mode, OpenSignature};
use stele_domain::trading::event::Event as Trading;
use stele_domain::trading::limits::Limits;

/// Arming, lease, limits and reservations.
pub struct Account;

/// Whether offers may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arming {
    /// No.
    Disarmed,
    /// Yes, in both directions.
    Armed,
    /// Only towards the base target.
    Reducing,
    /// No, and somebody must look.
    Killed,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    pub account: String,
    pub position: Position,
    pub last_position: Position,
    pub arming: Arming,
    pub arming_at: Option<Timestamp>,
    pub arming_actor: Option<String>,
    pub arming_reason: String,
    pub armed_until: Option<Timestamp>,
    pub armed_limits_version: Option<u64>,
    pub disarm_cause: Option<DisarmCause>,
    pub open_at_kill: Option<Vec<OpenSignature>>,
    pub limits_version: Option<u64>,
    pub limits_effective_from: Option<Timestamp>,
    pub lease_epoch: Option<u64>,
    pub lease_holder: Option<String>,
    pub lease_until: Option<Timestamp>,
    pub open_reservations: u64,
    pub submissions: u64,
}

/// Coin that an offer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationRow {
    pub command_id: CommandId,
    pub position: Position,
    pub account: String,
    pub quote_id: QuoteId,
    pub quote_hash: QuoteHash,
    pub direction: Direction,
    pub token: TokenId,
    pub amount: Units,
    pub notional: Units,
    pub partner_id: Option<String>,
    pub offer_deadline: Timestamp,
    pub started_at: Timestamp,
}

/// Limits as they were set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsRow {
    pub position: Position,
    pub account: String,
    pub version: u64,
    pub limits: Limits,
    pub effective_from: Timestamp,
    pub reason: String,
    pub actor: String,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
}

/// A change of arming or lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmingStepRow {
    pub position: Position,
    pub account: String,
    pub step: String,
    pub detail: String,
    pub actor: String,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
}

impl TableRow for AccountRow {
    const TABLE: Table = Table {
        name: "account",
        doc: "One row per signing account: arming, lease, limits, and what is out.",
        columns: &[
            column("account", Kind::Text, "The account."),
            column("position", Kind::Int64, "The first event about it."),
            column("last_position", Kind::Int64, "The last event about it."),
            column("arming", Kind::Text, "disarmed, armed, reducing or killed, as of the last event."),
            optional("arming_at", Kind::Timestamp, "Since when."),
            optional("arming_actor", Kind::Text, "By whom."),
            column("arming_reason", Kind::Text, "Why."),
            optional("armed_until", Kind::Timestamp, "When the arming runs out."),
            optional("armed_limits_version", Kind::Int64, "The limits that were in force when it was armed."),
            optional(
                "disarm_cause",
                Kind::Text,
                "operator, expired, unexpected_drop, venue_blocked or strategy_started.",
            ),
            optional(
                "open_at_kill",
                Kind::Json,
                "Every signature that could still be executed when it was killed.",
            ),
            optional("limits_version", Kind::Int64, "The limits that were set last."),
            optional("limits_effective_from", Kind::Timestamp, "From when those hold."),
            optional("lease_epoch", Kind::Int64, "The lease, which rises by one each time it is taken."),
            optional("lease_holder", Kind::Text, "Who may sign."),
            optional("lease_until", Kind::Timestamp, "Until when, unless renewed."),
            column("open_reservations", Kind::Int64, "Offers whose coin is still reserved."),
            column("submissions", Kind::Int64, "Offers that were ever fixed."),
        ],
        key: &["account"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl TableRow for ReservationRow {
    const TABLE: Table = Table {
        name: "reservations",
        doc: "Offers whose coin is reserved now. A row leaves when its coin is released.",
        columns: &[
            column("command_id", Kind::Text, "The command."),
            column("position", Kind::Int64, "Log position of the submission."),
            column("account", Kind::Text, "The account."),
            column("quote_id", Kind::Text, "The auction."),
            column("quote_hash", Kind::Text, "Base58 digest of what was signed."),
            column("direction", Kind::Text, "buy_base or sell_base, from the desk's side."),
            column("token", Kind::Text, "What is reserved."),
            column("amount", Kind::Units, "How much of it, in base units."),
            column("notional", Kind::Units, "Worth in base units of the quote asset."),
            optional("partner_id", Kind::Text, "Who brought the taker."),
            column("offer_deadline", Kind::Timestamp, "The offer can be executed until then."),
            column("started_at", Kind::Timestamp, "When it was fixed."),
        ],
        key: &["command_id"],
        indexes: &[],
        retention: Retention::All,
        append_only: false,
    };
}

impl TableRow for LimitsRow {
    const TABLE: Table = Table {
        name: "limits_history",
        doc: "Limits, each time they were set, whole.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("account", Kind::Text, "The account."),
            column("version", Kind::Int64, "Rises by one with each change."),
            column("limits", Kind::Json, "All of them."),
            column("effective_from", Kind::Timestamp, "From when they hold."),
            column("reason", Kind::Text, "Why."),
            column("actor", Kind::Text, "By whom."),
            column("at", Kind::Timestamp, "When they were set."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["version"],
        retention: newest(2_000, 4),
        append_only: true,
    };
}

impl TableRow for ArmingStepRow {
    const TABLE: Table = Table {
        name: "arming_history",
        doc: "Every arming, disarming, kill and change of lease, and who asked for or approved it.",
        columns: &[
            column("position", Kind::Int64, "Log position of the event."),
            column("account", Kind::Text, "The account."),
            column(
                "step",
                Kind::Text,
                "lease_taken, arm_requested, arm_approved, armed, reducing, disarmed, killed, kill_confirmed or \
                 stand_down_asked.",
            ),
            column(
                "detail",
                Kind::Text,
                "The reason; who took the lease; of which lease the executor speaks.",
            ),
            column("actor", Kind::Text, "By whom."),
            column("at", Kind::Timestamp, "When."),
            column("recorded_at", Kind::Timestamp, "When the log wrote it down."),
        ],
        key: &["position"],
        indexes: &["step"],
        retention: newest(2_000, 2),
        append_only: true,
    };
}

/// Every event of the account's own stream.
pub const ACCOUNT_EVENTS: &[&str] = &[
    "trading.LeaseTaken",
    "trading.LeaseRenewed",
    "trading.LimitsSet",
    "trading.Armed",
    "trading.ArmRequested",
    "trading.ArmApproved",
    "trading.Disarmed",
    "trading.Killed",
    "trading.KillConfirmed",
    "trading.StandDownAsked",
    "trading.ExecutionRefused",
    "trading.ExecutionExpired",
    "trading.SubmissionStarted",
    "trading.SubmissionAbandoned",
    "trading.SubmissionAccepted",
    "trading.SubmissionRejected",
    "trading.SubmissionUncertain",
    "trading.ReplyContradicted",
    "trading.SubmissionSettled",
    "trading.SubmissionSettleFailed",
    "trading.SubmissionExpiredUnfilled",
    "trading.ReservationReleased",
];

impl Projection for Account {
    const NAME: &'static str = "account";
    const VERSION: u32 = 1;
    const TABLES: &'static [Table] =
        &[AccountRow::TABLE, ReservationRow::TABLE, LimitsRow::TABLE, ArmingStepRow::TABLE];
    const FOLDS: &'static [&'static str] = ACCOUNT_EVENTS;

    fn touches(event: &Recorded, keys: &mut Keys) {
        if let Event::Trading(Trading::Account(_)) = &event.event {
            keys.add::<AccountRow>(subject(event));
        }
    }

    fn apply(event: &Recorded, rows: &mut Rows<'_>) -> Result<(), Poison> {
        let Event::Trading(Trading::Account(desk)) = &event.event else { return Ok(()) };
        beside(event, desk, rows)?;
        rows.upsert::<AccountRow>(
            subject(event),
            || fresh(event),
            |row| {
                row.last_position = event.position;
                change(event, desk, row)
            },
        )
    }
}

/// The rows beside the account's own.
fn beside(event: &Recorded, desk: &Desk, rows: &mut Rows<'_>) -> Result<(), Poison> {
    let step = |step: &str, detail: &str, at| ArmingStepRow {
        position: event.position,
        account: subject(event),
        step: step.to_owned(),
        detail: cut(detail, 1_000),
        actor: event.meta.actor.to_string(),
        at,
        recorded_at: event.recorded_at,
    };
    match desk {
        Desk::LeaseTaken(taken) => {
            let detail = format!("epoch {} by {}", taken.epoch, taken.holder);
            rows.insert(&step("lease_taken", &detail, taken.at))
        }
        Desk::Armed(armed) => rows.insert(&step(&word(&arming(armed.mode)), &armed.reason, armed.at)),
        Desk::ArmRequested(asked) => rows.insert(&step("arm_requested", &asked.reason, asked.at)),
        Desk::ArmApproved(approved) => rows.insert(&step("arm_approved", &approved.reason, approved.at)),
        Desk::KillConfirmed(confirmed) => {
            let detail = format!("no frame leaves the executor of epoch {}", confirmed.epoch);
            rows.insert(&step("kill_confirmed", &detail, confirmed.at))
        }
        Desk::StandDownAsked(asked) => rows.insert(&step("stand_down_asked", &asked.reason, asked.at)),
        Desk::Disarmed(disarmed) => rows.insert(&step("disarmed", &disarmed.reason, disarmed.at)),
        Desk::Killed(killed) => rows.insert(&step("killed", &killed.reason, killed.at)),
        Desk::LimitsSet(set) => rows.insert(&LimitsRow {
            position: event.position,
            account: subject(event),
            version: set.version,
            limits: set.limits.clone(),
            effective_from: set.effective_from,
            reason: cut(&set.reason, 1_000),
            actor: event.meta.actor.to_string(),
            at: set.at,
            recorded_at: event.recorded_at,
        }),
        Desk::SubmissionStarted(started) => rows.insert(&ReservationRow {
            command_id: started.command_id,
            position: event.position,
            account: subject(event),
            quote_id: started.quote_id.clone(),
            quote_hash: started.prepared.quote_hash.clone(),
            direction: started.direction,
            token: started.give.token.clone(),
            amount: started.give.amount,
            notional: started.notional,
            partner_id: started.partner_id.clone(),
            offer_deadline: started.offer_deadline,
            started_at: started.at,
        }),
        Desk::ReservationReleased(released) => {
            rows.delete::<ReservationRow>(released.command_id);
            Ok(())
        }
        Desk::LeaseRenewed(_)
        | Desk::ExecutionRefused(_)
        | Desk::ExecutionExpired(_)
        | Desk::SubmissionAbandoned(_)
        | Desk::SubmissionAccepted(_)
        | Desk::SubmissionRejected(_)
        | Desk::SubmissionUncertain(_)
        | Desk::ReplyContradicted(_)
        | Desk::SubmissionSettled(_)
        | Desk::SubmissionSettleFailed(_)
        | Desk::SubmissionExpiredUnfilled(_) => Ok(()),
    }
}

/// The account's own row. The rules are those of the account's own memory.
fn change(event: &Recorded, desk: &Desk, row: &mut AccountRow) -> Result<(), Poison> {
    match desk {
        Desk::LeaseTaken(taken) => {
            row.lease_epoch = Some(taken.epoch);
            row.lease_holder = Some(taken.holder.clone());
            row.lease_until = Some(taken.until);
            // A new executor starts disarmed; a killed account stays killed.
            if matches!(row.arming, Arming::Armed | Arming::Reducing) {
                row.turn(event, Arming::Disarmed, "the lease was taken", taken.at);
            }
        }
        Desk::LeaseRenewed(renewed) if row.lease_epoch == Some(renewed.epoch) => {
            row.lease_until = Some(renewed.until);
        }
        Desk::LimitsSet(set) => {
            row.limits_version = Some(set.version);
            row.limits_effective_from = Some(set.effective_from);
        }
        Desk::Armed(armed) => {
            row.turn(event, arming(armed.mode), &armed.reason, armed.at);
            row.armed_until = Some(armed.until);
            row.armed_limits_version = Some(armed.limits_version);
        }
        Desk::Disarmed(disarmed) => {
            row.turn(event, Arming::Disarmed, &disarmed.reason, disarmed.at);
            row.disarm_cause = Some(disarmed.cause);
        }
        Desk::Killed(killed) => {
            row.turn(event, Arming::Killed, &killed.reason, killed.at);
            row.open_at_kill = Some(killed.open.clone());
        }
        Desk::SubmissionStarted(_) => {
            row.open_reservations = one_more(row.open_reservations)?;
            row.submissions = one_more(row.submissions)?;
        }
        Desk::ReservationReleased(_) => {
            let left = row.open_reservations.checked_sub(1);
            row.open_reservations = left.ok_or(Poison::OutOfRange { what: "the number of reservations" })?;
        }
        Desk::LeaseRenewed(_)
        | Desk::ArmRequested(_)
        | Desk::ArmApproved(_)
        | Desk::KillConfirmed(_)
        | Desk::StandDownAsked(_)
        | Desk::ExecutionRefused(_)
        | Desk::ExecutionExpired(_)
        | Desk::SubmissionAbandoned(_)
        | Desk::SubmissionAccepted(_)
        | Desk::SubmissionRejected(_)
        | Desk::SubmissionUncertain(_)
        | Desk::ReplyContradicted(_)
        | Desk::SubmissionSettled(_)
        | Desk::SubmissionSettleFailed(_)
        | Desk::SubmissionExpiredUnfilled(_) => {}
    }
    Ok(())
}

impl AccountRow {
    /// Another arming: nothing of the one before is left.
    fn turn(&mut self, event: &Recorded, arming: Arming, reason: &str, at: Timestamp) {
        self.arming = arming;
        self.arming_at = Some(at);
        self.arming_actor = Some(event.meta.actor.to_string());
        self.arming_reason = cut(reason, 1_000);
        (self.armed_until, self.armed_limits_version) = (None, None);
        (self.disarm_cause, self.open_at_kill) = (None, None);
    }
}

fn arming(mode: Mode) -> Arming {
    match mode {
        Mode::Full => Arming::Armed,
        Mode::Reducing => Arming::Reducing,
    }
}

fn fresh(event: &Recorded) -> AccountRow {
    AccountRow {
        account: subject(event),
        position: event.position,
        last_position: event.position,
        arming: Arming::Disarmed,
        arming_at: None,
        arming_actor: None,
        arming_reason: String::new(),
        armed_until: None,
        armed_limits_version: None,
        disarm_cause: None,
        open_at_kill: None,
        limits_version: None,
        limits_effective_from: None,
        lease_epoch: None,
        lease_holder: None,
        lease_until: None,
        open_reservations: 0,
        submissions: 0,
    }
}
