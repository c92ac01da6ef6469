//! Facts about arming: asked for, approved, given, and ended.

use crate::ids::{Actor, CommandId, QuoteHash};
use crate::port::venue::TokenAmount;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How far an arming goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Both directions.
    Full,
    /// Only towards the base target.
    Reducing,
}

/// Offers may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// How far it goes.
    pub mode: Mode,
    /// The limits that were in force when it was armed.
    pub limits_version: u64,
    /// The start of the strategy that it was armed for: orders of any other are refused. Zero in facts of old builds.
    #[serde(default, skip_serializing_if = "crate::event::is_zero")]
    pub strategy_start: u64,
    /// When it runs out.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Somebody asks to arm, and another person must approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmRequested {
    /// Names the request: the command that made it.
    pub request_id: CommandId,
    /// How far it would go.
    pub mode: Mode,
    /// The limits in force, which were shown.
    pub limits_version: u64,
    /// SHA-256 of their canonical form, in hex: what an approval is bound to.
    pub limits_hash: String,
    /// The start of the strategy that it would be armed for. Zero in facts of old builds.
    #[serde(default, skip_serializing_if = "crate::event::is_zero")]
    pub strategy_start: u64,
    /// When the arming would run out.
    pub until: Timestamp,
    /// When the request does.
    pub expires_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// Another person approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmApproved {
    /// Which request.
    pub request_id: CommandId,
    /// What the approver was shown.
    pub limits_hash: String,
    /// Why the approver agrees; empty when nothing was said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who approved.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// What disarmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisarmCause {
    /// A person.
    Operator,
    /// The arming ran out.
    Expired,
    /// A balance fell unexpectedly.
    UnexpectedDrop,
    /// The venue knows our key no more, or has locked the account: somebody did that.
    VenueBlocked,
    /// The strategy was started anew: it may be another build, or price otherwise, than what was armed.
    StrategyStarted,
}

/// No offers may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disarmed {
    /// What did it.
    pub cause: DisarmCause,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Somebody wants a killed account to be stood down, and another person must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandDownAsked {
    /// Names the request: the command that made it.
    pub request_id: CommandId,
    /// Nobody can join in any more from then on.
    pub expires_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// A signature that is out and could still be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSignature {
    /// The command.
    pub command_id: CommandId,
    /// The offer.
    pub quote_hash: QuoteHash,
    /// What it could cost us.
    pub give: TokenAmount,
    /// Until when.
    pub offer_deadline: Timestamp,
}

/// No offers may be made, and somebody must look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// Why.
    pub reason: String,
    /// Every signature that could still be executed.
    pub open: Vec<OpenSignature>,
    /// When.
    pub at: Timestamp,
}

/// The executor's fence is closed: no frame leaves any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillConfirmed {
    /// The lease under which the executor runs.
    pub epoch: u64,
    /// When.
    pub at: Timestamp,
}
