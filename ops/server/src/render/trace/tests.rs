//! Stories as they were told by a desk on the simulator, and the words that are made of them. The words are golden:
//! `UPDATE_GOLDEN=1` writes them anew, and the difference is to be read.

use super::story;
use std::path::Path;
use stele_domain::ids::{PairId, TokenId};
use stele_domain::money::Asset;
use stele_domain::pair::{Pair, Side};
use stele_projections::trace::Trace;

fn pair() -> Pair {
    let token = |text: &str| TokenId::try_from(text.to_owned()).unwrap();
    let side = |symbol: &str, decimals, tokens: &[&str]| Side {
        asset: Asset { symbol: symbol.to_owned(), decimals },
        tokens: tokens.iter().map(|text| token(text)).collect(),
    };
    Pair {
        id: PairId::try_from("btc-eure".to_owned()).unwrap(),
        base: side("BTC", 8, &["nep141:nbtc.bridge.near", "nep141:btc.omft.near"]),
        quote: side("EURe", 18, &["nep141:gnosis-0x420ca0f9b9b604ce0fd9c18ef134c705e5fa3430.omft.near"]),
    }
}

fn fixture(name: &str) -> Trace {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/render/trace/fixtures/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn golden(name: &str) {
    let told = format!("{}\n", story(&fixture(name), &pair()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/render/trace/fixtures/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, told, "run again with UPDATE_GOLDEN=1 and read the difference");
    let widest = told.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 120, "{name} has a line of {widest} characters");
}

#[test]
fn a_settled_quote_is_told_from_the_request_to_the_released_coin() {
    golden("settled");
}

#[test]
fn a_quote_that_was_skipped_is_told_with_the_gate_that_was_shut() {
    golden("disarmed");
}

#[test]
fn an_offer_without_an_answer_is_told_to_its_end() {
    golden("uncertain");
}

#[test]
fn a_story_without_a_decision_says_so() {
    let mut trace = fixture("disarmed");
    trace.decisions.clear();
    assert!(story(&trace, &pair()).contains("No decision is known yet."));
}

#[test]
fn an_offer_that_is_open_is_told_as_open() {
    let mut trace = fixture("settled");
    trace.commands[0].result.as_mut().unwrap().state =
        stele_projections::models::outcome::CommandState::Accepted;
    assert!(story(&trace, &pair()).contains("The story is not over"));
    let mut trace = fixture("settled");
    trace.commands[0].result = None;
    assert!(story(&trace, &pair()).contains("has not taken it up yet"));
}

#[test]
fn tokens_that_the_pair_does_not_know_are_told_in_base_units() {
    let mut other = pair();
    other.quote.tokens.clear();
    let told = story(&fixture("settled"), &other).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("base units of nep141:gnosis"), "{told}");
}
