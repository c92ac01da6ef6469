//! Starts that can't be, and starts that can do less.

use crate::scene::{Key, Scene, Setup, private, run_to_end, selling};
use stele_api::dto::Arming;
use stele_simulator::Outcome;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_in_the_configuration_is_named_and_the_near_one_suggested() {
    let scene = Scene::prepared(Setup::default()).await;
    let config = scene.desk.config();
    let text = std::fs::read_to_string(config).expect("the configuration");
    private(config, &text.replace("poll_ms = 200", "pol_ms = 200"));
    let config = config.to_string_lossy();
    for verb in [&["serve"][..], &["config", "check"]] {
        let mut arguments = verb.to_vec();
        arguments.extend(["--config", &config]);
        let output = run_to_end(&arguments).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for word in ["verifier.pol_ms", "did you mean `verifier.poll_ms`", "stele.toml"] {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_usable_key_the_desk_reads_and_decides_and_says_why_it_can_t_sign() {
    for key in [Key::Missing, Key::Malformed] {
        let scene = Scene::started(Setup::default().with_key(key)).await;
        let status = scene.client.status().await.expect("a status");
        assert_eq!(status.account.arming, Arming::Disarmed);
        let executor =
            status.services.iter().find(|service| service.service == "executor").expect("the executor");
        let blocked = executor.blocked.clone().unwrap_or_default();
        assert!(blocked.starts_with("can't sign"), "{key:?}: {executor:?}");
        assert!(!blocked.contains("this-is-no-key"), "the key file's content is shown: {blocked}");
        let seen = status.from_tables().expect("tables");
        assert!(seen.inventory.height.is_some() && seen.relays[0].connected);
        assert!(seen.prices[0].rate.is_some());
        scene.alert("execution_blocked", true).await;

        scene.set_limits().await;
        let first = scene.asks(selling(Outcome::DeskWins));
        scene.decided(&first).await.is_refused_for("disarmed");
        // An arming does not help: every decision says what is missing.
        scene.arm().await;
        let second = scene.asks(selling(Outcome::DeskWins));
        scene.decided(&second).await.is_refused_for("no_signing_key");
        assert_eq!(scene.offers(), 0);
        assert!(
            !scene.desk.words().contains("this-is-no-key"),
            "the key file's content is in the desk's words"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_one_data_directory_ends_and_the_first_goes_on() {
    let scene = Scene::armed(Setup::default()).await;
    let config = scene.desk.config().to_string_lossy().into_owned();
    let other_socket = scene.file("o").to_string_lossy().into_owned();
    let output = run_to_end(&["serve", "--config", &config, "--socket", &other_socket]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("data/log"), "the directory is not named: {said}");
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&id, "settled").await;
    assert_eq!(scene.account().await.lease.map(|lease| lease.epoch), Some(1));
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_that_is_told_to_end_ends_in_good_order_and_comes_back_disarmed() {
    let mut scene = Scene::armed(Setup::default()).await;
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&id, "settled").await;
    scene.desk.stop().await;
    scene.desk.start(&[]);
    scene.until_it_sees().await;
    assert_eq!(scene.account().await.arming, Arming::Disarmed);
    let next = scene.asks(selling(Outcome::DeskWins));
    scene.decided(&next).await.is_refused_for("disarmed");
    scene.becomes(&id, "settled").await;
    scene.at_most_once().await;
}
