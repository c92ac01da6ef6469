//! What the log knows of partitions of histories, and the way to record more: the one command path, for whoever moves them.

use crate::envelope::{Failure, Outcome};
use crate::ledger::Ledger;
use crate::service::own;
use crate::streams;
use std::sync::Arc;
use stele_domain::ids::Actor;
use stele_domain::operations::tiering::{Command, Rejection, State, Tiering};
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, InvalidStream};
use stele_domain::port::tiering::{RecordError, TieringFacts};

/// Facts about partitions in a log.
pub struct TieringLedger {
    log: Arc<dyn EventLog>,
    ledger: Ledger<Tiering>,
    clock: Arc<dyn Clock>,
    who: Actor,
}

impl TieringLedger {
    /// Those of this log, recorded in the name of `who`.
    ///
    /// # Errors
    ///
    /// [`InvalidStream`] never: the name is a word of this build.
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, who: Actor) -> Result<Self, InvalidStream> {
        Ok(Self { ledger: Ledger::new(Arc::clone(&log), streams::tiering()?), log, clock, who })
    }
}

fn said(failure: Failure<Rejection>) -> RecordError {
    match failure {
        Failure::Rejected(rejection) => RecordError::Refused(rejection),
        other @ (Failure::Log(_)
        | Failure::Contended(_)
        | Failure::IdReused(_)
        | Failure::Codec(_)
        | Failure::Foreign { .. }) => {
            RecordError::Failed { transient: other.is_transient(), source: Box::new(other) }
        }
    }
}

impl TieringFacts for TieringLedger {
    fn known(&self) -> PortFuture<'_, Result<State, RecordError>> {
        Box::pin(async move {
            // A log that is read beside its owner shows what was written since to whoever asks where it ends.
            self.log.head().await.map_err(|error| said(Failure::Log(error)))?;
            self.ledger.look(State::clone).await.map_err(said)
        })
    }

    fn record(&self, command: Command) -> PortFuture<'_, Result<(), RecordError>> {
        Box::pin(async move {
            let envelope = own(&self.who, self.clock.now(), command);
            match self.ledger.handle(envelope).await.map_err(said)? {
                Outcome::Recorded { .. } | Outcome::AlreadySo | Outcome::Repeated { .. } => Ok(()),
            }
        })
    }
}
