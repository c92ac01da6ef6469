//! Rows 10 and 20, and a kill: processes that end in the middle of their work.

use crate::scene::{Fleet, Member, Scene, Setup, run_to_end, selling, text};
use std::time::Duration;
use stele_api::client::new_key;
use stele_api::dto::{Arming, Status};
use stele_simulator::{Fault, Outcome, ScriptedQuote};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A validity so short that an offer that nobody takes expires soon, in milliseconds.
const SHORT_MS: u64 = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_a_crash_after_the_send_and_before_the_reply_is_looked_up_and_settles() {
    let mut scene = Scene::armed(Setup::default().with("relay.reply_ms_max", 60_000)).await;
    scene.breaks_once(Fault::RelaySwallowsReply { processed: true });
    let id = scene.asks(selling(Outcome::SettlesLate { by_ms: 500 }));
    scene.until("the offer is out", async || (scene.offers() == 1).then_some(())).await;
    scene.restart().await;
    let story = scene.becomes(&id, "settled").await;
    story.ended("settled", "released", &["started", "uncertain", "settled", "released"]);
    assert_eq!(scene.at_most_once().await.journal.quote_response_frames, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_a_crash_around_an_offer_that_was_lost_is_looked_up_and_expires() {
    let mut scene = Scene::armed(Setup::default().with("relay.reply_ms_max", 60_000)).await;
    scene.breaks_once(Fault::RelaySwallowsReply { processed: false });
    let id = scene.asks(selling(Outcome::DeskWins).with("min_deadline_ms", SHORT_MS));
    scene.until("the offer is out", async || (scene.offers() == 1).then_some(())).await;
    scene.restart().await;
    let story = scene.released(&id).await;
    story.ended("expired_unfilled", "released", &["started", "uncertain", "expired_unfilled", "released"]);
    assert_eq!(scene.at_most_once().await.journal.quote_response_frames, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_a_crash_as_soon_as_the_reply_is_out_repeats_nothing() {
    let mut scene = Scene::armed(Setup::default()).await;
    let mut ids = vec![];
    for round in 1..=4_u64 {
        ids.push(scene.asks(selling(Outcome::DeskWins)));
        // The reply stands in the journal before the desk can have recorded it.
        scene.until("the reply is out", async || (replies(&scene) >= round).then_some(())).await;
        scene.restart().await;
        assert_eq!(scene.account().await.arming, Arming::Disarmed, "a restarted desk is armed");
        scene.becomes(&ids[ids.len() - 1], "settled").await;
        scene.arm().await;
    }
    for id in &ids {
        let story = scene.becomes(id, "settled").await;
        assert_eq!(
            (story.decisions(), story.commands(), story.reservation()),
            (1, 1, "released"),
            "{}",
            story.brief()
        );
        assert_eq!(story.steps().iter().filter(|step| **step == "settled").count(), 1, "{}", story.brief());
    }
    assert_eq!(scene.at_most_once().await.journal.quote_response_frames, 4);
}

/// How many offers the relay said OK to.
fn replies(scene: &Scene) -> u64 {
    let count = scene.relay_said("\"OK\"").len();
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_kills_at_any_moment_of_trading_never_send_an_offer_twice_and_leave_nothing_unresolved() {
    // Milliseconds after the next offer has come in; spread over appends, sends, replies and blocks.
    const MOMENTS_MS: [u64; 8] = [0, 1, 3, 7, 15, 40, 90, 200];
    let mut scene = Scene::armed(Setup::default()).await;
    let traffic = Trading::begin(&scene);
    // `ops/test --long` goes on for five times as long.
    let rounds = if std::env::var_os("STELE_LONG").is_some() { 5 } else { 1 };
    for after_ms in MOMENTS_MS.repeat(rounds) {
        let before = scene.offers();
        scene.until("an offer", async || (scene.offers() > before).then_some(())).await;
        sleep(Duration::from_millis(after_ms)).await;
        scene.restart().await;
        scene.arm().await;
    }
    traffic.end();
    let status = all_ended(&scene).await;
    let counters = status.from_tables().expect("tables").counters;
    let summary = scene.at_most_once().await;
    assert!(summary.journal.quote_response_frames >= 8 && summary.auctions.settled > 0, "{summary:?}");
    assert_eq!(Some(&summary.auctions.settled), counters.results.get("settled"), "{counters:?}");
    scene.desk.stop().await;
    let verified = run_to_end(&["log", "verify", "--config", &scene.desk.config().to_string_lossy()]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// Waits until every command has come to its end and no offer is open; the status of then.
pub async fn all_ended(scene: &Scene) -> Status {
    const ENDED: [&str; 7] =
        ["refused", "expired", "abandoned", "rejected", "settled", "settle_failed", "expired_unfilled"];
    let ended = async || {
        let status = scene.client.status().await.ok()?;
        let counters = status.from_tables()?.counters;
        let ended = counters.results.iter().filter(|(state, _)| ENDED.contains(&state.as_str()));
        let all = ended.map(|(_, count)| count).sum::<u64>() == counters.commands;
        (status.account.open_offers.is_empty() && all).then_some(status)
    };
    scene.until("an end of every command, and nothing open", ended).await
}

/// Takers who ask all the time.
pub struct Trading(JoinHandle<()>);

impl Trading {
    pub fn begin(scene: &Scene) -> Self {
        let world = scene.world.clone();
        let outcomes =
            [Outcome::DeskWins, Outcome::NobodyTakes, Outcome::SettlementFails, Outcome::RivalWins];
        Self(tokio::spawn(async move {
            for outcome in outcomes.into_iter().cycle() {
                let small = selling(outcome)
                    .with("min_deadline_ms", SHORT_MS)
                    .with("exact_amount_in", "20000000000000000000");
                if world.quote(small).is_err() {
                    return;
                }
                sleep(Duration::from_millis(40)).await;
            }
        }))
    }

    pub fn end(self) {
        self.0.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_20_a_backlog_of_old_commands_meets_a_disarmed_desk_and_expires() {
    let mut fleet = Fleet::armed(Setup::default().limited(|limits| limits.command_age_ms_max = 1)).await;
    // A desk that decides and does not execute leaves commands behind.
    fleet.executor.kill().await;
    let mut ids = vec![];
    for _ in 0..5 {
        ids.push(fleet.scene.until_acted(|| short_window(Outcome::DeskWins)).await);
    }
    fleet.start(Member::Executor);
    let scene = &fleet.scene;
    let disarmed = async || (scene.account().await.arming == Arming::Disarmed).then_some(());
    scene.until("the new lease begins disarmed", disarmed).await;
    for id in &ids {
        scene.becomes(id, "expired").await.ended("expired", "none", &["expired"]);
    }
    assert_eq!(scene.offers(), 0);
    scene.arm().await;
    let next = scene.asks(selling(Outcome::DeskWins));
    scene.decided(&next).await;
    for id in &ids {
        assert_eq!(scene.story(id, "told", |_| true).await.state(), "expired");
    }
    let summary = scene.at_most_once().await;
    assert!(summary.journal.quote_response_frames <= 1, "{summary:?}");
}

fn short_window(outcome: Outcome) -> ScriptedQuote {
    selling(outcome).with("max_wait_ms", 5_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_answer_to_a_kill_no_frame_enters_the_journal() {
    let scene = Scene::armed(Setup::default()).await;
    let traffic = Trading::begin(&scene);
    scene.until("trading", async || (scene.offers() >= 10).then_some(())).await;
    let killed = scene.client.kill(new_key(), "a scenario").await.expect("a kill").answer;
    assert!(killed.fenced, "{killed:?}");
    let kill = killed.log_position.expect("the kill's place");
    scene.client.at_least(kill).status().await.expect("tables that know of the kill");
    // What left before the answer has a reply or gets none; then the journal has every frame there will ever be.
    let on_its_way = async || scene.rows("results", &[("state", "started")]).await;
    scene.until("a result of every offer", async || on_its_way().await.is_empty().then_some(())).await;
    let sent = scene.offers();
    let decided = async |count: u64| {
        let skipped = scene.client.status().await.ok()?.counters?.skipped;
        (skipped.get("killed").copied().unwrap_or(0) >= count).then_some(())
    };
    scene.until("thirty requests were decided after the kill", async || decided(30).await).await;
    traffic.end();
    assert_eq!(scene.offers(), sent, "a frame came after the kill");
    for row in scene.rows("results", &[]).await {
        let before = row["position"].as_u64() < Some(kill);
        assert!(before || text(&row, "refusal") == "killed", "taken up after the kill: {row}");
    }
    for signature in &killed.open_signatures {
        let row = scene.row("results", &[("command_id", &signature.command_id.to_string())], |_| true).await;
        assert_eq!(text(&row, "quote_hash"), signature.quote_hash);
    }
    assert_eq!(scene.account().await.arming, Arming::Killed);
    scene.at_most_once().await;
}
