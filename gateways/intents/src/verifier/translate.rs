//! What NEAR's answers mean to us. Pure; tested on the answers in `payloads/verifier`.

use super::client::Failure;
use super::wire;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use stele_domain::ids::TokenId;
use stele_domain::money::Units;
use stele_domain::port::verifier::Snapshot;
use stele_domain::time::Timestamp;

/// How much of somebody else's text stands in an error, in characters.
const QUOTED_CHARS_MAX: usize = 300;

/// Causes that the same question may outlive: another node behind the same name, or the next second, may know better.
const PASSING_CAUSES: [&str; 7] = [
    "UNKNOWN_BLOCK",
    "GARBAGE_COLLECTED_BLOCK",
    "UNAVAILABLE_SHARD",
    "NO_SYNCED_BLOCKS",
    "NOT_SYNCED_YET",
    "INTERNAL_ERROR",
    "TIMEOUT_ERROR",
];

/// A final block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalBlock {
    pub height: u64,
    pub hash: String,
    pub at: Timestamp,
}

/// The `result` of an answer.
pub fn result<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    let answer: wire::Answer<'a> =
        serde_json::from_slice(body).map_err(|error| misshapen("answer", &error))?;
    if let Some(error) = answer.error {
        return Err(refusal(error.get()));
    }
    let result = answer.result.ok_or_else(|| Failure::Misshapen("neither result nor error".into()))?;
    serde_json::from_str(result.get()).map_err(|error| misshapen("result", &error))
}

/// A final block from the result of `block`.
pub fn final_block(block: wire::Block) -> Result<FinalBlock, Failure> {
    let wire::Header { height, hash, timestamp_nanosec, timestamp } = block.header;
    let nanos = match timestamp_nanosec {
        Some(text) => text.parse().ok(),
        None => timestamp,
    };
    let micros = nanos.and_then(|nanos: u64| i64::try_from(nanos / 1_000).ok());
    let at = micros.and_then(Timestamp::of_micros);
    let at = at.ok_or_else(|| Failure::Misshapen(format!("block {height} has no readable time")))?;
    Ok(FinalBlock { height, hash, at })
}

/// A view's answer, which must be about the block that was asked for.
pub fn view<T: DeserializeOwned>(method: &str, block: &FinalBlock, view: wire::View) -> Result<T, Failure> {
    if let Some(error) = view.error {
        return Err(Failure::Refused(format!("{method}: {}", quoted(&error))));
    }
    match (view.block_height, view.block_hash) {
        (Some(height), Some(hash)) if height == block.height && hash == block.hash => {}
        (Some(height), Some(hash)) if height == block.height => {
            return Err(Failure::OtherBlock(format!("block hash: {} and {hash} in {method}", block.hash)));
        }
        (height, _) => {
            let what =
                format!("{method} was asked about block {}, but answered about {height:?}", block.height);
            return Err(Failure::Misshapen(what));
        }
    }
    let bytes = view.result.ok_or_else(|| Failure::Misshapen(format!("{method}: no result")))?;
    serde_json::from_slice(&bytes).map_err(|error| misshapen(method, &error))
}

/// Balances by token: as many texts as tokens were asked about.
pub fn balances(tokens: &[TokenId], amounts: &[String]) -> Result<BTreeMap<TokenId, Units>, Failure> {
    if amounts.len() != tokens.len() {
        let what = format!("{} balances for {} tokens", amounts.len(), tokens.len());
        return Err(Failure::Misshapen(what));
    }
    let read = |(token, amount): (&TokenId, &String)| match amount.parse::<Units>() {
        Ok(units) => Ok((token.clone(), units)),
        Err(error) => Err(Failure::Misshapen(format!("balance of {token}: {error}"))),
    };
    tokens.iter().zip(amounts).map(read).collect()
}

/// A salt as the nonce needs it: 8 hex digits in lower case.
pub fn salt(text: &str) -> Result<String, Failure> {
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Failure::Misshapen(format!("salt {} is not 8 hex digits", quoted(text))))
    }
}

/// The first thing that two providers say differently about the same block.
pub fn difference(one: (&str, &Snapshot), other: (&str, &Snapshot)) -> Option<String> {
    let (a, b) = (one.1, other.1);
    let said =
        |what: &str, x: String, y: String| Some(format!("{what}: {x} at {}, {y} at {}", one.0, other.0));
    if a.block_hash != b.block_hash {
        return said("block hash", a.block_hash.clone(), b.block_hash.clone());
    }
    for (token, units) in &a.balances {
        if b.balances.get(token) != Some(units) {
            let theirs = b.balances.get(token).map_or_else(|| "nothing".into(), Units::to_string);
            return said(&format!("balance of {token}"), units.to_string(), theirs);
        }
    }
    for (index, (x, y)) in a.nonces_used.iter().zip(&b.nonces_used).enumerate() {
        if x != y {
            return said(&format!("whether nonce {index} is used"), x.to_string(), y.to_string());
        }
    }
    let facts = [
        ("salt", a.salt.clone(), b.salt.clone()),
        ("fee", a.fee_pips.to_string(), b.fee_pips.to_string()),
        ("whether the contract is paused", a.contract_paused.to_string(), b.contract_paused.to_string()),
        ("whether the account is locked", a.account_locked.to_string(), b.account_locked.to_string()),
        (
            "whether the key is registered",
            format!("{:?}", a.key_registered),
            format!("{:?}", b.key_registered),
        ),
    ];
    facts.into_iter().find(|(_, x, y)| x != y).and_then(|(what, x, y)| said(what, x, y))
}

/// An error, as an object or as a bare text.
fn refusal(json: &str) -> Failure {
    if let Ok(text) = serde_json::from_str::<String>(json) {
        return Failure::Refused(quoted(&text));
    }
    let Ok(error) = serde_json::from_str::<wire::RpcError>(json) else {
        return Failure::Refused(quoted(json));
    };
    let cause = error.cause.and_then(|cause| cause.name);
    let passing = cause.as_deref().is_some_and(|cause| PASSING_CAUSES.contains(&cause));
    let data = error.data.map(|data| data.to_string());
    let parts = [error.name, cause, error.message, data];
    let text = quoted(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
    if passing { Failure::NotNow(text) } else { Failure::Refused(text) }
}

fn misshapen(what: &str, error: &serde_json::Error) -> Failure {
    Failure::Misshapen(quoted(&format!("{what}: {error}")))
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
