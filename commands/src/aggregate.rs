//! What the one command path needs to know of an aggregate: how its events join the sum of all events.

use serde::Serialize;
use serde::de::DeserializeOwned;
use stele_domain::codec;
use stele_domain::decider::{Decider, WrittenDown};
use stele_domain::event::Event;
use stele_domain::{access, intents, market, operations, trading, treasury};

/// An aggregate that is kept in a stream.
pub trait Aggregate: Decider + Send + Sync + 'static {
    /// Its name in spans and metrics.
    const NAME: &'static str;

    /// How many of the newest records of its stream say all that its state holds; `None` when all are needed.
    const HISTORY_MAX: Option<u64> = None;

    /// How its state is written down beside its stream; `None` when it is not. For streams that grow for ever and whose
    /// state does not follow from their newest records alone.
    const SNAPSHOT: Option<Form<Self::State>> = None;

    /// As one of all events.
    fn wrap(event: Self::Event) -> Event;

    /// Back; `None` for another aggregate's event.
    fn unwrap(event: Event) -> Option<Self::Event>;
}

/// How a state is written down and read again.
pub struct Form<S> {
    sources: &'static [&'static str],
    pub(crate) write: fn(&S) -> Result<String, serde_json::Error>,
    pub(crate) read: fn(&str) -> Result<S, serde_json::Error>,
}

impl<S: Serialize + DeserializeOwned> Form<S> {
    const fn of<D: WrittenDown<State = S>>() -> Self {
        Self {
            sources: D::SOURCES,
            write: |state| serde_json::to_string(state),
            read: |text| serde_json::from_str(text),
        }
    }
}

impl<S> Form<S> {
    /// Names the form: builds with the same name lead the same stream to the same state, and write it in the same way.
    pub(crate) fn name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&codec::SCHEMA_VERSION.to_be_bytes());
        for source in self.sources {
            // Each by itself, so that nothing can move from one file to the next unseen.
            hasher.update(blake3::hash(source.as_bytes()).as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl Aggregate for trading::account::Account {
    const NAME: &'static str = "account";
    const SNAPSHOT: Option<Form<Self::State>> = Some(Form::of::<Self>());

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
    const SNAPSHOT: Option<Form<Self::State>> = Some(Form::of::<Self>());

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
    const SNAPSHOT: Option<Form<Self::State>> = Some(Form::of::<Self>());

    fn wrap(event: Self::Event) -> Event {
        Event::Intents(intents::event::Event::Relay(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Intents(intents::event::Event::Relay(event)) = event { Some(event) } else { None }
    }
}

impl Aggregate for treasury::inventory::Inventory {
    const NAME: &'static str = "inventory";
    const SNAPSHOT: Option<Form<Self::State>> = Some(Form::of::<Self>());

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

impl Aggregate for operations::parking::Parking {
    const NAME: &'static str = "parking";

    fn wrap(event: Self::Event) -> Event {
        Event::Operations(operations::event::Event::Parking(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Operations(operations::event::Event::Parking(event)) = event {
            Some(event)
        } else {
            None
        }
    }
}

impl Aggregate for operations::tiering::Tiering {
    const NAME: &'static str = "tiering";

    fn wrap(event: Self::Event) -> Event {
        Event::Operations(operations::event::Event::Tiering(event))
    }

    fn unwrap(event: Event) -> Option<Self::Event> {
        if let Event::Operations(operations::event::Event::Tiering(event)) = event {
            Some(event)
        } else {
            None
        }
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
