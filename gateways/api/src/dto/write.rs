//! Wishes, and what came of them.

use super::account::TokenAmount;
use serde::{Deserialize, Serialize};
use stele_domain::time::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// A wish that needs nothing but a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why, in 3 to 500 characters. It is kept for ever beside the act.
    pub reason: String,
}

/// A wish to stop, which is never refused for want of words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonOrNone {
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// How far an arming goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Both directions.
    Full,
    /// Only towards the base target.
    Reducing,
}

/// Let offers be made, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Why, in 3 to 500 characters.
    pub reason: String,
    /// How far.
    pub mode: Mode,
    /// How long from now, in milliseconds; this or `until`. At most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Until when; this or `for_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// The limits that the person was shown: refused when others are in force by now. Without it, whatever is
    /// in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_version: Option<u64>,
}

/// What came of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is so now, and the log says so.
    Recorded,
    /// It was so already; nothing was recorded.
    AlreadySo,
    /// It is written down, and waits for another person.
    ApprovalNeeded,
}

/// The answer to a wish. Asking again with the same `Idempotency-Key` gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Written {
    /// The wish: the `Idempotency-Key` that was sent, or one that was made here.
    pub command_id: Uuid,
    /// What came of it.
    pub outcome: Outcome,
    /// With `approval_needed`: what another person is asked to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The facts stand up to here: send it as `Min-Log-Position` to read your own write. None when nothing was
    /// recorded.
    pub log_position: Option<u64>,
    /// What is not as the wish would have it, in words, as things stand when it is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// What another person is asked to approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Names the request: send it with the approval.
    pub request_id: Uuid,
    /// The limits that it would be armed under.
    pub limits_version: u64,
    /// SHA-256 of their canonical form, in hex: send it with the approval, which is bound to it.
    pub limits_hash: String,
    /// Nobody can approve it any more from then on.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Approve what another person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The request, as its asker was told it.
    pub request_id: Uuid,
    /// The hash of the limits that you were shown (`GET /v1/limits`): refused when others are in force by now.
    #[schema(min_length = 64, max_length = 64, pattern = "^[0-9a-f]{64}$")]
    pub limits_hash: String,
    /// Why, in 3 to 500 characters.
    #[schema(example = "seen with the risk desk")]
    pub reason: String,
}

/// The answer to a kill, and the proof that it took effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Killed {
    /// The wish.
    pub command_id: Uuid,
    /// What came of it.
    pub outcome: Outcome,
    /// Where the kill stands in the log.
    pub log_position: Option<u64>,
    /// True when no frame of the executor can leave any more. False when that could not be confirmed in time: look at
    /// the executor's process, and at the open signatures until their deadlines.
    pub fenced: bool,
    /// Every signature that could still be executed, as of this answer.
    pub open_signatures: Vec<OpenSignature>,
}

/// A signature that is out and could still be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenSignature {
    /// The command.
    pub command_id: Uuid,
    /// Base58 digest of what was signed.
    pub quote_hash: String,
    /// What it could cost us.
    pub give: TokenAmount,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub offer_deadline: Timestamp,
}

/// The answer to a refresh: the wish is on its way to the process where the service runs. What it then reads is a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refreshed {
    /// Which service was asked to look now.
    pub service: String,
}
