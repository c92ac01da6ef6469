//! The verifier contract's view functions, answered from the state of one block.

use crate::nep413::unbase64;
use crate::random::{hex, unhex};
use crate::verifier::chain::{Block, Chain};
use crate::verifier::engine::simulation_json;
use crate::verifier::payload::SignedPayload;
use crate::verifier::state::State;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Why a view has no result.
pub(super) enum ViewError {
    /// The contract panicked with this text.
    Panicked(String),
    /// The contract has no such method.
    NoSuchMethod,
}

#[derive(Deserialize)]
struct OfToken {
    account_id: String,
    token_id: String,
}

#[derive(Deserialize)]
struct OfTokens {
    account_id: String,
    token_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Token {
    token_id: String,
}

#[derive(Deserialize)]
struct Tokens {
    token_ids: Vec<String>,
}

#[derive(Deserialize)]
struct OfAccount {
    account_id: String,
    #[serde(default)]
    from_index: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct OfNonce {
    account_id: String,
    nonce: String,
}

#[derive(Deserialize)]
struct OfKey {
    account_id: String,
    public_key: String,
}

#[derive(Deserialize)]
struct Salt {
    salt: String,
}

#[derive(Deserialize)]
struct PauseKey {
    key: String,
}

#[derive(Deserialize)]
struct Signed {
    signed: Vec<SignedPayload>,
}

/// Answers a view from the state of `block`. A provider that `disagrees` reports balances one unit too high.
pub(super) fn view(
    chain: &Chain,
    block: &Block,
    method: &str,
    args: &[u8],
    disagrees: bool,
) -> Result<Value, ViewError> {
    let state: &State = &block.state;
    let balance =
        |account: &str, token: &str| state.balance(account, token).saturating_add(u128::from(disagrees));
    Ok(match method {
        "mt_balance_of" => {
            let of: OfToken = read(args)?;
            json!(balance(&of.account_id, &of.token_id).to_string())
        }
        "mt_batch_balance_of" => {
            let of: OfTokens = read(args)?;
            let balances = of.token_ids.iter().map(|token| balance(&of.account_id, token).to_string());
            json!(balances.collect::<Vec<_>>())
        }
        "mt_supply" => json!(state.supply(&read::<Token>(args)?.token_id).to_string()),
        "mt_batch_supply" => {
            let tokens = read::<Tokens>(args)?.token_ids;
            json!(tokens.iter().map(|token| state.supply(token).to_string()).collect::<Vec<_>>())
        }
        "mt_tokens_for_owner" => tokens_for_owner(state, &read(args)?)?,
        "is_nonce_used" => {
            let of: OfNonce = read(args)?;
            let nonce: Option<[u8; 32]> = unbase64(&of.nonce).and_then(|nonce| nonce.try_into().ok());
            let nonce = nonce.ok_or_else(|| ViewError::Panicked(bad_input("nonce is not 32 bytes")))?;
            json!(chain.is_nonce_used(&of.account_id, &nonce, block.height))
        }
        "has_public_key" => {
            let of: OfKey = read(args)?;
            json!(state.has_key(&of.account_id, &of.public_key))
        }
        "public_keys_of" => {
            let account = state.accounts.get(&read::<OfAccount>(args)?.account_id);
            json!(account.map(|account| &account.keys).into_iter().flatten().collect::<Vec<_>>())
        }
        "is_account_locked" => json!(state.is_locked(&read::<OfAccount>(args)?.account_id)),
        "is_auth_by_predecessor_id_enabled" => {
            let account = state.accounts.get(&read::<OfAccount>(args)?.account_id);
            json!(account.is_none_or(|account| account.auth_by_predecessor))
        }
        "current_salt" => json!(hex(&state.salt)),
        "is_valid_salt" => {
            let salt = unhex::<4>(&read::<Salt>(args)?.salt);
            let salt = salt.ok_or_else(|| ViewError::Panicked(bad_input("salt is not 4 bytes")))?;
            json!(state.is_valid_salt(salt))
        }
        "fee" => json!(state.fee_pips),
        "fee_collector" => json!(state.fee_collector),
        "pa_is_paused" => {
            json!(state.paused && matches!(read::<PauseKey>(args)?.key.as_str(), "intents" | "ALL"))
        }
        "simulate_intents" => {
            let signed = read::<Signed>(args)?.signed;
            let outcome = chain.simulate(block, &signed);
            simulation_json(&outcome.map_err(|error| ViewError::Panicked(error.to_string()))?)
        }
        _ => return Err(ViewError::NoSuchMethod),
    })
}

fn tokens_for_owner(state: &State, of: &OfAccount) -> Result<Value, ViewError> {
    let from = of.from_index.as_deref().map_or(Ok(0), str::parse::<usize>);
    let from = from.map_err(|_| ViewError::Panicked(bad_input("from_index is no number")))?;
    let held = state.accounts.get(&of.account_id).map(|account| account.balances.keys());
    let tokens = held.into_iter().flatten().skip(from).take(of.limit.unwrap_or(usize::MAX));
    let tokens = tokens.map(|token| json!({ "token_id": token, "owner_id": of.account_id }));
    Ok(Value::Array(tokens.collect()))
}

fn read<T: DeserializeOwned>(args: &[u8]) -> Result<T, ViewError> {
    serde_json::from_slice(args).map_err(|error| ViewError::Panicked(bad_input(&error.to_string())))
}

fn bad_input(why: &str) -> String {
    format!("Failed to deserialize input from JSON.: {why}")
}
