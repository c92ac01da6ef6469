//! One quote's whole story. Rows are objects by column name, as the tables have them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stele_domain::time::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// One quote's whole story, found by any id that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    /// The id that was asked for.
    pub asked: String,
    /// What it is: `quote`, `decision`, `command`, `quote_hash` or `transaction`.
    pub found_by: String,
    /// The auction.
    pub quote_id: String,
    /// What every event of the story carries.
    pub correlation_id: Uuid,
    /// Tables that no longer have their oldest rows: what is missing here may still be in the log.
    pub cut_tables: Vec<String>,
    /// The request and its repeats: rows of `quotes`.
    #[schema(value_type = Vec<Object>)]
    pub requests: Vec<Value>,
    /// What it meant: a row of `demands`.
    #[schema(value_type = Option<Object>)]
    pub demand: Option<Value>,
    /// What was decided.
    pub decisions: Vec<DecisionStory>,
    /// What was commanded, and what became of it.
    pub commands: Vec<CommandStory>,
    /// All of it, in the order of the log.
    pub timeline: Vec<Moment>,
    /// Everything up to here is told.
    pub as_of: u64,
    /// When the event at `as_of` was written down, where the past was asked for; none before the first event.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub as_of_time: Option<Timestamp>,
    /// The last position of the log.
    pub head: u64,
}

/// A decision and what it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionStory {
    /// The decision with every gate's answer: a row of `decisions`.
    #[schema(value_type = Object)]
    pub decision: Value,
    /// The price that it saw: a row of `reference_prices`.
    #[schema(value_type = Option<Object>)]
    pub price: Option<Value>,
    /// The balances that it saw: a row of `inventory`.
    #[schema(value_type = Option<Object>)]
    pub inventory: Option<Value>,
    /// The limits that it was held against: a row of `limits_history`.
    #[schema(value_type = Option<Object>)]
    pub limits: Option<Value>,
}

/// A command and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandStory {
    /// The command: a row of `commands`.
    #[schema(value_type = Option<Object>)]
    pub command: Option<Value>,
    /// Its result as of now: a row of `results`.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Every step on the way: rows of `result_history`.
    #[schema(value_type = Vec<Object>)]
    pub steps: Vec<Value>,
    /// What the relay said of it: rows of `settlement_notices`.
    #[schema(value_type = Vec<Object>)]
    pub notices: Vec<Value>,
    /// The balances that prove its end: a row of `inventory`.
    #[schema(value_type = Option<Object>)]
    pub proof: Option<Value>,
}

/// One event of the story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moment {
    /// Its place in the log.
    pub position: u64,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When the log wrote it down.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// What: `request`, `demand`, `price`, `inventory`, `decision`, `command`, `notice`, `proof`, or a result's step.
    pub what: String,
    /// The table that has all of it.
    pub table: String,
    /// The heart of it, in a word or the venue's own words.
    pub detail: String,
}
