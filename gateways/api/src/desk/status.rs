//! The desk on one page, and one quote's whole story.

use crate::api::Api;
use crate::dto::{LogStatus, Status, Trace};
use crate::problem::Problem;
use crate::reading::Reading;
use crate::translate;
use crate::translate::status::{Seen, projections};
use stele_domain::operations::service::event::Service;
use stele_domain::operations::service::state::State as Lifecycle;
use stele_domain::port::read_store::ScanQuery;
use stele_projections::read::{ReadError, Reader};
use stele_projections::runner::Handle;

/// Longest id that is looked for, in bytes.
const ID_BYTES_MAX: usize = 256;

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
    reading.ready(api, None).await?;
    let found = stele_projections::trace::trace(&*api.store, id).await.map_err(unread)?;
    let Some(found) = found else {
        let detail = format!(
            "no table knows {id:?}: give a quote id, decision id, command id, quote hash or transaction; \
             what is older than the tables keep is still in the log"
        );
        return Err(Problem::not_found("unknown-id", detail));
    };
    let head = api.log.head().await?.0;
    translate::trace::trace(&found, head)
}

pub(crate) async fn status(api: &Api, reading: Reading) -> Result<Status, Problem> {
    reading.ready(api, None).await?;
    let head = api.log.head().await;
    let seen = look(api).await?;
    let as_of = seen.summary.as_of.0;
    let reachable = head.is_ok();
    let head = head.map_or(as_of, |head| head.0).max(as_of);
    Ok(Status {
        at: seen.now,
        version: api.build.version.clone(),
        instance: api.build.instance.clone(),
        services: seen.services(),
        prices: seen.prices(),
        inventory: seen.holdings(),
        relays: seen.relays(),
        alerts: seen.alerts(),
        counters: seen.counters(),
        log: LogStatus { head, reachable },
        projections: seen.projections,
        account: seen.account,
        as_of,
        head,
    })
}

async fn look(api: &Api) -> Result<Seen, Problem> {
    let now = api.clock.now();
    let state = api.control.account().await;
    let state = state.map_err(|refused| Problem::unavailable("desk-unavailable", refused.to_string()))?;
    let stream = api.control.account.stream().as_str();
    let account = translate::account::account(stream, &state, now);
    let limits = state.limits_at(now).map(|set| set.limits.clone());
    let summary = stele_projections::status::summary(&*api.store).await.map_err(unread)?;
    let mut reader = Reader::new(&*api.store);
    let newest = ScanQuery::newest(1);
    let mut prices = vec![];
    for pair in &api.control.pairs {
        let of_pair = newest.clone().filter("pair", pair.id.as_str());
        prices.push((pair.id.clone(), reader.scan(&of_pair).await.map_err(unread)?.pop()));
    }
    Ok(Seen {
        now,
        limits,
        account,
        services: lifecycles(api).await?,
        health: (api.health)(),
        summary,
        prices,
        last_inventory: reader.scan(&newest).await.map_err(unread)?.pop(),
        last_incident: reader.scan(&newest).await.map_err(unread)?.pop(),
        last_quote: reader.scan(&newest).await.map_err(unread)?.pop(),
        last_step: reader.scan(&newest).await.map_err(unread)?.pop(),
        projections: projections(api.projections.as_ref().map(Handle::status)),
    })
}

async fn lifecycles(api: &Api) -> Result<Vec<(Service, Lifecycle)>, Problem> {
    let mut services = vec![];
    for service in Service::ALL {
        let Some(switch) = api.control.board.switch(service) else { continue };
        let state = switch.look(Lifecycle::clone).await;
        let state = state.map_err(|failure| Problem::unavailable("desk-unavailable", failure.to_string()))?;
        services.push((service, state));
    }
    Ok(services)
}
