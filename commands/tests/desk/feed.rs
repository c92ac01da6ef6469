//! A relay that says what a test tells it to, and the services that read it.

use crate::desk::{Desk, pair};
use std::sync::Arc;
use stele_commands::ingest::{Ingest, Replies};
use stele_commands::ledger::Ledger;
use stele_commands::streams;
use stele_domain::port::PortFuture;
use stele_domain::port::feeds::{RelayFeed, RelayNews};
use tokio::sync::mpsc;

/// The relay's streams; whoever holds the other end speaks.
pub struct Feed(mpsc::Receiver<RelayNews>);

impl Feed {
    pub fn new() -> (mpsc::Sender<RelayNews>, Self) {
        let (tell, told) = mpsc::channel(64);
        (tell, Self(told))
    }
}

impl RelayFeed for Feed {
    fn next(&mut self) -> PortFuture<'_, RelayNews> {
        Box::pin(async {
            match self.0.recv().await {
                Some(news) => news,
                None => std::future::pending().await,
            }
        })
    }
}

/// The ingest service of a desk.
pub fn ingest(desk: &Desk, feed: Feed) -> Ingest {
    Ingest {
        feed: Box::new(feed),
        pair: pair(),
        intake: Arc::new(Ledger::new(desk.log.clone(), streams::quote(&pair().id).unwrap())),
        relay: Arc::new(Ledger::new(desk.log.clone(), streams::relay().unwrap())),
        filter: Arc::new(Ledger::new(desk.log.clone(), streams::filter().unwrap())),
        account: desk.account.clone(),
        clock: desk.clock.clone(),
        board: desk.board.clone(),
        default_window_ms: 3_000,
    }
}

/// The listener of an executor in a process of its own.
pub fn replies(desk: &Desk, feed: Feed) -> Replies {
    let relay = Arc::new(Ledger::new(desk.log.clone(), streams::relay().unwrap()));
    Replies { feed: Box::new(feed), relay }
}
