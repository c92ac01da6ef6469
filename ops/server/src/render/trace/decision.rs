//! What the desk saw, what it would have offered, and what every gate said.

use super::{Line, Step};
use crate::amounts::span;
use crate::render::gates::{self, Context};
use crate::render::reasons;
use crate::render::units::{of_side, of_token, rate};
use stele_domain::ids::TokenId;
use stele_domain::market::reference::event::{BasisMode, Block, Role, Source, SourceUse};
use stele_domain::money::BasisPoints;
use stele_domain::pair::Pair;
use stele_domain::trading::gate::Answer;
use stele_projections::models::decisions::DecisionRow;
use stele_projections::models::demands::DemandRow;
use stele_projections::models::prices::ReferencePriceRow;
use stele_projections::trace::DecisionStory;

/// Price, balances, proposal and verdict.
pub(super) fn steps(story: &DecisionStory, demand: Option<&DemandRow>, pair: &Pair) -> Vec<Step> {
    let mut steps = vec![];
    steps.extend(story.price.as_ref().map(|row| price(row, &story.decision, pair)));
    steps.extend(balances(story, pair));
    steps.extend(proposal(&story.decision, demand, pair));
    steps.push(verdict(story, pair));
    steps
}

/// The decision in a sentence.
pub(super) fn in_a_word(story: &DecisionStory) -> String {
    match story.decision.decision_reason {
        Some(reason) => format!("The desk made no offer: {}.", reasons::skipped(reason)),
        None => "The desk decided to make an offer.".to_owned(),
    }
}

fn price(row: &ReferencePriceRow, decision: &DecisionRow, pair: &Pair) -> Step {
    let step = Step::new(row.priced_at, row.position, "The reference price that the decision saw");
    let step = if let (Some(fair), Some(bid), Some(ask)) = (row.rate, row.bid, row.ask) {
        let age = decision
            .price_freshness_ms
            .map_or_else(String::new, |ms| format!(", {} old at the decision", span(ms)));
        let spread = row.spread_bps.map_or_else(String::new, |bps| format!("; spread {}", BasisPoints(bps)));
        step.say(format!(
            "{}{age}. It could be sold at {} and bought at {}{spread}.",
            rate(fair, pair),
            number(bid),
            number(ask)
        ))
    } else {
        let why = row.block.map_or("it is not known why", Block::code);
        step.say(format!("There was no price that may be decided on ({why})."))
    };
    let mut step = step;
    for source in &row.sources {
        step.body.push(Line::Row(source_line(source)));
    }
    if let Some(apart) = row.disagreement_bps {
        step = step.say(format!("The two sources were {} apart.", BasisPoints(apart)));
    }
    match (row.basis_mode, row.basis_rate) {
        (Some(BasisMode::AssumedParity), _) => {
            step.say("One EURe was taken to be worth one euro; that is an assumption.")
        }
        (Some(BasisMode::Observed), Some(basis)) => {
            step.say(format!("One EURe was worth {} euro, as observed.", basis.decimal()))
        }
        (Some(BasisMode::Observed) | None, _) => step,
    }
}

fn source_line(source: &SourceUse) -> String {
    let name = match source.source {
        Source::Kraken => "Kraken",
        Source::CoinGecko => "CoinGecko",
        Source::Peg => "EURe in euro",
    };
    let role = match source.role {
        Role::Primary => "the price comes from here".to_owned(),
        Role::Check => "compared with it".to_owned(),
        Role::Fallback => "the price comes from here, because the primary source failed".to_owned(),
        Role::Basis => "turned the euro price into EURe".to_owned(),
        Role::Unused => format!("not used: {}", source.why),
    };
    let mid = source.mid.map_or_else(String::new, number);
    let age = source
        .age_ms
        .map_or_else(String::new, |ms| format!("{} old", span(i64::try_from(ms).unwrap_or(i64::MAX))));
    format!("  {name:<13} {mid:>12}  {age:>14}  {role}")
}

fn number(rate: stele_domain::money::Rate) -> String {
    crate::render::units::number(&rate.decimal().to_string())
}

fn balances(story: &DecisionStory, pair: &Pair) -> Option<Step> {
    let row = story.inventory.as_ref()?;
    let decision = &story.decision;
    let providers = match row.providers {
        1 => "one provider".to_owned(),
        count => format!("{count} providers in agreement"),
    };
    let step = Step::new(row.observed_at, row.position, "The balances that the decision saw").say(format!(
        "Read from the verifier contract at block {} from {providers}{}.",
        row.height,
        decision
            .inventory_freshness_ms
            .map_or_else(String::new, |ms| format!(", {} old at the decision", span(ms)))
    ));
    let token = decision.give_token.as_ref().map(TokenId::as_str);
    let seen =
        (token, decision.inventory_credited, decision.inventory_reserved, decision.inventory_spendable);
    let (Some(token), Some(credited), Some(reserved), Some(spendable)) = seen else { return Some(step) };
    let of = |units| of_token(units, token, pair);
    let pending = decision.inventory_pending_in.filter(|units| !units.is_zero());
    let pending = pending.map_or_else(String::new, |units| {
        format!(" Another {} is on its way and does not count.", of(units))
    });
    Some(step.say(format!(
        "{} were credited, {} of it reserved by open offers; {} could be spent.{pending}",
        of(credited),
        of(reserved),
        of(spendable)
    )))
}

fn proposal(decision: &DecisionRow, demand: Option<&DemandRow>, pair: &Pair) -> Option<Step> {
    let give = of_token(decision.give_amount?, decision.give_token.as_ref()?.as_str(), pair);
    let receive = of_token(decision.receive_amount?, decision.receive_token.as_ref()?.as_str(), pair);
    let step = Step::new(decision.decided_at, decision.position, "What the desk would offer");
    let chosen = match demand.map(|demand| demand.exact) {
        Some(stele_domain::port::venue::ExactSide::Out) => "what it asks was rounded up",
        Some(stele_domain::port::venue::ExactSide::In) | None => "what it gives was rounded down",
    };
    let mut step = step.say(format!("Give {give} and receive {receive}; {chosen}, in the desk's favour."));
    if let (Some(fair), Some(margin)) = (decision.fair_rate, &decision.margin) {
        let parts = [
            ("always", margin.base),
            ("for the age of the price", margin.age),
            ("for half the spread", margin.spread),
            ("because the price is a fallback", margin.fallback),
            ("because parity of EURe is assumed", margin.basis),
        ];
        let parts = parts.iter().filter(|(_, bps)| bps.0 != 0).map(|(why, bps)| format!("{bps} {why}"));
        let parts = parts.collect::<Vec<_>>().join(" + ");
        step =
            step.say(format!("Fair rate {}, less a margin of {} ({parts}).", rate(fair, pair), margin.total));
    }
    if let (Some(implied), Some(reference)) = (decision.implied_rate, decision.reference_rate) {
        step = step.say(format!(
            "That is a rate of {}, against {} on the less favourable side.",
            rate(implied, pair),
            number(reference)
        ));
    }
    if let (Some(edge), Some(notional)) = (decision.gross_edge_bps, decision.notional) {
        step = step.say(format!(
            "Gross edge (1 − given / received): {}. Notional: {}.",
            BasisPoints(edge),
            of_side(notional, &pair.quote)
        ));
    }
    Some(step)
}

fn verdict(story: &DecisionStory, pair: &Pair) -> Step {
    let decision = &story.decision;
    let title = match decision.decision_reason {
        None => "Decision: OFFER. Every gate was open".to_owned(),
        Some(reason) => format!("Decision: NO OFFER ({})", reason.code()),
    };
    let mut step = Step::new(decision.decided_at, decision.position, title);
    if let Some(reason) = decision.decision_reason {
        step = step.say(format!("Because {}.", reasons::skipped(reason)));
    }
    let took = decision.decided_at.micros().saturating_sub(decision.received_at.micros());
    let shut = decision.gates.iter().filter(|gate| gate.answer != Answer::Pass).count();
    let limits = match decision.limits_version {
        0 => "no limits were set".to_owned(),
        version => format!("held against limits version {version}"),
    };
    step = step.say(format!(
        "{} gates were asked, {shut} of them not open; {limits}. Decided {} after the request was read.",
        decision.gates.len(),
        micros(took)
    ));
    let context = Context {
        pair,
        direction: decision.direction,
        give_token: decision.give_token.as_ref().map(TokenId::as_str),
    };
    for gate in &decision.gates {
        let line = gates::line(gate, &context);
        step.body.push(Line::Row(format!("  {} {:<28} {}", line.mark, line.question, line.finding)));
    }
    step
}

/// A short span that may be below a millisecond.
fn micros(micros: i64) -> String {
    if micros < 1_000 { format!("{} µs", micros.max(0)) } else { span(micros.div_euclid(1_000)) }
}
