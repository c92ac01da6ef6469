//! What the socket tests share: a clock that is moved by hand, a key, offers, and a limit on waiting.

use std::io::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use stele_domain::ids::{AccountId, CommandId, QuoteId, TokenId};
use stele_domain::money::Units;
use stele_domain::port::clock::Clock;
use stele_domain::port::venue::{ExactSide, Offer, OfferTerms, TokenAmount, Venue};
use stele_domain::time::Timestamp;
use stele_intents::key::{BearerToken, KeySource, SigningKey};
use uuid::Uuid;

/// The public test key of the vectors: seed 00 01 02 … 1f.
const PAIR: &str =
    "ed25519:1GMkH3brNXiNNs1tiFZHu4yZSRrzJwxi5wB9bHFtMikjwpAW9DMZzU2Pqakc5it8X3N5vPmqdN7KF4CCUpmKhq";

/// Moved by hand.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn at(text: &str) -> Self {
        Self(AtomicI64::new(Timestamp::parse(text).unwrap().micros()))
    }

    pub fn set(&self, text: &str) {
        self.0.store(Timestamp::parse(text).unwrap().micros(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Fails loudly instead of hanging.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("nothing happened for 20 s")
}

fn in_file<T>(text: &str, load: impl FnOnce(&KeySource) -> T) -> T {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    load(&KeySource::File(file.path().to_owned()))
}

pub fn key() -> SigningKey {
    in_file(PAIR, |source| SigningKey::load(source).unwrap())
}

pub fn token(text: &str) -> BearerToken {
    in_file(text, |source| BearerToken::load(source).unwrap())
}

pub fn account(text: &str) -> AccountId {
    AccountId::try_from(text.to_owned()).unwrap()
}

pub fn token_id(text: &str) -> TokenId {
    TokenId::try_from(text.to_owned()).unwrap()
}

pub fn terms(command: u128) -> OfferTerms {
    OfferTerms {
        command_id: CommandId(Uuid::from_u128(command)),
        quote_id: QuoteId::try_from(format!("quote-{command}")).unwrap(),
        account: account("maker.near"),
        receive: TokenAmount { token: token_id("nep141:b.near"), amount: Units::new(100) },
        give: TokenAmount { token: token_id("nep141:a.near"), amount: Units::new(200) },
        exact: ExactSide::In,
        offer_deadline: Timestamp::parse("2030-01-01T00:00:00Z").unwrap(),
        nonce_deadline: Timestamp::parse("2030-01-01T00:01:00Z").unwrap(),
        salt: "252812b3".into(),
    }
}

pub fn offer(venue: &dyn Venue, command: u128) -> Offer {
    let terms = terms(command);
    let prepared = venue.prepare(&terms).unwrap();
    let (quote_id, exact, answer) = (terms.quote_id, terms.exact, terms.give.amount);
    Offer { quote_id, exact, answer, prepared, send_before: terms.offer_deadline }
}
