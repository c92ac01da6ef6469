//! The desk on one page, put together from the account, the services and the tables.

use crate::api::RoleHealth;
use crate::dto::{self, Heard, Reads, ServiceState};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use stele_domain::ids::PairId;
use stele_domain::operations::service::event::Service;
use stele_domain::operations::service::state::{Phase, State as Lifecycle};
use stele_domain::time::Timestamp;
use stele_domain::trading::limits::Limits;
use stele_projections::models::decisions::{DecisionRow, SkipCountRow};
use stele_projections::models::event_counts::EventCountRow;
use stele_projections::models::inventory::{BalanceRow, IncidentRow, InventoryRow};
use stele_projections::models::prices::{PriceSourceRow, ReferencePriceRow};
use stele_projections::models::quotes::QuoteRow;
use stele_projections::models::relay::RelayRow;
use stele_projections::models::result_counts::ResultCountRow;
use stele_projections::models::results::ResultStepRow;
use stele_projections::projection::TableRow;
use stele_projections::runner;
use stele_projections::status::Summary;

/// A live runner says so every second; after this long it is not believed any more.
const HEARTBEAT_AGE_MS_MAX: i64 = 10_000;

/// What the page is made of.
pub(crate) struct Seen {
    pub(crate) now: Timestamp,
    pub(crate) limits: Option<Limits>,
    pub(crate) account: dto::Account,
    pub(crate) services: Vec<(Service, Lifecycle)>,
    pub(crate) health: Vec<RoleHealth>,
    pub(crate) alerts: Vec<dto::Alert>,
    pub(crate) projections: dto::Projections,
    /// What the tables know, or why they can't be read.
    pub(crate) tables: Result<Tables, String>,
}

/// The part of it that comes from tables.
pub(crate) struct Tables {
    pub(crate) summary: Summary,
    /// The last reference price of every configured pair.
    pub(crate) prices: Vec<(PairId, Option<ReferencePriceRow>)>,
    pub(crate) last_inventory: Option<InventoryRow>,
    pub(crate) last_incident: Option<IncidentRow>,
    pub(crate) last_quote: Option<QuoteRow>,
    pub(crate) last_step: Option<ResultStepRow>,
    /// Tables with a row that is none of this build, and what is wrong with it.
    pub(crate) unread: BTreeMap<String, String>,
}

/// What a service knows: how far it can be relied on, since when, and what is in its way.
struct Knows {
    reads: Reads,
    last_success_at: Option<Timestamp>,
    blocked: Option<String>,
}

impl Seen {
    pub(crate) fn services(&self) -> Vec<dto::ServiceStatus> {
        self.services.iter().map(|(service, state)| self.service(*service, state)).collect()
    }

    fn service(&self, service: Service, lifecycle: &Lifecycle) -> dto::ServiceStatus {
        let knows = match service {
            Service::Ingest => {
                self.by_tables(&[name_of::<RelayRow>(), name_of::<QuoteRow>()], Tables::ingest)
            }
            Service::Market => {
                self.by_tables(&[name_of::<ReferencePriceRow>()], |tables| tables.market(self))
            }
            Service::Inventory => {
                let needed = [name_of::<InventoryRow>(), name_of::<IncidentRow>()];
                self.by_tables(&needed, |tables| tables.inventory(self))
            }
            Service::Strategy => self.by_tables(&[name_of::<DecisionRow>()], Tables::strategy),
            Service::Executor => self.executor(),
            Service::Projections => self.projections(),
        };
        let (state, reason, since) = phase(lifecycle.phase());
        let here = self.health.iter().find(|health| health.service == service);
        let dead = here.filter(|health| !health.running).map(|health| health.why.clone());
        let hindered = here.filter(|health| health.running && !health.why.is_empty());
        let hindered = hindered.map(|health| health.why.clone());
        let started = lifecycle.started();
        let told = dto::ServiceStatus {
            service: service.name().to_owned(),
            state,
            reason,
            since: since
                .or_else(|| started.filter(|_| state == ServiceState::Running).map(|started| started.at)),
            version: started.map(|started| started.version.clone()),
            instance: started.map(|started| started.instance.clone()),
            runs_here: here.is_some_and(|health| health.running),
            input: input(service).to_owned(),
            reads: knows.reads,
            last_success_at: knows.last_success_at,
            blocked: dead.map(|why| format!("not running: {why}")).or(hindered).or(knows.blocked),
        };
        self.heard(told)
    }

    /// What a service knew says nothing of now once its process is not heard of any more.
    fn heard(&self, told: dto::ServiceStatus) -> dto::ServiceStatus {
        let Heard::Silent(since) = told.heard(self.account.lease.as_ref()) else { return told };
        if told.state != ServiceState::Running {
            return told;
        }
        let reads = match told.reads {
            Reads::Authoritative | Reads::Unknown => Reads::Unknown,
            stale @ (Reads::Stale | Reads::Nothing) => stale,
        };
        let why = || {
            format!("not heard of since {since}: its signing lease ended then, it ran out or was given back")
        };
        dto::ServiceStatus { reads, blocked: told.blocked.or_else(|| Some(why())), ..told }
    }

    /// What a service is known by through these tables; nothing can be told of it while one of them can't be read.
    fn by_tables(&self, needed: &[&str], knows: impl FnOnce(&Tables) -> Knows) -> Knows {
        let untold = |blocked| Knows { reads: Reads::Unknown, last_success_at: None, blocked };
        match &self.tables {
            Ok(tables) => match tables.odd_one(needed) {
                None => knows(tables),
                Some(odd) => untold(Some(odd)),
            },
            Err(_) => untold(None),
        }
    }

    /// Why the tables can't be read, or those of them that can't.
    pub(crate) fn tables_unavailable(&self) -> Option<String> {
        let tables = match &self.tables {
            Ok(tables) => tables,
            Err(why) => return Some(why.clone()),
        };
        let odd: Vec<String> = tables.unread.iter().map(odd_row).collect();
        (!odd.is_empty()).then(|| odd.join("; "))
    }

    fn executor(&self) -> Knows {
        let account = &self.account;
        let lapsed = account.lease.as_ref().is_none_or(|lease| lease.lapsed);
        let blocked = match account.arming {
            dto::Arming::Killed => Some("killed"),
            dto::Arming::Disarmed if lapsed => Some("nobody holds the signing lease"),
            dto::Arming::Disarmed => Some("disarmed"),
            dto::Arming::Armed | dto::Arming::Reducing => None,
        };
        Knows {
            reads: if account.lease.is_some() { Reads::Authoritative } else { Reads::Nothing },
            last_success_at: self.tables.as_ref().ok().and_then(Tables::last_step_at),
            blocked: blocked.map(str::to_owned),
        }
    }

    fn projections(&self) -> Knows {
        let heartbeat = self.projections.heartbeat_at;
        let silent = heartbeat.is_some_and(|at| self.now.millis_since(at) > HEARTBEAT_AGE_MS_MAX);
        let behind = self.projections.projections.iter().any(|projection| projection.lag_events > 0);
        let why = match self.projections.state.as_str() {
            "paused" | "ended" => Some(self.projections.state.clone()),
            "blocked" | "faulted" => Some(self.projections.why.clone()),
            _ if silent => Some("no heartbeat".to_owned()),
            _ => None,
        };
        Knows {
            reads: if behind || why.is_some() { Reads::Stale } else { Reads::Authoritative },
            last_success_at: heartbeat,
            blocked: why,
        }
    }

    fn fresh(&self, at: Option<Timestamp>, known: bool, age_ms_max: Option<u64>) -> Reads {
        let Some(at) = at else { return if known { Reads::Stale } else { Reads::Nothing } };
        let age_ms = u64::try_from(self.now.millis_since(at)).unwrap_or(0);
        if age_ms_max.is_some_and(|max| age_ms > max) { Reads::Stale } else { Reads::Authoritative }
    }
}

/// The table that rows of this type stand in.
fn name_of<R: TableRow>() -> &'static str {
    R::TABLE.name
}

fn odd_row((table, why): (&String, &String)) -> String {
    format!("table {table} has a row that this build did not write: {why}")
}

/// What a service reads.
fn input(service: Service) -> &'static str {
    match service {
        Service::Ingest => "relay",
        Service::Market => "price sources",
        Service::Inventory => "verifier",
        Service::Strategy => "event log: demands, prices, balances",
        Service::Executor => "event log: commands, balances",
        Service::Projections => "event log",
    }
}

impl Tables {
    /// What is wrong with the first of these that can't be read.
    fn odd_one(&self, needed: &[&str]) -> Option<String> {
        self.unread.iter().find(|(table, _)| needed.contains(&table.as_str())).map(odd_row)
    }

    /// Whether all of these could be read.
    fn has(&self, needed: &[&str]) -> bool {
        self.odd_one(needed).is_none()
    }

    fn last_step_at(&self) -> Option<Timestamp> {
        self.last_step.as_ref().map(|step| step.at)
    }

    fn ingest(&self) -> Knows {
        let down = self.summary.relays.iter().find(|relay| !relay.connected);
        let reads = match (self.summary.relays.is_empty(), down) {
            (true, _) => Reads::Nothing,
            (false, None) => Reads::Authoritative,
            (false, Some(_)) => Reads::Stale,
        };
        Knows {
            reads,
            last_success_at: self.last_quote.as_ref().map(|quote| quote.received_at),
            blocked: down.map(|relay| format!("{} is not connected: {}", relay.venue, relay.reason)),
        }
    }

    fn market(&self, seen: &Seen) -> Knows {
        let newest = self.prices.iter().filter_map(|(_, row)| row.as_ref());
        let blocked = newest.clone().find_map(|row| row.block.as_ref().map(|block| (row, named(block))));
        let priced = newest.clone().filter(|row| row.block.is_none());
        let oldest =
            self.prices.iter().map(|(_, row)| row.as_ref().and_then(|row| row.as_of)).min().flatten();
        let age_ms_max =
            seen.limits.as_ref().map(|limits| limits.price_age_ms_max.max(limits.fallback_age_ms_max));
        Knows {
            reads: seen.fresh(oldest.filter(|_| blocked.is_none()), newest.count() > 0, age_ms_max),
            last_success_at: priced.map(|row| row.priced_at).max(),
            blocked: blocked.map(|(row, block)| format!("{}: {block}", row.pair)),
        }
    }

    fn inventory(&self, seen: &Seen) -> Knows {
        let read = self.last_inventory.as_ref();
        let age_ms_max = seen.limits.as_ref().map(|limits| limits.inventory_age_ms_max);
        let failed = self.last_incident.as_ref().filter(|incident| {
            incident.kind == "unavailable" && read.is_none_or(|read| incident.position > read.position)
        });
        let refuses = read.map(|read| read.blocked.iter().map(named).collect::<Vec<_>>().join(", "));
        Knows {
            reads: seen.fresh(read.map(|read| read.observed_at), read.is_some(), age_ms_max),
            last_success_at: read.map(|read| read.observed_at),
            blocked: failed.map(|incident| incident.detail.clone()).or_else(|| {
                refuses.filter(|why| !why.is_empty()).map(|why| format!("the venue would refuse: {why}"))
            }),
        }
    }

    fn strategy(&self) -> Knows {
        let last = self.summary.last_decision.as_ref();
        Knows {
            reads: if last.is_some() { Reads::Authoritative } else { Reads::Nothing },
            last_success_at: last.map(|row: &DecisionRow| row.decided_at),
            blocked: None,
        }
    }

    pub(crate) fn prices(&self, now: Timestamp) -> Option<Vec<dto::Price>> {
        let price = |(pair, row): &(PairId, Option<ReferencePriceRow>)| {
            price(now, pair, row.as_ref(), self.sources(now, pair))
        };
        let whole = self.has(&[name_of::<ReferencePriceRow>(), name_of::<PriceSourceRow>()]);
        whole.then(|| self.prices.iter().map(price).collect())
    }

    fn sources(&self, now: Timestamp, pair: &PairId) -> Vec<dto::PriceSource> {
        let of_pair = self.summary.price_sources.iter().filter(|row| row.pair == pair.as_str());
        of_pair.map(|row| source(now, row)).collect()
    }

    pub(crate) fn holdings(&self, now: Timestamp) -> Option<dto::Inventory> {
        if !self.has(&[name_of::<InventoryRow>(), name_of::<BalanceRow>()]) {
            return None;
        }
        let read = self.last_inventory.as_ref();
        Some(dto::Inventory {
            balances: self.summary.balances.iter().map(balance).collect(),
            height: read.map(|read| read.height),
            observed_at: read.map(|read| read.observed_at),
            age_ms: read.map(|read| now.millis_since(read.observed_at)),
            blocked: read.map(|read| read.blocked.iter().map(named).collect()).unwrap_or_default(),
        })
    }

    pub(crate) fn counters(&self) -> Option<dto::Counters> {
        let needed = [name_of::<EventCountRow>(), name_of::<SkipCountRow>(), name_of::<ResultCountRow>()];
        self.has(&needed).then(|| dto::Counters {
            quotes: self.summary.quotes,
            decisions: self.summary.decisions,
            skipped: self.summary.skipped.clone(),
            commands: self.summary.commands,
            submissions: self.summary.submissions,
            results: self.summary.results.clone(),
            events: self.summary.events.clone(),
        })
    }

    /// Without the requests that came, when a pair was last heard of can't be told either.
    pub(crate) fn relays(&self) -> Option<Vec<dto::Relay>> {
        let last_request = self.last_quote.as_ref().map(|quote| quote.received_at);
        let whole = self.has(&[name_of::<RelayRow>()]);
        let mut relays: Vec<dto::Relay> =
            self.summary.relays.iter().map(|row| relay(row, last_request)).collect();
        if !self.has(&[name_of::<QuoteRow>()]) {
            for relay in &mut relays {
                relay.pair_silent_since = None;
            }
        }
        whole.then_some(relays)
    }
}

/// The runner's own account; `None` when it runs elsewhere.
pub(crate) fn projections(status: Option<runner::Status>) -> dto::Projections {
    let Some(status) = status else {
        let (state, why) = ("elsewhere".to_owned(), String::new());
        return dto::Projections { state, why, heartbeat_at: None, parked: 0, projections: vec![] };
    };
    let (state, why) = match &status.state {
        runner::State::Starting => ("starting", ""),
        runner::State::CatchingUp => ("catching_up", ""),
        runner::State::Live => ("live", ""),
        runner::State::Paused => ("paused", ""),
        runner::State::Draining => ("draining", ""),
        runner::State::Blocked { why } => ("blocked", why.as_str()),
        runner::State::Ended => ("ended", ""),
        runner::State::Faulted { why } => ("faulted", why.as_str()),
    };
    // One that has stopped alone is told beside the state of the others.
    let stopped = |one: &runner::ProjectionStatus| {
        one.fault.as_ref().map(|why| format!("{} has stopped: {why}", one.name))
    };
    let alone: Vec<String> = status.projections.iter().filter_map(stopped).collect();
    let why = if why.is_empty() { alone.join("; ") } else { why.to_owned() };
    let projection = |projection: &runner::ProjectionStatus| dto::Projection {
        name: projection.name.to_owned(),
        version: projection.version,
        position: projection.position.0,
        lag_events: projection.lag_events,
        lag_ms: projection.lag_ms,
    };
    dto::Projections {
        state: state.to_owned(),
        why,
        heartbeat_at: Some(status.heartbeat_at),
        parked: status.parked,
        projections: status.projections.iter().map(projection).collect(),
    }
}

fn phase(phase: &Phase) -> (ServiceState, String, Option<Timestamp>) {
    match phase {
        Phase::NeverStarted => (ServiceState::NeverStarted, String::new(), None),
        Phase::Running => (ServiceState::Running, String::new(), None),
        Phase::Paused { reason, since } => (ServiceState::Paused, reason.clone(), Some(*since)),
        Phase::Draining { reason, since } => (ServiceState::Draining, reason.clone(), Some(*since)),
        Phase::Drained { since } => (ServiceState::Drained, String::new(), Some(*since)),
    }
}

fn price(
    now: Timestamp,
    pair: &PairId,
    row: Option<&ReferencePriceRow>,
    sources: Vec<dto::PriceSource>,
) -> dto::Price {
    let text = |rate: Option<stele_domain::money::Rate>| rate.map(|rate| rate.to_string());
    let price_at = row.and_then(|row| row.as_of);
    dto::Price {
        pair: pair.to_string(),
        status: row.map_or("none", |row| row.status.as_str()).to_owned(),
        block: row.and_then(|row| row.block.as_ref().map(named)),
        rate: text(row.and_then(|row| row.rate)),
        bid: text(row.and_then(|row| row.bid)),
        ask: text(row.and_then(|row| row.ask)),
        spread_bps: row.and_then(|row| row.spread_bps),
        disagreement_bps: row.and_then(|row| row.disagreement_bps),
        basis_mode: row.and_then(|row| row.basis_mode.as_ref().map(named)),
        basis_rate: text(row.and_then(|row| row.basis_rate)),
        price_at,
        age_ms: price_at.map(|at| now.millis_since(at)),
        priced_at: row.map(|row| row.priced_at),
        sources,
    }
}

fn source(now: Timestamp, row: &PriceSourceRow) -> dto::PriceSource {
    dto::PriceSource {
        source: row.source.name().to_owned(),
        link: row.link.as_ref().map(named),
        healthy: row.healthy,
        reason: row.reason.clone(),
        bid: row.bid.map(|rate| rate.to_string()),
        ask: row.ask.map(|rate| rate.to_string()),
        received_at: row.received_at,
        age_ms: row.received_at.map(|at| now.millis_since(at)),
    }
}

fn balance(row: &BalanceRow) -> dto::Balance {
    dto::Balance {
        account: row.account.clone(),
        token: row.token.to_string(),
        credited: row.credited.to_string(),
        reserved: row.reserved.to_string(),
        pending_in: row.pending_in.to_string(),
        pending_out: row.pending_out.to_string(),
    }
}

fn relay(row: &RelayRow, last_request: Option<Timestamp>) -> dto::Relay {
    let pair_silent_since = if row.connected { row.since.max(last_request) } else { None };
    dto::Relay {
        pair_silent_since,
        venue: row.venue.clone(),
        connected: row.connected,
        since: row.since,
        reason: row.reason.clone(),
        connects: row.connects,
        frames_rejected: row.frames_rejected,
    }
}

/// The name under which an enum without content is stored.
fn named<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
