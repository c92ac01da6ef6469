//! One auction: collects offers until its time is over, then finds out who takes what.

use super::request::{Demand, Outcome, ScriptedQuote, Window};
use super::settlement::{Deal, Maker, settle};
use super::{Auction, Offer, Published, Taker, best};
use crate::faults::Fault;
use crate::observe;
use crate::tokens::{Exact, better, distance_bps, fair_amount, offer_at};
use crate::world::{Shared, World};
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Validity that a request asks for when it says nothing, in milliseconds.
const MIN_DEADLINE_MS_DEFAULT: u64 = 60_000;

/// Publishes a quote and opens its auction. Returns the quote's id, empty when its data has none; `None` when
/// too many auctions are open.
pub(crate) fn publish(shared: &Arc<Shared>, quote: ScriptedQuote) -> Option<String> {
    let settlement_ms = quote.settlement_ms;
    let mut world = shared.world();
    let (shortest, longest) = shared.options.relay.settlement_ms;
    let settlement_ms = settlement_ms.unwrap_or_else(|| world.relay.delays.between(shortest, longest));
    let taker = Taker::Cast { outcome: quote.outcome, settlement_ms };
    let data = if quote.verbatim { quote.data } else { completed(&mut world, quote.data) };
    open(shared, &mut world, data, quote.metadata, taker)
}

/// Publishes a front end's quote; the receiver gets the offers when the auction closes.
pub(crate) fn ask(
    shared: &Arc<Shared>,
    data: Map<String, Value>,
) -> Option<(Demand, oneshot::Receiver<Vec<Offer>>)> {
    let mut world = shared.world();
    let data = completed(&mut world, data);
    let demand = Demand::read(&data)?;
    let (reply, offers) = oneshot::channel();
    open(shared, &mut world, data, None, Taker::FrontEnd(reply))?;
    Some((demand, offers))
}

fn completed(world: &mut World, mut data: Map<String, Value>) -> Map<String, Value> {
    if !data.contains_key("quote_id") {
        data.insert("quote_id".to_owned(), world.relay.ids.uuid().into());
    }
    if !data.contains_key("min_deadline_ms") {
        data.insert("min_deadline_ms".to_owned(), MIN_DEADLINE_MS_DEFAULT.into());
    }
    data
}

fn open(
    shared: &Arc<Shared>,
    world: &mut World,
    data: Map<String, Value>,
    metadata: Option<Value>,
    taker: Taker,
) -> Option<String> {
    let open = world.relay.auctions.len();
    if open >= shared.options.relay.open_auctions_max {
        world.relay.tally.quotes_not_published += 1;
        observe::too_many_auctions(open);
        return None;
    }
    world.relay.tally.quotes += 1;
    let id = data.get("quote_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let window = Window::read(&data, &shared.options.relay);
    let demand = Demand::read(&data);
    let rate = u128::from(world.walk.at(shared.clock.elapsed_ms()).mid_e8);
    let fair = demand
        .as_ref()
        .and_then(|demand| fair_amount(&demand.token_in, &demand.token_out, demand.exact, rate));
    // A second quote under an open id is shown to everyone and changes nothing about the auction.
    if !id.is_empty() && !world.relay.auctions.contains_key(&id) {
        let offered = Arc::new(Notify::new());
        let run = run(Arc::clone(shared), id.clone(), window, Arc::clone(&offered));
        let opened = shared.clock.now();
        world
            .relay
            .auctions
            .insert(id.clone(), Auction { demand, fair, taker, opened, offers: vec![], offered });
        shared.spawn(run);
    }
    world.relay.send_quote(&data, metadata.as_ref(), &shared.options.relay);
    world.relay.last_quote = Some(Published { data, metadata });
    Some(id)
}

async fn run(shared: Arc<Shared>, id: String, window: Window, offered: Arc<Notify>) {
    let opened = Instant::now();
    let closes = opened + window.longest;
    sleep(window.shortest).await;
    // An offer that came before is remembered by the notification.
    if timeout_at(closes, offered.notified()).await.is_ok() {
        let graced = Instant::now() + window.grace;
        sleep_until(graced.min(closes)).await;
    }
    let deal = {
        let mut world = shared.world();
        let Some(auction) = world.relay.auctions.remove(&id) else { return };
        close(&mut world, auction)
    };
    if let Some(deal) = deal {
        settle(&shared, deal).await;
    }
}

/// Closes an auction: what has to be settled, if anything.
fn close(world: &mut World, auction: Auction) -> Option<Deal> {
    let demand = auction.demand?;
    for offer in &auction.offers {
        world.relay.keep_offer(offer.clone());
    }
    if auction.offers.is_empty() {
        world.relay.tally.closed_without_offer += 1;
    }
    let (outcome, settlement_ms) = match auction.taker {
        Taker::FrontEnd(reply) => {
            // A front end that has gone away takes nothing.
            let _ = reply.send(auction.offers);
            return None;
        }
        Taker::Cast { outcome, settlement_ms } => (outcome, settlement_ms),
    };
    let desk = best(demand.exact, &auction.offers).cloned();
    let taken = take(&outcome, demand.exact, auction.fair, desk.as_ref());
    match (taken, desk) {
        (Taken::Desk, Some(offer)) => {
            world.relay.tally.won_by_desk += 1;
            desk_deal(world, demand, offer, &outcome, settlement_ms)
        }
        (Taken::Rival(amount), desk) => {
            world.relay.tally.won_by_rival += 1;
            world.relay.tally.lost_to_rival += u64::from(desk.is_some());
            Some(Deal { maker: Maker::Rival(amount), demand, wait_ms: settlement_ms, fails: false })
        }
        (Taken::Nothing | Taken::Desk, desk) => {
            world.relay.tally.not_taken += u64::from(desk.is_some());
            None
        }
    }
}

fn desk_deal(
    world: &mut World,
    demand: Demand,
    offer: Offer,
    outcome: &Outcome,
    settlement_ms: u64,
) -> Option<Deal> {
    if world.faults.bites(&Fault::NeverSettles) {
        world.relay.tally.never_settled += 1;
        return None;
    }
    let late =
        world.faults.bite(|fault| if let Fault::SettlesLate { by_ms } = fault { Some(*by_ms) } else { None });
    let planned = if let Outcome::SettlesLate { by_ms } = outcome { *by_ms } else { 0 };
    let broken = world.faults.bites(&Fault::SettlementFails);
    Some(Deal {
        maker: Maker::Desk(Box::new(offer)),
        demand,
        wait_ms: settlement_ms.saturating_add(late.unwrap_or(0)).saturating_add(planned),
        fails: broken || *outcome == Outcome::SettlementFails,
    })
}

enum Taken {
    Nothing,
    Desk,
    Rival(u128),
}

fn take(outcome: &Outcome, exact: Exact, fair: Option<u128>, desk: Option<&Offer>) -> Taken {
    match outcome {
        Outcome::DeskWins | Outcome::SettlementFails | Outcome::SettlesLate { .. } => Taken::Desk,
        Outcome::NobodyTakes => Taken::Nothing,
        Outcome::RivalWins => {
            let beaten = desk.map(|offer| slightly_better(exact, offer.amount));
            beaten.or(fair).map_or(Taken::Nothing, Taken::Rival)
        }
        Outcome::ByPrice { accept_bps, rival_bps, publishes } => {
            let Some(fair) = fair.filter(|_| *publishes) else { return Taken::Nothing };
            let acceptable = |amount: &u128| {
                distance_bps(exact, fair, *amount).is_some_and(|bps| bps <= i64::from(*accept_bps))
            };
            let rival = rival_bps.and_then(|bps| offer_at(exact, fair, bps)).filter(acceptable);
            let desk = desk.map(|offer| offer.amount).filter(acceptable);
            match (desk, rival) {
                (None, None) => Taken::Nothing,
                (Some(desk), Some(rival)) if better(exact, rival, desk) => Taken::Rival(rival),
                (Some(_), Some(_) | None) => Taken::Desk,
                (None, Some(rival)) => Taken::Rival(rival),
            }
        }
    }
}

/// One basis point and one unit better for the taker.
fn slightly_better(exact: Exact, amount: u128) -> u128 {
    let step = amount / 10_000 + 1;
    match exact {
        Exact::In(_) => amount.saturating_add(step),
        Exact::Out(_) => amount.saturating_sub(step).max(1),
    }
}
