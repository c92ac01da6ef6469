//! Rows 7 to 9: requests that come twice, come too late, or make no sense.

use crate::scene::{EURE_UNIT, Scene, Setup, selling, text};
use serde_json::{Map, Value, json};
use stele_simulator::{Action, EURE, NBTC, Outcome, ScriptedQuote};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_07_a_repeated_request_is_decided_once_whatever_it_says_and_after_a_restart_too() {
    let mut scene = Scene::armed(Setup::default()).await;
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&id, "settled").await;
    for altered in [false, true] {
        scene.does(Action::RepeatQuote { altered });
    }
    let twice = scene.story(&id, "repeated twice", |story| story.kinds().len() == 3).await;
    assert_eq!(twice.kinds(), ["first", "repeat", "repeat"]);

    scene.restart().await;
    scene.arm().await;
    for altered in [false, true] {
        scene.does(Action::RepeatQuote { altered });
    }
    let story = scene.story(&id, "repeated four times", |story| story.kinds().len() == 5).await;
    let details = scene.rows("quotes", &[("quote_id", &id)]).await;
    let told = |what: &str| details.iter().filter(|row| text(row, "detail") == what).count();
    assert_eq!((told("same content"), told("other content")), (2, 2), "{details:?}");
    // Something that comes later has been decided, so the repeats were not.
    let later = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&later, "settled").await;
    assert_eq!((story.decisions(), story.commands()), (1, 1));
    story.ended("settled", "released", &["started", "accepted", "settled", "released"]);
    assert_eq!(scene.at_most_once().await.journal.quote_response_frames, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_08_a_request_past_its_window_is_skipped() {
    let scene = Scene::armed(Setup::default().limited(|limits| limits.window_ms_min = 1)).await;
    // A window of a millisecond is over when the request is on the log.
    let story = scene.until_refused(
        || selling(Outcome::NobodyTakes).with("min_wait_ms", 0).with("max_wait_ms", 1),
        "quote_expired",
    );
    story.await.is_refused_for("quote_expired");
    scene.at_most_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_08_a_validity_that_is_too_long_is_skipped() {
    let scene = Scene::armed(Setup::default()).await;
    let at_the_limit = scene.asks(selling(Outcome::NobodyTakes).with("min_deadline_ms", 60_000));
    scene.becomes(&at_the_limit, "accepted").await;
    let above = scene.asks(selling(Outcome::NobodyTakes).with("min_deadline_ms", 60_001));
    scene.decided(&above).await.is_refused_for("deadline_too_long");
    assert_eq!(scene.at_most_once().await.journal.quote_response_frames, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_08_a_router_leg_of_51_ms_is_skipped() {
    let scene = Scene::armed(Setup::default()).await;
    let leg = ScriptedQuote::exact_in(EURE, NBTC, 100 * EURE_UNIT, Outcome::NobodyTakes)
        .with("protocol_fee_included", true)
        .with("min_wait_ms", 1)
        .with("max_wait_ms", 51);
    let story = scene.decided(&scene.asks(leg)).await;
    // On a slow machine it may be over before it is too short; both gates are asked in any case.
    assert!(
        ["window_too_short", "quote_expired"].contains(&story.reason().unwrap_or_default()),
        "{}",
        story.brief()
    );
    assert_eq!(story.gate("window_long_enough"), &json!({ "deny": "window_too_short" }));
    assert_eq!((story.commands(), scene.offers()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_08_a_probe_is_skipped() {
    let scene = Scene::armed(Setup::default()).await;
    let dry =
        json!({ "source": "1click", "quote_type": "main_quote", "quote_request_data": { "dry": true } });
    let smallest = json!({ "source": "1click", "quote_type": "min_deposit_amount" });
    for trusted in [dry, smallest] {
        let id = scene.asks(selling(Outcome::NobodyTakes).with("trusted_metadata", trusted));
        scene.decided(&id).await.is_refused_for("probe");
    }
    assert_eq!(scene.offers(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_09_requests_that_make_no_sense_are_kept_and_never_decided() {
    let scene = Scene::armed(Setup::default()).await;
    let beyond_u128 = "340282366920938463463374607431768211456";
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("both_exact", &[("exact_amount_in", "100"), ("exact_amount_out", "100")]),
        ("neither_exact", &[]),
        ("zero_amount", &[("exact_amount_in", "0")]),
        ("zero_amount", &[("exact_amount_out", "0")]),
        ("not_a_number", &[("exact_amount_in", "-100")]),
        ("not_a_number", &[("exact_amount_in", "1e9")]),
        ("not_a_number", &[("exact_amount_out", "a hundred")]),
        ("too_large", &[("exact_amount_in", beyond_u128)]),
        ("too_large", &[("exact_amount_out", beyond_u128)]),
    ];
    for (fault, amounts) in cases {
        let id = scene.asks(request(amounts));
        let row = scene.row("quotes", &[("quote_id", &id)], |row| text(row, "kind") == "rejected").await;
        assert!(text(&row, "detail").starts_with(fault), "{fault}: {row}");
        let story = scene.story(&id, "told", |story| story.kinds().len() == 2).await;
        assert_eq!(story.kinds(), ["first", "rejected"]);
        let frame = story.0.requests.iter().find_map(|row| row["frame"].as_str()).unwrap_or_default();
        assert!(frame.contains(&id), "the frame was not kept: {frame}");
        assert!(
            story.0.demand.is_none() && story.decisions() == 0 && story.commands() == 0,
            "{}",
            story.brief()
        );
    }
    let id = scene.asks(selling(Outcome::DeskWins));
    scene.becomes(&id, "settled").await;
    assert_eq!(scene.at_most_once().await.journal.quote_response_frames, 1);
}

fn request(amounts: &[(&str, &str)]) -> ScriptedQuote {
    let mut data = Map::new();
    data.insert("defuse_asset_identifier_in".to_owned(), EURE.into());
    data.insert("defuse_asset_identifier_out".to_owned(), NBTC.into());
    for (side, amount) in amounts {
        data.insert((*side).to_owned(), Value::from(*amount));
    }
    ScriptedQuote {
        data,
        metadata: None,
        outcome: Outcome::NobodyTakes,
        verbatim: false,
        settlement_ms: None,
    }
}
