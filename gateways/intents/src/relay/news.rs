//! What waits for the reader of the feed. Bounded by number and by bytes; writing never waits.

use super::Running;
use crate::observe;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stele_domain::port::PortFuture;
use stele_domain::port::feeds::{RelayFeed, RelayNews, RelayWord};
use stele_domain::time::Timestamp;
use tokio::sync::Notify;

/// Room above the limit for what is not a quote: settlements, further replies and the state of the connection.
const RESERVE_NEWS: usize = 1_024;

/// The feed: [`RelayFeed`] over the shared connection.
#[derive(Debug)]
pub struct RelayStream {
    queue: Arc<NewsQueue>,
    _running: Arc<Running>,
}

/// The queue between the socket and the feed's one reader.
#[derive(Debug)]
pub struct NewsQueue {
    news_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    news: VecDeque<RelayNews>,
    bytes: usize,
    gap: Option<Gap>,
    reader_gone: bool,
}

/// Quotes that were dropped since the last news that was kept.
#[derive(Debug, Clone, Copy)]
struct Gap {
    quotes: u64,
    since: Timestamp,
}

/// There was no room even for what is not a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

impl RelayStream {
    pub(super) fn new(queue: Arc<NewsQueue>, running: Arc<Running>) -> Self {
        Self { queue, _running: running }
    }
}

impl RelayFeed for RelayStream {
    fn next(&mut self) -> PortFuture<'_, RelayNews> {
        Box::pin(self.queue.next())
    }
}

impl Drop for RelayStream {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.reader_gone = true;
        waiting.news.clear();
        waiting.bytes = 0;
    }
}

impl NewsQueue {
    pub(super) fn new(news_max: usize, bytes_max: usize) -> Self {
        Self { news_max: news_max.max(1), bytes_max, waiting: Mutex::default(), ready: Notify::new() }
    }

    /// Keeps the news for the reader, or drops it when it is a quote and there is no room.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when something else than a quote had to be dropped.
    pub(super) fn push(&self, news: RelayNews) -> Result<(), NoRoom> {
        let mut waiting = self.lock();
        if waiting.reader_gone {
            return Ok(());
        }
        let bytes = raw_bytes(&news);
        let full =
            waiting.news.len() >= self.news_max || waiting.bytes.saturating_add(bytes) > self.bytes_max;
        if let Some(since) = quote_at(&news).filter(|_| full) {
            let before = waiting.gap.map_or(Gap { quotes: 0, since }, |gap| gap);
            waiting.gap = Some(Gap { quotes: before.quotes.saturating_add(1), since: before.since });
            return Ok(());
        }
        if waiting.news.len() >= self.news_max.saturating_add(RESERVE_NEWS) {
            observe::news_dropped();
            return Err(NoRoom);
        }
        if let Some(gap) = waiting.gap.take() {
            waiting.news.push_back(gap.reported());
        }
        waiting.bytes = waiting.bytes.saturating_add(bytes);
        waiting.news.push_back(news);
        drop(waiting);
        self.ready.notify_one();
        Ok(())
    }

    async fn next(&self) -> RelayNews {
        loop {
            if let Some(news) = self.pop() {
                return news;
            }
            // A push between the look and the wait leaves a permit behind, so nothing is slept through.
            self.ready.notified().await;
        }
    }

    fn pop(&self) -> Option<RelayNews> {
        let mut waiting = self.lock();
        let Some(news) = waiting.news.pop_front() else {
            return waiting.gap.take().map(Gap::reported);
        };
        waiting.bytes = waiting.bytes.saturating_sub(raw_bytes(&news));
        Some(news)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gap {
    fn reported(self) -> RelayNews {
        observe::quotes_dropped(self.quotes);
        let reason = format!("{} quotes were dropped here: the reader of the feed is too slow", self.quotes);
        RelayNews::Frame {
            raw: String::new(),
            bytes: 0,
            received_at: self.since,
            word: RelayWord::Unreadable(reason),
        }
    }
}

fn raw_bytes(news: &RelayNews) -> usize {
    match news {
        RelayNews::Frame { raw, .. } => raw.len(),
        RelayNews::Connected { .. } | RelayNews::Disconnected { .. } => 0,
    }
}

/// When a frame that may be dropped came in: a quote, or what nobody can read.
fn quote_at(news: &RelayNews) -> Option<Timestamp> {
    match news {
        RelayNews::Frame { word: RelayWord::Quote(_) | RelayWord::Unreadable(_), received_at, .. } => {
            Some(*received_at)
        }
        RelayNews::Frame { word: RelayWord::Settlement(_) | RelayWord::Reply(_), .. }
        | RelayNews::Connected { .. }
        | RelayNews::Disconnected { .. } => None,
    }
}

#[cfg(test)]
mod tests;
