//! A command with what is known of it besides its body, and what came of it.

use stele_domain::access::Origin;
use stele_domain::codec::CodecError;
use stele_domain::event::CommandMark;
use stele_domain::ids::{Actor, CommandId, CorrelationId, EventId};
use stele_domain::port::event_log::{LogError, Position, Revision, StreamId};
use stele_domain::time::Timestamp;

/// A command on its way to an aggregate.
#[derive(Debug, Clone)]
pub struct Envelope<C> {
    /// Names the wish. Its events' ids follow from it, so offering it twice is offering the same facts.
    pub command_id: CommandId,
    /// Digest of a person's request; the same id with another digest is refused. Reactors need none: their ids
    /// are derived from what they react to.
    pub digest: Option<String>,
    /// Who wishes.
    pub actor: Actor,
    /// Where a person's wish came in; none for a service's own.
    pub origin: Option<Origin>,
    /// The story it belongs to.
    pub correlation_id: CorrelationId,
    /// The event it reacts to.
    pub causation_id: Option<EventId>,
    /// Source time of what it reports, or the time of the wish.
    pub occurred_at: Timestamp,
    /// The wish.
    pub command: C,
}

impl<C> Envelope<C> {
    /// How its events are marked, for a person's command.
    pub(crate) fn mark(&self) -> Option<CommandMark> {
        let digest = self.digest.clone()?;
        Some(CommandMark { command_id: self.command_id, digest })
    }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<E> {
    /// These facts were recorded.
    Recorded {
        /// The facts.
        events: Vec<E>,
        /// Their ids, in the same order.
        ids: Vec<EventId>,
        /// Place of the first.
        first: Position,
        /// Place of the last: reading from here on sees them all.
        last: Position,
        /// Place of the last in its stream.
        revision: Revision,
    },
    /// It was already so; nothing was recorded.
    AlreadySo,
    /// The same command was carried out before; this is where.
    Repeated {
        /// Place of its last event.
        last: Position,
    },
}

impl<E> Outcome<E> {
    /// Where its first fact stands, when it wrote any.
    pub fn first(&self) -> Option<Position> {
        match self {
            Self::Recorded { first, .. } => Some(*first),
            Self::AlreadySo | Self::Repeated { .. } => None,
        }
    }

    /// Where the facts stand, when there are any.
    pub fn last(&self) -> Option<Position> {
        match self {
            Self::Recorded { last, .. } | Self::Repeated { last } => Some(*last),
            Self::AlreadySo => None,
        }
    }

    /// The facts that were recorded just now.
    pub fn events(&self) -> &[E] {
        match self {
            Self::Recorded { events, .. } => events,
            Self::AlreadySo | Self::Repeated { .. } => &[],
        }
    }
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure<R> {
    /// A rule said no.
    #[error("refused")]
    Rejected(R),
    /// The id was used before, for something else.
    #[error("command {0} was sent before with another body: use a new id for a new wish")]
    IdReused(CommandId),
    /// Others kept writing first.
    #[error("stream {0} moved {ATTEMPTS_MAX} times while deciding: try again")]
    Contended(StreamId),
    /// The log said no, or did not answer.
    #[error("the event log")]
    Log(#[from] LogError),
    /// The stream holds something that can't be read.
    #[error("an event of the stream can't be read or written")]
    Codec(#[from] CodecError),
    /// The stream holds another aggregate's event.
    #[error("stream {stream} holds an event at {position} that is not its own")]
    Foreign {
        /// The stream.
        stream: StreamId,
        /// Where.
        position: Position,
    },
}

impl<R> Failure<R> {
    /// Whether the same command, unchanged, may be carried out later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Contended(_) => true,
            Self::Log(error) => error.is_transient(),
            Self::Rejected(_) | Self::IdReused(_) | Self::Codec(_) | Self::Foreign { .. } => false,
        }
    }
}

/// How often a command is decided anew when others write first.
pub const ATTEMPTS_MAX: usize = 16;
