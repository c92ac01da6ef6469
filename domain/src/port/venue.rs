//! The venue: where a signed offer is sent. Preparing is pure; only [`Venue::submit`] touches the world.

use super::PortFuture;
use crate::ids::{AccountId, CommandId, QuoteHash, QuoteId, TokenId};
use crate::money::Units;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An amount of one token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAmount {
    /// Which token.
    pub token: TokenId,
    /// How much, in base units.
    pub amount: Units,
}

/// Which side the request fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExactSide {
    /// The taker's amount is fixed; we choose what we give, rounded down.
    In,
    /// Our amount is fixed; we choose what we ask, rounded up.
    Out,
}

impl ExactSide {
    /// The name in events and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What an offer says, before it is worded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferTerms {
    /// The command that wants it. The nonce is derived from this id.
    pub command_id: CommandId,
    /// The auction it answers.
    pub quote_id: QuoteId,
    /// Who signs.
    pub account: AccountId,
    /// What we receive.
    pub receive: TokenAmount,
    /// What we give.
    pub give: TokenAmount,
    /// Which side the request fixed.
    pub exact: ExactSide,
    /// The offer can be executed until then.
    pub offer_deadline: Timestamp,
    /// The nonce can be asked about until then.
    pub nonce_deadline: Timestamp,
    /// The verifier's current salt, 8 hex digits.
    pub salt: String,
}

/// An offer, worded to the byte. Fixed in the log before anything is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedOffer {
    /// The text that is signed.
    pub message: String,
    /// 32 bytes in base64.
    pub nonce: String,
    /// The verifier contract.
    pub recipient: String,
    /// Base58 of the digest that is signed: our key for this offer everywhere.
    pub quote_hash: QuoteHash,
}

/// A prepared offer with all that is needed to send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The auction it answers.
    pub quote_id: QuoteId,
    /// Which side the request fixed.
    pub exact: ExactSide,
    /// The amount that we chose: what we give for [`ExactSide::In`], what we ask for [`ExactSide::Out`].
    pub answer: Units,
    /// The words.
    pub prepared: PreparedOffer,
    /// From this moment on the frame may not begin to leave: the auction is over then, or the right to sign.
    pub send_before: Timestamp,
}

/// How a submission ended, as far as we can honestly say.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// The relay took the offer into its auction. That is not a fill.
    Accepted {
        /// The reply, verbatim.
        reply: String,
    },
    /// The relay said no.
    Refused {
        /// The reply, verbatim.
        reply: String,
        /// Whether it said that the auction was over.
        late: bool,
    },
    /// Nothing left this process: no connection, no key, or it was too late.
    NotSent {
        /// Why.
        reason: String,
    },
    /// No trustworthy answer. The offer may be live: look before anything else.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Why an offer can't be worded or signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotOffer {
    /// There is no usable signing key.
    #[error("no signing key: {0}")]
    NoKey(String),
    /// The terms can't be put into the venue's words.
    #[error("the terms can't be worded: {0}")]
    Terms(String),
}

/// The right to send one frame: whatever the caller wants dropped when the frame is out of its hands.
pub type SendPermit = Box<dyn Send + Sync>;

/// How long after it was handed over a frame may still be leaving, in milliseconds: it waits for those before it, and
/// then for its socket. After that it has left or never will.
pub const SEND_MS_MAX: u64 = 10_000;

/// The venue's maker side.
pub trait Venue: Send + Sync {
    /// Words the offer. The same terms give the same bytes, on any machine, for ever.
    ///
    /// # Errors
    ///
    /// [`CannotOffer`] when there is no key or the terms don't fit.
    fn prepare(&self, terms: &OfferTerms) -> Result<PreparedOffer, CannotOffer>;

    /// The public key that signs, `ed25519:` and base58.
    ///
    /// # Errors
    ///
    /// [`CannotOffer::NoKey`] says why there is none.
    fn public_key(&self) -> Result<String, CannotOffer>;

    /// Signs and sends the offer, once, and waits for the relay's word within the configured time.
    ///
    /// `permit` travels with the frame and is dropped as soon as the frame has left this process, or it is
    /// certain that it never will; long before the reply. Whoever stops the desk waits for the permits: after
    /// that no frame leaves any more. A frame that is not out after [`SEND_MS_MAX`] is given up, and one that has not
    /// begun to leave before [`Offer::send_before`] never does, however long it waited: [`Submission::NotSent`]. The
    /// clock is looked at right before the frame is handed to the socket.
    ///
    /// Dropping the future after the frame left leaves the outcome unknown: the caller has written its
    /// intention down before, and looks.
    fn submit(&self, offer: Offer, permit: SendPermit) -> PortFuture<'_, Submission>;
}
