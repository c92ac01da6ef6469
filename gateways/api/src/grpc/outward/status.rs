//! The desk on one page.

use super::account::account;
use crate::dto;
use crate::grpc::words::{as_of, moment, moment_or_none};
use stele_domain::operations::service::event::Service;
use stele_proto::api::v1 as pb;

pub(crate) fn answer(status: &dto::Status) -> pb::GetStatusResponse {
    let read_up_to = status.as_of.unwrap_or(0);
    pb::GetStatusResponse { status: Some(page(status)), as_of: Some(as_of(read_up_to, status.head)) }
}

pub(crate) fn alerts(answer: &dto::AlertsAnswer) -> pb::ListAlertsResponse {
    pb::ListAlertsResponse {
        alerts: answer.alerts.iter().map(alert).collect(),
        as_of: Some(as_of(answer.as_of, answer.head)),
    }
}

fn page(status: &dto::Status) -> pb::Status {
    pb::Status {
        at: Some(moment(status.at)),
        version: status.version.clone(),
        instance: status.instance.clone(),
        account: Some(account(&status.account)),
        services: status.services.iter().map(service).collect(),
        prices: status.prices.iter().flatten().map(price).collect(),
        inventory: status.inventory.as_ref().map(inventory),
        relays: status.relays.iter().flatten().map(relay).collect(),
        alerts: status.alerts.iter().map(alert).collect(),
        counters: status.counters.as_ref().map(counters),
        projections: Some(projections(&status.projections)),
        log_reachable: status.log.reachable,
        tables_unavailable: status.tables_unavailable.clone(),
    }
}

/// The service that a message names; `None` for none.
pub(crate) fn service_named(service: pb::Service) -> Option<Service> {
    match service {
        pb::Service::Unspecified => None,
        pb::Service::Ingest => Some(Service::Ingest),
        pb::Service::Market => Some(Service::Market),
        pb::Service::Inventory => Some(Service::Inventory),
        pb::Service::Strategy => Some(Service::Strategy),
        pb::Service::Executor => Some(Service::Executor),
        pb::Service::Projections => Some(Service::Projections),
    }
}

/// A service by its name; unspecified for a name that this build does not know.
pub(crate) fn named_service(name: &str) -> pb::Service {
    match Service::ALL.into_iter().find(|service| service.name() == name) {
        None => pb::Service::Unspecified,
        Some(Service::Ingest) => pb::Service::Ingest,
        Some(Service::Market) => pb::Service::Market,
        Some(Service::Inventory) => pb::Service::Inventory,
        Some(Service::Strategy) => pb::Service::Strategy,
        Some(Service::Executor) => pb::Service::Executor,
        Some(Service::Projections) => pb::Service::Projections,
    }
}

fn service(service: &dto::ServiceStatus) -> pb::ServiceStatus {
    let state = match service.state {
        dto::ServiceState::NeverStarted => pb::ServiceState::NeverStarted,
        dto::ServiceState::Running => pb::ServiceState::Running,
        dto::ServiceState::Paused => pb::ServiceState::Paused,
        dto::ServiceState::Draining => pb::ServiceState::Draining,
        dto::ServiceState::Drained => pb::ServiceState::Drained,
    };
    let reads = match service.reads {
        dto::Reads::Authoritative => pb::Reads::Authoritative,
        dto::Reads::Stale => pb::Reads::Stale,
        dto::Reads::Nothing => pb::Reads::Nothing,
        dto::Reads::Unknown => pb::Reads::Unknown,
    };
    pb::ServiceStatus {
        service: named_service(&service.service).into(),
        state: state.into(),
        reason: service.reason.clone(),
        since: moment_or_none(service.since),
        version: service.version.clone(),
        instance: service.instance.clone(),
        runs_here: service.runs_here,
        input: service.input.clone(),
        reads: reads.into(),
        last_success_at: moment_or_none(service.last_success_at),
        blocked: service.blocked.clone(),
    }
}

fn price(price: &dto::Price) -> pb::Price {
    pb::Price {
        pair: price.pair.clone(),
        status: price.status.clone(),
        block: price.block.clone(),
        rate: price.rate.clone(),
        bid: price.bid.clone(),
        ask: price.ask.clone(),
        spread_bps: price.spread_bps,
        disagreement_bps: price.disagreement_bps,
        basis_mode: price.basis_mode.clone(),
        basis_rate: price.basis_rate.clone(),
        price_at: moment_or_none(price.price_at),
        age_ms: price.age_ms,
        priced_at: moment_or_none(price.priced_at),
        sources: price.sources.iter().map(source).collect(),
    }
}

fn source(source: &dto::PriceSource) -> pb::PriceSource {
    pb::PriceSource {
        source: source.source.clone(),
        link: source.link.clone(),
        healthy: source.healthy,
        reason: source.reason.clone(),
        bid: source.bid.clone(),
        ask: source.ask.clone(),
        received_at: moment_or_none(source.received_at),
        age_ms: source.age_ms,
    }
}

fn inventory(inventory: &dto::Inventory) -> pb::Inventory {
    pb::Inventory {
        balances: inventory.balances.iter().map(balance).collect(),
        height: inventory.height,
        observed_at: moment_or_none(inventory.observed_at),
        age_ms: inventory.age_ms,
        blocked: inventory.blocked.clone(),
    }
}

fn balance(balance: &dto::Balance) -> pb::Balance {
    pb::Balance {
        account: balance.account.clone(),
        token: balance.token.clone(),
        credited: balance.credited.clone(),
        reserved: balance.reserved.clone(),
        pending_in: balance.pending_in.clone(),
        pending_out: balance.pending_out.clone(),
    }
}

fn relay(relay: &dto::Relay) -> pb::Relay {
    pb::Relay {
        venue: relay.venue.clone(),
        connected: relay.connected,
        since: moment_or_none(relay.since),
        reason: relay.reason.clone(),
        pair_silent_since: moment_or_none(relay.pair_silent_since),
        connects: relay.connects,
        frames_rejected: relay.frames_rejected,
    }
}

fn alert(alert: &dto::Alert) -> pb::Alert {
    pb::Alert {
        kind: alert.kind.clone(),
        detail: alert.detail.clone(),
        raised_at: moment_or_none(alert.raised_at),
        waits_for_person: alert.waits_for_person,
    }
}

fn counters(counters: &dto::Counters) -> pb::Counters {
    pb::Counters {
        quotes: counters.quotes,
        decisions: counters.decisions,
        skipped: counters.skipped.clone(),
        commands: counters.commands,
        submissions: counters.submissions,
        results: counters.results.clone(),
        events: counters.events.clone(),
    }
}

fn projections(projections: &dto::Projections) -> pb::Projections {
    let of = |projection: &dto::Projection| pb::Projection {
        name: projection.name.clone(),
        version: projection.version,
        position: projection.position,
        lag_events: projection.lag_events,
        lag_ms: projection.lag_ms,
    };
    pb::Projections {
        state: projections.state.clone(),
        why: projections.why.clone(),
        heartbeat_at: moment_or_none(projections.heartbeat_at),
        parked: projections.parked,
        projections: projections.projections.iter().map(of).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{named_service, service_named};
    use stele_domain::operations::service::event::Service;

    #[test]
    fn every_service_has_its_number() {
        for service in Service::ALL {
            assert_eq!(service_named(named_service(service.name())), Some(service));
        }
    }
}
