//! What can be made to go wrong. A [`Fault`] is armed and then bites when its moment comes, so many times or
//! for so long; an [`Action`] happens at once.

use crate::options::Balance;
use crate::options::decimal_text;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Faults that may be armed at once.
pub const ARMED_MAX: usize = 256;

/// Something that will go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The relay answers an upgrade with this HTTP status.
    RelayRefusesWith {
        /// 401, 403, 429, 503 …
        status: u16,
    },
    /// The relay accepts an upgrade and drops the connection.
    RelayDropsNew,
    /// The relay refuses the next response with this text, whatever it says.
    RelayRejects {
        /// The error text.
        text: String,
    },
    /// The relay never answers a response.
    RelaySwallowsReply {
        /// Whether the response is in the auction all the same.
        processed: bool,
    },
    /// The relay answers a response later; it is in the auction at once.
    RelayRepliesLate {
        /// Milliseconds.
        by_ms: u64,
    },
    /// The relay answers a response twice, in the same words.
    RelayRepeatsReply {
        /// Milliseconds from the first reply to the second.
        after_ms: u64,
    },
    /// The relay answers a response twice: as it was judged, and then with the opposite.
    RelayContradicts {
        /// Milliseconds from the first reply to the second.
        after_ms: u64,
    },
    /// A `quote_status` event is not sent to anyone.
    RelaySwallowsStatus,
    /// An accepted offer's transaction is sent this much later.
    SettlesLate {
        /// Milliseconds.
        by_ms: u64,
    },
    /// An accepted offer is never taken to the chain.
    NeverSettles,
    /// An accepted offer's transaction fails on chain (the taker has nothing).
    SettlementFails,
    /// A NEAR provider answers HTTP 503.
    NearDown {
        /// Which.
        provider: Provider,
    },
    /// A NEAR provider takes this long to answer.
    NearSlow {
        /// Which.
        provider: Provider,
        /// Milliseconds.
        by_ms: u64,
    },
    /// A NEAR provider answers with an error object of this name (`UNAVAILABLE_SHARD`, `NO_SYNCED_BLOCKS` …).
    NearErrors {
        /// Which.
        provider: Provider,
        /// The cause.
        cause: String,
    },
    /// A NEAR provider stays at the block that was final when the fault was armed.
    NearStale {
        /// Which.
        provider: Provider,
    },
    /// A NEAR provider reports balances that are one unit too high.
    NearDisagrees {
        /// Which.
        provider: Provider,
    },
    /// Kraken answers an upgrade with 503.
    KrakenRefuses,
    /// Kraken sends heartbeats and no tickers.
    KrakenHeartbeatsOnly,
    /// Kraken says nothing at all on open connections.
    KrakenSilent,
    /// Kraken is in maintenance: says so, and sends no tickers.
    KrakenMaintenance,
    /// Kraken's bid is above its ask.
    KrakenCrossedBook,
    /// Kraken's bid and ask are zero.
    KrakenZeroBook,
    /// Kraken sends a frame that is no JSON in place of a ticker.
    KrakenGarbage,
    /// Kraken's REST ticker answers HTTP 503.
    KrakenRestDown,
    /// CoinGecko answers 429.
    CoingeckoRateLimits {
        /// `Retry-After`, in seconds.
        retry_after_seconds: u32,
    },
    /// CoinGecko answers 500.
    CoingeckoErrors,
    /// CoinGecko takes this long to answer.
    CoingeckoSlow {
        /// Milliseconds.
        by_ms: u64,
    },
    /// CoinGecko's price was last updated this long ago.
    CoingeckoStale {
        /// Seconds.
        age_seconds: u32,
    },
    /// CoinGecko's answer has no entry for bitcoin.
    CoingeckoMissing,
    /// CoinGecko's price is null.
    CoingeckoNull,
    /// CoinGecko's bitcoin price is off by this much.
    CoingeckoDeviates {
        /// Basis points; negative is below.
        bps: i32,
    },
    /// EURe is not worth one euro.
    EurePegOff {
        /// Basis points from one euro; negative is below.
        bps: i32,
    },
}

/// Which of the two NEAR providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// `/near`.
    First,
    /// `/near2`.
    Second,
}

/// How long a fault stays armed. A count is used up by one each time that the fault bites; a condition that is
/// only looked at (Kraken silent, in maintenance, heartbeats only) is not used up, and needs one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// So many times.
    Count(u32),
    /// So many milliseconds.
    ForMs(u64),
    /// Until it is cleared.
    UntilCleared,
}

/// Something that happens now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// All relay connections end without a closing frame (code 1006 at the other end).
    RelayDisconnect,
    /// All relay connections are closed with a closing frame.
    RelayClose {
        /// WebSocket close code.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The relay connections that are open go silent both ways without closing, and are dropped after a while.
    RelaySilence {
        /// Milliseconds until they are dropped.
        for_ms: u64,
    },
    /// A frame of this kind is sent on all relay connections.
    RelayGarbage {
        /// What kind.
        garbage: Garbage,
    },
    /// This text is sent as a frame on all relay connections.
    RelaySend {
        /// The text.
        text: String,
    },
    /// The last quote is sent again.
    RepeatQuote {
        /// With another amount under the same id.
        altered: bool,
    },
    /// A new salt is the current one.
    RotateSalt {
        /// Whether the old one stops being accepted at once.
        invalidate_old: bool,
    },
    /// A key is taken from an account.
    RemoveKey {
        /// The account.
        account: String,
        /// `ed25519:` text.
        public_key: String,
    },
    /// A key is added to an account, which is made when it is not there.
    AddKey {
        /// The account.
        account: String,
        /// `ed25519:` text.
        public_key: String,
    },
    /// An account is locked or unlocked.
    LockAccount {
        /// The account.
        account: String,
        /// Which.
        locked: bool,
    },
    /// The contract is paused or goes on.
    PauseContract {
        /// Which.
        paused: bool,
    },
    /// Balances are set to exact amounts (funds an account, or makes its balance drop).
    SetBalances {
        /// The account.
        account: String,
        /// The new balances of these tokens; others stay.
        balances: Vec<Balance>,
    },
    /// A deposit is on its way: shown in the state, not credited.
    AnnounceDeposit {
        /// The account.
        account: String,
        /// The token.
        token: String,
        /// Base units.
        #[serde(with = "decimal_text")]
        amount: u128,
    },
    /// The oldest announced deposit of the account is credited.
    CreditDeposit {
        /// The account.
        account: String,
    },
    /// The fee becomes this many millionths.
    SetFee {
        /// Millionths.
        pips: u32,
    },
    /// The simulated world's clock is set apart from the machine's.
    SkewClock {
        /// Milliseconds ahead; negative is behind.
        by_ms: i64,
    },
    /// The price stands still at this many 1e-8 EUR, or walks again.
    FixPrice {
        /// The price.
        price_e8: Option<u64>,
    },
    /// Nonces whose own deadline has passed, or whose salt is invalid, are forgotten.
    CollectNonces,
    /// All Kraken connections end without a closing frame.
    KrakenDisconnect,
}

/// Kinds of frames that no relay should send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Garbage {
    /// Text that is no JSON.
    InvalidJson,
    /// A binary frame.
    Binary,
    /// A text frame of 4 MiB.
    Huge,
    /// A notification with a method that does not exist.
    UnknownMethod,
    /// A quote whose fields have the wrong types.
    WrongTypes,
    /// JSON nested 100,000 deep.
    Deep,
}

/// A fault in waiting, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// To clear it by.
    pub id: u64,
    /// What will go wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// How often it will still bite; absent when that is not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u32>,
    /// How long it stays armed, in milliseconds; absent when that has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    fault: Fault,
    left: Option<u32>,
    until: Option<Instant>,
    height: u64,
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub struct Faults {
    entries: Vec<Entry>,
    next_id: u64,
}

impl Faults {
    /// Arms a fault and returns its id; `None` when too many are armed. `height` is the block that is final now.
    pub fn arm(&mut self, fault: Fault, scope: Scope, height: u64) -> Option<u64> {
        self.forget_spent();
        if self.entries.len() >= ARMED_MAX {
            return None;
        }
        self.next_id += 1;
        let (left, until) = match scope {
            Scope::Count(count) => (Some(count), None),
            Scope::ForMs(ms) => (None, Instant::now().checked_add(Duration::from_millis(ms))),
            Scope::UntilCleared => (None, None),
        };
        self.entries.push(Entry { id: self.next_id, fault, left, until, height });
        Some(self.next_id)
    }

    /// Lets exactly this fault bite.
    pub fn bites(&mut self, wanted: &Fault) -> bool {
        self.bite(|fault| (fault == wanted).then_some(())).is_some()
    }

    /// Lets a fault bite: the first that `pick` recognises is used up by one and answered for.
    pub fn bite<T>(&mut self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.bite_at(|fault, _| pick(fault))
    }

    /// As [`Faults::bite`], with the block that was final when the fault was armed.
    pub fn bite_at<T>(&mut self, pick: impl Fn(&Fault, u64) -> Option<T>) -> Option<T> {
        if self.entries.is_empty() {
            return None;
        }
        self.forget_spent();
        let found =
            self.entries.iter_mut().find_map(|entry| Some((pick(&entry.fault, entry.height)?, entry)));
        let (answer, entry) = found?;
        entry.left = entry.left.map(|left| left.saturating_sub(1));
        Some(answer)
    }

    /// Whether a fault is armed, without using it up.
    pub fn is_armed(&mut self, fault: &Fault) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        self.forget_spent();
        self.entries.iter().any(|entry| entry.fault == *fault)
    }

    /// Clears one fault, or all; returns how many there were.
    pub fn clear(&mut self, id: Option<u64>) -> usize {
        self.forget_spent();
        let before = self.entries.len();
        self.entries.retain(|entry| id.is_some_and(|id| id != entry.id));
        before - self.entries.len()
    }

    /// What is armed.
    pub fn armed(&mut self) -> Vec<Armed> {
        self.forget_spent();
        let now = Instant::now();
        let armed = self.entries.iter().map(|entry| Armed {
            id: entry.id,
            fault: entry.fault.clone(),
            left: entry.left,
            left_ms: entry.until.map(|until| {
                u64::try_from(until.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX)
            }),
        });
        armed.collect()
    }

    fn forget_spent(&mut self) {
        let now = Instant::now();
        self.entries.retain(|entry| entry.left != Some(0) && entry.until.is_none_or(|until| now < until));
    }
}

#[cfg(test)]
mod tests;
