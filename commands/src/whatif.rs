//! What the desk would have offered under other limits or margins: the same deciders over the recorded demands, prices,
//! balances and acts of operators.
//!
//! Pure: records go in, a report comes out, and no read model is looked at. Each recorded decision is made twice more.
//! Once as it was, which must give what the log says; and once as asked, on an account that differs from the true one from
//! the first difference on. What the outside would have done with an offer that it never got nobody knows: a named model
//! says it ([`question::Fills`]), and whatever rests on it is called an estimate.
//!
//! It isn't a backtest of other code or other prices, and nothing in it can lead to an offer.

mod account;
mod facts;
mod orders;
mod replay;
mod totals;

pub mod question;
pub mod report;

pub use question::{Desk, Edge, Fills, Question};
pub use replay::{Flow, Replay};
pub use report::Report;

use stele_domain::codec::CodecError;
use stele_domain::port::event_log::{Filter, Position, StreamId};
use stele_domain::trading::limits::InvalidLimits;

/// Why a question can't be answered.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// A record of the desk's own streams that this build can't read.
    #[error("the event at {position} can't be read: use the build that wrote it, or a newer one")]
    Unreadable {
        /// Where it stands.
        position: Position,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
    /// A record of the desk's own streams that contradicts the rest of the log.
    #[error("the log can't be replayed: the event at {position} of stream {stream} {what}")]
    Broken {
        /// Where it stands.
        position: Position,
        /// Its stream.
        stream: StreamId,
        /// What is wrong.
        what: String,
    },
    /// The limits asked for make no sense beside those that stay.
    #[error("the limits asked for make no sense together with version {version} of the log")]
    Limits {
        /// Which version they are put into.
        version: u64,
        /// The rule that is broken.
        #[source]
        source: InvalidLimits,
    },
    /// The limits asked for can't be put into those that stay.
    #[error("{name} can't be put into limits")]
    Unfit {
        /// What was being written.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// More stands undecided, or without an outcome, than is kept in memory.
    #[error(
        "{what} at {position} are more than the {max} that are kept in memory: the strategy or the executor was away for \
         long; begin after that with --from"
    )]
    TooMuch {
        /// Of what there is too much.
        what: &'static str,
        /// Where the log was read to.
        position: Position,
        /// The limit.
        max: usize,
    },
    /// The name of an account or a pair can't stand in a stream's name.
    #[error(transparent)]
    Name(#[from] stele_domain::port::event_log::InvalidStream),
    /// Money that does not fit.
    #[error(transparent)]
    Money(#[from] stele_domain::money::InvalidMoney),
}

/// What a what-if reads of a log. Only whole categories: a type that this build doesn't know must be seen to be named.
pub fn reads() -> Filter {
    use crate::streams::{ACCOUNT, INVENTORY, PRICE, QUOTE, SERVICE, STRATEGY};
    Filter::categories(&[QUOTE, PRICE, INVENTORY, ACCOUNT, STRATEGY, SERVICE])
}
