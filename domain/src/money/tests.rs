//! Laws of the arithmetic, and the worked figures that a person can check by hand.

use super::{BasisPoints, Decimals, Rate, Rounding, Share, U256, UNITS_DIGITS_MAX, Units, gross_edge};

fn btc_eure() -> Decimals {
    Decimals::new(8, 18).unwrap()
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn units(text: &str) -> Units {
    text.parse().unwrap()
}

#[test]
fn a_thousandth_of_a_bitcoin_is_worth_its_price() {
    let worth = rate("57123.45").worth(Units::new(100_000), btc_eure(), Share::WHOLE, Rounding::Down);
    assert_eq!(worth, Some(units("57123450000000000000")));
}

#[test]
fn two_percent_less_is_exact() {
    let share = Share::less(BasisPoints(200)).unwrap();
    let worth = rate("50000").worth(Units::new(100_000_000), btc_eure(), share, Rounding::Down);
    assert_eq!(worth, Some(units("49000000000000000000000")));
}

#[test]
fn the_remainder_goes_where_the_caller_says() {
    let pair = Decimals::new(0, 0).unwrap();
    let third = rate("0.3333");
    assert_eq!(third.worth(Units::new(10), pair, Share::WHOLE, Rounding::Down), Some(Units::new(3)));
    assert_eq!(third.worth(Units::new(10), pair, Share::WHOLE, Rounding::Up), Some(Units::new(4)));
}

#[test]
fn what_does_not_fit_is_refused_and_not_wrapped() {
    let all = units("115792089237316195423570985008687907853269984665640564039457584007913129639935");
    assert_eq!(rate("57123.45").worth(all, btc_eure(), Share::WHOLE, Rounding::Down), None);
    assert_eq!(all.plus(Units::new(1)), None);
    assert_eq!(Units::ZERO.minus(Units::new(1)), None);
}

#[test]
fn an_amount_is_digits_only() {
    for text in ["", "-1", "+1", "1.0", "1e3", " 1", "0x10", &"9".repeat(79)] {
        assert!(text.parse::<Units>().is_err(), "{text:?} was taken for an amount");
    }
}

#[test]
fn a_rate_is_above_zero() {
    for text in ["0", "-1", "", "abc", "NaN"] {
        assert!(text.parse::<Rate>().is_err(), "{text:?} was taken for a rate");
    }
}

#[test]
fn edge_is_one_minus_given_over_received_rounded_against_us() {
    assert_eq!(gross_edge(Units::new(100), Units::new(98)), Some(BasisPoints(200)));
    assert_eq!(gross_edge(Units::new(100_000), Units::new(98_001)), Some(BasisPoints(199)));
    assert_eq!(gross_edge(Units::new(100), Units::new(101)), Some(BasisPoints(-100)));
    assert_eq!(gross_edge(Units::ZERO, Units::new(1)), None);
}

#[test]
fn whole_tokens_are_printed_with_all_their_decimals() {
    assert_eq!(Units::new(100_000).in_whole(8), "0.00100000");
    assert_eq!(Units::new(1).in_whole(0), "1");
    assert_eq!(units("57123456789012345678").in_whole(18), "57.123456789012345678");
}

#[test]
fn buying_back_what_it_was_worth_never_gives_more() {
    fn law(base: u64, euros: u32, cents: u8) -> bool {
        let price = rate(&format!("{}.{:02}", euros.max(1), cents % 100));
        let base = Units::new(u128::from(base));
        let there = price.worth(base, btc_eure(), Share::WHOLE, Rounding::Down).unwrap();
        let back = price.buys(there, btc_eure(), Share::WHOLE, Rounding::Down).unwrap();
        back <= base
    }
    let law: fn(u64, u32, u8) -> bool = law;
    quickcheck::quickcheck(law);
}

#[test]
fn rounding_up_and_down_are_at_most_one_apart() {
    fn law(base: u64, euros: u32, edge: u16) -> bool {
        let price = rate(&euros.max(1).to_string());
        let share = Share::less(BasisPoints(i64::from(edge % 9_999))).unwrap();
        let base = Units::new(u128::from(base));
        let down = price.worth(base, btc_eure(), share, Rounding::Down).unwrap();
        let up = price.worth(base, btc_eure(), share, Rounding::Up).unwrap();
        up == down || Some(up) == down.plus(Units::new(1))
    }
    let law: fn(u64, u32, u16) -> bool = law;
    quickcheck::quickcheck(law);
}

#[test]
fn text_and_back_is_the_same_amount() {
    fn law(high: u128, low: u128) -> bool {
        let amount = units(&high.to_string()).plus(Units::new(low)).unwrap();
        amount.to_string().parse() == Ok(amount)
    }
    let law: fn(u128, u128) -> bool = law;
    quickcheck::quickcheck(law);
}

/// Amounts are read in one machine number, in two or in four: at every edge as the library reads them in one way.
#[test]
fn an_amount_of_any_length_is_read_as_the_library_reads_it() {
    let nines = "9".repeat(80);
    let edges = [u128::from(u64::MAX), u128::from(u64::MAX) + 1, u128::MAX].map(|edge| edge.to_string());
    let past = "340282366920938463463374607431768211456".to_owned();
    let lengths =
        (1..=78).flat_map(|length| [nines[..length].to_owned(), format!("1{}", "0".repeat(length - 1))]);
    for digits in lengths.chain(edges).chain([past, "0".to_owned()]) {
        for zeros in [0, 1, 18, 19, 20, 38, 39, 60] {
            let text = format!("{}{digits}", "0".repeat(zeros));
            let library = U256::from_str_radix(&text, 10).ok().filter(|_| text.len() <= UNITS_DIGITS_MAX);
            assert_eq!(text.parse::<Units>().ok(), library.map(Units), "{text}");
        }
    }
    for text in ["", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1_000", "١", &"0".repeat(79)] {
        assert!(text.parse::<Units>().is_err(), "{text:?}");
    }
    let edge = "1234567890123456789";
    for at in 0..=edge.len() {
        let text = format!("{}+{}{edge}", &edge[..at], &edge[at..]);
        assert!(text.parse::<Units>().is_err(), "{text}");
    }
}
