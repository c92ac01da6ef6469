//! What an event says became of a command: one vocabulary for the commands, their results and the history of
//! both. Not a read model itself.

use super::prelude::*;
use std::borrow::Cow;
use stele_domain::ids::CommandId;
use stele_domain::trading::account::event::{Event as Desk, RefusalCode};
use stele_domain::trading::event::Event as Trading;

/// The types of which `outcome` tells anything.
pub const OUTCOMES: &[&str] = &[
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

/// Longest text of a venue's reply that a row keeps, in bytes. The log has all of it.
pub const REPLY_BYTES_MAX: usize = 2_000;

/// How far a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Nobody has taken it up.
    Commanded,
    /// A rule said no before anything was fixed.
    Refused,
    /// It was too old to be executed.
    Expired,
    /// The offer is fixed and its coin reserved; perhaps it was sent.
    Started,
    /// Nothing was sent, and nothing will be.
    Abandoned,
    /// The relay took the offer.
    Accepted,
    /// The relay said no.
    Rejected,
    /// Nobody knows whether the offer is live.
    Uncertain,
    /// The venue executed it.
    Settled,
    /// The venue tried and failed.
    SettleFailed,
    /// Its deadline passed without execution.
    ExpiredUnfilled,
}

impl CommandState {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Commanded,
        Self::Refused,
        Self::Expired,
        Self::Started,
        Self::Abandoned,
        Self::Accepted,
        Self::Rejected,
        Self::Uncertain,
        Self::Settled,
        Self::SettleFailed,
        Self::ExpiredUnfilled,
    ];

    /// The name in tables.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Commanded => "commanded",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Started => "started",
            Self::Abandoned => "abandoned",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
            Self::Settled => "settled",
            Self::SettleFailed => "settle_failed",
            Self::ExpiredUnfilled => "expired_unfilled",
        }
    }
}

/// What one event says about one command.
pub(crate) struct Outcome<'e> {
    pub command_id: CommandId,
    /// `None` when only its coin moved.
    pub state: Option<CommandState>,
    pub detail: Cow<'e, str>,
    pub refusal: Option<RefusalCode>,
    pub tx_hash: Option<&'e str>,
    pub at: Timestamp,
}

fn of(command_id: CommandId, state: CommandState, detail: &str, at: Timestamp) -> Outcome<'_> {
    let detail = cut_short(detail, REPLY_BYTES_MAX).into();
    Outcome { command_id, state: Some(state), detail, refusal: None, tx_hash: None, at }
}

/// The outcome that an event states, if it states one.
pub(crate) fn outcome(event: &Event) -> Option<Outcome<'_>> {
    let Event::Trading(Trading::Account(desk)) = event else { return None };
    let outcome = match desk {
        Desk::ExecutionRefused(e) => {
            let refused = of(e.command_id, CommandState::Refused, &e.detail, e.at);
            Outcome { refusal: Some(e.code), ..refused }
        }
        Desk::ExecutionExpired(e) => {
            let expired = of(e.command_id, CommandState::Expired, "", e.at);
            Outcome { detail: format!("{} ms old", e.age_ms).into(), ..expired }
        }
        Desk::SubmissionStarted(e) => of(e.command_id, CommandState::Started, "", e.at),
        Desk::SubmissionAbandoned(e) => of(e.command_id, CommandState::Abandoned, &e.why, e.at),
        Desk::SubmissionAccepted(e) => of(e.command_id, CommandState::Accepted, &e.reply, e.at),
        Desk::SubmissionRejected(e) => of(e.command_id, CommandState::Rejected, &e.reply, e.at),
        Desk::SubmissionUncertain(e) => of(e.command_id, CommandState::Uncertain, &e.why, e.at),
        Desk::ReplyContradicted(e) => {
            let detail = format!("the relay had said {}, and then said: {}", e.before.name(), e.reply);
            let contradicted = of(e.command_id, CommandState::Uncertain, "", e.at);
            Outcome { detail: cut(&detail, REPLY_BYTES_MAX).into(), ..contradicted }
        }
        Desk::SubmissionSettled(e) => {
            let settled = of(e.command_id, CommandState::Settled, "", e.at);
            Outcome { tx_hash: e.tx_hash.as_deref(), ..settled }
        }
        Desk::SubmissionSettleFailed(e) => {
            let failed = of(e.command_id, CommandState::SettleFailed, "", e.at);
            Outcome { tx_hash: e.tx_hash.as_deref(), ..failed }
        }
        Desk::SubmissionExpiredUnfilled(e) => of(e.command_id, CommandState::ExpiredUnfilled, "", e.at),
        Desk::ReservationReleased(e) => {
            let released = of(e.command_id, CommandState::Started, "", e.at);
            Outcome { state: None, detail: word(&e.cause).into(), ..released }
        }
        Desk::LeaseTaken(_)
        | Desk::LeaseRenewed(_)
        | Desk::LimitsSet(_)
        | Desk::Armed(_)
        | Desk::ArmRequested(_)
        | Desk::ArmApproved(_)
        | Desk::Disarmed(_)
        | Desk::Killed(_)
        | Desk::KillConfirmed(_)
        | Desk::StandDownAsked(_) => return None,
    };
    Some(outcome)
}
