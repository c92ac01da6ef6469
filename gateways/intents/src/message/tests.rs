//! What an offer's text is, and what is refused.

use super::{Unsayable, chosen_amount, deadline, offer};
use stele_domain::ids::{AccountId, CommandId, QuoteId, TokenId};
use stele_domain::money::Units;
use stele_domain::port::venue::{ExactSide, OfferTerms, TokenAmount};
use stele_domain::time::Timestamp;
use uuid::Uuid;

const I128_MAX: u128 = i128::MAX.unsigned_abs();

fn terms(receive: u128, give: u128) -> OfferTerms {
    let amount = |token: &str, units| TokenAmount {
        token: TokenId::try_from(token.to_owned()).unwrap(),
        amount: Units::new(units),
    };
    OfferTerms {
        command_id: CommandId(Uuid::nil()),
        quote_id: QuoteId::try_from("q-1".to_owned()).unwrap(),
        account: AccountId::try_from("maker.near".to_owned()).unwrap(),
        receive: amount("nep141:b.near", receive),
        give: amount("nep141:a.near", give),
        exact: ExactSide::In,
        offer_deadline: Timestamp::parse("2030-01-01T00:00:00.001999Z").unwrap(),
        nonce_deadline: Timestamp::parse("2030-01-01T00:01:00Z").unwrap(),
        salt: "00000000".into(),
    }
}

#[test]
fn what_is_received_comes_first_and_the_deadline_is_cut_to_milliseconds() {
    assert_eq!(
        offer(&terms(1, 2)).unwrap(),
        r#"{"signer_id":"maker.near","deadline":"2030-01-01T00:00:00.001Z","intents":[{"intent":"token_diff","diff":{"nep141:b.near":"1","nep141:a.near":"-2"}}]}"#
    );
}

#[test]
fn a_name_with_quotes_in_it_can_not_break_out_of_its_string() {
    let mut terms = terms(1, 2);
    terms.account = AccountId::try_from(r#"x","intents":[],"y":""#.to_owned()).unwrap();
    let text = offer(&terms).unwrap();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["signer_id"], terms.account.as_str());
    assert_eq!(read["intents"].as_array().unwrap().len(), 1);
}

#[test]
fn amounts_that_the_venue_can_not_carry_are_refused() {
    assert_eq!(offer(&terms(0, 1)), Err(Unsayable::Zero("receive")));
    assert_eq!(offer(&terms(1, 0)), Err(Unsayable::Zero("give")));
    assert!(offer(&terms(I128_MAX, I128_MAX)).is_ok());
    let amount = Units::new(I128_MAX + 1);
    assert_eq!(offer(&terms(1, I128_MAX + 1)), Err(Unsayable::TooLarge { side: "give", amount }));
    assert_eq!(offer(&terms(I128_MAX + 1, 1)), Err(Unsayable::TooLarge { side: "receive", amount }));
}

#[test]
fn a_token_is_not_swapped_for_itself() {
    let mut terms = terms(1, 2);
    terms.give.token = terms.receive.token.clone();
    assert_eq!(offer(&terms), Err(Unsayable::SameToken("nep141:b.near".into())));
}

#[test]
fn the_nonce_may_die_with_the_offer_but_not_before_it() {
    let mut terms = terms(1, 2);
    terms.nonce_deadline = terms.offer_deadline;
    assert!(offer(&terms).is_ok());
    terms.nonce_deadline = Timestamp::from_micros(terms.offer_deadline.micros() - 1);
    assert!(matches!(offer(&terms), Err(Unsayable::NonceBeforeOffer { .. })));
}

#[test]
fn a_deadline_that_was_cut_to_the_end_of_time_is_refused() {
    for at in
        [Timestamp::from_micros(i64::MAX), Timestamp::from_micros(i64::MIN), Timestamp::MAX.plus_millis(1)]
    {
        assert_eq!(deadline(at), Err(Unsayable::Deadline(at)));
    }
    let last = Timestamp::parse("9999-12-31T23:59:59.999998Z").unwrap();
    assert_eq!(deadline(last).unwrap(), "9999-12-31T23:59:59.999Z");
}

#[test]
fn the_chosen_amount_is_what_the_text_says() {
    fn law(receive: u128, give: u128) -> bool {
        let (receive, give) = (receive % I128_MAX + 1, give % I128_MAX + 1);
        let text = offer(&terms(receive, give)).unwrap();
        chosen_amount(&text, ExactSide::In) == Ok(Units::new(give))
            && chosen_amount(&text, ExactSide::Out) == Ok(Units::new(receive))
    }
    quickcheck::quickcheck(law as fn(u128, u128) -> bool);
}

#[test]
fn only_one_swap_of_two_tokens_is_an_offer() {
    let head = r#"{"signer_id":"m","deadline":"d","intents":"#;
    for intents in [
        "[]",
        r#"[{"intent":"token_diff","diff":{"a":"1"}}]"#,
        r#"[{"intent":"token_diff","diff":{"a":"1","b":"2"}}]"#,
        r#"[{"intent":"token_diff","diff":{"a":"-1","b":"-2"}}]"#,
        r#"[{"intent":"token_diff","diff":{"a":"1","b":"-2","c":"3"}}]"#,
        r#"[{"intent":"token_diff","diff":{"a":"1","b":"-2"},"memo":"m"}]"#,
        r#"[{"intent":"token_diff","diff":{"a":"1","b":"-2"}},{"intent":"token_diff","diff":{"a":"1","b":"-2"}}]"#,
        r#"[{"intent":"ft_withdraw","token":"a","receiver_id":"b","amount":"1"}]"#,
    ] {
        let read = chosen_amount(&format!("{head}{intents}}}"), ExactSide::In);
        assert!(matches!(read, Err(Unsayable::NotAnOffer(_))), "{intents}: {read:?}");
    }
}
