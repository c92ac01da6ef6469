//! What the one command path needs to know of an aggregate: how its events join the sum of all events.

use stele_domain::decider::Decider;
use stele_domain::event::Event;
use stele_domain::{access, intents, market, operations, trading, treasury};

/// An aggregate that is kept in a stream.
pub trait Aggregate: Decider + Send + Sync + 'static {
    /// Its name in spans and metrics.
    const NAME: &'static str;

    /// How many of the newest records of its stream say all that its state holds; `None` when all are needed.
    const HISTORY_MAX: Option<u64> = None;

    /// As one of all events.
    fn wrap(event: Self::Event) -> Event;

    /// Back; `None` for another aggregate's event.
    fn unwrap(event: Event) -> Option<Self::Event>;
}

impl Aggregate for trading::account::Account {
    const NAME: &'static str = "account";

    fn wrap(event: Self::Event) -> Event {
        Event::Trading(trading::event::Event::Account(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Trading(trading::event::Event::Account(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for trading::strategy::Strategy {
    const NAME: &'static str = "strategy";
    // A decision and a command at most for each quote that it remembers.
    const HISTORY_MAX: Option<u64> = Some(2 * trading::strategy::state::RECENT_MAX as u64);

    fn wrap(event: Self::Event) -> Event {
        Event::Trading(trading::event::Event::Strategy(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Trading(trading::event::Event::Strategy(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for market::reference::Reference {
    const NAME: &'static str = "reference";

    fn wrap(event: Self::Event) -> Event {
        Event::Market(market::event::Event::Reference(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Market(market::event::Event::Reference(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for intents::intake::Intake {
    const NAME: &'static str = "intake";
    // Two events for each quote that it remembers; a repeat in between pushes an older one out, no more.
    const HISTORY_MAX: Option<u64> = Some(2 * intents::intake::state::RECENT_QUOTES_MAX as u64);

    fn wrap(event: Self::Event) -> Event {
        Event::Intents(intents::event::Event::Intake(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Intents(intents::event::Event::Intake(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for intents::filter::Filter {
    const NAME: &'static str = "filter";

    fn wrap(event: Self::Event) -> Event {
        Event::Intents(intents::event::Event::Filter(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Intents(intents::event::Event::Filter(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for intents::relay::Relay {
    const NAME: &'static str = "relay";

    fn wrap(event: Self::Event) -> Event {
        Event::Intents(intents::event::Event::Relay(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Intents(intents::event::Event::Relay(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for treasury::inventory::Inventory {
    const NAME: &'static str = "inventory";

    fn wrap(event: Self::Event) -> Event {
        Event::Treasury(treasury::event::Event::Inventory(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Treasury(treasury::event::Event::Inventory(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for operations::service::Lifecycle {
    const NAME: &'static str = "service";

    fn wrap(event: Self::Event) -> Event {
        Event::Operations(operations::event::Event::Service(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Operations(operations::event::Event::Service(event)) = event {
            Some(event)
        } else {
            None
        }
    }
}

impl Aggregate for operations::alert::Alert {
    const NAME: &'static str = "alert";

    fn wrap(event: Self::Event) -> Event {
        Event::Operations(operations::event::Event::Alert(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Operations(operations::event::Event::Alert(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for access::keyring::Keyring {
    const NAME: &'static str = "keyring";

    fn wrap(event: Self::Event) -> Event {
        Event::Access(access::event::Event::Keyring(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Access(access::event::Event::Keyring(event)) = event { Some(event) } else { None }
    }
}
