//! The REST ticker, asked only while the stream is not alive.

use super::{Desk, translate};
use crate::http::{self, Failure};
use crate::options::KrakenOptions;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::market::reference::event::Link;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Kraken bans who asks more often than about once a second.
const POLL_MIN: Duration = Duration::from_secs(1);

/// The poll, over all outages of the stream.
pub struct Poll {
    http: Client,
    url: Url,
    every: Duration,
    desk: Arc<Desk>,
    refresh: Arc<Notify>,
}

impl Poll {
    /// Reports to `desk`; `refresh` ends a wait.
    pub fn new(
        options: &KrakenOptions,
        base: &Url,
        http: Client,
        desk: Arc<Desk>,
        refresh: Arc<Notify>,
    ) -> Self {
        let mut url = base.clone();
        let path = format!("{}/0/public/Ticker", base.path().trim_end_matches('/'));
        url.set_path(&path);
        url.query_pairs_mut().clear().append_pair("pair", &options.rest_pair);
        let every = Duration::from_millis(options.rest_poll_ms).max(POLL_MIN);
        Self { http, url, every, desk, refresh }
    }

    /// Never ends; the task is aborted when the feed is dropped.
    pub async fn run(self) {
        let mut stream = self.desk.stream();
        // The sender lives in the desk, which lives here: waiting can't fail.
        while stream.wait_for(|link| *link != Link::Alive).await.is_ok() {
            let pause = self.ask().await;
            sleep(pause.max(POLL_MIN)).await;
            tokio::select! {
                biased;
                () = self.refresh.notified() => {}
                () = sleep(self.every.saturating_sub(POLL_MIN)) => {}
            }
        }
    }

    /// Asks once; how long Kraken wants to be left alone.
    async fn ask(&self) -> Duration {
        let (answer, pause) = match http::get(&self.http, self.url.clone(), HeaderMap::new()).await {
            Ok(body) => (translate::rest(&body), None),
            Err(Failure::NoAnswer(text)) => (Err(text), None),
            Err(Failure::Status { text, pause }) => (Err(text), pause),
        };
        self.desk.polled(answer, self.desk.now());
        pause.unwrap_or_default()
    }
}
