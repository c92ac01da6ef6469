//! What the taker asked.

use super::Step;
use crate::amounts::span;
use crate::render::units::{of_token, symbol};
use stele_domain::pair::{Direction, Pair};
use stele_domain::port::venue::ExactSide;
use stele_projections::models::demands::DemandRow;
use stele_projections::models::quotes::{QuoteRow, Received};
use stele_projections::trace::Trace;

/// The request and what it means, as one step; repeats and nonsense as steps of their own.
pub(super) fn steps(trace: &Trace, pair: &Pair) -> Vec<Step> {
    let mut steps = vec![];
    for request in &trace.requests {
        steps.push(match request.kind {
            Received::First => received(request, trace.demand.as_ref(), pair),
            Received::Repeat => {
                Step::new(request.received_at, request.position, "The same quote id came in again")
                    .say("The first request counts; this one was kept and not acted on.")
            }
            Received::Rejected => {
                Step::new(request.received_at, request.position, "The request made no sense")
                    .say(format!("It was kept word for word and not acted on: {}.", request.detail))
            }
        });
    }
    if let (true, Some(demand)) = (steps.is_empty(), &trace.demand) {
        steps.push(meaning(
            Step::new(demand.received_at, demand.position, "A quote request came in"),
            demand,
            pair,
        ));
    }
    steps
}

fn received(request: &QuoteRow, demand: Option<&DemandRow>, pair: &Pair) -> Step {
    let step = Step::new(request.received_at, request.position, "A quote request came in");
    match demand {
        Some(demand) => meaning(step, demand, pair),
        None => step,
    }
}

fn meaning(step: Step, demand: &DemandRow, pair: &Pair) -> Step {
    let base = &pair.base.asset.symbol;
    let act = match demand.direction {
        Direction::BuyBase => format!("buy {base}"),
        Direction::SellBase => format!("sell {base}"),
    };
    let step = step.say(format!("{}; for the desk that means to {act}.", wish(demand, pair))).say(format!(
        "The auction was open for {}. An offer had to stay valid for at least {}.",
        span(clamped(demand.window_ms)),
        span(clamped(demand.min_deadline_ms))
    ));
    let mut notes = vec![];
    if let Some(partner) = &demand.partner_id {
        notes.push(format!("brought by partner {partner}"));
    }
    if demand.router_leg {
        notes.push("a leg of a routed swap".to_owned());
    }
    if demand.probe {
        notes.push("a probe that nobody means to take".to_owned());
    }
    if notes.is_empty() { step } else { step.say(format!("It was {}.", notes.join(", "))) }
}

/// What the taker wanted, in a sentence without its full stop.
pub(super) fn wish(demand: &DemandRow, pair: &Pair) -> String {
    let (gives, wants) = (symbol(&demand.token_in, pair), symbol(&demand.token_out, pair));
    match demand.exact {
        ExactSide::In => {
            format!(
                "A taker gave exactly {} and asked how much {wants} for it",
                of_token(demand.amount, demand.token_in.as_str(), pair)
            )
        }
        ExactSide::Out => {
            format!(
                "A taker wanted exactly {} and asked how much {gives} it costs",
                of_token(demand.amount, demand.token_out.as_str(), pair)
            )
        }
    }
}

fn clamped(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
