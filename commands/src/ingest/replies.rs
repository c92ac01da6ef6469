//! Where the executor has a process of its own, and with it a connection of its own: the further replies that come in
//! there become facts as those that the ingest service reads.
//!
//! Nothing else of that connection is kept: requests and settlements are the ingest service's, and the state of this
//! connection shows in the process's metrics.

use super::waiting::Waiting;
use crate::ledger::Ledger;
use crate::service::{ServiceError, actor};
use crate::stop::Stop;
use std::sync::Arc;
use stele_domain::intents::relay::Relay;
use stele_domain::operations::service::event::Service;
use stele_domain::port::feeds::{RelayFeed, RelayNews, RelayWord};

/// The listener.
pub struct Replies {
    /// The executor's own connection.
    pub feed: Box<dyn RelayFeed>,
    /// The stream of the connection.
    pub relay: Arc<Ledger<Relay>>,
}

impl Replies {
    /// Runs until it is told to stop. It never pauses: a reply is about work that was done.
    pub async fn run(mut self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = actor(Service::Executor)?;
        let mut waiting = Waiting::default();
        loop {
            waiting.tell(&self.relay, Service::Executor).await?;
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                news = self.feed.next() => match news {
                    RelayNews::Frame { raw, received_at, word: RelayWord::Reply(notice), .. } => {
                        waiting.reply(&who, notice, &raw, received_at);
                    }
                    RelayNews::Frame {
                        word: RelayWord::Quote(_) | RelayWord::Settlement(_) | RelayWord::Unreadable(_), ..
                    }
                    | RelayNews::Connected { .. }
                    | RelayNews::Disconnected { .. } => {}
                },
                () = waiting.retry() => {}
            }
        }
    }
}
