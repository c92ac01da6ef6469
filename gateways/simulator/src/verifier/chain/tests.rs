//! Blocks, what they remember, and what waits for them.

use super::*;
use crate::clock::NANOS_PER_MILLI;
use crate::relay::cast::Cast;
use std::collections::BTreeSet;

const NOW: Nanos = 1_800_000_000_000_000_000;
const BLOCK: Nanos = 600 * NANOS_PER_MILLI;

fn chain(history_blocks: usize) -> Chain {
    let genesis = State {
        accounts: BTreeMap::new(),
        fee_pips: 1,
        fee_collector: "fees.near".to_owned(),
        salt: [1; 4],
        older_salts: BTreeSet::new(),
        paused: false,
    };
    let contract = "intents.near".to_owned();
    let rules = ChainRules { contract, legacy_nonces: true, collect_nonces: false, history_blocks };
    Chain::new(3, rules, genesis, NOW)
}

fn balance_at(chain: &Chain, height: u64) -> u128 {
    chain.block(&BlockRef::Height(height)).unwrap().state.balance("desk.near", "btc")
}

#[test]
fn a_block_that_is_read_again_says_the_same() {
    let mut chain = chain(100);
    chain.change(|state| state.set_balance("desk.near", "btc", 5));
    chain.produce(NOW + BLOCK);
    let height = chain.head().height;
    chain.change(|state| state.set_balance("desk.near", "btc", 9));
    assert_eq!(balance_at(&chain, height), 5);
    chain.produce(NOW + 2 * BLOCK);
    assert_eq!((balance_at(&chain, height), balance_at(&chain, height + 1)), (5, 9));
}

#[test]
fn final_is_two_blocks_behind_optimistic() {
    let mut chain = chain(100);
    chain.produce(NOW + BLOCK);
    let head = chain.block(&BlockRef::Optimistic).unwrap().height;
    assert_eq!(chain.block(&BlockRef::Final).unwrap().height, head - 2);
}

#[test]
fn a_block_out_of_the_history_is_collected_and_one_of_the_future_unknown() {
    let mut chain = chain(4);
    let (first, hash) = (chain.head().height, chain.head().hash.clone());
    for block in 1..=5 {
        chain.produce(NOW + block * BLOCK);
    }
    assert_eq!(chain.block(&BlockRef::Height(first)).unwrap_err(), NoBlock::Collected);
    assert_eq!(chain.block(&BlockRef::Hash(hash)).unwrap_err(), NoBlock::Collected);
    let next = chain.head().height + 1;
    assert_eq!(chain.block(&BlockRef::Height(next)).unwrap_err(), NoBlock::Unknown);
    assert_eq!(chain.block(&BlockRef::Hash("nonsense".to_owned())).unwrap_err(), NoBlock::Unknown);
}

#[test]
fn each_block_names_the_one_before_and_time_never_runs_backwards() {
    let mut chain = chain(100);
    chain.produce(NOW + BLOCK);
    let (before, hash) = (chain.head().timestamp, chain.head().hash.clone());
    chain.produce(NOW - BLOCK);
    assert_eq!(chain.head().prev_hash, hash);
    assert_eq!(chain.head().timestamp, before);
}

#[test]
fn the_same_seed_makes_the_same_chain() {
    let hashes = || {
        let mut chain = chain(10);
        chain.produce(NOW);
        (chain.head().height, chain.head().hash.clone(), chain.next_tx_hash())
    };
    assert_eq!(hashes(), hashes());
}

#[test]
fn a_transaction_is_executed_in_the_next_block_and_its_nonce_is_used_from_there_on() {
    let mut chain = chain(100);
    let mut cast = Cast::new(1);
    let party = cast.taker();
    chain.change(|state| {
        state.account_mut(&party.account).keys.insert(party.signatory.public_key());
    });
    // An unbalanced difference: refused as a whole, and its nonce stays free.
    let lone = cast.sign_diff(&party, "intents.near", [1; 4], NOW + 10 * BLOCK, &[("btc", 5)]);
    let nonce = lone.content().unwrap().nonce;
    let (reply, mut refused) = oneshot::channel();
    let transaction = Transaction { hash: "a".to_owned(), deposits: vec![], signed: vec![lone], reply };
    chain.submit(transaction).unwrap();
    chain.produce(NOW + BLOCK);
    assert!(refused.try_recv().unwrap().result.is_err());
    assert!(!chain.is_nonce_used(&party.account, &nonce, chain.head().height));

    let other = cast.taker();
    chain.change(|state| {
        state.account_mut(&other.account).keys.insert(other.signatory.public_key());
        state.fee_pips = 0;
    });
    let gives = cast.sign_diff(&party, "intents.near", [1; 4], NOW + 10 * BLOCK, &[("btc", -5)]);
    let takes = cast.sign_diff(&other, "intents.near", [1; 4], NOW + 10 * BLOCK, &[("btc", 5)]);
    let nonce = gives.content().unwrap().nonce;
    let (reply, mut done) = oneshot::channel();
    let deposits = vec![(party.account.clone(), "btc".to_owned(), 5)];
    let signed = vec![gives, takes];
    chain.submit(Transaction { hash: "b".to_owned(), deposits, signed, reply }).unwrap();
    let before = chain.head().height;
    chain.produce(NOW + 2 * BLOCK);
    assert_eq!(done.try_recv().unwrap().result.unwrap().len(), 2);
    assert!(!chain.is_nonce_used(&party.account, &nonce, before));
    assert!(chain.is_nonce_used(&party.account, &nonce, before + 1));

    // Forgotten after its own deadline, and still used in the blocks where it was.
    chain.collect_garbage(NOW + 1_000 * BLOCK);
    chain.produce(NOW + 1_000 * BLOCK);
    assert!(chain.is_nonce_used(&party.account, &nonce, before + 1));
    assert!(!chain.is_nonce_used(&party.account, &nonce, chain.head().height));
}
