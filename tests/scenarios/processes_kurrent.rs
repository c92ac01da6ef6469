//! A desk in several processes with the KurrentDB protocol between them, by the official client: what holds over our own
//! wire holds over this one. Neither can append to several streams at once, and no rule of safety misses it.

use crate::crashes::Trading;
use crate::scene::{Fleet, Member, Setup, selling};
use stele_api::client::new_key;
use stele_api::dto::Arming;
use stele_simulator::Outcome;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_over_the_kurrentdb_protocol_trades_and_waits_for_an_owner_that_is_gone() {
    let mut fleet = Fleet::armed_over_kurrent(Setup::default()).await;
    let first = fleet.scene.asks(selling(Outcome::DeskWins));
    let story = fleet.scene.becomes(&first, "settled").await;
    assert_eq!(
        (story.decisions(), story.commands(), story.reservation()),
        (1, 1, "released"),
        "{}",
        story.brief()
    );
    fleet.restart(Member::Front).await;
    fleet.restart(Member::Owner).await;
    for member in [Member::Strategy, Member::Executor] {
        assert!(fleet.member(member).runs(), "{member:?} has ended:\n{}", fleet.last_words());
    }
    let next = fleet.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    fleet.scene.becomes(&next, "settled").await;
    assert_eq!(fleet.scene.account().await.arming, Arming::Armed, "nobody had a new lease");
    fleet.scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_over_the_kurrentdb_protocol_stops_the_executor_of_another_process() {
    let fleet = Fleet::armed_over_kurrent(Setup::default()).await;
    let traffic = Trading::begin(&fleet.scene);
    fleet.scene.until("trading", async || (fleet.scene.offers() >= 5).then_some(())).await;
    let killed = fleet.scene.client.kill(new_key(), "a scenario").await.expect("a kill").answer;
    assert!(killed.fenced, "{killed:?}\n{}", fleet.last_words());
    let sent = fleet.scene.offers();
    let decided = async || {
        let skipped = fleet.scene.client.status().await.ok()?.counters?.skipped;
        (skipped.get("killed").copied().unwrap_or(0) >= 10).then_some(())
    };
    fleet.scene.until("ten requests were decided after the kill", decided).await;
    traffic.end();
    assert_eq!(fleet.scene.offers(), sent, "a frame came after the kill");
    // What only an embedded log can tell is refused in words, and nothing else suffers from it.
    let refused = fleet.scene.client.log_stat().await.expect_err("numbers of a log that counts by itself");
    assert!(refused.to_string().contains("KurrentDB"), "{refused}");
    assert!(fleet.scene.client.checkpoint().await.is_err());
    fleet.scene.at_most_once().await;
}
