//! Looking: what became of offers that nobody told us about, and what balances and notices prove.
//!
//! Nothing is ever sent from here.

use super::reactor::{Executor, View};
use crate::service::{ServiceError, following, own, unstartable};
use crate::strategy::readable;
use crate::streams;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{Actor, QuoteHash};
use stele_domain::intents;
use stele_domain::intents::relay::event::SettlementReported;
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
            self.ask(own(who, at, Command::RecordUncertain { command_id, why, at })).await?;
        }
        let relay = streams::relay()?;
        let notices = self.log.read_stream(&relay, Revision(u64::MAX), Direction::Backward, LOOK_BACK).await;
        for recorded in notices.map_err(ServiceError::Log)?.iter().rev().filter_map(readable) {
            let Event::Intents(intents::event::Event::Relay(said)) = &recorded.event else { continue };
            match said {
                intents::relay::Event::SettlementReported(notice) => {
                    self.noticed(who, view, &recorded, notice).await?;
                }
                intents::relay::Event::ReplyReported(reply) => view.replies.keep(&recorded, reply),
                intents::relay::Event::RelayConnected(_)
                | intents::relay::Event::RelayDisconnected(_)
                | intents::relay::Event::FrameRejected(_) => {}
            }
        }
        self.take_replies(who, view).await?;
        let inventory = streams::inventory(&self.account_id)?;
        let balances =
            self.log.read_stream(&inventory, Revision(u64::MAX), Direction::Backward, LOOK_BACK).await;
        let newest = balances.map_err(ServiceError::Log)?.iter().filter_map(readable).find_map(|recorded| {
            if let Event::Treasury(treasury::event::Event::Inventory(
                treasury::inventory::Event::BalancesObserved(fact),
            )) = recorded.event
            {
                Some(self.seen(recorded.event_id, Arc::new(fact)))
            } else {
                None
            }
        });
        view.balances = newest;
        self.refresh_inventory.notify_one();
        Ok(last.next())
    }

    /// Brings the open offers up to new balances; an unexpected drop disarms.
    pub(super) async fn balances(
        &self,
        who: &Actor,
        view: &mut View,
        cause: &Recorded,
        fact: &treasury::inventory::Event,
    ) -> Result<(), ServiceError> {
        let at = self.clock.now();
        match fact {
            treasury::inventory::Event::BalancesObserved(fact) => {
                view.balances = Some(self.seen(cause.event_id, Arc::new(fact.clone())));
                if let Some(block) = fact.blocked.iter().copied().find(|block| by_somebody(*block)) {
                    let reason = format!("the venue would refuse our signature: {}", block.name());
                    let command = Command::Disarm { cause: DisarmCause::VenueBlocked, reason, at };
                    self.ask(following(who, cause, "disarm-on-block", at, command)).await?;
                }
                if fact.nonces.is_empty() {
                    return Ok(());
                }
                let command = Command::ApplyBalances(Box::new(self.apply(view, cause, fact)));
                self.ask(following(who, cause, "apply-balances", at, command)).await
            }
            treasury::inventory::Event::DriftDetected(drift) => match drift.drift {
                Drift::Drop => {
                    let reason = format!(
                        "{} fell to {} at block {}, {} was expected",
                        drift.token, drift.observed, drift.height, drift.expected
                    );
                    let command = Command::Disarm { cause: DisarmCause::UnexpectedDrop, reason, at };
                    self.ask(following(who, cause, "disarm-on-drop", at, command)).await
                }
                Drift::Credit => Ok(()),
            },
            treasury::inventory::Event::InventoryUnavailable(_) => Ok(()),
        }
    }

    fn apply(&self, view: &View, cause: &Recorded, fact: &BalancesObserved) -> ApplyBalances {
        ApplyBalances {
            event_id: cause.event_id,
            height: fact.height,
            block_at: fact.block_at,
            nonces: fact.nonces.clone(),
            tx_hashes: view.notices.tx_hashes.clone(),
            release_margin_ms: self.options.release_margin_ms,
            at: fact.observed_at,
        }
    }

    /// Records what the relay says of one of our offers, and has the balances read: they are the proof.
    pub(super) async fn noticed(
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
        self.ask(following(who, cause, "settlement-word", notice.received_at, command)).await?;
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
