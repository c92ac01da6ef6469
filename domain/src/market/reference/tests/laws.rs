//! Laws of the reference price, over histories that commands can lead to.

use super::{POLICY, at, blocked, change, seen, source_of};
use crate::decider::Decider;
use crate::market::reference::event::{BasisMode, Block, Event, Link, PriceObserved, Role, Source, Verdict};
use crate::market::reference::{Command, Policy, Reference, State};
use crate::money::BasisPoints;
use crate::testing::is_read_as_it_was_written;
use quickcheck::{Arbitrary, Gen, quickcheck};

impl Arbitrary for Policy {
    fn arbitrary(g: &mut Gen) -> Self {
        Self {
            fallback_allowed: bool::arbitrary(g),
            basis: if bool::arbitrary(g) { BasisMode::Observed } else { BasisMode::AssumedParity },
            fallback_half_spread: BasisPoints(i64::from(i16::arbitrary(g))),
            conflict_max: BasisPoints(i64::from(u8::arbitrary(g))),
            peg_watched: bool::arbitrary(g),
            ..POLICY
        }
    }
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let source = *g.choose(&[Source::Kraken, Source::CoinGecko, Source::Peg]).unwrap();
        let (policy, millis) = (Policy::arbitrary(g), i64::from(u32::arbitrary(g) % 400_000));
        match u8::arbitrary(g) % 4 {
            0 => Command::Tick { policy, at: at(millis) },
            1 => {
                let link = *g.choose(&[Link::Down, Link::Silent, Link::Alive, Link::Alive]).unwrap();
                let change = change(source, link, u8::arbitrary(g) % 4 > 0);
                Command::ChangeState { change, policy, at: at(millis) }
            }
            _ => {
                let (vast, tiny) = ("79228162514264337593543950335", "0.0000000000000000000000000001");
                let prices = match source {
                    Source::Kraken | Source::CoinGecko => ["50000", "50400", "60000", tiny, vast],
                    Source::Peg => ["1", "0.996", "1.2", tiny, vast],
                };
                let (bid, ask) = (*g.choose(&prices).unwrap(), *g.choose(&prices).unwrap());
                let source_at = Option::<u32>::arbitrary(g).map(|n| at(i64::from(n)));
                let observation = PriceObserved { source_at, ..seen(source, bid, ask, millis) };
                Command::Observe { observation, policy, at: at(millis) }
            }
        }
    }
}

fn step(state: State, command: Command) -> (State, Vec<Event>) {
    let events = Reference::decide(&state, command).unwrap();
    (events.iter().fold(state, Reference::evolve), events)
}

fn reached(story: Vec<Command>) -> State {
    story.into_iter().fold(State::default(), |state, command| step(state, command).0)
}

#[test]
fn repeating_a_command_changes_nothing() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let (after, _) = step(reached(story), command.clone());
        step(after.clone(), command) == (after, vec![])
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn a_price_is_between_its_bid_and_its_ask_and_each_source_is_listed_once() {
    fn law(story: Vec<Command>, policy: Policy, millis: u32) -> bool {
        let priced = policy.apply(&reached(story), at(i64::from(millis)));
        let listed: Vec<_> = priced.sources.iter().map(|part| part.source).collect();
        let sound = match &priced.verdict {
            Verdict::Primary { fair } | Verdict::Fallback { fair } => {
                let ordered = fair.bid <= fair.rate && fair.rate <= fair.ask;
                ordered && fair.spread >= BasisPoints(0) && priced.basis.is_some()
            }
            Verdict::Blocked { .. } => true,
        };
        sound && listed == [Source::Kraken, Source::CoinGecko, Source::Peg]
    }
    let law: fn(Vec<Command>, Policy, u32) -> bool = law;
    quickcheck(law);
}

#[test]
fn without_news_a_price_never_comes_back_from_being_too_old() {
    fn law(story: Vec<Command>, policy: Policy, millis: u32, later: u32) -> bool {
        let (known, millis) = (reached(story), i64::from(millis % 400_000));
        let usable = |millis| source_of(&policy.apply(&known, at(millis)).verdict).is_some();
        // A clock that catches up with what is dated in the future makes it usable.
        let known_by = [Source::Kraken, Source::CoinGecko, Source::Peg]
            .map(|source| known.observed(source).map_or(at(0), |observed| observed.received_at));
        if known_by.iter().any(|received_at| *received_at > at(millis)) {
            return true;
        }
        // A conflict ends when the check goes stale, so only the lack of any fresh price is for good.
        let stale = policy.apply(&known, at(millis)).verdict == blocked(Block::PriceStale);
        !stale || !usable(millis + i64::from(later))
    }
    let law: fn(Vec<Command>, Policy, u32, u32) -> bool = law;
    quickcheck(law);
}

#[test]
fn after_a_depeg_no_price_is_usable_before_eure_was_seen_inside_its_band_by_a_fresh_observation() {
    fn law(before: Vec<Command>, after: Vec<Command>) -> bool {
        let depeg =
            Command::Observe { observation: seen(Source::Peg, "1.2", "1.2", 0), policy: POLICY, at: at(0) };
        let (mut state, _) = step(reached(before), depeg);
        for command in after {
            let (at, policy) = match &command {
                Command::Tick { at, policy }
                | Command::ChangeState { at, policy, .. }
                | Command::Observe { at, policy, .. } => (*at, *policy),
            };
            let inside = |state: &State| {
                let priced = policy.apply(state, at);
                let usable =
                    priced.sources.iter().any(|part| part.source == Source::Peg && part.role != Role::Unused);
                usable && !priced.depegged
            };
            state = step(state, command).0;
            if inside(&state) {
                return true;
            }
            if source_of(&policy.apply(&state, at).verdict).is_some() {
                return false;
            }
        }
        true
    }
    let law: fn(Vec<Command>, Vec<Command>) -> bool = law;
    quickcheck(law);
}

#[test]
fn a_state_is_read_as_it_was_written() {
    fn law(story: Vec<Command>) -> bool {
        let mut state = State::default();
        let history: Vec<_> = story
            .into_iter()
            .flat_map(|command| {
                let (after, events) = step(std::mem::take(&mut state), command);
                state = after;
                events
            })
            .collect();
        is_read_as_it_was_written::<Reference>(&history)
    }
    let law: fn(Vec<Command>) -> bool = law;
    quickcheck(law);
}
