//! Keys of processes that are taken back while those run.

use crate::scene::{Fleet, Setup, run_to_end, selling};
use stele_api::dto::Arming;
use stele_simulator::Outcome;

/// Exit code of who may not.
const UNAUTHORISED: Option<i32> = Some(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_whose_key_is_revoked_ends_with_6_says_what_to_do_and_comes_back_with_a_new_one() {
    let mut fleet = Fleet::armed(Setup::default()).await;
    let first = fleet.scene.asks(selling(Outcome::DeskWins));
    fleet.scene.becomes(&first, "settled").await;
    let key = std::fs::read_to_string(fleet.scene.file("exec-a.key")).expect("the executor's key");
    let id = key.split('_').nth(1).expect("its id").to_owned();
    let config = fleet.owner.config().to_string_lossy().into_owned();
    let revoked =
        run_to_end(&["keys", "revoke", &id, "--reason", "it has leaked", "--config", &config]).await;
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));

    // Fail closed: nothing is signed by who is not let in, and no part waits for better days.
    assert_eq!(fleet.executor.ended().await, UNAUTHORISED, "{}", fleet.executor.last_words());
    let says = |words: &str| {
        assert!(
            words.contains("desk.ended") && words.contains("stele keys create --role service"),
            "{words}"
        );
    };
    says(&fleet.executor.last_words());
    // Its supervisor starts it again: it ends again and says the same.
    fleet.executor.start(&["executor"]);
    assert_eq!(fleet.executor.ended().await, UNAUTHORISED);
    says(&fleet.executor.last_words());

    fleet.make_key("exec-a", "service", &["executor"]).await;
    fleet.executor.start(&["executor"]);
    let lease = async || {
        let account = fleet.scene.account().await;
        account.lease.is_some_and(|lease| lease.epoch == 2 && !lease.lapsed).then_some(account.arming)
    };
    assert_eq!(fleet.scene.until("a lease of its own", lease).await, Arming::Disarmed);
    fleet.scene.at_most_once().await;
}
