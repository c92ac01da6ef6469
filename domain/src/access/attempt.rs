//! Attempts that leave no other fact: kept, so that nobody can say they were never made.
//!
//! Who asked, with which key and from where, stands in the envelope. What a decider refused is
//! `operations.CommandRefused`.

use crate::ids::CommandId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most ids of keys that one [`StrangersRefused`] names.
pub const KEY_IDS_MAX: usize = 8;
/// The address of those who came when there were too many addresses to tell them apart.
pub const OTHER_ADDRESSES: &str = "other";

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The caller's role, scope or rate said no.
    Refused,
    /// It was so already.
    AlreadySo,
    /// It was done, and is no fact itself.
    Done,
}

/// A known caller tried something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// The command, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// What was asked: `arm`, `set_limits`, `read` …
    pub action: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The stable code of the refusal; the outcome's own name otherwise.
    pub code: String,
    /// The refusal's words; empty when there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The reason that the person gave; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How many alike attempts of this caller it stands for: the first of a minute stands alone, those after it in
    /// the same minute together.
    pub count: u64,
    /// When; the last of them, when there were several.
    pub at: Timestamp,
}

/// Somebody without a valid credential was turned away, as often as it happened within a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrangersRefused {
    /// Where they came from: an IP address, `unix`, or [`OTHER_ADDRESSES`].
    pub address: String,
    /// The first of them.
    pub from: Timestamp,
    /// The last of them.
    pub to: Timestamp,
    /// How many.
    pub count: u64,
    /// How many of each code.
    pub codes: BTreeMap<String, u64>,
    /// The ids that the presented keys claimed, without proof: the first [`KEY_IDS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<String>,
}

/// Attempts came faster than the log could take them. They were answered; only their number is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptsUnkept {
    /// The first of them.
    pub from: Timestamp,
    /// The last of them.
    pub to: Timestamp,
    /// How many.
    pub count: u64,
    /// How many of each code.
    pub codes: BTreeMap<String, u64>,
}
