//! Limits that would let everything through, or nothing, are refused by name.

use super::{InvalidLimits, Limits, OPEN_OFFERS_MAX};
use crate::money::{BasisPoints, Units};
use crate::port::verifier::SNAPSHOT_NONCES_MAX;
use crate::trading::fixtures::limits;

type Change = fn(&mut Limits);
type Span = fn(&mut Limits, u64);

fn check(change: Change) -> Result<(), InvalidLimits> {
    let mut changed = limits();
    change(&mut changed);
    changed.check()
}

#[test]
fn sensible_limits_are_taken() {
    assert_eq!(limits().check(), Ok(()));
}

#[test]
fn an_edge_lies_between_nothing_and_a_half() {
    assert_eq!(check(|l| l.edge_min = BasisPoints(0)), Ok(()));
    assert_eq!(check(|l| l.edge_min = BasisPoints(5_000)), Ok(()));
    assert_eq!(check(|l| l.edge_min = BasisPoints(-1)), Err(InvalidLimits::Edge(BasisPoints(-1))));
    assert_eq!(check(|l| l.edge_min = BasisPoints(5_001)), Err(InvalidLimits::Edge(BasisPoints(5_001))));
}

#[test]
fn a_spread_lies_between_nothing_and_a_half() {
    assert_eq!(check(|l| l.spread_max = BasisPoints(5_000)), Ok(()));
    assert_eq!(check(|l| l.spread_max = BasisPoints(5_001)), Err(InvalidLimits::Spread(BasisPoints(5_001))));
    assert_eq!(check(|l| l.spread_max = BasisPoints(-1)), Err(InvalidLimits::Spread(BasisPoints(-1))));
}

#[test]
fn a_lower_bound_may_meet_its_upper_bound_and_not_cross_it() {
    assert_eq!(check(|l| l.notional_min = l.notional_max), Ok(()));
    let crossed = InvalidLimits::Crossed { lower: "notional_min", upper: "notional_max" };
    assert_eq!(check(|l| l.notional_min = l.notional_max.plus(Units::new(1)).unwrap()), Err(crossed));

    assert_eq!(check(|l| l.fallback_notional_max = l.notional_max), Ok(()));
    let crossed = InvalidLimits::Crossed { lower: "fallback_notional_max", upper: "notional_max" };
    assert_eq!(
        check(|l| l.fallback_notional_max = l.notional_max.plus(Units::new(1)).unwrap()),
        Err(crossed)
    );
}

#[test]
fn a_bound_of_zero_that_stops_all_trading_is_refused() {
    let zeroes: [(&str, Change); 7] = [
        ("notional_max", |l| {
            l.notional_min = Units::ZERO;
            l.fallback_notional_max = Units::ZERO;
            l.notional_max = Units::ZERO;
        }),
        ("open_offers_max", |l| l.open_offers_max = 0),
        ("uncertain_offers_max", |l| l.uncertain_offers_max = 0),
        ("price_age_ms_max", |l| l.price_age_ms_max = 0),
        ("inventory_age_ms_max", |l| l.inventory_age_ms_max = 0),
        ("deadline_ms_max", |l| l.deadline_ms_max = 0),
        ("command_age_ms_max", |l| l.command_age_ms_max = 0),
    ];
    for (name, change) in zeroes {
        assert_eq!(check(change), Err(InvalidLimits::Zero(name)));
    }
}

#[test]
fn a_bound_of_zero_that_stops_one_kind_of_offer_is_taken() {
    assert_eq!(check(|l| l.sell_base_open_max = Units::ZERO), Ok(()));
    assert_eq!(check(|l| l.fallback_notional_max = Units::ZERO), Ok(()));
    assert_eq!(check(|l| l.open_offers_per_partner_max = 0), Ok(()));
    assert_eq!(check(|l| l.cooldown_ms = 0), Ok(()));
}

#[test]
fn a_span_may_be_as_long_as_its_bound_and_not_longer() {
    const DAY_MS: u64 = 86_400_000;
    let spans: [(&str, u64, Span); 7] = [
        ("deadline_ms_max", 600_000, |l, ms| l.deadline_ms_max = ms),
        ("price_age_ms_max", DAY_MS, |l, ms| l.price_age_ms_max = ms),
        ("fallback_age_ms_max", DAY_MS, |l, ms| l.fallback_age_ms_max = ms),
        ("inventory_age_ms_max", DAY_MS, |l, ms| l.inventory_age_ms_max = ms),
        ("command_age_ms_max", DAY_MS, |l, ms| l.command_age_ms_max = ms),
        ("cooldown_ms", DAY_MS, |l, ms| l.cooldown_ms = ms),
        ("clock_skew_ms_max", 60_000, |l, ms| l.clock_skew_ms_max = ms),
    ];
    for (name, max, set) in spans {
        let mut changed = limits();
        set(&mut changed, max);
        assert_eq!(changed.check(), Ok(()), "{name}");
        let value = max.saturating_add(1);
        set(&mut changed, value);
        assert_eq!(changed.check(), Err(InvalidLimits::TooLong { name, value, max }));
    }
}

#[test]
fn no_more_offers_may_be_open_than_one_snapshot_can_ask_about() {
    assert_eq!(usize::try_from(OPEN_OFFERS_MAX), Ok(SNAPSHOT_NONCES_MAX));
    assert_eq!(check(|l| l.open_offers_max = 256), Ok(()));
    let too_many = InvalidLimits::TooMany { name: "open_offers_max", value: 257, max: 256 };
    assert_eq!(check(|l| l.open_offers_max = 257), Err(too_many));
}
