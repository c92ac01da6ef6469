//! Every fact that Stele can state, and the envelope it is kept in.

use crate::access::Origin;
use crate::ids::{Actor, CommandId, CorrelationId, EventId};
use crate::port::event_log::{Position, Revision, StreamId};
use crate::time::Timestamp;
use crate::{access, intents, market, operations, trading, treasury};
use serde::{Deserialize, Serialize};

/// A fact of any context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Reference prices.
    Market(market::event::Event),
    /// The relay.
    Intents(intents::event::Event),
    /// Balances.
    Treasury(treasury::event::Event),
    /// Decisions and offers.
    Trading(trading::event::Event),
    /// Running the desk.
    Operations(operations::event::Event),
    /// Who may do what, and who tried.
    Access(access::event::Event),
}

/// What stands beside every event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The story it belongs to.
    pub correlation_id: CorrelationId,
    /// The event that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<EventId>,
    /// The command that led to it, and the digest of that command's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandMark>,
    /// Who.
    pub actor: Actor,
    /// Where a person's command came in; none for what a service of the desk does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Source time.
    pub occurred_at: Timestamp,
    /// Version of the event's form.
    pub schema: u32,
}

/// Which command wrote an event, so that its repetition can be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandMark {
    /// The command.
    pub command_id: CommandId,
    /// Digest of its body: the same id with another body is refused.
    pub digest: String,
}

/// Whether a number was never given: it is left out of what is stored, as in the forms of old builds.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference to whoever may skip a field")]
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Place in the log.
    pub position: Position,
    /// Stream it belongs to.
    pub stream: StreamId,
    /// Place in the stream.
    pub revision: Revision,
    /// Names the fact.
    pub event_id: EventId,
    /// The envelope.
    pub meta: Meta,
    /// When the log wrote it down.
    pub recorded_at: Timestamp,
    /// The fact.
    pub event: Event,
}
