//! Published vectors and known answers, held against this implementation byte for byte.

use super::*;
use crate::random::{hex, unhex};
use crate::verifier::payload::SignedPayload;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/data/intents_vectors.json")).unwrap()
}

fn list<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    vectors[name].as_array().unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

#[test]
fn every_nep413_vector_has_our_preimage_digest_hash_and_signature() {
    let vectors = vectors();
    assert_eq!(list(&vectors, "nep413_vectors").len(), 3);
    for vector in list(&vectors, "nep413_vectors") {
        let nonce = unhex::<32>(text(vector, "nonce_hex")).unwrap();
        let callback = vector["callback_url"].as_str();
        let bytes = preimage(text(vector, "message"), &nonce, text(vector, "recipient"), callback);
        assert_eq!(hex(&bytes), text(vector, "preimage_hex"));
        let digest = sha256(&bytes);
        assert_eq!(hex(&digest), text(vector, "sha256_hex"));
        assert_eq!(base58(&digest), text(vector, "intent_hash_base58"));
        let key = Signatory::from_seed(&unhex(text(vector, "seed_hex")).unwrap());
        assert_eq!(key.public_key(), text(vector, "public_key"));
        assert_eq!(key.sign(&digest), text(vector, "signature"));
        assert!(signed_by(text(vector, "public_key"), text(vector, "signature"), &digest));
        assert_eq!(base64_text(&nonce), text(vector, "nonce_base64"));
    }
}

#[test]
fn every_versioned_nonce_vector_reads_and_writes_back() {
    let vectors = vectors();
    for vector in list(&vectors, "versioned_nonce_vectors") {
        let nonce = VersionedNonce {
            salt: unhex(text(vector, "salt_hex")).unwrap(),
            deadline_ns: vector["deadline_ms"].as_u64().unwrap() * 1_000_000,
            random: unhex(text(vector, "random_hex")).unwrap(),
        };
        let bytes = nonce.write();
        assert_eq!(hex(&bytes), text(vector, "nonce_hex"));
        assert_eq!(VersionedNonce::read(&bytes), Some(nonce));
    }
}

#[test]
fn every_known_payload_of_others_verifies_with_its_hash() {
    let vectors = vectors();
    let mut read = 0;
    for known in list(&vectors, "third_party_known_answers") {
        let whole = if known["signed"].is_object() { &known["signed"] } else { known };
        let Ok(signed) = serde_json::from_value::<SignedPayload>(whole.clone()) else { continue };
        read += 1;
        assert!(signed.is_signed(), "{known}");
        assert_eq!(base58(&signed.hash()), text(known, "computed_hash"));
        assert!(signed.content().is_ok(), "{known}");
    }
    assert_eq!(read, 6, "five NEP-413 payloads and one raw ed25519");
}

#[test]
fn the_contracts_own_unit_test_verifies() {
    let vectors = vectors();
    let known = list(&vectors, "third_party_known_answers")
        .iter()
        .find(|known| known["public_key_hex"].is_string())
        .unwrap();
    let digest = sha256(&preimage(text(known, "message"), &[0; 32], text(known, "recipient"), None));
    assert_eq!(hex(&digest), text(known, "sha256_hex"));
    let key = format!("ed25519:{}", base58(&unhex::<32>(text(known, "public_key_hex")).unwrap()));
    let signature = format!("ed25519:{}", base58(&unhex::<64>(text(known, "signature_hex")).unwrap()));
    assert!(signed_by(&key, &signature, &digest));
}

#[test]
fn one_changed_bit_anywhere_is_not_signed() {
    let key = Signatory::from_seed(&[7; 32]);
    let digest = sha256(b"what was signed");
    let signature = key.sign(&digest);
    assert!(signed_by(&key.public_key(), &signature, &digest));
    for bit in 0..256 {
        let mut other = digest;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!signed_by(&key.public_key(), &signature, &other), "bit {bit}");
    }
}

#[test]
fn text_that_is_no_key_or_signature_is_refused_and_does_not_crash() {
    let key = Signatory::from_seed(&[7; 32]);
    for junk in ["", "ed25519:", "ed25519:0OIl", "secp256k1:abc", "ed25519:11111111111111111111111111111111"]
    {
        assert!(!signed_by(junk, &key.sign(b"x"), b"x"));
        assert!(!signed_by(&key.public_key(), junk, b"x"));
    }
}
