//! Every gate fires with its reasons and stays open exactly at its limit.

use super::examples::{
    Change, after, answer, decided, examples, less_one, with_balances, with_demand, with_fair, with_fallback,
    with_limits, with_price, without_basis, worth,
};
use crate::market::reference::event::{Block, Verdict as PriceVerdict};
use crate::money::BasisPoints;
use crate::trading::account::event::Mode;
use crate::trading::fixtures::{at, demand, demand_for_base, euros, sight};
use crate::trading::gate::{Answer, Gate, GateResult, Measure, Reason};
use crate::trading::strategy::command::Permission;
use crate::trading::strategy::event::Verdict;
use crate::trading::strategy::gates::verdict;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn every_gate_fires_with_its_reason_and_names_the_decision() {
    for (index, example) in examples().iter().enumerate() {
        let decided = after(example.shut);
        let (gate, reason) = (example.gate, example.reason);
        assert_eq!(answer(&decided, gate), Answer::Deny(reason), "example {index}: {gate:?}");
        assert_eq!(decided.verdict, Verdict::Skip { reason }, "example {index}: {gate:?}");
    }
}

#[test]
fn every_gate_stays_open_exactly_at_its_limit() {
    for (index, example) in examples().iter().enumerate() {
        let decided = after(example.open);
        assert_eq!(answer(&decided, example.gate), Answer::Pass, "example {index}: {:?}", example.gate);
    }
}

#[test]
fn every_gate_has_an_example_that_shuts_it() {
    let shown: BTreeSet<Gate> = examples().iter().map(|example| example.gate).collect();
    for gate in Gate::ALL {
        assert!(shown.contains(&gate), "{gate:?} has no example: add one to `examples`");
    }
}

#[test]
fn every_reason_has_an_example_but_the_one_that_no_sight_leads_to() {
    let shown: BTreeSet<Reason> = examples().iter().map(|example| example.reason).collect();
    let missing: Vec<Reason> = Reason::ALL.into_iter().filter(|reason| !shown.contains(reason)).collect();
    assert_eq!(missing, [Reason::Unanswered]);
}

#[test]
fn the_vector_has_every_gate_once_and_in_order_whatever_is_shut() {
    for example in examples() {
        let asked: Vec<Gate> = after(example.shut).gates.iter().map(|result| result.gate).collect();
        assert_eq!(asked, Gate::ALL);
    }
}

#[test]
fn the_first_shut_gate_names_the_reason() {
    let decided = after(|s| {
        s.account.uncertain = 2;
        s.account.permission = Permission::Disarmed;
        with_fair(s, |f| f.spread = BasisPoints(51));
    });
    assert_eq!(decided.verdict, Verdict::Skip { reason: Reason::Disarmed });
    assert_eq!(answer(&decided, Gate::SpreadNarrow), Answer::Deny(Reason::SpreadTooWide));
    assert_eq!(answer(&decided, Gate::OutcomesKnown), Answer::Deny(Reason::OutcomeUnknown));
}

#[test]
fn whatever_two_things_go_wrong_the_first_shut_gate_names_the_reason() {
    let examples = examples();
    for first in &examples {
        for second in &examples {
            let mut sight = sight(demand(1));
            (first.shut)(&mut sight);
            (second.shut)(&mut sight);
            let decided = decided(sight);
            let shut = decided.gates.iter().find_map(|result| match result.answer {
                Answer::Deny(reason) => Some(reason),
                Answer::Pass | Answer::NotAsked => None,
            });
            // The second change may undo the first: then every gate is open again, and only then.
            let expected = shut.map_or(Verdict::Act, |reason| Verdict::Skip { reason });
            assert_eq!(decided.verdict, expected, "{:?} and {:?}", first.gate, second.gate);
            let all_open = decided.gates.iter().all(|result| result.answer == Answer::Pass);
            assert_eq!(all_open, shut.is_none(), "{:?} and {:?}", first.gate, second.gate);
        }
    }
}

/// Ways for an input to be missing.
const MISSING: [Change; 7] = [
    |s| s.price = None,
    |s| with_price(s, PriceVerdict::Blocked { block: Block::NoPrice }),
    without_basis,
    |s| s.inventory = None,
    |s| with_balances(s, |b| b.credited = BTreeMap::new()),
    |s| s.account.limits = None,
    |s| {
        s.account.permission = Permission::Armed(Mode::Reducing);
        s.account.base_held = None;
    },
];

#[test]
fn a_missing_input_never_leads_to_an_act() {
    for demand in [demand(1), demand_for_base(1)] {
        assert_eq!(decided(sight(demand.clone())).verdict, Verdict::Act);
        for (index, missing) in MISSING.iter().enumerate() {
            let mut sight = sight(demand.clone());
            missing(&mut sight);
            let verdict = decided(sight).verdict;
            let skipped = matches!(verdict, Verdict::Skip { reason } if reason != Reason::Unanswered);
            assert!(skipped, "way {index}: {verdict:?}");
        }
    }
}

#[test]
fn a_vector_with_an_unanswered_a_missing_or_a_strange_gate_never_acts() {
    let pass = |gate| GateResult {
        gate,
        answer: Answer::Pass,
        observed: Measure::Flag(false),
        limit: Measure::Flag(false),
    };
    let open: Vec<GateResult> = Gate::ALL.into_iter().map(pass).collect();
    assert_eq!(verdict(&open), Verdict::Act);

    let unanswered = Verdict::Skip { reason: Reason::Unanswered };
    for index in 0..open.len() {
        let mut silent = open.clone();
        silent[index].answer = Answer::NotAsked;
        assert_eq!(verdict(&silent), unanswered);
        let mut short = open.clone();
        short.remove(index);
        assert_eq!(verdict(&short), unanswered);
    }
    assert_eq!(verdict(&[]), unanswered);
    assert_eq!(verdict(&[open.clone(), open].concat()), unanswered);
}

#[test]
fn a_taker_without_a_partner_is_held_to_no_partners_room() {
    let decided = after(|s| {
        with_demand(s, |d| d.partner_id = None);
        with_limits(s, |l| l.open_offers_per_partner_max = 0);
    });
    assert_eq!(decided.verdict, Verdict::Act);
}

#[test]
fn a_fallback_price_never_gets_more_room_than_a_primary_one() {
    let decided = after(|s| {
        with_fallback(s, at(0));
        with_limits(s, |l| {
            l.fallback_notional_max = euros(1_000, 0);
            l.notional_max = less_one(worth());
        });
    });
    assert_eq!(answer(&decided, Gate::NotionalMax), Answer::Deny(Reason::NotionalTooLarge));
}

#[test]
fn a_gate_records_what_it_saw_and_what_it_held_it_against() {
    let decided = decided(sight(demand(1)));
    let measured = |gate| {
        let result = decided.gates.iter().find(|result| result.gate == gate).unwrap();
        (result.observed, result.limit)
    };
    assert_eq!(measured(Gate::Edge), (Measure::Bps(BasisPoints(205)), Measure::Bps(BasisPoints(200))));
    assert_eq!(measured(Gate::PriceFresh), (Measure::Millis(5), Measure::Millis(5_000)));
    assert_eq!(measured(Gate::NotionalMax), (Measure::Units(worth()), Measure::Units(euros(100, 0))));
    assert_eq!(measured(Gate::Funded), (Measure::Units(euros(990, 0)), Measure::Units(euros(48, 97))));
    assert_eq!(measured(Gate::OpenOffers), (Measure::Count(0), Measure::Count(4)));
}
