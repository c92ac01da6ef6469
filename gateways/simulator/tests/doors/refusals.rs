//! Whatever the real relay would refuse: each with the word for it, none of them in an auction.

use crate::support::{Client, DESK, OK, SAT, Terms, now_ms, options, salt, start, until};
use serde_json::{Value, json};
use stele_simulator::{Action, Balance, ChainOptions, EURE, NBTC, Options, Outcome, Running, ScriptedQuote};
use tokio_tungstenite::tungstenite::Message;

const TENTH_BTC: u128 = 10_000_000;
const GIVES: u128 = 5_880 * 1_000_000_000_000_000_000;

fn quote() -> ScriptedQuote {
    ScriptedQuote::exact_in(NBTC, EURE, TENTH_BTC, Outcome::DeskWins)
        .with("min_wait_ms", 10_000)
        .with("max_wait_ms", 10_000)
}

/// What a test does to a good answer.
type Change = Box<dyn Fn(&mut Terms)>;

fn output() -> Value {
    json!({ "amount_out": GIVES.to_string() })
}

fn good(running: &Running) -> Terms {
    Terms::trade(salt(running), NBTC, TENTH_BTC, EURE, GIVES)
}

fn error_of(reply: &Value) -> String {
    reply["error"]["message"].as_str().unwrap_or_else(|| panic!("not refused: {reply}")).to_owned()
}

/// Sends one response that differs from a good one, and returns the error's text.
async fn refused(running: &Running, desk: &mut Client, output: Value, change: impl Fn(&mut Terms)) -> String {
    let id = running.handle().quote(quote()).unwrap();
    let mut terms = good(running);
    change(&mut terms);
    error_of(&desk.respond(&id, output, &terms).await.0)
}

#[tokio::test]
async fn every_wrong_term_is_refused_with_its_own_text() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let later = now_ms() + 600_000;
    let cases: Vec<(&str, Change)> = vec![
        ("wrong verifying_contract", Box::new(|terms| terms.recipient = "other.near".to_owned())),
        ("deadline has expired", Box::new(|terms| terms.deadline_ms = now_ms() - 1)),
        (
            "deadline is too short: less than min_deadline_ms",
            Box::new(|terms| terms.deadline_ms = now_ms() + 59_000),
        ),
        ("invalid salt", Box::new(|terms| terms.salt = [0xee; 4])),
        ("deadline is greater than nonce", Box::new(move |terms| terms.deadline_ms = later)),
        (
            "token_diff assets don't match the quote",
            Box::new(|terms| terms.diff[0].0 = "nep141:x.near".to_owned()),
        ),
        (
            "token_diff assets don't match the quote",
            Box::new(|terms| terms.diff.push(("nep141:x".to_owned(), "1".to_owned()))),
        ),
        ("token_diff amounts don't match quote_output", Box::new(|terms| terms.diff[1].1 = "-1".to_owned())),
        (
            "token_diff amounts don't match quote_output",
            Box::new(|terms| terms.diff[0].1 = (TENTH_BTC - 1).to_string()),
        ),
    ];
    for (text, change) in cases {
        assert_eq!(refused(&running, &mut desk, output(), change).await, text);
    }
    let stranger =
        refused(&running, &mut desk, output(), |terms| terms.signer = "stranger.near".to_owned()).await;
    assert!(stranger.starts_with("public key 'ed25519:"), "{stranger}");
    assert!(stranger.ends_with("doesn't exist for account 'stranger.near'"), "{stranger}");
    let bad_number = |terms: &mut Terms| terms.diff[0].1 = "1.5".to_owned();
    let unreadable = refused(&running, &mut desk, output(), bad_number).await;
    assert!(unreadable.starts_with("invalid signed_data: JSON error"), "{unreadable}");
    assert_eq!(running.handle().summary().auctions.won_by_desk, 0);
}

#[tokio::test]
async fn the_stated_amount_must_be_the_one_that_the_quote_leaves_open() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let wrong_side = json!({ "amount_in": GIVES.to_string() });
    let both = json!({ "amount_in": "1", "amount_out": GIVES.to_string() });
    for output in [wrong_side, both, json!({})] {
        let text = refused(&running, &mut desk, output, |_| {}).await;
        assert_eq!(text, "invalid quote_output: state exactly the amount that the quote leaves open");
    }
    for nonsense in ["0", "-1", "1e5", "", "340282366920938463463374607431768211456"] {
        let text = refused(&running, &mut desk, json!({ "amount_out": nonsense }), |_| {}).await;
        assert!(text.contains("is no amount"), "{text}");
    }
    let other = json!({ "amount_out": (GIVES + 1).to_string() });
    let text = refused(&running, &mut desk, other, |_| {}).await;
    assert_eq!(text, "token_diff amounts don't match quote_output");
}

#[tokio::test]
async fn a_changed_byte_after_signing_is_an_invalid_signature() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let id = running.handle().quote(quote()).unwrap();
    let (mut signed, _) = good(&running).sign();
    let message = signed["payload"]["message"].as_str().unwrap().replace("\"signer_id\"", " \"signer_id\"");
    signed["payload"]["message"] = json!(message);
    let response = json!([{ "quote_id": id, "quote_output": output(), "signed_data": signed }]);
    assert_eq!(error_of(&desk.call("quote_response", response).await), "invalid signature");
    let summary = running.handle().summary();
    assert_eq!(summary.journal.verdicts["invalid_signature"], 1);
    assert_eq!(summary.journal.violations, 1);
}

#[tokio::test]
async fn a_closed_or_unknown_auction_takes_no_response() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let short = ScriptedQuote::exact_in(NBTC, EURE, TENTH_BTC, Outcome::DeskWins).with("max_wait_ms", 1);
    let id = running.handle().quote(short).unwrap();
    let handle = running.handle();
    until(async || (handle.summary().auctions_open == 0).then_some(())).await;
    for id in [id.as_str(), "00000000-0000-0000-0000-000000000000"] {
        let reply = desk.respond(id, output(), &good(&running)).await.0;
        assert_eq!(error_of(&reply), "quote not found or already finished");
    }
    assert_eq!(handle.summary().journal.verdicts["late"], 2);
    assert_eq!(handle.summary().journal.violations, 0, "coming late is bad luck and no violation");
}

#[tokio::test]
async fn a_used_nonce_is_refused_while_the_same_signature_in_another_quote_was_not() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let statuses = desk.subscribe("quote_status").await;
    let quick = ScriptedQuote::exact_in(NBTC, EURE, TENTH_BTC, Outcome::DeskWins);
    let terms = good(&running);
    let id = running.handle().quote(quick).unwrap();
    assert_eq!(desk.respond(&id, output(), &terms).await.0["result"], OK);
    desk.event(&statuses).await;
    let id = running.handle().quote(quote()).unwrap();
    assert_eq!(error_of(&desk.respond(&id, output(), &terms).await.0), "nonce was already used");
}

#[tokio::test]
async fn more_than_the_balance_is_refused_and_exactly_the_balance_is_not() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    running.handle().fund(DESK, &[Balance::new(EURE, GIVES - 1)]);
    let text = refused(&running, &mut desk, output(), |_| {}).await;
    assert_eq!(text, "insufficient balance or overflow");
    running.handle().fund(DESK, &[Balance::new(EURE, GIVES)]);
    let id = running.handle().quote(quote()).unwrap();
    assert_eq!(desk.respond(&id, output(), &good(&running)).await.0["result"], OK);
}

#[tokio::test]
async fn a_nonce_without_salt_is_accepted_or_not_as_the_contract_was_told_to() {
    for legacy_nonces in [true, false] {
        let chain = ChainOptions { legacy_nonces, ..options().chain };
        let running = start(Options { chain, ..options() }).await;
        let mut desk = Client::relay(&running).await;
        let id = running.handle().quote(quote()).unwrap();
        let mut terms = good(&running);
        terms.legacy_nonce = true;
        let reply = desk.respond(&id, output(), &terms).await.0;
        if legacy_nonces {
            assert_eq!(reply["result"], OK);
        } else {
            assert_eq!(error_of(&reply), "invalid nonce");
        }
        // Announced to go away, so a desk that still does it is told of either way.
        assert_eq!(running.handle().summary().journal.violations, 1);
    }
}

#[tokio::test]
async fn a_response_to_a_quote_that_makes_no_sense_is_never_right() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let both = quote().with("exact_amount_out", "5");
    let negative = quote().with("exact_amount_in", "-5");
    let number = quote().with("exact_amount_in", 5);
    let same = quote().with("defuse_asset_identifier_out", NBTC);
    for odd in [both, negative, number, same] {
        let id = running.handle().quote(odd).unwrap();
        let reply = desk.respond(&id, output(), &good(&running)).await.0;
        assert_eq!(error_of(&reply), "invalid quote");
    }
}

#[tokio::test]
async fn what_is_no_request_is_answered_with_an_error_and_the_stream_goes_on() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    for text in ["{", "[]", "7", r#"{"jsonrpc":"2.0","method":"subscribe"}"#, r#"{"id":{},"method":"x"}"#] {
        desk.send_text(text).await;
        let reply = desk.find(|frame| frame["id"].is_null()).await;
        assert!(error_of(&reply).starts_with("invalid request"), "{reply}");
    }
    desk.send_message(Message::Binary(vec![1, 2, 3].into())).await;
    let unknown = desk.call("cancel_quote", json!([])).await;
    assert_eq!(error_of(&unknown), "method \"cancel_quote\" not found");
    let stream = desk.call("subscribe", json!(["prices"])).await;
    assert_eq!(error_of(&stream), "unknown subscription \"prices\"");
    let shapeless = desk.call("quote_response", json!(["x"])).await;
    assert!(error_of(&shapeless).starts_with("invalid params"));
    desk.subscribe("quote").await;
    let journal = running.handle().summary().journal;
    assert_eq!(journal.violations, 9, "{:?}", journal.violations_kept);
    assert_eq!(journal.verdicts["malformed"], 1);
}

#[tokio::test]
async fn a_decline_without_a_signature_is_taken_note_of() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let id = running.handle().quote(quote()).unwrap();
    let decline = json!([{ "quote_id": id, "quote_output": { "type": "NO_LIQUIDITY" } }]);
    assert_eq!(desk.call("quote_response", decline).await["result"], OK);
    let journal = running.handle().summary().journal;
    assert_eq!((journal.verdicts["declined"], journal.distinct_payloads), (1, 0));
}

#[tokio::test]
async fn the_owners_changes_take_effect_at_once_for_responses() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let old = salt(&running);
    let handle = running.handle();
    handle.act(Action::RotateSalt { invalidate_old: false }).unwrap();
    assert_ne!(salt(&running), old);
    let id = handle.quote(quote()).unwrap();
    let mut terms = good(&running);
    terms.salt = old;
    assert_eq!(desk.respond(&id, output(), &terms).await.0["result"], OK, "an older salt is still good");
    handle.act(Action::RotateSalt { invalidate_old: true }).unwrap();
    terms.random = 2;
    let id = handle.quote(quote()).unwrap();
    assert_eq!(error_of(&desk.respond(&id, output(), &terms).await.0), "invalid salt");

    handle.act(Action::LockAccount { account: DESK.to_owned(), locked: true }).unwrap();
    assert_eq!(refused(&running, &mut desk, output(), |_| {}).await, "account 'desk.near' is locked");
    let public_key = crate::support::public_key();
    handle.act(Action::RemoveKey { account: DESK.to_owned(), public_key: public_key.clone() }).unwrap();
    assert!(refused(&running, &mut desk, output(), |_| {}).await.starts_with("public key '"));
    handle.act(Action::AddKey { account: DESK.to_owned(), public_key }).unwrap();
    handle.act(Action::LockAccount { account: DESK.to_owned(), locked: false }).unwrap();
    let id = handle.quote(quote()).unwrap();
    assert_eq!(desk.respond(&id, output(), &good(&running)).await.0["result"], OK);
}

#[tokio::test]
async fn while_the_contract_is_paused_no_response_is_taken_and_it_is_no_fault_of_the_desk() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let handle = running.handle();
    let id = handle.quote(quote()).unwrap();
    handle.act(Action::PauseContract { paused: true }).unwrap();
    let terms = good(&running);
    let text = error_of(&desk.respond(&id, output(), &terms).await.0);
    assert_eq!(text, "Pausable: Method is paused");
    let journal = handle.summary().journal;
    assert_eq!((journal.verdicts["paused"], journal.verdicts.get("accepted")), (1, None));
    assert_eq!(journal.violations, 0);
    handle.act(Action::PauseContract { paused: false }).unwrap();
    // Nothing was used up: the same signature is taken when the contract goes on.
    assert_eq!(desk.respond(&id, output(), &terms).await.0["result"], OK);
    assert_eq!(handle.summary().journal.verdicts["accepted"], 1);
}

#[tokio::test]
async fn a_world_clock_ahead_of_ours_finds_our_deadlines_too_short() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    running.handle().act(Action::SkewClock { by_ms: 15_000 }).unwrap();
    let text = refused(&running, &mut desk, output(), |_| {}).await;
    assert_eq!(text, "deadline is too short: less than min_deadline_ms");
}

#[tokio::test]
async fn repeating_a_response_word_for_word_counts_one_payload_and_settles_once() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let statuses = desk.subscribe("quote_status").await;
    let quick = ScriptedQuote::exact_in(NBTC, EURE, TENTH_BTC, Outcome::DeskWins).with("min_wait_ms", 300);
    let id = running.handle().quote(quick).unwrap();
    let terms = good(&running);
    for _ in 0..3 {
        assert_eq!(desk.respond(&id, output(), &terms).await.0["result"], OK);
    }
    desk.event(&statuses).await;
    let summary = running.handle().summary();
    let journal = summary.journal;
    assert_eq!((journal.quote_response_frames, journal.distinct_payloads), (3, 1));
    assert_eq!(summary.auctions.settled, 1);
    assert_eq!(summary.balances[DESK][NBTC], (SAT + TENTH_BTC).to_string());
}
