//! For every reason of every gate: a sight on which it fires, and the nearest on which it does not.

use crate::decider::Decider;
use crate::market::reference::event::{Block, Fair, Verdict as PriceVerdict};
use crate::money::{BasisPoints, Units};
use crate::time::Timestamp;
use crate::trading::account::event::Mode;
use crate::trading::fixtures::{
    at, demand, demand_for_base, eure, euros, fair, limits, limits_set, priced, seen, sight,
};
use crate::trading::gate::{Answer, Gate, Reason};
use crate::trading::limits::Limits;
use crate::trading::strategy::command::{Permission, Running, Sight};
use crate::trading::strategy::event::Decided;
use crate::trading::strategy::{Command, Event, State, Strategy};
use crate::treasury::inventory::event::{BalancesObserved, VenueBlock};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A change that shuts a gate, or leaves it open by a hair.
pub(super) type Change = fn(&mut Sight);

/// One reason of a gate: the sight on which it fires, and the nearest one on which it does not.
pub(super) struct Example {
    pub(super) gate: Gate,
    pub(super) reason: Reason,
    pub(super) shut: Change,
    pub(super) open: Change,
}

pub(super) fn decided(sight: Sight) -> Decided {
    let events = Strategy::decide(&State::default(), Command::Decide(Box::new(sight))).unwrap();
    let Some(Event::Decided(decided)) = events.into_iter().next() else { panic!("nothing was decided") };
    *decided
}

pub(super) fn after(change: Change) -> Decided {
    let mut sight = sight(demand(1));
    change(&mut sight);
    decided(sight)
}

pub(super) fn answer(decided: &Decided, gate: Gate) -> Answer {
    decided.gates.iter().find(|result| result.gate == gate).unwrap().answer
}

pub(super) fn with_limits(sight: &mut Sight, change: fn(&mut Limits)) {
    let mut changed = limits();
    change(&mut changed);
    sight.account.limits = Some(Arc::new(limits_set(1, changed)));
}

pub(super) fn with_demand(sight: &mut Sight, change: fn(&mut crate::intents::demand::Demand)) {
    change(Arc::make_mut(&mut sight.demand));
}

pub(super) fn with_balances(sight: &mut Sight, change: fn(&mut BalancesObserved)) {
    if let Some(seen) = &mut sight.inventory {
        change(Arc::make_mut(&mut seen.fact));
    }
}

/// Balances read then, off a block as old as usual.
fn read_at(balances: &mut BalancesObserved, observed_at: Timestamp) {
    balances.observed_at = observed_at;
    balances.block_at = Timestamp::from_micros(observed_at.micros().saturating_sub(2_000_000));
}

pub(super) fn without_basis(sight: &mut Sight) {
    if let Some(seen) = &mut sight.price {
        Arc::make_mut(&mut seen.fact).basis = None;
    }
}

pub(super) fn with_price(sight: &mut Sight, verdict: PriceVerdict) {
    sight.price = Some(seen(10, priced(verdict)));
}

pub(super) fn with_fair(sight: &mut Sight, change: fn(&mut Fair)) {
    let mut changed = fair();
    change(&mut changed);
    with_price(sight, PriceVerdict::Primary { fair: changed });
}

pub(super) fn with_fallback(sight: &mut Sight, as_of: Timestamp) {
    with_price(sight, PriceVerdict::Fallback { fair: Fair { as_of, ..fair() } });
}

/// A taker who asks for base while the desk may only reduce and holds `held`, with `open` of it on offer.
fn reducing(sight: &mut Sight, held: u128, open: u128) {
    sight.demand = Arc::new(demand_for_base(1));
    sight.account.permission = Permission::Armed(Mode::Reducing);
    sight.account.base_held = Some(Units::new(held));
    sight.account.open_base = Units::new(open);
}

const fn example(gate: Gate, reason: Reason, shut: Change, open: Change) -> Example {
    Example { gate, reason, shut, open }
}

fn blocked_price(gate_reason: Reason, shut: Change) -> Example {
    example(Gate::PriceUsable, gate_reason, shut, |_| {})
}

/// Decisions are taken 5 ms after the start of the story; the offer is worth 49.995 EURe and gives 48.97.
#[expect(clippy::too_many_lines, reason = "a table: one entry per reason, nothing to follow")]
pub(super) fn examples() -> Vec<Example> {
    vec![
        example(Gate::Running, Reason::Paused, |s| s.running = Running::Paused, |_| {}),
        example(Gate::Running, Reason::Draining, |s| s.running = Running::Draining, |_| {}),
        example(Gate::NotKilled, Reason::Killed, |s| s.account.permission = Permission::Killed, |_| {}),
        example(Gate::Armed, Reason::Disarmed, |s| s.account.permission = Permission::Disarmed, |_| {}),
        example(Gate::Armed, Reason::ArmingExpired, |s| s.account.permission = Permission::Expired, |_| {}),
        example(Gate::LimitsSet, Reason::NoLimits, |s| s.account.limits = None, |_| {}),
        example(
            Gate::NoProbe,
            Reason::Probe,
            |s| with_demand(s, |d| d.probe = true),
            |s| {
                with_demand(s, |d| d.probe = true);
                with_limits(s, |l| l.answer_probes = true);
            },
        ),
        example(Gate::WindowOpen, Reason::QuoteExpired, |s| s.at = at(3_000), |s| s.at = at(2_999)),
        example(
            Gate::WindowLongEnough,
            Reason::WindowTooShort,
            |s| with_demand(s, |d| d.window_ms = 149),
            |s| with_demand(s, |d| d.window_ms = 150),
        ),
        example(
            Gate::DeadlineShortEnough,
            Reason::DeadlineTooLong,
            |s| with_demand(s, |d| d.min_deadline_ms = 60_001),
            |s| with_demand(s, |d| d.min_deadline_ms = 60_000),
        ),
        // The block is 2 s older than its answer when all is well, so its time tells our clock from the venue's.
        example(
            Gate::ClockAgrees,
            Reason::ClockSkew,
            |s| with_balances(s, |b| b.block_at = at(-4_001)),
            |s| with_balances(s, |b| b.block_at = at(-4_000)),
        ),
        example(
            Gate::ClockAgrees,
            Reason::ClockSkew,
            |s| with_balances(s, |b| b.block_at = at(-1_999)),
            |s| with_balances(s, |b| b.block_at = at(-2_000)),
        ),
        blocked_price(Reason::NoPrice, |s| s.price = None),
        blocked_price(Reason::NoPrice, |s| with_price(s, PriceVerdict::Blocked { block: Block::NoPrice })),
        blocked_price(Reason::PriceStale, |s| {
            with_price(s, PriceVerdict::Blocked { block: Block::PriceStale });
        }),
        blocked_price(Reason::PriceConflict, |s| {
            with_price(s, PriceVerdict::Blocked { block: Block::PriceConflict });
        }),
        blocked_price(Reason::PegOutOfBand, |s| {
            with_price(s, PriceVerdict::Blocked { block: Block::PegOutOfBand });
        }),
        blocked_price(Reason::FallbackForbidden, |s| {
            with_price(s, PriceVerdict::Blocked { block: Block::FallbackForbidden });
        }),
        example(
            Gate::PriceFresh,
            Reason::PriceStale,
            |s| with_fair(s, |f| f.as_of = at(-4_996)),
            |s| with_fair(s, |f| f.as_of = at(-4_995)),
        ),
        // A source whose clock runs ahead would look young for ever.
        example(
            Gate::PriceFresh,
            Reason::PriceStale,
            |s| with_fair(s, |f| f.as_of = at(1_006)),
            |s| with_fair(s, |f| f.as_of = at(1_005)),
        ),
        example(
            Gate::PriceFresh,
            Reason::PriceStale,
            |s| with_fallback(s, at(-89_996)),
            |s| with_fallback(s, at(-89_995)),
        ),
        example(
            Gate::SpreadNarrow,
            Reason::SpreadTooWide,
            |s| with_fair(s, |f| f.spread = BasisPoints(51)),
            |s| with_fair(s, |f| f.spread = BasisPoints(50)),
        ),
        example(Gate::InventoryFresh, Reason::NoInventory, |s| s.inventory = None, |_| {}),
        example(
            Gate::InventoryFresh,
            Reason::InventoryStale,
            |s| with_balances(s, |b| read_at(b, at(-19_996))),
            |s| with_balances(s, |b| read_at(b, at(-19_995))),
        ),
        // After our clock was set back, balances from before look as if they were still to come.
        example(
            Gate::InventoryFresh,
            Reason::InventoryStale,
            |s| with_balances(s, |b| read_at(b, at(1_006))),
            |s| with_balances(s, |b| read_at(b, at(1_005))),
        ),
        example(
            Gate::InventoryFresh,
            Reason::InventoryStale,
            |s| s.account.last_release_height = 101,
            |s| s.account.last_release_height = 100,
        ),
        example(
            Gate::VenueReady,
            Reason::NoSigningKey,
            |s| with_balances(s, |b| b.blocked = vec![VenueBlock::NoSigningKey]),
            |_| {},
        ),
        example(
            Gate::VenueReady,
            Reason::KeyNotRegistered,
            |s| with_balances(s, |b| b.blocked = vec![VenueBlock::KeyNotRegistered]),
            |_| {},
        ),
        example(
            Gate::VenueReady,
            Reason::AccountLocked,
            |s| with_balances(s, |b| b.blocked = vec![VenueBlock::AccountLocked]),
            |_| {},
        ),
        example(
            Gate::VenueReady,
            Reason::ContractPaused,
            |s| with_balances(s, |b| b.blocked = vec![VenueBlock::ContractPaused]),
            |_| {},
        ),
        example(
            Gate::Priced,
            Reason::Unpriceable,
            |s| with_demand(s, |d| d.amount = Units::ZERO),
            |s| with_demand(s, |d| d.amount = Units::new(1)),
        ),
        example(Gate::Priced, Reason::Unpriceable, without_basis, |_| {}),
        example(
            Gate::Edge,
            Reason::EdgeTooSmall,
            |s| with_limits(s, |l| l.edge_min = BasisPoints(206)),
            |s| with_limits(s, |l| l.edge_min = BasisPoints(205)),
        ),
        example(
            Gate::NotionalMin,
            Reason::NotionalTooSmall,
            |s| with_limits(s, |l| l.notional_min = worth().plus(Units::new(1)).unwrap()),
            |s| with_limits(s, |l| l.notional_min = worth()),
        ),
        example(
            Gate::NotionalMax,
            Reason::NotionalTooLarge,
            |s| with_limits(s, |l| l.notional_max = less_one(worth())),
            |s| with_limits(s, |l| l.notional_max = worth()),
        ),
        example(
            Gate::NotionalMax,
            Reason::NotionalTooLarge,
            |s| {
                with_fallback(s, at(0));
                with_limits(s, |l| l.fallback_notional_max = less_one(worth()));
            },
            |s| {
                with_fallback(s, at(0));
                with_limits(s, |l| l.fallback_notional_max = worth());
            },
        ),
        example(
            Gate::DirectionCap,
            Reason::DirectionCap,
            |s| {
                with_limits(s, |l| l.buy_base_open_max = euros(50, 0).plus(worth()).unwrap());
                s.account.open_notional = euros(50, 0).plus(Units::new(1)).unwrap();
            },
            |s| {
                with_limits(s, |l| l.buy_base_open_max = euros(50, 0).plus(worth()).unwrap());
                s.account.open_notional = euros(50, 0);
            },
        ),
        example(
            Gate::DirectionCap,
            Reason::DirectionCap,
            |s| {
                s.demand = Arc::new(demand_for_base(1));
                s.account.open_notional = euros(100, 0);
            },
            |s| {
                s.demand = Arc::new(demand_for_base(1));
                s.account.open_notional = euros(99, 99);
            },
        ),
        example(
            Gate::OpenOffers,
            Reason::TooManyOpen,
            |s| s.account.open_offers = 4,
            |s| s.account.open_offers = 3,
        ),
        example(
            Gate::PartnerOffers,
            Reason::PartnerCap,
            |s| s.account.partner_offers = 2,
            |s| s.account.partner_offers = 1,
        ),
        example(
            Gate::OutcomesKnown,
            Reason::OutcomeUnknown,
            |s| s.account.uncertain = 2,
            |s| s.account.uncertain = 1,
        ),
        example(
            Gate::CooledDown,
            Reason::CoolingDown,
            |s| s.account.last_settled_at = Some(at(-994)),
            |s| s.account.last_settled_at = Some(at(-995)),
        ),
        // The target is 1,000,000 satoshi; the taker wants 100,000.
        example(
            Gate::Reduces,
            Reason::NotReducing,
            |s| reducing(s, 1_099_999, 0),
            |s| reducing(s, 1_100_000, 0),
        ),
        example(
            Gate::Reduces,
            Reason::NotReducing,
            |s| reducing(s, 1_150_000, 50_001),
            |s| reducing(s, 1_150_000, 50_000),
        ),
        example(
            Gate::Reduces,
            Reason::NotReducing,
            |s| {
                s.account.permission = Permission::Armed(Mode::Reducing);
                s.account.base_held = Some(Units::new(900_001));
            },
            |s| {
                s.account.permission = Permission::Armed(Mode::Reducing);
                s.account.base_held = Some(Units::new(900_000));
            },
        ),
        example(
            Gate::Reduces,
            Reason::NotReducing,
            |s| {
                s.account.permission = Permission::Armed(Mode::Reducing);
                s.account.base_held = None;
            },
            |_| {},
        ),
        example(
            Gate::Funded,
            Reason::InsufficientInventory,
            |s| with_balances(s, |b| credit(b, less_one(euros(58, 97)), Units::ZERO)),
            |s| with_balances(s, |b| credit(b, euros(58, 97), Units::ZERO)),
        ),
        example(
            Gate::Funded,
            Reason::PendingNotCredited,
            |s| with_balances(s, |b| credit(b, less_one(euros(58, 97)), Units::new(1))),
            |s| with_balances(s, |b| credit(b, euros(58, 97), Units::ZERO)),
        ),
    ]
}

/// 0.001 BTC at the bid.
pub(super) fn worth() -> Units {
    Units::new(49_995_000_000_000_000_000)
}

pub(super) fn less_one(units: Units) -> Units {
    units.minus(Units::new(1)).unwrap()
}

/// EURe credited and pending; 10.00 of it is floor, and the offer gives 48.97.
fn credit(balances: &mut BalancesObserved, credited: Units, pending_in: Units) {
    balances.credited = BTreeMap::from([(eure(), credited)]);
    balances.pending_in = BTreeMap::from([(eure(), pending_in)]);
}
