//! The desk at a glance, in one call: counts, the last decision, why quotes were skipped, and what is open.

use crate::models::account::{AccountRow, ReservationRow};
use crate::models::alerts::AlertRow;
use crate::models::decisions::{DecisionRow, SkipCountRow};
use crate::models::event_counts::EventCountRow;
use crate::models::filter::FilterRow;
use crate::models::inventory::BalanceRow;
use crate::models::parked_events::ParkedRow;
use crate::models::prices::{PriceSourceRow, ReferencePriceRow};
use crate::models::relay::RelayRow;
use crate::models::result_counts::ResultCountRow;
use crate::models::services::ServiceRow;
use crate::projection::TableRow;
use crate::read::{ReadError, Reader};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{ReadStore, ScanQuery};

/// The desk at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Everything up to here is counted.
    pub as_of: Position,
    /// Tables that no longer have their oldest rows; counts are not touched by that.
    pub cut_tables: Vec<String>,
    /// How often each type of event has happened.
    pub events: BTreeMap<String, u64>,
    /// Requests that came in, repeats not counted.
    pub quotes: u64,
    /// Decisions.
    pub decisions: u64,
    /// Why quotes were skipped, and how often.
    pub skipped: BTreeMap<String, u64>,
    /// Commands to the executor.
    pub commands: u64,
    /// Offers that were fixed.
    pub submissions: u64,
    /// Commands by the state of their results now.
    pub results: BTreeMap<String, u64>,
    /// The last decision.
    pub last_decision: Option<DecisionRow>,
    /// The last reference price of any pair.
    pub last_price: Option<ReferencePriceRow>,
    /// Every account.
    pub accounts: Vec<AccountRow>,
    /// Every balance.
    pub balances: Vec<BalanceRow>,
    /// Offers whose coin is reserved.
    pub reservations: Vec<ReservationRow>,
    /// Every price source.
    pub price_sources: Vec<PriceSourceRow>,
    /// Every relay.
    pub relays: Vec<RelayRow>,
    /// Pair filters that an operator has touched.
    pub filters: Vec<FilterRow>,
    /// Every service.
    pub services: Vec<ServiceRow>,
    /// Alerts that are raised now.
    pub alerts: Vec<AlertRow>,
    /// The newest parked events, at most 20.
    pub parked: Vec<ParkedRow>,
}

/// Most parked events that are shown.
const PARKED_SHOWN_MAX: usize = 20;

/// Looks at everything: how many rows that takes depends on what there is now, and not on how much ever happened.
///
/// # Errors
///
/// [`ReadError`].
pub async fn summary(store: &dyn ReadStore) -> Result<Summary, ReadError> {
    let mut reader = Reader::new(store);
    let mut events = BTreeMap::new();
    let count = |row: EventCountRow| {
        events.insert(row.event_type, row.count);
    };
    reader.all(count).await?;
    let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
    let skip = |row: SkipCountRow| *skipped.entry(row.reason.code().to_owned()).or_default() += row.count;
    reader.all(skip).await?;
    let mut results: BTreeMap<String, u64> = BTreeMap::new();
    let ended = |row: ResultCountRow| {
        if row.count > 0 {
            results.insert(row.state.code().to_owned(), row.count);
        }
    };
    reader.all(ended).await?;

    let newest = ScanQuery::newest(1);
    let last_decision = reader.scan(&newest).await?.pop();
    let last_price = reader.scan(&newest).await?.pop();
    let parked = reader.scan(&ScanQuery::newest(PARKED_SHOWN_MAX)).await?;
    let accounts = every(&mut reader).await?;
    let balances = every(&mut reader).await?;
    let reservations = every(&mut reader).await?;
    let price_sources = every(&mut reader).await?;
    let relays = every(&mut reader).await?;
    let filters = every(&mut reader).await?;
    let services = every(&mut reader).await?;
    let mut alerts: Vec<AlertRow> = every(&mut reader).await?;
    alerts.retain(|alert| alert.raised);

    let count = |event_type: &str| events.get(event_type).copied().unwrap_or(0);
    Ok(Summary {
        as_of: reader.as_of(),
        cut_tables: reader.cut_tables(),
        quotes: count("intents.QuoteReceived"),
        decisions: count("trading.Decided"),
        commands: count("trading.ExecutionCommanded"),
        submissions: count("trading.SubmissionStarted"),
        events,
        skipped,
        results,
        last_decision,
        last_price,
        accounts,
        balances,
        reservations,
        price_sources,
        relays,
        filters,
        services,
        alerts,
        parked,
    })
}

async fn every<R: TableRow>(reader: &mut Reader<'_>) -> Result<Vec<R>, ReadError> {
    let mut rows = vec![];
    reader.all(|row| rows.push(row)).await?;
    Ok(rows)
}
