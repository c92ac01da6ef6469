//! The maker's side of the connection: words an offer, signs it, hands it to the socket and waits for the reply.

use super::Running;
use super::connection::OfferName;
use super::wire;
use crate::key::{KeyError, SigningKey};
use crate::message;
use crate::nep413::Payload;
use crate::nonce::Nonce;
use crate::observe;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stele_domain::ids::{AccountId, QuoteHash};
use stele_domain::port::PortFuture;
use stele_domain::port::venue::{
    CannotOffer, ExactSide, Offer, OfferTerms, PreparedOffer, SendPermit, Submission, Venue,
};
use stele_domain::time::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// The venue over the shared connection.
#[derive(Debug)]
pub struct RelayVenue {
    key: Result<SigningKey, String>,
    recipient: AccountId,
    reply_ms_max: u64,
    offers: mpsc::Sender<Outgoing>,
    ids: Arc<AtomicU64>,
    _running: Arc<Running>,
}

/// A signed frame on its way to the socket.
pub struct Outgoing {
    /// The request id in the frame.
    pub id: u64,
    /// Which offer it is.
    pub name: OfferName,
    /// The frame.
    pub text: String,
    /// From this moment on it may not begin to leave.
    pub send_before: Timestamp,
    /// Where its fate is told. Closed when nobody waits any more.
    pub fate: oneshot::Sender<Submission>,
    /// Dropped when the frame has left, or never will.
    pub permit: SendPermit,
}

impl RelayVenue {
    pub(super) fn new(
        key: Result<SigningKey, KeyError>,
        recipient: AccountId,
        reply_ms_max: u64,
        offers: mpsc::Sender<Outgoing>,
        ids: Arc<AtomicU64>,
        running: Arc<Running>,
    ) -> Self {
        let key = key.map_err(|error| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        });
        Self { key, recipient, reply_ms_max, offers, ids, _running: running }
    }

    fn key(&self) -> Result<&SigningKey, CannotOffer> {
        self.key.as_ref().map_err(|why| CannotOffer::NoKey(why.clone()))
    }

    async fn send(&self, offer: &Offer, permit: SendPermit) -> Submission {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let text = match self.key().and_then(|key| frame(key, &self.recipient, offer, id)) {
            Ok(text) => text,
            Err(error) => return Submission::NotSent { reason: error.to_string() },
        };
        let name =
            OfferName { quote_id: offer.quote_id.clone(), quote_hash: offer.prepared.quote_hash.clone() };
        let (fate, mut told) = oneshot::channel();
        let send_before = offer.send_before;
        if let Err(error) = self.offers.try_send(Outgoing { id, name, text, send_before, fate, permit }) {
            return Submission::NotSent { reason: format!("the way to the relay is blocked: {error}") };
        }
        match timeout(Duration::from_millis(self.reply_ms_max), &mut told).await {
            Ok(Ok(submission)) => submission,
            Ok(Err(_)) => {
                Submission::Unknown { reason: "the connection was shut down before the reply".into() }
            }
            Err(_) => {
                // A reply that comes after this is news; one that came just before must not be lost.
                told.close();
                told.try_recv().unwrap_or_else(|_| Submission::Unknown {
                    reason: format!("no reply within {} ms", self.reply_ms_max),
                })
            }
        }
    }
}

impl Venue for RelayVenue {
    fn prepare(&self, terms: &OfferTerms) -> Result<PreparedOffer, CannotOffer> {
        self.key()?;
        prepare(terms, &self.recipient)
    }

    fn public_key(&self) -> Result<String, CannotOffer> {
        self.key().map(|key| key.public_key().to_owned())
    }

    fn submit(&self, offer: Offer, permit: SendPermit) -> PortFuture<'_, Submission> {
        Box::pin(async move {
            let submission = self.send(&offer, permit).await;
            observe::submitted(offer.prepared.quote_hash.as_str(), &submission);
            submission
        })
    }
}

/// Words the terms for a contract. Needs no key: the words are the same whoever signs them.
///
/// # Errors
///
/// [`CannotOffer::Terms`].
fn prepare(terms: &OfferTerms, recipient: &AccountId) -> Result<PreparedOffer, CannotOffer> {
    let message = message::offer(terms).map_err(unfit)?;
    let nonce = Nonce::of_command(terms.command_id, &terms.salt, terms.nonce_deadline).map_err(unfit)?;
    let quote_hash = quote_hash(&message, nonce, recipient.as_str())?;
    Ok(PreparedOffer { message, nonce: nonce.base64(), recipient: recipient.as_str().to_owned(), quote_hash })
}

/// Signs the offer and words the frame, after checking that it is the offer that was prepared: its hash, its contract,
/// and that the answer is the amount in the signed text.
fn frame(key: &SigningKey, recipient: &AccountId, offer: &Offer, id: u64) -> Result<String, CannotOffer> {
    let Offer { quote_id, exact, answer, prepared, send_before: _ } = offer;
    if prepared.recipient != recipient.as_str() {
        let why = format!("prepared for {}, but this venue signs for {recipient}", prepared.recipient);
        return Err(CannotOffer::Terms(why));
    }
    let said = message::chosen_amount(&prepared.message, *exact).map_err(unfit)?;
    if said != *answer {
        return Err(CannotOffer::Terms(format!("the answer is {answer}, but the text says {said}")));
    }
    let nonce = Nonce::parse(&prepared.nonce).map_err(unfit)?;
    let payload = payload(&prepared.message, nonce, &prepared.recipient);
    let digest = payload.digest().map_err(unfit)?;
    if digest.base58() != prepared.quote_hash.as_str() {
        let why = format!("the words hash to {}, not to {}", digest.base58(), prepared.quote_hash);
        return Err(CannotOffer::Terms(why));
    }
    let signature = key.sign(digest).map_err(unfit)?;
    let response = wire::QuoteResponse {
        quote_id: quote_id.as_str(),
        quote_output: match exact {
            ExactSide::In => wire::QuoteOutput::AmountOut(answer.to_string()),
            ExactSide::Out => wire::QuoteOutput::AmountIn(answer.to_string()),
        },
        signed_data: wire::SignedData {
            standard: "nep413",
            payload: wire::Payload {
                message: &prepared.message,
                nonce: &prepared.nonce,
                recipient: &prepared.recipient,
            },
            public_key: key.public_key(),
            signature: &signature,
        },
    };
    let request = wire::Request { jsonrpc: wire::VERSION, id, method: "quote_response", params: [response] };
    serde_json::to_string(&request).map_err(unfit)
}

fn quote_hash(message: &str, nonce: Nonce, recipient: &str) -> Result<QuoteHash, CannotOffer> {
    let digest = payload(message, nonce, recipient).digest().map_err(unfit)?;
    QuoteHash::try_from(digest.base58()).map_err(unfit)
}

fn payload<'a>(message: &'a str, nonce: Nonce, recipient: &'a str) -> Payload<'a> {
    Payload { message, nonce: nonce.0, recipient, callback_url: None }
}

fn unfit(error: impl std::error::Error) -> CannotOffer {
    CannotOffer::Terms(error.to_string())
}

#[cfg(test)]
mod tests;
