//! From an event to its name and its bytes. Each event has one line here, whatever is asked of it.

use super::CodecError;
use crate::access::{self, keyring};
use crate::event::Event;
use crate::intents::{self, filter, intake, relay};
use crate::market::{self, reference};
use crate::operations::{self, alert, parking, service, tiering};
use crate::trading::{self, account, strategy};
use crate::treasury::{self, inventory};
use serde::Serialize;

/// What is asked of an event: the same for all of them.
pub(super) trait Ask {
    type Answer;

    /// Answers for a fact that is stored under `name`.
    fn answer<F: Serialize>(&self, name: &'static str, fact: &F) -> Self::Answer;
}

/// Asks for the type name.
pub(super) struct Name;

/// Asks for the bytes.
pub(super) struct Json;

impl Ask for Name {
    type Answer = &'static str;

    fn answer<F: Serialize>(&self, name: &'static str, _: &F) -> &'static str {
        name
    }
}

impl Ask for Json {
    type Answer = Result<Vec<u8>, CodecError>;

    fn answer<F: Serialize>(&self, name: &'static str, fact: &F) -> Self::Answer {
        serde_json::to_vec(fact).map_err(|source| CodecError::Unwritable { what: name, source })
    }
}

/// Asks an event.
pub(super) fn visit<A: Ask>(event: &Event, ask: &A) -> A::Answer {
    match event {
        Event::Market(market::event::Event::Reference(event)) => of_reference(event, ask),
        Event::Intents(intents::event::Event::Intake(event)) => of_intake(event, ask),
        Event::Intents(intents::event::Event::Filter(event)) => of_filter(event, ask),
        Event::Intents(intents::event::Event::Relay(event)) => of_relay(event, ask),
        Event::Treasury(treasury::event::Event::Inventory(event)) => of_inventory(event, ask),
        Event::Trading(trading::event::Event::Account(event)) => of_account(event, ask),
        Event::Trading(trading::event::Event::Strategy(event)) => of_strategy(event, ask),
        Event::Operations(operations::event::Event::Service(event)) => of_service(event, ask),
        Event::Operations(operations::event::Event::Alert(event)) => of_alert(event, ask),
        Event::Operations(operations::event::Event::Parking(event)) => of_parking(event, ask),
        Event::Operations(operations::event::Event::CommandRefused(fact)) => {
            ask.answer("operations.CommandRefused", fact)
        }
        Event::Operations(operations::event::Event::Tiering(event)) => of_tiering(event, ask),
        Event::Access(event) => of_access(event, ask),
    }
}

fn of_reference<A: Ask>(event: &reference::event::Event, ask: &A) -> A::Answer {
    use reference::event::Event;
    match event {
        Event::PriceObserved(fact) => ask.answer("market.PriceObserved", fact),
        Event::SourceStateChanged(fact) => ask.answer("market.SourceStateChanged", fact),
        Event::ReferencePriced(fact) => ask.answer("market.ReferencePriced", fact),
    }
}

fn of_intake<A: Ask>(event: &intake::event::Event, ask: &A) -> A::Answer {
    use intake::event::Event;
    match event {
        Event::QuoteReceived(fact) => ask.answer("intents.QuoteReceived", fact),
        Event::DemandNormalised(fact) => ask.answer("intents.DemandNormalised", fact),
        Event::RequestRejected(fact) => ask.answer("intents.RequestRejected", fact),
        Event::DuplicateReceived(fact) => ask.answer("intents.DuplicateReceived", fact),
    }
}

fn of_filter<A: Ask>(event: &filter::event::Event, ask: &A) -> A::Answer {
    use filter::event::Event;
    match event {
        Event::FilterSet(fact) => ask.answer("intents.FilterSet", fact),
        Event::FilterReset(fact) => ask.answer("intents.FilterReset", fact),
    }
}

fn of_relay<A: Ask>(event: &relay::event::Event, ask: &A) -> A::Answer {
    use relay::event::Event;
    match event {
        Event::RelayConnected(fact) => ask.answer("intents.RelayConnected", fact),
        Event::RelayDisconnected(fact) => ask.answer("intents.RelayDisconnected", fact),
        Event::FrameRejected(fact) => ask.answer("intents.FrameRejected", fact),
        Event::SettlementReported(fact) => ask.answer("intents.SettlementReported", fact),
        Event::ReplyReported(fact) => ask.answer("intents.ReplyReported", fact),
    }
}

fn of_inventory<A: Ask>(event: &inventory::event::Event, ask: &A) -> A::Answer {
    use inventory::event::Event;
    match event {
        Event::BalancesObserved(fact) => ask.answer("treasury.BalancesObserved", fact),
        Event::DriftDetected(fact) => ask.answer("treasury.DriftDetected", fact),
        Event::InventoryUnavailable(fact) => ask.answer("treasury.InventoryUnavailable", fact),
    }
}

fn of_account<A: Ask>(event: &account::event::Event, ask: &A) -> A::Answer {
    use account::event::Event;
    match event {
        Event::LeaseTaken(fact) => ask.answer("trading.LeaseTaken", fact),
        Event::LeaseRenewed(fact) => ask.answer("trading.LeaseRenewed", fact),
        Event::LimitsSet(fact) => ask.answer("trading.LimitsSet", fact),
        Event::Armed(fact) => ask.answer("trading.Armed", fact),
        Event::ArmRequested(fact) => ask.answer("trading.ArmRequested", fact),
        Event::ArmApproved(fact) => ask.answer("trading.ArmApproved", fact),
        Event::Disarmed(fact) => ask.answer("trading.Disarmed", fact),
        Event::Killed(fact) => ask.answer("trading.Killed", fact),
        Event::KillConfirmed(fact) => ask.answer("trading.KillConfirmed", fact),
        Event::StandDownAsked(fact) => ask.answer("trading.StandDownAsked", fact),
        Event::ExecutionRefused(fact) => ask.answer("trading.ExecutionRefused", fact),
        Event::ExecutionExpired(fact) => ask.answer("trading.ExecutionExpired", fact),
        Event::SubmissionStarted(fact) => ask.answer("trading.SubmissionStarted", fact),
        Event::SubmissionAbandoned(fact) => ask.answer("trading.SubmissionAbandoned", fact),
        Event::SubmissionAccepted(fact) => ask.answer("trading.SubmissionAccepted", fact),
        Event::SubmissionRejected(fact) => ask.answer("trading.SubmissionRejected", fact),
        Event::SubmissionUncertain(fact) => ask.answer("trading.SubmissionUncertain", fact),
        Event::ReplyContradicted(fact) => ask.answer("trading.ReplyContradicted", fact),
        Event::SubmissionSettled(fact) => ask.answer("trading.SubmissionSettled", fact),
        Event::SubmissionSettleFailed(fact) => ask.answer("trading.SubmissionSettleFailed", fact),
        Event::SubmissionExpiredUnfilled(fact) => ask.answer("trading.SubmissionExpiredUnfilled", fact),
        Event::ReservationReleased(fact) => ask.answer("trading.ReservationReleased", fact),
    }
}

fn of_strategy<A: Ask>(event: &strategy::event::Event, ask: &A) -> A::Answer {
    use strategy::event::Event;
    match event {
        Event::Decided(fact) => ask.answer("trading.Decided", fact),
        Event::ExecutionCommanded(fact) => ask.answer("trading.ExecutionCommanded", fact),
    }
}

fn of_service<A: Ask>(event: &service::event::Event, ask: &A) -> A::Answer {
    use service::event::Event;
    match event {
        Event::ServiceStarted(fact) => ask.answer("operations.ServiceStarted", fact),
        Event::ServicePaused(fact) => ask.answer("operations.ServicePaused", fact),
        Event::ServiceResumed(fact) => ask.answer("operations.ServiceResumed", fact),
        Event::ServiceDraining(fact) => ask.answer("operations.ServiceDraining", fact),
        Event::ServiceDrained(fact) => ask.answer("operations.ServiceDrained", fact),
        Event::RefreshAsked(fact) => ask.answer("operations.RefreshAsked", fact),
    }
}

fn of_alert<A: Ask>(event: &alert::event::Event, ask: &A) -> A::Answer {
    use alert::event::Event;
    match event {
        Event::AlertRaised(fact) => ask.answer("operations.AlertRaised", fact),
        Event::AlertCleared(fact) => ask.answer("operations.AlertCleared", fact),
    }
}

fn of_parking<A: Ask>(event: &parking::event::Event, ask: &A) -> A::Answer {
    use parking::event::Event;
    match event {
        Event::EventParked(fact) => ask.answer("operations.EventParked", fact),
        Event::ParkedRetried(fact) => ask.answer("operations.ParkedRetried", fact),
        Event::ParkedSkipped(fact) => ask.answer("operations.ParkedSkipped", fact),
    }
}

fn of_tiering<A: Ask>(event: &tiering::event::Event, ask: &A) -> A::Answer {
    use tiering::event::Event;
    match event {
        Event::PartitionTiered(fact) => ask.answer("operations.PartitionTiered", fact),
        Event::PartitionRestored(fact) => ask.answer("operations.PartitionRestored", fact),
    }
}

fn of_access<A: Ask>(event: &access::event::Event, ask: &A) -> A::Answer {
    use access::event::Event;
    match event {
        Event::Keyring(keyring::event::Event::KeyCreated(fact)) => ask.answer("access.KeyCreated", fact),
        Event::Keyring(keyring::event::Event::KeyRevoked(fact)) => ask.answer("access.KeyRevoked", fact),
        Event::Attempted(fact) => ask.answer("access.Attempted", fact),
        Event::StrangersRefused(fact) => ask.answer("access.StrangersRefused", fact),
        Event::AttemptsUnkept(fact) => ask.answer("access.AttemptsUnkept", fact),
    }
}
