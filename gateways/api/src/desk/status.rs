//! The desk on one page, and one quote's whole story.

use super::{alerts, past};
use crate::api::Api;
use crate::dto::{LogStatus, Status, Trace};
use crate::problem::Problem;
use crate::reading::Reading;
use crate::translate;
use crate::translate::status::{Seen, Tables, projections};
use std::time::Duration;
use stele_commands::control::Refused;
use stele_domain::operations::service::event::Service;
use stele_domain::operations::service::state::State as Lifecycle;
use stele_domain::port::read_store::ScanQuery;
use stele_projections::read::ReadError;
use stele_projections::runner::Handle;
use stele_projections::status::Glance;

/// Longest id that is looked for, in bytes.
const ID_BYTES_MAX: usize = 256;
/// Longest wait for the part of a status that comes from tables: a database that hangs hides nothing else.
const TABLES_WAIT_MAX: Duration = Duration::from_secs(5);

fn unread(error: ReadError) -> Problem {
    match error {
        ReadError::Store { source, .. } => Problem::from(source),
        ReadError::Row(error) => Problem::internal(error.to_string()),
    }
}

pub(crate) async fn trace(api: &Api, id: &str, reading: Reading) -> Result<Trace, Problem> {
    if id.len() > ID_BYTES_MAX {
        return Err(Problem::field("id", format!("longer than {ID_BYTES_MAX} bytes")));
    }
    let past = past::tables(api, reading, None, None).await?;
    let found = stele_projections::trace::trace(&*past.store, id).await.map_err(unread)?;
    let Some(found) = found else {
        let then = past.as_of.map(|position| format!(" as of position {position}")).unwrap_or_default();
        let detail = format!(
            "no table knows {id:?}{then}: give a quote id, decision id, command id, quote hash or transaction; \
             what is older than the tables keep is still in the log"
        );
        return Err(Problem::not_found("unknown-id", detail));
    };
    let head = api.log.head().await?.0;
    let story = translate::trace::trace(&found, head)?;
    Ok(Trace { as_of_time: past.time, ..story })
}

pub(crate) async fn status(api: &Api, reading: Reading) -> Result<Status, Problem> {
    if reading.as_of.is_some() {
        let why = "the page shows the desk as it is: what was stands in the tables and in a quote's story";
        return Err(Problem::field("freshness.as_of", why));
    }
    reading.ready(api, None).await?;
    let head = api.log.head().await;
    let seen = look(api).await?;
    let tables = seen.tables.as_ref().ok();
    let as_of = tables.map(|tables| tables.summary.as_of.0);
    let reachable = head.is_ok();
    let head = head.map_or(0, |head| head.0).max(as_of.unwrap_or(0));
    Ok(Status {
        at: seen.now,
        version: api.build.version.clone(),
        instance: api.build.instance.clone(),
        services: seen.services(),
        prices: tables.and_then(|tables| tables.prices(seen.now)),
        inventory: tables.and_then(|tables| tables.holdings(seen.now)),
        relays: tables.and_then(Tables::relays),
        counters: tables.and_then(Tables::counters),
        log: LogStatus { head, reachable },
        tables_unavailable: seen.tables_unavailable(),
        alerts: seen.alerts,
        projections: seen.projections,
        account: seen.account,
        as_of,
        head,
    })
}

/// What the page is made of. Only what stands in the log is needed; who asks while the tables are away is told the rest.
async fn look(api: &Api) -> Result<Seen, Problem> {
    let now = api.clock.now();
    let state = api.control.account().await;
    let state = state.map_err(|refused| Problem::unread(&refused))?;
    let stream = api.control.account.stream().as_str();
    let account = translate::account::account(stream, &state, now);
    let limits = state.limits_at(now).map(|set| set.limits.clone());
    let tables = match tokio::time::timeout(TABLES_WAIT_MAX, tables(api)).await {
        Ok(tables) => tables.map_err(|error| unread(error).detail().to_owned()),
        Err(_) => Err(format!("the tables did not answer within {} s", TABLES_WAIT_MAX.as_secs())),
    };
    Ok(Seen {
        now,
        limits,
        account,
        services: lifecycles(api).await?,
        health: (api.health)(),
        alerts: alerts::raised(api).await?,
        projections: projections(api.projections.as_ref().map(Handle::status)),
        tables,
    })
}

async fn tables(api: &Api) -> Result<Tables, ReadError> {
    let summary = stele_projections::status::summary(&*api.store).await?;
    let mut glance = Glance::at(&*api.store);
    let newest = ScanQuery::newest(1);
    let mut prices = vec![];
    for pair in &api.control.pairs {
        let of_pair = newest.clone().filter("pair", pair.id.as_str());
        prices.push((pair.id.clone(), glance.scan(&of_pair).await?.pop()));
    }
    let last_inventory = glance.scan(&newest).await?.pop();
    let last_incident = glance.scan(&newest).await?.pop();
    let last_quote = glance.scan(&newest).await?.pop();
    let last_step = glance.scan(&newest).await?.pop();
    let unread = summary.unread.clone().into_iter().chain(glance.unread()).collect();
    Ok(Tables { summary, prices, last_inventory, last_incident, last_quote, last_step, unread })
}

async fn lifecycles(api: &Api) -> Result<Vec<(Service, Lifecycle)>, Problem> {
    let mut services = vec![];
    for service in Service::ALL {
        let Some(switch) = api.control.board.switch(service) else { continue };
        let state = switch.look(Lifecycle::clone).await;
        let state = state.map_err(|failure| Problem::unread(&Refused::of(&failure)))?;
        services.push((service, state));
    }
    Ok(services)
}
