//! From an offer that is taken to balances that have moved, and the news of it.

use super::broadcast::{FAILED, READY, SETTLED, Status};
use super::request::Demand;
use super::{IntentStatus, Offer};
use crate::clock::{NANOS_PER_MILLI, Nanos};
use crate::faults::Fault;
use crate::nep413::base58;
use crate::verifier::chain::{Receipt, Transaction};
use crate::verifier::engine::{fee_on, gross_for};
use crate::verifier::payload::SignedPayload;
use crate::world::{Shared, World};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// How long the cast's signatures are valid.
const CAST_VALIDITY: Nanos = 120_000 * NANOS_PER_MILLI;

/// Whose offer was taken.
pub(crate) enum Maker {
    Desk(Box<Offer>),
    /// A rival, at this amount; it signs when it settles.
    Rival(u128),
}

/// An offer that was taken.
pub(crate) struct Deal {
    pub(crate) maker: Maker,
    pub(crate) demand: Demand,
    /// Time until the taker has it executed, in milliseconds.
    pub(crate) wait_ms: u64,
    /// The taker turns out to have nothing.
    pub(crate) fails: bool,
}

/// A transaction that waits for its block.
pub(crate) struct Sent {
    /// The offers that it takes up; none when a front end publishes an intent by itself.
    pub(crate) quote_hashes: Vec<String>,
    pub(crate) intent_hash: String,
    /// Whether the offers were a desk's.
    pub(crate) desk: bool,
    pub(crate) receipt: oneshot::Receiver<Receipt>,
}

/// Has a deal executed, and tells everyone.
pub(crate) async fn settle(shared: &Arc<Shared>, deal: Deal) {
    sleep(Duration::from_millis(deal.wait_ms)).await;
    let sent = {
        let mut world = shared.world();
        send(shared, &mut world, deal)
    };
    if let Some(sent) = sent {
        finish(shared, sent).await;
    }
}

/// Waits for the block, and tells everyone.
pub(crate) async fn finish(shared: &Arc<Shared>, sent: Sent) {
    // The sender goes away only when the simulator stops.
    let Ok(receipt) = sent.receipt.await else { return };
    let mut world = shared.world();
    let ok = receipt.result.is_ok();
    let tx_hash = receipt.tx_hash.clone();
    let status = if ok { IntentStatus::Settled(tx_hash) } else { IntentStatus::Failed(tx_hash) };
    remember(shared, &mut world, &sent.intent_hash, &sent.quote_hashes, &status);
    let mut swallowed = false;
    if sent.desk {
        let counter = if ok { &mut world.relay.tally.settled } else { &mut world.relay.tally.settle_failed };
        *counter += 1;
        swallowed = world.faults.bites(&Fault::RelaySwallowsStatus);
    }
    for quote_hash in &sent.quote_hashes {
        let news = Status {
            quote_hash,
            intent_hash: &sent.intent_hash,
            tx_hash: Some(&receipt.tx_hash),
            event_type: if ok { SETTLED } else { FAILED },
        };
        world.relay.send_status(&news, swallowed, &shared.options.relay);
    }
}

/// Signs what is missing and puts the transaction in line. `None` when the amounts cannot be expressed.
fn send(shared: &Arc<Shared>, world: &mut World, deal: Deal) -> Option<Sent> {
    let contract = shared.options.chain.contract.as_str();
    let demand = &deal.demand;
    let (salt, pips) = (world.chain.pending().salt, world.chain.pending().fee_pips);
    let deadline = shared.clock.now() + CAST_VALIDITY;
    let offered = match &deal.maker {
        Maker::Desk(offer) => offer.amount,
        Maker::Rival(amount) => *amount,
    };
    let (receives, gives) = demand.amounts(offered);
    let mut deposits = vec![];
    let desk = matches!(deal.maker, Maker::Desk(_));
    let maker: SignedPayload = match deal.maker {
        Maker::Desk(offer) => offer.signed,
        Maker::Rival(_) => {
            let rival = world.cast.rival();
            deposits.push((rival.account.clone(), demand.token_out.clone(), gives));
            let (plus, minus) = (i128::try_from(receives).ok()?, i128::try_from(gives).ok()?);
            let diff = [(demand.token_in.as_str(), plus), (demand.token_out.as_str(), -minus)];
            world.cast.sign_diff(&rival, contract, salt, deadline, &diff)
        }
    };
    let taker = world.cast.taker();
    let pays = gross_for(receives, pips)?;
    let gets = gives.checked_sub(fee_on(gives, pips))?;
    let (plus, minus) = (i128::try_from(gets).ok()?, i128::try_from(pays).ok()?);
    if !deal.fails {
        deposits.push((taker.account.clone(), demand.token_in.clone(), pays));
    }
    let diff = [(demand.token_in.as_str(), -minus), (demand.token_out.as_str(), plus)];
    let answer = world.cast.sign_diff(&taker, contract, salt, deadline, &diff);
    let quote_hashes = vec![base58(&maker.hash())];
    let intent_hash = base58(&answer.hash());
    let receipt = submit(shared, world, deposits, vec![maker, answer], &quote_hashes, &intent_hash)?;
    Some(Sent { quote_hashes, intent_hash, desk, receipt })
}

/// Puts a transaction in line and says so. `None` when the line is full.
pub(crate) fn submit(
    shared: &Arc<Shared>,
    world: &mut World,
    deposits: Vec<(String, String, u128)>,
    signed: Vec<SignedPayload>,
    quote_hashes: &[String],
    intent_hash: &str,
) -> Option<oneshot::Receiver<Receipt>> {
    let (reply, receipt) = oneshot::channel();
    let hash = world.chain.next_tx_hash();
    let transaction = Transaction { hash: hash.clone(), deposits, signed, reply };
    world.chain.submit(transaction).ok()?;
    remember(shared, world, intent_hash, quote_hashes, &IntentStatus::Broadcast(hash));
    for quote_hash in quote_hashes {
        let news = Status { quote_hash, intent_hash, tx_hash: None, event_type: READY };
        world.relay.send_status(&news, false, &shared.options.relay);
    }
    Some(receipt)
}

fn remember(
    shared: &Shared,
    world: &mut World,
    intent_hash: &str,
    quote_hashes: &[String],
    status: &IntentStatus,
) {
    world.relay.set_status(intent_hash, status.clone());
    if shared.options.relay.status_knows_quote_hashes {
        for quote_hash in quote_hashes {
            world.relay.set_status(quote_hash, status.clone());
        }
    }
}
