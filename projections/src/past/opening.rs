//! States that stand open, and everybody who reads them: what somebody finds is said of the states that he reads, and they are
//! not thrown away under him.

use super::PastError;
use std::sync::Arc;
use stele_domain::causes::with_causes;
use stele_domain::port::read_store::StoreError;
use stele_domain::port::state_store::StateStore;
use tokio::sync::{Notify, watch};

/// The states of one opening. Whoever reads them holds it for as long, and lets go of it last.
pub(super) struct Opening {
    states: Arc<dyn StateStore>,
    /// Rung when they turn out to be damaged.
    spoiled: Notify,
    /// Gone with the last one who holds this.
    _held: watch::Receiver<()>,
}

impl Opening {
    /// The opening, and what tells that nobody holds it any more ([`watch::Sender::closed`]).
    pub fn of(states: Arc<dyn StateStore>) -> (Arc<Self>, watch::Sender<()>) {
        let (left, held) = watch::channel(());
        (Arc::new(Self { states, spoiled: Notify::new(), _held: held }), left)
    }

    pub fn states(&self) -> &Arc<dyn StateStore> {
        &self.states
    }

    /// Completes when somebody has found these very states damaged.
    pub async fn spoiled(&self) {
        self.spoiled.notified().await;
    }

    /// What a reader is told in place of what he found. That they are damaged is the matter of whoever keeps them; it passes
    /// when they are made anew.
    pub fn found(&self, error: StoreError) -> StoreError {
        if !matches!(error, StoreError::Damaged(_)) {
            return error;
        }
        self.spoiled.notify_one();
        let why = format!("{}; the past states are made anew: ask again in a moment", with_causes(&error));
        StoreError::Unavailable(why.into())
    }

    /// The same of a question that came to nothing.
    pub fn refused(&self, error: PastError) -> PastError {
        if !error.is_damage() {
            return error;
        }
        self.spoiled.notify_one();
        if let PastError::Fold(cause) = error {
            // What was folded onto is damaged, not the log and not the tables.
            return PastError::Store(StoreError::Damaged(with_causes(&*cause)));
        }
        error
    }
}
