//! How the intake judges a request.

use super::command::Command;
use super::event::{DuplicateReceived, Event, Fault, QuoteReceived, RequestRejected};
use super::rejection::Rejection;
use super::state::{Content, State};
use crate::intents::demand::Demand;
use crate::money::Units;
use crate::pair::{Direction, Pair};
use crate::port::feeds::QuoteRequest;
use crate::port::venue::ExactSide;
use crate::time::Timestamp;

/// How long an offer must stay valid when the request does not say, in milliseconds.
const MIN_DEADLINE_MS_DEFAULT: u64 = 60 * 1_000;
/// Longest auction that is believed, in milliseconds: an hour. Real ones last seconds.
pub const WINDOW_MS_MAX: u64 = 60 * 60 * 1_000;
/// How much of an offending text is kept, in characters.
const DETAIL_CHARS_MAX: usize = 200;
/// Questions for the smallest amount that can be moved; nobody trades on the answer.
const PROBE_TYPES: [&str; 2] = ["min_deposit_amount", "min_withdrawal_amount"];

pub(super) fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
    let Command::Receive { request, frame, received_at, pair, default_window_ms } = command;
    let Some(direction) = pair.direction(&request.token_in, &request.token_out) else {
        let QuoteRequest { token_in, token_out, .. } = *request;
        return Err(Rejection::OtherPair { token_in, token_out, pair: pair.id });
    };
    let quote_id = request.quote_id.clone();
    let judged = judge(*request, &pair, direction, received_at, default_window_ms);
    let (content, judgement) = match judged {
        Ok(demand) => (Content::of_demand(&demand), Event::DemandNormalised(demand)),
        Err(rejected) => (Content::of_rejected(&rejected), Event::RequestRejected(rejected)),
    };
    if let Some(first) = state.content(&quote_id) {
        let same_content = first == content;
        let duplicate = DuplicateReceived { quote_id, same_content, frame, received_at };
        return Ok(vec![Event::DuplicateReceived(duplicate)]);
    }
    Ok(vec![Event::QuoteReceived(QuoteReceived { quote_id, frame, received_at }), judgement])
}

/// What the request means, or why it means nothing.
fn judge(
    request: QuoteRequest,
    pair: &Pair,
    direction: Direction,
    received_at: Timestamp,
    default_window_ms: u64,
) -> Result<Demand, RequestRejected> {
    let asked = amount(&request).and_then(|asked| Ok((asked, window_ms(&request, default_window_ms)?)));
    let ((exact, amount), window_ms) = asked.map_err(|(fault, detail)| RequestRejected {
        quote_id: request.quote_id.clone(),
        fault,
        detail: detail.chars().take(DETAIL_CHARS_MAX).collect(),
        received_at,
    })?;
    let probe = request.dry
        || request.quote_type.as_deref().is_some_and(|quote_type| PROBE_TYPES.contains(&quote_type));
    Ok(Demand {
        quote_id: request.quote_id,
        pair: pair.id.clone(),
        direction,
        token_in: request.token_in,
        token_out: request.token_out,
        exact,
        amount,
        min_deadline_ms: request.min_deadline_ms.unwrap_or(MIN_DEADLINE_MS_DEFAULT),
        window_ms,
        closes_at: received_at.plus_millis(window_ms),
        router_leg: request.protocol_fee_included,
        partner_id: request.partner_id,
        quote_type: request.quote_type,
        probe,
        traceparent: request.traceparent,
        received_at,
    })
}

/// Which side is fixed, and at how much.
fn amount(request: &QuoteRequest) -> Result<(ExactSide, Units), (Fault, String)> {
    let (exact, text) = match (&request.exact_amount_in, &request.exact_amount_out) {
        (Some(given), None) => (ExactSide::In, given),
        (None, Some(wanted)) => (ExactSide::Out, wanted),
        (Some(given), Some(wanted)) => {
            return Err((Fault::BothExact, format!("{given} in and {wanted} out")));
        }
        (None, None) => return Err((Fault::NeitherExact, String::new())),
    };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err((Fault::NotANumber, text.clone()));
    }
    match text.parse::<Units>() {
        Ok(amount) if amount.is_zero() => Err((Fault::ZeroAmount, text.clone())),
        Ok(amount) if amount.fits_venue() => Ok((exact, amount)),
        Ok(_) | Err(_) => Err((Fault::TooLarge, text.clone())),
    }
}

/// How long the auction stays open, in milliseconds.
fn window_ms(request: &QuoteRequest, default_window_ms: u64) -> Result<u64, (Fault, String)> {
    let bad = |what: String| Err((Fault::BadWindow, what));
    let Some(max_wait_ms) = request.max_wait_ms else {
        return Ok(default_window_ms);
    };
    if max_wait_ms == 0 {
        return bad("max_wait_ms is 0".to_owned());
    }
    if max_wait_ms > WINDOW_MS_MAX {
        return bad(format!("max_wait_ms is {max_wait_ms}, above {WINDOW_MS_MAX}"));
    }
    match request.min_wait_ms {
        Some(min_wait_ms) if min_wait_ms > max_wait_ms => {
            bad(format!("min_wait_ms {min_wait_ms} is above max_wait_ms {max_wait_ms}"))
        }
        Some(_) | None => Ok(max_wait_ms),
    }
}
