//! The answers of `payloads/verifier`, and what they must not be.

use super::super::wire;
use super::{Failure, FinalBlock, balances, difference, final_block, result, salt, view};
use std::collections::BTreeMap;
use stele_domain::ids::TokenId;
use stele_domain::money::Units;
use stele_domain::port::verifier::Snapshot;
use stele_domain::time::Timestamp;

fn block() -> FinalBlock {
    final_block(result(include_bytes!("../../../payloads/verifier/block.json")).unwrap()).unwrap()
}

fn token(text: &str) -> TokenId {
    TokenId::try_from(text.to_owned()).unwrap()
}

fn snapshot() -> Snapshot {
    Snapshot {
        height: 5,
        block_hash: "h".into(),
        block_at: Timestamp::from_millis(1),
        balances: BTreeMap::from([(token("a"), Units::new(1)), (token("b"), Units::new(2))]),
        salt: "00000000".into(),
        fee_pips: 1,
        contract_paused: false,
        account_locked: false,
        key_registered: Some(true),
        nonces_used: vec![false, true],
        providers: 1,
    }
}

#[test]
fn a_final_block_is_read_to_the_microsecond() {
    let block = block();
    assert_eq!((block.height, block.hash.len()), (161_234_567, 44));
    assert_eq!(block.at, Timestamp::from_micros(1_795_200_000_123_456));
}

#[test]
fn a_view_is_read_from_its_bytes() {
    let answer: wire::View = result(include_bytes!("../../../payloads/verifier/view_balances.json")).unwrap();
    let amounts: Vec<String> = view("mt_batch_balance_of", &block(), answer).unwrap();
    let tokens = [token("a"), token("b")];
    let balances = balances(&tokens, &amounts).unwrap();
    assert_eq!(balances[&tokens[1]], Units::new(57_123_456_789_012_345_678));
}

#[test]
fn a_contract_that_panicked_behind_a_200_is_a_refusal() {
    let answer: wire::View = result(include_bytes!("../../../payloads/verifier/view_panicked.json")).unwrap();
    let refused = view::<bool>("is_nonce_used", &block(), answer).unwrap_err();
    assert!(matches!(&refused, Failure::Refused(said) if said.contains("invalid nonce")), "{refused}");
}

#[test]
fn only_errors_that_may_pass_are_asked_again() {
    let passing = result::<wire::View>(include_bytes!("../../../payloads/verifier/error_unknown_block.json"));
    assert!(matches!(passing, Err(Failure::NotNow(_))), "{passing:?}");
    let lasting =
        result::<wire::View>(include_bytes!("../../../payloads/verifier/error_unknown_account.json"));
    assert!(matches!(&lasting, Err(Failure::Refused(said)) if said.contains("intents.nea")), "{lasting:?}");
    let text = result::<wire::View>(br#"{"error":"too many requests"}"#);
    assert_eq!(text.unwrap_err(), Failure::Refused("too many requests".into()));
}

#[test]
fn an_answer_about_another_block_is_not_taken() {
    let answer = |height, hash: &str| wire::View {
        result: Some(b"true".to_vec()),
        error: None,
        block_height: Some(height),
        block_hash: Some(hash.into()),
    };
    let block = FinalBlock { height: 5, hash: "h".into(), at: Timestamp::from_millis(0) };
    assert_eq!(view::<bool>("v", &block, answer(5, "h")), Ok(true));
    assert!(matches!(view::<bool>("v", &block, answer(5, "other")), Err(Failure::OtherBlock(_))));
    assert!(matches!(view::<bool>("v", &block, answer(6, "h")), Err(Failure::Misshapen(_))));
    let silent = wire::View { block_hash: None, ..answer(5, "h") };
    assert!(matches!(view::<bool>("v", &block, silent), Err(Failure::Misshapen(_))));
}

#[test]
fn balances_must_be_as_many_as_were_asked_for_and_whole_numbers() {
    let tokens = [token("a"), token("b")];
    for amounts in [vec!["1"], vec!["1", "2", "3"], vec!["1", "-2"], vec!["1", "2.5"], vec!["1", ""]] {
        let amounts: Vec<String> = amounts.into_iter().map(str::to_owned).collect();
        assert!(matches!(balances(&tokens, &amounts), Err(Failure::Misshapen(_))), "{amounts:?}");
    }
}

#[test]
fn a_salt_is_eight_hex_digits_in_lower_case() {
    assert_eq!(salt("25AB12b3").as_deref(), Ok("25ab12b3"));
    for text in ["", "25ab12b", "25ab12b34", "25ab12bx"] {
        assert!(matches!(salt(text), Err(Failure::Misshapen(_))), "{text}");
    }
}

#[test]
fn any_difference_between_two_providers_is_named() {
    type Change = fn(&mut Snapshot);
    let changes: [(&str, Change); 8] = [
        ("block hash", |s| s.block_hash = "x".into()),
        ("balance of b", |s| {
            s.balances.insert(token("b"), Units::new(3));
        }),
        ("nonce 1", |s| s.nonces_used[1] = false),
        ("salt", |s| s.salt = "11111111".into()),
        ("fee", |s| s.fee_pips = 2),
        ("paused", |s| s.contract_paused = true),
        ("locked", |s| s.account_locked = true),
        ("key is registered", |s| s.key_registered = Some(false)),
    ];
    assert_eq!(difference(("x", &snapshot()), ("y", &snapshot())), None);
    for (what, change) in changes {
        let mut other = snapshot();
        change(&mut other);
        let said = difference(("rpc-a", &snapshot()), ("rpc-b", &other)).unwrap();
        assert!(said.contains(what) && said.contains("rpc-a") && said.contains("rpc-b"), "{said}");
    }
}
