//! Looking: what became of offers that nobody told us about, and what balances and notices prove.
//!
//! Nothing is ever sent from here.

use super::reactor::{Executor, View, note_price};
use crate::service::{ServiceError, following, own, survivable, unstartable};
use crate::strategy::readable;
use crate::streams;
use std::collections::{BTreeMap, VecDeque};
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{Actor, QuoteHash};
use stele_domain::intents;
use stele_domain::intents::relay::event::SettlementReported;
use stele_domain::market;
use stele_domain::operations::service::event::Service;
use stele_domain::port::event_log::{Direction, Position, Revision};
use stele_domain::port::feeds::SettlementWord;
use stele_domain::trading::account::Command;
use stele_domain::trading::account::command::ApplyBalances;
use stele_domain::trading::account::event::DisarmCause;
use stele_domain::trading::account::state::Phase;
use stele_domain::treasury;
use stele_domain::treasury::inventory::event::{BalancesObserved, Drift, VenueBlock};

/// How many transactions are remembered by offer.
const NOTICES_MAX: usize = 4_096;
/// How far back the newest price is looked for at the start.
const PRICES_BACK: usize = 64;
/// How far back notices and balances are looked for at the start.
const LOOK_BACK: usize = 1_024;

/// Transactions that the relay named, by offer.
#[derive(Default)]
pub(super) struct Notices {
    tx_hashes: BTreeMap<QuoteHash, String>,
    order: VecDeque<QuoteHash>,
}

impl Notices {
    fn keep(&mut self, notice: &SettlementReported) {
        let (SettlementWord::Settled, Some(tx_hash)) = (notice.word, &notice.tx_hash) else { return };
        if self.tx_hashes.insert(notice.quote_hash.clone(), tx_hash.clone()).is_none() {
            self.order.push_back(notice.quote_hash.clone());
        }
        while self.order.len() > NOTICES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.tx_hashes.remove(&oldest);
            }
        }
    }
}

impl Executor {
    /// Puts in order what a former process left: offers without a result are unknown until looked up. Gives the
    /// place where orders go on.
    pub(super) async fn recover(&self, who: &Actor, view: &mut View) -> Result<Position, ServiceError> {
        let left = self.account.look(|state| {
            let without_result =
                |offer: &&stele_domain::trading::account::state::OpenOffer| offer.phase == Phase::Started;
            let ids = state.open().values().filter(without_result).map(|offer| offer.started.command_id);
            (ids.collect::<Vec<_>>(), state.last_command())
        });
        let (left, last) = left.await.map_err(unstartable)?;
        for command_id in left {
            let at = self.clock.now();
            let why = "the process ended before a result was recorded".to_owned();
            self.tell(view, own(who, at, Command::RecordUncertain { command_id, why, at })).await?;
        }
        let relay = streams::relay()?;
        let notices = self.log.read_stream(&relay, Revision(u64::MAX), Direction::Backward, LOOK_BACK).await;
        for recorded in notices
            .map_err(ServiceError::Log)?
            .iter()
            .rev()
            .filter_map(|record| readable(Service::Executor.name(), record))
        {
            if let Event::Intents(intents::event::Event::Relay(said)) = &recorded.event {
                self.heard(who, view, &recorded, said).await?;
            }
        }
        let inventory = streams::inventory(&self.account_id)?;
        let balances =
            self.log.read_stream(&inventory, Revision(u64::MAX), Direction::Backward, LOOK_BACK).await;
        for recorded in balances
            .map_err(ServiceError::Log)?
            .iter()
            .filter_map(|record| readable(Service::Executor.name(), record))
        {
            if let Event::Treasury(treasury::event::Event::Inventory(
                treasury::inventory::Event::BalancesObserved(fact),
            )) = &recorded.event
            {
                self.note_balances(view, &recorded, fact);
                break;
            }
        }
        let prices = streams::price(&self.pair.id)?;
        let newest =
            self.log.read_stream(&prices, Revision(u64::MAX), Direction::Backward, PRICES_BACK).await;
        for record in newest.map_err(ServiceError::Log)?.iter().rev() {
            let Some(recorded) = readable(Service::Executor.name(), record) else { continue };
            if let Event::Market(market::event::Event::Reference(fact)) = &recorded.event {
                note_price(view, &recorded, fact);
            }
        }
        self.refresh_inventory.notify_one();
        Ok(last.next())
    }

    /// Brings the open offers up to new balances; an unexpected drop disarms, and so does a venue that somebody set
    /// against us. What stands before the lease does not: the lease disarmed, and whoever armed since could see it.
    pub(super) async fn balances(
        &self,
        who: &Actor,
        view: &mut View,
        cause: &Recorded,
        fact: &treasury::inventory::Event,
    ) -> Result<(), ServiceError> {
        let at = self.clock.now();
        let before_the_lease = cause.position < view.lead.since;
        match fact {
            treasury::inventory::Event::BalancesObserved(fact) => {
                self.note_balances(view, cause, fact);
                let block = fact.blocked.iter().copied().find(|block| by_somebody(*block));
                if let Some(block) = block.filter(|_| !before_the_lease) {
                    let reason = format!("the venue would refuse our signature: {}", block.name());
                    let command = Command::Disarm { cause: DisarmCause::VenueBlocked, reason, at };
                    self.tell(view, following(who, cause, "disarm-on-block", at, command)).await?;
                }
                if fact.nonces.is_empty() {
                    return Ok(());
                }
                let tx_hashes = self.tx_hashes(view, fact).await?;
                let command = Command::ApplyBalances(Box::new(self.apply(tx_hashes, cause, fact)));
                self.tell(view, following(who, cause, "apply-balances", at, command)).await
            }
            treasury::inventory::Event::DriftDetected(drift) => match drift.drift {
                Drift::Drop if before_the_lease => Ok(()),
                Drift::Drop => {
                    let reason = format!(
                        "{} fell to {} at block {}, {} was expected",
                        drift.token, drift.observed, drift.height, drift.expected
                    );
                    let command = Command::Disarm { cause: DisarmCause::UnexpectedDrop, reason, at };
                    self.tell(view, following(who, cause, "disarm-on-drop", at, command)).await
                }
                Drift::Credit => Ok(()),
            },
            treasury::inventory::Event::InventoryUnavailable(_) => Ok(()),
        }
    }

    /// The transactions of the offers that were executed by that block, as far as the relay named them.
    async fn tx_hashes(
        &self,
        view: &View,
        fact: &BalancesObserved,
    ) -> Result<BTreeMap<QuoteHash, String>, ServiceError> {
        let notices = &view.notices.tx_hashes;
        if notices.is_empty() || !fact.nonces.iter().any(|seen| seen.used) {
            return Ok(BTreeMap::new());
        }
        let named = self.account.look(|state| {
            let executed = fact.nonces.iter().filter(|seen| seen.used);
            let offers = executed.filter_map(|seen| state.open().get(&seen.command_id));
            let named = offers.filter_map(|offer| notices.get_key_value(&offer.started.prepared.quote_hash));
            named.map(|(offer, tx_hash)| (offer.clone(), tx_hash.clone())).collect()
        });
        match named.await {
            Ok(named) => Ok(named),
            // Whoever can't tell which of them are open gives all.
            Err(failure) => survivable(Service::Executor, failure).map(|()| notices.clone()),
        }
    }

    fn apply(
        &self,
        tx_hashes: BTreeMap<QuoteHash, String>,
        cause: &Recorded,
        fact: &BalancesObserved,
    ) -> ApplyBalances {
        ApplyBalances {
            event_id: cause.event_id,
            height: fact.height,
            block_at: fact.block_at,
            nonces: fact.nonces.clone(),
            tx_hashes,
            release_margin_ms: self.options.release_margin_ms,
            at: fact.observed_at,
        }
    }

    /// Takes in what the relay's stream says.
    pub(super) async fn heard(
        &self,
        who: &Actor,
        view: &mut View,
        cause: &Recorded,
        said: &intents::relay::Event,
    ) -> Result<(), ServiceError> {
        match said {
            intents::relay::Event::SettlementReported(notice) => self.noticed(who, view, cause, notice).await,
            intents::relay::Event::ReplyReported(reply) => {
                view.replies.keep(cause, reply);
                self.take_replies(who, view).await
            }
            intents::relay::Event::RelayConnected(_)
            | intents::relay::Event::RelayDisconnected(_)
            | intents::relay::Event::FrameRejected(_) => Ok(()),
        }
    }

    /// Records what the relay says of one of our offers, and has the balances read: they are the proof.
    async fn noticed(
        &self,
        who: &Actor,
        view: &mut View,
        cause: &Recorded,
        notice: &SettlementReported,
    ) -> Result<(), ServiceError> {
        view.notices.keep(notice);
        let command = Command::RecordSettlementWord {
            quote_hash: notice.quote_hash.clone(),
            word: notice.word,
            tx_hash: notice.tx_hash.clone(),
            at: notice.received_at,
        };
        self.tell(view, following(who, cause, "settlement-word", notice.received_at, command)).await?;
        self.refresh_inventory.notify_one();
        Ok(())
    }
}

/// Whether somebody did that to our account, who must be asked why before trading goes on. What the venue does to
/// everybody passes, and so does a key that is not loaded here: the gates shut for as long.
fn by_somebody(block: VenueBlock) -> bool {
    match block {
        VenueBlock::KeyNotRegistered | VenueBlock::AccountLocked => true,
        VenueBlock::NoSigningKey | VenueBlock::ContractPaused => false,
    }
}
