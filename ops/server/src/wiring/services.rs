//! Starts the services of the chosen roles, each as one task.

use super::core::{Core, Source, log_failure};
use super::health::Health;
use super::parts::Parts;
use super::patience::{Awaited, answered};
use super::roles::{Role, Roles};
use super::strict;
use crate::config::Config;
use crate::exit::{Failure, chain};
use crate::observe;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::alerts::AlertWatch;
use stele_commands::executor::{Executor, Standing};
use stele_commands::ingest::{Ingest, Replies};
use stele_commands::inventory::InventoryReader;
use stele_commands::ledger::Ledger;
use stele_commands::market::Market;
use stele_commands::refresh::Ears;
use stele_commands::service::ServiceError;
use stele_commands::snapshots::Snapshots;
use stele_commands::strategy::StrategyReactor;
use stele_commands::streams;
use stele_commands::strict::Tables;
use stele_domain::operations::service::event::Service;
use stele_domain::port::event_log::{InvalidStream, LogError};
use stele_eventstore::EventStoreLog;
use stele_intents::key::{BearerToken, KeyError, SigningKey};
use stele_intents::relay::{RelayStream, RelayVenue};
use stele_intents::verifier::NearVerifier;
use tokio::sync::watch;

/// Starts what the roles name. Every service says on the log that it started.
pub(crate) async fn start(
    config: &Config,
    core: &Core,
    roles: &Roles,
    (health, tables): (&Health, Option<watch::Receiver<Tables>>),
    parts: &mut Parts,
) -> Result<(), Failure> {
    let mut strategy_start = 0;
    for service in roles.services() {
        // An executor says so itself, when it has the lease.
        if service != Service::Executor {
            let start = begun(config, core, service).await?;
            if service == Service::Strategy {
                strategy_start = start;
            }
        }
        health.runs(service);
    }
    let key = signing_key(config, roles);
    let public_key = match &key {
        Ok(key) => Some(key.public_key().to_owned()),
        Err(_) => config.public_key.clone(),
    };
    let cannot_sign = key.as_ref().err().map(|error| format!("can't sign: {}", chain(error)));
    if roles.has(Role::Market) {
        market(config, core, parts)?;
    }
    if roles.has(Role::Inventory) {
        inventory(config, core, public_key, parts)?;
    }
    ears(core, roles, parts);
    if roles.has(Role::Ingest) || roles.has(Role::Executor) {
        let (venue, stream) = relay(config, core, roles, key)?;
        if roles.has(Role::Ingest) {
            ingest(config, core, stream, parts)?;
        } else {
            replies(core, stream, parts)?;
        }
        if roles.has(Role::Executor) {
            health.blocked_by(Service::Executor, cannot_sign.unwrap_or_default());
            executor(config, core, venue, health, parts);
        }
    }
    if roles.has(Role::Strategy) {
        strategy(config, core, strategy_start, tables, parts)?;
    }
    if roles.has(Role::Alerts) {
        alerts(config, core, parts)?;
    }
    let keeps_snapshots = match &core.source {
        // Everybody believes the log's owner already.
        Source::Owned(_) => true,
        Source::Remote(_) => false,
        // A cluster's is nobody's, and whoever may write there may write anything: one process does it. Behind the door of a
        // desk its owner does.
        Source::EventStore(log) => roles.has(Role::Executor) && !is_a_desks(log).await?,
    };
    if keeps_snapshots {
        snapshots(config, core, parts)?;
    }
    Ok(())
}

/// Whether the server is the door of a desk, however often it must be asked.
async fn is_a_desks(log: &EventStoreLog) -> Result<bool, Failure> {
    let what = "the log's server, before states are written down there";
    let told = answered(what, LogError::is_transient, async || log.is_a_desks().await).await;
    told.map_err(|error| log_failure(&error))
}

/// Records that a service runs, however often the log must be asked; the number of that start.
async fn begun(config: &Config, core: &Core, service: Service) -> Result<u64, Failure> {
    let mut awaited = Awaited::new("the switches of the services, before any of them begins");
    loop {
        match core.board.start(service, crate::VERSION, &config.instance, core.clock.as_ref()).await {
            Ok(start) => return Ok(start),
            Err(ServiceError::Log(error)) if error.is_transient() => awaited.once_more(&error).await,
            Err(ServiceError::Log(error)) => return Err(log_failure(&error)),
            Err(error) => return Err(Failure::error(&error)),
        }
    }
}

/// The key, for who signs. Without it the desk reads and decides; what is in the way stands in the executor's status.
fn signing_key(config: &Config, roles: &Roles) -> Result<SigningKey, KeyError> {
    let source =
        config.signing_key.as_ref().filter(|_| roles.has(Role::Executor) || roles.has(Role::Inventory));
    let key = source.map_or(Err(KeyError::NotConfigured), SigningKey::load);
    match &key {
        Ok(key) => observe::signing_key(key.public_key()),
        Err(error) if roles.has(Role::Executor) => observe::no_signing_key(&chain(error)),
        Err(_) => {}
    }
    key
}

/// Where a service runs that reads the outside, its bell is rung also for those who ask in another process.
fn ears(core: &Core, roles: &Roles, parts: &mut Parts) {
    let services: BTreeSet<Service> =
        roles.services().filter(|service| core.bells.of(*service).is_some()).collect();
    if services.is_empty() {
        return;
    }
    let ears = Ears { log: Arc::clone(&core.log), bells: core.bells.clone(), services };
    let stop = parts.stop();
    parts.spawn("ears", async move { Ok(ears.run(stop).await?) });
}

fn market(config: &Config, core: &Core, parts: &mut Parts) -> Result<(), Failure> {
    let feed =
        stele_market::Prices::start(&config.market, &core.clock).map_err(|error| misconfigured(&error))?;
    let service = Market {
        feed: Box::new(feed),
        ledger: ledger(core, streams::price(&config.pair.id))?,
        policy: config.policy,
        clock: Arc::clone(&core.clock),
        board: Arc::clone(&core.board),
        refresh: Arc::clone(&core.bells.market),
        tick: Duration::from_millis(config.market_tick_ms),
    };
    let stop = parts.stop();
    parts.spawn_service(Service::Market, service.run(stop));
    Ok(())
}

fn inventory(
    config: &Config,
    core: &Core,
    public_key: Option<String>,
    parts: &mut Parts,
) -> Result<(), Failure> {
    let clock = Arc::clone(&core.clock);
    let verifier = NearVerifier::new(&config.verifier, clock).map_err(|error| misconfigured(&error))?;
    let service = InventoryReader {
        verifier: Arc::new(verifier),
        account_id: core.account_id.clone(),
        tokens: config.pair.tokens().cloned().collect(),
        public_key,
        ledger: ledger(core, streams::inventory(&core.account_id))?,
        account: Arc::clone(&core.account),
        clock: Arc::clone(&core.clock),
        board: Arc::clone(&core.board),
        refresh: Arc::clone(&core.bells.inventory),
        every: Duration::from_millis(config.verifier_poll_ms),
    };
    let stop = parts.stop();
    parts.spawn_service(Service::Inventory, service.run(stop));
    Ok(())
}

/// One connection for both directions: what is read must be subscribed to, what is offered goes out on it.
fn relay(
    config: &Config,
    core: &Core,
    roles: &Roles,
    key: Result<SigningKey, KeyError>,
) -> Result<(RelayVenue, RelayStream), Failure> {
    let mut options = config.relay.clone();
    options.token = match &config.relay_token {
        Some(source) => Some(BearerToken::load(source).map_err(|error| misconfigured(&error))?),
        None => None,
    };
    if !roles.has(Role::Ingest) {
        options.streams.quotes = false;
        options.streams.settlements = false;
        options.streams.settlements_extended = false;
    }
    stele_intents::relay::connect(options, key, Arc::clone(&core.clock))
        .map_err(|error| misconfigured(&error))
}

fn ingest(config: &Config, core: &Core, feed: RelayStream, parts: &mut Parts) -> Result<(), Failure> {
    let service = Ingest {
        feed: Box::new(feed),
        pair: config.pair.clone(),
        intake: ledger(core, streams::quote(&config.pair.id))?,
        relay: ledger(core, streams::relay())?,
        filter: Arc::clone(&core.filter),
        account: Arc::clone(&core.account),
        clock: Arc::clone(&core.clock),
        board: Arc::clone(&core.board),
        default_window_ms: config.default_window_ms,
    };
    let stop = parts.stop();
    parts.spawn_service(Service::Ingest, service.run(stop));
    Ok(())
}

/// The executor's own connection: nobody else reads what comes in there.
fn replies(core: &Core, feed: RelayStream, parts: &mut Parts) -> Result<(), Failure> {
    let service = Replies { feed: Box::new(feed), relay: ledger(core, streams::relay())? };
    let stop = parts.stop();
    parts.spawn("the replies to offers", async move { Ok(service.run(stop).await?) });
    Ok(())
}

fn executor(config: &Config, core: &Core, venue: RelayVenue, health: &Health, parts: &mut Parts) {
    let (standing, seen) = watch::channel(Standing::Starting);
    let service = Executor {
        log: Arc::clone(&core.log),
        account: Arc::clone(&core.account),
        account_id: core.account_id.clone(),
        pair: config.pair.clone(),
        venue: Arc::new(venue),
        fence: core.fence.clone(),
        board: Arc::clone(&core.board),
        clock: Arc::clone(&core.clock),
        refresh_inventory: Arc::clone(&core.bells.inventory),
        standing,
        options: config.executor.clone(),
    };
    let stop = parts.stop();
    parts.spawn_service(Service::Executor, service.run(stop));
    tell_standing(health.clone(), seen, parts);
}

/// Keeps the executor's health as it says that it stands, until it ends.
fn tell_standing(health: Health, mut seen: watch::Receiver<Standing>, parts: &mut Parts) {
    let mut stop = parts.stop();
    parts.spawn("the standing of the executor", async move {
        loop {
            match &*seen.borrow_and_update() {
                Standing::Starting => health.leads(Service::Executor, false),
                Standing::Leading { .. } => health.leads(Service::Executor, true),
                Standing::Standby { holder, until } => {
                    let why = format!("standby: {holder} holds the signing lease until {until}");
                    health.waits(Service::Executor, why);
                }
            }
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                changed = seen.changed() => if changed.is_err() {
                    stop.requested().await;
                    return Ok(());
                },
            }
        }
    });
}

/// Where it looks at the tables by itself it begins when they were seen to be kept.
fn strategy(
    config: &Config,
    core: &Core,
    start: u64,
    tables: Option<watch::Receiver<Tables>>,
    parts: &mut Parts,
) -> Result<(), Failure> {
    let service = StrategyReactor {
        log: Arc::clone(&core.log),
        ledger: ledger(core, streams::strategy(&config.pair.id))?,
        account: Arc::clone(&core.account),
        pair: config.pair.clone(),
        decimals: config.decimals,
        pricing: config.pricing,
        finality_lag_ms: config.finality_lag_ms,
        start,
        streams: core.streams.clone(),
        clock: Arc::clone(&core.clock),
    };
    let stop = parts.stop();
    let mut waiting = parts.stop();
    parts.spawn_service(Service::Strategy, async move {
        if let Some(mut tables) = tables {
            tokio::select! {
                biased;
                () = waiting.requested() => return Ok(()),
                () = strict::kept(&mut tables) => {}
            }
        }
        service.run(stop).await
    });
    Ok(())
}

fn alerts(config: &Config, core: &Core, parts: &mut Parts) -> Result<(), Failure> {
    let relay = streams::relay().map_err(|error| Failure::error(&error))?;
    let service = AlertWatch {
        log: Arc::clone(&core.log),
        watched: vec![core.streams.price.clone(), relay, core.streams.inventory.clone()],
        clock: Arc::clone(&core.clock),
        inventory_age_ms_max: config.limits.inventory_age_ms_max,
    };
    let stop = parts.stop();
    parts.spawn("alerts", async move { Ok(service.run(stop).await?) });
    Ok(())
}

fn snapshots(config: &Config, core: &Core, parts: &mut Parts) -> Result<(), Failure> {
    let (clock, pair) = (Arc::clone(&core.clock), &config.pair.id);
    let keeper =
        Snapshots::new(&core.log, clock, &core.account_id, pair).map_err(|error| Failure::error(&error))?;
    let stop = parts.stop();
    parts.spawn("snapshots", async move { Ok(keeper.run(stop).await?) });
    Ok(())
}

fn ledger<D>(
    core: &Core,
    stream: Result<stele_domain::port::event_log::StreamId, InvalidStream>,
) -> Result<Arc<Ledger<D>>, Failure>
where
    D: stele_commands::aggregate::Aggregate,
    D::State: Clone + Send + Sync,
    D::Event: Clone + Send + Sync,
    D::Command: Clone + Send,
    D::Rejection: Send,
{
    let stream = stream.map_err(|error| Failure::usage(format!("configuration: {error}")))?;
    Ok(Arc::new(Ledger::new(Arc::clone(&core.log), stream)))
}

/// What no later attempt could heal.
fn misconfigured(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::usage(format!("configuration: {}", chain(error)))
}
