//! The signing account, as it stands: folded from the log when it is asked for, never from a table.

use super::write::Mode;
use serde::{Deserialize, Serialize};
use stele_domain::time::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// Whether offers may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arming {
    /// No.
    Disarmed,
    /// In both directions.
    Armed,
    /// Only towards the base target.
    Reducing,
    /// No, and somebody must look.
    Killed,
}

/// The signing account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// The stream it is folded from.
    pub stream: String,
    /// Whether offers may be made now. An arming that has run out, or whose lease has ended, counts as disarmed.
    pub arming: Arming,
    /// The last arming, while nobody has ended it.
    pub armed: Option<Armed>,
    /// A request to arm that waits for another person, while it can still be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm_request: Option<ArmRequest>,
    /// The wish to stand a killed account down, while it waits for another person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_down_request: Option<StandDownRequest>,
    /// Since when it is killed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub killed_at: Option<Timestamp>,
    /// Who may sign.
    pub lease: Option<Lease>,
    /// Version of the limits in force; none when none are.
    pub limits_version: Option<u64>,
    /// Version of the limits that were set last; they may hold only later.
    pub limits_version_newest: Option<u64>,
    /// Offers whose coin is reserved, in the order of their commands.
    pub open_offers: Vec<OpenOffer>,
    /// How many of them have an unknown outcome.
    pub uncertain_offers: u64,
    /// What the open offers hold, per token.
    pub reserved: Vec<Reserved>,
    /// When an offer was last settled.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_settled_at: Option<Timestamp>,
}

/// An account with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountAnswer {
    /// The account.
    pub account: Account,
    /// Everything up to here is in it.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
}

/// An arming.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Armed {
    /// How far it goes.
    pub mode: Mode,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it runs out.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// True when it has.
    pub expired: bool,
    /// The limits that were in force when it was armed.
    pub limits_version: u64,
    /// Why.
    pub reason: String,
}

/// A request to arm, as another person is shown it before they approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArmRequest {
    /// Names it: send it with the approval.
    pub request_id: Uuid,
    /// How far it would go.
    pub mode: Mode,
    /// The limits that it would be armed under.
    pub limits_version: u64,
    /// SHA-256 of their canonical form, in hex: send it with the approval.
    pub limits_hash: String,
    /// When the arming would run out.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Nobody can approve it any more from then on.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A wish to stand a killed account down that needs a second person, who says the same (`disarm`) or approves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StandDownRequest {
    /// Names it: send it with the approval.
    pub request_id: Uuid,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Nobody can join in any more from then on.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// The right to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// Rises by one with each lease.
    pub epoch: u64,
    /// Who holds it.
    pub holder: String,
    /// Until when, unless renewed; of one that has ended, when.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// True when it has ended: it ran out, or its holder gave it back. Nobody signs.
    pub lapsed: bool,
}

/// An amount of one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenAmount {
    /// The venue's name for the token.
    pub token: String,
    /// Base units.
    pub amount: String,
}

/// What open offers hold of a token.
pub type Reserved = TokenAmount;

/// An offer whose coin is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenOffer {
    /// The command.
    pub command_id: Uuid,
    /// The decision.
    pub decision_id: Uuid,
    /// The auction.
    pub quote_id: String,
    /// Base58 digest of what was signed.
    pub quote_hash: String,
    /// The pair.
    pub pair: String,
    /// `buy_base` or `sell_base`, from the desk's side.
    pub direction: String,
    /// How far it has come: `started`, `accepted`, `rejected`, `uncertain` or `settle_failed`.
    pub phase: String,
    /// What we receive.
    pub receive: TokenAmount,
    /// What we give; this much is reserved.
    pub give: TokenAmount,
    /// Worth in base units of the quote asset.
    pub notional: String,
    /// When it was fixed.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// It can be executed until then.
    #[schema(value_type = String, format = DateTime)]
    pub offer_deadline: Timestamp,
}
