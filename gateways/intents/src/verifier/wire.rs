//! NEAR JSON-RPC's words, as far as views need them. What they mean is said in `translate.rs`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A call.
#[derive(Debug, Serialize)]
pub struct Request<P> {
    pub jsonrpc: &'static str,
    pub id: &'static str,
    pub method: &'static str,
    pub params: P,
}

/// Parameters of `block`.
#[derive(Debug, Serialize)]
pub struct BlockParams {
    pub finality: &'static str,
}

/// Parameters of `query`, for a view at one height.
#[derive(Debug, Serialize)]
pub struct ViewParams<'a> {
    pub request_type: &'static str,
    pub block_id: u64,
    pub account_id: &'a str,
    pub method_name: &'static str,
    pub args_base64: String,
}

/// Any answer.
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    #[serde(borrow, default)]
    pub result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
}

/// The structured form of an error.
#[derive(Debug, Deserialize)]
pub struct RpcError {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub cause: Option<Cause>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub data: Option<serde_json::Value>,
}

/// What an error came from.
#[derive(Debug, Deserialize)]
pub struct Cause {
    #[serde(default)]
    pub name: Option<String>,
}

/// The result of `block`.
#[derive(Debug, Deserialize)]
pub struct Block {
    pub header: Header,
}

/// A block's header.
#[derive(Debug, Deserialize)]
pub struct Header {
    pub height: u64,
    pub hash: String,
    /// Nanoseconds since 1970; the text form is exact in every JSON reader.
    #[serde(default)]
    pub timestamp_nanosec: Option<String>,
    #[serde(default)]
    pub timestamp: Option<u64>,
}

/// The result of a view.
#[derive(Debug, Deserialize)]
pub struct View {
    /// The contract's answer, byte by byte.
    #[serde(default)]
    pub result: Option<Vec<u8>>,
    /// The contract's panic, on the older path that answers 200.
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub block_height: Option<u64>,
    #[serde(default)]
    pub block_hash: Option<String>,
}
