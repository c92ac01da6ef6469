//! Sentences of the policy: which price counts, and why another does not.

use super::{
    OBSERVED, POLICY, WATCHED, at, blocked, change, coin_gecko, history, kraken, part, peg, priced, rate,
    seen, source_of, verdict,
};
use crate::market::reference::event::{
    Basis, BasisMode, Block, Event, Fair, Link, PriceObserved, Role, Source, Verdict,
};
use crate::market::reference::policy::{Policy, young};
use crate::money::BasisPoints;

#[test]
fn kraken_is_primary_while_it_is_fresh() {
    let fair = Fair {
        rate: rate("50000"),
        bid: rate("49990"),
        ask: rate("50010"),
        spread: BasisPoints(4),
        as_of: at(1_000),
    };
    assert_eq!(verdict(&[kraken(1_000)], &POLICY, 3_000), Verdict::Primary { fair });
}

#[test]
fn kraken_is_fresh_at_exactly_its_greatest_age_and_not_a_millisecond_longer() {
    assert_eq!(source_of(&verdict(&[kraken(1_000)], &POLICY, 6_000)), Some(Source::Kraken));
    assert_eq!(verdict(&[kraken(1_000)], &POLICY, 6_001), blocked(Block::PriceStale));
}

#[test]
fn krakens_age_counts_from_our_receipt() {
    let old_word = PriceObserved { source_at: Some(at(-900_000)), ..kraken(1_000) };
    assert_eq!(source_of(&verdict(&[old_word], &POLICY, 6_000)), Some(Source::Kraken));
}

#[test]
fn kraken_counts_only_while_alive_and_healthy() {
    let states = [
        (Link::Alive, true, Some(Source::Kraken)),
        (Link::Alive, false, None),
        (Link::Silent, true, None),
        (Link::Down, true, None),
    ];
    for (link, healthy, expected) in states {
        let history = [
            Event::SourceStateChanged(change(Source::Kraken, link, healthy)),
            Event::PriceObserved(kraken(1_000)),
        ];
        let priced = priced(&history, &POLICY, 1_000);
        assert_eq!(source_of(&priced.verdict), expected, "{link:?}, healthy: {healthy}");
        assert_eq!(part(&priced, Source::Kraken).why.is_empty(), expected.is_some());
    }
}

#[test]
fn kraken_does_not_count_before_its_connection_was_spoken_of() {
    let history = [Event::PriceObserved(kraken(1_000))];
    assert_eq!(priced(&history, &POLICY, 1_000).verdict, blocked(Block::PriceStale));
}

#[test]
fn a_crossed_book_does_not_count_and_a_locked_one_does() {
    let crossed = seen(Source::Kraken, "50010", "50009.99", 1_000);
    assert_eq!(
        source_of(&verdict(&[crossed, coin_gecko("50000", 1_000)], &POLICY, 1_000)),
        Some(Source::CoinGecko)
    );
    let locked = seen(Source::Kraken, "50010", "50010", 1_000);
    assert_eq!(source_of(&verdict(&[locked], &POLICY, 1_000)), Some(Source::Kraken));
}

#[test]
fn without_any_price_ever_there_is_no_price() {
    assert_eq!(verdict(&[], &POLICY, 0), blocked(Block::NoPrice));
    // The peg is no price of the pair.
    assert_eq!(verdict(&[peg("1", 0)], &POLICY, 0), blocked(Block::NoPrice));
}

#[test]
fn when_both_are_too_old_the_price_is_stale() {
    let both = [kraken(0), coin_gecko("50000", 0)];
    assert_eq!(source_of(&verdict(&both, &POLICY, 180_000)), Some(Source::CoinGecko));
    assert_eq!(verdict(&both, &POLICY, 180_001), blocked(Block::PriceStale));
}

#[test]
fn a_conflict_beyond_the_limit_blocks_and_one_at_the_limit_does_not() {
    for (price, block) in [
        ("50500", None),
        ("50500.01", Some(Block::PriceConflict)),
        ("49500", None),
        ("49499.99", Some(Block::PriceConflict)),
    ] {
        let priced = priced(&history(&[kraken(0), coin_gecko(price, 0)]), &POLICY, 0);
        match block {
            None => assert_eq!(source_of(&priced.verdict), Some(Source::Kraken), "{price}"),
            Some(block) => assert_eq!(priced.verdict, blocked(block), "{price}"),
        }
        let apart = if block.is_some() { 101 } else { 100 };
        assert_eq!(priced.disagreement, Some(BasisPoints(apart)), "{price}");
    }
}

#[test]
fn a_check_that_is_too_old_contradicts_nothing() {
    let observed = [kraken(180_001), coin_gecko("70000", 0)];
    let priced = priced(&history(&observed), &POLICY, 180_001);
    assert_eq!(source_of(&priced.verdict), Some(Source::Kraken));
    assert_eq!(priced.disagreement, None);
    assert_eq!(part(&priced, Source::CoinGecko).role, Role::Unused);
    assert_eq!(part(&priced, Source::CoinGecko).why, "older than 180000 ms");
}

// The fallback.

#[test]
fn the_fallback_is_spread_to_both_sides() {
    let fair = Fair {
        rate: rate("50000"),
        bid: rate("49950"),
        ask: rate("50050"),
        spread: BasisPoints(20),
        as_of: at(7),
    };
    assert_eq!(verdict(&[coin_gecko("50000", 7)], &POLICY, 9), Verdict::Fallback { fair });
}

#[test]
fn the_fallbacks_age_counts_from_its_own_time() {
    let said = |source_at| PriceObserved { source_at: Some(at(source_at)), ..coin_gecko("50000", 100_000) };
    assert_eq!(source_of(&verdict(&[said(0)], &POLICY, 180_000)), Some(Source::CoinGecko));
    assert_eq!(verdict(&[said(0)], &POLICY, 180_001), blocked(Block::PriceStale));
}

#[test]
fn a_source_whose_clock_runs_ahead_is_no_younger_than_our_receipt() {
    // Seconds taken for milliseconds, or a clock that is years off.
    let ahead = PriceObserved { source_at: Some(at(9_000_000_000)), ..coin_gecko("50000", 0) };
    let Verdict::Fallback { fair } = verdict(std::slice::from_ref(&ahead), &POLICY, 180_000) else {
        panic!("not used as fallback");
    };
    assert_eq!(fair.as_of, at(0));
    assert_eq!(verdict(&[ahead], &POLICY, 180_001), blocked(Block::PriceStale));
}

#[test]
fn a_forbidden_fallback_is_not_used_and_said_to_be_there() {
    let forbidding = Policy { fallback_allowed: false, ..POLICY };
    let priced = priced(&history(&[coin_gecko("50000", 0)]), &forbidding, 0);
    assert_eq!(priced.verdict, blocked(Block::FallbackForbidden));
    assert_eq!(part(&priced, Source::CoinGecko).why, "the policy forbids using it as fallback");
    // It is a check all the same.
    let both = [kraken(0), coin_gecko("70000", 0)];
    assert_eq!(verdict(&both, &forbidding, 0), blocked(Block::PriceConflict));
    // Too old, it is not what is missing.
    assert_eq!(verdict(&[coin_gecko("50000", 0)], &forbidding, 180_001), blocked(Block::PriceStale));
}

#[test]
fn a_half_spread_of_nonsense_leaves_no_fallback() {
    for half in [10_000, -1, i64::MIN, i64::MAX] {
        let nonsense = Policy { fallback_half_spread: BasisPoints(half), ..POLICY };
        assert_eq!(verdict(&[coin_gecko("50000", 0)], &nonsense, 0), blocked(Block::PriceStale), "{half}");
    }
}

#[test]
fn a_policy_that_makes_no_sense_is_named() {
    assert_eq!(POLICY.check(), Ok(()));
    let widest = Policy { fallback_half_spread: BasisPoints(5_000), conflict_max: BasisPoints(0), ..POLICY };
    assert_eq!(widest.check(), Ok(()));
    let ages = [
        (
            Policy { primary_age_ms_max: 0, ..POLICY },
            "primary_age_ms_max is 0 ms: it must be between 1 and 86400000",
        ),
        (
            Policy { fallback_age_ms_max: 86_400_001, ..POLICY },
            "fallback_age_ms_max is 86400001 ms: it must be between 1 and 86400000",
        ),
    ];
    let shares = [
        (
            Policy { conflict_max: BasisPoints(-1), ..POLICY },
            "conflict_max is -0.01%: it must be between 0.00% and 50.00%",
        ),
        (
            Policy { peg_band: BasisPoints(5_001), ..POLICY },
            "peg_band is 50.01%: it must be between 0.00% and 50.00%",
        ),
    ];
    for (policy, words) in ages.into_iter().chain(shares) {
        assert_eq!(policy.check().unwrap_err().to_string(), words);
    }
}

// What an EURe is worth.

#[test]
fn parity_is_assumed_and_said() {
    let priced = priced(&history(&[kraken(0)]), &POLICY, 0);
    assert_eq!(priced.basis, Some(Basis { mode: BasisMode::AssumedParity, rate: rate("1"), age_ms: None }));
}

#[test]
fn an_observed_basis_turns_euro_into_eure() {
    // One EURe is 0.996 €: it takes more of them to buy a bitcoin.
    let both = [kraken(1_000), peg("0.996", 400)];
    let priced = priced(&history(&both), &OBSERVED, 1_000);
    let Verdict::Primary { fair } = &priced.verdict else { panic!("{:?}", priced.verdict) };
    assert_eq!(fair.rate.decimal().round_dp(4).to_string(), "50200.8032");
    assert_eq!(fair.bid.decimal().round_dp(4).to_string(), "50190.7631");
    assert_eq!(fair.ask.decimal().round_dp(4).to_string(), "50210.8434");
    let basis = Basis { mode: BasisMode::Observed, rate: rate("0.996"), age_ms: Some(600) };
    assert_eq!(priced.basis, Some(basis));
    assert_eq!(part(&priced, Source::Peg).role, Role::Basis);
}

#[test]
fn a_fallback_price_is_turned_into_eure_too() {
    let both = [coin_gecko("50000", 0), peg("1.004", 0)];
    let Verdict::Fallback { fair } = verdict(&both, &OBSERVED, 0) else { panic!("no fallback") };
    assert_eq!(fair.rate.decimal().round_dp(4).to_string(), "49800.7968");
}

#[test]
fn eure_at_the_edge_of_its_band_is_taken_and_beyond_it_blocks_in_both_modes() {
    for policy in [POLICY, OBSERVED] {
        for (price, within) in [("1.005", true), ("1.00501", false), ("0.995", true), ("0.99499", false)] {
            let verdict = verdict(&[kraken(0), peg(price, 0)], &policy, 0);
            if within {
                assert_eq!(source_of(&verdict), Some(Source::Kraken), "{price}, {:?}", policy.basis);
            } else {
                assert_eq!(verdict, blocked(Block::PegOutOfBand), "{price}, {:?}", policy.basis);
            }
        }
    }
}

#[test]
fn a_basis_that_is_to_be_observed_and_was_not_blocks() {
    let priced = priced(&history(&[kraken(0)]), &OBSERVED, 0);
    assert_eq!((priced.verdict, priced.basis), (blocked(Block::PegOutOfBand), None));
}

#[test]
fn an_observed_basis_is_used_up_to_its_greatest_age() {
    let both = |millis| [kraken(millis), peg("1", 0)];
    assert_eq!(source_of(&verdict(&both(180_000), &OBSERVED, 180_000)), Some(Source::Kraken));
    assert_eq!(verdict(&both(180_001), &OBSERVED, 180_001), blocked(Block::PegOutOfBand));
}

#[test]
fn a_depeg_that_was_seen_is_not_forgotten_when_its_source_falls_silent() {
    for millis in [180_001, 3_600_000, 86_400_000] {
        for policy in [POLICY, WATCHED, OBSERVED] {
            let priced = priced(&history(&[kraken(millis), peg("0.9", 0)]), &policy, millis);
            assert_eq!(priced.verdict, blocked(Block::PegOutOfBand), "{millis}, {:?}", policy.basis);
            assert!(priced.depegged);
            let why = &part(&priced, Source::Peg).why;
            assert_eq!(why, "older than 180000 ms; it was out of its band, and was not seen inside since");
        }
    }
}

#[test]
fn parity_is_assumed_as_long_as_eure_was_inside_its_band_when_it_was_last_seen() {
    for (price, holds) in [("1.005", true), ("1.00501", false), ("0.995", true), ("0.99499", false)] {
        let verdict = verdict(&[kraken(86_400_000), peg(price, 0)], &WATCHED, 86_400_000);
        assert_eq!(source_of(&verdict).is_some(), holds, "{price}");
    }
}

#[test]
fn only_a_fresh_observation_inside_the_band_takes_a_depeg_back() {
    // The depeg is seen and stated; then a cache answers with a price of before.
    let mut story = history(&[peg("1", 0), kraken(200_000), peg("0.9", 200_000)]);
    story.push(Event::ReferencePriced(priced(&story, &WATCHED, 200_000)));
    let of_before = PriceObserved { source_at: Some(at(10_000)), ..peg("1", 260_000) };
    story.extend([Event::PriceObserved(kraken(260_000)), Event::PriceObserved(of_before)]);
    let still = priced(&story, &WATCHED, 260_000);
    assert_eq!((still.verdict.clone(), still.depegged), (blocked(Block::PegOutOfBand), true));
    // Other blocks in between don't hide it.
    story.push(Event::ReferencePriced(still));
    let silent = priced(&story, &WATCHED, 300_000);
    assert_eq!((silent.verdict.clone(), silent.depegged), (blocked(Block::PriceStale), true));
    story.extend([Event::ReferencePriced(silent), Event::PriceObserved(kraken(300_001))]);
    assert_eq!(priced(&story, &WATCHED, 300_001).verdict, blocked(Block::PegOutOfBand));
    // Seen inside again, and then silent: that holds.
    story.push(Event::PriceObserved(peg("0.999", 300_002)));
    let over = priced(&story, &WATCHED, 300_002);
    assert_eq!((source_of(&over.verdict), over.depegged), (Some(Source::Kraken), false));
    story.extend([Event::ReferencePriced(over), Event::PriceObserved(kraken(900_000))]);
    assert_eq!(source_of(&priced(&story, &WATCHED, 900_000).verdict), Some(Source::Kraken));
}

#[test]
fn where_the_peg_is_watched_nothing_is_decided_before_the_first_answer() {
    assert_eq!(verdict(&[kraken(0)], &WATCHED, 0), blocked(Block::PegOutOfBand));
    assert_eq!(source_of(&verdict(&[kraken(0), peg("1", 0)], &WATCHED, 0)), Some(Source::Kraken));
    // Nobody is asked: parity stands on nobody's word.
    assert_eq!(source_of(&verdict(&[kraken(0)], &POLICY, 0)), Some(Source::Kraken));
}

#[test]
fn what_was_last_said_of_eure_and_can_not_be_read_vouches_for_nothing() {
    let crossed = seen(Source::Peg, "1.001", "0.999", 0);
    assert_eq!(verdict(&[kraken(0), crossed], &WATCHED, 0), blocked(Block::PegOutOfBand));
    let vast = "79228162514264337593543950335";
    assert_eq!(
        verdict(&[kraken(0), seen(Source::Peg, vast, vast, 0)], &WATCHED, 0),
        blocked(Block::PegOutOfBand)
    );
}

#[test]
fn a_missing_price_is_named_before_a_missing_peg() {
    assert_eq!(verdict(&[peg("0.5", 0)], &OBSERVED, 0), blocked(Block::NoPrice));
    assert_eq!(verdict(&[kraken(0)], &OBSERVED, 5_001), blocked(Block::PriceStale));
    let conflict = [kraken(0), coin_gecko("70000", 0), peg("0.5", 0)];
    assert_eq!(verdict(&conflict, &OBSERVED, 0), blocked(Block::PriceConflict));
}

// What the verdict says of itself.

#[test]
fn every_source_is_listed_with_its_part() {
    let observed = [kraken(1_000), coin_gecko("50100", 0)];
    let priced = priced(&history(&observed), &POLICY, 2_000);
    let listed: Vec<_> =
        priced.sources.iter().map(|part| (part.source, part.role, part.age_ms, part.why.as_str())).collect();
    assert_eq!(
        listed,
        [
            (Source::Kraken, Role::Primary, Some(1_000), ""),
            (Source::CoinGecko, Role::Check, Some(2_000), ""),
            (Source::Peg, Role::Unused, None, "it has named no price yet"),
        ]
    );
    assert_eq!(part(&priced, Source::CoinGecko).mid, Some(rate("50100")));
}

#[test]
fn a_price_from_the_future_is_taken_as_far_as_clocks_may_differ_and_no_further() {
    let ahead = priced(&history(&[kraken(4_000)]), &POLICY, 2_000);
    assert_eq!(source_of(&ahead.verdict), Some(Source::Kraken));
    assert_eq!(part(&ahead, Source::Kraken).age_ms, Some(0));
    let further = priced(&history(&[kraken(4_001)]), &POLICY, 2_000);
    assert_eq!(further.verdict, blocked(Block::PriceStale));
    let why = &part(&further, Source::Kraken).why;
    assert_eq!(why, "dated more than 2000 ms in the future: our clock was set back");
    let fallback = verdict(&[coin_gecko("50000", 4_001)], &POLICY, 2_000);
    assert_eq!(fallback, blocked(Block::PriceStale));
}

#[test]
fn an_age_is_young_from_as_far_ahead_as_clocks_differ_up_to_its_limit() {
    for (age_ms, expected) in [(-21, false), (-20, true), (0, true), (100, true), (101, false)] {
        assert_eq!(young(age_ms, 100, 20), expected, "{age_ms}");
    }
    assert!(young(i64::MAX, u64::MAX, 0) && young(-i64::MAX, 0, u64::MAX));
}

#[test]
fn a_clock_that_was_set_back_does_not_freeze_the_price() {
    // Read at 900 s, then the clock is set back to 1 s: what was read last counts, not what is dated last.
    let Verdict::Primary { fair } =
        verdict(&[kraken(900_000), seen(Source::Kraken, "40000", "40000", 1_000)], &POLICY, 1_000)
    else {
        panic!("no price");
    };
    assert_eq!(fair.rate, rate("40000"));
}

#[test]
fn a_price_beyond_28_digits_does_not_count() {
    let vast = "79228162514264337593543950335";
    let observed = [seen(Source::Kraken, vast, vast, 0)];
    let priced = priced(&history(&observed), &POLICY, 0);
    assert_eq!(priced.verdict, blocked(Block::PriceStale));
    assert!(part(&priced, Source::Kraken).why.contains("too many digits"));
}
