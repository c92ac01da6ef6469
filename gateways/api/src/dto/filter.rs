//! The pair filter: which requests are listened to at all.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who says what is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilterMode {
    /// The configuration: every configured pair.
    Configured,
    /// An operator: only the entries.
    Only,
}

/// The filter as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Filter {
    /// Who says what is let through.
    pub mode: FilterMode,
    /// What is let through: a pair (`btc-eure`), or one token against another (`TOKEN_IN->TOKEN_OUT`, from the
    /// taker's side). Empty with `only`: nothing is.
    pub entries: Vec<String>,
    /// The configured pairs: a filter narrows them and can't widen them.
    pub configured: Vec<String>,
    /// Everything up to here is in it.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
}

/// Let only these through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetFilter {
    /// Pairs (`btc-eure`) or one token against another (`TOKEN_IN->TOKEN_OUT`). Empty lets nothing through.
    pub entries: Vec<String>,
    /// Why, in 3 to 500 characters.
    pub reason: String,
}
