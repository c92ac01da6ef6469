//! The write lists: which facts a process of the desk may append to another's log, by its roles. Pure.
//!
//! A role's list is what that role records and nothing else: the executor can't arm itself, the strategy can't touch
//! the account, and nobody but a door speaks for a person. [`WriteLists`] are the lists of one desk: no process writes to a
//! stream of an account or a pair that is not the desk's, whatever its roles. Reading is not limited here.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use stele_domain::port::event_log::StreamId;

/// A role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// Reads prices.
    Market,
    /// Reads the relay.
    Ingest,
    /// Reads balances.
    Inventory,
    /// Decides.
    Strategy,
    /// Signs and sends.
    Executor,
    /// Raises and clears alerts.
    Alerts,
    /// Keeps the tables.
    Projections,
    /// Answers persons.
    Api,
}

/// Facts of these types in this place.
struct Grant {
    /// A category, or one stream when a `-` is in it.
    place: &'static str,
    types: &'static [&'static str],
}

const fn grant(place: &'static str, types: &'static [&'static str]) -> Grant {
    Grant { place, types }
}

/// What a service says of itself.
const OWN_SERVICE: &[&str] = &["operations.ServiceStarted", "operations.ServiceDrained"];

const MARKET: &[Grant] = &[
    grant("price", &["market.PriceObserved", "market.SourceStateChanged", "market.ReferencePriced"]),
    grant("service-market", OWN_SERVICE),
];

const INGEST: &[Grant] = &[
    grant(
        "quote",
        &[
            "intents.QuoteReceived",
            "intents.DemandNormalised",
            "intents.RequestRejected",
            "intents.DuplicateReceived",
        ],
    ),
    grant(
        "relay",
        &[
            "intents.RelayConnected",
            "intents.RelayDisconnected",
            "intents.FrameRejected",
            "intents.SettlementReported",
            "intents.ReplyReported",
        ],
    ),
    grant("service-ingest", OWN_SERVICE),
];

const INVENTORY: &[Grant] = &[
    grant(
        "inventory",
        &["treasury.BalancesObserved", "treasury.DriftDetected", "treasury.InventoryUnavailable"],
    ),
    grant("service-inventory", OWN_SERVICE),
];

const STRATEGY: &[Grant] = &[
    grant("strategy", &["trading.Decided", "trading.ExecutionCommanded"]),
    grant("service-strategy", OWN_SERVICE),
    // Where the tables are strict it pauses itself while it can't see them kept.
    grant("service-strategy", &["operations.ServicePaused", "operations.ServiceResumed"]),
];

const EXECUTOR: &[Grant] = &[
    grant(
        "account",
        &[
            "trading.LeaseTaken",
            "trading.LeaseRenewed",
            "trading.Disarmed",
            "trading.KillConfirmed",
            "trading.ExecutionRefused",
            "trading.ExecutionExpired",
            "trading.SubmissionStarted",
            "trading.SubmissionAbandoned",
            "trading.SubmissionAccepted",
            "trading.SubmissionRejected",
            "trading.SubmissionUncertain",
            "trading.ReplyContradicted",
            "trading.SubmissionSettled",
            "trading.SubmissionSettleFailed",
            "trading.SubmissionExpiredUnfilled",
            "trading.ReservationReleased",
        ],
    ),
    // Replies come in on the connection that the offers left by.
    grant("relay", &["intents.ReplyReported"]),
    grant("service-executor", OWN_SERVICE),
];

const ALERTS: &[Grant] = &[grant("alert", &["operations.AlertRaised", "operations.AlertCleared"])];

const PROJECTIONS: &[Grant] = &[
    grant("parking", &["operations.EventParked"]),
    grant("service-projections", OWN_SERVICE),
    // Whoever keeps the tables knows which of their partitions are in the lake.
    grant("tiering", &["operations.PartitionTiered", "operations.PartitionRestored"]),
    // Where the tables are strict, the strategy pauses while they are away.
    grant("service-strategy", &["operations.ServicePaused", "operations.ServiceResumed"]),
];

const API: &[Grant] = &[
    grant(
        "account",
        &[
            "trading.LimitsSet",
            "trading.ArmRequested",
            "trading.ArmApproved",
            "trading.Armed",
            "trading.Disarmed",
            "trading.Killed",
            "trading.StandDownAsked",
        ],
    ),
    grant("filter", &["intents.FilterSet", "intents.FilterReset"]),
    grant(
        "service",
        &[
            "operations.ServicePaused",
            "operations.ServiceResumed",
            "operations.ServiceDraining",
            "operations.RefreshAsked",
        ],
    ),
    grant(
        "audit",
        &[
            "operations.CommandRefused",
            "access.Attempted",
            "access.StrangersRefused",
            "access.AttemptsUnkept",
        ],
    ),
    grant("access", &["access.KeyCreated", "access.KeyRevoked"]),
    // A person has looked at what waited for one.
    grant("alert", &["operations.AlertCleared"]),
    grant("parking", &["operations.ParkedRetried", "operations.ParkedSkipped"]),
];

impl Process {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Market,
        Self::Ingest,
        Self::Inventory,
        Self::Strategy,
        Self::Executor,
        Self::Alerts,
        Self::Projections,
        Self::Api,
    ];

    /// The word for it in configurations and keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Ingest => "ingest",
            Self::Inventory => "inventory",
            Self::Strategy => "strategy",
            Self::Executor => "executor",
            Self::Alerts => "alerts",
            Self::Projections => "projections",
            Self::Api => "api",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|process| process.name() == name)
    }

    /// Whether the role records such facts there, if the desk has such a stream: [`WriteLists`] say which it has.
    #[must_use]
    pub fn may_append(self, stream: &StreamId, event_type: &str) -> bool {
        self.grants().iter().any(|grant| grant.covers(stream, event_type))
    }

    const fn grants(self) -> &'static [Grant] {
        match self {
            Self::Market => MARKET,
            Self::Ingest => INGEST,
            Self::Inventory => INVENTORY,
            Self::Strategy => STRATEGY,
            Self::Executor => EXECUTOR,
            Self::Alerts => ALERTS,
            Self::Projections => PROJECTIONS,
            Self::Api => API,
        }
    }
}

/// The lists of one desk: those of the roles, for the streams that the desk has. Any other stream is on nobody's list.
#[derive(Debug, Clone)]
pub struct WriteLists {
    streams: Arc<BTreeSet<StreamId>>,
}

impl WriteLists {
    /// For a desk with these streams, whose names follow from its configuration.
    #[must_use]
    pub fn of(streams: BTreeSet<StreamId>) -> Self {
        Self { streams: Arc::new(streams) }
    }

    /// Whether a process with this role records such facts there.
    #[must_use]
    pub fn may_append(&self, process: Process, stream: &StreamId, event_type: &str) -> bool {
        self.streams.contains(stream) && process.may_append(stream, event_type)
    }
}

impl Grant {
    fn covers(&self, stream: &StreamId, event_type: &str) -> bool {
        let there = if self.place.contains('-') {
            stream.as_str() == self.place
        } else {
            stream.category() == self.place
        };
        there && self.types.contains(&event_type)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
