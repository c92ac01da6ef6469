//! Samples of the operations context.

use super::at;
use crate::event::Event;
use crate::ids::{CommandId, derived};
use crate::operations::alert::event::{self as alert, AlertCleared, AlertRaised, Kind};
use crate::operations::attempt::CommandRefused;
use crate::operations::event::Event as Context;
use crate::operations::service::event::{
    self as service, RefreshAsked, Service, ServiceDrained, ServiceDraining, ServicePaused, ServiceResumed,
    ServiceStarted,
};

pub(super) fn samples() -> Vec<Event> {
    let mut samples = vec![];
    samples.extend(service().map(|event| Event::Operations(Context::Service(event))));
    samples.extend(alert().map(|event| Event::Operations(Context::Alert(event))));
    samples.push(Event::Operations(Context::CommandRefused(CommandRefused {
        command_id: CommandId(derived("sample", &["arm"])),
        action: "arm".to_owned(),
        code: "no_limits".to_owned(),
        detail: "no limits are in force: set them first (stele limits set)".to_owned(),
        reason: "start of the trading day".to_owned(),
        at: at(700),
    })));
    samples
}

fn service() -> [service::Event; 6] {
    let service = Service::Strategy;
    [
        service::Event::ServiceStarted(ServiceStarted {
            service,
            version: "0.1.0".to_owned(),
            instance: "desk-1".to_owned(),
            // The stored form of version 1 was fixed before starts were counted.
            start: 0,
            at: at(1),
        }),
        service::Event::ServicePaused(ServicePaused {
            service,
            reason: "the spread looks wrong, comparing by hand".to_owned(),
            at: at(10_000),
        }),
        service::Event::ServiceResumed(ServiceResumed {
            service,
            reason: "it was a large order on the book".to_owned(),
            at: at(70_000),
        }),
        service::Event::ServiceDraining(ServiceDraining {
            service,
            reason: "SIGTERM".to_owned(),
            at: at(90_000),
        }),
        service::Event::ServiceDrained(ServiceDrained { service, at: at(90_250) }),
        service::Event::RefreshAsked(RefreshAsked {
            service: Service::Inventory,
            reason: "a deposit came in".to_owned(),
            at: at(95_000),
        }),
    ]
}

fn alert() -> [alert::Event; 2] {
    let kind = Kind::PriceBlocked;
    [
        alert::Event::AlertRaised(AlertRaised {
            kind,
            detail: "btc-eure has had no usable reference price for 10 s: price_stale".to_owned(),
            cause: None,
            at: at(30_000),
        }),
        alert::Event::AlertCleared(AlertCleared {
            kind,
            detail: "btc-eure is priced by kraken again".to_owned(),
            at: at(34_500),
        }),
    ]
}
