//! NEAR JSON-RPC: views, blocks, the ways in which a provider can be wrong, and how it says so.

use crate::support::{
    DESK, SAT, Terms, WEI, options, post, public_key, result_of, salt, start, until, view, view_at,
};
use serde_json::{Value, json};
use stele_simulator::{Action, Balance, ChainOptions, EURE, Fault, NBTC, Options, Provider, Running, Scope};

fn finality(name: &str) -> Value {
    json!({ "finality": name })
}

async fn rpc(running: &Running, method: &str, params: Value) -> Value {
    post(
        &running.endpoints().near,
        &json!({ "jsonrpc": "2.0", "id": "7", "method": method, "params": params }),
    )
    .await
    .1
}

async fn balance_at(url: &str, at: &Value) -> Value {
    view_at(url, at, "mt_balance_of", &json!({ "account_id": DESK, "token_id": NBTC })).await
}

/// Waits until the newest final block is at least this high, and returns its answer.
async fn height_after(running: &Running, height: u64) -> u64 {
    let look = async || {
        let block = rpc(running, "block", finality("final")).await;
        block["result"]["header"]["height"].as_u64().filter(|now| *now > height)
    };
    until(look).await
}

#[tokio::test]
async fn the_contracts_views_answer_in_bytes_with_height_and_hash() {
    let running = start(options()).await;
    let answer = balance_at(&running.endpoints().near, &finality("final")).await;
    assert_eq!(result_of(&answer), SAT.to_string());
    assert!(answer["result"]["block_height"].as_u64().unwrap() > 100_000_000);
    assert!(answer["result"]["block_hash"].as_str().unwrap().len() > 40);
    let batch = json!({ "account_id": DESK, "token_ids": [EURE, "nep141:none", NBTC] });
    let expected = json!([WEI.to_string(), "0", SAT.to_string()]);
    assert_eq!(view(&running, "mt_batch_balance_of", batch).await, expected);
    assert_eq!(view(&running, "mt_supply", json!({ "token_id": NBTC })).await, SAT.to_string());
    assert_eq!(view(&running, "fee", json!({})).await, 1);
    assert_eq!(view(&running, "fee_collector", json!({})).await, "fees.sim.near");
    assert_eq!(view(&running, "pa_is_paused", json!({ "key": "intents" })).await, false);
    let desk = json!({ "account_id": DESK });
    assert_eq!(view(&running, "is_account_locked", desk.clone()).await, false);
    assert_eq!(view(&running, "is_auth_by_predecessor_id_enabled", desk.clone()).await, true);
    assert_eq!(view(&running, "public_keys_of", desk.clone()).await, json!([public_key()]));
    let key = |key: &str| json!({ "account_id": DESK, "public_key": key });
    assert_eq!(view(&running, "has_public_key", key(&public_key())).await, true);
    assert_eq!(view(&running, "has_public_key", key("ed25519:nothing")).await, false);
    let salt = view(&running, "current_salt", json!({})).await;
    assert_eq!(salt, running.handle().state().salt);
    assert_eq!(view(&running, "is_valid_salt", json!({ "salt": salt })).await, true);
    assert_eq!(view(&running, "is_valid_salt", json!({ "salt": "eeeeeeee" })).await, false);
    assert_eq!(view(&running, "mt_tokens_for_owner", desk).await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_pinned_block_says_the_same_while_the_world_moves_on() {
    let running = start(options()).await;
    let url = running.endpoints().near;
    let block = rpc(&running, "block", finality("final")).await["result"]["header"].clone();
    let height = block["height"].as_u64().unwrap();
    running.handle().fund(DESK, &[Balance::new(NBTC, 7)]);
    height_after(&running, height + 4).await;
    let newest = balance_at(&url, &finality("final")).await;
    assert_eq!(result_of(&newest), "7");
    for at in [json!({ "block_id": height }), json!({ "block_id": block["hash"] })] {
        let pinned = balance_at(&url, &at).await;
        assert_eq!(result_of(&pinned), SAT.to_string());
        assert_eq!(pinned["result"]["block_height"], height);
        assert_eq!(pinned["result"]["block_hash"], block["hash"]);
    }
}

#[tokio::test]
async fn blocks_rise_by_one_name_their_parents_and_carry_the_worlds_time() {
    let running = start(options()).await;
    let first = rpc(&running, "block", finality("optimistic")).await["result"]["header"].clone();
    let height = first["height"].as_u64().unwrap();
    height_after(&running, height + 2).await;
    let next = rpc(&running, "block", json!({ "block_id": height + 1 })).await["result"]["header"].clone();
    assert_eq!(next["prev_hash"], first["hash"]);
    let nanos = |header: &Value| header["timestamp_nanosec"].as_str().unwrap().parse::<u128>().unwrap();
    assert!(nanos(&next) >= nanos(&first));
    let status = rpc(&running, "status", json!([])).await;
    assert_eq!(status["result"]["chain_id"], "stele-simulator");
    assert!(status["result"]["sync_info"]["latest_block_height"].as_u64().unwrap() > height);
    assert_eq!(status["result"]["sync_info"]["syncing"], false);
}

#[tokio::test]
async fn what_cannot_be_read_is_said_in_the_nodes_own_errors() {
    let chain = ChainOptions { history_blocks: 5, ..options().chain };
    let running = start(Options { chain, ..options() }).await;
    let url = running.endpoints().near;
    let first =
        rpc(&running, "block", finality("final")).await["result"]["header"]["height"].as_u64().unwrap();
    height_after(&running, first + 8).await;
    let cause = |answer: Value| answer["error"]["cause"]["name"].as_str().unwrap_or_default().to_owned();
    let old = balance_at(&url, &json!({ "block_id": first })).await;
    assert_eq!(
        (old["error"]["name"].as_str(), old["error"]["code"].as_i64()),
        (Some("HANDLER_ERROR"), Some(-32_000))
    );
    assert_eq!(cause(old), "GARBAGE_COLLECTED_BLOCK");
    assert_eq!(cause(balance_at(&url, &json!({ "block_id": first + 9_999 })).await), "UNKNOWN_BLOCK");
    let stranger = json!({ "request_type": "call_function", "finality": "final", "account_id": "x.near",
        "method_name": "fee", "args_base64": "e30=" });
    assert_eq!(cause(rpc(&running, "query", stranger).await), "UNKNOWN_ACCOUNT");
    assert_eq!(cause(rpc(&running, "query", json!({})).await), "PARSE_ERROR");
    assert_eq!(cause(rpc(&running, "tx", json!({})).await), "METHOD_NOT_FOUND");
    assert_eq!(cause(balance_at(&url, &json!({})).await), "PARSE_ERROR");
}

#[tokio::test]
async fn a_panicking_view_answers_200_with_an_error_inside_the_result() {
    let running = start(options()).await;
    let url = running.endpoints().near;
    let at = finality("final");
    let missing = view_at(&url, &at, "mt_balance_of", &json!({ "account_id": DESK })).await;
    assert!(missing["result"]["error"].as_str().unwrap().contains("Failed to deserialize input"));
    assert!(missing["result"]["block_height"].is_u64());
    let nothing = view_at(&url, &at, "no_such_view", &json!({})).await;
    assert!(nothing["result"]["error"].as_str().unwrap().contains("MethodNotFound"));
}

#[tokio::test]
async fn simulating_ones_own_payload_tells_hash_fee_and_salt_and_what_is_unmatched() {
    let running = start(options()).await;
    let terms = Terms::trade(salt(&running), NBTC, 100, EURE, 1_000_000);
    let (signed, hash) = terms.sign();
    let answer = view(&running, "simulate_intents", json!({ "signed": [signed] })).await;
    assert_eq!(answer["intents_executed"][0]["intent_hash"], hash);
    assert_eq!(answer["intents_executed"][0]["account_id"], DESK);
    assert_eq!(answer["state"]["fee"], 1);
    assert_eq!(answer["state"]["current_salt"], running.handle().state().salt);
    let unmatched = &answer["invariant_violated"]["unmatched_deltas"];
    assert_eq!((&unmatched[NBTC], &unmatched[EURE]), (&json!("100"), &json!("-999999")));
    assert!(answer["logs"][0].as_str().unwrap().starts_with("EVENT_JSON:"));
    // Nothing has happened.
    assert_eq!(view(&running, "mt_supply", json!({ "token_id": NBTC })).await, SAT.to_string());
}

#[tokio::test]
async fn simulating_a_payload_that_could_not_execute_panics_with_the_contracts_words() {
    let running = start(options()).await;
    let url = running.endpoints().near;
    let mut terms = Terms::trade(salt(&running), NBTC, 100, EURE, WEI + 1);
    let simulate = async |terms: &Terms| {
        let args = json!({ "signed": [terms.sign().0] });
        let answer = view_at(&url, &finality("optimistic"), "simulate_intents", &args).await;
        answer["result"]["error"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    assert!(simulate(&terms).await.contains("insufficient balance or overflow"));
    terms.salt = [0xee; 4];
    assert!(simulate(&terms).await.contains("invalid salt"));
    terms.deadline_ms -= 100_000;
    assert!(simulate(&terms).await.contains("deadline has expired"));
}

#[tokio::test]
async fn a_paused_contract_says_so_and_simulates_nothing() {
    let running = start(options()).await;
    running.handle().act(Action::PauseContract { paused: true }).unwrap();
    let paused =
        async || (view(&running, "pa_is_paused", json!({ "key": "intents" })).await == true).then_some(());
    until(paused).await;
    let args = json!({ "signed": [] });
    let answer = view_at(&running.endpoints().near, &finality("optimistic"), "simulate_intents", &args).await;
    assert!(answer["result"]["error"].as_str().unwrap().contains("Pausable: Method is paused"));
}

#[tokio::test]
async fn one_provider_can_be_down_slow_wrong_or_behind_while_the_other_is_not() {
    let running = start(options()).await;
    let handle = running.handle();
    let (near, near2) = (running.endpoints().near, running.endpoints().near2);
    let at = finality("final");
    let first = Provider::First;

    handle.fault(Fault::NearDown { provider: first }, Scope::Count(1)).unwrap();
    assert_eq!(post(&near, &json!({})).await.0, 503);
    assert_eq!(result_of(&balance_at(&near2, &at).await), SAT.to_string());
    assert_eq!(result_of(&balance_at(&near, &at).await), SAT.to_string(), "one request only");

    let cause = "NO_SYNCED_BLOCKS".to_owned();
    handle.fault(Fault::NearErrors { provider: first, cause }, Scope::Count(1)).unwrap();
    assert_eq!(balance_at(&near, &at).await["error"]["cause"]["name"], "NO_SYNCED_BLOCKS");

    let disagrees = Fault::NearDisagrees { provider: Provider::Second };
    let id = handle.fault(disagrees, Scope::UntilCleared).unwrap();
    assert_eq!(result_of(&balance_at(&near2, &at).await), (SAT + 1).to_string());
    assert_eq!(result_of(&balance_at(&near, &at).await), SAT.to_string());
    assert_eq!(handle.clear_faults(Some(id)), 1);

    handle.fault(Fault::NearStale { provider: first }, Scope::UntilCleared).unwrap();
    let stuck = balance_at(&near, &at).await["result"]["block_height"].as_u64().unwrap();
    let look = async || {
        let height = balance_at(&near2, &at).await["result"]["block_height"].as_u64().unwrap();
        (height > stuck + 3).then_some(height)
    };
    let newer = until(look).await;
    assert_eq!(balance_at(&near, &at).await["result"]["block_height"], stuck);
    let unknown = balance_at(&near, &json!({ "block_id": newer })).await;
    assert_eq!(unknown["error"]["cause"]["name"], "UNKNOWN_BLOCK", "it cannot know what came later");
}

#[tokio::test]
async fn garbage_collection_forgets_a_nonce_only_when_its_time_is_over() {
    use base64::Engine as _;
    let running = start(options()).await;
    let handle = running.handle();
    let mut desk = crate::support::Client::relay(&running).await;
    let statuses = desk.subscribe("quote_status").await;
    let gives = 5_880_000_000_000_000_000_u128;
    let quote =
        stele_simulator::ScriptedQuote::exact_in(NBTC, EURE, 10_000, stele_simulator::Outcome::DeskWins);
    let id = handle.quote(quote).unwrap();
    let terms = Terms::trade(salt(&running), NBTC, 10_000, EURE, gives);
    desk.respond(&id, json!({ "amount_out": gives.to_string() }), &terms).await;
    desk.event(&statuses).await;
    let nonce = base64::engine::general_purpose::STANDARD.encode(terms.nonce());
    let used = async || view(&running, "is_nonce_used", json!({ "account_id": DESK, "nonce": nonce })).await;
    handle.act(Action::CollectNonces).unwrap();
    assert_eq!(used().await, true);
    handle.act(Action::SkewClock { by_ms: 3_600_000 }).unwrap();
    handle.act(Action::CollectNonces).unwrap();
    until(async || (used().await == false).then_some(())).await;
}
