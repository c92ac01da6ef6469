//! The inventory service: reads the verifier at one block, with the nonces of all open offers, and keeps what
//! it says.

use crate::ledger::Ledger;
use crate::observe;
use crate::service::{Board, ServiceError, actor, own, survivable};
use crate::stop::Stop;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::ids::{AccountId, CommandId, TokenId};
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock;
use stele_domain::port::verifier::{Snapshot, SnapshotQuery, Verifier, VerifierError};
use stele_domain::time::Timestamp;
use stele_domain::trading::account::event::SubmissionStarted;
use stele_domain::trading::account::{Account, State as AccountState};
use stele_domain::trading::strategy::command::Running;
use stele_domain::treasury::inventory::Inventory;
use stele_domain::treasury::inventory::command::{Command, OpenOffer};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

/// The service.
pub struct InventoryReader {
    /// The verifier.
    pub verifier: Arc<dyn Verifier>,
    /// Whose balances.
    pub account_id: AccountId,
    /// Which balances.
    pub tokens: Vec<TokenId>,
    /// Our public key, when we have one.
    pub public_key: Option<String>,
    /// The stream of the balances.
    pub ledger: Arc<Ledger<Inventory>>,
    /// The account, for its open offers.
    pub account: Arc<Ledger<Account>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether it may take work.
    pub board: Arc<Board>,
    /// Rung to read now.
    pub refresh: Arc<Notify>,
    /// How often it reads unasked.
    pub every: Duration,
}

/// How often one reading is begun anew because an offer was fixed meanwhile.
const READINGS_MAX: usize = 3;

/// Shortest time between two readings, however often it is asked.
const PAUSE_MIN: Duration = Duration::from_millis(200);

impl InventoryReader {
    /// Runs until it is told to stop.
    pub async fn run(self, mut stop: Stop) -> Result<(), ServiceError> {
        let mut ticks = tokio::time::interval(self.every.max(PAUSE_MIN));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                () = self.refresh.notified() => {}
                _ = ticks.tick() => {}
            }
            if self.board.running(Service::Inventory).await == Running::Running {
                self.read().await?;
            }
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                () = tokio::time::sleep(PAUSE_MIN) => {}
            }
        }
    }

    /// Reads until no offer was fixed before the block without being asked about: its settlement could be in
    /// the balances and would look like a drop that nobody explains. When that happens again and again, the balances are
    /// not known, and why is a fact.
    async fn read(&self) -> Result<(), ServiceError> {
        let mut height = 0;
        for _ in 0..READINGS_MAX {
            let asked = match self.account.look(open_offers).await {
                Ok(asked) => asked,
                Err(failure) => return survivable(Service::Inventory, failure),
            };
            let ids: BTreeSet<CommandId> = asked.iter().map(|(offer, _)| offer.command_id).collect();
            let (asked, nonces) = asked.into_iter().unzip();
            let query = SnapshotQuery {
                account: self.account_id.clone(),
                tokens: self.tokens.clone(),
                public_key: self.public_key.clone(),
                nonces,
            };
            let snapshot = match self.verifier.snapshot(query).await {
                Ok(snapshot) => snapshot,
                Err(error) => return self.keep(self.unavailable(&error)).await,
            };
            let block_at = snapshot.block_at;
            let missed = self.account.look(|state| missed(state, &ids, block_at)).await;
            match missed {
                Ok(false) => return self.keep(self.observed(snapshot, asked)).await,
                Ok(true) => {
                    height = snapshot.height;
                    observe::read_again(height);
                }
                Err(failure) => return survivable(Service::Inventory, failure),
            }
        }
        let reason = format!(
            "an offer was fixed during each of {READINGS_MAX} readings, the last at block {height}: its settlement could be \
             in the balances without an explanation"
        );
        self.keep(Command::Unavailable { reason, at: self.clock.now() }).await
    }

    fn observed(&self, snapshot: Snapshot, asked: Vec<OpenOffer>) -> Command {
        Command::Observe {
            snapshot: Box::new(snapshot),
            asked,
            // Funding actions are not tracked yet: nothing is known to be on its way.
            pending_in: BTreeMap::new(),
            pending_out: BTreeMap::new(),
            signing_key_present: self.public_key.is_some(),
            observed_at: self.clock.now(),
        }
    }

    fn unavailable(&self, error: &VerifierError) -> Command {
        Command::Unavailable { reason: error.to_string(), at: self.clock.now() }
    }

    async fn keep(&self, command: Command) -> Result<(), ServiceError> {
        let who = actor(Service::Inventory)?;
        match self.ledger.handle(own(&who, self.clock.now(), command)).await {
            Ok(_) => Ok(()),
            Err(failure) => survivable(Service::Inventory, failure),
        }
    }
}

/// The open offers and their nonces, those that end first in front. Limits let no more be open than one reading can ask
/// about.
fn open_offers(account: &AccountState) -> Vec<(OpenOffer, String)> {
    let mut open: Vec<_> = account.open().values().map(|offer| &offer.started).collect();
    open.sort_by_key(|started| (started.offer_deadline, started.command_id));
    let question = |started: &Arc<SubmissionStarted>| {
        let offer = OpenOffer {
            command_id: started.command_id,
            give: started.give.clone(),
            receive: started.receive.clone(),
        };
        (offer, started.prepared.nonce.clone())
    };
    open.into_iter().map(question).collect()
}

/// Whether an offer that was fixed before the block was not asked about.
fn missed(account: &AccountState, asked: &BTreeSet<CommandId>, block_at: Timestamp) -> bool {
    account
        .open()
        .values()
        .any(|offer| offer.started.at <= block_at && !asked.contains(&offer.started.command_id))
}
