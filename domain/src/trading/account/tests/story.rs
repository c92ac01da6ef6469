//! Random histories of an account, grown by giving it random commands, so that only reachable ones are tried.
//!
//! Few offers, few tokens and short times, so that everything happens to the same things: orders come twice and
//! late, balances are small, leases move, clocks stand still or step back.

use crate::decider::{Decider, fold};
use crate::ids::{Actor, CommandId};
use crate::market::reference::event::{Block, Fair, Verdict};
use crate::money::Units;
use crate::port::event_log::Position;
use crate::port::feeds::SettlementWord;
use crate::time::Timestamp;
use crate::trading::account::command::{ApplyBalances, Asker, Balances, Execute, SeenPrice};
use crate::trading::account::event::{DisarmCause, Mode};
use crate::trading::account::state::Arming;
use crate::trading::account::{Account, Command, Event, Rejection, State};
use crate::trading::fixtures::{
    alice, asker, at, balances, block, command, euros, event_id, fair, hash, limits, order, order_for_base,
    quote, rate, whole_pair, words,
};
use crate::trading::limits::Limits;
use crate::trading::strategy::event::ExecutionCommanded;
use crate::treasury::inventory::event::VenueBlock;
use quickcheck::{Arbitrary, Gen};
use std::collections::BTreeSet;

/// Commands that were given one after the other.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) commands: Vec<Command>,
}

/// One command, the state it met, and what came of it.
pub(super) struct Step<'a> {
    pub(super) command: &'a Command,
    pub(super) before: State,
    pub(super) result: Result<Vec<Event>, Rejection>,
    pub(super) after: State,
}

impl Story {
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        self.commands.iter().scan(State::default(), |state, command| {
            let before = state.clone();
            let result = Account::decide(&before, command.clone());
            let events: &[Event] = result.as_deref().unwrap_or_default();
            *state = events.iter().fold(before.clone(), Account::evolve);
            Some(Step { command, before, result, after: state.clone() })
        })
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.steps().flat_map(|step| step.result.unwrap_or_default()).collect()
    }
}

/// Longest story, in commands.
const COMMANDS_MAX: u64 = 80;

impl Arbitrary for Story {
    fn arbitrary(source: &mut Gen) -> Self {
        let mut teller =
            Teller { state: State::default(), now_ms: 0, height: 100, orders: 0, places: 0, wishes: 0 };
        let mut commands = vec![
            Command::TakeLease { holder: "desk-1".to_owned(), ttl_ms: 600_000, at: at(0) },
            Command::SetLimits {
                limits: Box::new(limits()),
                shown: None,
                effective_from: at(0),
                reason: "first limits".to_owned(),
                by: alice(),
                at: at(0),
            },
            teller.arm_as(alice(), Mode::Full),
        ];
        for command in &commands {
            teller.hear(command);
        }
        for _ in 0..below(source, COMMANDS_MAX) {
            let command = teller.command(source);
            teller.hear(&command);
            commands.push(command);
        }
        Self { commands }
    }

    /// The same story without one of its commands.
    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let commands = self.commands.clone();
        Box::new((0..commands.len()).map(move |index| {
            let mut fewer = commands.clone();
            fewer.remove(index);
            Self { commands: fewer }
        }))
    }
}

/// Up to `end`, and never `end` itself. Two draws, because single ones favour a few special values.
fn below(source: &mut Gen, end: u64) -> u64 {
    (u64::arbitrary(source) ^ u64::arbitrary(source).rotate_left(23)).checked_rem(end).unwrap_or(0)
}

fn one_in(source: &mut Gen, n: u64) -> bool {
    below(source, n) == 0
}

/// Two people, one of them also with a key, and one who sits at the machine.
fn someone(source: &mut Gen) -> Actor {
    let people = ["person:alice", "operator:alice", "person:bob"];
    Actor::try_from((*source.choose(&people).unwrap()).to_owned()).unwrap()
}

/// Mostly nobody of them had a hand in the key.
fn makers(source: &mut Gen) -> BTreeSet<Actor> {
    if one_in(source, 4) { BTreeSet::from([someone(source)]) } else { BTreeSet::new() }
}

/// Knows how the story stands, so that most of what it tells makes sense there.
struct Teller {
    state: State,
    now_ms: i64,
    height: u64,
    orders: u64,
    places: u64,
    wishes: u64,
}

impl Teller {
    fn now(&self) -> Timestamp {
        at(self.now_ms)
    }

    fn hear(&mut self, command: &Command) {
        let events = Account::decide(&self.state, command.clone()).unwrap_or_default();
        self.state = events.iter().fold(std::mem::take(&mut self.state), Account::evolve);
    }

    fn arm_as(&mut self, by: Actor, mode: Mode) -> Command {
        let now = self.now();
        self.wishes = self.wishes.saturating_add(1);
        let in_force = self.state.limits_at(now).map_or(0, |set| set.version);
        let asker = Asker { by, ..asker(self.wishes.saturating_add(10_000), in_force) };
        let (until, reason) = (now.plus_millis(120_000), "session".to_owned());
        // Now and then the strategy was started once more, or that is not known yet.
        let strategy_start = 1_u64.saturating_add(self.wishes.checked_rem(7).unwrap_or(0) / 6);
        Command::Arm { mode, limits_version: None, until, reason, strategy_start, asker, at: now }
    }

    fn command(&mut self, source: &mut Gen) -> Command {
        let step = i64::try_from(below(source, 2_000)).unwrap();
        self.now_ms =
            self.now_ms.saturating_add(if one_in(source, 12) { step.saturating_neg() } else { step });
        match self.state.arming() {
            Arming::Killed { .. } if one_in(source, 8) => {
                Command::ConfirmKill { epoch: below(source, 3), at: self.now() }
            }
            Arming::Killed { .. } if one_in(source, 2) => {
                self.wishes = self.wishes.saturating_add(1);
                Command::StandDown {
                    request_id: command(self.wishes.saturating_add(10_000)),
                    reason: "all clear".to_owned(),
                    by: someone(source),
                    makers: makers(source),
                    at: self.now(),
                }
            }
            Arming::Disarmed if self.state.waiting(self.now()).is_some() && !one_in(source, 4) => {
                self.approve(source)
            }
            Arming::Disarmed if one_in(source, 2) => self.arm(source),
            Arming::Killed { .. } | Arming::Disarmed | Arming::Armed(_) => self.anything(source),
        }
    }

    fn anything(&mut self, source: &mut Gen) -> Command {
        match below(source, 32) {
            0 => self.lease(source),
            1 => Command::RenewLease { epoch: below(source, 3), ttl_ms: 600_000, at: self.now() },
            2 => self.limits(source),
            3 => self.arm(source),
            4 => self.stop(source),
            5 => self.approve(source),
            6..=16 => Command::Execute(Box::new(self.execute(source))),
            17..=24 => self.report(source),
            _ => Command::ApplyBalances(Box::new(self.block(source))),
        }
    }

    fn arm(&mut self, source: &mut Gen) -> Command {
        let mode = if one_in(source, 3) { Mode::Reducing } else { Mode::Full };
        self.arm_as(someone(source), mode)
    }

    /// Mostly what waits, sometimes any request that is remembered, sometimes with other limits in mind.
    fn approve(&self, source: &mut Gen) -> Command {
        let known: Vec<_> = self.state.requests().map(|request| request.asked.clone()).collect();
        let waiting = self.state.waiting(self.now()).map(|request| request.asked.clone());
        let any = source.choose(&known).cloned();
        let asked = if one_in(source, 4) { any } else { waiting.or(any) };
        let (request_id, limits_hash) = asked.map_or((command(1), String::new()), |asked| {
            let other = one_in(source, 8);
            (asked.request_id, if other { "another".to_owned() } else { asked.limits_hash.clone() })
        });
        let (by, makers, reason) = (someone(source), makers(source), "seen".to_owned());
        Command::Approve { request_id, limits_hash, reason, by, makers, at: self.now() }
    }

    fn lease(&self, source: &mut Gen) -> Command {
        let holder = if one_in(source, 2) { "desk-1" } else { "desk-2" };
        Command::TakeLease { holder: holder.to_owned(), ttl_ms: 600_000, at: self.now() }
    }

    fn limits(&self, source: &mut Gen) -> Command {
        let open_offers_max = u32::try_from(below(source, 5)).unwrap();
        Command::SetLimits {
            limits: Box::new(Limits { open_offers_max, second_person: one_in(source, 2), ..limits() }),
            shown: None,
            effective_from: self.now().plus_millis(below(source, 3_000)),
            reason: "review".to_owned(),
            by: someone(source),
            at: self.now(),
        }
    }

    fn stop(&self, source: &mut Gen) -> Command {
        let (at, reason) = (self.now(), "stop".to_owned());
        let causes = [DisarmCause::Operator, DisarmCause::UnexpectedDrop, DisarmCause::VenueBlocked];
        match below(source, 6) {
            0 => Command::Kill { reason, at },
            5 => Command::ConfirmKill { epoch: self.state.epoch(), at },
            1 => Command::ExpireArming { strategy_start: below(source, 4), at },
            _ => Command::Disarm { cause: *source.choose(&causes).unwrap(), reason, at },
        }
    }

    /// Mostly the next order, sometimes one from before, at its old place or at a new one.
    fn execute(&mut self, source: &mut Gen) -> Execute {
        let again = self.orders > 0 && one_in(source, 5);
        let n =
            if again { below(source, self.orders).saturating_add(1) } else { self.orders.saturating_add(1) };
        self.orders = self.orders.max(n);
        let place = if again && one_in(source, 2) { n } else { self.places.saturating_add(1) };
        self.places = self.places.max(place);
        let order = self.order(source, n);
        let mut worded = words(n);
        worded.offer_deadline = self.now().plus_millis(below(source, 40_000).saturating_add(1));
        worded.nonce_deadline = worded.offer_deadline.plus_millis(60_000);
        Execute {
            pair: whole_pair(),
            command_position: Position(place),
            epoch: if one_in(source, 20) { below(source, 4) } else { self.state.epoch() },
            paused: one_in(source, 20),
            balances: (!one_in(source, 20)).then(|| self.balances(source, &order)),
            price: (!one_in(source, 20)).then(|| self.price(source)),
            clock_offset_ms: if one_in(source, 20) { 1_500 } else { 0 },
            offer: if one_in(source, 20) { Err("no key".to_owned()) } else { Ok(worded) },
            at: self.now(),
            order,
        }
    }

    /// Mostly as the orders go by it, at times moved against them, too old, or blocked.
    fn price(&self, source: &mut Gen) -> SeenPrice {
        let back_ms = i64::try_from(below(source, 5_200)).unwrap();
        let as_of = at(self.now_ms.saturating_sub(back_ms));
        let (bid, ask) = match below(source, 20) {
            0 => ("48000", "48010"),
            1 => ("51600", "51610"),
            _ => ("49995", "50005"),
        };
        let fair = Fair { bid: rate(bid), ask: rate(ask), as_of, ..fair() };
        let verdict = match below(source, 20) {
            0 => Verdict::Blocked { block: Block::PriceConflict },
            1 => Verdict::Fallback { fair },
            _ => Verdict::Primary { fair },
        };
        SeenPrice { event_id: event_id(30), verdict }
    }

    fn order(&self, source: &mut Gen, n: u64) -> ExecutionCommanded {
        let template = if one_in(source, 3) { order_for_base(n) } else { order(n) };
        let in_force = self.state.limits_at(self.now()).map_or(0, |set| set.version);
        let mut order = ExecutionCommanded {
            limits_version: if one_in(source, 20) { below(source, 3) } else { in_force },
            partner_id: one_in(source, 4).then(|| "one-click".to_owned()),
            commanded_at: at(self.now_ms.saturating_sub(i64::try_from(below(source, 2_100)).unwrap())),
            closes_at: self.now().plus_millis(below(source, 3_000)),
            ..template
        };
        if let Arming::Armed(armed) = self.state.arming()
            && !one_in(source, 20)
        {
            order.strategy_start = armed.strategy_start;
        }
        if one_in(source, 20) {
            order.receive.amount = Units::new(1);
            order.notional = euros(2, 0);
        }
        if one_in(source, 8) && n > 1 {
            order.quote_id = quote(below(source, n));
        }
        order
    }

    fn balances(&self, source: &mut Gen, order: &ExecutionCommanded) -> Balances {
        let few = u128::from(below(source, 30_000));
        Balances {
            height: self.height.saturating_sub(below(source, 2)),
            observed_at: at(self.now_ms.saturating_sub(500)),
            credited: if order.give.token == order_for_base(1).give.token {
                Units::new(few.saturating_mul(50))
            } else {
                euros(0, few)
            },
            pending_out: if one_in(source, 4) { euros(20, 0) } else { Units::ZERO },
            base_held: Units::new(u128::from(below(source, 3_000_000))),
            blocked: one_in(source, 20).then_some(VenueBlock::AccountLocked),
            ..balances(order)
        }
    }

    fn report(&self, source: &mut Gen) -> Command {
        let anyone = below(source, self.orders.saturating_add(1)).saturating_add(1);
        let open: Vec<u64> =
            (1..=self.orders).filter(|n| self.state.open().contains_key(&command(*n))).collect();
        let n = if one_in(source, 6) { anyone } else { source.choose(&open).copied().unwrap_or(anyone) };
        let (command_id, at): (CommandId, Timestamp) = (command(n), self.now());
        let said = [SettlementWord::Failed, SettlementWord::Settled, SettlementWord::Ready];
        match below(source, 5) {
            0 => Command::Abandon { command_id, why: "not sent".to_owned(), at },
            1 => Command::RecordAccepted { command_id, reply: "OK".to_owned(), at },
            2 => Command::RecordRejected { command_id, reply: "no".to_owned(), late: one_in(source, 2), at },
            3 => Command::RecordUncertain { command_id, why: "silence".to_owned(), at },
            _ => {
                let word = *source.choose(&said).unwrap();
                Command::RecordSettlementWord { quote_hash: hash(n), word, tx_hash: None, at }
            }
        }
    }

    /// A later block, rarely an earlier one, sometimes long after; any of the offers' nonces, some of them used.
    fn block(&mut self, source: &mut Gen) -> ApplyBalances {
        self.height = self.height.saturating_add(below(source, 3));
        let ahead = if one_in(source, 3) { below(source, 150_000) } else { 0 };
        let block_at = at(self.now_ms.saturating_sub(2_000)).plus_millis(ahead);
        let mut nonces = Vec::new();
        for n in 1..=self.orders {
            if !one_in(source, 3) {
                nonces.push((n, one_in(source, 4)));
            }
        }
        let height = self.height.saturating_sub(u64::from(one_in(source, 6)));
        ApplyBalances { at: self.now(), ..block(height, block_at, &nonces) }
    }
}

#[test]
fn a_story_is_grown_from_its_commands_alone() {
    let story = Story::arbitrary(&mut Gen::from_size_and_seed(100, 7));
    assert_eq!(fold::<Account>(&story.events()), story.steps().last().unwrap().after);
}
