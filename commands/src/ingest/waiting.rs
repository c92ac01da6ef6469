//! News that waits for the log: of the connection, and further replies to our own offers. Unlike a request it does not
//! lose its worth by waiting. Requests, settlements and frames that can't be read do not wait here.

use crate::envelope::{Envelope, Failure};
use crate::ledger::Ledger;
use crate::observe;
use crate::service::{ServiceError, own, survivable};
use std::collections::VecDeque;
use std::time::Duration;
use stele_domain::ids::{Actor, CommandId, CorrelationId, derived};
use stele_domain::intents::relay::{Command, Relay};
use stele_domain::operations::service::event::Service;
use stele_domain::port::feeds::ReplyNotice;
use stele_domain::time::Timestamp;

/// Most pieces of news of the connection that wait; the newest are worth most.
const LINKS_MAX: usize = 64;
/// Most further replies that wait; those beyond are lost, and counted.
const REPLIES_MAX: usize = 1_024;
/// How long to wait before a log that did not take them is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// What waits, each kind in the order in which it came.
#[derive(Default)]
pub(super) struct Waiting {
    links: VecDeque<Envelope<Command>>,
    replies: VecDeque<Envelope<Command>>,
}

/// What became of one piece of news.
enum Told {
    /// It is on the log, or nothing that belongs there.
    Done,
    /// It was not taken, and may be later.
    Later,
}

impl Waiting {
    /// The connection changed; the oldest change goes when there are too many.
    pub(super) fn link(&mut self, who: &Actor, at: Timestamp, command: Command) {
        self.links.push_back(own(who, at, command));
        while self.links.len() > LINKS_MAX {
            self.links.pop_front();
        }
    }

    /// A further reply came in. Its id follows from the offer, the moment and the frame, so that offering it to the log
    /// again is the same fact.
    pub(super) fn reply(&mut self, who: &Actor, notice: ReplyNotice, frame: &str, received_at: Timestamp) {
        if self.replies.len() >= REPLIES_MAX {
            observe::frames_lost(1);
            return;
        }
        let moment = received_at.to_string();
        let id = derived("reply", &[notice.quote_hash.as_str(), &moment, frame]);
        self.replies.push_back(Envelope {
            command_id: CommandId(id),
            digest: None,
            actor: who.clone(),
            origin: None,
            correlation_id: CorrelationId::of_quote(&notice.quote_id),
            causation_id: None,
            occurred_at: received_at,
            command: Command::ReportReply { notice, received_at },
        });
    }

    /// Hands all of it to the log, in order; what a log that is away does not take stays for later.
    pub(super) async fn tell(&mut self, relay: &Ledger<Relay>, service: Service) -> Result<(), ServiceError> {
        for waiting in [&mut self.links, &mut self.replies] {
            while let Some(envelope) = waiting.front().cloned() {
                match told(relay, service, envelope).await? {
                    Told::Done => waiting.pop_front(),
                    Told::Later => return Ok(()),
                };
            }
        }
        Ok(())
    }

    /// Ends when it is time to tell again; never while nothing waits.
    pub(super) async fn retry(&self) {
        if self.links.is_empty() && self.replies.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn told(
    relay: &Ledger<Relay>,
    service: Service,
    envelope: Envelope<Command>,
) -> Result<Told, ServiceError> {
    match relay.handle(envelope).await {
        Ok(_) => Ok(Told::Done),
        Err(Failure::Contended(_)) => Ok(Told::Later),
        Err(Failure::Log(error)) if error.is_transient() => {
            survivable::<()>(service, Failure::Log(error))?;
            Ok(Told::Later)
        }
        Err(failure) => {
            survivable(service, failure)?;
            Ok(Told::Done)
        }
    }
}
