//! Kraken: the ticker stream, and the REST ticker while the stream is not alive. Both report through one [`Desk`],
//! because to the core they are one source.

pub mod poll;
pub mod stream;

mod health;
pub mod translate;
mod wire;

use crate::mailbox::Mailbox;
use crate::observe;
use health::Health;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stele_domain::market::reference::event::{Link, PriceObserved, Source, SourceStateChanged};
use stele_domain::money::Rate;
use stele_domain::port::clock::Clock;
use stele_domain::time::Timestamp;
use tokio::sync::watch;

/// Best bid and ask, sane: above zero and not crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Book {
    /// Highest price somebody pays.
    pub bid: Rate,
    /// Lowest price somebody takes.
    pub ask: Rate,
    /// Kraken's time of it, where it gives one.
    pub source_at: Option<Timestamp>,
}

/// Where stream and poll meet: what is known of Kraken's health, and the mailbox.
pub struct Desk {
    health: Mutex<Health>,
    mailbox: Arc<Mailbox>,
    clock: Arc<dyn Clock>,
    stream: watch::Sender<Link>,
}

impl Desk {
    /// Nothing is known yet.
    pub fn new(mailbox: Arc<Mailbox>, clock: Arc<dyn Clock>) -> Self {
        Self { health: Mutex::default(), mailbox, clock, stream: watch::Sender::new(Link::Down) }
    }

    /// How the stream is, to wait on.
    pub fn stream(&self) -> watch::Receiver<Link> {
        self.stream.subscribe()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The stream's connection changed.
    fn stream_is(&self, link: Link, why: &str) {
        let mut health = self.lock();
        health.stream_is(link, why);
        self.tell(&mut health);
        drop(health);
        self.stream.send_if_modified(|known| std::mem::replace(known, link) != link);
    }

    /// Kraken said how its system is.
    fn system_is(&self, system: &str) {
        let mut health = self.lock();
        health.system_is(system);
        self.tell(&mut health);
    }

    /// The stream named a price, or something that is none.
    fn streamed(&self, book: &Result<Book, String>, received_at: Timestamp) {
        let mut health = self.lock();
        health.stream_is(Link::Alive, "");
        self.book(&mut health, book, received_at);
        drop(health);
        self.stream.send_if_modified(|known| std::mem::replace(known, Link::Alive) != Link::Alive);
    }

    /// The poll was answered, or not. Too late when the stream is alive again: its word is newer.
    fn polled(&self, answer: Result<Result<Book, String>, String>, received_at: Timestamp) {
        let mut health = self.lock();
        if health.stream_is_alive() {
            return;
        }
        match answer {
            Ok(book) => {
                health.poll_answers();
                self.book(&mut health, &book, received_at);
            }
            Err(why) => {
                health.poll_fails(&why);
                self.tell(&mut health);
            }
        }
    }

    fn book(&self, health: &mut Health, book: &Result<Book, String>, received_at: Timestamp) {
        health.book_is(book.as_ref().err().map(String::as_str));
        self.tell(health);
        if let Ok(Book { bid, ask, source_at }) = *book {
            observe::price_observed(Source::Kraken.name());
            self.mailbox.price(PriceObserved { source: Source::Kraken, bid, ask, source_at, received_at });
        }
    }

    /// Reports what changed, while the lock is held: reports leave in the order of what they report.
    fn tell(&self, health: &mut Health) {
        if let Some((link, healthy, reason)) = health.news() {
            let change = SourceStateChanged { source: Source::Kraken, link, healthy, reason, at: self.now() };
            observe::source_changed(&change);
            self.mailbox.state(change);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
