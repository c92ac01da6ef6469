//! Sentences and laws of the inventory.

mod behind;

use super::command::OpenOffer;
use super::event::{BalancesObserved, Drift, DriftDetected, InventoryUnavailable, NonceSeen, VenueBlock};
use super::state::EXPLAINED_MAX;
use super::{Command, Event, Inventory, Rejection, State};
use crate::decider::{Decider, fold};
use crate::ids::{CommandId, TokenId, derived};
use crate::money::Units;
use crate::port::venue::TokenAmount;
use crate::port::verifier::Snapshot;
use crate::testing::{given, is_read_as_it_was_written};
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::BTreeMap;

fn token(text: &str) -> TokenId {
    text.to_owned().try_into().unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn command_id(name: &str) -> CommandId {
    CommandId(derived("test", &[name]))
}

fn amount(text: &str, units: u128) -> TokenAmount {
    TokenAmount { token: token(text), amount: Units::new(units) }
}

/// Gives 40 eure for 5 nbtc.
fn offer(name: &str) -> OpenOffer {
    OpenOffer { command_id: command_id(name), give: amount("eure", 40), receive: amount("nbtc", 5) }
}

/// A reading at a height: so much nbtc, so much eure, and these offers with "used".
#[derive(Clone)]
struct Reading {
    height: u64,
    nbtc: u128,
    eure: u128,
    offers: Vec<(OpenOffer, bool)>,
}

fn reading(height: u64, nbtc: u128, eure: u128) -> Reading {
    Reading { height, nbtc, eure, offers: vec![] }
}

impl Reading {
    fn with(mut self, offer: OpenOffer, used: bool) -> Self {
        self.offers.push((offer, used));
        self
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            height: self.height,
            block_hash: format!("block {}", self.height),
            block_at: at(i64::try_from(self.height).unwrap()),
            balances: self.balances(),
            salt: "252812b3".to_owned(),
            fee_pips: 1,
            contract_paused: false,
            account_locked: false,
            key_registered: Some(true),
            nonces_used: self.offers.iter().map(|(_, used)| *used).collect(),
            providers: 2,
        }
    }

    fn balances(&self) -> BTreeMap<TokenId, Units> {
        BTreeMap::from([(token("nbtc"), Units::new(self.nbtc)), (token("eure"), Units::new(self.eure))])
    }

    fn command(&self) -> Command {
        observe(self.snapshot(), self.offers.iter().map(|(offer, _)| offer.clone()).collect())
    }

    fn fact(&self) -> BalancesObserved {
        let nonce =
            |(offer, used): &(OpenOffer, bool)| NonceSeen { command_id: offer.command_id, used: *used };
        BalancesObserved {
            height: self.height,
            block_hash: format!("block {}", self.height),
            block_at: at(i64::try_from(self.height).unwrap()),
            credited: self.balances(),
            pending_in: BTreeMap::new(),
            pending_out: BTreeMap::new(),
            salt: "252812b3".to_owned(),
            fee_pips: 1,
            blocked: vec![],
            nonces: self.offers.iter().map(nonce).collect(),
            providers: 2,
            observed_at: at(50),
        }
    }

    fn event(&self) -> Event {
        Event::BalancesObserved(self.fact())
    }
}

fn observe(snapshot: Snapshot, asked: Vec<OpenOffer>) -> Command {
    Command::Observe {
        snapshot: Box::new(snapshot),
        asked,
        pending_in: BTreeMap::new(),
        pending_out: BTreeMap::new(),
        signing_key_present: true,
        observed_at: at(50),
    }
}

fn drift(text: &str, drift: Drift, expected: u128, observed: u128, height: u64) -> Event {
    Event::DriftDetected(DriftDetected {
        token: token(text),
        drift,
        expected: Units::new(expected),
        observed: Units::new(observed),
        height,
        at: at(50),
    })
}

fn unavailable(millis: i64) -> Event {
    Event::InventoryUnavailable(InventoryUnavailable { reason: "no provider".to_owned(), at: at(millis) })
}

fn be_unavailable(millis: i64) -> Command {
    Command::Unavailable { reason: "no provider".to_owned(), at: at(millis) }
}

#[test]
fn the_first_balances_are_taken_as_they_are() {
    let first = reading(10, 100, 1_000).with(offer("before"), true);
    given::<Inventory>([]).when(first.command()).then([first.event()]);
}

#[test]
fn balances_that_did_not_move_are_recorded_with_their_block() {
    let next = reading(11, 100, 1_000);
    given::<Inventory>([reading(10, 100, 1_000).event()]).when(next.command()).then([next.event()]);
}

#[test]
fn the_same_block_with_the_same_content_is_already_known() {
    let known = reading(10, 100, 1_000).with(offer("a"), false);
    let mut again = known.snapshot();
    again.providers = 3;
    given::<Inventory>([known.event()]).when(observe(again, vec![offer("a")])).then_nothing();
}

#[test]
fn the_same_block_with_more_content_is_recorded() {
    let more = reading(10, 100, 1_000).with(offer("a"), false);
    given::<Inventory>([reading(10, 100, 1_000).event()]).when(more.command()).then([more.event()]);
}

#[test]
fn an_older_block_is_passed_over_even_when_it_says_something_else() {
    let older = reading(9, 1, 1).with(offer("a"), true);
    given::<Inventory>([reading(10, 100, 1_000).event()]).when(older.command()).then_nothing();
}

#[test]
fn a_settlement_of_ours_explains_both_sides_to_the_unit() {
    let settled = reading(11, 105, 960).with(offer("a"), true);
    given::<Inventory>([reading(10, 100, 1_000).with(offer("a"), false).event()])
        .when(settled.command())
        .then([settled.event()]);
}

#[test]
fn a_settlement_is_expected_to_the_unit() {
    let short = reading(11, 105, 959).with(offer("a"), true);
    given::<Inventory>([reading(10, 100, 1_000).event()])
        .when(short.command())
        .then([short.event(), drift("eure", Drift::Drop, 960, 959, 11)]);
}

#[test]
fn an_offer_explains_its_settlement_once() {
    let settled = reading(11, 105, 960).with(offer("a"), true);
    let history = [reading(10, 100, 1_000).event(), settled.event()];
    // Still asked about a block later, when nothing more has moved.
    let later = reading(12, 105, 960).with(offer("a"), true);
    given::<Inventory>(history.clone()).when(later.command()).then([later.event()]);
    // The same amounts once more are not explained by it.
    let twice = reading(12, 110, 920).with(offer("a"), true);
    given::<Inventory>(history).when(twice.command()).then([
        twice.event(),
        drift("eure", Drift::Drop, 960, 920, 12),
        drift("nbtc", Drift::Credit, 105, 110, 12),
    ]);
}

#[test]
fn an_offer_that_was_used_before_the_first_balances_explains_nothing_later() {
    let later = reading(11, 105, 960).with(offer("a"), true);
    given::<Inventory>([reading(10, 100, 1_000).with(offer("a"), true).event()]).when(later.command()).then(
        [
            later.event(),
            drift("eure", Drift::Drop, 1_000, 960, 11),
            drift("nbtc", Drift::Credit, 100, 105, 11),
        ],
    );
}

#[test]
fn several_settlements_in_one_step_add_up() {
    let back =
        OpenOffer { command_id: command_id("back"), give: amount("nbtc", 100), receive: amount("eure", 900) };
    let settled = reading(11, 10, 1_820).with(offer("a"), true).with(offer("b"), true).with(back, true);
    given::<Inventory>([reading(10, 100, 1_000).event()]).when(settled.command()).then([settled.event()]);
}

#[test]
fn what_one_offer_receives_may_pay_for_another() {
    let big =
        OpenOffer { command_id: command_id("big"), give: amount("nbtc", 104), receive: amount("eure", 1) };
    // 100 + 5 − 104, though 100 alone would not have covered it.
    let settled = reading(11, 1, 961).with(big, true).with(offer("a"), true);
    given::<Inventory>([reading(10, 100, 1_000).event()]).when(settled.command()).then([settled.event()]);
}

#[test]
fn an_offer_asked_about_twice_is_counted_once() {
    let settled = reading(11, 105, 960).with(offer("a"), true).with(offer("a"), true);
    given::<Inventory>([reading(10, 100, 1_000).event()]).when(settled.command()).then([settled.event()]);
}

#[test]
fn an_unused_nonce_explains_nothing() {
    let moved = reading(11, 100, 960).with(offer("a"), false);
    given::<Inventory>([reading(10, 100, 1_000).event()])
        .when(moved.command())
        .then([moved.event(), drift("eure", Drift::Drop, 1_000, 960, 11)]);
}

#[test]
fn a_balance_one_unit_too_low_is_a_drop_and_one_too_high_a_credit() {
    let before = || [reading(10, 100, 1_000).event()];
    let low = reading(11, 100, 999);
    given::<Inventory>(before())
        .when(low.command())
        .then([low.event(), drift("eure", Drift::Drop, 1_000, 999, 11)]);
    let high = reading(11, 101, 1_000);
    given::<Inventory>(before())
        .when(high.command())
        .then([high.event(), drift("nbtc", Drift::Credit, 100, 101, 11)]);
}

#[test]
fn a_drift_is_stated_once() {
    let dropped = reading(11, 100, 900);
    let history =
        [reading(10, 100, 1_000).event(), dropped.event(), drift("eure", Drift::Drop, 1_000, 900, 11)];
    let next = reading(12, 100, 900);
    given::<Inventory>(history).when(next.command()).then([next.event()]);
}

#[test]
fn an_offer_larger_than_the_balance_leaves_nothing_to_expect() {
    let huge =
        OpenOffer { command_id: command_id("huge"), give: amount("eure", 5_000), receive: amount("nbtc", 1) };
    let settled = reading(11, 101, 3).with(huge, true);
    given::<Inventory>([reading(10, 100, 1_000).event()])
        .when(settled.command())
        .then([settled.event(), drift("eure", Drift::Credit, 0, 3, 11)]);
}

#[test]
fn a_token_that_is_read_for_the_first_time_does_not_drift() {
    let mut snapshot = reading(11, 100, 1_000).snapshot();
    snapshot.balances.insert(token("legacy"), Units::new(7));
    let events =
        Inventory::decide(&fold::<Inventory>(&[reading(10, 100, 1_000).event()]), observe(snapshot, vec![]));
    assert_eq!(events.unwrap().len(), 1);
}

#[test]
fn an_answer_that_does_not_fit_the_question_is_refused() {
    let snapshot = reading(11, 105, 960).with(offer("a"), true).snapshot();
    given::<Inventory>([reading(10, 100, 1_000).event()])
        .when(observe(snapshot, vec![]))
        .then_rejected(Rejection::NoncesMisaligned { asked: 0, answered: 1 });
}

#[test]
fn each_cause_for_the_venue_to_refuse_our_signature_is_named() {
    let blocked = |change: fn(&mut Snapshot), signing_key_present: bool| {
        let mut snapshot = reading(10, 100, 1_000).snapshot();
        change(&mut snapshot);
        let command = Command::Observe {
            snapshot: Box::new(snapshot),
            asked: vec![],
            pending_in: BTreeMap::new(),
            pending_out: BTreeMap::new(),
            signing_key_present,
            observed_at: at(50),
        };
        let events = Inventory::decide(&State::default(), command).unwrap();
        fold::<Inventory>(&events).last().unwrap().blocked.clone()
    };
    assert_eq!(blocked(|_| {}, true), []);
    assert_eq!(blocked(|_| {}, false), [VenueBlock::NoSigningKey]);
    assert_eq!(blocked(|s| s.key_registered = Some(false), true), [VenueBlock::KeyNotRegistered]);
    assert_eq!(blocked(|s| s.key_registered = None, true), [VenueBlock::KeyNotRegistered]);
    assert_eq!(blocked(|s| s.key_registered = None, false), [VenueBlock::NoSigningKey]);
    assert_eq!(blocked(|s| s.account_locked = true, true), [VenueBlock::AccountLocked]);
    assert_eq!(blocked(|s| s.contract_paused = true, true), [VenueBlock::ContractPaused]);
    let all = blocked(
        |s| {
            s.account_locked = true;
            s.contract_paused = true;
        },
        false,
    );
    assert_eq!(all, [VenueBlock::NoSigningKey, VenueBlock::AccountLocked, VenueBlock::ContractPaused]);
}

#[test]
fn a_salt_that_rotates_within_a_block_height_is_news() {
    let mut snapshot = reading(10, 100, 1_000).snapshot();
    snapshot.salt = "aaaaaaaa".to_owned();
    let mut expected = reading(10, 100, 1_000).fact();
    expected.salt = "aaaaaaaa".to_owned();
    given::<Inventory>([reading(10, 100, 1_000).event()])
        .when(observe(snapshot, vec![]))
        .then([Event::BalancesObserved(expected)]);
}

#[test]
fn an_outage_is_stated_when_it_begins_and_then_every_minute() {
    let begun = || [reading(10, 100, 1_000).event(), unavailable(1_000)];
    given::<Inventory>([reading(10, 100, 1_000).event()])
        .when(be_unavailable(1_000))
        .then([unavailable(1_000)]);
    given::<Inventory>(begun()).when(be_unavailable(60_999)).then_nothing();
    given::<Inventory>(begun()).when(be_unavailable(61_000)).then([unavailable(61_000)]);
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_an_outage() {
    given::<Inventory>([unavailable(600_000)]).when(be_unavailable(1_000)).then([unavailable(1_000)]);
    given::<Inventory>([unavailable(600_000), unavailable(1_000)]).when(be_unavailable(2_000)).then_nothing();
}

#[test]
fn a_new_outage_is_stated_at_once() {
    let history = [unavailable(1_000), reading(10, 100, 1_000).event()];
    given::<Inventory>(history).when(be_unavailable(1_001)).then([unavailable(1_001)]);
}

#[test]
fn a_block_is_named_as_it_is_stored() {
    use VenueBlock::{AccountLocked, ContractPaused, KeyNotRegistered, NoSigningKey};
    for block in [NoSigningKey, KeyNotRegistered, AccountLocked, ContractPaused] {
        assert_eq!(serde_json::to_string(&block).unwrap(), format!("{:?}", block.name()));
    }
}

#[test]
fn the_same_block_after_an_outage_says_that_it_is_over() {
    let known = reading(10, 100, 1_000);
    given::<Inventory>([known.event(), unavailable(1_000)]).when(known.command()).then([known.event()]);
    assert!(fold::<Inventory>(&[known.event(), unavailable(1_000)]).is_unavailable());
    assert!(!fold::<Inventory>(&[unavailable(1_000), known.event()]).is_unavailable());
}

#[test]
fn the_newest_settlements_are_remembered_and_older_ones_forgotten() {
    let settled = |name: &str, height| reading(height, 100, 1_000).with(offer(name), true).event();
    let history = |others: u64| {
        let others = (0..others).map(|n| settled(&n.to_string(), n + 2));
        std::iter::once(settled("first", 1)).chain(others).collect::<Vec<_>>()
    };
    let most = u64::try_from(EXPLAINED_MAX).unwrap();
    assert!(fold::<Inventory>(&history(most - 1)).explains(command_id("first")));
    assert!(!fold::<Inventory>(&history(most)).explains(command_id("first")));
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        if u8::arbitrary(g) % 8 == 0 {
            return be_unavailable(i64::from(u32::arbitrary(g) % 300_000));
        }
        let (nbtc, eure) = (*g.choose(&[100, 105, 110]).unwrap(), *g.choose(&[1_000, 960, 920]).unwrap());
        let mut reading = reading(u64::from(u8::arbitrary(g) % 8), nbtc, eure);
        for name in ["a", "b", "c"] {
            if bool::arbitrary(g) {
                reading = reading.with(offer(name), bool::arbitrary(g));
            }
        }
        reading.command()
    }
}

fn step(state: State, command: Command) -> (State, Vec<Event>) {
    let events = Inventory::decide(&state, command).unwrap();
    (events.iter().fold(state, Inventory::evolve), events)
}

#[test]
fn repeating_a_command_changes_nothing() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        let (after, _) = step(state, command.clone());
        step(after.clone(), command) == (after, vec![])
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn the_height_never_goes_back() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        let height = |state: &State| state.last().map(|last| last.height);
        let before = height(&state);
        height(&step(state, command).0) >= before
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

/// Whatever our offers do, in whatever batches they are seen, a venue that does exactly that shows no drift.
#[test]
fn an_honest_venue_never_drifts() {
    fn law(steps: Vec<Vec<u8>>) -> bool {
        let offers: Vec<_> = (0..16).map(|n| offer(&n.to_string())).collect();
        let mut used = vec![false; offers.len()];
        let mut now = reading(0, 100, 1_000);
        let mut state = step(State::default(), now.command()).0;
        for settled in steps {
            now.height += 1;
            for n in settled.into_iter().map(|n| usize::from(n) % offers.len()) {
                if !used[n] {
                    used[n] = true;
                    now.nbtc += 5;
                    now.eure -= 40;
                }
            }
            now.offers = offers.iter().cloned().zip(used.iter().copied()).collect();
            let (next, events) = step(state, now.command());
            if events.len() != 1 {
                return false;
            }
            state = next;
        }
        true
    }
    let law: fn(Vec<Vec<u8>>) -> bool = law;
    quickcheck(law);
}

#[test]
fn events_in_any_order_lead_to_a_state_that_still_answers() {
    fn law(order: Vec<u8>, command: Command) -> bool {
        let kinds = [
            reading(9, 1, 1).with(offer("a"), true).event(),
            reading(3, 100, 1_000).event(),
            drift("eure", Drift::Drop, 7, 3, 9),
            unavailable(77),
        ];
        let history: Vec<_> =
            order.into_iter().map(|n| kinds[usize::from(n) % kinds.len()].clone()).collect();
        let (state, events) = step(fold::<Inventory>(&history), command);
        events.len() <= 3 && state.explained.len() == state.order.len()
    }
    let law: fn(Vec<u8>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn a_state_is_read_as_it_was_written() {
    fn law(story: Vec<Command>) -> bool {
        let mut history = vec![];
        for command in story {
            history.extend(Inventory::decide(&fold::<Inventory>(&history), command).unwrap());
        }
        is_read_as_it_was_written::<Inventory>(&history)
    }
    let law: fn(Vec<Command>) -> bool = law;
    quickcheck(law);
}
