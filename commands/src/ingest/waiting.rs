//! News that waits for the log: of the connection, settlements, and further replies to our own offers. Unlike a request
//! it does not lose its worth by waiting. Requests and frames that can't be read do not wait here.

use crate::envelope::{Envelope, Failure};
use crate::ledger::Ledger;
use crate::observe;
use crate::service::{ServiceError, own, survivable};
use std::collections::VecDeque;
use std::time::Duration;
use stele_domain::ids::{Actor, CommandId, CorrelationId, QuoteId, derived};
use stele_domain::intents::relay::{Command, Relay};
use stele_domain::operations::service::event::Service;
use stele_domain::port::feeds::{ReplyNotice, SettlementNotice};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::Account;

/// Most pieces of news of the connection that wait; the newest are worth most.
const LINKS_MAX: usize = 64;
/// Most further replies that wait; those beyond are lost, and counted.
const REPLIES_MAX: usize = 1_024;
/// Most settlements that wait, those of other makers among them: which are ours, only the log tells. Those beyond are
/// lost, and counted.
const SETTLEMENTS_MAX: usize = 4_096;
/// How long to wait before a log that did not take them is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// What waits, each kind in the order in which it came.
#[derive(Default)]
pub(super) struct Waiting {
    links: VecDeque<Envelope<Command>>,
    replies: VecDeque<Envelope<Command>>,
    settlements: VecDeque<Settlement>,
}

/// What the relay said of somebody's offer.
struct Settlement {
    /// Follows from the offer, the moment and the frame, so that offering it to the log again is the same fact.
    id: CommandId,
    who: Actor,
    notice: SettlementNotice,
    received_at: Timestamp,
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

    /// The relay spoke of the end of an offer, of ours or somebody else's.
    pub(super) fn settlement(
        &mut self,
        who: &Actor,
        notice: SettlementNotice,
        frame: &str,
        received_at: Timestamp,
    ) {
        if self.settlements.len() >= SETTLEMENTS_MAX {
            observe::frames_lost(1);
            return;
        }
        let moment = received_at.to_string();
        let id = CommandId(derived("settlement", &[notice.quote_hash.as_str(), &moment, frame]));
        self.settlements.push_back(Settlement { id, who: who.clone(), notice, received_at });
    }

    /// Hands the settlements of our own offers to the log and drops the others; what a log that is away does not take
    /// stays for later.
    pub(super) async fn tell_settlements(
        &mut self,
        account: &Ledger<Account>,
        relay: &Ledger<Relay>,
        service: Service,
    ) -> Result<(), ServiceError> {
        while let Some(settlement) = self.settlements.front() {
            let hash = &settlement.notice.quote_hash;
            let quote = match account.look(|state| state.answered_with(hash).cloned()).await {
                Ok(quote) => quote,
                // Whether it is ours is not known yet.
                Err(failure) => return survivable(service, failure),
            };
            if let Some(quote) = quote
                && matches!(told(relay, service, settlement.report(&quote)).await?, Told::Later)
            {
                return Ok(());
            }
            self.settlements.pop_front();
        }
        Ok(())
    }

    /// Hands links and replies to the log, in order; what a log that is away does not take stays for later.
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
        if self.links.is_empty() && self.replies.is_empty() && self.settlements.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(RETRY).await;
    }
}

impl Settlement {
    /// As a fact of its quote's story.
    fn report(&self, quote: &QuoteId) -> Envelope<Command> {
        let (notice, received_at) = (self.notice.clone(), self.received_at);
        Envelope {
            command_id: self.id,
            digest: None,
            actor: self.who.clone(),
            origin: None,
            correlation_id: CorrelationId::of_quote(quote),
            causation_id: None,
            occurred_at: received_at,
            command: Command::ReportSettlement { notice, received_at },
        }
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
