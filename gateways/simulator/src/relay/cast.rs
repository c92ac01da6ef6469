//! Who else is in the market: takers who ask for quotes and rivals who answer them. Their keys come from the
//! seed, and what they sign is verified like everyone's.

use crate::clock::{Nanos, rfc3339};
use crate::nep413::{Signatory, VersionedNonce, base64_text, preimage, sha256};
use crate::random::Random;
use crate::verifier::payload::{Nep413Payload, SignedPayload};
use serde_json::json;

const TAKERS: usize = 8;
const RIVALS: usize = 3;

/// How long after its deadline a party's nonce ends.
const NONCE_MARGIN: Nanos = 60_000_000_000;

/// One of the cast.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) account: String,
    pub(crate) signatory: Signatory,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Cast {
    takers: Vec<Party>,
    rivals: Vec<Party>,
    random: Random,
}

impl Cast {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, "cast");
        let mut party = |kind: &str, index: usize| Party {
            account: format!("{kind}-{index}.sim.near"),
            signatory: Signatory::from_seed(&random.bytes()),
        };
        let takers = (0..TAKERS).map(|index| party("taker", index)).collect();
        let rivals = (0..RIVALS).map(|index| party("rival", index)).collect();
        Self { takers, rivals, random }
    }

    pub(crate) fn parties(&self) -> impl Iterator<Item = &Party> {
        self.takers.iter().chain(&self.rivals)
    }

    pub(crate) fn taker(&mut self) -> Party {
        let index = self.random.between(0, u64::try_from(TAKERS - 1).unwrap_or(0));
        self.takers[usize::try_from(index).unwrap_or(0)].clone()
    }

    pub(crate) fn rival(&mut self) -> Party {
        let index = self.random.between(0, u64::try_from(RIVALS - 1).unwrap_or(0));
        self.rivals[usize::try_from(index).unwrap_or(0)].clone()
    }

    /// Signs a `token_diff` that is valid until `deadline`.
    pub(crate) fn sign_diff(
        &mut self,
        party: &Party,
        contract: &str,
        salt: [u8; 4],
        deadline: Nanos,
        diff: &[(&str, i128)],
    ) -> SignedPayload {
        let diff: serde_json::Map<_, _> =
            diff.iter().map(|(token, delta)| ((*token).to_owned(), json!(delta.to_string()))).collect();
        let message = json!({
            "signer_id": party.account,
            "deadline": rfc3339(deadline),
            "intents": [{ "intent": "token_diff", "diff": diff }],
        })
        .to_string();
        let nonce = VersionedNonce::with_deadline(salt, deadline + NONCE_MARGIN, self.random.bytes()).write();
        let digest = sha256(&preimage(&message, &nonce, contract, None));
        SignedPayload::Nep413 {
            payload: Nep413Payload {
                message,
                nonce: base64_text(&nonce),
                recipient: contract.to_owned(),
                callback_url: None,
            },
            public_key: party.signatory.public_key(),
            signature: party.signatory.sign(&digest),
        }
    }
}
