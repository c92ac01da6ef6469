//! The admin door: what a person or a script asks with nothing but HTTP.

use crate::support::{Client, DESK, SAT, TOKEN, dial, get, options, post, refused_with, start, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use stele_simulator::{
    Action, EURE, Fault, JournalOptions, NBTC, Options, Outcome, Refused, ScriptedQuote, Simulator,
    StartError, Summary, WorldState,
};

#[tokio::test]
async fn a_quote_is_scripted_seen_and_counted_over_http() {
    let running = start(options()).await;
    let admin = running.endpoints().admin;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    let quote = json!({
        "data": {
            "defuse_asset_identifier_in": NBTC,
            "defuse_asset_identifier_out": EURE,
            "exact_amount_in": "100000",
        },
        "metadata": { "partner_id": "1click" },
        "outcome": { "settles_late": { "by_ms": 5 } },
    });
    let (status, answer) = post(&format!("{admin}/sim/quote"), &quote).await;
    assert_eq!(status, 200, "{answer}");
    let event = desk.event(&quotes).await;
    assert_eq!(event["data"]["quote_id"], answer["quote_id"]);
    assert_eq!(event["metadata"]["partner_id"], "1click");
    let (_, summary) = get(&format!("{admin}/sim/summary")).await;
    let summary: Summary = serde_json::from_value(summary).unwrap();
    assert_eq!(summary.auctions.quotes, 1);
    assert_eq!(summary, running.handle().summary());
}

#[tokio::test]
async fn a_verbatim_quote_is_sent_exactly_as_it_is_however_wrong() {
    let running = start(options()).await;
    let mut desk = Client::relay(&running).await;
    let quotes = desk.subscribe("quote").await;
    let data = json!({ "quote_id": 5, "exact_amount_in": { "no": "number" } });
    let quote = json!({ "data": data, "verbatim": true });
    let (status, answer) = post(&format!("{}/sim/quote", running.base_url()), &quote).await;
    assert_eq!((status, &answer["quote_id"]), (200, &json!("")));
    assert_eq!(desk.event(&quotes).await["data"], data);
}

#[tokio::test]
async fn accounts_are_made_and_funded_and_shown_in_the_state() {
    let running = start(options()).await;
    let admin = running.endpoints().admin;
    let account = json!({ "account_id": "new.near", "public_keys": ["ed25519:abc"] });
    assert_eq!(post(&format!("{admin}/sim/account"), &account).await.0, 200);
    let amount = "340282366920938463463374607431768211455";
    let fund = json!({ "account_id": "new.near", "balances": [{ "token": NBTC, "amount": amount }] });
    assert_eq!(post(&format!("{admin}/sim/fund"), &fund).await.0, 200);
    let (_, state) = get(&format!("{admin}/sim/state")).await;
    let state: WorldState = serde_json::from_value(state).unwrap();
    let new = state.accounts.iter().find(|account| account.account_id == "new.near").unwrap();
    assert_eq!(
        (&new.balances[NBTC], &new.public_keys),
        (&amount.to_owned(), &vec!["ed25519:abc".to_owned()])
    );
    assert_eq!(state.market.mid_e8, 6_000_000_000_000);
    assert!(state.final_height < state.block_height);
}

#[tokio::test]
async fn faults_are_armed_listed_and_cleared_over_http() {
    let running = start(options()).await;
    let admin = running.endpoints().admin;
    let arm = async |body: Value| post(&format!("{admin}/sim/fault"), &body).await;
    assert_eq!(
        arm(json!({ "fault": "settles_late", "by_ms": 5, "count": 2 })).await,
        (200, json!({ "id": 1 }))
    );
    assert_eq!(arm(json!({ "fault": "near_down", "provider": "second", "for_ms": 60_000 })).await.0, 200);
    assert_eq!(arm(json!({ "fault": "coingecko_null" })).await.0, 200);
    let (_, listed) = get(&format!("{admin}/sim/faults")).await;
    assert_eq!((&listed[0]["fault"], &listed[0]["left"]), (&json!("settles_late"), &json!(2)));
    assert!(listed[1]["left_ms"].as_u64().unwrap() > 50_000);
    assert!(listed[2].get("left").is_none());
    let clear = async |path: &str| {
        reqwest::Client::new().delete(format!("{admin}{path}")).send().await.unwrap().status().as_u16()
    };
    assert_eq!((clear("/sim/faults/1").await, clear("/sim/faults/1").await), (200, 404));
    assert_eq!(clear("/sim/faults").await, 200);
    assert!(running.handle().faults().is_empty());
}

#[tokio::test]
async fn a_request_that_is_not_understood_says_why_and_does_nothing() {
    let running = start(options()).await;
    let admin = running.endpoints().admin;
    let fault = async |body: Value| post(&format!("{admin}/sim/fault"), &body).await;
    let (status, answer) = fault(json!({ "fault": "flood" })).await;
    assert_eq!(status, 422);
    assert!(answer["error"].as_str().unwrap().contains("unknown variant `flood`"), "{answer}");
    assert_eq!(fault(json!({ "fault": "never_settles", "count": 1, "for_ms": 1 })).await.0, 422);
    assert_eq!(fault(json!({ "fault": "never_settles", "count": -1 })).await.0, 422);
    assert_eq!(post(&format!("{admin}/sim/price"), &json!({ "eur": "much" })).await.0, 422);
    assert_eq!(post(&format!("{admin}/sim/act"), &json!({ "action": "explode" })).await.0, 422);
    let repeat = json!({ "action": "repeat_quote", "altered": false });
    let (status, answer) = post(&format!("{admin}/sim/act"), &repeat).await;
    assert_eq!((status, &answer["error"]), (409, &json!("there is no quote to repeat")));
    assert!(running.handle().faults().is_empty());
}

#[tokio::test]
async fn a_deposit_is_announced_before_it_is_credited_and_spendable_only_after() {
    let running = start(options()).await;
    let act = format!("{}/sim/act", running.base_url());
    let announce = json!({ "action": "announce_deposit", "account": DESK, "token": NBTC, "amount": "500" });
    assert_eq!(post(&act, &announce).await.0, 200);
    let state = running.handle().state();
    assert_eq!(state.pending_deposits[0].amount, 500);
    assert_eq!(running.handle().summary().balances[DESK][NBTC], SAT.to_string());
    let credit = json!({ "action": "credit_deposit", "account": DESK });
    assert_eq!(post(&act, &credit).await.0, 200);
    assert_eq!(running.handle().summary().balances[DESK][NBTC], (SAT + 500).to_string());
    assert_eq!(post(&act, &credit).await.0, 409);
}

#[tokio::test]
async fn the_journal_is_read_in_pages_and_says_when_it_is_full() {
    let journal = JournalOptions { entries_max: 5, ..JournalOptions::default() };
    let running = start(Options { journal, ..options() }).await;
    let admin = running.endpoints().admin;
    let mut desk = Client::relay(&running).await;
    for _ in 0..4 {
        desk.subscribe("quote").await;
    }
    let (_, first) = get(&format!("{admin}/sim/journal?from=1&limit=2&door=relay")).await;
    assert_eq!((first["entries"].as_array().unwrap().len(), &first["next"]), (2, &json!(3)));
    assert!(first["entries"][1]["text"].as_str().unwrap().contains("subscribe"));
    let (_, rest) = get(&format!("{admin}/sim/journal?from=3")).await;
    assert_eq!(rest["entries"].as_array().unwrap().len(), 3);
    assert_eq!((&rest["written"], &rest["not_kept"]), (&json!(9), &json!(4)));
    assert!(rest["error"].is_string());
}

#[tokio::test]
async fn an_address_outside_loopback_is_refused() {
    let bind: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let refused = Simulator::start(Options { bind, ..options() }).await;
    assert!(matches!(refused.map(|_| ()), Err(StartError::NotLoopback(_))));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let running = start(options()).await;
    let bind = running.addr();
    let taken = Simulator::start(Options { bind, ..options() }).await;
    let error = taken.map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), format!("can't listen on {bind}"));
}

/// The names that a tagged enum says it knows, from what it says to one that it does not.
fn known<T: serde::de::DeserializeOwned>(tag: &str) -> BTreeSet<String> {
    let unknown = json!({ tag: "?" });
    let error = serde_json::from_value::<T>(unknown).err().unwrap().to_string();
    let (_, names) = error.split_once("expected one of ").unwrap();
    names.split('`').filter(|name| !name.is_empty() && !name.contains(',')).map(str::to_owned).collect()
}

/// The names in the first column of the table that starts with this heading.
fn in_the_readme(heading: &str) -> BTreeSet<String> {
    let readme = include_str!("../../README.md");
    let (_, table) = readme.split_once(&format!("| {heading} | fields |")).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    let names = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.filter(|name| *name != "by_ms" && *name != "cause").map(str::to_owned).collect()
}

#[test]
fn the_readme_names_every_fault_and_every_action_and_no_other() {
    assert_eq!(in_the_readme("fault"), known::<Fault>("fault"));
    assert_eq!(in_the_readme("action"), known::<Action>("action"));
}

#[tokio::test]
async fn what_is_more_than_the_limits_is_refused_and_counted() {
    let mut small = options();
    small.relay.open_auctions_max = 2;
    small.relay.connections_max = 1;
    small.feeds.kraken_connections_max = 1;
    let running = start(small).await;
    let quote = || ScriptedQuote::exact_in(NBTC, EURE, 5, Outcome::NobodyTakes).with("min_wait_ms", 30_000);
    running.handle().quote(quote()).unwrap();
    running.handle().quote(quote()).unwrap();
    assert_eq!(running.handle().quote(quote()).unwrap_err(), Refused::TooManyAuctions);
    let tally = running.handle().summary().auctions;
    assert_eq!((tally.quotes, tally.quotes_not_published), (2, 1));

    let mut relay = Client::relay(&running).await;
    relay.subscribe("quote").await;
    let mut kraken = Client::kraken(&running).await;
    kraken.next().await;
    let endpoints = running.endpoints();
    assert_eq!(refused_with(dial(&endpoints.relay_ws, Some(TOKEN)).await), 503);
    assert_eq!(refused_with(dial(&endpoints.kraken_ws, None).await), 503);
    drop((relay, kraken));
    let handle = running.handle();
    until(async || (handle.summary().relay_connections == 0).then_some(())).await;
    Client::relay(&running).await.subscribe("quote").await;
}
