//! Rows 11 to 15: what becomes of an offer that was made.

use crate::scene::{ACCOUNT, RELEASE_MARGIN_MS, Scene, Setup, buying, moment, selling, text};
use stele_api::dto::Arming;
use stele_simulator::{Action, Balance, Fault, NBTC, Outcome};

/// A validity so short that an offer that nobody takes expires soon, in milliseconds.
const SHORT_MS: u64 = 300;

const EXPIRED: [&str; 4] = ["started", "accepted", "expired_unfilled", "released"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_offer_settles_in_both_directions() {
    let scene = Scene::armed(Setup::default()).await;
    for quote in [selling(Outcome::DeskWins), buying(Outcome::DeskWins)] {
        let id = scene.asks(quote);
        let story = scene.becomes(&id, "settled").await;
        story.ended("settled", "released", &["started", "accepted", "settled", "released"]);
        assert_eq!(text(story.result(), "release_cause"), "settled");
        assert!(!text(story.result(), "tx_hash").is_empty(), "{}", story.brief());
    }
    assert!(scene.account().await.reserved.is_empty());
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_an_error_reply_is_kept_word_for_word_and_the_coin_stays_reserved_until_the_deadline() {
    let scene = Scene::armed(Setup::default()).await;
    let texts = [
        "quote not found or already finished",
        "invalid signature",
        "public key doesn't exist for the account",
        "insufficient balance or overflow",
        "nonce was already used",
    ];
    for said in texts {
        scene.breaks_once(Fault::RelayRejects { text: said.to_owned() });
        let held = scene.becomes(&scene.asks(selling(Outcome::DeskWins)), "rejected").await;
        held.ended("rejected", "held", &["started", "rejected"]);
        assert!(text(held.result(), "detail").contains(said), "{}", held.brief());

        scene.breaks_once(Fault::RelayRejects { text: said.to_owned() });
        let id = scene.asks(selling(Outcome::DeskWins).with("min_deadline_ms", SHORT_MS));
        let freed = scene.released(&id).await;
        freed.ended("rejected", "released", &["started", "rejected", "released"]);
        assert_eq!(text(freed.result(), "release_cause"), "deadline_passed");
    }
    assert_eq!(scene.account().await.open_offers.len(), texts.len());
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_12_a_reply_that_is_lost_is_uncertain_until_the_settlement_is_seen() {
    let scene = Scene::armed(Setup::default().with("relay.reply_ms_max", 300)).await;
    scene.breaks_once(Fault::RelaySwallowsReply { processed: true });
    let id = scene.asks(selling(Outcome::SettlesLate { by_ms: 1_000 }));
    scene.becomes(&id, "uncertain").await.ended("uncertain", "held", &["started", "uncertain"]);
    let story = scene.becomes(&id, "settled").await;
    story.ended("settled", "released", &["started", "uncertain", "settled", "released"]);
    assert_eq!(scene.account().await.uncertain_offers, 0);
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_12_an_offer_that_waits_past_the_close_of_its_auction_is_never_sent_and_frees_its_coin() {
    let setup = Setup::default().with("executor.in_flight_max", 1).with("relay.reply_ms_max", 4_000);
    let scene = Scene::armed(setup).await;
    // The one place is taken for as long as a reply is waited for.
    scene.breaks_once(Fault::RelaySwallowsReply { processed: true });
    let first = scene.asks(selling(Outcome::NobodyTakes));
    scene.until("the first offer is out", async || (scene.offers() == 1).then_some(())).await;
    let second = scene.asks(selling(Outcome::DeskWins).with("max_wait_ms", 1_500));
    let story = scene.becomes(&second, "abandoned").await;
    story.ended("abandoned", "released", &["started", "abandoned", "released"]);
    assert_eq!(text(story.result(), "release_cause"), "never_sent");
    assert!(text(story.result(), "detail").contains("its auction was over"), "{}", story.brief());
    assert_eq!(scene.offers(), 1, "only the first one left the desk");
    scene.becomes(&first, "uncertain").await;
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_12_an_offer_that_never_arrived_is_uncertain_until_its_deadline_has_passed() {
    let scene = Scene::armed(Setup::default().with("relay.reply_ms_max", 200)).await;
    scene.breaks_once(Fault::RelaySwallowsReply { processed: false });
    let id = scene.asks(selling(Outcome::DeskWins).with("min_deadline_ms", SHORT_MS));
    let story = scene.released(&id).await;
    story.ended("expired_unfilled", "released", &["started", "uncertain", "expired_unfilled", "released"]);
    assert_eq!(text(story.result(), "release_cause"), "deadline_passed");
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_12_a_connection_that_is_lost_before_the_reply_leaves_an_uncertain_offer_that_is_looked_up() {
    let scene = Scene::armed(Setup::default().with("relay.reply_ms_max", 30_000)).await;
    scene.breaks_once(Fault::RelaySwallowsReply { processed: true });
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.until("the offer is out", async || (scene.offers() == 1).then_some(())).await;
    scene.does(Action::RelayDisconnect);
    let story = scene.becomes(&id, "settled").await;
    story.ended("settled", "released", &["started", "uncertain", "settled", "released"]);
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_13_an_accepted_offer_that_never_settles_expires_and_is_released_after_deadline_and_margin() {
    let scene = Scene::armed(Setup::default()).await;
    scene.breaks_once(Fault::NeverSettles);
    for outcome in [Outcome::DeskWins, Outcome::NobodyTakes, Outcome::RivalWins] {
        let id = scene.asks(selling(outcome).with("min_deadline_ms", SHORT_MS));
        let story = scene.released(&id).await;
        story.ended("expired_unfilled", "released", &EXPIRED);
        assert_eq!(text(story.result(), "release_cause"), "deadline_passed");
        let proof =
            story.command().and_then(|command| command.proof.as_ref()).expect("the balances that prove it");
        let passed = moment(proof, "block_at").millis_since(moment(story.result(), "offer_deadline"));
        assert!(passed >= RELEASE_MARGIN_MS, "released {passed} ms after its deadline in block time");
    }
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_14_a_settlement_that_fails_on_chain_is_released_once_and_only_after_the_deadline() {
    let scene = Scene::armed(Setup::default()).await;
    let id = scene.asks(selling(Outcome::SettlementFails));
    scene.becomes(&id, "settle_failed").await.ended(
        "settle_failed",
        "held",
        &["started", "accepted", "settle_failed"],
    );

    let id = scene.asks(selling(Outcome::SettlementFails).with("min_deadline_ms", 1_500));
    let story = scene.released(&id).await;
    story.ended("settle_failed", "released", &["started", "accepted", "settle_failed", "released"]);
    assert_eq!(text(story.result(), "release_cause"), "deadline_passed");
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_14_a_salt_that_is_invalidated_after_signing_fails_that_offer_and_the_next_bears_the_new_one() {
    let scene = Scene::armed(Setup::default()).await;
    let first = scene.asks(selling(Outcome::DeskWins).settling_after(1_500).with("min_deadline_ms", 5_000));
    let old = text(scene.becomes(&first, "accepted").await.result(), "salt").to_owned();
    scene.does(Action::RotateSalt { invalidate_old: true });
    let new = scene.world.state().salt;
    scene.row("inventory", &[], |row| text(row, "salt") == new).await;

    let next = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    let settled = scene.becomes(&next, "settled").await;
    assert_eq!(text(settled.result(), "salt"), new);
    assert_ne!(old, new);
    let failed = scene.released(&first).await;
    failed.ended("settle_failed", "released", &["started", "accepted", "settle_failed", "released"]);
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_14_a_salt_that_is_rotated_and_still_good_settles_the_offer_under_it() {
    let scene = Scene::armed(Setup::default()).await;
    let id = scene.asks(selling(Outcome::DeskWins).settling_after(1_000));
    scene.becomes(&id, "accepted").await;
    scene.does(Action::RotateSalt { invalidate_old: false });
    scene.becomes(&id, "settled").await.ended(
        "settled",
        "released",
        &["started", "accepted", "settled", "released"],
    );
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_15_of_two_requests_at_once_that_exceed_the_coin_exactly_one_is_signed() {
    let scene = Scene::armed(Setup::default()).await;
    // Each takes some 163,000 satoshi.
    let enough_for_one = vec![Balance::new(NBTC, 250_000)];
    scene.does(Action::SetBalances { account: ACCOUNT.to_owned(), balances: enough_for_one });
    scene.row("balances", &[], |row| text(row, "credited") == "250000").await;
    // The drop was not ours, so it disarmed.
    scene.until("disarmed", async || (scene.account().await.arming == Arming::Disarmed).then_some(())).await;
    scene.arm().await;

    let two = [selling(Outcome::NobodyTakes), selling(Outcome::NobodyTakes)].map(|quote| scene.asks(quote));
    let mut signed = 0;
    for id in &two {
        let story = scene
            .story(id, "answered", |story| {
                story.reason().is_some() || ["accepted", "refused"].contains(&story.state())
            })
            .await;
        if story.state() == "accepted" {
            assert_eq!(story.reservation(), "held");
            signed += 1;
        } else {
            let refusal = story.reason().unwrap_or_else(|| text(story.result(), "refusal"));
            assert_eq!(refusal, "insufficient_inventory", "{}", story.brief());
        }
    }
    assert_eq!((signed, scene.offers()), (1, 1));
    assert_eq!(scene.account().await.reserved.len(), 1);
    scene.at_most_once().await;
}
