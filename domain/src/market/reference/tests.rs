//! Sentences of the reference price: what is recorded, and when. The policy's own are in [`policy`], the laws
//! in [`laws`].

mod laws;
mod policy;

use super::event::{
    BasisMode, Block, Link, PriceObserved, ReferencePriced, Source, SourceStateChanged, SourceUse, Verdict,
};
use super::{Command, Event, Policy, Reference};
use crate::decider::fold;
use crate::money::{BasisPoints, Rate};
use crate::testing::given;
use crate::time::Timestamp;

/// Kraken 5 s, aggregates 180 s, 1 % of conflict, half a percent of peg, 0.1 % to each side of the fallback.
const POLICY: Policy = Policy {
    primary_age_ms_max: 5_000,
    fallback_age_ms_max: 180_000,
    fallback_allowed: true,
    conflict_max: BasisPoints(100),
    peg_band: BasisPoints(50),
    basis: BasisMode::AssumedParity,
    peg_watched: false,
    fallback_half_spread: BasisPoints(10),
};

const OBSERVED: Policy = Policy { basis: BasisMode::Observed, peg_watched: true, ..POLICY };
/// Parity is assumed, and somebody is asked.
const WATCHED: Policy = Policy { peg_watched: true, ..POLICY };

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn seen(source: Source, bid: &str, ask: &str, millis: i64) -> PriceObserved {
    PriceObserved { source, bid: rate(bid), ask: rate(ask), source_at: None, received_at: at(millis) }
}

/// 49,990 to 50,010, so 50,000.
fn kraken(millis: i64) -> PriceObserved {
    seen(Source::Kraken, "49990", "50010", millis)
}

fn coin_gecko(price: &str, millis: i64) -> PriceObserved {
    seen(Source::CoinGecko, price, price, millis)
}

fn peg(price: &str, millis: i64) -> PriceObserved {
    seen(Source::Peg, price, price, millis)
}

fn change(source: Source, link: Link, healthy: bool) -> SourceStateChanged {
    SourceStateChanged { source, link, healthy, reason: "said so".to_owned(), at: at(0) }
}

fn alive() -> Event {
    Event::SourceStateChanged(change(Source::Kraken, Link::Alive, true))
}

/// Kraken alive, and these prices.
fn history(observed: &[PriceObserved]) -> Vec<Event> {
    std::iter::once(alive()).chain(observed.iter().cloned().map(Event::PriceObserved)).collect()
}

/// The verdict of the policy on what was said, at a moment.
fn priced(history: &[Event], policy: &Policy, millis: i64) -> ReferencePriced {
    policy.apply(&fold::<Reference>(history), at(millis))
}

fn verdict(observed: &[PriceObserved], policy: &Policy, millis: i64) -> Verdict {
    priced(&history(observed), policy, millis).verdict
}

fn blocked(block: Block) -> Verdict {
    Verdict::Blocked { block }
}

fn part(priced: &ReferencePriced, source: Source) -> &SourceUse {
    priced.sources.iter().find(|part| part.source == source).unwrap()
}

/// Whether the verdict is on Kraken's price, the fallback's, or neither.
fn source_of(verdict: &Verdict) -> Option<Source> {
    match verdict {
        Verdict::Primary { .. } => Some(Source::Kraken),
        Verdict::Fallback { .. } => Some(Source::CoinGecko),
        Verdict::Blocked { .. } => None,
    }
}

fn observe(observation: PriceObserved, millis: i64) -> Command {
    Command::Observe { observation, policy: POLICY, at: at(millis) }
}

fn tick(millis: i64) -> Command {
    Command::Tick { policy: POLICY, at: at(millis) }
}

fn change_state(change: SourceStateChanged, millis: i64) -> Command {
    Command::ChangeState { change, policy: POLICY, at: at(millis) }
}

/// A history that ends with the policy's verdict on it.
fn with_verdict(mut history: Vec<Event>, millis: i64) -> Vec<Event> {
    history.push(Event::ReferencePriced(priced(&history, &POLICY, millis)));
    history
}

#[test]
fn an_observation_is_recorded_and_priced() {
    let before = history(&[]);
    let after = history(&[kraken(1_000)]);
    given::<Reference>(before)
        .when(observe(kraken(1_000), 1_001))
        .then([Event::PriceObserved(kraken(1_000)), Event::ReferencePriced(priced(&after, &POLICY, 1_001))]);
}

#[test]
fn an_observation_that_blocks_is_recorded_all_the_same() {
    let conflict = coin_gecko("70000", 1_000);
    let after = history(&[kraken(1_000), conflict.clone()]);
    given::<Reference>(history(&[kraken(1_000)]))
        .when(observe(conflict.clone(), 1_001))
        .then([Event::PriceObserved(conflict), Event::ReferencePriced(priced(&after, &POLICY, 1_001))]);
}

#[test]
fn the_same_price_at_another_moment_is_news() {
    let before = with_verdict(history(&[kraken(1_000)]), 1_001);
    let after = [before.clone(), vec![Event::PriceObserved(kraken(2_000))]].concat();
    given::<Reference>(before)
        .when(observe(kraken(2_000), 2_001))
        .then([Event::PriceObserved(kraken(2_000)), Event::ReferencePriced(priced(&after, &POLICY, 2_001))]);
}

#[test]
fn an_observation_told_twice_is_kept_once() {
    given::<Reference>(with_verdict(history(&[kraken(1_000)]), 1_001))
        .when(observe(kraken(1_000), 1_500))
        .then_nothing();
}

#[test]
fn time_alone_changes_nothing_while_the_verdict_stands() {
    let before = with_verdict(history(&[kraken(1_000)]), 1_001);
    given::<Reference>(before.clone()).when(tick(6_000)).then_nothing();
    given::<Reference>(before.clone())
        .when(tick(6_001))
        .then([Event::ReferencePriced(priced(&before, &POLICY, 6_001))]);
}

#[test]
fn the_first_tick_says_that_there_is_no_price() {
    let event = Event::ReferencePriced(priced(&[], &POLICY, 1));
    given::<Reference>([]).when(tick(1)).then([event.clone()]);
    given::<Reference>([event]).when(tick(2)).then_nothing();
}

#[test]
fn time_takes_the_price_from_kraken_to_the_fallback_and_to_nothing() {
    let observed = history(&[kraken(0), coin_gecko("50000", 0)]);
    let mut story = with_verdict(observed, 0);
    for (millis, expected) in [(5_001, Some(Source::CoinGecko)), (180_001, None)] {
        let verdict = priced(&story, &POLICY, millis);
        assert_eq!(source_of(&verdict.verdict), expected);
        given::<Reference>(story.clone()).when(tick(millis)).then([Event::ReferencePriced(verdict.clone())]);
        story.push(Event::ReferencePriced(verdict));
        given::<Reference>(story.clone()).when(tick(millis + 1)).then_nothing();
    }
}

#[test]
fn a_check_that_is_lost_is_stated_though_the_price_stands() {
    let before = with_verdict(history(&[coin_gecko("50000", 0), kraken(178_000)]), 178_000);
    given::<Reference>(before.clone()).when(tick(180_000)).then_nothing();
    given::<Reference>(before.clone())
        .when(tick(180_001))
        .then([Event::ReferencePriced(priced(&before, &POLICY, 180_001))]);
}

#[test]
fn another_policy_speaks_at_the_next_tick() {
    let before = with_verdict(history(&[kraken(1_000)]), 1_001);
    given::<Reference>(before.clone())
        .when(Command::Tick { policy: OBSERVED, at: at(1_002) })
        .then([Event::ReferencePriced(priced(&before, &OBSERVED, 1_002))]);
}

#[test]
fn a_source_that_goes_down_is_recorded_and_the_verdict_with_it() {
    let before = with_verdict(history(&[kraken(1_000)]), 1_001);
    let down = change(Source::Kraken, Link::Down, true);
    let after = [before.clone(), vec![Event::SourceStateChanged(down.clone())]].concat();
    given::<Reference>(before)
        .when(change_state(down.clone(), 1_002))
        .then([Event::SourceStateChanged(down), Event::ReferencePriced(priced(&after, &POLICY, 1_002))]);
}

#[test]
fn a_source_that_stays_connected_and_calls_itself_unhealthy_is_news() {
    let before = with_verdict(history(&[kraken(1_000)]), 1_001);
    let unhealthy = change(Source::Kraken, Link::Alive, false);
    let after = [before.clone(), vec![Event::SourceStateChanged(unhealthy.clone())]].concat();
    given::<Reference>(before)
        .when(change_state(unhealthy.clone(), 1_002))
        .then([Event::SourceStateChanged(unhealthy), Event::ReferencePriced(priced(&after, &POLICY, 1_002))]);
}

#[test]
fn a_change_that_leaves_the_verdict_alone_is_recorded_alone() {
    let before = with_verdict(history(&[kraken(1_000)]), 1_001);
    let down = change(Source::CoinGecko, Link::Down, false);
    given::<Reference>(before)
        .when(change_state(down.clone(), 1_002))
        .then([Event::SourceStateChanged(down)]);
}

#[test]
fn a_change_that_is_none_is_not_recorded() {
    let before = with_verdict(history(&[kraken(1_000)]), 1_001);
    let in_other_words = SourceStateChanged {
        reason: "snapshot".to_owned(),
        at: at(1_002),
        ..change(Source::Kraken, Link::Alive, true)
    };
    given::<Reference>(before).when(change_state(in_other_words, 1_002)).then_nothing();
}
