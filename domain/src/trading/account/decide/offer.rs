//! How offers are decided: started only when everything still holds, closed only by proof.

use super::{price, terms};
use crate::ids::{CommandId, QuoteHash};
use crate::money::Units;
use crate::pair::Direction;
use crate::port::feeds::{ReplyWord, SettlementWord};
use crate::time::Timestamp;
use crate::trading::account::command::{ApplyBalances, Balances, Execute, SeenPrice, WordedOffer};
use crate::trading::account::event::{
    Event, ExecutionExpired, ExecutionRefused, Mode, RefusalCode, ReleaseCause, ReplyContradicted,
    ReservationReleased, SubmissionAbandoned, SubmissionAccepted, SubmissionExpiredUnfilled,
    SubmissionRejected, SubmissionSettleFailed, SubmissionSettled, SubmissionStarted, SubmissionUncertain,
};
use crate::trading::account::rejection::Rejection;
use crate::trading::account::state::{Arming, OpenOffer, Phase, State};
use crate::trading::limits::Limits;
use crate::trading::strategy::event::ExecutionCommanded;
use std::collections::BTreeMap;

/// How much longer than a taker may ask an offer may stay valid, in milliseconds: for its way to the chain.
pub const VALIDITY_SLACK_MS: u64 = 60 * 1_000;

/// Fixes an offer and reserves its coin, or records why not. An order always leaves a record.
pub(super) fn execute(state: &State, execute: &Execute) -> Vec<Event> {
    let order = &execute.order;
    if state.knows(order.command_id) || execute.command_position <= state.last_command {
        return vec![];
    }
    if let Some(age_ms) = too_late(state, execute) {
        return vec![Event::ExecutionExpired(ExecutionExpired {
            command_id: order.command_id,
            quote_id: order.quote_id.clone(),
            command_position: execute.command_position,
            age_ms,
            at: execute.at,
        })];
    }
    match covered(state, execute) {
        Ok(cover) => vec![Event::SubmissionStarted(Box::new(start(state, execute, &cover)))],
        Err((code, detail)) => vec![Event::ExecutionRefused(ExecutionRefused {
            command_id: order.command_id,
            quote_id: order.quote_id.clone(),
            command_position: execute.command_position,
            code,
            detail,
            at: execute.at,
        })],
    }
}

pub(super) type Refusal = (RefusalCode, String);

/// What an offer rests on.
struct Cover<'a> {
    worded: &'a WordedOffer,
    balances: &'a Balances,
    price: &'a SeenPrice,
    limits_version: u64,
}

/// How old the order is, when it is too old or its auction is over.
fn too_late(state: &State, execute: &Execute) -> Option<i64> {
    let age_ms = execute.at.millis_since(execute.order.commanded_at);
    let age_max = state.limits_at(execute.at).map(|set| set.limits.command_age_ms_max);
    let old = age_max.is_some_and(|max| age_ms > i64::try_from(max).unwrap_or(i64::MAX));
    (old || execute.at >= execute.order.closes_at).then_some(age_ms)
}

/// Every condition that must still hold when coin is reserved; the first that does not says no.
fn covered<'a>(state: &State, execute: &'a Execute) -> Result<Cover<'a>, Refusal> {
    permitted(state, execute)?;
    let set = state
        .limits_at(execute.at)
        .ok_or_else(|| (RefusalCode::LimitsChanged, "no limits are in force".to_owned()))?;
    // Edge, spread and age were judged by the strategy, under the limits that it names; the price is asked once more
    // below, for no more than that it bears the order out.
    if execute.order.limits_version != set.version {
        let detail =
            format!("decided under limits {}, {} are in force", execute.order.limits_version, set.version);
        return Err((RefusalCode::LimitsChanged, detail));
    }
    within_limits(&set.limits, &execute.order)?;
    terms::agree(&set.limits, &execute.order, &execute.pair)?;
    room_left(state, &set.limits, execute)?;
    let balances = fresh_balances(state, &set.limits, execute)?;
    if let Some(block) = balances.blocked {
        return Err((RefusalCode::VenueBlocked, block.name().to_owned()));
    }
    clocks_agree(&set.limits, execute, balances)?;
    let price = price::borne_out(&set.limits, execute)?;
    reduces(state, &set.limits, &execute.order, balances)?;
    funded(state, &set.limits, &execute.order, balances)?;
    let worded = worded(state, &set.limits, execute)?;
    Ok(Cover { worded, balances, price, limits_version: set.version })
}

fn permitted(state: &State, execute: &Execute) -> Result<(), Refusal> {
    match &state.arming {
        Arming::Killed { at } => return Err((RefusalCode::Killed, format!("killed at {at}"))),
        Arming::Disarmed => return Err((RefusalCode::Disarmed, "disarmed".to_owned())),
        Arming::Armed(armed) => {
            if let Some(why) = state.lapsed(execute.at) {
                return Err((RefusalCode::Disarmed, why));
            }
            let (given, armed) = (execute.order.strategy_start, armed.strategy_start);
            if given != armed {
                let detail = format!("armed for start {armed} of the strategy, ordered by start {given}");
                return Err((RefusalCode::Disarmed, detail));
            }
        }
    }
    let held = state.lease.as_ref().is_some_and(|l| l.epoch == execute.epoch && l.until > execute.at);
    if !held {
        let detail = format!("epoch {} is in force, this executor has {}", state.epoch(), execute.epoch);
        return Err((RefusalCode::LeaseLost, detail));
    }
    if execute.paused {
        return Err((RefusalCode::Paused, "the executor is paused or draining".to_owned()));
    }
    if state.quotes.contains(&execute.order.quote_id) {
        return Err((RefusalCode::QuoteTaken, "this quote has an offer already".to_owned()));
    }
    Ok(())
}

fn within_limits(limits: &Limits, order: &ExecutionCommanded) -> Result<(), Refusal> {
    if order.notional > limits.notional_max || order.notional < limits.notional_min {
        let detail = format!("notional {} is not within the limits now in force", order.notional);
        return Err((RefusalCode::LimitsChanged, detail));
    }
    if order.min_deadline_ms > limits.deadline_ms_max {
        let detail = format!("validity of {} ms is above {}", order.min_deadline_ms, limits.deadline_ms_max);
        return Err((RefusalCode::LimitsChanged, detail));
    }
    Ok(())
}

/// What is open already leaves room for one more.
fn room_left(state: &State, limits: &Limits, execute: &Execute) -> Result<(), Refusal> {
    let order = &execute.order;
    let open = state.open.len();
    if u32::try_from(open).unwrap_or(u32::MAX) >= limits.open_offers_max {
        return Err((
            RefusalCode::NoRoom,
            format!("{open} offers are open, at most {}", limits.open_offers_max),
        ));
    }
    let cap = match order.direction {
        Direction::BuyBase => limits.buy_base_open_max,
        Direction::SellBase => limits.sell_base_open_max,
    };
    let with_this = state.open_notional(order.direction).plus(order.notional);
    if with_this.is_none_or(|sum| sum > cap) {
        return Err((RefusalCode::NoRoom, format!("{cap} of open notional at most, this way")));
    }
    if let Some(partner) = &order.partner_id {
        let (open, most) = (state.open_of_partner(partner), limits.open_offers_per_partner_max);
        if u32::try_from(open).unwrap_or(u32::MAX) >= most {
            let detail = format!("{open} offers to this partner's takers are open, at most {most}");
            return Err((RefusalCode::NoRoom, detail));
        }
    }
    let (unknown, most) = (state.uncertain(), limits.uncertain_offers_max);
    if u32::try_from(unknown).unwrap_or(u32::MAX) >= most {
        return Err((
            RefusalCode::NoRoom,
            format!("{unknown} outcomes are unknown, none new from {most} on"),
        ));
    }
    let since_ms = state.last_settled_at.map(|settled| execute.at.millis_since(settled));
    let cooldown_ms = i64::try_from(limits.cooldown_ms).unwrap_or(i64::MAX);
    if since_ms.is_some_and(|since| since < cooldown_ms) {
        let detail = format!("an offer was settled less than {cooldown_ms} ms ago");
        return Err((RefusalCode::CoolingDown, detail));
    }
    Ok(())
}

fn fresh_balances<'a>(state: &State, limits: &Limits, execute: &'a Execute) -> Result<&'a Balances, Refusal> {
    let Some(balances) = &execute.balances else {
        return Err((RefusalCode::InventoryStale, "no balances are known".to_owned()));
    };
    let age_ms = execute.at.millis_since(balances.observed_at);
    if age_ms > i64::try_from(limits.inventory_age_ms_max).unwrap_or(i64::MAX) {
        let detail = format!("balances are {age_ms} ms old, at most {}", limits.inventory_age_ms_max);
        return Err((RefusalCode::InventoryStale, detail));
    }
    // Coin that was released at a block is missing from the balances of that block on, not before.
    if balances.height < state.last_release_height {
        let detail = format!(
            "balances of block {} are older than a release at {}",
            balances.height, state.last_release_height
        );
        return Err((RefusalCode::InventoryStale, detail));
    }
    Ok(balances)
}

/// Our clock against the venue's, and against the moments that the order and the balances bear: what is dated in
/// the future can't be told from what is stale.
fn clocks_agree(limits: &Limits, execute: &Execute, balances: &Balances) -> Result<(), Refusal> {
    let skew_max = i64::try_from(limits.clock_skew_ms_max).unwrap_or(i64::MAX);
    let ahead = |moment: Timestamp| moment.millis_since(execute.at);
    for (what, ms) in [
        ("our clock less the venue's", execute.clock_offset_ms.saturating_abs()),
        ("the order less our clock", ahead(execute.order.commanded_at)),
        ("the balances less our clock", ahead(balances.observed_at)),
    ] {
        if ms > skew_max {
            return Err((RefusalCode::ClockSkew, format!("{what}: {ms} ms, at most {skew_max}")));
        }
    }
    Ok(())
}

/// In REDUCING the offer must move base towards its target and, with all that is open, not past it.
fn reduces(
    state: &State,
    limits: &Limits,
    order: &ExecutionCommanded,
    balances: &Balances,
) -> Result<(), Refusal> {
    match &state.arming {
        Arming::Armed(armed) if armed.mode == Mode::Reducing => {}
        Arming::Armed(_) | Arming::Disarmed | Arming::Killed { .. } => return Ok(()),
    }
    let (held, target) = (balances.base_held, limits.base_target);
    let (base, distance) = match order.direction {
        Direction::BuyBase => (order.receive.amount, target.minus_or_zero(held)),
        Direction::SellBase => (order.give.amount, held.minus_or_zero(target)),
    };
    let room = distance.minus_or_zero(state.open_base(order.direction));
    if base <= room {
        return Ok(());
    }
    let detail = format!("armed to reduce: {base} of base is more than the {room} left to {target}");
    Err((RefusalCode::NotReducing, detail))
}

fn funded(
    state: &State,
    limits: &Limits,
    order: &ExecutionCommanded,
    balances: &Balances,
) -> Result<(), Refusal> {
    let floor = limits.floor.get(&order.give.token).copied().unwrap_or(Units::ZERO);
    let reserved = state.reserved(&order.give.token);
    let spendable =
        balances.credited.minus_or_zero(reserved).minus_or_zero(balances.pending_out).minus_or_zero(floor);
    if spendable >= order.give.amount {
        return Ok(());
    }
    let detail = format!(
        "{} of {} credited at block {}, {reserved} reserved, {floor} kept back: {} is not covered",
        balances.credited, order.give.token, balances.height, order.give.amount
    );
    Err((RefusalCode::InsufficientInventory, detail))
}

/// The words of the offer, as far as they bind us: a signature lives no longer than the limits say, dies while its
/// nonce can still be asked about, and shares that nonce with no other.
fn worded<'a>(state: &State, limits: &Limits, execute: &'a Execute) -> Result<&'a WordedOffer, Refusal> {
    let order = &execute.order;
    let cannot = |why: String| (RefusalCode::CannotOffer, why);
    let worded = execute.offer.as_ref().map_err(|why| cannot(why.clone()))?;
    for amount in [order.give.amount, order.receive.amount, order.notional] {
        if amount.is_zero() || !amount.fits_venue() {
            return Err(cannot(format!("{amount} is no amount that the venue can carry")));
        }
    }
    let last = execute.at.plus_millis(limits.deadline_ms_max).plus_millis(VALIDITY_SLACK_MS);
    if worded.offer_deadline <= execute.at || worded.offer_deadline > last {
        return Err(cannot(format!("valid until {}: not between now and {last}", worded.offer_deadline)));
    }
    if worded.nonce_deadline <= worded.offer_deadline {
        let (nonce, offer) = (worded.nonce_deadline, worded.offer_deadline);
        return Err(cannot(format!(
            "the nonce ends at {nonce}, before the offer's end at {offer} can be proved"
        )));
    }
    let taken = state
        .open
        .values()
        .map(|offer| &offer.started.prepared)
        .any(|open| open.nonce == worded.prepared.nonce || open.quote_hash == worded.prepared.quote_hash);
    if taken {
        return Err(cannot(format!(
            "the nonce or hash of {} is in an open offer",
            worded.prepared.quote_hash
        )));
    }
    Ok(worded)
}

fn start(state: &State, execute: &Execute, cover: &Cover<'_>) -> SubmissionStarted {
    let order = &execute.order;
    let Cover { worded, balances, price, limits_version } = *cover;
    SubmissionStarted {
        command_id: order.command_id,
        command_position: execute.command_position,
        decision_id: order.decision_id,
        quote_id: order.quote_id.clone(),
        pair: order.pair.clone(),
        epoch: state.epoch(),
        direction: order.direction,
        receive: order.receive.clone(),
        give: order.give.clone(),
        exact: order.exact,
        notional: order.notional,
        partner_id: order.partner_id.clone(),
        prepared: worded.prepared.clone(),
        salt: worded.salt.clone(),
        offer_deadline: worded.offer_deadline,
        nonce_deadline: worded.nonce_deadline,
        closes_at: Some(order.closes_at),
        inventory_event_id: balances.event_id,
        height: balances.height,
        price_event_id: Some(price.event_id),
        limits_version,
        at: execute.at,
    }
}

pub(super) fn abandon(
    state: &State,
    command_id: CommandId,
    why: String,
    at: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let Some(offer) = open_or_finished(state, command_id)? else { return Ok(vec![]) };
    // The executor of an older lease may have sent it before it fell silent.
    if offer.started.epoch != state.epoch() {
        return Err(Rejection::MayBeSent(command_id));
    }
    match offer.phase {
        Phase::Started => Ok(vec![
            Event::SubmissionAbandoned(SubmissionAbandoned { command_id, why, at }),
            release(command_id, offer, ReleaseCause::NeverSent, None, at),
        ]),
        Phase::Accepted | Phase::Rejected | Phase::Uncertain | Phase::SettleFailed => {
            Err(Rejection::MayBeSent(command_id))
        }
    }
}

pub(super) fn accepted(
    state: &State,
    command_id: CommandId,
    reply: String,
    at: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let Some(offer) = open_or_finished(state, command_id)? else { return Ok(vec![]) };
    Ok(match offer.phase {
        _ if offer.contradicted => vec![],
        Phase::Started | Phase::Uncertain => {
            vec![Event::SubmissionAccepted(SubmissionAccepted { command_id, reply, at })]
        }
        Phase::Rejected => vec![contradicted(command_id, ReplyWord::Rejected, reply, at)],
        Phase::Accepted | Phase::SettleFailed => vec![],
    })
}

pub(super) fn rejected(
    state: &State,
    command_id: CommandId,
    reply: String,
    late: bool,
    at: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let Some(offer) = open_or_finished(state, command_id)? else { return Ok(vec![]) };
    Ok(match offer.phase {
        _ if offer.contradicted => vec![],
        Phase::Started | Phase::Uncertain => {
            vec![Event::SubmissionRejected(SubmissionRejected { command_id, reply, late, at })]
        }
        Phase::Accepted => vec![contradicted(command_id, ReplyWord::Accepted, reply, at)],
        Phase::Rejected | Phase::SettleFailed => vec![],
    })
}

fn contradicted(command_id: CommandId, before: ReplyWord, reply: String, at: Timestamp) -> Event {
    Event::ReplyContradicted(ReplyContradicted { command_id, before, reply, at })
}

pub(super) fn uncertain(
    state: &State,
    command_id: CommandId,
    why: String,
    at: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let Some(offer) = open_or_finished(state, command_id)? else { return Ok(vec![]) };
    match offer.phase {
        Phase::Started => Ok(vec![Event::SubmissionUncertain(SubmissionUncertain { command_id, why, at })]),
        Phase::Accepted | Phase::Rejected | Phase::Uncertain | Phase::SettleFailed => Ok(vec![]),
    }
}

/// A failed settlement is a result; a successful one is only believed when a block shows it.
pub(super) fn settlement_word(
    state: &State,
    quote_hash: &QuoteHash,
    word: SettlementWord,
    tx_hash: Option<String>,
    at: Timestamp,
) -> Vec<Event> {
    let Some(offer) = state.by_hash(quote_hash) else { return vec![] };
    match (word, offer.phase) {
        (SettlementWord::Failed, Phase::Started | Phase::Accepted | Phase::Rejected | Phase::Uncertain) => {
            let command_id = offer.started.command_id;
            vec![Event::SubmissionSettleFailed(SubmissionSettleFailed { command_id, tx_hash, at })]
        }
        (SettlementWord::Failed, Phase::SettleFailed)
        | (SettlementWord::Settled | SettlementWord::Ready, _) => {
            vec![]
        }
    }
}

/// Closes what the block proves: executed, or dead.
pub(super) fn apply_balances(state: &State, apply: &ApplyBalances) -> Vec<Event> {
    // A nonce that is listed twice is closed once, and used if it was ever seen used.
    let mut nonces = BTreeMap::new();
    for seen in &apply.nonces {
        let used = nonces.entry(seen.command_id).or_insert(false);
        *used = *used || seen.used;
    }
    let open = nonces.into_iter().filter_map(|(command_id, used)| Some((state.open.get(&command_id)?, used)));
    open.flat_map(|(offer, used)| closed_by(offer, used, apply)).collect()
}

/// What the block proves of one offer.
fn closed_by(offer: &OpenOffer, used: bool, apply: &ApplyBalances) -> Vec<Event> {
    let started = &offer.started;
    let (command_id, at) = (started.command_id, apply.at);
    let (inventory_event_id, height) = (apply.event_id, apply.height);
    if used {
        let tx_hash = apply.tx_hashes.get(&started.prepared.quote_hash).cloned();
        let settled = SubmissionSettled { command_id, inventory_event_id, height, tx_hash, at };
        return vec![
            Event::SubmissionSettled(settled),
            release(command_id, offer, ReleaseCause::Settled, Some(height), at),
        ];
    }
    if apply.block_at <= started.offer_deadline.plus_millis(apply.release_margin_ms) {
        return vec![];
    }
    // The signature is dead, so its coin is free. The venue forgets a nonce after the nonce's own deadline:
    // "unused" means nothing from then on, and what became of the offer stays unknown.
    let proved = apply.block_at < started.nonce_deadline;
    let result = match offer.phase {
        Phase::Started | Phase::Accepted | Phase::Uncertain if proved => {
            let expired = SubmissionExpiredUnfilled { command_id, inventory_event_id, height, at };
            Some(Event::SubmissionExpiredUnfilled(expired))
        }
        Phase::Started | Phase::Accepted => {
            let why = format!("its nonce could be asked about until {} only", started.nonce_deadline);
            Some(Event::SubmissionUncertain(SubmissionUncertain { command_id, why, at }))
        }
        // Nothing new is known.
        Phase::Uncertain | Phase::Rejected | Phase::SettleFailed => None,
    };
    let released = release(command_id, offer, ReleaseCause::DeadlinePassed, Some(height), at);
    result.into_iter().chain([released]).collect()
}

fn release(
    command_id: CommandId,
    offer: &OpenOffer,
    cause: ReleaseCause,
    height: Option<u64>,
    at: Timestamp,
) -> Event {
    let amount = offer.started.give.clone();
    Event::ReservationReleased(ReservationReleased { command_id, cause, amount, height, at })
}

/// The open offer; `None` when it is closed already.
fn open_or_finished(state: &State, command_id: CommandId) -> Result<Option<&OpenOffer>, Rejection> {
    match state.open.get(&command_id) {
        Some(offer) => Ok(Some(offer)),
        None if state.finished.contains(&command_id) => Ok(None),
        None => Err(Rejection::UnknownSubmission(command_id)),
    }
}
