//! Known answers: every vector that three independent implementations agreed on, and those that the venue and its
//! SDK published, byte for byte. The fee vectors are the simulator's: nothing here computes a fee.

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;
use std::io::Write as _;
use stele_domain::ids::{AccountId, CommandId, QuoteId, TokenId};
use stele_domain::money::Units;
use stele_domain::port::venue::{ExactSide, OfferTerms, TokenAmount};
use stele_domain::time::Timestamp;
use stele_intents::key::{KeySource, SigningKey};
use stele_intents::nep413::{self, Digest, Malformed, Payload};
use stele_intents::nonce::Nonce;
use stele_intents::{message, nep413::verify};

const VECTORS: &str = include_str!("../data/intents_vectors.json");

#[derive(Deserialize)]
struct Vectors {
    #[serde(rename = "nep413_vectors")]
    nep413: Vec<Nep413>,
    #[serde(rename = "versioned_nonce_vectors")]
    versioned_nonces: Vec<VersionedNonce>,
    third_party_known_answers: Vec<Value>,
    erc191_known_answer: Erc191,
}

#[derive(Deserialize)]
struct Nep413 {
    name: String,
    seed_hex: String,
    secret_key_near: String,
    public_key: String,
    message: String,
    nonce_hex: String,
    nonce_base64: String,
    recipient: String,
    callback_url: Option<String>,
    preimage_hex: String,
    sha256_hex: String,
    intent_hash_base58: String,
    signature_hex: String,
    signature: String,
}

#[derive(Deserialize)]
struct VersionedNonce {
    salt_hex: String,
    deadline_ms: i64,
    deadline_iso: String,
    random_hex: String,
    nonce_base64: String,
    nonce_hex: String,
}

#[derive(Deserialize)]
struct Erc191 {
    intent_hash: String,
    payload: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn loaded(text: &str) -> SigningKey {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    SigningKey::load(&KeySource::File(file.path().to_owned())).unwrap()
}

#[test]
fn every_nep413_vector_is_met_byte_for_byte() {
    let vectors = vectors().nep413;
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let name = &vector.name;
        let nonce: [u8; 32] = unhex(&vector.nonce_hex).try_into().unwrap();
        assert_eq!(Nonce(nonce).base64(), vector.nonce_base64, "{name}");
        let payload = Payload {
            message: &vector.message,
            nonce,
            recipient: &vector.recipient,
            callback_url: vector.callback_url.as_deref(),
        };
        assert_eq!(payload.preimage().unwrap(), unhex(&vector.preimage_hex), "{name}");
        let digest = payload.digest().unwrap();
        assert_eq!(digest.0.to_vec(), unhex(&vector.sha256_hex), "{name}");
        assert_eq!(digest.base58(), vector.intent_hash_base58, "{name}");
        let seed = nep413::text(&unhex(&vector.seed_hex));
        for key in [loaded(&vector.secret_key_near), loaded(&seed)] {
            assert_eq!(key.public_key(), vector.public_key, "{name}");
            let signature = key.sign(digest).unwrap();
            assert_eq!(signature, vector.signature, "{name}");
            assert_eq!(signature, nep413::text(&unhex(&vector.signature_hex)), "{name}");
        }
    }
}

#[test]
fn the_offer_vector_is_worded_byte_for_byte() {
    let vector = vectors().nep413.into_iter().find(|v| v.name.starts_with("quote_response")).unwrap();
    let amount = |token: &str, units: u128| TokenAmount {
        token: TokenId::try_from(token.to_owned()).unwrap(),
        amount: Units::new(units),
    };
    let terms = OfferTerms {
        command_id: CommandId(uuid::Uuid::nil()),
        quote_id: QuoteId::try_from("11111111-2222-3333-4444-555555555555".to_owned()).unwrap(),
        account: AccountId::try_from("solver.near".to_owned()).unwrap(),
        receive: amount("nep141:nbtc.bridge.near", 100_000),
        give: amount(
            "nep141:gnosis-0x420ca0f9b9b604ce0fd9c18ef134c705e5fa3430.omft.near",
            57_123_456_789_012_345_678,
        ),
        exact: ExactSide::In,
        offer_deadline: Timestamp::parse("2035-01-02T03:04:15.678Z").unwrap(),
        nonce_deadline: Timestamp::parse("2035-01-02T03:04:15.678Z").unwrap(),
        salt: "252812b3".into(),
    };
    assert_eq!(message::offer(&terms).unwrap(), vector.message);
}

#[test]
fn every_versioned_nonce_vector_is_met_byte_for_byte() {
    let vectors = vectors().versioned_nonces;
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let deadline = Timestamp::from_millis(vector.deadline_ms);
        assert_eq!(message::deadline(deadline).unwrap(), vector.deadline_iso);
        let random = unhex(&vector.random_hex).try_into().unwrap();
        let nonce = Nonce::versioned(&vector.salt_hex, deadline, random).unwrap();
        assert_eq!(nonce.0.to_vec(), unhex(&vector.nonce_hex));
        assert_eq!(nonce.base64(), vector.nonce_base64);
        assert_eq!(Nonce::parse(&vector.nonce_base64), Ok(nonce));
    }
}

#[test]
fn every_third_party_signature_verifies_and_hashes_as_published() {
    let answers = vectors().third_party_known_answers;
    assert_eq!(answers.len(), 7);
    let mut checked = 0;
    for answer in &answers {
        let text = |path: &str| answer.pointer(path).and_then(Value::as_str);
        let name = text("/name").unwrap();
        assert_eq!(answer["signature_valid"], true, "{name}");
        let (key, signature, digest, expected) = if let Some(message) = text("/signed/payload/message") {
            let nonce = Nonce::parse(text("/signed/payload/nonce").unwrap()).unwrap().0;
            let recipient = text("/signed/payload/recipient").unwrap();
            let digest = Payload { message, nonce, recipient, callback_url: None }.digest().unwrap();
            let expected = text("/computed_hash").unwrap().to_owned();
            (
                text("/signed/public_key").unwrap().to_owned(),
                text("/signed/signature").unwrap().to_owned(),
                digest,
                expected,
            )
        } else if let Some(payload) = text("/payload") {
            // `raw_ed25519` signs the text itself; its hash is the plain SHA-256.
            nep413::verify_bytes(
                text("/public_key").unwrap(),
                payload.as_bytes(),
                text("/signature").unwrap(),
            )
            .unwrap();
            assert_eq!(
                Digest(Sha256::digest(payload).into()).base58(),
                text("/computed_hash").unwrap(),
                "{name}"
            );
            checked += 1;
            continue;
        } else {
            let nonce = unhex(text("/nonce_hex").unwrap()).try_into().unwrap();
            let (message, recipient) = (text("/message").unwrap(), text("/recipient").unwrap());
            let digest = Payload { message, nonce, recipient, callback_url: None }.digest().unwrap();
            assert_eq!(digest.0.to_vec(), unhex(text("/sha256_hex").unwrap()), "{name}");
            let key = nep413::text(&unhex(text("/public_key_hex").unwrap()));
            (key, nep413::text(&unhex(text("/signature_hex").unwrap())), digest, digest.base58())
        };
        assert_eq!(digest.base58(), expected, "{name}");
        assert_eq!(verify(&key, digest, &signature), Ok(()), "{name}");
        let mut other = digest;
        other.0[31] ^= 1;
        assert_eq!(verify(&key, other, &signature), Err(Malformed::Signature), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 7);
}

#[test]
fn the_versioned_nonces_of_third_parties_are_put_together_again_from_their_parts() {
    let mut checked = 0;
    for answer in vectors().third_party_known_answers {
        let Some(parts) = answer.get("versioned").filter(|parts| !parts.is_null()) else { continue };
        let micros = parts["deadline_ns"].as_i64().unwrap() / 1_000;
        let random = unhex(parts["rand"].as_str().unwrap()).try_into().unwrap();
        let nonce = Nonce::versioned(parts["salt"].as_str().unwrap(), Timestamp::from_micros(micros), random)
            .unwrap();
        assert_eq!(nonce.base64(), answer.pointer("/signed/payload/nonce").unwrap().as_str().unwrap());
        checked += 1;
    }
    assert_eq!(checked, 4);
}

/// The product signs no `erc191`; the file's answer is checked so that all of the file is known to be right.
#[test]
fn the_erc191_answer_of_the_file_is_its_keccak_hash() {
    let vector = vectors().erc191_known_answer;
    let prefix = format!("\x19Ethereum Signed Message:\n{}", vector.payload.len());
    let hash: [u8; 32] = Keccak256::digest([prefix.as_bytes(), vector.payload.as_bytes()].concat()).into();
    assert_eq!(Digest(hash).base58(), vector.intent_hash);
}
