//! One desk in four processes: the same rule of the journal while each of them dies once, kills across processes, and
//! who is let in to the log.

use crate::crashes::{Trading, all_ended};
use crate::scene::{Fleet, Member, Setup, run_to_end, selling, text};
use std::time::Duration;
use stele_api::client::{RowsQuery, new_key};
use stele_api::dto::{Arming, ServiceState};
use stele_simulator::Outcome;
use tokio::time::sleep;

/// Exit code of who may not.
const UNAUTHORISED: Option<i32> = Some(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_processes_trade_as_one_desk() {
    let fleet = Fleet::armed(Setup::default()).await;
    let id = fleet.scene.asks(selling(Outcome::DeskWins));
    let story = fleet.scene.becomes(&id, "settled").await;
    assert_eq!(
        (story.decisions(), story.commands(), story.reservation()),
        (1, 1, "released"),
        "{}",
        story.brief()
    );
    let summary = fleet.scene.at_most_once().await;
    assert_eq!(summary.journal.quote_response_frames, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_is_killed_once_while_trading_and_no_offer_is_sent_twice() {
    let mut fleet = Fleet::armed(Setup::default()).await;
    let traffic = Trading::begin(&fleet.scene);
    for member in [Member::Strategy, Member::Executor, Member::Front, Member::Owner] {
        offers_go_out(&fleet, &format!("before {member:?} dies")).await;
        fleet.restart(member).await;
        // A new lease and a new start of the strategy begin disarmed; whoever else died leaves the arming as it is.
        if [Member::Front, Member::Owner].contains(&member) {
            assert_eq!(
                fleet.scene.account().await.arming,
                Arming::Armed,
                "the death of {member:?} disarmed it"
            );
        }
    }
    offers_go_out(&fleet, "after all of them died").await;
    traffic.end();
    let status = all_ended(&fleet.scene).await;
    let counters = status.from_tables().expect("tables").counters;
    let summary = fleet.scene.at_most_once().await;
    assert!(summary.auctions.settled > 0, "{summary:?}");
    assert_eq!(Some(&summary.auctions.settled), counters.results.get("settled"), "{counters:?}");
    for member in [Member::Front, Member::Executor, Member::Strategy, Member::Owner] {
        fleet.member(member).stop().await;
    }
    let config = fleet.owner.config().to_string_lossy().into_owned();
    let verified = run_to_end(&["log", "verify", "--config", &config]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// Three more offers leave the desk, which is armed again where that was ended.
pub async fn offers_go_out(fleet: &Fleet, when: &str) {
    let before = fleet.scene.offers();
    let grows = async || {
        fleet.scene.arm_if_disarmed().await;
        (fleet.scene.offers() > before + 2).then_some(())
    };
    fleet.scene.until(&format!("offers {when}"), grows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_is_asked_for_at_one_process_is_done_by_the_one_that_reads() {
    // Balances are read at the start, and then by themselves not within this scenario.
    let mut fleet = Fleet::prepared(Setup::default().with("verifier.poll_ms", 600_000)).await;
    for member in Member::FOUR {
        fleet.start(member);
    }
    let readings = async || fleet.scene.client.rows("inventory", &RowsQuery::default()).await.ok();
    let first = async || readings().await.filter(|page| !page.rows.is_empty()).map(|page| page.rows.len());
    let before = fleet.scene.until("balances that were read at the start", first).await;
    fleet.scene.client.refresh("inventory").await.expect("a refresh");
    let asked = fleet.scene.events("operations.RefreshAsked").await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0]["service"], "inventory", "{asked:?}");
    let more = async || (readings().await?.rows.len() > before).then_some(());
    fleet.scene.until("balances that were read because somebody asked", more).await;
    // What follows the log has nothing to look at, wherever it runs.
    let no = fleet.scene.client.refresh("strategy").await.expect_err("nothing to refresh");
    assert_eq!(no.code(), Some("nothing_to_refresh"), "{no}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_one_process_stops_the_executor_of_another() {
    let fleet = Fleet::armed(Setup::default()).await;
    let traffic = Trading::begin(&fleet.scene);
    fleet.scene.until("trading", async || (fleet.scene.offers() >= 10).then_some(())).await;
    let killed = fleet.scene.client.kill(new_key(), "a scenario").await.expect("a kill").answer;
    assert!(killed.fenced, "{killed:?}\n{}", fleet.last_words());
    let kill = killed.log_position.expect("the kill's place");
    fleet.scene.client.at_least(kill).status().await.expect("tables that know of the kill");
    assert_eq!(fleet.scene.events("trading.KillConfirmed").await.len(), 1, "the executor gave its word once");
    let on_its_way = async || fleet.scene.rows("results", &[("state", "started")]).await;
    fleet.scene.until("a result of every offer", async || on_its_way().await.is_empty().then_some(())).await;
    let sent = fleet.scene.offers();
    let decided = async || {
        let skipped = fleet.scene.client.status().await.ok()?.counters?.skipped;
        (skipped.get("killed").copied().unwrap_or(0) >= 30).then_some(())
    };
    fleet.scene.until("thirty requests were decided after the kill", decided).await;
    traffic.end();
    assert_eq!(fleet.scene.offers(), sent, "a frame came after the kill");
    for row in fleet.scene.rows("results", &[]).await {
        let before = row["position"].as_u64() < Some(kill);
        assert!(before || text(&row, "refusal") == "killed", "taken up after the kill: {row}");
    }
    assert_eq!(fleet.scene.account().await.arming, Arming::Killed);
    fleet.scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_wait_for_an_owner_of_the_log_that_is_gone_and_go_on() {
    let mut fleet = Fleet::armed(Setup::default()).await;
    let first = fleet.scene.asks(selling(Outcome::DeskWins));
    fleet.scene.becomes(&first, "settled").await;
    fleet.owner.kill().await;
    // The scenario's own span: long enough for every wait between two attempts to have come and gone.
    sleep(Duration::from_secs(5)).await;
    for member in [Member::Strategy, Member::Executor, Member::Front] {
        assert!(fleet.member(member).runs(), "{member:?} has ended:\n{}", fleet.last_words());
    }
    let ready = fleet.scene.client.ready().await.map(|ready| ready.ready);
    assert_ne!(ready.ok(), Some(true), "a desk without its log is ready");
    fleet.start(Member::Owner);
    fleet.sees().await;
    let next = fleet.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    fleet.scene.becomes(&next, "settled").await;
    assert_eq!(fleet.scene.account().await.arming, Arming::Armed, "nobody had a new lease");
    fleet.scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_key_a_wrong_one_or_one_of_another_role_is_not_let_in_to_the_log() {
    let mut fleet = Fleet::prepared(Setup::default()).await;
    fleet.start(Member::Owner);
    fleet.start(Member::Front);
    fleet.scene.until("the desk answers", async || fleet.scene.client.ready().await.ok().map(|_| ())).await;

    // A key of nobody.
    crate::scene::private(&fleet.scene.file("strat.key"), "stele_0123456789ab_c2VjcmV0_00000000\n");
    fleet.start(Member::Strategy);
    assert_eq!(fleet.strategy.ended().await, UNAUTHORISED, "{}", fleet.strategy.last_words());

    // A person's key: it may read, and appends nothing.
    fleet.make_key("strat", "operator", &[]).await;
    fleet.start(Member::Strategy);
    assert_eq!(fleet.strategy.ended().await, UNAUTHORISED, "{}", fleet.strategy.last_words());

    // A key of a process with another role: the category is named, and the attempt is kept.
    fleet.make_key("strat", "service", &["market"]).await;
    fleet.start(Member::Strategy);
    assert_eq!(fleet.strategy.ended().await, UNAUTHORISED, "{}", fleet.strategy.last_words());
    let attempt = async || {
        let kept = fleet.scene.events("access.Attempted").await;
        kept.into_iter().find(|attempt| {
            let detail = text(attempt, "detail");
            text(attempt, "action") == "append_log"
                && detail.contains("a process market")
                && detail.contains("category service")
        })
    };
    let kept = fleet.scene.until("the attempt on the log", attempt).await;
    assert_eq!((text(&kept, "outcome"), text(&kept, "code")), ("refused", "forbidden"), "{kept}");

    // The right one.
    fleet.make_key("strat", "service", Member::Strategy.roles()).await;
    fleet.start(Member::Strategy);
    let runs = async || {
        let status = fleet.scene.client.status().await.ok()?;
        status
            .services
            .iter()
            .any(|s| s.service == "strategy" && s.state == ServiceState::Running)
            .then_some(())
    };
    fleet.scene.until("the strategy runs", runs).await;
}
