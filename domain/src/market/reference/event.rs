//! Facts about sources and the price that follows from them.

use crate::money::{BasisPoints, Rate};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream `price-{pair}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A source named a price.
    PriceObserved(PriceObserved),
    /// A source's connection or health changed.
    SourceStateChanged(SourceStateChanged),
    /// The policy was applied to what the sources say.
    ReferencePriced(ReferencePriced),
}

/// A source of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Kraken's order book, best bid and ask. Primary.
    Kraken,
    /// CoinGecko's aggregate. Check and fallback.
    CoinGecko,
    /// What EURe trades at against the euro, as observed.
    Peg,
}

impl Source {
    /// The name in events, tables and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kraken => "kraken",
            Self::CoinGecko => "coin_gecko",
            Self::Peg => "peg",
        }
    }
}

/// A source named a price. Aggregates name one price: bid and ask are equal then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceObserved {
    /// Who.
    pub source: Source,
    /// Highest price somebody pays, quote currency per whole base.
    pub bid: Rate,
    /// Lowest price somebody takes.
    pub ask: Rate,
    /// The source's own time of the price, where it gives one.
    pub source_at: Option<Timestamp>,
    /// When our socket read it.
    pub received_at: Timestamp,
}

/// Whether a connection works, as far as one can tell from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Not connected.
    Down,
    /// Connected, but the price channel says nothing.
    Silent,
    /// The price channel is alive.
    Alive,
}

/// A source's connection or health changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStateChanged {
    /// Who.
    pub source: Source,
    /// The socket and its price channel.
    pub link: Link,
    /// Whether the source calls itself healthy (Kraken: only `online`).
    pub healthy: bool,
    /// The source's word, an HTTP status or a close reason.
    pub reason: String,
    /// When it was noticed.
    pub at: Timestamp,
}

/// What a source was used for in one reference price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The price is its price.
    Primary,
    /// It was compared with the primary.
    Check,
    /// The price is its price, because the primary failed.
    Fallback,
    /// It turned the euro price into EURe.
    Basis,
    /// It was not used; the reason is in `why`.
    Unused,
}

/// One source's part in a reference price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceUse {
    /// Who.
    pub source: Source,
    /// What for.
    pub role: Role,
    /// Half-way between its bid and ask.
    pub mid: Option<Rate>,
    /// How old its price was, in milliseconds.
    pub age_ms: Option<u64>,
    /// Why it was not used; empty when it was.
    pub why: String,
}

/// How a euro became an EURe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasisMode {
    /// One EURe is taken to be one euro, and that is said here.
    AssumedParity,
    /// A source was asked.
    Observed,
}

/// What one EURe is worth in euro, and how we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Assumed or observed.
    pub mode: BasisMode,
    /// Euro per EURe.
    pub rate: Rate,
    /// Age of the observation in milliseconds; absent for parity.
    pub age_ms: Option<u64>,
}

/// The price in pair terms (EURe per BTC, basis applied).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fair {
    /// Half-way between the references: what pricing starts from.
    pub rate: Rate,
    /// What base could be sold at: the less favourable reference when the desk buys base.
    pub bid: Rate,
    /// What base could be bought at: the less favourable reference when the desk sells base.
    pub ask: Rate,
    /// Distance of bid and ask in basis points of the mid.
    pub spread: BasisPoints,
    /// The moment that the price's age counts from.
    pub as_of: Timestamp,
}

/// Why there is no price to decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// No source has named a price yet.
    NoPrice,
    /// Every price is too old, or its source can't be relied on; each source's `why` says which.
    PriceStale,
    /// The sources differ beyond tolerance.
    PriceConflict,
    /// EURe is too far from the euro, or nobody can say how far.
    PegOutOfBand,
    /// Only the fallback has a price, and the policy forbids using it.
    FallbackForbidden,
}

impl Block {
    /// The stable reason code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoPrice => "no_price",
            Self::PriceStale => "price_stale",
            Self::PriceConflict => "price_conflict",
            Self::PegOutOfBand => "peg_out_of_band",
            Self::FallbackForbidden => "fallback_forbidden",
        }
    }
}

/// What may be done with a reference price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Verdict {
    /// Primary and usable.
    Primary {
        /// The price.
        fair: Fair,
    },
    /// From the fallback source: usable with a wider margin and a smaller cap.
    Fallback {
        /// The price.
        fair: Fair,
    },
    /// Nothing may be decided on it.
    Blocked {
        /// Why.
        block: Block,
    },
}

/// The policy was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferencePriced {
    /// What may be done with it.
    pub verdict: Verdict,
    /// Every configured source and its part.
    pub sources: Vec<SourceUse>,
    /// How far the sources are apart, where two could be compared.
    pub disagreement: Option<BasisPoints>,
    /// EURe against the euro; absent when it was to be observed and nobody has named it yet (the verdict is
    /// [`Block::PegOutOfBand`] or worse then).
    pub basis: Option<Basis>,
    /// Whether EURe was seen outside its band, and not inside it by a fresh observation since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub depegged: bool,
    /// When the policy was applied.
    pub priced_at: Timestamp,
}
