//! The relay's words: requests, replies and events as they stand on the socket.

use crate::options::{ErrorForm, EventForm, RelayOptions};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The error text for a response that comes too late, or to nothing.
pub(crate) const LATE: &str = "quote not found or already finished";

/// The error text of a relay that takes back its yes.
pub(crate) const TAKEN_BACK: &str = "quote response rejected";

/// A request of a client.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    pub(crate) jsonrpc: Option<String>,
    pub(crate) id: serde_json::Number,
    pub(crate) method: String,
    #[serde(default)]
    pub(crate) params: Vec<Value>,
}

/// The filters of a subscription. An empty list wants everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Filters {
    #[serde(default)]
    pub(crate) tokens_in: Vec<String>,
    #[serde(default)]
    pub(crate) tokens_out: Vec<String>,
}

impl Filters {
    pub(crate) fn want(&self, data: &Map<String, Value>) -> bool {
        let listed = |list: &[String], field: &str| {
            let token = data.get(field).and_then(Value::as_str);
            list.is_empty() || list.iter().any(|wanted| Some(wanted.as_str()) == token)
        };
        listed(&self.tokens_in, "defuse_asset_identifier_in")
            && listed(&self.tokens_out, "defuse_asset_identifier_out")
    }
}

/// A good reply.
pub(crate) fn reply(id: &Value, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// An error, as an object or as a bare string.
pub(crate) fn error(id: &Value, text: &str, options: &RelayOptions) -> String {
    let error = match options.errors {
        ErrorForm::Text => json!(text),
        ErrorForm::Object => json!({ "code": -32_000, "message": text }),
    };
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

/// An event on a subscription.
pub(crate) fn event(
    subscription: &str,
    data: &Map<String, Value>,
    metadata: Option<&Value>,
    seq: Option<u64>,
    options: &RelayOptions,
) -> String {
    let flat = options.events == EventForm::Flat;
    let mut params = if flat { data.clone() } else { Map::new() };
    params.insert("subscription".to_owned(), subscription.into());
    if !flat {
        params.insert("data".to_owned(), Value::Object(data.clone()));
        if let Some(metadata) = metadata {
            params.insert("metadata".to_owned(), metadata.clone());
        }
    }
    if let Some(seq) = seq {
        params.insert("seq".to_owned(), seq.into());
    }
    if options.extra_fields {
        let extra = json!({ "revision": 7, "labels": ["a", null], "deep": { "er": true } });
        if let Some(Value::Object(data)) = params.get_mut("data") {
            data.insert("x_extension".to_owned(), extra.clone());
        }
        params.insert("x_extension".to_owned(), extra);
    }
    let method = if flat { "subscribe" } else { "event" };
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}
