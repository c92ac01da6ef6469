//! The solver relay: who is connected, which auctions are open, and what became of them.

pub(crate) mod auction;
pub(crate) mod broadcast;
pub(crate) mod cast;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod rpc;
pub(crate) mod settlement;
pub(crate) mod socket;
pub(crate) mod wire;

use crate::clock::Nanos;
use crate::random::Random;
use crate::tokens::Exact;
use crate::verifier::payload::SignedPayload;
use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use request::{Demand, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use wire::Filters;

/// Offers that front ends can still take up by their hash.
pub(crate) const OFFERS_KEPT_MAX: usize = 20_000;

/// Intents whose status is remembered.
pub(crate) const STATUSES_KEPT_MAX: usize = 100_000;

/// Subscriptions of one connection.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 32;

/// Instances with guaranteed delivery, and events that wait for each.
pub(crate) const QUEUES_MAX: usize = 16;
/// Events that wait for one instance; beyond it the oldest is lost.
pub(crate) const QUEUE_EVENTS_MAX: usize = 10_000;

/// What a connection's writer is asked to send.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// What a connection is asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// Neither reads nor writes until then, and is dropped.
    Silent(Instant),
    /// Ends without a closing frame.
    Dropped,
    Closed {
        code: u16,
        reason: String,
    },
}

/// The streams one can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Quote,
    Status,
    StatusExtended,
    Shield,
}

#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) stream: Stream,
    pub(crate) filters: Filters,
    pub(crate) guaranteed: bool,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) frames: mpsc::Sender<Frame>,
    pub(crate) mode: watch::Sender<Mode>,
    pub(crate) instance: Option<String>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
}

/// A signed offer in an auction.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) solver: String,
    pub(crate) amount: u128,
    pub(crate) quote_hash: String,
    pub(crate) deadline: Nanos,
    pub(crate) signed: SignedPayload,
}

/// Who settles what an auction finds.
#[derive(Debug)]
pub(crate) enum Taker {
    /// One of the cast, by plan.
    Cast { outcome: Outcome, settlement_ms: u64 },
    /// A front end, which is told of the offers and may publish one.
    FrontEnd(oneshot::Sender<Vec<Offer>>),
}

#[derive(Debug)]
pub(crate) struct Auction {
    pub(crate) demand: Option<Demand>,
    pub(crate) fair: Option<u128>,
    pub(crate) taker: Taker,
    pub(crate) opened: Nanos,
    pub(crate) offers: Vec<Offer>,
    pub(crate) offered: Arc<Notify>,
}

/// How far an intent has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IntentStatus {
    Broadcast(String),
    Settled(String),
    Failed(String),
}

/// Status events that wait for one instance until it acknowledges them.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) seq: u64,
    pub(crate) events: VecDeque<(u64, Map<String, Value>)>,
}

/// What became of auctions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Quotes that were published.
    pub quotes: u64,
    /// Quotes that were not, because too many auctions were open.
    pub quotes_not_published: u64,
    /// Auctions that closed without an offer of a desk.
    pub closed_without_offer: u64,
    /// Auctions in which a desk's offer was taken.
    pub won_by_desk: u64,
    /// Auctions in which a rival's offer was taken.
    pub won_by_rival: u64,
    /// Of those: a desk had offered.
    pub lost_to_rival: u64,
    /// Auctions in which a desk had offered and nobody took any offer.
    pub not_taken: u64,
    /// Offers that were taken and never brought to the chain.
    pub never_settled: u64,
    /// Transactions of desks' offers that succeeded.
    pub settled: u64,
    /// Transactions of desks' offers that failed.
    pub settle_failed: u64,
    /// Status events that were swallowed.
    pub statuses_swallowed: u64,
    /// Replies that were swallowed.
    pub replies_swallowed: u64,
    /// Replies that were sent late.
    #[serde(default)]
    pub replies_late: u64,
    /// Responses that were answered twice.
    #[serde(default)]
    pub replies_doubled: u64,
    /// Connections that were dropped because their reader was too slow.
    pub slow_readers: u64,
}

/// A quote as it was published.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) data: Map<String, Value>,
    pub(crate) metadata: Option<Value>,
}

/// The relay.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) auctions: BTreeMap<String, Auction>,
    pub(crate) offers: BTreeMap<String, Offer>,
    offers_order: VecDeque<String>,
    pub(crate) statuses: BTreeMap<String, IntentStatus>,
    statuses_order: VecDeque<String>,
    pub(crate) queues: BTreeMap<String, Queue>,
    pub(crate) tally: Tally,
    pub(crate) last_quote: Option<Published>,
    pub(crate) ids: Random,
    pub(crate) delays: Random,
    pub(crate) salts: Random,
}

impl Relay {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            connections: BTreeMap::new(),
            auctions: BTreeMap::new(),
            offers: BTreeMap::new(),
            offers_order: VecDeque::new(),
            statuses: BTreeMap::new(),
            statuses_order: VecDeque::new(),
            queues: BTreeMap::new(),
            tally: Tally::default(),
            last_quote: None,
            ids: Random::new(seed, "relay"),
            delays: Random::new(seed, "settlement"),
            salts: Random::new(seed, "salts"),
        }
    }

    /// Keeps an offer so that a front end can take it up; the oldest goes when there are too many.
    pub(crate) fn keep_offer(&mut self, offer: Offer) {
        let hash = offer.quote_hash.clone();
        if self.offers.insert(hash.clone(), offer).is_none() {
            self.offers_order.push_back(hash);
        }
        if self.offers_order.len() > OFFERS_KEPT_MAX
            && let Some(oldest) = self.offers_order.pop_front()
        {
            self.offers.remove(&oldest);
        }
    }

    /// Remembers how far an intent has come; the oldest is forgotten when there are too many.
    pub(crate) fn set_status(&mut self, intent_hash: &str, status: IntentStatus) {
        if self.statuses.insert(intent_hash.to_owned(), status).is_none() {
            self.statuses_order.push_back(intent_hash.to_owned());
        }
        if self.statuses_order.len() > STATUSES_KEPT_MAX
            && let Some(oldest) = self.statuses_order.pop_front()
        {
            self.statuses.remove(&oldest);
        }
    }
}

/// The best of some offers for a taker; the earlier one among equals.
pub(crate) fn best(exact: Exact, offers: &[Offer]) -> Option<&Offer> {
    let mut best: Option<&Offer> = None;
    for offer in offers {
        if best.is_none_or(|best| crate::tokens::better(exact, offer.amount, best.amount)) {
            best = Some(offer);
        }
    }
    best
}
