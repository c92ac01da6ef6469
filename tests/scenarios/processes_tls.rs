//! A desk in several processes whose wire is under TLS, with an authority of its own: it trades as in the clear,
//! certificates are replaced while it runs, and whoever is not believed is named and waited for.

use crate::scene::certificates::{Valid, authority, here, keep};
use crate::scene::{Desk, Fleet, Member, OWNER_CA, Setup, certified, run_to_end, selling};
use stele_simulator::Outcome;

/// Exit code of a configuration that can't be.
const USAGE: Option<i32> = Some(2);

/// Waits until a process has said all of this in one line.
async fn says(fleet: &Fleet, desk: &Desk, parts: &[&str]) {
    let so = async || {
        let said = |line: &str| parts.iter().all(|part| line.contains(part));
        desk.words().lines().any(said).then_some(())
    };
    fleet.scene.until(&format!("a line with {parts:?}"), so).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_under_tls_trades_on_while_its_certificates_are_replaced() {
    let mut fleet = Fleet::armed_under_tls(Setup::default()).await;
    let id = fleet.scene.asks(selling(Outcome::DeskWins));
    fleet.scene.becomes(&id, "settled").await;
    let position = fleet.scene.client.log_stat().await.expect("a log").head;
    fleet.scene.client.prove(position).await.expect("a proof over TLS");

    let papers = fleet.papers.as_ref().expect("certificates");
    let next = authority();
    // The order of the runbook: both authorities, then the certificate, then the new authority alone.
    keep(&fleet.scene.file(OWNER_CA), &(papers.authority.pem() + &next.pem()));
    for desk in [&fleet.strategy, &fleet.executor, &fleet.scene.desk] {
        says(&fleet, desk, &["remote_log.certificates_renewed"]).await;
    }
    papers.issue("desk", &next, here(), Valid::Now);
    says(&fleet, &fleet.owner, &["api.certificates_renewed"]).await;
    keep(&fleet.scene.file(OWNER_CA), &next.pem());
    // Whoever comes now meets the new certificate, and nobody else had to be restarted.
    fleet.restart(Member::Front).await;
    let next = fleet.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    fleet.scene.becomes(&next, "settled").await;
    fleet.scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_believed_under_tls_is_named_and_waited_for() {
    let mut fleet = Fleet::prepared_under_tls(Setup::default()).await;
    let stranger = authority();
    let right = fleet.papers.as_ref().expect("certificates").authority.pem();
    fleet.start(Member::Owner);
    fleet.start(Member::Front);
    fleet.scene.until("the desk answers", async || fleet.scene.client.ready().await.ok().map(|_| ())).await;

    // A process that knows another authority does not show its key.
    keep(&fleet.scene.file(OWNER_CA), &stranger.pem());
    fleet.start(Member::Strategy);
    says(&fleet, &fleet.strategy, &["log.awaited", "invalid peer certificate"]).await;
    keep(&fleet.scene.file(OWNER_CA), &right);
    says(&fleet, &fleet.strategy, &["log.connected"]).await;

    // A process whose certificate is of somebody else, or has ended, is not let in.
    let name = Member::Executor.name();
    let papers = fleet.papers.as_ref().expect("certificates");
    papers.issue(name, &stranger, certified(Member::Executor), Valid::Now);
    fleet.executor.start(Member::Executor.roles());
    says(&fleet, &fleet.executor, &["log.awaited", "certificate"]).await;
    papers.issue(name, &papers.authority, certified(Member::Executor), Valid::Ended);
    says(&fleet, &fleet.executor, &["remote_log.certificates_renewed"]).await;
    assert!(!fleet.executor.words().contains("log.connected"), "{}", fleet.executor.last_words());
    papers.issue(name, &papers.authority, certified(Member::Executor), Valid::Now);
    says(&fleet, &fleet.executor, &["log.connected"]).await;
    fleet.sees().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_does_not_send_its_key_to_another_machine_in_the_clear() {
    let fleet = Fleet::prepared(Setup::default()).await;
    let config = fleet.strategy.config().to_string_lossy().into_owned();
    // An address of nobody (RFC 5737): nothing may go out to it.
    let far = "http://192.0.2.1:8420";
    let refused = run_to_end(&["serve", "--roles", "strategy", "--log", far, "--config", &config]).await;
    let words = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), USAGE, "{words}");
    for part in ["log.url", far, "in the clear", "https://", "log.plain_http"] {
        assert!(words.contains(part), "{words}");
    }
}
