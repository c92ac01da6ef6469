//! What waits for the reader of the feed: of prices only the newest of each source, of changes all, in order.
//! Writing never waits, so a slow reader never holds up a socket.

use crate::observe;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stele_domain::market::reference::event::{PriceObserved, SourceStateChanged};
use stele_domain::port::feeds::PriceNews;
use tokio::sync::Notify;

/// Most news that wait. Prices take one place per source and change of state, and states change at the pace of
/// reconnecting: only a reader that is dead for an hour gets here.
const NEWS_MAX: usize = 4_096;

/// The queue between all sources and the feed's one reader.
#[derive(Debug, Default)]
pub struct Mailbox {
    news: Mutex<VecDeque<PriceNews>>,
    ready: Notify,
}

impl Mailbox {
    /// Leaves a price. It takes the place of an unread one of the same source, unless a change of that source's state
    /// lies between them.
    pub fn price(&self, price: PriceObserved) {
        let mut news = self.lock();
        let last = news.iter_mut().rev().find(|entry| match entry {
            PriceNews::Observed(observed) => observed.source == price.source,
            PriceNews::State(change) => change.source == price.source,
        });
        match last {
            Some(PriceNews::Observed(unread)) => *unread = price,
            Some(PriceNews::State(_)) | None => push(&mut news, PriceNews::Observed(price)),
        }
        drop(news);
        self.ready.notify_one();
    }

    /// Leaves a change of state behind all that waits.
    pub fn state(&self, change: SourceStateChanged) {
        push(&mut self.lock(), PriceNews::State(change));
        self.ready.notify_one();
    }

    /// Takes the oldest news; waits for some. Cancelling loses nothing.
    pub async fn next(&self) -> PriceNews {
        loop {
            if let Some(news) = self.take() {
                return news;
            }
            // News left between the look and the wait leave a permit behind.
            self.ready.notified().await;
        }
    }

    fn take(&self) -> Option<PriceNews> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<PriceNews>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push(news: &mut VecDeque<PriceNews>, entry: PriceNews) {
    if news.len() >= NEWS_MAX {
        news.pop_front();
        observe::news_dropped();
    }
    news.push_back(entry);
}

#[cfg(test)]
mod tests;
