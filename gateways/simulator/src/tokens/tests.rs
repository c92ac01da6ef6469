//! Fair amounts, distances and which offer is better.

use super::*;

const RATE: u128 = 60_000 * RATE_SCALE;

#[test]
fn a_tenth_of_a_bitcoin_is_worth_six_thousand_euro_in_wei_at_sixty_thousand() {
    let wei = 6_000_u128 * 10_u128.pow(18);
    assert_eq!(fair_amount(NBTC, EURE, Exact::In(10_000_000), RATE), Some(wei));
    assert_eq!(fair_amount(EURE, BTC_LEGACY, Exact::In(wei), RATE), Some(10_000_000));
    assert_eq!(fair_amount(NBTC, EURE, Exact::Out(wei), RATE), Some(10_000_000));
    assert_eq!(fair_amount(EURE, NBTC, Exact::Out(10_000_000), RATE), Some(wei));
}

#[test]
fn a_pair_without_a_rate_has_no_fair_amount() {
    assert_eq!(fair_amount(OTHERS[0], EURE, Exact::In(1), RATE), None);
    assert_eq!(fair_amount(NBTC, BTC_LEGACY, Exact::In(1), RATE), None);
    assert_eq!(fair_amount(NBTC, EURE, Exact::In(1), 0), None);
}

#[test]
fn an_offer_made_at_a_distance_is_measured_at_that_distance() {
    for exact in [Exact::In(1), Exact::Out(1)] {
        let offer = offer_at(exact, 1_000_000, 200).unwrap();
        assert_eq!(distance_bps(exact, 1_000_000, offer), Some(200));
        assert!(better(exact, 1_000_000, offer));
    }
}
