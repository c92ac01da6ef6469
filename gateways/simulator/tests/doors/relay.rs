//! The relay's happy paths: from a quote to balances that have moved, in every form it can take.

use crate::support::{
    Client, DESK, OK, SAT, TOKEN, Terms, WEI, dial, options, post, refused_with, salt, start, until, view,
};
use serde_json::{Value, json};
use stele_simulator::{
    BTC_LEGACY, Balance, Door, EURE, ErrorForm, EventForm, NBTC, Options, Outcome, RelayOptions,
    ScriptedQuote, Traffic,
};

const TENTH_BTC: u128 = 10_000_000;
/// 6,000 EUR less 2 %.
const OFFER_WEI: u128 = 5_880 * 1_000_000_000_000_000_000;

fn sell(outcome: Outcome) -> ScriptedQuote {
    ScriptedQuote::exact_in(NBTC, EURE, TENTH_BTC, outcome).with("max_wait_ms", 2_000)
}

fn offer(salt: [u8; 4]) -> Terms {
    Terms::trade(salt, NBTC, TENTH_BTC, EURE, OFFER_WEI)
}

fn output() -> Value {
    json!({ "amount_out": OFFER_WEI.to_string() })
}

#[tokio::test]
async fn a_signed_response_wins_settles_and_moves_balances() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    let statuses = desk.subscribe("quote_status").await;
    let extended = desk.subscribe("quote_status_extended").await;

    let id = running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    let event = desk.event(&quotes).await;
    assert_eq!(event["data"]["quote_id"], id);
    assert_eq!(event["data"]["exact_amount_in"], TENTH_BTC.to_string());
    assert_eq!(event["data"]["min_deadline_ms"], 60_000);

    let terms = offer(salt(&running));
    let (reply, hash) = desk.respond(&id, output(), &terms).await;
    assert_eq!(reply["result"], OK);

    let ready = desk.event(&extended).await;
    assert_eq!(ready["data"]["event_type"], "quote_ready_to_settle");
    let status = desk.event(&statuses).await;
    assert_eq!(status["data"]["quote_hash"], hash);
    let settled = desk.event(&extended).await;
    assert_eq!(settled["data"]["event_type"], "quote_settle_successful");
    assert_eq!(settled["data"]["tx_hash"], status["data"]["tx_hash"]);

    let of = |token: &str| json!({ "account_id": DESK, "token_id": token });
    let moved = until(async || {
        let balance = view(&running, "mt_balance_of", of(NBTC)).await;
        (balance == (SAT + TENTH_BTC).to_string()).then_some(())
    });
    moved.await;
    assert_eq!(view(&running, "mt_balance_of", of(EURE)).await, (WEI - OFFER_WEI).to_string());
    let nonce = json!({ "account_id": DESK, "nonce": base64(&terms.nonce()) });
    assert_eq!(view(&running, "is_nonce_used", nonce).await, true);

    let summary = running.handle().summary();
    assert_eq!((summary.auctions.won_by_desk, summary.auctions.settled), (1, 1));
    assert_eq!(summary.journal.quote_response_frames, 1);
    assert_eq!((summary.journal.distinct_nonces, summary.journal.distinct_commands), (1, 1));
    assert_eq!(summary.journal.distinct_payloads, 1);
    assert_eq!(summary.journal.violations, 0, "{:?}", summary.journal.violations_kept);
    running.shutdown().await;
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn an_exact_out_request_in_the_other_direction_settles_too() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let statuses = desk.subscribe("quote_status").await;
    let quote = ScriptedQuote::exact_out(EURE, BTC_LEGACY, TENTH_BTC, Outcome::DeskWins);
    let id = running.handle().quote(quote).unwrap();
    let asks = 6_120 * 1_000_000_000_000_000_000_u128;
    let terms = Terms::trade(salt(&running), EURE, asks, BTC_LEGACY, TENTH_BTC);
    let (reply, hash) = desk.respond(&id, json!({ "amount_in": asks.to_string() }), &terms).await;
    assert_eq!(reply["result"], OK);
    assert_eq!(desk.event(&statuses).await["data"]["quote_hash"], hash);
    let balances = &running.handle().summary().balances[DESK];
    assert_eq!(balances[EURE], (WEI + asks).to_string());
    assert_eq!(balances[BTC_LEGACY], (SAT - TENTH_BTC).to_string());
}

#[tokio::test]
async fn the_fee_goes_to_the_collector_and_no_token_is_made_or_lost_by_a_trade() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let statuses = desk.subscribe("quote_status").await;
    let id = running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    desk.respond(&id, output(), &offer(salt(&running))).await;
    desk.event(&statuses).await;
    let fees = &running.handle().summary().balances["fees.sim.near"];
    assert_eq!(fees[NBTC], "11", "one pip of what the taker gave, rounded up");
    assert_eq!(fees[EURE], OFFER_WEI.div_ceil(1_000_000).to_string());
}

#[tokio::test]
async fn the_best_price_wins_and_a_better_rival_beats_the_desk() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let statuses = desk.subscribe("quote_status").await;
    let by_price =
        |rival_bps| Outcome::ByPrice { accept_bps: 250, rival_bps: Some(rival_bps), publishes: true };
    for (rival_bps, wins) in [(150, false), (230, true)] {
        let id = running.handle().quote(sell(by_price(rival_bps))).unwrap();
        let mut terms = offer(salt(&running));
        terms.random = u8::try_from(rival_bps).unwrap();
        let (reply, hash) = desk.respond(&id, output(), &terms).await;
        assert_eq!(reply["result"], OK);
        // Settlements of others are told to everyone.
        let status = desk.event(&statuses).await;
        assert_eq!(status["data"]["quote_hash"] == hash, wins, "rival at {rival_bps} bps");
    }
    let tally = running.handle().summary().auctions;
    assert_eq!((tally.won_by_desk, tally.won_by_rival, tally.lost_to_rival), (1, 1, 1));
    assert_eq!(tally.settled, 1);
}

#[tokio::test]
async fn a_price_too_far_from_fair_is_not_taken() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let outcome = Outcome::ByPrice { accept_bps: 199, rival_bps: None, publishes: true };
    let id = running.handle().quote(sell(outcome)).unwrap();
    let (reply, _) = desk.respond(&id, output(), &offer(salt(&running))).await;
    assert_eq!(reply["result"], OK);
    let handle = running.handle();
    until(async || (handle.summary().auctions.not_taken == 1).then_some(())).await;
    assert_eq!(handle.summary().auctions.won_by_desk, 0);
}

#[tokio::test]
async fn filters_keep_other_pairs_away_and_unsubscribing_ends_the_stream() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let filters = json!(["quote", { "tokens_in": [NBTC], "tokens_out": [EURE] }]);
    let filtered = desk.call("subscribe", filters).await["result"].as_str().unwrap().to_owned();
    let all = desk.subscribe("quote").await;
    let other = ScriptedQuote::exact_in(EURE, NBTC, 5, Outcome::NobodyTakes);
    running.handle().quote(other).unwrap();
    let wanted = running.handle().quote(sell(Outcome::NobodyTakes)).unwrap();
    assert_eq!(desk.event(&filtered).await["data"]["quote_id"], wanted);
    let reply = desk.call("unsubscribe", json!([filtered])).await;
    assert_eq!(reply["result"], OK);
    let again = running.handle().quote(sell(Outcome::NobodyTakes)).unwrap();
    desk.find(|frame| frame["params"]["subscription"] == all && frame["params"]["data"]["quote_id"] == again)
        .await;
    assert!(!desk.has(|frame| frame["params"]["subscription"] == filtered));
    let unknown = desk.call("unsubscribe", json!([filtered])).await;
    assert_eq!(unknown["error"]["message"], "subscription not found");
}

#[tokio::test]
async fn the_documented_forms_of_events_and_errors_can_be_asked_for() {
    let relay = RelayOptions {
        events: EventForm::Flat,
        errors: ErrorForm::Text,
        extra_fields: true,
        ..options().relay
    };
    let running = start(Options { relay, ..options() }).await;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    let id = running.handle().quote(sell(Outcome::NobodyTakes)).unwrap();
    let frame = desk.find(|frame| frame["params"]["subscription"] == quotes).await;
    assert_eq!(frame["method"], "subscribe");
    assert_eq!(frame["params"]["quote_id"], id);
    assert!(frame["params"]["x_extension"].is_object());
    let (reply, _) = desk.respond("no-such-quote", output(), &offer(salt(&running))).await;
    assert_eq!(reply["error"], "quote not found or already finished");
}

#[tokio::test]
async fn the_door_asks_for_a_token_it_knows() {
    let running = start(options()).await;
    let url = running.endpoints().relay_ws;
    assert_eq!(refused_with(dial(&url, None).await), 401);
    assert_eq!(refused_with(dial(&url, Some("another")).await), 403);
    assert!(dial(&url, Some(TOKEN)).await.is_ok());
}

#[tokio::test]
async fn a_router_leg_is_over_before_a_top_level_auction_would_begin_to_close() {
    let running = start(options()).await;
    let leg = sell(Outcome::DeskWins).with("protocol_fee_included", true).with("min_wait_ms", 1);
    running.handle().quote(leg).unwrap();
    let top = running.handle().quote(sell(Outcome::DeskWins).with("min_wait_ms", 1_500)).unwrap();
    let handle = running.handle();
    until(async || (handle.summary().auctions.closed_without_offer == 1).then_some(())).await;
    let mut desk = Client::relay(&running).await;
    let (reply, _) = desk.respond(&top, output(), &offer(salt(&running))).await;
    assert_eq!(reply["result"], OK, "the top-level auction is still open");
}

#[tokio::test]
async fn a_front_end_asks_publishes_and_follows_its_intent() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    let url = running.endpoints().relay_rpc;
    let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "quote", "params": [{
        "defuse_asset_identifier_in": NBTC,
        "defuse_asset_identifier_out": EURE,
        "exact_amount_in": TENTH_BTC.to_string(),
    }] });
    let asked = tokio::spawn({
        let url = url.clone();
        async move { post(&url, &ask).await.1 }
    });
    let id = desk.event(&quotes).await["data"]["quote_id"].as_str().unwrap().to_owned();
    let (_, hash) = desk.respond(&id, output(), &offer(salt(&running))).await;
    let answer = asked.await.unwrap();
    assert_eq!(answer["result"][0]["quote_hash"], hash);
    assert_eq!(answer["result"][0]["amount_out"], OFFER_WEI.to_string());

    // The taker is another account with the same key, which an owner has added.
    let owner = stele_simulator::AccountOptions {
        account_id: "buyer.near".to_owned(),
        public_keys: vec![crate::support::public_key()],
        balances: vec![Balance::new(NBTC, SAT)],
    };
    running.handle().add_account(&owner);
    let gets = OFFER_WEI - OFFER_WEI.div_ceil(1_000_000);
    let mut taker = Terms::trade(salt(&running), EURE, gets, NBTC, TENTH_BTC + 11);
    taker.signer = "buyer.near".to_owned();
    let (signed, intent_hash) = taker.sign();
    let publish = json!({ "jsonrpc": "2.0", "id": 2, "method": "publish_intent", "params": [{
        "quote_hashes": [hash], "signed_data": signed,
    }] });
    // The new balance is in the next block.
    let published = until(async || {
        let result = post(&url, &publish).await.1["result"].clone();
        (result["status"] == "OK").then_some(result)
    });
    assert_eq!(published.await["intent_hash"], intent_hash);
    let follow = json!({ "jsonrpc": "2.0", "id": 3, "method": "get_status", "params": [{ "intent_hash": intent_hash }] });
    until(async || (post(&url, &follow).await.1["result"]["status"] == "SETTLED").then_some(())).await;
    assert_eq!(running.handle().summary().balances["buyer.near"][EURE], gets.to_string());
    let again = post(&url, &publish).await.1;
    assert_eq!(again["result"]["status"], "FAILED");
    assert_eq!(again["result"]["reason"], "nonce was already used");
}

#[tokio::test]
async fn an_empty_intent_published_alone_burns_its_nonce_and_the_open_offer_with_it() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let extended = desk.subscribe("quote_status_extended").await;
    let id = running.handle().quote(sell(Outcome::DeskWins).with("min_wait_ms", 500)).unwrap();
    let terms = offer(salt(&running));
    assert_eq!(desk.respond(&id, output(), &terms).await.0["result"], OK);
    let cancel = Terms { cancel: true, ..terms.clone() };
    let (signed, hash) = cancel.sign();
    let publish = json!({ "jsonrpc": "2.0", "id": 2, "method": "publish_intent", "params": [{
        "quote_hashes": [], "signed_data": signed,
    }] });
    let published = post(&running.endpoints().relay_rpc, &publish).await.1;
    assert_eq!(
        (&published["result"]["status"], &published["result"]["intent_hash"]),
        (&json!("OK"), &json!(hash))
    );
    let nonce = json!({ "account_id": DESK, "nonce": base64(&terms.nonce()) });
    until(async || (view(&running, "is_nonce_used", nonce.clone()).await == true).then_some(())).await;
    desk.event(&extended).await;
    assert_eq!(desk.event(&extended).await["data"]["event_type"], "quote_settle_failed");
    assert_eq!(running.handle().summary().balances[DESK][EURE], WEI.to_string());
}

#[tokio::test]
async fn a_missed_status_is_sent_again_to_an_instance_until_it_is_acknowledged() {
    let running = start(options()).await;
    let url = format!("{}?instance_id=desk-1", running.endpoints().relay_ws);
    let mut first = dial(&url, Some(TOKEN)).await.unwrap();
    let guaranteed = json!(["quote_status", null, true]);
    assert!(first.call("subscribe", guaranteed.clone()).await["result"].is_string());
    let refused = first.call("subscribe", json!(["quote", null, true])).await;
    let text = "guaranteed delivery is only available on quote_status and shield_status";
    assert_eq!(refused["error"]["message"], text);
    drop(first);

    let mut other = Client::relay(&running).await;
    let statuses = other.subscribe("quote_status").await;
    let id = running.handle().quote(sell(Outcome::DeskWins)).unwrap();
    let (_, hash) = other.respond(&id, output(), &offer(salt(&running))).await;
    assert!(other.event(&statuses).await.get("seq").is_none());

    for _ in 0..2 {
        let mut again = dial(&url, Some(TOKEN)).await.unwrap();
        let subscription = again.call("subscribe", guaranteed.clone()).await["result"].clone();
        let missed = again.event(subscription.as_str().unwrap()).await;
        assert_eq!((&missed["seq"], &missed["data"]["quote_hash"]), (&json!(1), &json!(hash)));
    }
    let mut last = dial(&url, Some(TOKEN)).await.unwrap();
    let subscription = last.call("subscribe", guaranteed.clone()).await["result"].clone();
    assert_eq!(last.call("acknowledge", json!([subscription, 1])).await["result"], OK);
    drop(last);
    let mut after = dial(&url, Some(TOKEN)).await.unwrap();
    after.call("subscribe", guaranteed).await;
    // Whatever would be sent again comes before the reply to the next request.
    after.call("unsubscribe", json!(["none"])).await;
    assert!(!after.has(|frame| frame["params"]["seq"].is_number()));
}

#[tokio::test]
async fn traffic_of_a_seed_is_the_same_in_two_worlds_and_is_answered_at_its_rate() {
    let busy = || Options { traffic: Traffic::per_second(200), ..options() };
    let mut seen = vec![];
    for _ in 0..2 {
        let running = start(busy()).await;
        let mut desk = Client::relay(&running).await;
        let quotes = desk.subscribe("quote").await;
        let mut from_first = vec![];
        for _ in 0..100 {
            from_first.push(desk.event(&quotes).await["data"].clone());
        }
        seen.push(from_first);
        running.shutdown().await;
    }
    // The second reader may have subscribed a little earlier or later: the sequences overlap.
    let (a, b) = (&seen[0], &seen[1]);
    let offset = a
        .iter()
        .position(|quote| *quote == b[0])
        .map_or_else(|| (b.iter().position(|quote| *quote == a[0]).unwrap(), false), |offset| (offset, true));
    let (longer, shorter) = if offset.1 { (a, b) } else { (b, a) };
    assert_eq!(longer[offset.0..], shorter[..shorter.len() - offset.0]);
}

#[tokio::test]
async fn the_journal_has_every_frame_of_an_auction_both_ways() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    let id = running.handle().quote(sell(Outcome::NobodyTakes)).unwrap();
    desk.event(&quotes).await;
    desk.respond(&id, output(), &offer(salt(&running))).await;
    let page = running.handle().journal(1, 1_000, Some(Door::Relay));
    let lines: Vec<String> = page
        .entries
        .iter()
        .map(|entry| {
            let text = entry.text.as_deref().map(|text| serde_json::from_str::<Value>(text).unwrap());
            let method = text.as_ref().and_then(|text| text["method"].as_str()).unwrap_or("reply").to_owned();
            let what = entry.note.clone().unwrap_or(method);
            format!("{:?} {what} {}", entry.direction, entry.verdict.as_deref().unwrap_or("-"))
        })
        .collect();
    let expected = [
        "In connected -",
        "In subscribe subscribed to quote",
        "Out reply -",
        "Out event -",
        "In quote_response accepted",
        "Out reply -",
    ];
    assert_eq!(lines, expected);
}
