//! What is signed and framed, and what is refused before it is.

use super::{frame, prepare};
use crate::key::{KeySource, SigningKey};
use crate::nep413::{self, Payload};
use crate::nonce::Nonce;
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::Write as _;
use stele_domain::ids::{AccountId, CommandId, QuoteHash, QuoteId, TokenId};
use stele_domain::money::Units;
use stele_domain::port::venue::{CannotOffer, ExactSide, Offer, OfferTerms, PreparedOffer, TokenAmount};
use stele_domain::time::Timestamp;
use uuid::Uuid;

const VECTORS: &str = include_str!("../../../tests/data/intents_vectors.json");

fn recipient() -> AccountId {
    AccountId::try_from("intents.near".to_owned()).unwrap()
}

fn key(text: &str) -> SigningKey {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    SigningKey::load(&KeySource::File(file.path().to_owned())).unwrap()
}

/// The offer of the vector file, and the key that signs it.
fn vector() -> (Value, SigningKey, Offer) {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vector = vectors["nep413_vectors"][1].clone();
    let text = |field: &str| vector[field].as_str().unwrap().to_owned();
    let offer = Offer {
        quote_id: QuoteId::try_from("11111111-2222-3333-4444-555555555555".to_owned()).unwrap(),
        exact: ExactSide::In,
        answer: Units::new(57_123_456_789_012_345_678),
        prepared: PreparedOffer {
            message: text("message"),
            nonce: text("nonce_base64"),
            recipient: text("recipient"),
            quote_hash: QuoteHash::try_from(text("expected_quote_hash")).unwrap(),
        },
        send_before: Timestamp::MAX,
    };
    let key = key(&text("secret_key_near"));
    (vector, key, offer)
}

fn terms(exact: ExactSide) -> OfferTerms {
    let amount = |token: &str, units| TokenAmount {
        token: TokenId::try_from(token.to_owned()).unwrap(),
        amount: Units::new(units),
    };
    OfferTerms {
        command_id: CommandId(Uuid::from_u128(7)),
        quote_id: QuoteId::try_from("q-1".to_owned()).unwrap(),
        account: AccountId::try_from("maker.near".to_owned()).unwrap(),
        receive: amount("nep141:b.near", 100),
        give: amount("nep141:a.near", 200),
        exact,
        offer_deadline: Timestamp::parse("2030-01-01T00:00:00Z").unwrap(),
        nonce_deadline: Timestamp::parse("2030-01-01T00:01:00Z").unwrap(),
        salt: "252812b3".into(),
    }
}

/// JSON without the blanks between its parts, everything else as it stands.
fn compact(json: &str) -> String {
    let (mut text, mut quoted, mut escaped) = (String::new(), false, false);
    for c in json.chars() {
        if quoted || !c.is_whitespace() {
            text.push(c);
        }
        quoted = if c == '"' && !escaped { !quoted } else { quoted };
        escaped = c == '\\' && !escaped;
    }
    text
}

#[test]
fn the_frame_vector_is_met_byte_for_byte() {
    #[derive(serde::Deserialize)]
    struct File<'a> {
        #[serde(borrow)]
        nep413_vectors: Vec<Vector<'a>>,
    }
    #[derive(serde::Deserialize)]
    struct Vector<'a> {
        #[serde(borrow)]
        quote_response_frame: Option<&'a RawValue>,
    }
    let file: File<'_> = serde_json::from_str(VECTORS).unwrap();
    let expected = file.nep413_vectors.iter().find_map(|v| v.quote_response_frame).unwrap().get();
    let (_, key, offer) = vector();
    assert_eq!(frame(&key, &recipient(), &offer, 7).unwrap(), compact(expected));
}

#[test]
fn the_same_terms_give_the_same_bytes_and_others_do_not() {
    let one = prepare(&terms(ExactSide::In), &recipient()).unwrap();
    assert_eq!(prepare(&terms(ExactSide::In), &recipient()).unwrap(), one);
    let mut other = terms(ExactSide::In);
    other.command_id = CommandId(Uuid::from_u128(8));
    let other = prepare(&other, &recipient()).unwrap();
    assert_eq!(other.message, one.message);
    assert_ne!((other.nonce, other.quote_hash), (one.nonce, one.quote_hash));
}

#[test]
fn the_answer_stands_under_the_name_of_the_side_that_we_chose() {
    for (exact, answer, field) in [(ExactSide::In, 200, "amount_out"), (ExactSide::Out, 100, "amount_in")] {
        let prepared = prepare(&terms(exact), &recipient()).unwrap();
        let quote_id = QuoteId::try_from("q-1".to_owned()).unwrap();
        let offer =
            Offer { quote_id, exact, answer: Units::new(answer), prepared, send_before: Timestamp::MAX };
        let text = frame(&vector().1, &recipient(), &offer, 1).unwrap();
        let sent: Value = serde_json::from_str(&text).unwrap();
        let output = &sent["params"][0]["quote_output"];
        assert_eq!(output.as_object().unwrap().len(), 1);
        assert_eq!(output[field], answer.to_string());
    }
}

#[test]
fn what_is_sent_carries_a_signature_that_the_contract_would_take() {
    let prepared = prepare(&terms(ExactSide::In), &recipient()).unwrap();
    let quote_id = QuoteId::try_from("q-1".to_owned()).unwrap();
    let (exact, answer, send_before) = (ExactSide::In, Units::new(200), Timestamp::MAX);
    let offer = Offer { quote_id, exact, answer, prepared, send_before };
    let sent: Value = serde_json::from_str(&frame(&vector().1, &recipient(), &offer, 1).unwrap()).unwrap();
    let signed = &sent["params"][0]["signed_data"];
    let text = |field: &str| signed["payload"][field].as_str().unwrap();
    let nonce = Nonce::parse(text("nonce")).unwrap().0;
    let payload =
        Payload { message: text("message"), nonce, recipient: text("recipient"), callback_url: None };
    let (key, signature) = (signed["public_key"].as_str().unwrap(), signed["signature"].as_str().unwrap());
    assert_eq!(nep413::verify(key, payload.digest().unwrap(), signature), Ok(()));
    assert_eq!(payload.digest().unwrap().base58(), offer.prepared.quote_hash.as_str());
}

#[test]
fn an_offer_that_is_not_what_was_prepared_is_never_signed() {
    type Tamper = fn(&mut Offer);
    let tampered: [(&str, Tamper); 6] = [
        ("the answer is", |offer| offer.answer = Units::new(1)),
        ("the answer is", |offer| offer.exact = ExactSide::Out),
        ("the words hash to", |offer| {
            offer.prepared.message = offer.prepared.message.replace("solver", "other");
        }),
        ("the words hash to", |offer| offer.prepared.nonce = Nonce([9; 32]).base64()),
        ("base64 of 32 bytes", |offer| offer.prepared.nonce = "AAAA".into()),
        ("prepared for other.near", |offer| offer.prepared.recipient = "other.near".into()),
    ];
    for (why, tamper) in tampered {
        let (_, key, mut offer) = vector();
        tamper(&mut offer);
        let refused = frame(&key, &recipient(), &offer, 1).unwrap_err();
        assert!(matches!(&refused, CannotOffer::Terms(said) if said.contains(why)), "{refused}");
    }
}

#[test]
fn terms_that_can_not_be_worded_say_why() {
    let mut wrong = terms(ExactSide::In);
    wrong.salt = "salt".into();
    let refused = prepare(&wrong, &recipient()).unwrap_err();
    assert!(refused.to_string().contains("8 hex digits"), "{refused}");
}
