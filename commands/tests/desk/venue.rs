//! A venue that is written here: it answers as told, and keeps what it is sent.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use stele_domain::ids::QuoteHash;
use stele_domain::port::PortFuture;
use stele_domain::port::venue::{
    CannotOffer, Offer, OfferTerms, PreparedOffer, SendPermit, Submission, Venue,
};
use tokio::sync::Notify;

/// A venue that answers as told and keeps what it is sent.
#[derive(Default)]
pub struct ScriptedVenue {
    answers: Mutex<VecDeque<Submission>>,
    sent: Mutex<Vec<Offer>>,
    silent: AtomicBool,
    /// Whether frames stay on their way, and the permits of those that do.
    stuck: AtomicBool,
    permits: Mutex<Vec<SendPermit>>,
    speaks: Notify,
}

impl ScriptedVenue {
    pub fn answers(&self, submission: Submission) {
        self.answers.lock().unwrap().push_back(submission);
    }

    /// Answers nothing until it is told to speak.
    pub fn falls_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// Answers again, also what it was sent meanwhile.
    pub fn speaks_again(&self) {
        self.silent.store(false, Ordering::SeqCst);
        self.speaks.notify_waiters();
    }

    /// From now on its answer is no sign that the frame is out of its hands.
    pub fn keeps_frames(&self) {
        self.stuck.store(true, Ordering::SeqCst);
    }

    pub fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// What it was sent last.
    pub fn last_sent(&self) -> Offer {
        self.sent.lock().unwrap().last().cloned().expect("nothing was sent")
    }
}

impl Venue for ScriptedVenue {
    fn prepare(&self, terms: &OfferTerms) -> Result<PreparedOffer, CannotOffer> {
        Ok(PreparedOffer {
            message: format!("{terms:?}"),
            nonce: format!("nonce-{}", terms.command_id),
            recipient: "intents.near".to_owned(),
            quote_hash: QuoteHash::try_from(format!("hash-{}", terms.command_id)).unwrap(),
        })
    }

    fn public_key(&self) -> Result<String, CannotOffer> {
        Ok("ed25519:test".to_owned())
    }

    fn submit(&self, offer: Offer, permit: SendPermit) -> PortFuture<'_, Submission> {
        self.sent.lock().unwrap().push(offer);
        if self.stuck.load(Ordering::SeqCst) {
            self.permits.lock().unwrap().push(permit);
        }
        let told = self.answers.lock().unwrap().pop_front();
        let answer = told.unwrap_or(Submission::Accepted { reply: "OK".to_owned() });
        Box::pin(async move {
            let heard = self.speaks.notified();
            if self.silent.load(Ordering::SeqCst) {
                heard.await;
            }
            answer
        })
    }
}
