//! The walk: near the real closes, the same for the same seed.

use super::*;

fn walk(seed: u64) -> Walk {
    Walk::new(seed, PriceOptions { first_day: Some(0), ..PriceOptions::default() }).unwrap()
}

#[test]
fn the_walk_starts_at_the_first_real_close() {
    assert_eq!(walk(1).at(0).mid_e8, 4_000_403_690_000);
}

#[test]
fn the_walk_passes_within_three_percent_of_every_real_close() {
    let mut walk = walk(3);
    for (day, close) in closes(CLOSES_CSV).unwrap().iter().take(200).enumerate() {
        let at = u64::try_from(day).unwrap() * 1_800_000;
        let gap = walk.at(at).mid_e8.abs_diff(*close);
        assert!(gap < close * 3 / 100, "day {day}: {gap} away from {close}");
    }
}

#[test]
fn the_same_seed_walks_the_same_way_however_often_one_looks() {
    let (mut often, mut once) = (walk(9), walk(9));
    for ms in (0..60_000).step_by(70) {
        often.at(ms);
    }
    assert_eq!(often.at(60_000), once.at(60_000));
}

#[test]
fn the_bid_is_below_the_ask_and_both_are_on_the_price_grid() {
    let mut walk = walk(4);
    for ms in (0..600_000).step_by(250) {
        let market = walk.at(ms);
        assert!(market.bid_e8 < market.ask_e8);
        assert_eq!((market.bid_e8 % PRICE_STEP_E8, market.ask_e8 % PRICE_STEP_E8), (0, 0));
    }
}

#[test]
fn a_fixed_price_stands_still_until_it_is_released() {
    let mut walk = walk(5);
    walk.fix(Some(6_000_000_000_000));
    assert_eq!(walk.at(10_000).mid_e8, 6_000_000_000_000);
    walk.fix(None);
    assert_ne!(walk.at(20_000).mid_e8, 6_000_000_000_000);
}

#[test]
fn text_and_integer_prices_are_the_same() {
    assert_eq!(parse_e8("55859.46250158"), Some(5_585_946_250_158));
    assert_eq!(decimal(5_585_946_250_158, 8), "55859.46250158");
    assert_eq!(decimal(5_585_946_250_158, 1), "55859.4");
    assert_eq!(parse_e8("-1"), None);
    assert_eq!(parse_e8(""), None);
}
