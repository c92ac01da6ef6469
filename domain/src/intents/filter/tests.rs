//! Sentences and laws of the pair filter.

use super::decide::ENTRIES_MAX;
use super::event::{Entry, FilterReset, FilterSet};
use super::{Command, Event, Filter, Rejection, State};
use crate::decider::{Decider, fold};
use crate::ids::TokenId;
use crate::money::Asset;
use crate::pair::{Pair, Side};
use crate::testing::given;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};

fn token(text: &str) -> TokenId {
    text.to_owned().try_into().unwrap()
}

fn side(symbol: &str, tokens: &[&str]) -> Side {
    Side {
        asset: Asset { symbol: symbol.to_owned(), decimals: 8 },
        tokens: tokens.iter().map(|text| token(text)).collect(),
    }
}

/// Two tokens count as BTC.
fn btc_eure() -> Pair {
    Pair {
        id: "btc-eure".to_owned().try_into().unwrap(),
        base: side("BTC", &["nbtc", "legacy"]),
        quote: side("EURe", &["eure"]),
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn pair_line(text: &str) -> Entry {
    Entry::Pair(text.to_owned().try_into().unwrap())
}

fn tokens_line(token_in: &str, token_out: &str) -> Entry {
    Entry::Tokens { token_in: token(token_in), token_out: token(token_out) }
}

fn set(entries: &[Entry], reason: &str) -> Command {
    let configured = vec![btc_eure()];
    Command::Set { entries: entries.to_vec(), configured, reason: reason.to_owned(), at: at(1) }
}

fn reset(reason: &str) -> Command {
    Command::Reset { reason: reason.to_owned(), at: at(1) }
}

fn was_set(entries: &[Entry]) -> Event {
    Event::FilterSet(FilterSet { entries: entries.to_vec(), reason: "narrower".to_owned(), at: at(1) })
}

fn was_reset() -> Event {
    Event::FilterReset(FilterReset { reason: "back".to_owned(), at: at(1) })
}

fn lets_through(history: &[Event], token_in: &str, token_out: &str) -> bool {
    fold::<Filter>(history).lets_through(&btc_eure(), &token(token_in), &token(token_out))
}

#[test]
fn a_configured_pair_is_set() {
    given::<Filter>([])
        .when(set(&[pair_line("btc-eure")], "narrower"))
        .then([was_set(&[pair_line("btc-eure")])]);
}

#[test]
fn one_direction_of_two_tokens_is_set() {
    let line = [tokens_line("nbtc", "eure")];
    given::<Filter>([]).when(set(&line, "narrower")).then([was_set(&line)]);
}

#[test]
fn a_line_given_twice_is_kept_once() {
    let line = tokens_line("nbtc", "eure");
    given::<Filter>([]).when(set(&[line.clone(), line.clone()], "narrower")).then([was_set(&[line])]);
}

#[test]
fn the_same_lines_in_another_order_are_already_set() {
    let (one, other) = (tokens_line("nbtc", "eure"), tokens_line("eure", "nbtc"));
    given::<Filter>([was_set(&[one.clone(), other.clone()])])
        .when(set(&[other, one], "again"))
        .then_nothing();
}

#[test]
fn setting_all_configured_pairs_is_not_the_same_as_never_setting() {
    // It stays as it is when a pair is added to the configuration.
    let line = [pair_line("btc-eure")];
    given::<Filter>([was_reset()]).when(set(&line, "narrower")).then([was_set(&line)]);
}

#[test]
fn a_pair_that_is_not_configured_is_named() {
    given::<Filter>([])
        .when(set(&[pair_line("eth-eure")], "wider"))
        .then_rejected(Rejection::UnknownPair("eth-eure".to_owned().try_into().unwrap()));
}

#[test]
fn tokens_that_make_no_configured_pair_are_named() {
    for (token_in, token_out) in [("nbtc", "legacy"), ("eure", "eure"), ("weth", "eure")] {
        given::<Filter>([]).when(set(&[tokens_line(token_in, token_out)], "wider")).then_rejected(
            Rejection::UnknownTokens { token_in: token(token_in), token_out: token(token_out) },
        );
    }
}

#[test]
fn a_missing_reason_is_refused_before_the_lines_are_looked_at() {
    given::<Filter>([]).when(set(&[pair_line("eth-eure")], " ")).then_rejected(Rejection::ReasonMissing);
    given::<Filter>([was_set(&[])]).when(reset("")).then_rejected(Rejection::ReasonMissing);
    given::<Filter>([was_set(&[])]).when(reset(&"x".repeat(501))).then_rejected(Rejection::ReasonMissing);
}

#[test]
fn as_many_lines_as_fit_are_taken_and_one_more_is_refused() {
    let line = pair_line("btc-eure");
    given::<Filter>([])
        .when(set(&vec![line.clone(); ENTRIES_MAX], "narrower"))
        .then([was_set(std::slice::from_ref(&line))]);
    given::<Filter>([])
        .when(set(&vec![line; ENTRIES_MAX + 1], "narrower"))
        .then_rejected(Rejection::TooManyEntries(ENTRIES_MAX + 1));
}

#[test]
fn a_set_filter_is_reset_once() {
    given::<Filter>([was_set(&[])]).when(reset("back")).then([was_reset()]);
    given::<Filter>([was_set(&[]), was_reset()]).when(reset("back")).then_nothing();
    given::<Filter>([]).when(reset("back")).then_nothing();
}

#[test]
fn without_a_filter_both_directions_of_every_token_of_the_pair_pass() {
    for history in [vec![], vec![was_set(&[]), was_reset()]] {
        assert!(lets_through(&history, "nbtc", "eure"));
        assert!(lets_through(&history, "eure", "legacy"));
        assert!(!lets_through(&history, "nbtc", "legacy"));
        assert!(!lets_through(&history, "weth", "eure"));
    }
}

#[test]
fn an_empty_filter_lets_nothing_through() {
    assert!(!lets_through(&[was_set(&[])], "nbtc", "eure"));
}

#[test]
fn a_pair_line_lets_the_whole_pair_through() {
    let history = [was_set(&[pair_line("btc-eure")])];
    assert!(lets_through(&history, "legacy", "eure"));
    assert!(lets_through(&history, "eure", "nbtc"));
}

#[test]
fn a_line_of_tokens_lets_exactly_that_direction_through() {
    let history = [was_set(&[tokens_line("nbtc", "eure")])];
    assert!(lets_through(&history, "nbtc", "eure"));
    assert!(!lets_through(&history, "eure", "nbtc"));
    assert!(!lets_through(&history, "legacy", "eure"));
}

#[test]
fn a_line_outlives_its_pair_without_widening_anything() {
    // The token was configured once and is not any more.
    let history = [was_set(&[tokens_line("weth", "eure"), pair_line("eth-eure")])];
    assert!(!lets_through(&history, "weth", "eure"));
    assert!(!lets_through(&history, "nbtc", "eure"));
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let lines = [
            pair_line("btc-eure"),
            tokens_line("nbtc", "eure"),
            tokens_line("eure", "legacy"),
            pair_line("eth-eure"),
        ];
        let reason = *g.choose(&["", "narrower", "back"]).unwrap();
        if bool::arbitrary(g) {
            return reset(reason);
        }
        let entries: Vec<_> = lines.into_iter().filter(|_| bool::arbitrary(g)).collect();
        set(&entries, reason)
    }
}

fn step(state: State, command: Command) -> (State, Result<Vec<Event>, Rejection>) {
    let answer = Filter::decide(&state, command);
    let state = answer.iter().flatten().fold(state, Filter::evolve);
    (state, answer)
}

#[test]
fn repeating_a_command_changes_nothing() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        let (after, answer) = step(state, command.clone());
        let again = answer.map(|_| vec![]);
        step(after.clone(), command) == (after, again)
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn a_filter_never_lets_more_through_than_the_configuration() {
    fn law(story: Vec<Command>) -> bool {
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        let tokens = ["nbtc", "legacy", "eure", "weth"].map(token);
        tokens.iter().all(|token_in| {
            tokens.iter().all(|token_out| {
                !state.lets_through(&btc_eure(), token_in, token_out)
                    || State::Configured.lets_through(&btc_eure(), token_in, token_out)
            })
        })
    }
    let law: fn(Vec<Command>) -> bool = law;
    quickcheck(law);
}
