//! What the intake remembers: the newest auctions, and a digest of what each asked for.

use super::event::RequestRejected;
use crate::ids::QuoteId;
use crate::intents::demand::Demand;
use crate::pair::Direction;
use crate::port::venue::ExactSide;
use std::collections::{BTreeMap, VecDeque};

/// How many auctions are remembered, the newest: at 100 a second, more than three minutes, and an auction
/// lasts seconds. About 4 MB.
pub const RECENT_QUOTES_MAX: usize = 20_000;

/// The newest auctions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    recent: BTreeMap<QuoteId, Content>,
    /// The same ids, oldest first.
    order: VecDeque<QuoteId>,
}

impl State {
    /// Whether the auction is remembered.
    #[must_use]
    pub fn knows(&self, quote: &QuoteId) -> bool {
        self.recent.contains_key(quote)
    }

    /// What the auction asked for when it was first seen.
    pub(super) fn content(&self, quote: &QuoteId) -> Option<Content> {
        self.recent.get(quote).copied()
    }

    pub(super) fn remember(&mut self, quote: &QuoteId, content: Content) {
        if self.knows(quote) {
            return;
        }
        self.recent.insert(quote.clone(), content);
        self.order.push_back(quote.clone());
        if self.order.len() > RECENT_QUOTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }
}

/// What a request asks for, in 128 bits (FNV-1a): enough to tell a repetition from a contradiction. When and
/// under which trace it came is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content(u128);

impl Content {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    pub(super) fn of_demand(demand: &Demand) -> Self {
        let exact = match demand.exact {
            ExactSide::In => "in",
            ExactSide::Out => "out",
        };
        let direction: Direction = demand.direction;
        Self(Self::OFFSET)
            .with("demand")
            .with(direction.name())
            .with(demand.token_in.as_str())
            .with(demand.token_out.as_str())
            .with(exact)
            .with(&demand.amount.to_string())
            .with(&demand.min_deadline_ms.to_string())
            .with(&demand.window_ms.to_string())
            .with(if demand.router_leg { "leg" } else { "whole" })
            .with(if demand.probe { "probe" } else { "earnest" })
            .with_option(demand.partner_id.as_deref())
            .with_option(demand.quote_type.as_deref())
    }

    pub(super) fn of_rejected(rejected: &RequestRejected) -> Self {
        Self(Self::OFFSET).with("rejected").with(rejected.fault.code()).with(&rejected.detail)
    }

    /// Adds a part; its length comes first, so that no two lists of parts read the same.
    fn with(self, part: &str) -> Self {
        self.bytes(&part.len().to_le_bytes()).bytes(part.as_bytes())
    }

    fn with_option(self, part: Option<&str>) -> Self {
        match part {
            Some(part) => self.bytes(&[1]).with(part),
            None => self.bytes(&[0]),
        }
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(Self::PRIME)))
    }
}
