//! From a type name and bytes to an event.

use crate::access::{self, keyring};
use crate::event::Event;
use crate::intents::{self, filter, intake, relay};
use crate::market::{self, reference};
use crate::operations::{self, alert, parking, service, tiering};
use crate::trading::{self, account, strategy};
use crate::treasury::{self, inventory};
use serde::de::DeserializeOwned;

/// Reads the bytes of one event type.
pub(super) type Reader = fn(&[u8]) -> Result<Event, serde_json::Error>;

/// What reads the bytes of this type; `None` for a type that is not Stele's.
pub(super) fn reader(event_type: &str) -> Option<Reader> {
    let (context, name) = event_type.split_once('.')?;
    match context {
        "market" => market_reader(name),
        "intents" => intents_reader(name),
        "treasury" => treasury_reader(name),
        "trading" => trading_reader(name),
        "operations" => operations_reader(name),
        "access" => access_reader(name),
        _ => None,
    }
}

/// Reads one fact and puts it where it belongs.
fn fact<F: DeserializeOwned>(
    data: &[u8],
    event: impl FnOnce(F) -> Event,
) -> Result<Event, serde_json::Error> {
    super::from_json(data).map(event)
}

fn market_reader(name: &str) -> Option<Reader> {
    Some(match name {
        "PriceObserved" => |data| fact(data, |f| of_reference(reference::event::Event::PriceObserved(f))),
        "SourceStateChanged" => {
            |data| fact(data, |f| of_reference(reference::event::Event::SourceStateChanged(f)))
        }
        "ReferencePriced" => |data| fact(data, |f| of_reference(reference::event::Event::ReferencePriced(f))),
        _ => return None,
    })
}

fn intents_reader(name: &str) -> Option<Reader> {
    Some(match name {
        "QuoteReceived" => |data| fact(data, |f| of_intake(intake::event::Event::QuoteReceived(f))),
        "DemandNormalised" => |data| fact(data, |f| of_intake(intake::event::Event::DemandNormalised(f))),
        "RequestRejected" => |data| fact(data, |f| of_intake(intake::event::Event::RequestRejected(f))),
        "DuplicateReceived" => |data| fact(data, |f| of_intake(intake::event::Event::DuplicateReceived(f))),
        "FilterSet" => |data| fact(data, |f| of_filter(filter::event::Event::FilterSet(f))),
        "FilterReset" => |data| fact(data, |f| of_filter(filter::event::Event::FilterReset(f))),
        "RelayConnected" => |data| fact(data, |f| of_relay(relay::event::Event::RelayConnected(f))),
        "RelayDisconnected" => |data| fact(data, |f| of_relay(relay::event::Event::RelayDisconnected(f))),
        "FrameRejected" => |data| fact(data, |f| of_relay(relay::event::Event::FrameRejected(f))),
        "SettlementReported" => |data| fact(data, |f| of_relay(relay::event::Event::SettlementReported(f))),
        "ReplyReported" => |data| fact(data, |f| of_relay(relay::event::Event::ReplyReported(f))),
        _ => return None,
    })
}

fn treasury_reader(name: &str) -> Option<Reader> {
    Some(match name {
        "BalancesObserved" => {
            |data| fact(data, |f| of_inventory(inventory::event::Event::BalancesObserved(f)))
        }
        "DriftDetected" => |data| fact(data, |f| of_inventory(inventory::event::Event::DriftDetected(f))),
        "InventoryUnavailable" => {
            |data| fact(data, |f| of_inventory(inventory::event::Event::InventoryUnavailable(f)))
        }
        _ => return None,
    })
}

fn trading_reader(name: &str) -> Option<Reader> {
    Some(match name {
        "LeaseTaken" => |data| fact(data, |f| of_account(account::event::Event::LeaseTaken(f))),
        "LeaseRenewed" => |data| fact(data, |f| of_account(account::event::Event::LeaseRenewed(f))),
        "LimitsSet" => |data| fact(data, |f| of_account(account::event::Event::LimitsSet(f))),
        "Armed" => |data| fact(data, |f| of_account(account::event::Event::Armed(f))),
        "ArmRequested" => |data| fact(data, |f| of_account(account::event::Event::ArmRequested(f))),
        "ArmApproved" => |data| fact(data, |f| of_account(account::event::Event::ArmApproved(f))),
        "Disarmed" => |data| fact(data, |f| of_account(account::event::Event::Disarmed(f))),
        "Killed" => |data| fact(data, |f| of_account(account::event::Event::Killed(f))),
        "KillConfirmed" => |data| fact(data, |f| of_account(account::event::Event::KillConfirmed(f))),
        "StandDownAsked" => |data| fact(data, |f| of_account(account::event::Event::StandDownAsked(f))),
        "ExecutionRefused" => |data| fact(data, |f| of_account(account::event::Event::ExecutionRefused(f))),
        "ExecutionExpired" => |data| fact(data, |f| of_account(account::event::Event::ExecutionExpired(f))),
        "SubmissionStarted" => |data| fact(data, |f| of_account(account::event::Event::SubmissionStarted(f))),
        "SubmissionAbandoned" => {
            |data| fact(data, |f| of_account(account::event::Event::SubmissionAbandoned(f)))
        }
        "SubmissionAccepted" => {
            |data| fact(data, |f| of_account(account::event::Event::SubmissionAccepted(f)))
        }
        "SubmissionRejected" => {
            |data| fact(data, |f| of_account(account::event::Event::SubmissionRejected(f)))
        }
        "SubmissionUncertain" => {
            |data| fact(data, |f| of_account(account::event::Event::SubmissionUncertain(f)))
        }
        "ReplyContradicted" => |data| fact(data, |f| of_account(account::event::Event::ReplyContradicted(f))),
        "SubmissionSettled" => |data| fact(data, |f| of_account(account::event::Event::SubmissionSettled(f))),
        "SubmissionSettleFailed" => {
            |data| fact(data, |f| of_account(account::event::Event::SubmissionSettleFailed(f)))
        }
        "SubmissionExpiredUnfilled" => {
            |data| fact(data, |f| of_account(account::event::Event::SubmissionExpiredUnfilled(f)))
        }
        "ReservationReleased" => {
            |data| fact(data, |f| of_account(account::event::Event::ReservationReleased(f)))
        }
        "Decided" => |data| fact(data, |f| of_strategy(strategy::event::Event::Decided(f))),
        "ExecutionCommanded" => {
            |data| fact(data, |f| of_strategy(strategy::event::Event::ExecutionCommanded(f)))
        }
        _ => return None,
    })
}

fn operations_reader(name: &str) -> Option<Reader> {
    Some(match name {
        "ServiceStarted" => |data| fact(data, |f| of_service(service::event::Event::ServiceStarted(f))),
        "ServicePaused" => |data| fact(data, |f| of_service(service::event::Event::ServicePaused(f))),
        "ServiceResumed" => |data| fact(data, |f| of_service(service::event::Event::ServiceResumed(f))),
        "ServiceDraining" => |data| fact(data, |f| of_service(service::event::Event::ServiceDraining(f))),
        "ServiceDrained" => |data| fact(data, |f| of_service(service::event::Event::ServiceDrained(f))),
        "RefreshAsked" => |data| fact(data, |f| of_service(service::event::Event::RefreshAsked(f))),
        "AlertRaised" => |data| fact(data, |f| of_alert(alert::event::Event::AlertRaised(f))),
        "AlertCleared" => |data| fact(data, |f| of_alert(alert::event::Event::AlertCleared(f))),
        "EventParked" => |data| fact(data, |f| of_parking(parking::event::Event::EventParked(f))),
        "ParkedRetried" => |data| fact(data, |f| of_parking(parking::event::Event::ParkedRetried(f))),
        "ParkedSkipped" => |data| fact(data, |f| of_parking(parking::event::Event::ParkedSkipped(f))),
        "CommandRefused" => {
            |data| fact(data, |f| Event::Operations(operations::event::Event::CommandRefused(f)))
        }
        "PartitionTiered" => |data| fact(data, |f| of_tiering(tiering::event::Event::PartitionTiered(f))),
        "PartitionRestored" => |data| fact(data, |f| of_tiering(tiering::event::Event::PartitionRestored(f))),
        _ => return None,
    })
}

fn access_reader(name: &str) -> Option<Reader> {
    Some(match name {
        "KeyCreated" => |data| fact(data, |f| of_keyring(keyring::event::Event::KeyCreated(f))),
        "KeyRevoked" => |data| fact(data, |f| of_keyring(keyring::event::Event::KeyRevoked(f))),
        "Attempted" => |data| fact(data, |f| Event::Access(access::event::Event::Attempted(f))),
        "StrangersRefused" => |data| fact(data, |f| Event::Access(access::event::Event::StrangersRefused(f))),
        "AttemptsUnkept" => |data| fact(data, |f| Event::Access(access::event::Event::AttemptsUnkept(f))),
        _ => return None,
    })
}

fn of_parking(event: parking::event::Event) -> Event {
    Event::Operations(operations::event::Event::Parking(event))
}

fn of_keyring(event: keyring::event::Event) -> Event {
    Event::Access(access::event::Event::Keyring(event))
}

fn of_reference(event: reference::event::Event) -> Event {
    Event::Market(market::event::Event::Reference(event))
}

fn of_intake(event: intake::event::Event) -> Event {
    Event::Intents(intents::event::Event::Intake(event))
}

fn of_filter(event: filter::event::Event) -> Event {
    Event::Intents(intents::event::Event::Filter(event))
}

fn of_relay(event: relay::event::Event) -> Event {
    Event::Intents(intents::event::Event::Relay(event))
}

fn of_inventory(event: inventory::event::Event) -> Event {
    Event::Treasury(treasury::event::Event::Inventory(event))
}

fn of_account(event: account::event::Event) -> Event {
    Event::Trading(trading::event::Event::Account(event))
}

fn of_strategy(event: strategy::event::Event) -> Event {
    Event::Trading(trading::event::Event::Strategy(event))
}

fn of_service(event: service::event::Event) -> Event {
    Event::Operations(operations::event::Event::Service(event))
}

fn of_tiering(event: tiering::event::Event) -> Event {
    Event::Operations(operations::event::Event::Tiering(event))
}

fn of_alert(event: alert::event::Event) -> Event {
    Event::Operations(operations::event::Event::Alert(event))
}
