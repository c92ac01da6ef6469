//! The feed: starts a task per connection, and hands out what they leave in the mailbox.

use crate::coin_gecko;
use crate::http;
use crate::kraken::{self, Desk};
use crate::mailbox::Mailbox;
use crate::options::{ApiKey, CoinGeckoOptions, KrakenOptions, Options, Plan};
use crate::poll::{Poll, Question};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::backoff::Backoff;
use stele_domain::market::reference::event::Source;
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock;
use stele_domain::port::feeds::{PriceFeed, PriceNews};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;

/// Why the sources can't be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSources {
    /// Not an address of the kind that the source needs.
    #[error("{url:?} is not a {schemes} address")]
    Url {
        /// The configured text.
        url: String,
        /// What it should begin with.
        schemes: &'static str,
    },
    /// An API key is configured, but is not there.
    #[error("environment variable {env} holds no API key: set it, or take the key out of the configuration")]
    NoKey {
        /// Which variable.
        env: String,
    },
    /// The HTTP client can't be built; TLS is missing or broken.
    #[error("no HTTP client for prices")]
    Http(#[source] reqwest::Error),
}

/// [`PriceFeed`] over all configured sources. Dropping it closes every connection.
#[derive(Debug)]
pub struct Prices {
    mailbox: Arc<Mailbox>,
    refresh: Vec<Arc<Notify>>,
    /// Aborted when dropped.
    tasks: JoinSet<()>,
}

impl Prices {
    /// Starts asking. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`InvalidSources`] for what no later attempt could heal; a source that is away is reported by the feed.
    pub fn start(options: &Options, clock: &Arc<dyn Clock>) -> Result<Self, InvalidSources> {
        let mut prices = Self { mailbox: Arc::default(), refresh: Vec::new(), tasks: JoinSet::new() };
        prices.start_kraken(&options.kraken, clock)?;
        let aggregates = [(Source::CoinGecko, &options.coin_gecko), (Source::Peg, &options.peg)];
        for (source, options) in aggregates {
            if let Some(options) = options {
                prices.start_coin_gecko(source, options, clock)?;
            }
        }
        Ok(prices)
    }

    fn start_kraken(
        &mut self,
        options: &KrakenOptions,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), InvalidSources> {
        let request = upgrade(&options.ws_url)?;
        let desk = Arc::new(Desk::new(Arc::clone(&self.mailbox), Arc::clone(clock)));
        if let Some(rest_url) = &options.rest_url {
            let base = http_url(rest_url)?;
            let client = http::client(options.request_ms_max).map_err(InvalidSources::Http)?;
            let poll = kraken::poll::Poll::new(options, &base, client, Arc::clone(&desk), self.refresher());
            self.tasks.spawn(poll.run());
        }
        let stream = kraken::stream::Stream::new(options.clone(), request, desk, self.refresher());
        self.tasks.spawn(stream.run());
        Ok(())
    }

    fn start_coin_gecko(
        &mut self,
        source: Source,
        options: &CoinGeckoOptions,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), InvalidSources> {
        let base = http_url(&options.url)?;
        let (coin, currency) = (options.coin.clone(), options.currency.clone());
        let question = Question {
            source,
            http: http::client(options.request_ms_max).map_err(InvalidSources::Http)?,
            url: coin_gecko::price_url(&base, options),
            headers: options.key.as_ref().map(key_header).transpose()?.unwrap_or_default(),
            translate: Box::new(move |body| coin_gecko::translate::price(body, &coin, &currency)),
            every: Duration::from_millis(options.poll_ms),
            backoff: backoff(options.backoff_ms_min, options.backoff_ms_max),
        };
        self.poll(question, clock);
        Ok(())
    }

    fn poll(&mut self, question: Question, clock: &Arc<dyn Clock>) {
        let poll = Poll::new(question, Arc::clone(&self.mailbox), Arc::clone(clock), self.refresher());
        self.tasks.spawn(poll.run());
    }

    fn refresher(&mut self) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        self.refresh.push(Arc::clone(&notify));
        notify
    }
}

impl PriceFeed for Prices {
    fn next(&mut self) -> PortFuture<'_, PriceNews> {
        Box::pin(self.mailbox.next())
    }

    fn refresh(&mut self) {
        for task in &self.refresh {
            task.notify_one();
        }
    }
}

fn backoff(ms_min: u64, ms_max: u64) -> Backoff {
    Backoff::new(Duration::from_millis(ms_min), Duration::from_millis(ms_max))
}

fn upgrade(url: &str) -> Result<Request, InvalidSources> {
    let invalid = || InvalidSources::Url { url: url.to_owned(), schemes: "ws:// or wss://" };
    let request = url.into_client_request().map_err(|_| invalid())?;
    let known = matches!(request.uri().scheme_str(), Some("ws" | "wss")) && request.uri().host().is_some();
    if known { Ok(request) } else { Err(invalid()) }
}

fn http_url(text: &str) -> Result<Url, InvalidSources> {
    let invalid = || InvalidSources::Url { url: text.to_owned(), schemes: "http:// or https://" };
    let url = Url::parse(text).map_err(|_| invalid())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(invalid()) }
}

/// The header with the key, left out of debug output.
fn key_header(key: &ApiKey) -> Result<HeaderMap, InvalidSources> {
    let none = || InvalidSources::NoKey { env: key.env.clone() };
    let text = std::env::var(&key.env).map_err(|_| none())?;
    let text = text.trim();
    let mut value = HeaderValue::from_str(text).map_err(|_| none())?;
    if text.is_empty() {
        return Err(none());
    }
    value.set_sensitive(true);
    let name = match key.plan {
        Plan::Demo => HeaderName::from_static("x-cg-demo-api-key"),
        Plan::Pro => HeaderName::from_static("x-cg-pro-api-key"),
    };
    Ok(HeaderMap::from_iter([(name, value)]))
}
