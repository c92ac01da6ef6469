//! The gates in words: what each asks, what it saw, and what it held that against.

use super::reasons;
use super::units::{of_side, of_token};
use crate::amounts::span;
use stele_domain::pair::{Direction, Pair};
use stele_domain::trading::gate::{Answer, Gate, GateResult, Measure, Reason};

/// What is needed to put a gate into words besides its answer.
pub(crate) struct Context<'p> {
    pub pair: &'p Pair,
    pub direction: Direction,
    /// What the desk would give.
    pub give_token: Option<&'p str>,
}

/// One gate as a line: mark, question, finding.
pub(crate) struct Line {
    pub mark: &'static str,
    pub question: &'static str,
    pub finding: String,
}

/// A gate's answer in words.
pub(crate) fn line(result: &GateResult, context: &Context<'_>) -> Line {
    let (mark, finding) = match result.answer {
        Answer::Pass => ("✓", finding(result, context)),
        Answer::Deny(reason) => ("✗", denied(result, reason, context)),
        Answer::NotAsked => ("·", "could not be asked: something it needs was missing".to_owned()),
    };
    Line { mark, question: question(result.gate), finding }
}

/// What a gate asks.
fn question(gate: Gate) -> &'static str {
    match gate {
        Gate::Running => "strategy runs",
        Gate::NotKilled => "not killed",
        Gate::Armed => "armed by an operator",
        Gate::LimitsSet => "limits are in force",
        Gate::NoProbe => "a real request",
        Gate::WindowOpen => "auction still open",
        Gate::WindowLongEnough => "auction long enough",
        Gate::DeadlineShortEnough => "validity asked for is short",
        Gate::ClockAgrees => "clocks agree",
        Gate::PriceUsable => "price may be used",
        Gate::PriceFresh => "price is fresh",
        Gate::SpreadNarrow => "spread is narrow",
        Gate::InventoryFresh => "balances are fresh",
        Gate::VenueReady => "venue takes our signature",
        Gate::Priced => "an amount can be offered",
        Gate::Edge => "edge is large enough",
        Gate::NotionalMin => "trade is not too small",
        Gate::NotionalMax => "trade is not too large",
        Gate::DirectionCap => "room in this direction",
        Gate::OpenOffers => "room for one more offer",
        Gate::PartnerOffers => "room for this partner",
        Gate::OutcomesKnown => "earlier outcomes known",
        Gate::CooledDown => "cooled down",
        Gate::Reduces => "allowed direction",
        Gate::Funded => "covered by credited coin",
    }
}

/// The finding of a shut gate: the measure where it says something, else the reason.
fn denied(result: &GateResult, reason: Reason, context: &Context<'_>) -> String {
    match (&result.observed, &result.limit) {
        (Measure::Flag(_) | Measure::Unknown, _) => reasons::skipped(reason).to_owned(),
        (Measure::Millis(_) | Measure::Bps(_) | Measure::Units(_) | Measure::Count(_), _) => {
            finding(result, context)
        }
    }
}

/// What the gate saw and what it held it against.
fn finding(result: &GateResult, context: &Context<'_>) -> String {
    let observed = measure(result.gate, &result.observed, context);
    let limit = measure(result.gate, &result.limit, context);
    let unknown = result.observed == Measure::Unknown;
    match result.gate {
        Gate::Running
        | Gate::NotKilled
        | Gate::Armed
        | Gate::LimitsSet
        | Gate::PriceUsable
        | Gate::VenueReady
        | Gate::Priced => "yes".to_owned(),
        Gate::NoProbe if result.observed == Measure::Flag(true) => {
            "a probe, and probes are answered".to_owned()
        }
        Gate::NoProbe => "no probe".to_owned(),
        Gate::WindowOpen => window(&result.observed, &observed),
        Gate::WindowLongEnough | Gate::Edge | Gate::NotionalMin => format!("{observed}, at least {limit}"),
        Gate::DeadlineShortEnough | Gate::SpreadNarrow | Gate::NotionalMax => {
            format!("{observed}, at most {limit}")
        }
        Gate::ClockAgrees => format!("{observed} apart, at most {limit}"),
        Gate::PriceFresh | Gate::InventoryFresh => format!("{observed} old, at most {limit}"),
        Gate::DirectionCap => {
            let act = match context.direction {
                Direction::BuyBase => "buy",
                Direction::SellBase => "sell",
            };
            let base = &context.pair.base.asset.symbol;
            format!("{observed} in open offers to {act} {base} with this one, at most {limit}")
        }
        Gate::OpenOffers => format!("{observed} open, of at most {limit}"),
        Gate::PartnerOffers if unknown => "no partner is named".to_owned(),
        Gate::PartnerOffers => format!("{observed} open of this partner, of at most {limit}"),
        Gate::OutcomesKnown => format!("{observed} unknown; with {limit} nothing new is offered"),
        Gate::CooledDown if unknown => "nothing was settled before".to_owned(),
        Gate::CooledDown => format!("{observed} since the last settlement, at least {limit}"),
        Gate::Reduces if matches!(result.observed, Measure::Flag(_)) => "not restricted to one".to_owned(),
        Gate::Reduces => format!("{observed} towards the target, room for {limit}"),
        Gate::Funded => format!("{observed} can be spent, {limit} are needed"),
    }
}

/// How long the auction stays open, or for how long it has been over.
fn window(left: &Measure, words: &str) -> String {
    match left {
        Measure::Millis(left) if *left <= 0 => {
            format!("it had been over for {}", span(left.saturating_neg()))
        }
        Measure::Millis(_)
        | Measure::Unknown
        | Measure::Flag(_)
        | Measure::Bps(_)
        | Measure::Units(_)
        | Measure::Count(_) => format!("{words} left"),
    }
}

fn measure(gate: Gate, measure: &Measure, context: &Context<'_>) -> String {
    match measure {
        Measure::Unknown => "unknown".to_owned(),
        Measure::Millis(ms) => span(*ms),
        Measure::Bps(bps) => bps.to_string(),
        Measure::Count(count) => count.to_string(),
        Measure::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Measure::Units(units) => match (gate, context.give_token) {
            (Gate::Funded, Some(token)) => of_token(*units, token, context.pair),
            (Gate::Reduces, _) => of_side(*units, &context.pair.base),
            (_, _) => of_side(*units, &context.pair.quote),
        },
    }
}
