//! What the relay's frames mean to us. Pure; tested on the frames in `payloads/relay`.
//!
//! Fields that decide something must have their documented type, or the frame is unreadable. Fields that only inform
//! (partner, trace) are taken when they can be read and left out when not: a partner's slip must not hide a quote.

use super::connection::OfferName;
use super::wire;
use serde::Deserialize;
use serde_json::value::RawValue;
use stele_domain::ids::{InvalidId, QuoteHash, QuoteId, TokenId};
use stele_domain::port::feeds::{
    QuoteRequest, RelayWord, ReplyNotice, ReplyWord, SettlementNotice, SettlementWord,
};
use stele_domain::port::venue::Submission;

/// Longest amount that is passed on, in characters: 2^256 has 78 digits, and a wrong amount should still be seen.
const AMOUNT_CHARS_MAX: usize = 128;

/// Longest informing text that is passed on, in characters.
const NOTE_CHARS_MAX: usize = 256;

/// Longest reason why a frame could not be read, in characters: it may quote the frame.
pub const REASON_CHARS_MAX: usize = 512;

/// Longest reply that is kept, in characters.
const REPLY_CHARS_MAX: usize = 4_096;

/// What a frame is.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The answer to a request of ours.
    Reply {
        /// Which request.
        id: u64,
        /// What it says.
        outcome: Outcome,
    },
    /// Something that happened.
    News {
        /// The subscription that it came by, where the frame says so.
        subscription: Option<String>,
        /// What happened; unreadable frames too.
        word: RelayWord,
    },
}

/// A reply's content, verbatim JSON.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `result`.
    Result(String),
    /// `error`, an object or a bare string.
    Error(String),
    /// Neither, or both.
    Neither,
}

/// Reads a text frame.
pub fn frame(raw: &str) -> Meaning {
    match read(raw) {
        Ok(meaning) => meaning,
        Err(reason) => {
            let word = RelayWord::Unreadable(cut(&reason, REASON_CHARS_MAX));
            Meaning::News { subscription: None, word }
        }
    }
}

/// What the reply to an offer means. Only `"OK"` is a yes and only an error is a no.
pub fn submission(outcome: Outcome) -> Submission {
    match outcome {
        Outcome::Result(reply) if reply == "\"OK\"" => Submission::Accepted { reply },
        Outcome::Result(reply) => Submission::Unknown { reason: format!("the relay replied {reply}") },
        Outcome::Error(reply) => {
            let said = reply.to_ascii_lowercase();
            let late = said.contains("not found or already finished") || said.contains("expired");
            Submission::Refused { reply, late }
        }
        Outcome::Neither => Submission::Unknown { reason: "the reply has neither result nor error".into() },
    }
}

/// What a reply to an offer means that nobody waits for any more. What is neither a yes nor a no says nothing of the
/// offer, and is kept as what could not be read.
pub fn further(offer: &OfferName, submission: Submission) -> RelayWord {
    let (word, late, reply) = match submission {
        Submission::Accepted { reply } => (ReplyWord::Accepted, false, reply),
        Submission::Refused { reply, late } => (ReplyWord::Rejected, late, reply),
        Submission::NotSent { reason } | Submission::Unknown { reason } => {
            return RelayWord::Unreadable(format!("a further reply to offer {}: {reason}", offer.quote_hash));
        }
    };
    let OfferName { quote_id, quote_hash } = offer.clone();
    RelayWord::Reply(ReplyNotice { quote_id, quote_hash, word, late, reply })
}

/// The subscription id that a relay granted; `None` when the reply is anything else.
pub fn granted(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Result(json) => serde_json::from_str(json).ok(),
        Outcome::Error(_) | Outcome::Neither => None,
    }
}

fn read(raw: &str) -> Result<Meaning, String> {
    let frame: wire::Frame<'_> = parse("not a frame", raw)?;
    if let Some(id) = frame.id {
        let id = request_id(id.get())
            .ok_or_else(|| format!("reply to an id that is no number: {}", cut(id.get(), 64)))?;
        return Ok(Meaning::Reply { id, outcome: outcome(&frame) });
    }
    let method = frame.method.as_deref().ok_or("neither id nor method")?;
    if !matches!(method, "event" | "subscribe") {
        return Err(format!("unknown method {:?}", cut(method, 64)));
    }
    let whole = frame.params.ok_or("an event without params")?;
    let params: wire::Params<'_> = parse("params", whole.get())?;
    let data: wire::Data<'_> = parse("data", params.data.unwrap_or(whole).get())?;
    let word = match (&data.quote_id, &data.quote_hash) {
        (Some(_), None) => RelayWord::Quote(Box::new(quote(data, params.metadata)?)),
        (None, Some(_)) => RelayWord::Settlement(settlement(data)?),
        (Some(_), Some(_)) => return Err("an event with both quote_id and quote_hash".into()),
        (None, None) => return Err("an event with neither quote_id nor quote_hash".into()),
    };
    Ok(Meaning::News { subscription: params.subscription, word })
}

fn quote(data: wire::Data<'_>, metadata: Option<&RawValue>) -> Result<QuoteRequest, String> {
    let metadata: wire::Metadata = lenient(metadata);
    let trusted: wire::TrustedMetadata = lenient(data.trusted_metadata);
    let behind = trusted.upstream_trusted_metadata.as_deref();
    let quote_type = trusted.quote_type.as_ref().or(behind.and_then(|t| t.quote_type.as_ref()));
    let partner = metadata.partner_id.as_ref().or(trusted.partner_id.as_ref());
    let dry = |t: &wire::TrustedMetadata| t.quote_request_data.as_ref().and_then(|d| d.dry).unwrap_or(false);
    Ok(QuoteRequest {
        quote_id: id(data.quote_id, "quote_id", QuoteId::try_from)?,
        token_in: id(data.defuse_asset_identifier_in, "defuse_asset_identifier_in", TokenId::try_from)?,
        token_out: id(data.defuse_asset_identifier_out, "defuse_asset_identifier_out", TokenId::try_from)?,
        exact_amount_in: amount(data.exact_amount_in, "exact_amount_in")?,
        exact_amount_out: amount(data.exact_amount_out, "exact_amount_out")?,
        min_deadline_ms: data.min_deadline_ms,
        min_wait_ms: data.min_wait_ms,
        max_wait_ms: data.max_wait_ms.or(data.wait_ms),
        protocol_fee_included: data.protocol_fee_included.unwrap_or(false),
        partner_id: partner.map(|text| cut(text, NOTE_CHARS_MAX)),
        quote_type: quote_type.map(|text| cut(text, NOTE_CHARS_MAX)),
        dry: dry(&trusted) || behind.is_some_and(dry),
        traceparent: metadata.traceparent.map(|text| cut(&text, NOTE_CHARS_MAX)),
    })
}

fn settlement(data: wire::Data<'_>) -> Result<SettlementNotice, String> {
    let word = match data.event_type.as_deref() {
        None | Some("quote_settle_successful") => SettlementWord::Settled,
        Some("quote_settle_failed") => SettlementWord::Failed,
        Some("quote_ready_to_settle") => SettlementWord::Ready,
        Some(other) => return Err(format!("unknown event_type {:?}", cut(other, 64))),
    };
    Ok(SettlementNotice {
        quote_hash: id(data.quote_hash, "quote_hash", QuoteHash::try_from)?,
        intent_hash: data.intent_hash.map(|text| cut(&text, NOTE_CHARS_MAX)),
        tx_hash: data.tx_hash.map(|text| cut(&text, NOTE_CHARS_MAX)),
        word,
    })
}

fn outcome(frame: &wire::Frame<'_>) -> Outcome {
    match (frame.result, frame.error) {
        (Some(result), None) => Outcome::Result(cut(result.get(), REPLY_CHARS_MAX)),
        (None, Some(error)) => Outcome::Error(cut(error.get(), REPLY_CHARS_MAX)),
        (None, None) | (Some(_), Some(_)) => Outcome::Neither,
    }
}

/// Ids are numbers; some servers send them back as text.
fn request_id(json: &str) -> Option<u64> {
    json.trim_matches('"').parse().ok()
}

fn parse<'a, T: Deserialize<'a>>(what: &str, json: &'a str) -> Result<T, String> {
    // Serde would read an array as an object whose fields come in our order.
    if !json.trim_start().starts_with('{') {
        return Err(format!("{what}: no object"));
    }
    serde_json::from_str(json).map_err(|error| format!("{what}: {error}"))
}

fn lenient<T: for<'a> Deserialize<'a> + Default>(json: Option<&RawValue>) -> T {
    json.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
}

fn id<T>(text: Option<String>, field: &str, read: fn(String) -> Result<T, InvalidId>) -> Result<T, String> {
    let text = text.ok_or_else(|| format!("{field} is missing"))?;
    read(text).map_err(|error| format!("{field}: {error}"))
}

fn amount(text: Option<String>, field: &str) -> Result<Option<String>, String> {
    match text {
        Some(text) if text.len() > AMOUNT_CHARS_MAX => Err(format!("{field} has {} characters", text.len())),
        text => Ok(text),
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests;
