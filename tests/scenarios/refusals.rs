//! Row 23: what changes between a decision and its sending, and what on chain would refuse our signature.

use crate::scene::{ACCOUNT, Fleet, Member, Scene, Setup, selling, text};
use serde_json::json;
use stele_api::client::new_key;
use stele_api::dto::Arming;
use stele_simulator::{Action, Outcome, ScriptedQuote};

fn quote() -> ScriptedQuote {
    selling(Outcome::NobodyTakes)
}

/// Decisions are refused for what the chain would refuse, an alert says so, and when it is over both end.
async fn refuses(scene: &Scene, action: Action, undo: Action, reason: &str) {
    scene.does(action);
    scene.until_refused(quote, reason).await.is_refused_for(reason);
    scene.alert("execution_blocked", true).await;
    let before = scene.offers();
    scene.decided(&scene.asks(quote())).await.is_refused_for(reason);
    assert_eq!(scene.offers(), before, "an offer was sent");
    scene.does(undo);
    scene.alert("execution_blocked", false).await;
    scene.until_acted(quote).await;
    scene.at_most_once().await;
}

/// What somebody did to the account itself ends the arming, and every decision says why; when it is undone, a person
/// arms again.
async fn disarms(scene: &Scene, action: Action, undo: Action, reason: &str) {
    scene.does(action);
    scene.alert("execution_blocked", true).await;
    let disarmed = async || (scene.account().await.arming == Arming::Disarmed).then_some(());
    scene.until("the desk is disarmed", disarmed).await;
    let why = scene.events("trading.Disarmed").await;
    assert_eq!(why.first().map(|event| text(event, "cause")), Some("venue_blocked"), "{why:?}");
    let before = scene.offers();
    let story = scene.decided(&scene.asks(quote())).await;
    story.is_refused_for("disarmed");
    assert_eq!(story.gate("venue_ready"), &json!({ "deny": reason }), "{}", story.brief());
    assert_eq!(scene.offers(), before, "an offer was sent");
    scene.does(undo);
    scene.alert("execution_blocked", false).await;
    assert_eq!(scene.account().await.arming, Arming::Disarmed, "it is armed by persons only");
    scene.arm().await;
    scene.until_acted(quote).await;
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_a_key_that_was_removed_on_chain_refuses() {
    let scene = Scene::armed(Setup::default()).await;
    let (account, public_key) = (ACCOUNT.to_owned(), scene.public_key.clone());
    let removed = Action::RemoveKey { account: account.clone(), public_key: public_key.clone() };
    disarms(&scene, removed, Action::AddKey { account, public_key }, "key_not_registered").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_a_locked_account_refuses() {
    let scene = Scene::armed(Setup::default()).await;
    let locked = |locked| Action::LockAccount { account: ACCOUNT.to_owned(), locked };
    disarms(&scene, locked(true), locked(false), "account_locked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_a_paused_contract_refuses() {
    let scene = Scene::armed(Setup::default()).await;
    refuses(
        &scene,
        Action::PauseContract { paused: true },
        Action::PauseContract { paused: false },
        "contract_paused",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_an_order_that_meets_a_disarmed_account_is_refused_with_a_result_row() {
    let setup = Setup::default().limited(|limits| limits.command_age_ms_max = 600_000);
    let mut fleet = Fleet::armed(setup).await;
    // Nobody carries orders out, so that the disarming falls between the decision and its sending.
    fleet.executor.kill().await;
    let id = fleet.scene.until_acted(|| quote().with("max_wait_ms", 600_000)).await;
    fleet.scene.client.disarm(new_key(), "a scenario").await.expect("a disarming");
    fleet.start(Member::Executor);
    let scene = &fleet.scene;
    let story = scene.becomes(&id, "refused").await;
    story.ended("refused", "none", &["refused"]);
    assert_eq!(text(story.result(), "refusal"), "disarmed");
    assert_eq!(scene.offers(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_an_order_that_meets_a_paused_executor_is_refused_with_a_result_row() {
    let scene = Scene::armed(Setup::default()).await;
    scene.client.pause(new_key(), "executor", "a scenario").await.expect("a pause");
    let id = scene.until_acted(quote).await;
    let story = scene.becomes(&id, "refused").await;
    story.ended("refused", "none", &["refused"]);
    assert_eq!(text(story.result(), "refusal"), "paused");
    scene.client.resume(new_key(), "executor", "a scenario").await.expect("a resumption");
    scene.becomes(&scene.asks(quote()), "accepted").await;
    assert_eq!(scene.at_most_once().await.journal.quote_response_frames, 1);
}
