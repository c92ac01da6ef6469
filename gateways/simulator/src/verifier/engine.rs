//! Executes signed payloads in the contract's own order of checks, all of them or none.

use crate::clock::{Nanos, rfc3339};
use crate::nep413::{VersionedNonce, base58, base64_text};
use crate::random::hex;
use crate::verifier::payload::{Content, Intent, SignedPayload, SignedText, UnsignedText};
use crate::verifier::state::{Nonces, State};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A million pips are the whole.
const PIPS_WHOLE: u128 = 1_000_000;

/// Version that the contract's events carry.
const EVENT_VERSION: &str = "0.3.0";

/// Why the contract refuses; the text is what it panics with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The signature is not by the stated key.
    #[error("invalid signature")]
    InvalidSignature,
    /// The signed text is not what the contract reads.
    #[error("JSON error: {0}")]
    Unreadable(String),
    /// The payload names another contract.
    #[error("wrong verifying_contract")]
    WrongContract,
    /// The deadline is before the block's time.
    #[error("deadline has expired")]
    DeadlineExpired,
    /// The key may not sign for the account.
    #[error("public key '{key}' doesn't exist for account '{account}'")]
    UnknownKey {
        /// The signer.
        account: String,
        /// The key it signed with.
        key: String,
    },
    /// The nonce's salt is not valid (any more).
    #[error("invalid salt")]
    InvalidSalt,
    /// The payload would outlive its nonce.
    #[error("deadline is greater than nonce")]
    DeadlineGreaterThanNonce,
    /// The nonce is not 32 bytes, or of a kind that is not accepted.
    #[error("invalid nonce")]
    InvalidNonce,
    /// The signer is locked.
    #[error("account '{0}' is locked")]
    Locked(String),
    /// The nonce was used.
    #[error("nonce was already used")]
    NonceUsed,
    /// An intent that says nothing: an empty or zero difference, a transfer to oneself.
    #[error("invalid intent")]
    InvalidIntent,
    /// Not enough, or too much to count.
    #[error("insufficient balance or overflow")]
    Insufficient,
    /// The payloads do not add up to zero.
    #[error("invariant violated: unmatched deltas {0}")]
    Unmatched(String),
    /// The contract is paused.
    #[error("Pausable: Method is paused")]
    Paused,
}

/// When and where an execution takes place.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The contract's own account.
    pub contract: &'a str,
    /// The block's time.
    pub now: Nanos,
    /// The block's height.
    pub height: u64,
    /// Whether nonces without salt and deadline are still accepted.
    pub legacy_nonces: bool,
}

/// One payload that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Base58.
    pub intent_hash: String,
    /// The signer.
    pub account_id: String,
    /// Single use, now used.
    pub nonce: [u8; 32],
}

/// What an execution did, before anyone asks whether it adds up.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The state after.
    pub state: State,
    /// The payloads, in order.
    pub executed: Vec<Executed>,
    /// `EVENT_JSON:` lines.
    pub logs: Vec<String>,
    /// The earliest deadline.
    pub min_deadline: Option<Nanos>,
    /// What does not add up, per token: positive means that more was credited than given.
    pub unmatched: BTreeMap<String, i128>,
}

impl Outcome {
    /// Refuses an execution that does not add up to zero.
    pub fn balanced(self) -> Result<Self, EngineError> {
        if self.unmatched.is_empty() {
            return Ok(self);
        }
        let text = self.unmatched.iter().map(|(token, delta)| format!("{token}: {delta}"));
        Err(EngineError::Unmatched(text.collect::<Vec<_>>().join(", ")))
    }
}

/// The fee on a given amount: rounded up, so that any fee at all takes at least one unit.
#[must_use]
pub fn fee_on(given: u128, pips: u32) -> u128 {
    let pips = u128::from(pips);
    // Split so that the product fits for any amount.
    let (whole, rest) = (given / PIPS_WHOLE, given % PIPS_WHOLE);
    whole.saturating_mul(pips).saturating_add((rest * pips).div_ceil(PIPS_WHOLE))
}

/// The least amount to give so that exactly `net` arrives after the fee; `None` when it does not fit.
#[must_use]
pub fn gross_for(net: u128, pips: u32) -> Option<u128> {
    let keep = PIPS_WHOLE.checked_sub(u128::from(pips)).filter(|keep| *keep > 0)?;
    let (whole, rest) = (net / keep, net % keep);
    let guess = whole.checked_mul(PIPS_WHOLE)?.checked_add((rest * PIPS_WHOLE).div_ceil(keep))?;
    // The two roundings up can differ by one.
    let around = [guess.checked_sub(1), Some(guess), guess.checked_add(1)];
    around.into_iter().flatten().find(|gross| gross.checked_sub(fee_on(*gross, pips)) == Some(net))
}

/// Executes `signed` in order on a copy of `state`. The caller commits the result, or does not.
pub fn run(
    state: &State,
    nonces: &Nonces,
    signed: &[SignedPayload],
    setting: Setting<'_>,
) -> Result<Outcome, EngineError> {
    if state.paused {
        return Err(EngineError::Paused);
    }
    let mut run = Run {
        setting,
        nonces,
        fresh: BTreeSet::new(),
        deltas: BTreeMap::new(),
        outcome: Outcome {
            state: state.clone(),
            executed: vec![],
            logs: vec![],
            min_deadline: None,
            unmatched: BTreeMap::new(),
        },
    };
    for payload in signed {
        run.payload(payload)?;
    }
    let mut outcome = run.outcome;
    outcome.unmatched = run.deltas.into_iter().filter(|(_, delta)| *delta != 0).collect();
    let executed = outcome.executed.iter().map(executed_json).collect::<Vec<_>>();
    if !executed.is_empty() {
        outcome.logs.push(event("dip4", "intents_executed", &json!(executed)));
    }
    Ok(outcome)
}

/// As `simulate_intents` and the events write it.
#[must_use]
pub fn executed_json(executed: &Executed) -> Value {
    json!({
        "intent_hash": executed.intent_hash,
        "account_id": executed.account_id,
        "nonce": base64_text(&executed.nonce),
    })
}

struct Run<'a> {
    setting: Setting<'a>,
    nonces: &'a Nonces,
    fresh: BTreeSet<(String, [u8; 32])>,
    deltas: BTreeMap<String, i128>,
    outcome: Outcome,
}

impl Run<'_> {
    fn payload(&mut self, signed: &SignedPayload) -> Result<(), EngineError> {
        if !signed.is_signed() {
            return Err(EngineError::InvalidSignature);
        }
        let hash = base58(&signed.hash());
        let content = signed.content()?;
        check_content(&self.outcome.state, signed.public_key(), &content, self.setting)?;
        self.commit_nonce(&content)?;
        let deadline = content.deadline;
        self.outcome.min_deadline = Some(self.outcome.min_deadline.map_or(deadline, |min| min.min(deadline)));
        for intent in &content.intents {
            self.intent(&content.signer_id, &hash, intent)?;
        }
        let executed =
            Executed { intent_hash: hash, account_id: content.signer_id.clone(), nonce: content.nonce };
        self.outcome.executed.push(executed);
        Ok(())
    }

    fn commit_nonce(&mut self, content: &Content) -> Result<(), EngineError> {
        let signer = &content.signer_id;
        if self.outcome.state.is_locked(signer) {
            return Err(EngineError::Locked(signer.clone()));
        }
        let used = self.nonces.is_used(signer, &content.nonce, self.setting.height);
        if used || !self.fresh.insert((signer.clone(), content.nonce)) {
            return Err(EngineError::NonceUsed);
        }
        Ok(())
    }

    fn intent(&mut self, signer: &str, hash: &str, intent: &Intent) -> Result<(), EngineError> {
        match intent {
            Intent::TokenDiff { diff } => self.token_diff(signer, hash, diff),
            Intent::Transfer { receiver_id, tokens } => self.transfer(signer, receiver_id, tokens),
            Intent::FtWithdraw { token, receiver_id, amount } => {
                self.withdraw(signer, token, receiver_id, amount.0)
            }
            Intent::AddPublicKey { public_key } => {
                let account = self.outcome.state.account_mut(signer);
                account.removed_keys.remove(public_key);
                if account.keys.insert(public_key.clone()) { Ok(()) } else { Err(EngineError::InvalidIntent) }
            }
            Intent::RemovePublicKey { public_key } => {
                if !self.outcome.state.has_key(signer, public_key) {
                    let (account, key) = (signer.to_owned(), public_key.clone());
                    return Err(EngineError::UnknownKey { account, key });
                }
                let account = self.outcome.state.account_mut(signer);
                account.keys.remove(public_key);
                account.removed_keys.insert(public_key.clone());
                Ok(())
            }
        }
    }

    fn token_diff(
        &mut self,
        signer: &str,
        hash: &str,
        diff: &BTreeMap<String, SignedText>,
    ) -> Result<(), EngineError> {
        if diff.is_empty() {
            return Err(EngineError::InvalidIntent);
        }
        let (pips, collector) = (self.outcome.state.fee_pips, self.outcome.state.fee_collector.clone());
        let mut fees = BTreeMap::new();
        for (token, SignedText(delta)) in diff {
            let amount = delta.unsigned_abs();
            if *delta == 0 {
                return Err(EngineError::InvalidIntent);
            }
            if *delta > 0 {
                self.outcome.state.credit(signer, token, amount).ok_or(EngineError::Insufficient)?;
            } else {
                self.outcome.state.debit(signer, token, amount).ok_or(EngineError::Insufficient)?;
                let fee = fee_on(amount, pips);
                if fee > 0 {
                    fees.insert(token.clone(), fee);
                }
            }
            self.matched(token, *delta)?;
        }
        for (token, fee) in &fees {
            self.outcome.state.credit(&collector, token, *fee).ok_or(EngineError::Insufficient)?;
            self.matched(token, i128::try_from(*fee).map_err(|_| EngineError::Insufficient)?)?;
        }
        let shown: BTreeMap<_, _> = diff.iter().map(|(token, delta)| (token, delta.0.to_string())).collect();
        let fees: BTreeMap<_, _> = fees.iter().map(|(token, fee)| (token, fee.to_string())).collect();
        let data = json!([{
            "account_id": signer, "intent_hash": hash, "diff": shown, "fees_collected": fees,
        }]);
        self.outcome.logs.push(event("dip4", "token_diff", &data));
        Ok(())
    }

    fn transfer(
        &mut self,
        signer: &str,
        receiver: &str,
        tokens: &BTreeMap<String, UnsignedText>,
    ) -> Result<(), EngineError> {
        if signer == receiver || tokens.is_empty() {
            return Err(EngineError::InvalidIntent);
        }
        for (token, UnsignedText(amount)) in tokens {
            if *amount == 0 {
                return Err(EngineError::InvalidIntent);
            }
            self.outcome.state.debit(signer, token, *amount).ok_or(EngineError::Insufficient)?;
            self.outcome.state.credit(receiver, token, *amount).ok_or(EngineError::Insufficient)?;
        }
        let shown: BTreeMap<_, _> =
            tokens.iter().map(|(token, amount)| (token, amount.0.to_string())).collect();
        let data = json!([{ "account_id": signer, "receiver_id": receiver, "tokens": shown }]);
        self.outcome.logs.push(event("dip4", "transfer", &data));
        Ok(())
    }

    fn withdraw(
        &mut self,
        signer: &str,
        token: &str,
        receiver: &str,
        amount: u128,
    ) -> Result<(), EngineError> {
        if amount == 0 {
            return Err(EngineError::InvalidIntent);
        }
        let held = format!("nep141:{token}");
        self.outcome.state.debit(signer, &held, amount).ok_or(EngineError::Insufficient)?;
        let data = json!([{
            "account_id": signer, "token": token, "receiver_id": receiver, "amount": amount.to_string(),
        }]);
        self.outcome.logs.push(event("dip4", "ft_withdraw", &data));
        let burnt = json!([{ "owner_id": signer, "token_ids": [held], "amounts": [amount.to_string()] }]);
        self.outcome.logs.push(event("nep245", "mt_burn", &burnt));
        Ok(())
    }

    fn matched(&mut self, token: &str, delta: i128) -> Result<(), EngineError> {
        let sum = self.deltas.entry(token.to_owned()).or_default();
        *sum = sum.checked_add(delta).ok_or(EngineError::Insufficient)?;
        Ok(())
    }
}

/// The checks between reading a payload and using its nonce, in the contract's order.
pub fn check_content(
    state: &State,
    public_key: &str,
    content: &Content,
    setting: Setting<'_>,
) -> Result<(), EngineError> {
    if content.verifying_contract != setting.contract {
        return Err(EngineError::WrongContract);
    }
    if content.deadline < setting.now {
        return Err(EngineError::DeadlineExpired);
    }
    if !state.has_key(&content.signer_id, public_key) {
        let (account, key) = (content.signer_id.clone(), public_key.to_owned());
        return Err(EngineError::UnknownKey { account, key });
    }
    let Some(nonce) = VersionedNonce::read(&content.nonce) else {
        return if setting.legacy_nonces { Ok(()) } else { Err(EngineError::InvalidNonce) };
    };
    if !state.is_valid_salt(nonce.salt) {
        return Err(EngineError::InvalidSalt);
    }
    // The contract goes on to ask whether the nonce's own deadline has passed; after this check and the one of
    // the payload's deadline it cannot have.
    if content.deadline > Nanos::from(nonce.deadline_ns) {
        return Err(EngineError::DeadlineGreaterThanNonce);
    }
    Ok(())
}

/// The answer of `simulate_intents`.
#[must_use]
pub fn simulation_json(outcome: &Outcome) -> Value {
    let executed: Vec<_> = outcome.executed.iter().map(executed_json).collect();
    let min_deadline = outcome.min_deadline.map_or_else(|| "9999-12-31T23:59:59Z".to_owned(), rfc3339);
    let mut answer = json!({
        "intents_executed": executed,
        "logs": outcome.logs,
        "min_deadline": min_deadline,
        "state": { "fee": outcome.state.fee_pips, "current_salt": hex(&outcome.state.salt) },
    });
    if !outcome.unmatched.is_empty() {
        let unmatched: BTreeMap<_, _> =
            outcome.unmatched.iter().map(|(token, delta)| (token, delta.to_string())).collect();
        answer["invariant_violated"] = json!({ "error": "unmatched_deltas", "unmatched_deltas": unmatched });
    }
    answer
}

fn event(standard: &str, name: &str, data: &Value) -> String {
    let event = json!({ "standard": standard, "version": EVENT_VERSION, "event": name, "data": data });
    format!("EVENT_JSON:{event}")
}

#[cfg(test)]
mod tests;
