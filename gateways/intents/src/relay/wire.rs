//! The relay's words, as they stand in its frames. What they mean is said in `translate.rs`.
//!
//! JSON-RPC 2.0 over WebSocket. Unknown fields are accepted everywhere: the relay adds them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What every request and reply begins with.
pub const VERSION: &str = "2.0";

/// A request of ours.
#[derive(Debug, Serialize)]
pub struct Request<P> {
    pub jsonrpc: &'static str,
    pub id: u64,
    pub method: &'static str,
    pub params: P,
}

/// Filters of the `quote` stream.
#[derive(Debug, Serialize)]
pub struct Filters<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens_in: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens_out: Vec<&'a str>,
}

/// An answer to a quote request.
#[derive(Debug, Serialize)]
pub struct QuoteResponse<'a> {
    pub quote_id: &'a str,
    pub quote_output: QuoteOutput,
    pub signed_data: SignedData<'a>,
}

/// The amount that we chose; the request fixed the other.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteOutput {
    AmountOut(String),
    AmountIn(String),
}

/// A signed NEP-413 payload.
#[derive(Debug, Serialize)]
pub struct SignedData<'a> {
    pub standard: &'static str,
    pub payload: Payload<'a>,
    pub public_key: &'a str,
    pub signature: &'a str,
}

/// What was signed.
#[derive(Debug, Serialize)]
pub struct Payload<'a> {
    pub message: &'a str,
    pub nonce: &'a str,
    pub recipient: &'a str,
}

/// Any frame of the relay's: a reply has an id, an event has a method.
#[derive(Debug, Deserialize)]
pub struct Frame<'a> {
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
}

/// The envelope of an event. In the form that the documents print there is no `data`, and its fields stand here.
#[derive(Debug, Deserialize)]
pub struct Params<'a> {
    #[serde(default)]
    pub subscription: Option<String>,
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub metadata: Option<&'a RawValue>,
}

/// The fields of a quote request and of a settlement notice; which of the two it is, its id tells.
#[derive(Debug, Deserialize)]
pub struct Data<'a> {
    pub quote_id: Option<String>,
    pub defuse_asset_identifier_in: Option<String>,
    pub defuse_asset_identifier_out: Option<String>,
    pub exact_amount_in: Option<String>,
    pub exact_amount_out: Option<String>,
    pub min_deadline_ms: Option<u64>,
    pub min_wait_ms: Option<u64>,
    pub max_wait_ms: Option<u64>,
    /// The older name of `max_wait_ms`.
    pub wait_ms: Option<u64>,
    pub protocol_fee_included: Option<bool>,
    #[serde(borrow, default)]
    pub trusted_metadata: Option<&'a RawValue>,

    pub quote_hash: Option<String>,
    pub intent_hash: Option<String>,
    pub tx_hash: Option<String>,
    pub event_type: Option<String>,
}

/// What the relay knows about the request itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    pub traceparent: Option<String>,
    pub partner_id: Option<String>,
}

/// What a trusted partner says about the request. A router carries the words of the partner behind it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the relay's own names")]
pub struct TrustedMetadata {
    pub partner_id: Option<String>,
    pub quote_type: Option<String>,
    pub quote_request_data: Option<QuoteRequestData>,
    pub upstream_trusted_metadata: Option<Box<TrustedMetadata>>,
}

/// The part of the partner's own request that it passes on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct QuoteRequestData {
    pub dry: Option<bool>,
}
