//! The reading of balances: what can't be read properly is not known, and why stands in the log.

use crate::desk::{BTC, Desk, EURE, eure, token};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stele_commands::inventory::InventoryReader;
use stele_commands::ledger::Ledger;
use stele_commands::stop::channel;
use stele_commands::streams;
use stele_domain::codec;
use stele_domain::event::Event;
use stele_domain::money::Units;
use stele_domain::operations::service::event::Service;
use stele_domain::port::PortFuture;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::verifier::{Snapshot, SnapshotQuery, Verifier, VerifierError};
use stele_domain::trading::account::event::Event as AccountEvent;
use stele_domain::{trading, treasury};
use tokio::sync::Notify;

/// A verifier that answers properly; an offer is fixed while it is asked, the first so many times.
struct Busy {
    desk: Arc<Desk>,
    offers: u64,
    asked: AtomicU64,
}

impl Verifier for Busy {
    fn snapshot(&self, query: SnapshotQuery) -> PortFuture<'_, Result<Snapshot, VerifierError>> {
        Box::pin(async move {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            if asked < self.offers {
                let order = self.desk.order(&format!("q-{asked}"));
                let command_id = order.command_id;
                self.desk.command(order).await;
                self.desk
                    .until(|event| {
                        matches!(event, Event::Trading(trading::event::Event::Account(
                            AccountEvent::SubmissionStarted(started))) if started.command_id == command_id)
                    })
                    .await;
            }
            Ok(Snapshot {
                height: 200 + asked,
                block_hash: format!("block{asked}"),
                block_at: self.desk.clock.now(),
                balances: [(token(BTC), Units::new(100_000_000)), (token(EURE), eure(10_000))].into(),
                salt: "252812b3".to_owned(),
                fee_pips: 1,
                contract_paused: false,
                account_locked: false,
                key_registered: Some(true),
                nonces_used: query.nonces.iter().map(|_| false).collect(),
                providers: 1,
            })
        })
    }
}

/// What a reader writes down first, on a desk that trades, when that many offers are fixed meanwhile.
async fn first_word(busy: u64) -> (treasury::inventory::Event, u64) {
    let desk = Arc::new(Desk::new());
    let running = desk.execute().await;
    desk.arm().await;
    let before = desk.balances(100, desk.clock.now(), vec![]).await;
    desk.board.start(Service::Inventory, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
    let account = "solver.near".to_owned().try_into().unwrap();
    let verifier = Arc::new(Busy { desk: desk.clone(), offers: busy, asked: AtomicU64::new(0) });
    let reader = InventoryReader {
        verifier: verifier.clone(),
        ledger: Arc::new(Ledger::new(desk.log.clone(), streams::inventory(&account).unwrap())),
        account_id: account,
        tokens: vec![token(BTC), token(EURE)],
        public_key: Some("ed25519:test".to_owned()),
        account: desk.account.clone(),
        clock: desk.clock.clone(),
        board: desk.board.clone(),
        refresh: Arc::new(Notify::new()),
        every: Duration::from_hours(1),
    };
    let (stopper, stop) = channel();
    let task = tokio::spawn(reader.run(stop));
    let word = loop {
        let history = desk.history().await;
        let said = history.into_iter().filter(|recorded| recorded.position > before);
        let of_balances = said.filter_map(|recorded| {
            let Event::Treasury(treasury::event::Event::Inventory(event)) = recorded.event else {
                return None;
            };
            Some(event)
        });
        if let Some(word) = of_balances.into_iter().next() {
            break word;
        }
        tokio::task::yield_now().await;
    };
    stopper.stop();
    task.await.unwrap().unwrap();
    running.stop().await;
    (word, verifier.asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_reading_during_which_an_offer_was_fixed_is_begun_anew() {
    let (word, asked) = first_word(2).await;
    let treasury::inventory::Event::BalancesObserved(fact) = word else { panic!("{word:?}") };
    assert_eq!((fact.height, fact.nonces.len(), asked), (202, 2, 3));
}

#[tokio::test]
async fn when_an_offer_is_fixed_during_every_reading_the_balances_are_not_known_and_why_is_a_fact() {
    let (word, asked) = first_word(3).await;
    let event = Event::Treasury(treasury::event::Event::Inventory(word.clone()));
    assert_eq!(codec::type_of(&event), "treasury.InventoryUnavailable");
    let treasury::inventory::Event::InventoryUnavailable(fact) = word else { panic!("{word:?}") };
    assert!(fact.reason.contains("during each of 3 readings, the last at block 202"), "{}", fact.reason);
    assert_eq!(asked, 3, "it must not ask for ever");
}
