//! Kraken's words: WebSocket v2 messages and the REST ticker. What they mean is said in `translate.rs`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A request of ours.
#[derive(Debug, Serialize)]
pub struct Request<P> {
    pub method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<P>,
    pub req_id: u64,
}

/// What to subscribe to.
#[derive(Debug, Serialize)]
pub struct Subscription<'a> {
    pub channel: &'static str,
    pub symbol: [&'a str; 1],
    pub event_trigger: &'static str,
    pub snapshot: bool,
}

/// Any message: a reply has a method, data have a channel.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    #[serde(borrow, default)]
    pub method: Option<Cow<'a, str>>,
    #[serde(default)]
    pub success: Option<bool>,
    #[serde(borrow, default)]
    pub error: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
}

/// An entry of the `status` channel.
#[derive(Debug, Deserialize)]
pub struct Status {
    pub system: String,
}

/// An entry of the `ticker` channel. Prices are JSON numbers, kept as text.
#[derive(Debug, Deserialize)]
pub struct Ticker<'a> {
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    #[serde(borrow, default)]
    pub bid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub ask: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub timestamp: Option<&'a RawValue>,
}

/// The answer of `GET /0/public/Ticker`.
#[derive(Debug, Deserialize)]
pub struct RestAnswer<'a> {
    #[serde(default)]
    pub error: Vec<String>,
    #[serde(borrow, default)]
    pub result: Option<BTreeMap<String, RestTicker<'a>>>,
}

/// One market: price, whole lots and lots of the best bid and ask.
#[derive(Debug, Deserialize)]
pub struct RestTicker<'a> {
    #[serde(borrow)]
    pub b: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub a: Vec<&'a RawValue>,
}
