//! Names of things: each kind of identifier is its own type, so that one can't be passed for another.
//!
//! Identity is minted at the edge and arrives here; nothing in this crate makes a random id.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Namespace of every identifier that Stele derives from a natural key (UUID v5, RFC 9562 §5.5).
const NAMESPACE: Uuid = Uuid::from_u128(0x7374_656c_652e_4e61_8d65_7370_6163_6531);

/// Derives the same id from the same natural key, on any machine, for ever.
///
/// The parts are joined with a separator that no identifier contains, so `("a", "bc")` and
/// `("ab", "c")` differ.
#[must_use]
pub fn derived(kind: &str, parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(64);
    name.extend_from_slice(kind.as_bytes());
    for part in parts {
        name.push(0x1f);
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

/// One stored event, for ever. Offering the same id twice is offering the same fact twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// One wish, by a person or a reactor. Repeating it with the same id repeats the first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub Uuid);

/// One verdict of the strategy on one demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(pub Uuid);

/// What ties every event of one story together: a quote and all that followed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CorrelationId(pub Uuid);

impl EventId {
    /// Reads an id as it is written: a UUID.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] when it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let id = Uuid::try_parse(text);
        id.map(Self).map_err(|_| InvalidId::new("event id", text, "a UUID"))
    }

    /// The id of the `index`-th event that one command produced in one stream.
    #[must_use]
    pub fn of_command(command: CommandId, stream: &str, index: usize) -> Self {
        Self(derived("command-event", &[&command.0.to_string(), stream, &index.to_string()]))
    }
}

impl DecisionId {
    /// The one decision that a strategy takes on a quote, whoever takes it and however often.
    #[must_use]
    pub fn of_quote(strategy: &str, quote: &QuoteId) -> Self {
        Self(derived("decision", &[strategy, quote.as_str()]))
    }
}

impl CommandId {
    /// The one execution command that a decision can lead to.
    #[must_use]
    pub fn of_decision(decision: DecisionId) -> Self {
        Self(derived("execute", &[&decision.0.to_string()]))
    }
}

impl CorrelationId {
    /// The story that starts with a quote.
    #[must_use]
    pub fn of_quote(quote: &QuoteId) -> Self {
        Self(derived("quote", &[quote.as_str()]))
    }
}

/// Why a text is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not valid: {rule}")]
pub struct InvalidId {
    /// Which kind of identifier was asked for.
    pub kind: &'static str,
    /// The offending text, cut to 80 characters.
    pub text: String,
    /// What the text should have been like.
    pub rule: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        Self { kind, text: text.chars().take(80).collect(), rule }
    }
}

/// Longest venue identifier that is accepted, in bytes.
pub const TEXT_ID_BYTES_MAX: usize = 256;

fn venue_text(kind: &'static str, text: String) -> Result<String, InvalidId> {
    // No shortcut, so that bytes are compared many at once: nearly every name is plain.
    let plain = text.bytes().fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    let printable = plain || text.chars().all(|c| !c.is_control());
    if text.is_empty() || text.len() > TEXT_ID_BYTES_MAX || !printable {
        return Err(InvalidId::new(kind, &text, "1 to 256 bytes, no control characters"));
    }
    Ok(text)
}

/// The venue's name for one quote request (its auction id).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct QuoteId(String);

/// The venue's name for a token that can be traded, such as `nep141:nbtc.bridge.near`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TokenId(String);

/// Base58 of the SHA-256 of a signed payload: the venue's and our own key for one signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct QuoteHash(String);

/// The account at the verifier that signs and holds the coin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AccountId(String);

/// A traded pair, written `base-quote` in lower case: `btc-eure`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PairId(String);

/// Who did it: `operator:alice`, `reactor:strategy`, `gateway:market`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Actor(String);

impl TryFrom<String> for QuoteId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        venue_text("quote id", text).map(Self)
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        venue_text("token id", text).map(Self)
    }
}

impl TryFrom<String> for QuoteHash {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        venue_text("quote hash", text).map(Self)
    }
}

impl TryFrom<String> for AccountId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        venue_text("account id", text).map(Self)
    }
}

impl TryFrom<String> for Actor {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        venue_text("actor", text).map(Self)
    }
}

impl TryFrom<String> for PairId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        let lower = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let two = text.split('-').filter(|part| !part.is_empty()).count() == 2;
        if lower && two && text.matches('-').count() == 1 {
            Ok(Self(text))
        } else {
            Err(InvalidId::new("pair", &text, "base-quote in lower case, such as btc-eure"))
        }
    }
}

impl QuoteId {
    /// The text as the venue writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TokenId {
    /// The text as the venue writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl QuoteHash {
    /// Base58 text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AccountId {
    /// The text as the venue writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PairId {
    /// `base-quote`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Actor {
    /// `kind:name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<QuoteId> for String {
    fn from(id: QuoteId) -> Self {
        id.0
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

impl From<QuoteHash> for String {
    fn from(id: QuoteHash) -> Self {
        id.0
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

impl From<PairId> for String {
    fn from(id: PairId) -> Self {
        id.0
    }
}

impl From<Actor> for String {
    fn from(id: Actor) -> Self {
        id.0
    }
}

impl fmt::Display for QuoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for QuoteHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PairId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
