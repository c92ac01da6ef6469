//! CoinGecko's `simple/price`, polled: a lagging aggregate that checks the primary source and may replace it, and
//! for EURe the observation of its peg.

mod translate;

use crate::backoff::Backoff;
use crate::http::{self, Failure};
use crate::mailbox::Mailbox;
use crate::observe;
use crate::options::CoinGeckoOptions;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::market::reference::event::{Link, PriceObserved, Source, SourceStateChanged};
use stele_domain::port::clock::Clock;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Shortest time between two polls, whatever is asked of us.
const POLL_MIN: Duration = Duration::from_secs(1);

/// How the source is asked.
pub struct Way {
    /// The client.
    pub http: Client,
    /// The base address.
    pub base: Url,
    /// The key, where there is one.
    pub headers: HeaderMap,
}

/// One coin's poll.
pub struct Poll {
    source: Source,
    options: CoinGeckoOptions,
    way: Way,
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
    /// Reports as `source` to the mailbox; `refresh` ends a wait, except one that the source asked for.
    pub fn new(
        source: Source,
        options: CoinGeckoOptions,
        way: Way,
        mailbox: Arc<Mailbox>,
        clock: Arc<dyn Clock>,
        refresh: Arc<Notify>,
    ) -> Self {
        Self { source, options, way, mailbox, clock, refresh, reported: None }
    }

    /// Never ends; the task is aborted when the feed is dropped.
    pub async fn run(mut self) {
        let millis = Duration::from_millis;
        let mut backoff =
            Backoff::new(millis(self.options.backoff_ms_min), millis(self.options.backoff_ms_max));
        loop {
            let (wait, pause) = match self.ask().await {
                Ok(price) => {
                    backoff.reset();
                    self.tell(Link::Alive, true, "priced");
                    observe::price_observed(self.source.name());
                    self.mailbox.price(price);
                    (millis(self.options.poll_ms), None)
                }
                Err(Trouble { link, reason, pause }) => {
                    self.tell(link, false, &reason);
                    (backoff.wait(), pause)
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
        let url = price_url(&self.way.base, &self.options);
        let body =
            http::get(&self.way.http, url, self.way.headers.clone()).await.map_err(
                |failure| match failure {
                    Failure::NoAnswer(reason) => Trouble { link: Link::Down, reason, pause: None },
                    Failure::Status { text: reason, pause } => Trouble { link: Link::Silent, reason, pause },
                },
            )?;
        let received_at = self.clock.now();
        let price =
            translate::price(&body, &self.options.coin, &self.options.currency).map_err(|reason| {
                observe::unreadable_message(self.source.name(), &reason);
                Trouble { link: Link::Silent, reason, pause: None }
            })?;
        let (bid, ask) = (price.rate, price.rate);
        Ok(PriceObserved { source: self.source, bid, ask, source_at: Some(price.at), received_at })
    }

    fn tell(&mut self, link: Link, healthy: bool, reason: &str) {
        if self.reported.replace((link, healthy)) != Some((link, healthy)) {
            let (source, at) = (self.source, self.clock.now());
            let change = SourceStateChanged { source, link, healthy, reason: reason.into(), at };
            observe::source_changed(&change);
            self.mailbox.state(change);
        }
    }
}

fn price_url(base: &Url, options: &CoinGeckoOptions) -> Url {
    let mut url = base.clone();
    let path = format!("{}/simple/price", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url.query_pairs_mut()
        .clear()
        .append_pair("ids", &options.coin)
        .append_pair("vs_currencies", &options.currency)
        .append_pair("include_last_updated_at", "true")
        .append_pair("precision", "full");
    url
}
