//! The contract's order of checks, its fee, and what it conserves.

use super::*;
use crate::clock::NANOS_PER_MILLI;
use crate::relay::cast::{Cast, Party};
use crate::verifier::payload::Nep413Payload;
use quickcheck::TestResult;
use serde_json::Value;

const CONTRACT: &str = "intents.near";
const NOW: Nanos = 1_800_000_000_000_000_000;
const SALT: [u8; 4] = [1, 2, 3, 4];

struct World {
    cast: Cast,
    maker: Party,
    taker: Party,
    state: State,
    nonces: Nonces,
}

fn world() -> World {
    let mut cast = Cast::new(1);
    let (maker, taker) = (cast.rival(), cast.taker());
    let mut state = State {
        accounts: BTreeMap::new(),
        fee_pips: 1,
        fee_collector: "fees.near".to_owned(),
        salt: SALT,
        older_salts: BTreeSet::new(),
        paused: false,
    };
    for party in [&maker, &taker] {
        state.account_mut(&party.account).keys.insert(party.signatory.public_key());
    }
    state.set_balance(&maker.account, "eure", 10_000_000);
    state.set_balance(&taker.account, "btc", 10_000_000);
    World { cast, maker, taker, state, nonces: Nonces::default() }
}

fn setting() -> Setting<'static> {
    Setting { contract: CONTRACT, now: NOW, height: 10, legacy_nonces: true }
}

impl World {
    fn run(&self, signed: &[SignedPayload]) -> Result<Outcome, EngineError> {
        run(&self.state, &self.nonces, signed, setting())
    }

    fn maker_diff(&mut self, deadline: Nanos, diff: &[(&str, i128)]) -> SignedPayload {
        self.cast.sign_diff(&self.maker, CONTRACT, SALT, deadline, diff)
    }

    fn taker_diff(&mut self, diff: &[(&str, i128)]) -> SignedPayload {
        self.cast.sign_diff(&self.taker, CONTRACT, SALT, NOW + 1, diff)
    }

    fn signed(&self, nonce: [u8; 32], deadline: Nanos, recipient: &str, intents: &Value) -> SignedPayload {
        let message = json!({
            "signer_id": self.maker.account, "deadline": rfc3339(deadline), "intents": intents,
        });
        let message = message.to_string();
        let digest = crate::nep413::sha256(&crate::nep413::preimage(&message, &nonce, recipient, None));
        SignedPayload::Nep413 {
            payload: Nep413Payload {
                message,
                nonce: base64_text(&nonce),
                recipient: recipient.to_owned(),
                callback_url: None,
            },
            public_key: self.maker.signatory.public_key(),
            signature: self.maker.signatory.sign(&digest),
        }
    }
}

fn nonce(salt: [u8; 4], deadline: Nanos, last: u8) -> [u8; 32] {
    VersionedNonce { salt, deadline_ns: u64::try_from(deadline).unwrap(), random: [last; 15] }.write()
}

fn spoilt(signed: SignedPayload) -> SignedPayload {
    match signed {
        SignedPayload::Nep413 { mut payload, public_key, signature } => {
            payload.message.push(' ');
            SignedPayload::Nep413 { payload, public_key, signature }
        }
        SignedPayload::RawEd25519 { .. } => panic!("the cast signs NEP-413"),
    }
}

#[test]
fn a_pair_that_adds_up_moves_both_balances_and_takes_the_fee_from_what_is_given() {
    let mut world = world();
    let maker = world.maker_diff(NOW + 1, &[("btc", 5_000_000), ("eure", -1_000_000)]);
    let taker = world.taker_diff(&[("btc", -5_000_006), ("eure", 999_999)]);
    let outcome = world.run(&[maker, taker]).unwrap().balanced().unwrap();
    let held = |account: &str, token| outcome.state.balance(account, token);
    assert_eq!(held(&world.maker.account, "btc"), 5_000_000);
    assert_eq!(held(&world.maker.account, "eure"), 9_000_000);
    assert_eq!(held(&world.taker.account, "btc"), 4_999_994);
    assert_eq!(held(&world.taker.account, "eure"), 999_999);
    assert_eq!((held("fees.near", "btc"), held("fees.near", "eure")), (6, 1));
    assert_eq!(outcome.executed.len(), 2);
    assert_eq!(outcome.logs.len(), 3);
}

#[test]
fn one_unit_too_many_is_refused_as_unmatched_and_named() {
    let mut world = world();
    let maker = world.maker_diff(NOW + 1, &[("btc", 5_000_000), ("eure", -1_000_000)]);
    let taker = world.taker_diff(&[("btc", -5_000_006), ("eure", 1_000_000)]);
    let outcome = world.run(&[maker, taker]).unwrap();
    assert_eq!(outcome.unmatched, BTreeMap::from([("eure".to_owned(), 1)]));
    assert!(simulation_json(&outcome)["invariant_violated"]["unmatched_deltas"]["eure"] == "1");
    assert_eq!(outcome.balanced().unwrap_err(), EngineError::Unmatched("eure: 1".to_owned()));
}

/// Each payload is wrong in its own way and in every later way too, so that only the order tells them apart.
#[test]
fn the_first_wrong_thing_in_the_contracts_order_is_what_is_named() {
    let mut world = world();
    world.maker.account = "stranger.near".to_owned();
    let too_much = json!([{ "intent": "token_diff", "diff": { "eure": "-99999999999" } }]);
    let stale = nonce([9; 4], NOW - 5, 1);
    let past = NOW - 1;
    let spoilt_payload = spoilt(world.signed(stale, past, "other.near", &too_much));
    assert_eq!(world.run(&[spoilt_payload]).unwrap_err(), EngineError::InvalidSignature);
    let elsewhere = world.signed(stale, past, "other.near", &too_much);
    assert_eq!(world.run(&[elsewhere]).unwrap_err(), EngineError::WrongContract);
    let late = world.signed(stale, past, CONTRACT, &too_much);
    assert_eq!(world.run(&[late]).unwrap_err(), EngineError::DeadlineExpired);
    let keyless = world.signed(stale, NOW + 1, CONTRACT, &too_much);
    assert!(matches!(world.run(&[keyless]).unwrap_err(), EngineError::UnknownKey { .. }));

    let key = world.maker.signatory.public_key();
    world.state.account_mut("stranger.near").keys.insert(key);
    world.state.account_mut("stranger.near").locked = true;
    let salted = world.signed(stale, NOW + 1, CONTRACT, &too_much);
    assert_eq!(world.run(&[salted]).unwrap_err(), EngineError::InvalidSalt);
    let outlives = world.signed(nonce(SALT, NOW - 5, 1), NOW + 1, CONTRACT, &too_much);
    assert_eq!(world.run(&[outlives]).unwrap_err(), EngineError::DeadlineGreaterThanNonce);
    let fresh = nonce(SALT, NOW + 1, 1);
    world.nonces.commit("stranger.near", fresh, 9);
    let locked = world.signed(fresh, NOW + 1, CONTRACT, &too_much);
    assert_eq!(
        world.run(std::slice::from_ref(&locked)).unwrap_err(),
        EngineError::Locked("stranger.near".to_owned())
    );
    world.state.account_mut("stranger.near").locked = false;
    assert_eq!(world.run(&[locked]).unwrap_err(), EngineError::NonceUsed);
    let poor = world.signed(nonce(SALT, NOW + 1, 2), NOW + 1, CONTRACT, &too_much);
    assert_eq!(world.run(&[poor]).unwrap_err(), EngineError::Insufficient);
}

#[test]
fn a_deadline_at_the_blocks_own_time_passes_and_one_nanosecond_before_does_not() {
    let mut world = world();
    let empty = json!([]);
    let at = world.signed(nonce(SALT, NOW, 1), NOW, CONTRACT, &empty);
    assert!(world.run(&[at]).is_ok());
    let ms_before = world.maker_diff(NOW - NANOS_PER_MILLI, &[("eure", -1)]);
    assert_eq!(world.run(&[ms_before]).unwrap_err(), EngineError::DeadlineExpired);
}

#[test]
fn an_empty_payload_burns_its_nonce_and_nothing_else() {
    let world = world();
    let cancel = world.signed(nonce(SALT, NOW + 9, 3), NOW + 1, CONTRACT, &json!([]));
    let outcome = world.run(&[cancel]).unwrap().balanced().unwrap();
    assert_eq!(outcome.state, world.state);
    assert_eq!(outcome.executed[0].nonce, nonce(SALT, NOW + 9, 3));
}

#[test]
fn two_payloads_with_one_nonce_never_both_execute() {
    let world = world();
    let same = nonce(SALT, NOW + 9, 3);
    let first = world.signed(same, NOW + 1, CONTRACT, &json!([]));
    let second = world.signed(same, NOW + 2, CONTRACT, &json!([]));
    assert_eq!(world.run(&[first, second]).unwrap_err(), EngineError::NonceUsed);
}

#[test]
fn an_older_salt_is_accepted_until_it_is_invalidated() {
    let mut world = world();
    let cancel = world.signed(nonce(SALT, NOW + 9, 3), NOW + 1, CONTRACT, &json!([]));
    world.state.salt = [8; 4];
    assert_eq!(world.run(std::slice::from_ref(&cancel)).unwrap_err(), EngineError::InvalidSalt);
    world.state.older_salts.insert(SALT);
    assert!(world.run(&[cancel]).is_ok());
}

#[test]
fn differences_that_say_nothing_are_invalid() {
    let mut world = world();
    let empty = world.maker_diff(NOW + 1, &[]);
    assert_eq!(world.run(&[empty]).unwrap_err(), EngineError::InvalidIntent);
    let zero = world.maker_diff(NOW + 1, &[("eure", 0)]);
    assert_eq!(world.run(&[zero]).unwrap_err(), EngineError::InvalidIntent);
}

#[test]
fn a_paused_contract_executes_nothing() {
    let mut world = world();
    world.state.paused = true;
    assert_eq!(world.run(&[]).unwrap_err(), EngineError::Paused);
}

#[test]
fn a_removed_key_signs_no_more_not_even_for_the_account_named_after_it() {
    let mut world = world();
    let key = world.maker.signatory.public_key();
    world.maker.account = hex(&crate::nep413::key_bytes(&key).unwrap());
    let remove = json!([{ "intent": "remove_public_key", "public_key": key }]);
    let removal = world.signed(nonce(SALT, NOW + 9, 1), NOW + 1, CONTRACT, &remove);
    let outcome = world.run(&[removal]).unwrap();
    world.state = outcome.state;
    let again = world.signed(nonce(SALT, NOW + 9, 2), NOW + 1, CONTRACT, &json!([]));
    assert!(matches!(world.run(&[again]).unwrap_err(), EngineError::UnknownKey { .. }));
}

#[test]
fn a_withdrawal_leaves_the_contract_and_a_transfer_stays_in_it() {
    let mut world = world();
    world.state.set_balance(&world.maker.account, "nep141:t.near", 100);
    let intents = json!([
        { "intent": "ft_withdraw", "token": "t.near", "receiver_id": "t.near", "amount": "30" },
        { "intent": "transfer", "receiver_id": "friend.near", "tokens": { "nep141:t.near": "20" } },
    ]);
    let signed = world.signed(nonce(SALT, NOW + 9, 1), NOW + 1, CONTRACT, &intents);
    let outcome = world.run(&[signed]).unwrap().balanced().unwrap();
    assert_eq!(outcome.state.supply("nep141:t.near"), 70);
    assert_eq!(outcome.state.balance("friend.near", "nep141:t.near"), 20);
}

#[test]
fn every_fee_vector_is_ours() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/data/intents_vectors.json")).unwrap();
    for row in vectors["token_diff_fee_vectors"]["rows"].as_array().unwrap() {
        let given: u128 = row["given_amount"].as_str().unwrap().parse().unwrap();
        let pips = u32::try_from(row["fee_pips"].as_u64().unwrap()).unwrap();
        let fee = fee_on(given, pips);
        assert_eq!(fee.to_string(), row["fee_collected"].as_str().unwrap());
        assert_eq!((given - fee).to_string(), row["counterparty_may_receive"].as_str().unwrap());
    }
}

#[test]
fn what_is_given_for_a_net_amount_leaves_exactly_that_after_the_fee() {
    fn law(net: u64, wide: u32, pips: u32) -> TestResult {
        let (net, pips) = (u128::from(net) * u128::from(wide), pips % 1_000_000);
        if net == 0 {
            return TestResult::discard();
        }
        let Some(gross) = gross_for(net, pips) else { return TestResult::failed() };
        TestResult::from_bool(gross - fee_on(gross, pips) == net)
    }
    quickcheck::quickcheck(law as fn(u64, u32, u32) -> TestResult);
}

#[test]
fn no_balanced_execution_makes_or_destroys_a_token() {
    fn law(receives: u32, gives: u32, pips: u32) -> TestResult {
        let mut world = world();
        let pips = pips % 10_000;
        world.state.fee_pips = pips;
        let (receives, gives) = (u128::from(receives % 5_000_000), u128::from(gives % 5_000_000));
        let Some(pays) = gross_for(receives, pips) else { return TestResult::discard() };
        let gets = gives - fee_on(gives, pips);
        if receives == 0 || gets == 0 {
            return TestResult::discard();
        }
        let number = |amount: u128| i128::try_from(amount).unwrap();
        let maker = world.maker_diff(NOW + 1, &[("btc", number(receives)), ("eure", -number(gives))]);
        let taker = world.taker_diff(&[("btc", -number(pays)), ("eure", number(gets))]);
        let after = world.run(&[maker, taker]).and_then(Outcome::balanced).unwrap().state;
        let same = |token| after.supply(token) == world.state.supply(token);
        TestResult::from_bool(same("btc") && same("eure"))
    }
    quickcheck::quickcheck(law as fn(u32, u32, u32) -> TestResult);
}
