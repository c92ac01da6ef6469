//! What can be listened to: sets of event types under one word each.

use stele_domain::port::event_log::Filter;

/// One topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Topic {
    /// Its word.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) doc: &'static str,
    /// The types of its events.
    pub(crate) types: &'static [&'static str],
}

/// Every topic. An event is of one topic, or of none: raw records are for those who may read the log.
pub(crate) const TOPICS: [Topic; 9] = [
    Topic {
        name: "quotes",
        doc: "what partners ask, and what became of the asking",
        types: &[
            "intents.QuoteReceived",
            "intents.DemandNormalised",
            "intents.RequestRejected",
            "intents.DuplicateReceived",
        ],
    },
    Topic { name: "decisions", doc: "every decision, with every gate's answer", types: &["trading.Decided"] },
    Topic { name: "commands", doc: "commands to the executor", types: &["trading.ExecutionCommanded"] },
    Topic {
        name: "results",
        doc: "every step of an offer, from the start of its submission to its end",
        types: &[
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
            "intents.SettlementReported",
            "intents.ReplyReported",
        ],
    },
    Topic {
        name: "prices",
        doc: "prices, their sources, and the reference that follows from them",
        types: &["market.PriceObserved", "market.SourceStateChanged", "market.ReferencePriced"],
    },
    Topic {
        name: "inventory",
        doc: "balances, and what is wrong with them",
        types: &["treasury.BalancesObserved", "treasury.DriftDetected", "treasury.InventoryUnavailable"],
    },
    Topic {
        name: "arming",
        doc: "arming, disarming, kills, limits and the lease",
        types: &[
            "trading.LeaseTaken",
            "trading.LeaseRenewed",
            "trading.LimitsSet",
            "trading.ArmRequested",
            "trading.ArmApproved",
            "trading.Armed",
            "trading.Disarmed",
            "trading.Killed",
            "trading.KillConfirmed",
            "trading.StandDownAsked",
        ],
    },
    Topic {
        name: "services",
        doc: "services, connections and the pair filter",
        types: &[
            "operations.ServiceStarted",
            "operations.ServicePaused",
            "operations.ServiceResumed",
            "operations.ServiceDraining",
            "operations.ServiceDrained",
            "operations.RefreshAsked",
            "operations.EventParked",
            "operations.ParkedRetried",
            "operations.ParkedSkipped",
            "operations.PartitionTiered",
            "operations.PartitionRestored",
            "intents.RelayConnected",
            "intents.RelayDisconnected",
            "intents.FrameRejected",
            "intents.FilterSet",
            "intents.FilterReset",
        ],
    },
    Topic {
        name: "alerts",
        doc: "what needs a person",
        types: &["operations.AlertRaised", "operations.AlertCleared"],
    },
];

/// A set of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Topics(u16);

impl Topics {
    /// All of them.
    pub(crate) const ALL: Self = Self((1 << TOPICS.len()) - 1);

    /// The topics of these names, and the first that is none.
    pub(crate) fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, &'n str> {
        let mut set = 0;
        for name in names {
            let at = TOPICS.iter().position(|topic| topic.name == name).ok_or(name)?;
            set |= 1 << at;
        }
        Ok(Self(set))
    }

    /// The topic of an event type.
    pub(crate) fn of(event_type: &str) -> Option<(&'static Topic, Self)> {
        let at = TOPICS.iter().position(|topic| topic.types.contains(&event_type))?;
        TOPICS.get(at).map(|topic| (topic, Self(1 << at)))
    }

    /// Both.
    pub(crate) fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether they have a topic in common.
    pub(crate) fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Their events in the log.
    pub(crate) fn filter(self) -> Filter {
        let wanted = TOPICS.iter().enumerate().filter(|(at, _)| self.0 & (1 << at) != 0);
        let types = wanted.flat_map(|(_, topic)| topic.types).map(|name| (*name).to_owned());
        Filter { categories: vec![], event_types: types.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::{TOPICS, Topics};
    use std::collections::BTreeSet;
    use stele_domain::codec::EVENT_TYPES;

    /// Who asked for what is for those who may read the log.
    const UNTOLD: &[&str] = &["operations.CommandRefused"];

    #[test]
    fn every_event_type_is_of_one_topic_or_kept_from_listeners_on_purpose() {
        let told: Vec<&str> = TOPICS.iter().flat_map(|topic| topic.types).copied().collect();
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "a type has two topics");
        for event_type in EVENT_TYPES {
            let untold = UNTOLD.contains(event_type) || event_type.starts_with("access.");
            assert_ne!(told.contains(event_type), untold, "{event_type}");
        }
    }

    #[test]
    fn names_make_a_set_and_a_wrong_one_is_given_back() {
        let all = Topics::named(TOPICS.iter().map(|topic| topic.name)).unwrap();
        assert_eq!(all, Topics::ALL);
        assert_eq!(Topics::named(["decisions", "weather"]), Err("weather"));
        let two = Topics::named(["decisions", "alerts"]).unwrap();
        assert!(two.meets(Topics::of("trading.Decided").unwrap().1));
        assert!(!two.meets(Topics::of("trading.Armed").unwrap().1));
        assert_eq!(two.filter().event_types.len(), 3);
        assert!(Topics::of("access.KeyCreated").is_none());
    }
}
