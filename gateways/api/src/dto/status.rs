//! The desk on one page, and the small answers that probes read.

use super::account::{Account, Lease};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stele_domain::time::Timestamp;
use utoipa::ToSchema;

/// The desk on one page. `account`, the phases of `services` and `alerts` are read from the log when they are asked for.
/// `prices`, `inventory`, `relays`, `counters`, and what services know come from tables and are as of `as_of`: where
/// `tables_unavailable` says which can't be read, what comes from them is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// When this was put together.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Version of the program.
    pub version: String,
    /// The configured instance.
    pub instance: String,
    /// The signing account.
    pub account: Account,
    /// Every service.
    pub services: Vec<ServiceStatus>,
    /// The reference price of every pair.
    pub prices: Option<Vec<Price>>,
    /// What the account holds.
    pub inventory: Option<Inventory>,
    /// The connection to every venue.
    pub relays: Option<Vec<Relay>>,
    /// What needs a person now.
    pub alerts: Vec<Alert>,
    /// How often things happened, since the log began.
    pub counters: Option<Counters>,
    /// The log.
    pub log: LogStatus,
    /// The tables.
    pub projections: Projections,
    /// Why the tables can't be read now, all of them or those that it names; null while they can.
    #[serde(default)]
    pub tables_unavailable: Option<String>,
    /// Everything up to here is in every table.
    pub as_of: Option<u64>,
    /// The last position of the log.
    pub head: u64,
}

/// The part of a status that comes from tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromTables<'s> {
    /// The reference price of every pair.
    pub prices: &'s [Price],
    /// What the account holds.
    pub inventory: &'s Inventory,
    /// The connection to every venue.
    pub relays: &'s [Relay],
    /// How often things happened, since the log began.
    pub counters: &'s Counters,
    /// Everything up to here is in every table.
    pub as_of: u64,
}

impl Status {
    /// What comes from tables; `None` when any of it could not be read, for the reason in `tables_unavailable`.
    #[must_use]
    pub fn from_tables(&self) -> Option<FromTables<'_>> {
        Some(FromTables {
            prices: self.prices.as_deref()?,
            inventory: self.inventory.as_ref()?,
            relays: self.relays.as_deref()?,
            counters: self.counters.as_ref()?,
            as_of: self.as_of?,
        })
    }
}

/// Whether a service may take work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// No process has ever run it.
    NeverStarted,
    /// Takes work.
    Running,
    /// Takes no new work.
    Paused,
    /// Finishes what is in flight.
    Draining,
    /// Has finished, and takes no work.
    Drained,
}

/// How much what a service knows can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// It is the newest there is.
    Authoritative,
    /// It is older than the limits allow, or its source can't be heard.
    Stale,
    /// It knows nothing yet.
    Nothing,
    /// That can't be told: the tables can't be read, or nothing is heard of the process.
    Unknown,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceStatus {
    /// `ingest`, `market`, `inventory`, `strategy`, `executor` or `projections`.
    pub service: String,
    /// Whether it may take work.
    pub state: ServiceState,
    /// Why it is paused or draining; empty otherwise.
    pub reason: String,
    /// Since when it is in that state, where that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The build that was started last.
    pub version: Option<String>,
    /// The instance that was started last.
    pub instance: Option<String>,
    /// Whether its task runs in this process.
    pub runs_here: bool,
    /// What it reads.
    pub input: String,
    /// How much what it knows can be relied on.
    pub reads: Reads,
    /// When it last did what it is for.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success_at: Option<Timestamp>,
    /// Why it can't do what it is for; none when it can.
    pub blocked: Option<String>,
}

/// What is known of the process that runs a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is the one that answers.
    Here,
    /// It is another one, which keeps the signing lease.
    Elsewhere,
    /// It is another one, which says nothing of itself. The service was started then, or did what it is for.
    Last(Option<Timestamp>),
    /// It is another one, whose signing lease ended then: it ran out or was given back. Nothing was heard of the service
    /// since.
    Silent(Timestamp),
}

impl ServiceStatus {
    /// What is known of the process that runs it. A process has no other heartbeat in the log than the signing lease of
    /// its instance.
    #[must_use]
    pub fn heard(&self, lease: Option<&Lease>) -> Heard {
        if self.runs_here {
            return Heard::Here;
        }
        let last = self.since.max(self.last_success_at);
        let ours = lease.filter(|lease| self.instance.as_ref() == Some(&lease.holder));
        match ours {
            Some(lease) if !lease.lapsed => Heard::Elsewhere,
            Some(lease) if last.is_none_or(|at| at <= lease.until) => Heard::Silent(lease.until),
            Some(_) | None => Heard::Last(last),
        }
    }
}

/// The reference price of one pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// The pair.
    pub pair: String,
    /// `primary`, `fallback`, `blocked`, or `none` before the policy was ever applied.
    pub status: String,
    /// Why nothing may be decided on it.
    pub block: Option<String>,
    /// Half-way between bid and ask, quote per whole base.
    pub rate: Option<String>,
    /// What base could be sold at.
    pub bid: Option<String>,
    /// What base could be bought at.
    pub ask: Option<String>,
    /// Distance of bid and ask, in hundredths of a percent.
    pub spread_bps: Option<i64>,
    /// How far the sources are apart, in hundredths of a percent.
    pub disagreement_bps: Option<i64>,
    /// `assumed_parity` or `observed`.
    pub basis_mode: Option<String>,
    /// Euro per EURe.
    pub basis_rate: Option<String>,
    /// The moment that its age counts from.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub price_at: Option<Timestamp>,
    /// Its age, in milliseconds.
    pub age_ms: Option<i64>,
    /// When the policy was applied last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub priced_at: Option<Timestamp>,
    /// Every source.
    pub sources: Vec<PriceSource>,
}

/// One source of prices: socket, channel and price apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceSource {
    /// `kraken`, `coin_gecko` or `peg`.
    pub source: String,
    /// `down`, `silent` (connected, and the price channel says nothing) or `alive`.
    pub link: Option<String>,
    /// Whether the source calls itself healthy.
    pub healthy: Option<bool>,
    /// The source's word, an HTTP status or a close reason.
    pub reason: String,
    /// Highest price somebody pays.
    pub bid: Option<String>,
    /// Lowest price somebody takes.
    pub ask: Option<String>,
    /// When its last price was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received_at: Option<Timestamp>,
    /// How long ago that was, in milliseconds.
    pub age_ms: Option<i64>,
}

/// What the account holds, as of the last reading of the verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Inventory {
    /// Per token.
    pub balances: Vec<Balance>,
    /// Block of the last reading.
    pub height: Option<u64>,
    /// When the last reading came in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub observed_at: Option<Timestamp>,
    /// How long ago that was, in milliseconds.
    pub age_ms: Option<i64>,
    /// Why the venue would refuse our signature; empty when it would not.
    pub blocked: Vec<String>,
}

/// One token. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Balance {
    /// The signing account.
    pub account: String,
    /// The token.
    pub token: String,
    /// Credited coin.
    pub credited: String,
    /// Reserved by open offers.
    pub reserved: String,
    /// Deposits not credited. Never spendable.
    pub pending_in: String,
    /// Withdrawals not debited.
    pub pending_out: String,
}

/// The connection to a venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Relay {
    /// The venue.
    pub venue: String,
    /// Connected and subscribed.
    pub connected: bool,
    /// Since when it is so.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Why it is not; empty while it is.
    pub reason: String,
    /// Since when a healthy connection has brought no request for a pair of ours; a quiet market is no outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub pair_silent_since: Option<Timestamp>,
    /// How often it was connected.
    pub connects: u64,
    /// Frames that could not be read.
    pub frames_rejected: u64,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// What.
    pub kind: String,
    /// The facts, in a sentence.
    pub detail: String,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub raised_at: Option<Timestamp>,
    /// Whether it stays raised until a person clears it; the others are cleared by the desk when they no longer hold.
    #[serde(default)]
    pub waits_for_person: bool,
}

/// What needs a person now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertsAnswer {
    /// Every alert that is raised.
    pub alerts: Vec<Alert>,
    /// Everything up to here is in it.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
}

/// How often things happened. Counted from the log's first event on, except `results`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    /// Quote requests, repeats left out.
    pub quotes: u64,
    /// Decisions.
    pub decisions: u64,
    /// Decisions not to act, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Commands to the executor.
    pub commands: u64,
    /// Offers that were fixed.
    pub submissions: u64,
    /// Commands by what became of them as of now: `refused`, `expired`, `started`, `abandoned`, `accepted`,
    /// `rejected`, `uncertain`, `settled`, `settle_failed`, `expired_unfilled`. Of those that the table keeps.
    pub results: BTreeMap<String, u64>,
    /// Events by type.
    pub events: BTreeMap<String, u64>,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogStatus {
    /// The last durable position.
    pub head: u64,
    /// Whether it answers.
    pub reachable: bool,
}

/// The runner of the projections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Projections {
    /// `starting`, `catching_up`, `live`, `paused`, `draining`, `blocked`, `ended`, `faulted`, or `elsewhere` when
    /// another process runs it.
    pub state: String,
    /// Why it is blocked or faulted; empty otherwise.
    pub why: String,
    /// When the runner last said that it is alive.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub heartbeat_at: Option<Timestamp>,
    /// How many times an event was parked since the runner started.
    pub parked: u64,
    /// Every projection.
    pub projections: Vec<Projection>,
}

/// How far one projection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Projection {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Everything up to here is in its tables.
    pub position: u64,
    /// How many events of the log are not.
    pub lag_events: u64,
    /// How old the newest event in its tables is while something is missing, in milliseconds; zero when nothing is.
    pub lag_ms: u64,
}

/// `/livez`: the process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `live`.
    pub status: String,
    /// Version of the program.
    pub version: String,
    /// The configured instance.
    pub instance: String,
}

/// One thing that must work before the desk is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// Why not; or what a part that works can't do now, or that it stands by. Empty when there is nothing to say.
    pub detail: String,
}

/// `/readyz`: 200 when everything works, else 503 with the same body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Whether everything works.
    pub ready: bool,
    /// Each thing.
    pub checks: Vec<Check>,
}

/// `/statusz`: positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Statusz {
    /// Version of the program.
    pub version: String,
    /// The configured instance.
    pub instance: String,
    /// The log.
    pub log: LogStatus,
    /// The tables.
    pub projections: Projections,
}
