//! Signed payloads as the contract reads them: what is signed, by whom, and the intents inside.

use crate::clock::{Nanos, parse_rfc3339};
use crate::nep413::{preimage, sha256, signed_by, unbase64};
use crate::verifier::engine::EngineError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A signed payload. Standards of other chains (erc191, tip191, webauthn …) are not simulated and do not parse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standard", rename_all = "snake_case")]
pub enum SignedPayload {
    /// NEP-413: the nonce and the recipient stand beside the message.
    Nep413 {
        /// What is signed.
        payload: Nep413Payload,
        /// `ed25519:` text.
        public_key: String,
        /// `ed25519:` text.
        signature: String,
    },
    /// Ed25519 over the payload's text.
    RawEd25519 {
        /// JSON text.
        payload: String,
        /// `ed25519:` text.
        public_key: String,
        /// `ed25519:` text.
        signature: String,
    },
}

/// The object inside a NEP-413 payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nep413Payload {
    /// JSON text.
    pub message: String,
    /// Base64 of 32 bytes.
    pub nonce: String,
    /// The contract that may execute it.
    pub recipient: String,
    /// Part of what is signed when present.
    #[serde(rename = "callbackUrl", default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

/// A payload's content, whatever the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Whose intents these are.
    pub signer_id: String,
    /// Who may execute them.
    pub verifying_contract: String,
    /// Until when.
    pub deadline: Nanos,
    /// Single use.
    pub nonce: [u8; 32],
    /// What is wanted.
    pub intents: Vec<Intent>,
}

/// What an account can want. Other intents of the contract are not simulated and do not parse.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case")]
pub enum Intent {
    /// Balances change by these amounts, if others' changes add up to zero with them.
    TokenDiff {
        /// Signed base units per token.
        diff: BTreeMap<String, SignedText>,
    },
    /// Tokens move to another account.
    Transfer {
        /// The other account.
        receiver_id: String,
        /// Base units per token.
        tokens: BTreeMap<String, UnsignedText>,
    },
    /// Tokens leave the contract.
    FtWithdraw {
        /// The token's account, without `nep141:`.
        token: String,
        /// Where to.
        receiver_id: String,
        /// Base units.
        amount: UnsignedText,
    },
    /// Another key may sign.
    AddPublicKey {
        /// `ed25519:` text.
        public_key: String,
    },
    /// A key may no longer sign.
    RemovePublicKey {
        /// `ed25519:` text.
        public_key: String,
    },
}

/// A whole number written as decimal text, negative allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SignedText(pub i128);

/// A whole number written as decimal text, not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UnsignedText(pub u128);

impl TryFrom<String> for SignedText {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for UnsignedText {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

#[derive(Deserialize)]
struct Nep413Message {
    signer_id: String,
    deadline: Value,
    #[serde(default)]
    intents: Vec<Intent>,
}

#[derive(Deserialize)]
struct RawMessage {
    signer_id: String,
    verifying_contract: String,
    deadline: Value,
    nonce: String,
    #[serde(default)]
    intents: Vec<Intent>,
}

impl SignedPayload {
    /// The intent hash: of what exactly was signed.
    ///
    /// A nonce that is not base64 of 32 bytes hashes as zeros; reading the content then refuses it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        match self {
            Self::Nep413 { payload, .. } => {
                let nonce = nonce_bytes(&payload.nonce).unwrap_or_default();
                let callback = payload.callback_url.as_deref();
                sha256(&preimage(&payload.message, &nonce, &payload.recipient, callback))
            }
            Self::RawEd25519 { payload, .. } => sha256(payload.as_bytes()),
        }
    }

    /// Whether the signature is by the stated key.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        match self {
            Self::Nep413 { public_key, signature, .. } => signed_by(public_key, signature, &self.hash()),
            Self::RawEd25519 { payload, public_key, signature } => {
                signed_by(public_key, signature, payload.as_bytes())
            }
        }
    }

    /// The key that it says it is signed with.
    #[must_use]
    pub fn public_key(&self) -> &str {
        match self {
            Self::Nep413 { public_key, .. } | Self::RawEd25519 { public_key, .. } => public_key,
        }
    }

    /// Reads what was signed.
    pub fn content(&self) -> Result<Content, EngineError> {
        match self {
            Self::Nep413 { payload, .. } => {
                let read: Nep413Message = serde_json::from_str(&payload.message)
                    .map_err(|error| EngineError::Unreadable(error.to_string()))?;
                Ok(Content {
                    signer_id: read.signer_id,
                    verifying_contract: payload.recipient.clone(),
                    deadline: deadline(&read.deadline)?,
                    nonce: nonce_bytes(&payload.nonce).ok_or(EngineError::InvalidNonce)?,
                    intents: read.intents,
                })
            }
            Self::RawEd25519 { payload, .. } => {
                let read: RawMessage = serde_json::from_str(payload)
                    .map_err(|error| EngineError::Unreadable(error.to_string()))?;
                Ok(Content {
                    signer_id: read.signer_id,
                    verifying_contract: read.verifying_contract,
                    deadline: deadline(&read.deadline)?,
                    nonce: nonce_bytes(&read.nonce).ok_or(EngineError::InvalidNonce)?,
                    intents: read.intents,
                })
            }
        }
    }
}

impl Content {
    /// The balance changes, when the payload holds one `token_diff` and nothing else.
    #[must_use]
    pub fn only_diff(&self) -> Option<&BTreeMap<String, SignedText>> {
        match self.intents.as_slice() {
            [Intent::TokenDiff { diff }] => Some(diff),
            _ => None,
        }
    }
}

fn nonce_bytes(text: &str) -> Option<[u8; 32]> {
    unbase64(text)?.try_into().ok()
}

/// RFC 3339 text, or the older `{"timestamp": seconds}`.
fn deadline(value: &Value) -> Result<Nanos, EngineError> {
    let older = || value.get("timestamp")?.as_i64().map(|seconds| Nanos::from(seconds) * 1_000_000_000);
    let read = value.as_str().and_then(parse_rfc3339).or_else(older);
    read.ok_or_else(|| EngineError::Unreadable(format!("deadline {value} is not a time")))
}
