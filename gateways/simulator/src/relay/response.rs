//! Judges a `quote_response` as the relay does: before it enters the auction everything is checked that the
//! chain would check, and that the quote asked for.

use super::request::Demand;
use super::{Offer, wire};
use crate::clock::{NANOS_PER_MILLI, Nanos};
use crate::faults::Fault;
use crate::nep413::{VersionedNonce, base58};
use crate::tokens::Exact;
use crate::verifier::engine::{EngineError, check_content};
use crate::verifier::payload::{Content, SignedPayload};
use crate::world::{Shared, World};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// What becomes of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Stable, for counting.
    pub(crate) code: &'static str,
    /// The error text; `None` is "OK".
    pub(crate) error: Option<String>,
    /// When the client is told.
    pub(crate) told: Told,
}

/// When and how often the client is told of its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Never.
    Swallowed,
    /// After so long, which is no time at all where nothing goes wrong.
    Once(Duration),
    /// After the first span, and once more after the second: in the same words, or with the opposite.
    Twice { after: Duration, again: Duration, opposite: bool },
}

#[derive(Deserialize)]
struct Response {
    quote_id: String,
    quote_output: Output,
    #[serde(default)]
    signed_data: Option<SignedPayload>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    amount_in: Option<String>,
    #[serde(default)]
    amount_out: Option<String>,
    #[serde(default, rename = "type")]
    decline: Option<String>,
}

struct Refusal {
    code: &'static str,
    text: String,
    /// Whether a correct client could never have sent it.
    violation: bool,
}

fn refuse(code: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { code, text: text.into(), violation: false }
}

fn violation(code: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { code, text: text.into(), violation: true }
}

/// Judges a response and, when it is good, enters it into the auction.
pub(crate) fn judge(shared: &Shared, params: &[Value]) -> Verdict {
    let swallowed = shared.world().faults.bite(|fault| {
        if let Fault::RelaySwallowsReply { processed } = fault { Some(*processed) } else { None }
    });
    let judged = match swallowed {
        Some(false) => {
            note_payload(shared, &read(params));
            Ok("not_processed")
        }
        Some(true) | None => consider(shared, params),
    };
    let told = told(shared, swallowed.is_some());
    let mut journal = shared.journal();
    let verdict = match judged {
        Ok(code) => Verdict { code, error: None, told },
        Err(refusal) => {
            if refusal.violation {
                journal.violation(format!("quote_response: {}", refusal.text));
            }
            Verdict { code: refusal.code, error: Some(refusal.text), told }
        }
    };
    journal.quote_response(verdict.code);
    verdict
}

/// Lets the faults of a reply bite, and counts them.
fn told(shared: &Shared, swallowed: bool) -> Told {
    let mut world = shared.world();
    if swallowed {
        world.relay.tally.replies_swallowed += 1;
        return Told::Swallowed;
    }
    let late = world
        .faults
        .bite(|fault| if let Fault::RelayRepliesLate { by_ms } = fault { Some(*by_ms) } else { None });
    let again = world.faults.bite(|fault| {
        if let Fault::RelayRepeatsReply { after_ms } = fault {
            return Some((*after_ms, false));
        }
        if let Fault::RelayContradicts { after_ms } = fault { Some((*after_ms, true)) } else { None }
    });
    let tally = &mut world.relay.tally;
    tally.replies_late += u64::from(late.is_some());
    tally.replies_doubled += u64::from(again.is_some());
    let after = Duration::from_millis(late.unwrap_or(0));
    match again {
        None => Told::Once(after),
        Some((again_ms, opposite)) => {
            Told::Twice { after, again: after + Duration::from_millis(again_ms), opposite }
        }
    }
}

fn read(params: &[Value]) -> Result<Response, Refusal> {
    let [only] = params else {
        return Err(violation("malformed", "invalid params: expected one response object"));
    };
    Response::deserialize(only).map_err(|error| violation("malformed", format!("invalid params: {error}")))
}

/// Counts what was signed, whatever becomes of it.
fn note_payload(shared: &Shared, response: &Result<Response, Refusal>) {
    let Ok(Response { signed_data: Some(signed), .. }) = response else { return };
    let content = signed.content().ok();
    let nonce = content.as_ref().map(|content| content.nonce);
    let text = match signed {
        SignedPayload::Nep413 { payload, .. } => payload.nonce.clone(),
        SignedPayload::RawEd25519 { .. } => nonce.map(|nonce| base58(&nonce)).unwrap_or_default(),
    };
    shared.journal().signed(&text, nonce.as_ref(), signed.hash());
}

fn consider(shared: &Shared, params: &[Value]) -> Result<&'static str, Refusal> {
    let response = read(params);
    note_payload(shared, &response);
    let response = response?;
    // Slow, and needs nothing that is shared: done before the lock is taken.
    let is_signed = response.signed_data.as_ref().is_some_and(SignedPayload::is_signed);
    let mut world = shared.world();
    let rejected = world
        .faults
        .bite(|fault| if let Fault::RelayRejects { text } = fault { Some(text.clone()) } else { None });
    if let Some(text) = rejected {
        return Err(refuse("rejected_by_script", text));
    }
    let Some(auction) = world.relay.auctions.get(&response.quote_id) else {
        return Err(refuse("late", wire::LATE));
    };
    if response.quote_output.decline.is_some() && response.signed_data.is_none() {
        return Ok("declined");
    }
    let demand = auction.demand.clone().ok_or_else(|| violation("invalid_quote", "invalid quote"))?;
    let opened = auction.opened;
    let offer = check(shared, &world, &response, &demand, opened, is_signed)?;
    if let Some(auction) = world.relay.auctions.get_mut(&response.quote_id) {
        auction.offers.push(offer);
        auction.offered.notify_one();
    }
    Ok("accepted")
}

fn check(
    shared: &Shared,
    world: &World,
    response: &Response,
    demand: &Demand,
    opened: Nanos,
    is_signed: bool,
) -> Result<Offer, Refusal> {
    let signed = response
        .signed_data
        .as_ref()
        .ok_or_else(|| violation("malformed", "invalid params: missing field `signed_data`"))?;
    let amount = offered(&response.quote_output, demand)?;
    let content =
        signed.content().map_err(|error| violation("malformed", format!("invalid signed_data: {error}")))?;
    check_diff(&content, demand, amount)?;
    if !is_signed {
        return Err(violation("invalid_signature", EngineError::InvalidSignature.to_string()));
    }
    let now = shared.clock.now();
    let state = world.chain.pending();
    // The relay has the contract simulate what it would execute; a paused one does neither, whatever is asked.
    if state.paused {
        return Err(engine_refusal(&EngineError::Paused));
    }
    let setting = world.chain.next_setting(now);
    check_content(state, signed.public_key(), &content, setting).map_err(|error| engine_refusal(&error))?;
    if content.deadline < opened + Nanos::from(demand.min_deadline_ms) * NANOS_PER_MILLI {
        return Err(violation("deadline_too_short", "deadline is too short: less than min_deadline_ms"));
    }
    if VersionedNonce::read(&content.nonce).is_none() {
        shared.journal().violation("quote_response: the nonce has no salt and no deadline".to_owned());
    }
    let (_, gives) = demand.amounts(amount);
    if state.is_locked(&content.signer_id) {
        return Err(engine_refusal(&EngineError::Locked(content.signer_id.clone())));
    }
    if world.chain.is_nonce_used(&content.signer_id, &content.nonce, setting.height) {
        return Err(engine_refusal(&EngineError::NonceUsed));
    }
    if state.balance(&content.signer_id, &demand.token_out) < gives {
        return Err(engine_refusal(&EngineError::Insufficient));
    }
    Ok(Offer {
        solver: content.signer_id,
        amount,
        quote_hash: base58(&signed.hash()),
        deadline: content.deadline,
        signed: signed.clone(),
    })
}

/// The amount of the side that the taker left open.
fn offered(output: &Output, demand: &Demand) -> Result<u128, Refusal> {
    let stated = match (demand.exact, &output.amount_in, &output.amount_out) {
        (Exact::In(_), None, Some(amount)) | (Exact::Out(_), Some(amount), None) => amount,
        (Exact::In(_) | Exact::Out(_), _, _) => {
            let text = "invalid quote_output: state exactly the amount that the quote leaves open";
            return Err(violation("wrong_side", text));
        }
    };
    let amount: Option<u128> = stated.parse().ok().filter(|amount| *amount > 0);
    amount.ok_or_else(|| violation("malformed", format!("invalid quote_output: {stated:?} is no amount")))
}

/// The signed difference has to be exactly the trade: these two tokens, these two amounts.
fn check_diff(content: &Content, demand: &Demand, amount: u128) -> Result<(), Refusal> {
    let (receives, gives) = demand.amounts(amount);
    let wanted = |amount: u128| i128::try_from(amount).map_err(|_| violation("mismatch", "amount overflow"));
    let (receives, gives) = (wanted(receives)?, wanted(gives)?);
    let diff = content
        .only_diff()
        .ok_or_else(|| violation("mismatch", "signed_data must hold exactly one token_diff intent"))?;
    let delta = |token: &str| diff.get(token).map(|delta| delta.0);
    if diff.len() != 2 || delta(&demand.token_in).is_none() || delta(&demand.token_out).is_none() {
        return Err(violation("wrong_tokens", "token_diff assets don't match the quote"));
    }
    if delta(&demand.token_in) != Some(receives) || delta(&demand.token_out) != Some(-gives) {
        return Err(violation("mismatch", "token_diff amounts don't match quote_output"));
    }
    Ok(())
}

fn engine_refusal(error: &EngineError) -> Refusal {
    let code = match error {
        EngineError::InvalidSignature => "invalid_signature",
        EngineError::Unreadable(_) | EngineError::InvalidIntent => "malformed",
        EngineError::WrongContract => "wrong_contract",
        EngineError::DeadlineExpired => "expired",
        EngineError::UnknownKey { .. } => "unknown_key",
        EngineError::InvalidSalt => "invalid_salt",
        EngineError::DeadlineGreaterThanNonce | EngineError::InvalidNonce => "invalid_nonce",
        EngineError::Locked(_) => "locked",
        EngineError::NonceUsed => "nonce_used",
        EngineError::Insufficient => "insufficient",
        EngineError::Unmatched(_) => "mismatch",
        EngineError::Paused => "paused",
    };
    let never_right = matches!(code, "invalid_signature" | "malformed" | "wrong_contract" | "invalid_nonce");
    Refusal { code, text: error.to_string(), violation: never_right }
}
