//! The answers of `payloads/coin_gecko`, and what an answer must not be.

use super::price;
use crate::poll::Price;
use stele_domain::time::Timestamp;

fn at(seconds: i64, rate: &str) -> Price {
    let rate = rate.parse().unwrap();
    Price { bid: rate, ask: rate, at: Timestamp::from_millis(seconds * 1_000) }
}

#[test]
fn the_price_is_read_exactly_with_the_sources_own_time() {
    let bitcoin = include_bytes!("../../../payloads/coin_gecko/bitcoin.json");
    assert_eq!(price(bitcoin, "bitcoin", "eur"), Ok(at(1_795_176_000, "83790.12345678901")));
    let eure = include_bytes!("../../../payloads/coin_gecko/eure.json");
    assert_eq!(price(eure, "monerium-eur-money-2", "eur"), Ok(at(1_795_175_940, "0.9991873224")));
}

#[test]
fn what_is_no_price_says_what_was_there() {
    let wrong_key = include_str!("../../../payloads/coin_gecko/wrong_key.json");
    for (body, why) in [
        ("", "EOF"),
        ("<html>", "<html>"),
        ("{}", "no bitcoin"),
        (wrong_key, "10010"),
        (r#"{"bitcoin":null}"#, "no bitcoin"),
        (r#"{"bitcoin":7}"#, "7"),
        (r#"{"bitcoin":{}}"#, "eur is missing"),
        (r#"{"bitcoin":{"eur":null,"last_updated_at":1}}"#, "eur is missing"),
        (r#"{"bitcoin":{"eur":0,"last_updated_at":1}}"#, "above zero"),
        (r#"{"bitcoin":{"eur":5}}"#, "last_updated_at"),
        (r#"{"bitcoin":{"eur":5,"last_updated_at":null}}"#, "last_updated_at"),
        (r#"{"bitcoin":{"eur":5,"last_updated_at":"noon"}}"#, "last_updated_at"),
        (r#"{"bitcoin":{"eur":5,"last_updated_at":-1}}"#, "last_updated_at"),
        (r#"{"bitcoin":{"eur":5,"last_updated_at":99999999999999}}"#, "last_updated_at"),
    ] {
        let said = price(body.as_bytes(), "bitcoin", "eur").unwrap_err();
        assert!(said.contains(why), "{body}: {said}");
    }
}

#[test]
fn a_long_answer_is_not_quoted_in_full() {
    let said = price("x".repeat(5_000).as_bytes(), "bitcoin", "eur").unwrap_err();
    assert!(said.len() < 300, "{} characters", said.len());
}
