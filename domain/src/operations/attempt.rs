//! Wishes that were refused: kept, so that nobody can say they were never made.

use crate::ids::CommandId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A person's command was refused by a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRefused {
    /// The command.
    pub command_id: CommandId,
    /// What was asked: `arm`, `set_limits` …
    pub action: String,
    /// The rule's stable code.
    pub code: String,
    /// The rule's words.
    pub detail: String,
    /// The reason that the person gave.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}
