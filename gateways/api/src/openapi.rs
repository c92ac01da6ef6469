//! The document of the API (`OpenAPI` 3.1), made from the list of routes, the messages and the tables; and the page
//! that shows it to people.

mod about;
mod answers;
mod document;
mod page;
mod params;
mod schemas;
mod table;
#[cfg(test)]
mod tests;
mod tighten;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use stele_domain::port::read_store::Schema;

/// What of the page may run and be loaded: its own words, and nothing from anywhere else.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document, ready to be sent.
#[derive(Debug)]
pub(crate) struct Reference {
    /// The document as JSON.
    pub(crate) json: Bytes,
    /// The page.
    pub(crate) html: Bytes,
    /// Its Content-Security-Policy.
    pub(crate) policy: String,
}

impl Reference {
    /// The document of an API with these tables.
    pub(crate) fn of(schemas: &[Schema], version: &str) -> Self {
        let document = document::document(schemas, version);
        // Maps of text and numbers: there is always a JSON form.
        let mut value = serde_json::to_value(&document).unwrap_or(Value::Null);
        tighten::tightened(&mut value);
        let json = serde_json::to_vec_pretty(&value).unwrap_or_default();
        let policy = format!(
            "{POLICY}; style-src 'sha256-{}'; script-src 'sha256-{}'",
            hash(page::STYLE),
            hash(page::SCRIPT)
        );
        Self { json: Bytes::from(json), html: Bytes::from(page::page(&value)), policy }
    }
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}
