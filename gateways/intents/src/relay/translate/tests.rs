//! The frames of `payloads/relay`, and what a frame must not be.

use super::{Meaning, Outcome, frame, granted, submission};
use stele_domain::ids::{QuoteHash, QuoteId, TokenId};
use stele_domain::port::feeds::{QuoteRequest, RelayWord, SettlementNotice, SettlementWord};
use stele_domain::port::venue::Submission;

const EURE: &str = "nep141:gnosis-0x420ca0f9b9b604ce0fd9c18ef134c705e5fa3430.omft.near";

fn word(raw: &str) -> RelayWord {
    match frame(raw) {
        Meaning::News { word, .. } => word,
        Meaning::Reply { id, .. } => panic!("a reply to {id}: {raw}"),
    }
}

fn quote(raw: &str) -> QuoteRequest {
    let RelayWord::Quote(quote) = word(raw) else { panic!("something else: {raw}") };
    *quote
}

fn settlement(raw: &str) -> SettlementNotice {
    let RelayWord::Settlement(notice) = word(raw) else { panic!("something else: {raw}") };
    notice
}

fn unreadable(raw: &str) -> String {
    let RelayWord::Unreadable(reason) = word(raw) else { panic!("something else: {raw}") };
    reason
}

fn replied(raw: &str) -> Submission {
    let Meaning::Reply { id: 7, outcome } = frame(raw) else { panic!("no reply: {raw}") };
    submission(outcome)
}

fn token(text: &str) -> TokenId {
    TokenId::try_from(text.to_owned()).unwrap()
}

#[test]
fn the_nested_form_is_read_with_all_it_says() {
    let raw = include_str!("../../../payloads/relay/quote_nested.json");
    let Meaning::News { subscription, .. } = frame(raw) else { panic!() };
    assert_eq!(subscription.as_deref(), Some("5f1b2a1e-9d52-4c8a-8f6e-0d6f0f6a0001"));
    assert_eq!(
        quote(raw),
        QuoteRequest {
            quote_id: QuoteId::try_from("11111111-2222-3333-4444-555555555555".to_owned()).unwrap(),
            token_in: token("nep141:nbtc.bridge.near"),
            token_out: token(EURE),
            exact_amount_in: Some("100000".into()),
            exact_amount_out: None,
            min_deadline_ms: Some(60_000),
            min_wait_ms: Some(1_900),
            max_wait_ms: Some(3_000),
            protocol_fee_included: false,
            partner_id: Some("1click".into()),
            quote_type: Some("main_quote".into()),
            dry: true,
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        }
    );
}

#[test]
fn the_flat_form_of_the_documents_is_read_too() {
    let quote = quote(include_str!("../../../payloads/relay/quote_flat.json"));
    assert_eq!((quote.token_in, quote.token_out), (token(EURE), token("nep141:btc.omft.near")));
    assert_eq!((quote.exact_amount_in, quote.exact_amount_out.as_deref()), (None, Some("100000")));
    assert_eq!((quote.min_wait_ms, quote.max_wait_ms, quote.dry), (None, None, false));
}

#[test]
fn a_router_leg_shows_its_window_and_the_partner_behind() {
    let quote = quote(include_str!("../../../payloads/relay/quote_router_leg.json"));
    assert!(quote.protocol_fee_included && quote.dry);
    assert_eq!((quote.min_wait_ms, quote.max_wait_ms), (Some(1), Some(1)));
    assert_eq!(quote.partner_id.as_deref(), Some("router-solver"));
    assert_eq!(quote.quote_type.as_deref(), Some("min_deposit_amount"));
}

#[test]
fn settlements_are_read_in_every_form() {
    let hash = QuoteHash::try_from("DrGJWAyvRinurMLsAauycgCBYZzWuJH4NUuWpLfkTQcb".to_owned()).unwrap();
    let nested = settlement(include_str!("../../../payloads/relay/status_nested.json"));
    let flat = settlement(include_str!("../../../payloads/relay/status_flat.json"));
    assert_eq!(nested, flat);
    assert_eq!((&nested.quote_hash, nested.word), (&hash, SettlementWord::Settled));
    assert_eq!(nested.tx_hash.as_deref(), Some("8yFNEk7GmRcM3NMJihwCKXt8ZANLpL2koVFWWH1MEEj"));
    let failed = settlement(include_str!("../../../payloads/relay/status_extended_failed.json"));
    assert_eq!((failed.quote_hash, failed.word, failed.tx_hash), (hash, SettlementWord::Failed, None));
}

#[test]
fn an_amount_of_the_wrong_kind_is_unreadable_but_a_wrong_amount_is_passed_on() {
    let with = |amount: &str| {
        format!(
            r#"{{"method":"event","params":{{"data":{{"quote_id":"q","defuse_asset_identifier_in":"a","defuse_asset_identifier_out":"b","exact_amount_in":{amount}}}}}}}"#
        )
    };
    for amount in ["\"0\"", "\"-5\"", "\"1e3\"", "\"\"", "\"340282366920938463463374607431768211456\""] {
        assert_eq!(
            quote(&with(amount)).exact_amount_in.map(|text| format!("{text:?}")).as_deref(),
            Some(amount)
        );
    }
    for amount in ["5", "[]", "true", &format!("\"{}\"", "9".repeat(129))] {
        unreadable(&with(amount));
    }
    assert_eq!(quote(&with("null")).exact_amount_in, None);
}

#[test]
fn what_only_informs_never_hides_a_quote() {
    let raw = r#"{"method":"event","params":{"data":{"quote_id":"q","defuse_asset_identifier_in":"a","defuse_asset_identifier_out":"b","trusted_metadata":"surprise"},"metadata":[1]}}"#;
    let quote = quote(raw);
    assert_eq!((quote.partner_id, quote.quote_type, quote.dry), (None, None, false));
}

#[test]
fn the_older_name_of_the_window_counts_when_the_newer_is_absent() {
    let with = |fields: &str| {
        quote(&format!(
            r#"{{"method":"event","params":{{"data":{{"quote_id":"q","defuse_asset_identifier_in":"a","defuse_asset_identifier_out":"b",{fields}}}}}}}"#
        ))
    };
    assert_eq!(with(r#""wait_ms":1200"#).max_wait_ms, Some(1_200));
    assert_eq!(with(r#""wait_ms":1200,"max_wait_ms":3000"#).max_wait_ms, Some(3_000));
}

#[test]
fn garbage_is_unreadable_and_says_why() {
    for (raw, why) in [
        ("", "not a frame"),
        ("not json", "not a frame"),
        ("[]", "not a frame"),
        ("{}", "neither id nor method"),
        (r#"{"method":"event"}"#, "without params"),
        (r#"{"method":"event","params":[]}"#, "params"),
        (r#"{"method":"shutdown","params":{}}"#, "unknown method \"shutdown\""),
        (r#"{"method":"event","params":{"data":{}}}"#, "neither quote_id nor quote_hash"),
        (r#"{"method":"event","params":{"data":{"quote_id":"q","quote_hash":"h"}}}"#, "both"),
        (r#"{"method":"event","params":{"data":{"quote_id":7}}}"#, "data"),
        (r#"{"method":"event","params":{"data":{"quote_id":"q"}}}"#, "defuse_asset_identifier_in is missing"),
        (r#"{"method":"event","params":{"data":{"quote_id":"q","quote_id":"r"}}}"#, "duplicate"),
        (r#"{"method":"event","params":{"data":{"quote_hash":"h","event_type":"new"}}}"#, "event_type"),
        (r#"{"method":"event","params":{"data":{"quote_id":"q","min_deadline_ms":-1}}}"#, "data"),
        (r#"{"id":"seven","result":"OK"}"#, "no number"),
    ] {
        let said = unreadable(raw);
        assert!(said.contains(why), "{raw}: {said}");
    }
    let deep = format!(r#"{{"method":"event","params":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    unreadable(&deep);
}

#[test]
fn no_text_whatever_stops_the_reader() {
    #[expect(clippy::needless_pass_by_value, reason = "the shape of a quickcheck law")]
    fn law(text: String, cut: usize) -> bool {
        let whole = include_str!("../../../payloads/relay/quote_nested.json");
        let at = whole.floor_char_boundary(cut % whole.len());
        let (head, tail) = whole.split_at(at);
        let _read = (frame(&text), frame(head), frame(&format!("{head}{text}{tail}")));
        true
    }
    quickcheck::quickcheck(law as fn(String, usize) -> bool);
}

#[test]
fn only_ok_is_a_yes_and_only_an_error_is_a_no() {
    assert_eq!(
        replied(include_str!("../../../payloads/relay/reply_ok.json")),
        Submission::Accepted { reply: "\"OK\"".into() }
    );
    for odd in ["null", "true", "\"ok\"", "{}", "\"OK\",\"error\":\"and yet\""] {
        let reply = replied(&format!(r#"{{"id":7,"result":{odd}}}"#));
        assert!(matches!(reply, Submission::Unknown { .. }), "{odd}: {reply:?}");
    }
}

#[test]
fn a_refusal_keeps_its_words_and_late_is_told_apart() {
    let late = replied(include_str!("../../../payloads/relay/reply_late_string.json"));
    assert_eq!(
        late,
        Submission::Refused { reply: "\"quote not found or already finished\"".into(), late: true }
    );
    let late = replied(include_str!("../../../payloads/relay/reply_late_object.json"));
    assert_eq!(
        late,
        Submission::Refused { reply: r#"{"code":-32001,"message":"Quote expired"}"#.into(), late: true }
    );
    let refused = replied(include_str!("../../../payloads/relay/reply_refused_object.json"));
    assert!(matches!(refused, Submission::Refused { reply, late: false } if reply.contains("maker.near")));
}

#[test]
fn a_reply_whose_id_came_back_as_text_still_finds_its_request() {
    assert!(matches!(frame(r#"{"id":"7","result":"OK"}"#), Meaning::Reply { id: 7, .. }));
}

#[test]
fn only_a_text_grants_a_subscription() {
    assert_eq!(granted(&Outcome::Result("\"abc\"".into())).as_deref(), Some("abc"));
    for refused in [Outcome::Result("null".into()), Outcome::Error("\"no\"".into()), Outcome::Neither] {
        assert_eq!(granted(&refused), None, "{refused:?}");
    }
}
