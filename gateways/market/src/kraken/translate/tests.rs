//! The messages of `payloads/kraken`, and what a message must not be.

use super::{Book, Word, message, rest};
use stele_domain::time::Timestamp;

fn read(text: &str) -> Word {
    message(text, "BTC/EUR")
}

fn book(bid: &str, ask: &str, at: Option<&str>) -> Book {
    let source_at = at.map(|text| Timestamp::parse(text).unwrap());
    Book { bid: bid.parse().unwrap(), ask: ask.parse().unwrap(), source_at }
}

fn ticker(fields: &str) -> Word {
    read(&format!(r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"BTC/EUR",{fields}}}]}}"#))
}

fn fault(fields: &str) -> String {
    let Word::Ticker(Err(fault)) = ticker(fields) else { panic!("no fault: {fields}") };
    fault
}

#[test]
fn the_ticker_is_read_exactly_with_its_time() {
    let word = read(include_str!("../../../payloads/kraken/ticker_snapshot.json"));
    assert_eq!(word, Word::Ticker(Ok(book("83817.1", "83817.2", Some("2026-11-20T12:00:00.987654Z")))));
}

#[test]
fn a_ticker_without_a_time_and_with_an_exponent_is_read_too() {
    let word = read(include_str!("../../../payloads/kraken/ticker_update_no_time.json"));
    assert_eq!(word, Word::Ticker(Ok(book("83817", "83817.1", None))));
}

#[test]
fn the_state_of_the_system_is_its_own_word() {
    let online = read(include_str!("../../../payloads/kraken/status_online.json"));
    assert_eq!(online, Word::System("online".into()));
    let maintenance = read(include_str!("../../../payloads/kraken/status_maintenance.json"));
    assert_eq!(maintenance, Word::System("maintenance".into()));
}

#[test]
fn of_several_words_on_the_system_the_worst_counts_wherever_it_stands() {
    let entry = |word: &&str| format!(r#"{{"system":"{word}"}}"#);
    let said = |words: &[&str]| {
        let entries: Vec<_> = words.iter().map(entry).collect();
        read(&format!(r#"{{"channel":"status","data":[{}]}}"#, entries.join(",")))
    };
    let from_best_to_worst = ["online", "post_only", "cancel_only", "maintenance", "something_new"];
    for pair in from_best_to_worst.windows(2) {
        let worse = Word::System(pair[1].into());
        assert_eq!(said(&[pair[0], pair[1]]), worse);
        assert_eq!(said(&[pair[1], pair[0], pair[0]]), worse);
    }
    assert_eq!(said(&["online", "online"]), Word::System("online".into()));
}

#[test]
fn a_status_that_says_nothing_is_no_word_that_all_is_well() {
    for data in [
        r#""data":[]"#,
        r#""data":{}"#,
        r#""data":[{"system":7}]"#,
        r#""data":[{"system":"online"},{}]"#,
        r#""type":"update""#,
    ] {
        let word = read(&format!(r#"{{"channel":"status",{data}}}"#));
        assert!(matches!(word, Word::SystemUnknown(why) if !why.is_empty()), "{data}");
    }
}

#[test]
fn acknowledgements_heartbeats_and_pongs_are_signs_of_life_only() {
    for text in [
        include_str!("../../../payloads/kraken/subscribed.json"),
        include_str!("../../../payloads/kraken/heartbeat.json"),
        include_str!("../../../payloads/kraken/pong.json"),
    ] {
        assert_eq!(read(text), Word::Alive, "{text}");
    }
}

#[test]
fn a_refused_subscription_says_why() {
    let word = read(include_str!("../../../payloads/kraken/subscribe_refused.json"));
    assert_eq!(word, Word::Refused("Currency pair not supported BTC/EUX".into()));
}

#[test]
fn another_market_is_not_ours() {
    assert_eq!(
        message(include_str!("../../../payloads/kraken/ticker_snapshot.json"), "ETH/EUR"),
        Word::Alive
    );
}

#[test]
fn a_crossed_book_is_no_price_and_a_locked_one_is() {
    assert_eq!(fault(r#""bid":5.1,"ask":5"#), "crossed book: bid 5.1 above ask 5");
    assert_eq!(ticker(r#""bid":5,"ask":5.0"#), Word::Ticker(Ok(book("5", "5", None))));
}

#[test]
fn zero_negative_and_missing_sides_are_no_price() {
    assert_eq!(fault(r#""bid":0,"ask":5"#), "bid is 0, not a price above zero");
    assert_eq!(fault(r#""bid":5,"ask":-6.5"#), "ask is -6.5, not a price above zero");
    assert_eq!(fault(r#""bid":5"#), "ask is missing");
    assert_eq!(fault(r#""bid":null,"ask":5"#), "bid is missing");
}

#[test]
fn a_time_that_can_not_be_read_costs_no_price() {
    for time in ["7", "\"noon\"", "null", "{}"] {
        assert_eq!(
            ticker(&format!(r#""bid":5,"ask":6,"timestamp":{time}"#)),
            Word::Ticker(Ok(book("5", "6", None)))
        );
    }
}

#[test]
fn garbage_is_unreadable_and_says_why() {
    for text in [
        "",
        "[]",
        "[1,2]",
        "{",
        "{}",
        r#"{"channel":"ohlc"}"#,
        r#"{"channel":"ticker"}"#,
        r#"{"channel":"ticker","data":{}}"#,
        r#"{"channel":"ticker","data":[{"bid":1,"ask":2}]}"#,
        r#"{"channel":7}"#,
        r#"{"method":"unsubscribe"}"#,
    ] {
        assert!(matches!(read(text), Word::Unreadable(reason) if !reason.is_empty()), "{text}");
    }
}

#[test]
fn no_text_whatever_stops_the_reader() {
    #[expect(clippy::needless_pass_by_value, reason = "the shape of a quickcheck law")]
    fn law(text: String, cut: usize) -> bool {
        let whole = include_str!("../../../payloads/kraken/ticker_snapshot.json");
        let (head, tail) = whole.split_at(cut % whole.len());
        let _read = (read(&text), read(head), read(&format!("{head}{text}{tail}")), rest(text.as_bytes()));
        true
    }
    quickcheck::quickcheck(law as fn(String, usize) -> bool);
}

#[test]
fn the_rest_ticker_is_read_whatever_the_market_is_called_there() {
    let read = rest(include_bytes!("../../../payloads/kraken/rest_ticker.json"));
    assert_eq!(read, Ok(Ok(book("83817.1", "83817.2", None))));
}

#[test]
fn what_rest_says_in_place_of_a_ticker_is_no_book() {
    assert_eq!(
        rest(include_bytes!("../../../payloads/kraken/rest_unavailable.json")),
        Err("EService:Unavailable".into())
    );
    let two = br#"{"error":[],"result":{"A":{"a":["1"],"b":["1"]},"B":{"a":["1"],"b":["1"]}}}"#;
    for body in [&b"<html>"[..], b"{}", br#"{"error":[],"result":{}}"#, two] {
        assert!(rest(body).is_err(), "{body:?}");
    }
    let crossed = br#"{"error":[],"result":{"A":{"a":["1.0"],"b":["2.0"]}}}"#;
    assert_eq!(rest(crossed), Ok(Err("crossed book: bid 2 above ask 1".into())));
    let empty = br#"{"error":[],"result":{"A":{"a":[],"b":[]}}}"#;
    assert_eq!(rest(empty), Ok(Err("bid is missing".into())));
}
