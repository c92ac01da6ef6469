//! Samples of the strategy's events.

use super::super::{
    at, command_id, decision_id, event_id, give, notional, pair, quote_id, rate, receive, units,
};
use crate::market::reference::event::Source;
use crate::money::BasisPoints;
use crate::pair::Direction;
use crate::port::event_log::Position;
use crate::port::venue::ExactSide;
use crate::trading::gate::{Answer, Gate, GateResult, Measure, Reason};
use crate::trading::strategy::event::{
    Decided, Event, ExecutionCommanded, InventorySeen, Margin, PriceSeen, Proposal, Verdict,
};

pub(super) fn samples() -> [Event; 2] {
    let commanded = ExecutionCommanded {
        command_id: command_id(),
        decision_id: decision_id(),
        quote_id: quote_id(),
        pair: pair(),
        direction: Direction::BuyBase,
        receive: receive(),
        give: give(),
        exact: ExactSide::In,
        notional: notional(),
        limits_version: 3,
        strategy_start: 0,
        min_deadline_ms: 60_000,
        closes_at: at(2_000),
        partner_id: Some("1click".to_owned()),
        commanded_at: at(104),
    };
    [Event::Decided(Box::new(decided())), Event::ExecutionCommanded(Box::new(commanded))]
}

/// A decision that was not to act, so that the gates show each kind of answer.
fn decided() -> Decided {
    let basis_points = |n| BasisPoints(n);
    Decided {
        decision_id: decision_id(),
        quote_id: quote_id(),
        pair: pair(),
        direction: Direction::BuyBase,
        demand_event_id: event_id("demand"),
        demand_position: Position(1_205),
        verdict: Verdict::Skip { reason: Reason::CoolingDown },
        proposal: Some(Proposal {
            receive: receive(),
            give: give(),
            fair_rate: rate("57123.45"),
            margin: Margin {
                base: basis_points(200),
                age: basis_points(1),
                spread: basis_points(1),
                fallback: basis_points(0),
                basis: basis_points(0),
                total: basis_points(202),
            },
            implied_rate: rate("55969.55631"),
            reference_rate: rate("57120.1"),
            gross_edge: basis_points(201),
            notional: notional(),
        }),
        price: Some(PriceSeen {
            event_id: event_id("price"),
            position: Position(1_203),
            freshness_ms: 52,
            source: Some(Source::Kraken),
        }),
        inventory: Some(InventorySeen {
            event_id: event_id("balances before"),
            position: Position(1_150),
            height: 187_654_309,
            freshness_ms: 9_120,
            credited: units("10000000000000000000000"),
            reserved: units("120000000000000000000"),
            spendable: units("9380000000000000000000"),
            pending_in: units("0"),
        }),
        limits_version: 3,
        gates: gates(),
        footing: None,
        received_at: at(100),
        decided_at: at(104),
    }
}

/// One answer and one measure of each kind.
fn gates() -> Vec<GateResult> {
    let gate = |gate, answer, observed, limit| GateResult { gate, answer, observed, limit };
    vec![
        gate(Gate::Armed, Answer::Pass, Measure::Flag(true), Measure::Flag(true)),
        gate(Gate::PriceFresh, Answer::Pass, Measure::Millis(52), Measure::Millis(5_000)),
        gate(Gate::Edge, Answer::Pass, Measure::Bps(BasisPoints(201)), Measure::Bps(BasisPoints(200))),
        gate(
            Gate::NotionalMax,
            Answer::Pass,
            Measure::Units(notional()),
            Measure::Units(units("100000000000000000000")),
        ),
        gate(Gate::OpenOffers, Answer::Pass, Measure::Count(2), Measure::Count(8)),
        gate(
            Gate::CooledDown,
            Answer::Deny(Reason::CoolingDown),
            Measure::Millis(640),
            Measure::Millis(1_000),
        ),
        gate(Gate::Reduces, Answer::NotAsked, Measure::Unknown, Measure::Unknown),
    ]
}
