//! Which stream holds what. The names are part of the storage format.

use std::collections::BTreeSet;
use stele_domain::ids::{AccountId, PairId};
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::service::event::Service;
use stele_domain::operations::{parking, tiering};
use stele_domain::port::event_log::{InvalidStream, StreamId};

/// Category of requests and demands.
pub const QUOTE: &str = "quote";
/// Category of reference prices.
pub const PRICE: &str = "price";
/// Category of balances.
pub const INVENTORY: &str = "inventory";
/// Category of signing accounts.
pub const ACCOUNT: &str = "account";
/// Category of decisions.
pub const STRATEGY: &str = "strategy";
/// Category of relay connections.
pub const RELAY: &str = "relay";
/// Category of services.
pub const SERVICE: &str = "service";
/// Category of pair filters.
pub const FILTER: &str = "filter";
/// Category of what was tried and came to nothing.
pub const AUDIT: &str = "audit";
/// Category of alerts.
pub const ALERT: &str = "alert";
/// Category of events that are not in some tables.
pub const PARKING: &str = "parking";
/// Category of keys.
pub const ACCESS: &str = "access";
/// Category of where partitions of histories are.
pub const TIERING: &str = "tiering";

/// Category of states that are written down beside their streams.
pub const SNAPSHOT: &str = "snapshot";

/// Every category of the desk.
pub const CATEGORIES: [&str; 14] = [
    QUOTE, PRICE, INVENTORY, ACCOUNT, STRATEGY, RELAY, SERVICE, FILTER, AUDIT, ACCESS, ALERT, PARKING,
    TIERING, SNAPSHOT,
];

/// The venue's name in stream names.
const VENUE: &str = "near-intents";

/// Requests and demands of a pair.
pub fn quote(pair: &PairId) -> Result<StreamId, InvalidStream> {
    named(QUOTE, pair.as_str())
}

/// Reference prices of a pair.
pub fn price(pair: &PairId) -> Result<StreamId, InvalidStream> {
    named(PRICE, pair.as_str())
}

/// Balances of an account.
pub fn inventory(account: &AccountId) -> Result<StreamId, InvalidStream> {
    named(INVENTORY, account.as_str())
}

/// The signing account itself.
pub fn account(account: &AccountId) -> Result<StreamId, InvalidStream> {
    named(ACCOUNT, account.as_str())
}

/// Decisions on a pair.
pub fn strategy(pair: &PairId) -> Result<StreamId, InvalidStream> {
    named(STRATEGY, pair.as_str())
}

/// The connection to the relay.
pub fn relay() -> Result<StreamId, InvalidStream> {
    named(RELAY, VENUE)
}

/// The pair filter.
pub fn filter() -> Result<StreamId, InvalidStream> {
    named(FILTER, VENUE)
}

/// One service.
pub fn service(service: Service) -> Result<StreamId, InvalidStream> {
    named(SERVICE, service.name())
}

/// One alert.
pub fn alert(kind: Kind) -> Result<StreamId, InvalidStream> {
    named(ALERT, kind.name())
}

/// Persons' commands that were refused.
pub fn refused_commands() -> Result<StreamId, InvalidStream> {
    named(AUDIT, "commands")
}

/// What was tried and left no other fact.
pub fn attempts() -> Result<StreamId, InvalidStream> {
    named(AUDIT, "attempts")
}

/// Events that projections could not take in.
pub fn parking() -> Result<StreamId, InvalidStream> {
    StreamId::new(parking::STREAM)
}

/// The keys.
pub fn keys() -> Result<StreamId, InvalidStream> {
    named(ACCESS, "keys")
}

/// Where partitions of histories are.
pub fn tiering() -> Result<StreamId, InvalidStream> {
    StreamId::new(tiering::STREAM)
}

/// Every stream that a desk with this account and these pairs writes facts to, whatever process of it does: the names follow
/// from the configuration. States that are written down beside streams are not among them: the log's owner alone does that.
///
/// # Errors
///
/// [`InvalidStream`] when an account or a pair can't stand in a name.
pub fn all<'p>(
    account_id: &AccountId,
    pairs: impl IntoIterator<Item = &'p PairId>,
) -> Result<BTreeSet<StreamId>, InvalidStream> {
    let mut all = BTreeSet::from([
        account(account_id)?,
        inventory(account_id)?,
        relay()?,
        filter()?,
        refused_commands()?,
        attempts()?,
        keys()?,
        parking()?,
        tiering()?,
    ]);
    for pair in pairs {
        all.extend([quote(pair)?, price(pair)?, strategy(pair)?]);
    }
    for one in Service::ALL {
        all.insert(service(one)?);
    }
    for kind in Kind::ALL {
        all.insert(alert(kind)?);
    }
    Ok(all)
}

/// What was written down of a stream.
pub fn snapshot(of: &StreamId) -> Result<StreamId, InvalidStream> {
    named(SNAPSHOT, of.as_str())
}

fn named(category: &str, id: &str) -> Result<StreamId, InvalidStream> {
    // Who keeps others out of the desk's categories relies on the list.
    assert!(CATEGORIES.contains(&category), "{category} is not among the desk's categories");
    StreamId::new(&format!("{category}-{id}"))
}

#[cfg(test)]
mod tests {
    use super::{CATEGORIES, SNAPSHOT, all};
    use std::collections::BTreeSet;
    use stele_domain::ids::{AccountId, PairId};
    use stele_domain::port::event_log::StreamId;

    #[test]
    fn a_desk_has_streams_of_every_category_but_snapshots_and_none_of_another_account_or_pair() {
        let account = AccountId::try_from("desk.near".to_owned()).unwrap();
        let pair = PairId::try_from("btc-eure".to_owned()).unwrap();
        let streams = all(&account, [&pair]).unwrap();
        let categories: BTreeSet<&str> = streams.iter().map(StreamId::category).collect();
        let expected: BTreeSet<&str> = CATEGORIES.into_iter().filter(|name| *name != SNAPSHOT).collect();
        assert_eq!(categories, expected);
        // Projections stop at what a newer build wrote there.
        assert_eq!(stele_domain::codec::CATEGORIES.iter().copied().collect::<BTreeSet<_>>(), expected);
        let of = |category: &str| -> Vec<&str> {
            streams.iter().filter(|s| s.category() == category).map(StreamId::as_str).collect()
        };
        assert_eq!((of("account"), of("price")), (vec!["account-desk.near"], vec!["price-btc-eure"]));
    }
}
