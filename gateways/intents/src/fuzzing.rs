//! What fuzzers call: the relay's and the providers' words, from bytes that they may have sent. Each function takes any
//! bytes, comes to an end without a panic and asserts what holds of all that is taken. It returns what of the bytes was
//! taken, by name.

use crate::nonce::Nonce;
use crate::relay::translate::{self as relay, Meaning, Outcome, REASON_CHARS_MAX};
use crate::verifier::{translate as verifier, wire};
use std::collections::BTreeMap;
use stele_domain::ids::TokenId;
use stele_domain::port::feeds::RelayWord;
use stele_domain::port::venue::Submission;

/// A frame of the relay. Only its good word is a yes, and what can't be read is told in few words.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn relay(bytes: &[u8]) -> Vec<&'static str> {
    let Ok(text) = std::str::from_utf8(bytes) else { return vec![] };
    match relay::frame(text) {
        Meaning::Reply { id: _, outcome } => {
            reply(outcome);
            vec!["reply"]
        }
        Meaning::News { subscription: _, word: RelayWord::Unreadable(reason) } => {
            assert!(reason.chars().count() <= REASON_CHARS_MAX, "a reason of {} bytes", reason.len());
            vec![]
        }
        Meaning::News { subscription: _, word: RelayWord::Quote(quote) } => {
            let amounts = [&quote.exact_amount_in, &quote.exact_amount_out];
            assert!(amounts.into_iter().flatten().all(|amount| amount.len() <= text.len()));
            vec!["quote"]
        }
        Meaning::News { subscription: _, word: RelayWord::Settlement(_) | RelayWord::Reply(_) } => {
            vec!["settlement"]
        }
    }
}

fn reply(outcome: Outcome) {
    let _ = relay::granted(&outcome);
    let yes = matches!(&outcome, Outcome::Result(word) if word == "\"OK\"");
    let no = matches!(&outcome, Outcome::Error(_));
    let submission = relay::submission(outcome);
    assert_eq!(yes, matches!(submission, Submission::Accepted { .. }), "{submission:?}");
    assert_eq!(no, matches!(submission, Submission::Refused { .. }), "{submission:?}");
}

/// A provider's answer: a block, a view, and what the views hold.
///
/// # Panics
///
/// When the decoder breaks a promise of its own.
pub fn near(bytes: &[u8]) -> Vec<&'static str> {
    let mut reached = vec![];
    if let Ok(block) = verifier::result::<wire::Block>(bytes)
        && let Ok(block) = verifier::final_block(block)
    {
        assert!(block.at.micros() >= 0, "a block of before 1970: {block:?}");
        reached.push("block");
    }
    if let Ok(view) = verifier::result::<wire::View>(bytes) {
        let hash = view.block_hash.clone().unwrap_or_default();
        let at = stele_domain::time::Timestamp::from_micros(0);
        let block = verifier::FinalBlock { height: view.block_height.unwrap_or_default(), hash, at };
        if let Ok(amounts) = verifier::view::<Vec<String>>("mt_batch_balance_of", &block, view) {
            balances(&amounts);
            reached.push("balances");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return reached };
    if let Ok(salt) = verifier::salt(text) {
        assert_eq!(verifier::salt(&salt).ok(), Some(salt));
        reached.push("salt");
    }
    if let Ok(nonce) = Nonce::parse(text) {
        assert_eq!(Nonce::parse(&nonce.base64()), Ok(nonce));
        reached.push("nonce");
    }
    reached
}

fn balances(amounts: &[String]) {
    let names = (0..amounts.len()).filter_map(|nth| TokenId::try_from(format!("nep141:t{nth}.near")).ok());
    let tokens: Vec<TokenId> = names.collect();
    let Ok(balances) = verifier::balances(&tokens, amounts) else { return };
    let texts: BTreeMap<&TokenId, &String> = tokens.iter().zip(amounts).collect();
    for (token, units) in &balances {
        let text = texts.get(token).map_or("", |text| text.as_str());
        let canonical = text.trim_start_matches('0');
        let canonical = if canonical.is_empty() { "0" } else { canonical };
        assert_eq!(units.to_string(), canonical, "{token} has another balance than {text}");
    }
}
