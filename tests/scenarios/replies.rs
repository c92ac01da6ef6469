//! Rows 11 and 12, continued: a relay that answers an offer twice, or after the desk gave up waiting. What it says last
//! is kept, what holds is shown by a block, and nothing is sent again.

use crate::scene::{Fleet, Member, Scene, Setup, selling, text};
use stele_simulator::{Fault, Outcome};

/// A validity so short that an offer that nobody takes expires soon, in milliseconds.
const SHORT_MS: u64 = 300;

/// Taken by the relay, disowned by the relay, and executed all the same.
const DISOWNED_AND_SETTLED: [&str; 5] = ["started", "accepted", "uncertain", "settled", "released"];

/// Fails unless the log holds exactly one contradiction: this word first, and then that one.
async fn contradicted_once(scene: &Scene, before: &str, then: &str) {
    let contradictions = scene.events("trading.ReplyContradicted").await;
    let [fact] = contradictions.as_slice() else { panic!("{contradictions:?}") };
    assert_eq!(text(fact, "before"), before, "{fact}");
    let reports = scene.events("intents.ReplyReported").await;
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!((text(report, "word"), &report["reply"]), (then, &fact["reply"]), "{report}");
    let unreadable = scene.events("intents.FrameRejected").await;
    assert!(unreadable.is_empty(), "{unreadable:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_a_yes_that_is_taken_back_leaves_the_coin_reserved_until_the_settlement_is_seen() {
    let scene = Scene::armed(Setup::default()).await;
    scene.breaks_once(Fault::RelayContradicts { after_ms: 100 });
    let id = scene.asks(selling(Outcome::SettlesLate { by_ms: 2_000 }));
    let held = scene.becomes(&id, "uncertain").await;
    held.ended("uncertain", "held", &["started", "accepted", "uncertain"]);
    assert_eq!(text(held.result(), "answer"), "accepted", "the first answer stays the answer");
    let detail = text(held.result(), "detail");
    assert!(detail.contains("had said accepted") && detail.contains("rejected"), "{}", held.brief());
    assert_eq!(scene.account().await.uncertain_offers, 1);

    let story = scene.becomes(&id, "settled").await;
    story.ended("settled", "released", &DISOWNED_AND_SETTLED);
    assert_eq!(text(story.result(), "release_cause"), "settled");
    assert!(story.command().is_some_and(|command| command.proof.is_some()), "{}", story.brief());
    contradicted_once(&scene, "accepted", "rejected").await;
    assert_eq!(scene.account().await.uncertain_offers, 0);
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_a_no_that_becomes_a_yes_is_open_until_the_deadline_has_passed() {
    let scene = Scene::armed(Setup::default()).await;
    scene.breaks_once(Fault::RelayRejects { text: "insufficient balance".to_owned() });
    // Both frames at once: the second may overtake the record of the first, and is still the second.
    scene.breaks_once(Fault::RelayContradicts { after_ms: 0 });
    let id = scene.asks(selling(Outcome::DeskWins).with("min_deadline_ms", SHORT_MS));
    let story = scene.released(&id).await;
    let steps = ["started", "rejected", "uncertain", "expired_unfilled", "released"];
    story.ended("expired_unfilled", "released", &steps);
    assert_eq!(text(story.result(), "release_cause"), "deadline_passed");
    contradicted_once(&scene, "rejected", "accepted").await;
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_a_reply_that_is_repeated_is_kept_and_changes_nothing() {
    let scene = Scene::armed(Setup::default()).await;
    scene.breaks_once(Fault::RelayRepeatsReply { after_ms: 0 });
    let id = scene.asks(selling(Outcome::SettlesLate { by_ms: 500 }));
    let kept = async || (!scene.events("intents.ReplyReported").await.is_empty()).then_some(());
    scene.until("the second reply on the log", kept).await;
    let story = scene.becomes(&id, "settled").await;
    story.ended("settled", "released", &["started", "accepted", "settled", "released"]);
    assert!(scene.events("trading.ReplyContradicted").await.is_empty());
    assert!(scene.events("intents.FrameRejected").await.is_empty());
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_12_a_reply_after_the_desks_patience_ends_the_doubt() {
    let scene = Scene::armed(Setup::default().with("relay.reply_ms_max", 200)).await;
    scene.breaks_once(Fault::RelayRepliesLate { by_ms: 900 });
    let id = scene.asks(selling(Outcome::SettlesLate { by_ms: 2_500 }));
    let story = scene.becomes(&id, "settled").await;
    story.ended("settled", "released", &["started", "uncertain", "accepted", "settled", "released"]);
    assert_eq!(text(story.result(), "answer"), "accepted");
    assert!(scene.events("trading.ReplyContradicted").await.is_empty());
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_a_restart_neither_loses_nor_repeats_a_contradiction() {
    let mut scene = Scene::armed(Setup::default()).await;
    scene.breaks_once(Fault::RelayContradicts { after_ms: 100 });
    let id = scene.asks(selling(Outcome::SettlesLate { by_ms: 6_000 }).with("min_deadline_ms", 60_000));
    scene.becomes(&id, "uncertain").await;
    scene.restart().await;
    let held = scene.story(&id, "told", |story| story.state() == "uncertain").await;
    held.ended("uncertain", "held", &["started", "accepted", "uncertain"]);
    scene.becomes(&id, "settled").await.ended("settled", "released", &DISOWNED_AND_SETTLED);
    contradicted_once(&scene, "accepted", "rejected").await;
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_an_executor_in_a_process_of_its_own_hears_a_contradiction_too() {
    let mut fleet = Fleet::armed(Setup::default()).await;
    fleet.scene.breaks_once(Fault::RelayContradicts { after_ms: 100 });
    let id = fleet.scene.asks(selling(Outcome::SettlesLate { by_ms: 2_000 }));
    let held = fleet.scene.becomes(&id, "uncertain").await;
    held.ended("uncertain", "held", &["started", "accepted", "uncertain"]);
    fleet.scene.becomes(&id, "settled").await.ended("settled", "released", &DISOWNED_AND_SETTLED);
    contradicted_once(&fleet.scene, "accepted", "rejected").await;
    assert!(fleet.member(Member::Executor).runs(), "{}", fleet.last_words());
    fleet.scene.at_most_once().await;
}
