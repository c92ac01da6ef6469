//! A source that is polled over HTTP: asked in turn, left alone for as long as it asks for, and more and more
//! seldom while it fails. What its answer means is the source's own `translate`.

use crate::http::{self, Failure};
use crate::mailbox::Mailbox;
use crate::observe;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::backoff::{Backoff, jitter};
use stele_domain::market::reference::event::{Link, PriceObserved, Source, SourceStateChanged};
use stele_domain::money::Rate;
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Shortest time between two polls, whatever is asked of us.
const POLL_MIN: Duration = Duration::from_secs(1);

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub struct Price {
    pub bid: Rate,
    pub ask: Rate,
    /// The source's own time of the price.
    pub at: Timestamp,
}

/// Reads an answer, or says why it is no price.
pub type Translate = Box<dyn Fn(&[u8]) -> Result<Price, String> + Send + Sync>;

/// What is asked, how often, and who understands the answer.
pub struct Question {
    /// Who is asked.
    pub source: Source,
    /// The client.
    pub http: Client,
    /// The whole address.
    pub url: Url,
    /// The key, where there is one.
    pub headers: HeaderMap,
    /// What the answer means.
    pub translate: Translate,
    /// Time between two polls.
    pub every: Duration,
    /// Waits after failures.
    pub backoff: Backoff,
}

/// One poll.
pub struct Poll {
    question: Question,
    mailbox: Arc<Mailbox>,
    clock: Arc<dyn Clock>,
    refresh: Arc<Notify>,
    reported: Option<(Link, bool)>,
}

/// Why a poll named no price.
struct Trouble {
    link: Link,
    reason: String,
    /// How long the source asks to be left alone.
    pause: Option<Duration>,
}

impl Poll {
    /// Reports to the mailbox; `refresh` ends a wait, except one that the source asked for.
    pub fn new(
        question: Question,
        mailbox: Arc<Mailbox>,
        clock: Arc<dyn Clock>,
        refresh: Arc<Notify>,
    ) -> Self {
        Self { question, mailbox, clock, refresh, reported: None }
    }

    /// Never ends; the task is aborted when the feed is dropped.
    pub async fn run(mut self) {
        loop {
            let (wait, pause) = match self.ask().await {
                Ok(price) => {
                    self.question.backoff.reset();
                    self.tell(Link::Alive, true, "priced");
                    observe::price_observed(self.question.source.name());
                    self.mailbox.price(price);
                    (self.question.every, None)
                }
                Err(Trouble { link, reason, pause }) => {
                    self.tell(link, false, &reason);
                    (self.question.backoff.wait(jitter(&RandomState::new())), pause)
                }
            };
            // A pause that the source asked for is kept, whoever is in a hurry.
            let kept = pause.unwrap_or_default().max(POLL_MIN);
            sleep(kept).await;
            tokio::select! {
                biased;
                () = self.refresh.notified() => {}
                () = sleep(wait.saturating_sub(kept)) => {}
            }
        }
    }

    async fn ask(&self) -> Result<PriceObserved, Trouble> {
        let Question { source, http, url, headers, translate, .. } = &self.question;
        let answer = http::get(http, url.clone(), headers.clone()).await;
        let body = answer.map_err(|failure| match failure {
            Failure::NoAnswer(reason) => Trouble { link: Link::Down, reason, pause: None },
            Failure::Status { text: reason, pause } => Trouble { link: Link::Silent, reason, pause },
        })?;
        let received_at = self.clock.now();
        let Price { bid, ask, at } = translate(&body).map_err(|reason| {
            observe::unreadable_message(source.name(), &reason);
            Trouble { link: Link::Silent, reason, pause: None }
        })?;
        Ok(PriceObserved { source: *source, bid, ask, source_at: Some(at), received_at })
    }

    fn tell(&mut self, link: Link, healthy: bool, reason: &str) {
        if self.reported.replace((link, healthy)) != Some((link, healthy)) {
            let (source, at) = (self.question.source, self.clock.now());
            let change = SourceStateChanged { source, link, healthy, reason: reason.into(), at };
            observe::source_changed(&change);
            self.mailbox.state(change);
        }
    }
}
