//! The ingest service: what the relay says becomes facts.
//!
//! Requests that came in together are kept in one append. A frame that can't be read is kept too. What the relay says of
//! our own offers, settlements and replies that nobody waits for, is kept also while the service is paused, and waits for
//! a log that is away. Requests of other pairs are counted, not kept.

mod replies;
mod waiting;

pub use replies::Replies;

use crate::envelope::Envelope;
use crate::ledger::Ledger;
use crate::observe;
use crate::service::{Board, ServiceError, actor, own, survivable};
use crate::stop::Stop;
use futures_util::FutureExt;
use std::sync::Arc;
use stele_domain::ids::{Actor, CommandId, CorrelationId, derived};
use stele_domain::intents::filter::{Filter, State as FilterState};
use stele_domain::intents::intake::{self, Intake};
use stele_domain::intents::relay::{self, Relay};
use stele_domain::operations::service::event::Service;
use stele_domain::pair::Pair;
use stele_domain::port::clock::Clock;
use stele_domain::port::feeds::{QuoteRequest, RelayFeed, RelayNews, RelayWord};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::Account;
use stele_domain::trading::strategy::command::Running;
use waiting::Waiting;

/// Most pieces of news that are kept in one go.
const BATCH_MAX: usize = 256;

/// The service.
pub struct Ingest {
    /// The relay.
    pub feed: Box<dyn RelayFeed>,
    /// The pair.
    pub pair: Pair,
    /// The stream of the pair's requests.
    pub intake: Arc<Ledger<Intake>>,
    /// The stream of the connection.
    pub relay: Arc<Ledger<Relay>>,
    /// The pair filter.
    pub filter: Arc<Ledger<Filter>>,
    /// The account, to know our own offers.
    pub account: Arc<Ledger<Account>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether it may take work.
    pub board: Arc<Board>,
    /// How long an auction lasts when the request does not say, in milliseconds.
    pub default_window_ms: u64,
}

/// Frames that came in but were not kept since the last one that was.
#[derive(Default)]
struct LeftOut {
    frames: u64,
}

impl Ingest {
    /// Runs until it is told to stop.
    pub async fn run(mut self, mut stop: Stop) -> Result<(), ServiceError> {
        let who = actor(Service::Ingest)?;
        let mut left_out = LeftOut::default();
        // A process that was killed could not say that its connection ended.
        let at = self.clock.now();
        let reason = "the service started".to_owned();
        let mut waiting = Waiting::default();
        waiting.link(&who, at, relay::Command::Disconnected { at, reason });
        loop {
            self.tell(&mut waiting).await?;
            let first = tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                news = self.feed.next() => news,
                () = waiting.retry() => continue,
            };
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX {
                match self.feed.next().now_or_never() {
                    Some(news) => batch.push(news),
                    None => break,
                }
            }
            let frames = split(&who, batch, &mut waiting);
            self.tell(&mut waiting).await?;
            if self.board.running(Service::Ingest).await == Running::Running {
                self.keep(&who, frames, &mut left_out).await?;
            }
        }
    }

    async fn tell(&self, waiting: &mut Waiting) -> Result<(), ServiceError> {
        waiting.tell(&self.relay, Service::Ingest).await?;
        waiting.tell_settlements(&self.account, &self.relay, Service::Ingest).await
    }

    async fn keep(
        &self,
        who: &Actor,
        frames: Vec<RelayNews>,
        left_out: &mut LeftOut,
    ) -> Result<(), ServiceError> {
        let filter = match self.filter.look(FilterState::clone).await {
            Ok(filter) => filter,
            Err(failure) => return survivable(Service::Ingest, failure),
        };
        let mut requests = Vec::with_capacity(frames.len());
        let mut filtered = 0_u64;
        for news in frames {
            match news {
                RelayNews::Connected { .. } | RelayNews::Disconnected { .. } => {}
                RelayNews::Frame { raw, bytes, received_at, word } => match word {
                    RelayWord::Quote(request) => {
                        if filter.lets_through(&self.pair, &request.token_in, &request.token_out) {
                            requests.push(self.request(who, *request, raw, received_at));
                        } else {
                            filtered = filtered.saturating_add(1);
                        }
                    }
                    // They wait for the log by themselves.
                    RelayWord::Reply(_) | RelayWord::Settlement(_) => {}
                    RelayWord::Unreadable(why) => {
                        self.reject(who, Unreadable { why, raw, bytes, received_at }, left_out).await?;
                    }
                },
            }
        }
        observe::filtered(filtered);
        self.take_in(requests).await
    }

    /// The id follows from the auction and the moment, so that a retry is the same fact and a repeat is not.
    fn request(
        &self,
        who: &Actor,
        request: QuoteRequest,
        frame: String,
        received_at: Timestamp,
    ) -> Envelope<intake::Command> {
        let moment = received_at.to_string();
        let id = derived("receive", &[request.quote_id.as_str(), &moment, &frame]);
        Envelope {
            command_id: CommandId(id),
            digest: None,
            actor: who.clone(),
            origin: None,
            correlation_id: CorrelationId::of_quote(&request.quote_id),
            causation_id: None,
            occurred_at: received_at,
            command: intake::Command::Receive {
                request: Box::new(request),
                frame,
                received_at,
                pair: Box::new(self.pair.clone()),
                default_window_ms: self.default_window_ms,
            },
        }
    }

    async fn take_in(&self, requests: Vec<Envelope<intake::Command>>) -> Result<(), ServiceError> {
        if requests.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(requests.len()).unwrap_or(u64::MAX);
        match self.intake.handle_all(requests).await {
            Ok(answers) => {
                for failure in answers.into_iter().filter_map(Result::err) {
                    survivable(Service::Ingest, failure)?;
                }
                Ok(())
            }
            Err(failure) => {
                observe::frames_lost(count);
                survivable(Service::Ingest, failure)
            }
        }
    }

    /// Keeps a frame that could not be read, or counts it when there are too many.
    async fn reject(
        &self,
        who: &Actor,
        frame: Unreadable,
        left_out: &mut LeftOut,
    ) -> Result<(), ServiceError> {
        let Unreadable { why, raw, bytes, received_at } = frame;
        let command =
            relay::Command::RejectFrame { why, frame: raw, bytes, left_out: left_out.frames, received_at };
        match self.relay.handle(own(who, received_at, command)).await {
            Ok(outcome) if outcome.events().is_empty() => left_out.frames = left_out.frames.saturating_add(1),
            Ok(_) => left_out.frames = 0,
            Err(failure) => survivable(Service::Ingest, failure)?,
        }
        Ok(())
    }
}

/// Takes out of a batch what waits for the log: the news of the connection, settlements, and further replies.
fn split(who: &Actor, batch: Vec<RelayNews>, waiting: &mut Waiting) -> Vec<RelayNews> {
    let mut frames = Vec::with_capacity(batch.len());
    for news in batch {
        match news {
            RelayNews::Connected { at } => {
                observe::relay_link(true, "");
                waiting.link(who, at, relay::Command::Connected { at });
            }
            RelayNews::Disconnected { at, reason } => {
                observe::relay_link(false, &reason);
                waiting.link(who, at, relay::Command::Disconnected { at, reason });
            }
            RelayNews::Frame { raw, received_at, word: RelayWord::Reply(notice), .. } => {
                waiting.reply(who, notice, &raw, received_at);
            }
            RelayNews::Frame { raw, received_at, word: RelayWord::Settlement(notice), .. } => {
                waiting.settlement(who, notice, &raw, received_at);
            }
            frame @ RelayNews::Frame { .. } => frames.push(frame),
        }
    }
    frames
}

/// A frame that could not be read.
struct Unreadable {
    why: String,
    raw: String,
    bytes: u64,
    received_at: Timestamp,
}
