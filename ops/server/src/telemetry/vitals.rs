//! The gauges of the desk: how it stands, read off the log and the parts of this process. Counters and times are
//! counted where things happen, in the `observe.rs` of each crate.
//!
//! Moments are sampled once a second; ages are worked out when somebody asks. A sampler that hangs makes ages grow,
//! which is what an alert should see.

use super::certificates::{self, Certificates};
use super::process;
use crate::wiring::Health;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stele_commands::ledger::Ledger;
use stele_commands::stop::Stop;
use stele_domain::codec;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{AccountId, PairId};
use stele_domain::market::reference::event::Verdict;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Direction, EventLog, Position, Revision, StreamId};
use stele_domain::port::read_store::{PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, Table};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::Mode;
use stele_domain::trading::account::state::Arming;
use stele_domain::trading::account::{Account, State as AccountState};
use stele_domain::{market, treasury};
use stele_lake::figures::Figures;
use stele_projections::models::parked_events::ParkedRow;
use stele_projections::models::parkings::{ParkingRow, ParkingState};
use stele_projections::projection::TableRow as _;
use stele_projections::runner::Handle;

/// How often the log is looked at, and histograms are tidied; without the latter they grow.
const SAMPLE: Duration = Duration::from_secs(1);
/// How far back the newest price and balances are looked for.
const LOOK_BACK: usize = 16;
/// Samples between two counts of the parked events: they are rare, and the store is asked.
const PARKED_EVERY: u64 = 10;

/// What is watched.
pub(crate) struct Subject {
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub account: Arc<Ledger<Account>>,
    pub account_id: AccountId,
    pub pair: PairId,
    pub price: StreamId,
    pub inventory: StreamId,
    /// This process's name in leases.
    pub instance: String,
    pub version: &'static str,
    /// Names of the roles of this process.
    pub roles: String,
    pub data_dir: PathBuf,
    pub projections: Option<Handle>,
    pub lake: Option<Arc<Figures>>,
    pub store: Arc<dyn ReadStore>,
    pub health: Health,
    /// Files of certificates that this process shows or believes.
    pub certificates: Certificates,
}

/// The gauges, ready to be asked for.
#[derive(Clone)]
pub(crate) struct Vitals {
    subject: Arc<Subject>,
    metrics: PrometheusHandle,
    seen: Arc<Mutex<Seen>>,
}

/// What was sampled last.
#[derive(Debug, Clone, Default)]
struct Seen {
    head: Option<Position>,
    log_reachable: bool,
    account: Option<AccountSeen>,
    /// As of when the newest reference price is, and whether it may be used.
    price: Option<(Timestamp, bool)>,
    inventory: Option<Timestamp>,
    /// Parked events, a page of them at most.
    parked: Option<usize>,
    samples: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct AccountSeen {
    arm_state: f64,
    armed_until: Option<Timestamp>,
    lease_epoch: u64,
    lease_until: Option<Timestamp>,
    lease_ours: bool,
    open: u64,
    uncertain: u64,
    limits_version: u64,
}

/// Says what the gauges mean.
pub(super) fn announce() {
    process::announce();
    certificates::announce();
    describe_gauge!("desk_info", "1, with what runs in this process as labels.");
    describe_gauge!("service_running", "1 while a service of this process runs.");
    describe_gauge!(
        "service_blocked",
        "1 while something is in the way of a running service; standing by is not."
    );
    describe_gauge!("log_reachable", "1 while the event log answers this process.");
    describe_gauge!(
        "arm_state",
        "-1 killed, 0 disarmed, 1 armed to reduce only, 2 armed in both directions."
    );
    describe_gauge!(
        "armed_until_timestamp_seconds",
        "When the arming runs out, as Unix time; 0 when not armed."
    );
    describe_gauge!(
        "lease_epoch",
        "Number of the signing lease; rises by one with each executor that takes it."
    );
    describe_gauge!(
        "lease_remaining_seconds",
        "How long the signing lease still holds; below 0 when it has lapsed."
    );
    describe_gauge!("lease_held", "1 in the process whose executor leads: it holds the signing lease.");
    describe_gauge!("open_signatures", "Offers that could still be executed, or whose end is not proved.");
    describe_gauge!("uncertain_offers", "Open offers of which nobody knows whether the venue has them.");
    describe_gauge!("limits_version", "Version of the limits in force; 0 when there are none.");
    describe_gauge!("price_age_seconds", "Age of the newest reference price.");
    describe_gauge!("price_usable", "1 while the newest reference price may be decided on.");
    describe_gauge!("inventory_age_seconds", "Age of the newest balances.");
    describe_gauge!("projection_position", "Last position of the log that is in a projection's tables.");
    describe_gauge!("projection_lag_events", "Records of the log that are not in a projection's tables.");
    describe_gauge!(
        "projection_lag_seconds",
        "How old the newest record in a projection's tables is, while it lags."
    );
    describe_gauge!(
        "projection_heartbeat_age_seconds",
        "Time since the runner of the projections gave a sign of life."
    );
    describe_gauge!(
        "parked_events",
        "Events that are not in some projection's tables, and that nobody has skipped."
    );
    describe_gauge!(
        "projections_working",
        "1 while the projections follow the log; 0 when paused, blocked or ended."
    );
}

impl Vitals {
    pub(crate) fn new(subject: Subject, metrics: PrometheusHandle) -> Self {
        Self { subject: Arc::new(subject), metrics, seen: Arc::default() }
    }

    /// Samples until the stop.
    pub(crate) async fn watch(self, mut stop: Stop) {
        let mut ticks = tokio::time::interval(SAMPLE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return,
                _ = ticks.tick() => self.metrics.run_upkeep(),
            }
            tokio::select! {
                biased;
                () = stop.requested() => return,
                () = self.sample() => {}
            }
        }
    }

    /// Everything, in the text form that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let (subject, now) = (&*self.subject, self.subject.clock.now());
        process::sample(&subject.data_dir);
        certificates::sample(&subject.certificates);
        let labels = [
            ("version", subject.version.to_owned()),
            ("desk", subject.instance.clone()),
            ("roles", subject.roles.clone()),
        ];
        gauge!("desk_info", &labels).set(1.0);
        for one in subject.health.gauged() {
            gauge!("service_running", "service" => one.service.name()).set(flag(one.running));
            gauge!("service_blocked", "service" => one.service.name()).set(flag(one.blocked));
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        show(subject, &seen, now);
        if let Some(handle) = &subject.projections {
            show_projections(handle, seen.head, now);
        }
        if let (Some(lake), Some(head)) = (&subject.lake, seen.head) {
            lake.tell(head, now);
        }
        self.metrics.render()
    }

    async fn sample(&self) {
        let subject = &*self.subject;
        let now = subject.clock.now();
        let head = subject.log.head().await.ok();
        let ours = |state: &AccountState| account_seen(state, &subject.instance, now);
        let account = subject.account.look(ours).await.ok();
        let price = self.newest(&subject.price, price_seen).await;
        let inventory = self.newest(&subject.inventory, inventory_seen).await;
        let samples = self.seen.lock().unwrap_or_else(PoisonError::into_inner).samples;
        let parked = if samples.is_multiple_of(PARKED_EVERY) { self.parked().await } else { None };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.log_reachable = head.is_some();
        // What can't be read is as it was: its age goes on growing.
        seen.head = head.or(seen.head);
        seen.account = account.or(seen.account.take());
        seen.price = price.or(seen.price);
        seen.inventory = inventory.or(seen.inventory);
        seen.parked = parked.or(seen.parked);
        seen.samples = samples.saturating_add(1);
    }

    async fn parked(&self) -> Option<usize> {
        self.subject.projections.as_ref()?;
        let all = ScanQuery::by_key(PAGE_ROWS_MAX);
        let lacking = self.events(&ParkedRow::TABLE, all.clone(), "position").await?;
        // What a person has skipped is where it belongs.
        let skipped = all.filter("state", ParkingState::Skipped.code());
        let skipped = self.events(&ParkingRow::TABLE, skipped, "event_position").await?;
        Some(lacking.difference(&skipped).count())
    }

    /// The projections and events that rows are about.
    async fn events(
        &self,
        table: &Table,
        mut query: ScanQuery,
        position: &str,
    ) -> Option<BTreeSet<(String, String)>> {
        let mut events = BTreeSet::new();
        loop {
            let page = self.subject.store.scan(table.name, &query).await.ok()?.value;
            let event = |row: &Row| {
                Some((table.cell(row, "projection")?.to_string(), table.cell(row, position)?.to_string()))
            };
            events.extend(page.rows.iter().filter_map(event));
            if page.next.is_none() {
                return Some(events);
            }
            query.after = page.next;
        }
    }

    /// What the newest fitting event of a stream says.
    async fn newest<T>(&self, stream: &StreamId, read: fn(&Recorded) -> Option<T>) -> Option<T> {
        let newest = self.subject.log.read_stream(stream, Revision(u64::MAX), Direction::Backward, LOOK_BACK);
        let records = newest.await.ok()?;
        records.iter().find_map(|record| read(&codec::recorded(record).ok()?))
    }
}

fn account_seen(state: &AccountState, instance: &str, now: Timestamp) -> AccountSeen {
    let (arm_state, armed_until) = match state.arming() {
        Arming::Killed { .. } => (-1.0, None),
        Arming::Armed(armed) if armed.until > now => match armed.mode {
            Mode::Reducing => (1.0, Some(armed.until)),
            Mode::Full => (2.0, Some(armed.until)),
        },
        // An arming that has run out counts for nothing, recorded as such or not yet.
        Arming::Armed(_) | Arming::Disarmed => (0.0, None),
    };
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    AccountSeen {
        arm_state,
        armed_until,
        lease_epoch: state.epoch(),
        lease_until: state.lease().map(|lease| lease.until),
        lease_ours: state.lease().is_some_and(|lease| lease.holder == instance),
        open: count(state.open().len()),
        uncertain: count(state.uncertain()),
        limits_version: state.limits_at(now).map_or(0, |set| set.version),
    }
}

fn price_seen(recorded: &Recorded) -> Option<(Timestamp, bool)> {
    let Event::Market(market::event::Event::Reference(market::reference::Event::ReferencePriced(fact))) =
        &recorded.event
    else {
        return None;
    };
    Some(match &fact.verdict {
        Verdict::Primary { fair } | Verdict::Fallback { fair } => (fair.as_of, true),
        Verdict::Blocked { .. } => (fact.priced_at, false),
    })
}

fn inventory_seen(recorded: &Recorded) -> Option<Timestamp> {
    let Event::Treasury(treasury::event::Event::Inventory(treasury::inventory::Event::BalancesObserved(
        fact,
    ))) = &recorded.event
    else {
        return None;
    };
    Some(fact.observed_at)
}

fn show(subject: &Subject, seen: &Seen, now: Timestamp) {
    gauge!("log_reachable").set(flag(seen.log_reachable));
    if let Some(head) = seen.head {
        gauge!("log_head_position").set(float(head.0));
    }
    let (account, pair) = (subject.account_id.as_str().to_owned(), subject.pair.as_str().to_owned());
    if let Some(parked) = seen.parked {
        gauge!("parked_events").set(float(u64::try_from(parked).unwrap_or(u64::MAX)));
    }
    if let Some((as_of, usable)) = seen.price {
        gauge!("price_age_seconds", "pair" => pair.clone()).set(span(as_of, now));
        gauge!("price_usable", "pair" => pair).set(flag(usable));
    }
    if let Some(observed_at) = seen.inventory {
        gauge!("inventory_age_seconds", "account" => account.clone()).set(span(observed_at, now));
    }
    let Some(state) = &seen.account else { return };
    let set = |name: &'static str, value: f64| gauge!(name, "account" => account.clone()).set(value);
    set("arm_state", state.arm_state);
    let never = Timestamp::from_micros(0);
    set("armed_until_timestamp_seconds", span(never, state.armed_until.unwrap_or(never)));
    set("lease_epoch", float(state.lease_epoch));
    set("lease_remaining_seconds", span(now, state.lease_until.unwrap_or(now)));
    // A name alone says nothing: processes of one desk may have been given the same one.
    let leads = subject.health.gauged().iter().any(|one| one.leads);
    let holds = state.lease_ours && state.lease_until.is_some_and(|until| until > now);
    set("lease_held", flag(leads && holds));
    set("open_signatures", float(state.open));
    set("uncertain_offers", float(state.uncertain));
    set("limits_version", float(state.limits_version));
}

/// A runner that waits for its store writes no status: what it lags by is worked out from the log's own head.
fn show_projections(handle: &Handle, head: Option<Position>, now: Timestamp) {
    let status = handle.status();
    let head = head.unwrap_or_default().max(status.head);
    // It may have given one since somebody asked.
    let quiet = span(status.heartbeat_at, now).max(0.0);
    gauge!("projection_heartbeat_age_seconds").set(quiet);
    gauge!("projections_working").set(flag(status.state.is_working()));
    for projection in status.projections {
        let lag = head.0.saturating_sub(projection.position.0);
        let behind = if lag == 0 { 0.0 } else { float(projection.lag_ms) / 1_000.0 + quiet };
        gauge!("projection_position", "projection" => projection.name).set(float(projection.position.0));
        gauge!("projection_lag_events", "projection" => projection.name).set(float(lag));
        gauge!("projection_lag_seconds", "projection" => projection.name).set(behind);
    }
}

fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// From one moment to another, in seconds.
#[expect(clippy::cast_precision_loss, reason = "metrics are floats; microseconds since 1970 fit 52 bits")]
fn span(from: Timestamp, to: Timestamp) -> f64 {
    to.micros().saturating_sub(from.micros()) as f64 / 1_000_000.0
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floats; exact up to 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
