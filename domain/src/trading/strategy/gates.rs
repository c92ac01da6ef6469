//! The gates of the trade loop, each a pure question about what the decision sees.
//!
//! They are asked in the order of [`Gate::ALL`], all of them, always. A gate that lacks its input says so and
//! leaves the reason to the gate that asks for that input; a vector with an unanswered gate never acts. Bounds are
//! inclusive: exactly at the limit passes. What is dated in the future is as stale as what is too old: an age that
//! can't be told is not young.

use super::command::{Permission, Running, Sight};
use super::decide::usable;
use super::event::{InventorySeen, Proposal, Verdict};
use crate::market::reference::event::{Block, Fair, Verdict as PriceVerdict};
use crate::market::reference::policy::young;
use crate::money::{BasisPoints, Units};
use crate::pair::Direction;
use crate::trading::account::event::Mode;
use crate::trading::gate::{Answer, Gate, GateResult, Measure, Reason};
use crate::trading::limits::Limits;
use crate::treasury::inventory::event::VenueBlock;

/// What one question comes to.
type Finding = (Answer, Measure, Measure);

/// All that a gate may look at.
struct View<'a> {
    sight: &'a Sight,
    limits: Option<&'a Limits>,
    price: Option<(&'a Fair, bool)>,
    proposal: Option<&'a Proposal>,
    inventory: Option<&'a InventorySeen>,
}

/// Asks every gate.
#[must_use]
pub fn ask(sight: &Sight, proposal: Option<&Proposal>, inventory: Option<&InventorySeen>) -> Vec<GateResult> {
    let view = View {
        sight,
        limits: sight.account.limits.as_ref().map(|set| &set.limits),
        price: sight.price.as_ref().and_then(|seen| usable(&seen.fact)),
        proposal,
        inventory,
    };
    let answer = |gate: Gate| {
        let (answer, observed, limit) = question(&view, gate);
        GateResult { gate, answer, observed, limit }
    };
    Gate::ALL.into_iter().map(answer).collect()
}

/// Act when every gate was asked and is open; otherwise the first that is shut names the reason.
#[must_use]
pub fn verdict(gates: &[GateResult]) -> Verdict {
    let shut = gates.iter().find_map(|result| match result.answer {
        Answer::Deny(reason) => Some(reason),
        Answer::Pass | Answer::NotAsked => None,
    });
    let all_open = gates.iter().map(|result| result.gate).eq(Gate::ALL)
        && gates.iter().all(|result| result.answer == Answer::Pass);
    match shut {
        Some(reason) => Verdict::Skip { reason },
        None if all_open => Verdict::Act,
        None => Verdict::Skip { reason: Reason::Unanswered },
    }
}

fn question(view: &View<'_>, gate: Gate) -> Finding {
    match gate {
        Gate::Running => running(view),
        Gate::NotKilled => flag(view.sight.account.permission == Permission::Killed, Reason::Killed),
        Gate::Armed => armed(view),
        Gate::LimitsSet => flag(view.limits.is_none(), Reason::NoLimits),
        Gate::NoProbe => no_probe(view),
        Gate::WindowOpen => window_open(view),
        Gate::WindowLongEnough => window_long_enough(view),
        Gate::DeadlineShortEnough => deadline_short_enough(view),
        Gate::ClockAgrees => clock_agrees(view),
        Gate::PriceUsable => price_usable(view),
        Gate::PriceFresh => price_fresh(view),
        Gate::SpreadNarrow => spread_narrow(view),
        Gate::InventoryFresh => inventory_fresh(view),
        Gate::VenueReady => venue_ready(view),
        Gate::Priced => priced(view),
        Gate::Edge => edge(view),
        Gate::NotionalMin => notional_min(view),
        Gate::NotionalMax => notional_max(view),
        Gate::DirectionCap => direction_cap(view),
        Gate::OpenOffers => open_offers(view),
        Gate::PartnerOffers => partner_offers(view),
        Gate::OutcomesKnown => outcomes_known(view),
        Gate::CooledDown => cooled_down(view),
        Gate::Reduces => reduces(view),
        Gate::Funded => funded(view),
    }
}

const NOT_ASKED: Finding = (Answer::NotAsked, Measure::Unknown, Measure::Unknown);

fn judge(open: bool, reason: Reason, observed: Measure, limit: Measure) -> Finding {
    (if open { Answer::Pass } else { Answer::Deny(reason) }, observed, limit)
}

/// A yes-or-no gate that is shut when `shut` is so.
fn flag(shut: bool, reason: Reason) -> Finding {
    judge(!shut, reason, Measure::Flag(shut), Measure::Flag(false))
}

fn at_most_ms(observed: i64, limit: u64, reason: Reason) -> Finding {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    judge(observed <= limit, reason, Measure::Millis(observed), Measure::Millis(limit))
}

/// An age in milliseconds: at most the limit, and no further in the future than clocks may differ.
fn fresh(limits: &Limits, age_ms: i64, limit: u64, reason: Reason) -> Finding {
    let open = young(age_ms, limit, limits.clock_skew_ms_max);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    judge(open, reason, Measure::Millis(age_ms), Measure::Millis(limit))
}

fn fewer_than(observed: u32, limit: u32, reason: Reason) -> Finding {
    judge(observed < limit, reason, Measure::Count(observed), Measure::Count(limit))
}

fn running(view: &View<'_>) -> Finding {
    match view.sight.running {
        Running::Running => flag(false, Reason::Paused),
        Running::Paused => flag(true, Reason::Paused),
        Running::Draining => flag(true, Reason::Draining),
    }
}

fn armed(view: &View<'_>) -> Finding {
    match view.sight.account.permission {
        Permission::Armed(_) => flag(false, Reason::Disarmed),
        Permission::Expired => flag(true, Reason::ArmingExpired),
        Permission::Disarmed | Permission::Killed => flag(true, Reason::Disarmed),
    }
}

fn no_probe(view: &View<'_>) -> Finding {
    let answered = view.limits.is_some_and(|limits| limits.answer_probes);
    let probe = view.sight.demand.probe;
    judge(!probe || answered, Reason::Probe, Measure::Flag(probe), Measure::Flag(answered))
}

fn window_open(view: &View<'_>) -> Finding {
    let left_ms = view.sight.demand.closes_at.millis_since(view.sight.at);
    judge(left_ms > 0, Reason::QuoteExpired, Measure::Millis(left_ms), Measure::Millis(0))
}

fn window_long_enough(view: &View<'_>) -> Finding {
    let Some(limits) = view.limits else { return NOT_ASKED };
    let window = i64::try_from(view.sight.demand.window_ms).unwrap_or(i64::MAX);
    let least = i64::try_from(limits.window_ms_min).unwrap_or(i64::MAX);
    judge(window >= least, Reason::WindowTooShort, Measure::Millis(window), Measure::Millis(least))
}

fn deadline_short_enough(view: &View<'_>) -> Finding {
    let Some(limits) = view.limits else { return NOT_ASKED };
    let asked = i64::try_from(view.sight.demand.min_deadline_ms).unwrap_or(i64::MAX);
    at_most_ms(asked, limits.deadline_ms_max, Reason::DeadlineTooLong)
}

/// Our clock less the venue's, taken from the newest block: what is left of its age after the usual lag.
fn clock_agrees(view: &View<'_>) -> Finding {
    let (Some(limits), Some(seen)) = (view.limits, &view.sight.inventory) else { return NOT_ASKED };
    let lag_ms = seen.fact.observed_at.millis_since(seen.fact.block_at);
    let offset_ms = lag_ms.saturating_sub(view.sight.footing.finality_lag_ms);
    let limit = i64::try_from(limits.clock_skew_ms_max).unwrap_or(i64::MAX);
    let agrees = offset_ms.saturating_abs() <= limit;
    judge(agrees, Reason::ClockSkew, Measure::Millis(offset_ms), Measure::Millis(limit))
}

fn price_usable(view: &View<'_>) -> Finding {
    let reason = match view.sight.price.as_ref().map(|seen| &seen.fact.verdict) {
        Some(PriceVerdict::Primary { .. } | PriceVerdict::Fallback { .. }) => {
            return flag(false, Reason::NoPrice);
        }
        Some(PriceVerdict::Blocked { block }) => match block {
            Block::NoPrice => Reason::NoPrice,
            Block::PriceStale => Reason::PriceStale,
            Block::PriceConflict => Reason::PriceConflict,
            Block::PegOutOfBand => Reason::PegOutOfBand,
            Block::FallbackForbidden => Reason::FallbackForbidden,
        },
        None => Reason::NoPrice,
    };
    flag(true, reason)
}

fn price_fresh(view: &View<'_>) -> Finding {
    let (Some(limits), Some((fair, fallback))) = (view.limits, view.price) else { return NOT_ASKED };
    let limit = if fallback { limits.fallback_age_ms_max } else { limits.price_age_ms_max };
    fresh(limits, view.sight.at.millis_since(fair.as_of), limit, Reason::PriceStale)
}

fn spread_narrow(view: &View<'_>) -> Finding {
    let (Some(limits), Some((fair, _))) = (view.limits, view.price) else { return NOT_ASKED };
    let narrow = fair.spread <= limits.spread_max;
    judge(narrow, Reason::SpreadTooWide, Measure::Bps(fair.spread), Measure::Bps(limits.spread_max))
}

fn inventory_fresh(view: &View<'_>) -> Finding {
    let Some(seen) = view.inventory else { return flag(true, Reason::NoInventory) };
    let Some(limits) = view.limits else { return NOT_ASKED };
    let (answer, observed, limit) =
        fresh(limits, seen.freshness_ms, limits.inventory_age_ms_max, Reason::InventoryStale);
    // Coin that was released at a block is missing from the balances of that block on, not before.
    if seen.height < view.sight.account.last_release_height {
        return (Answer::Deny(Reason::InventoryStale), observed, limit);
    }
    (answer, observed, limit)
}

fn venue_ready(view: &View<'_>) -> Finding {
    let Some(seen) = &view.sight.inventory else { return NOT_ASKED };
    match seen.fact.blocked.first() {
        None => flag(false, Reason::NoSigningKey),
        Some(VenueBlock::NoSigningKey) => flag(true, Reason::NoSigningKey),
        Some(VenueBlock::KeyNotRegistered) => flag(true, Reason::KeyNotRegistered),
        Some(VenueBlock::AccountLocked) => flag(true, Reason::AccountLocked),
        Some(VenueBlock::ContractPaused) => flag(true, Reason::ContractPaused),
    }
}

fn priced(view: &View<'_>) -> Finding {
    if view.price.is_none() {
        return NOT_ASKED;
    }
    flag(view.proposal.is_none(), Reason::Unpriceable)
}

fn edge(view: &View<'_>) -> Finding {
    let (Some(limits), Some(proposal)) = (view.limits, view.proposal) else { return NOT_ASKED };
    let (edge, least): (BasisPoints, BasisPoints) = (proposal.gross_edge, limits.edge_min);
    judge(edge >= least, Reason::EdgeTooSmall, Measure::Bps(edge), Measure::Bps(least))
}

fn notional_min(view: &View<'_>) -> Finding {
    let (Some(limits), Some(proposal)) = (view.limits, view.proposal) else { return NOT_ASKED };
    let (seen, least) = (proposal.notional, limits.notional_min);
    judge(seen >= least, Reason::NotionalTooSmall, Measure::Units(seen), Measure::Units(least))
}

fn notional_max(view: &View<'_>) -> Finding {
    let (Some(limits), Some(proposal)) = (view.limits, view.proposal) else { return NOT_ASKED };
    let most = match view.price {
        Some((_, true)) => limits.fallback_notional_max.min(limits.notional_max),
        Some((_, false)) | None => limits.notional_max,
    };
    let fits = proposal.notional <= most;
    judge(fits, Reason::NotionalTooLarge, Measure::Units(proposal.notional), Measure::Units(most))
}

fn direction_cap(view: &View<'_>) -> Finding {
    let (Some(limits), Some(proposal)) = (view.limits, view.proposal) else { return NOT_ASKED };
    let cap = match view.sight.demand.direction {
        Direction::BuyBase => limits.buy_base_open_max,
        Direction::SellBase => limits.sell_base_open_max,
    };
    let with_this = view.sight.account.open_notional.plus(proposal.notional);
    let observed = with_this.map_or(Measure::Unknown, Measure::Units);
    judge(with_this.is_some_and(|sum| sum <= cap), Reason::DirectionCap, observed, Measure::Units(cap))
}

fn open_offers(view: &View<'_>) -> Finding {
    let Some(limits) = view.limits else { return NOT_ASKED };
    fewer_than(view.sight.account.open_offers, limits.open_offers_max, Reason::TooManyOpen)
}

fn partner_offers(view: &View<'_>) -> Finding {
    let Some(limits) = view.limits else { return NOT_ASKED };
    if view.sight.demand.partner_id.is_none() {
        return (Answer::Pass, Measure::Unknown, Measure::Count(limits.open_offers_per_partner_max));
    }
    fewer_than(view.sight.account.partner_offers, limits.open_offers_per_partner_max, Reason::PartnerCap)
}

fn outcomes_known(view: &View<'_>) -> Finding {
    let Some(limits) = view.limits else { return NOT_ASKED };
    fewer_than(view.sight.account.uncertain, limits.uncertain_offers_max, Reason::OutcomeUnknown)
}

fn cooled_down(view: &View<'_>) -> Finding {
    let Some(limits) = view.limits else { return NOT_ASKED };
    let least = i64::try_from(limits.cooldown_ms).unwrap_or(i64::MAX);
    let Some(settled_at) = view.sight.account.last_settled_at else {
        return (Answer::Pass, Measure::Unknown, Measure::Millis(least));
    };
    let since_ms = view.sight.at.millis_since(settled_at);
    judge(since_ms >= least, Reason::CoolingDown, Measure::Millis(since_ms), Measure::Millis(least))
}

/// In REDUCING the offer must move base towards its target and, with all that is open, not past it.
fn reduces(view: &View<'_>) -> Finding {
    match view.sight.account.permission {
        Permission::Armed(Mode::Reducing) => {}
        Permission::Armed(Mode::Full) | Permission::Expired | Permission::Disarmed | Permission::Killed => {
            return flag(false, Reason::NotReducing);
        }
    }
    let (Some(limits), Some(proposal)) = (view.limits, view.proposal) else { return NOT_ASKED };
    let Some(held) = view.sight.account.base_held else {
        return (Answer::Deny(Reason::NotReducing), Measure::Unknown, Measure::Unknown);
    };
    let (base, distance): (Units, Units) = match view.sight.demand.direction {
        Direction::SellBase => (proposal.give.amount, held.minus_or_zero(limits.base_target)),
        Direction::BuyBase => (proposal.receive.amount, limits.base_target.minus_or_zero(held)),
    };
    let room = distance.minus_or_zero(view.sight.account.open_base);
    judge(base <= room, Reason::NotReducing, Measure::Units(base), Measure::Units(room))
}

/// Only credited coin is spent; a pending deposit that would cover it is named, and refused.
fn funded(view: &View<'_>) -> Finding {
    let (Some(proposal), Some(seen)) = (view.proposal, view.inventory) else { return NOT_ASKED };
    let needed = proposal.give.amount;
    let with_pending = seen.spendable.plus(seen.pending_in).unwrap_or(seen.spendable);
    let reason =
        if with_pending >= needed { Reason::PendingNotCredited } else { Reason::InsufficientInventory };
    judge(seen.spendable >= needed, reason, Measure::Units(seen.spendable), Measure::Units(needed))
}
