//! Samples of the operations context.

use super::at;
use crate::event::Event;
use crate::ids::{CommandId, derived};
use crate::operations::alert::event::{self as alert, AlertCleared, AlertRaised, Kind};
use crate::operations::attempt::CommandRefused;
use crate::operations::event::Event as Context;
use crate::operations::parking::event::{self as parking, EventParked, ParkedRetried, ParkedSkipped};
use crate::operations::service::event::{
    self as service, RefreshAsked, Service, ServiceDrained, ServiceDraining, ServicePaused, ServiceResumed,
    ServiceStarted,
};
use crate::operations::tiering::event::{self as tiering, PartitionRestored, PartitionTiered, Span};
use crate::port::event_log::Position;

pub(super) fn samples() -> Vec<Event> {
    let mut samples = vec![];
    samples.extend(service().map(|event| Event::Operations(Context::Service(event))));
    samples.extend(alert().map(|event| Event::Operations(Context::Alert(event))));
    samples.extend(parking().map(|event| Event::Operations(Context::Parking(event))));
    samples.push(Event::Operations(Context::CommandRefused(CommandRefused {
        command_id: CommandId(derived("sample", &["arm"])),
        action: "arm".to_owned(),
        code: "no_limits".to_owned(),
        detail: "no limits are in force: set them first (stele limits set)".to_owned(),
        reason: "start of the trading day".to_owned(),
        at: at(700),
    })));
    samples.extend(tiering().map(|event| Event::Operations(Context::Tiering(event))));
    samples
}

fn parking() -> [parking::Event; 3] {
    let (projection, version, position) = ("quotes".to_owned(), 1, Position(41));
    [
        parking::Event::EventParked(EventParked {
            projection: projection.clone(),
            version,
            position,
            event_type: "intents.QuoteReceived".to_owned(),
            reason: "table quotes: a check of the table refuses the row".to_owned(),
            attempt: 1,
            at: at(50_000),
        }),
        parking::Event::ParkedRetried(ParkedRetried {
            projection: projection.clone(),
            version,
            position,
            reason: "the check was taken away".to_owned(),
            at: at(60_000),
        }),
        parking::Event::ParkedSkipped(ParkedSkipped {
            projection,
            version,
            position,
            reason: "a request that was made up to test us".to_owned(),
            at: at(65_000),
        }),
    ]
}

fn tiering() -> [tiering::Event; 2] {
    let span =
        Span { table: "quotes".to_owned(), version: 1, from_position: 10_000_000, to_position: 20_000_000 };
    let (rows, digest) = (2_417_316, "5d".repeat(32));
    [
        tiering::Event::PartitionTiered(PartitionTiered {
            span: span.clone(),
            rows,
            digest: digest.clone(),
            lake: "s3://desk-lake/prod".to_owned(),
            files: 24,
            bytes: 310_447_211,
            manifest: "history/manifests/quotes.v1-00000000000010000000-0123456789abcdef.json".to_owned(),
            manifest_hash: "01".repeat(32),
            at: at(120_000),
        }),
        tiering::Event::PartitionRestored(PartitionRestored {
            span,
            rows,
            digest,
            held_until: at(604_800_000),
            at: at(180_000),
        }),
    ]
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
