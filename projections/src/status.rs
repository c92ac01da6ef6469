//! The desk at a glance, in one call: counts, the last decision, why quotes were skipped, and what is open.
//!
//! Whoever has the database's password can put a row into a table that no build ever wrote. It costs what comes from that
//! table, and nothing else.

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
    /// Tables with a row that is none of this build, and what is wrong with it: nothing that comes from them is here.
    #[serde(default)]
    pub unread: BTreeMap<String, String>,
}

/// A reader of what people look at: a row that is none of this build costs what comes from its table.
pub struct Glance<'s> {
    reader: Reader<'s>,
    unread: BTreeMap<String, String>,
}

impl<'s> Glance<'s> {
    /// A glance at a store.
    #[must_use]
    pub fn at(store: &'s dyn ReadStore) -> Self {
        Self { reader: Reader::new(store), unread: BTreeMap::new() }
    }

    /// One page of rows; none of a table that can't be read.
    ///
    /// # Errors
    ///
    /// [`ReadError::Store`].
    pub async fn scan<R: TableRow>(&mut self, query: &ScanQuery) -> Result<Vec<R>, ReadError> {
        let read = self.reader.scan(query).await;
        self.unless_odd(read)
    }

    /// Every row of a table whose size is bounded; none of one that can't be read.
    ///
    /// # Errors
    ///
    /// [`ReadError::Store`].
    pub async fn every<R: TableRow>(&mut self) -> Result<Vec<R>, ReadError> {
        let mut rows = vec![];
        let read = self.reader.all(|row| rows.push(row)).await;
        self.unless_odd(read.map(|()| rows))
    }

    /// The tables that could not be read, and why.
    #[must_use]
    pub fn unread(self) -> BTreeMap<String, String> {
        self.unread
    }

    fn unless_odd<R>(&mut self, read: Result<Vec<R>, ReadError>) -> Result<Vec<R>, ReadError> {
        match read {
            Ok(rows) => Ok(rows),
            Err(ReadError::Row(error)) => {
                self.unread.insert(error.table.to_owned(), error.why);
                Ok(vec![])
            }
            Err(error @ ReadError::Store { .. }) => Err(error),
        }
    }
}

/// Most parked events that are shown.
const PARKED_SHOWN_MAX: usize = 20;

/// Looks at everything: how many rows that takes depends on what there is now, and not on how much ever happened.
///
/// # Errors
///
/// [`ReadError`].
pub async fn summary(store: &dyn ReadStore) -> Result<Summary, ReadError> {
    let mut glance = Glance::at(store);
    let counted: Vec<EventCountRow> = glance.every().await?;
    let events: BTreeMap<String, u64> = counted.into_iter().map(|row| (row.event_type, row.count)).collect();
    let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
    let skips: Vec<SkipCountRow> = glance.every().await?;
    for row in skips {
        *skipped.entry(row.reason.code().to_owned()).or_default() += row.count;
    }
    let ended: Vec<ResultCountRow> = glance.every().await?;
    let ended = ended.into_iter().filter(|row| row.count > 0);
    let results = ended.map(|row| (row.state.code().to_owned(), row.count)).collect();

    let newest = ScanQuery::newest(1);
    let last_decision = glance.scan(&newest).await?.pop();
    let last_price = glance.scan(&newest).await?.pop();
    let parked = glance.scan(&ScanQuery::newest(PARKED_SHOWN_MAX)).await?;
    let accounts = glance.every().await?;
    let balances = glance.every().await?;
    let reservations = glance.every().await?;
    let price_sources = glance.every().await?;
    let relays = glance.every().await?;
    let filters = glance.every().await?;
    let services = glance.every().await?;
    let mut alerts: Vec<AlertRow> = glance.every().await?;
    alerts.retain(|alert| alert.raised);

    let count = |event_type: &str| events.get(event_type).copied().unwrap_or(0);
    Ok(Summary {
        as_of: glance.reader.as_of(),
        cut_tables: glance.reader.cut_tables(),
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
        unread: glance.unread,
    })
}
