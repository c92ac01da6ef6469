//! What the relay says of settlements: of ours nothing is lost, and nothing of others is kept.

use crate::desk::{Desk, HandClock, Running, start};
use crate::feed::{Feed, ingest};
use crate::moody::Moody;
use std::sync::Arc;
use stele_commands::service::ServiceError;
use stele_commands::stop::{Stopper, channel};
use stele_domain::event::{Event, Recorded};
use stele_domain::ids::{CorrelationId, QuoteHash};
use stele_domain::intents;
use stele_domain::intents::relay::event::SettlementReported;
use stele_domain::operations::service::Command as ServiceCommand;
use stele_domain::operations::service::event::Service;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::feeds::{RelayNews, RelayWord, SettlementNotice, SettlementWord};
use stele_domain::treasury::inventory::event::NonceSeen;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A desk that trades and has one offer out, and its ingest service.
struct Scene {
    desk: Desk,
    log: Arc<Moody>,
    executor: Running,
    tell: mpsc::Sender<RelayNews>,
    stopper: Stopper,
    ingest: JoinHandle<Result<(), ServiceError>>,
}

impl Scene {
    async fn with_an_offer_on(quote: &str) -> Self {
        let clock: Arc<HandClock> = HandClock::at(start());
        let log = Arc::new(Moody::new(&clock));
        let desk = Desk::on(log.clone(), clock);
        let executor = desk.execute().await;
        desk.arm().await;
        desk.balances(100, desk.clock.now(), vec![]).await;
        desk.command(desk.order(quote)).await;
        desk.until_type("trading.SubmissionAccepted").await;
        desk.board.start(Service::Ingest, "test", "desk-1", desk.clock.as_ref()).await.unwrap();
        let (tell, feed) = Feed::new();
        let (stopper, stop) = channel();
        let ingest = tokio::spawn(ingest(&desk, feed).run(stop));
        // What a start says of the process before it is out of the way.
        desk.until_type("intents.RelayDisconnected").await;
        Self { desk, log, executor, tell, stopper, ingest }
    }

    async fn say(&self, quote: &str, word: SettlementWord) {
        let quote_hash = hash(&self.desk, quote);
        let tx_hash = Some(format!("tx-{quote}"));
        let notice = SettlementNotice { quote_hash, intent_hash: None, tx_hash, word };
        let raw = format!("{quote} {word:?}");
        let bytes = u64::try_from(raw.len()).unwrap();
        let word = RelayWord::Settlement(notice);
        self.tell.send(RelayNews::Frame { raw, bytes, received_at: start(), word }).await.unwrap();
    }

    /// What stands of settlements when that of `quote` does.
    async fn until_reported(&self, quote: &str) -> Vec<(Recorded, SettlementReported)> {
        let wanted = hash(&self.desk, quote);
        self.desk.until(|event| settlement(event).is_some_and(|fact| fact.quote_hash == wanted)).await;
        let history = self.desk.history().await.into_iter();
        let facts = history.filter_map(|recorded| {
            let fact = settlement(&recorded.event)?.clone();
            Some((recorded, fact))
        });
        facts.collect()
    }

    async fn end(self) {
        self.executor.stop().await;
        self.stopper.stop();
        self.ingest.await.unwrap().unwrap();
    }
}

fn hash(desk: &Desk, quote: &str) -> QuoteHash {
    QuoteHash::try_from(format!("hash-{}", desk.order(quote).command_id)).unwrap()
}

fn settlement(event: &Event) -> Option<&SettlementReported> {
    let Event::Intents(intents::event::Event::Relay(intents::relay::Event::SettlementReported(fact))) = event
    else {
        return None;
    };
    Some(fact)
}

#[tokio::test]
async fn a_settlement_that_failed_while_the_disk_was_full_is_the_result_as_soon_as_there_is_room() {
    let scene = Scene::with_an_offer_on("q-1").await;
    scene.log.fill(true);
    scene.say("q-1", SettlementWord::Failed).await;
    while scene.log.refused() < 2 {
        tokio::task::yield_now().await;
    }
    scene.log.fill(false);
    // Nothing more is said: it comes by itself.
    let recorded = scene.desk.until_type("trading.SubmissionSettleFailed").await;
    assert!(recorded.meta.causation_id.is_some());
    assert_eq!(scene.until_reported("q-1").await.len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_settlement_waits_for_a_log_that_can_t_even_say_whose_it_is() {
    let scene = Scene::with_an_offer_on("q-1").await;
    scene.log.leave(true);
    scene.say("of somebody else", SettlementWord::Settled).await;
    scene.say("q-1", SettlementWord::Settled).await;
    let before = scene.log.asked_in_vain();
    while scene.log.asked_in_vain() < before + 3 {
        tokio::task::yield_now().await;
    }
    scene.log.leave(false);
    let facts = scene.until_reported("q-1").await;
    assert_eq!(facts.len(), 1, "what the relay says of others is no fact of ours");
    scene.end().await;
}

#[tokio::test]
async fn a_settlement_is_kept_while_the_ingest_is_paused_and_in_its_quotes_story() {
    let scene = Scene::with_an_offer_on("q-1").await;
    let desk = &scene.desk;
    let at = desk.clock.now();
    let pause = ServiceCommand::Pause { service: Service::Ingest, reason: "test".to_owned(), at };
    desk.board.switch(Service::Ingest).unwrap().handle(desk.wish(pause)).await.unwrap();
    scene.say("q-1", SettlementWord::Failed).await;
    desk.until_type("trading.SubmissionSettleFailed").await;
    let facts = scene.until_reported("q-1").await;
    let (recorded, fact) = &facts[0];
    assert_eq!(fact.tx_hash.as_deref(), Some("tx-q-1"));
    assert_eq!(recorded.meta.correlation_id, CorrelationId::of_quote(&desk.order("q-1").quote_id));
    scene.end().await;
}

#[tokio::test]
async fn a_settlement_that_a_block_showed_before_the_relay_spoke_of_it_keeps_its_transaction() {
    let scene = Scene::with_an_offer_on("q-1").await;
    let desk = &scene.desk;
    let used = vec![NonceSeen { command_id: desk.order("q-1").command_id, used: true }];
    desk.balances(101, desk.clock.now(), used).await;
    desk.until_type("trading.ReservationReleased").await;
    scene.say("q-1", SettlementWord::Settled).await;
    // Said twice, as after a reconnection, and of an offer that was never ours.
    scene.say("never ours", SettlementWord::Settled).await;
    scene.say("q-1", SettlementWord::Settled).await;
    scene.say("q-1", SettlementWord::Failed).await;
    desk.until(|event| settlement(event).is_some_and(|fact| fact.word == SettlementWord::Failed)).await;
    let said: Vec<_> = scene.until_reported("q-1").await.into_iter().map(|(_, fact)| fact.word).collect();
    assert_eq!(said, [SettlementWord::Settled, SettlementWord::Failed]);
    let types = desk.account_types().await;
    assert!(!types.contains(&"trading.SubmissionSettleFailed"), "the block has proved what became of it");
    scene.end().await;
}
