//! The example of Go's `golang.org/x/mod/sumdb/note`, and notes of our own.

use super::{
    KeyError, NoteError, NoteSigner, NoteVerifier, WitnessKey, attest, cosignatures, open, sign, unsigned,
    vouches,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

const GO_PRIVATE: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                       then you don't know what your problem is.\n";
const GO_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn the_published_key_makes_the_published_note() {
    let signer = NoteSigner::parse(GO_PRIVATE).unwrap();
    assert_eq!(signer.verifier().to_string(), GO_PUBLIC);
    assert_eq!(signer.to_secret_text(), GO_PRIVATE);
    assert_eq!(sign(GO_TEXT, &signer), format!("{GO_TEXT}\n{GO_SIGNATURE}"));
}

#[test]
fn the_published_note_is_believed_and_no_changed_one() {
    let verifier = NoteVerifier::parse(GO_PUBLIC).unwrap();
    let note = format!("{GO_TEXT}\n{GO_SIGNATURE}");
    assert_eq!(open(&note, &verifier), Ok(GO_TEXT));
    let changed = note.replace("answer", "key");
    let name = "PeterNeumann".to_owned();
    assert_eq!(open(&changed, &verifier), Err(NoteError::WrongSignature { name }));
}

#[test]
fn signatures_by_others_are_passed_over() {
    let ours = NoteSigner::from_seed("ours", &[1; 32]);
    let theirs = NoteSigner::from_seed("theirs", &[2; 32]);
    let signed_by_them = sign("text\n", &theirs);
    let unsigned = NoteError::Unsigned { name: "ours".to_owned() };
    assert_eq!(open(&signed_by_them, ours.verifier()), Err(unsigned));
    let line_of_ours = sign("text\n", &ours).lines().last().unwrap().to_owned();
    let both = format!("{signed_by_them}{line_of_ours}\n");
    assert_eq!(open(&both, ours.verifier()), Ok("text\n"));
    assert_eq!(open(&both, theirs.verifier()), Ok("text\n"));
}

#[test]
fn texts_that_are_no_notes_say_so() {
    let verifier = NoteVerifier::parse(GO_PUBLIC).unwrap();
    for text in ["", "text\n", "text\n\nno signature\n", "text\n\n\u{2014} PeterNeumann", "te\u{7}xt\n\n"] {
        assert!(matches!(open(text, &verifier), Err(NoteError::Malformed(_))), "{text:?}");
    }
}

#[test]
fn a_key_text_that_is_wrong_is_refused_without_being_shown() {
    assert_eq!(NoteVerifier::parse("name+12345678"), Err(KeyError::Malformed));
    assert_eq!(NoteVerifier::parse(&GO_PUBLIC.replace("c74f20a3", "c74f20a4")), Err(KeyError::WrongHash));
    assert_eq!(NoteVerifier::parse(&GO_PUBLIC.replace("+AR", "+BR")), Err(KeyError::OtherAlgorithm));
    let signer = NoteSigner::parse(GO_PRIVATE).unwrap();
    assert!(!format!("{signer:?}").contains("AYEKFALV"));
}

#[test]
fn notes_that_follow_each_other_are_told_apart_and_what_is_none_is_left_as_it_is() {
    let (one, other) = ("a\n1\n\n\u{2014} x y\n\u{2014} z y\n", "b\n\n\u{2014} x y\n");
    for between in ["", "\n", "\n\n\n\n"] {
        let file = format!("{between}{one}{between}{other}{between}");
        assert_eq!(super::split(&file), [one, other], "{between:?}");
    }
    assert_eq!(super::split(one), [one]);
    for none in ["", "nothing", "\n", "a\n1\n"] {
        assert_eq!(super::split(none).len(), 1, "{none:?}");
    }
    assert_eq!(super::split(&format!("{one}rest")), [one, "rest"]);
}

/// A witness's key as text and a line of its own, made as the specification says it.
fn witness(seed: u8, name: &str, text: &str, time: u64) -> (String, String) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let public = key.verifying_key();
    let typed = [&[4], &public.as_bytes()[..]].concat();
    let id: [u8; 32] = Sha256::digest([name.as_bytes(), b"\n", &typed].concat()).into();
    let id_text = format!("{:08x}", u32::from_be_bytes(id[..4].try_into().unwrap()));
    let signature = key.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
    let stamped = [&id[..4], &time.to_be_bytes(), &signature.to_bytes()].concat();
    (
        format!("{name}+{id_text}+{}", STANDARD.encode(typed)),
        format!("\u{2014} {name} {}\n", STANDARD.encode(stamped)),
    )
}

#[test]
fn cosignatures_are_told_by_witness_and_time_and_others_are_passed_over() {
    let text = "stele.log/x\n7\nAAAA\n";
    let log = NoteSigner::from_seed("stele.log/x", &[9; 32]);
    let (one_key, one) = witness(1, "witness.example/one", text, 1_679_315_147);
    let (two_key, two) = witness(2, "witness.example/two", text, u64::MAX >> 1);
    let (_, unknown) = witness(3, "witness.example/three", text, 1);
    let note = format!("{}{one}{unknown}{two}", sign(text, &log));
    let keys = [two_key, one_key].map(|key| WitnessKey::parse(&key).unwrap());
    let found = cosignatures(&note, &keys).unwrap();
    let told: Vec<_> = found.iter().map(|found| (found.witness.as_str(), found.time_s)).collect();
    assert_eq!(told, [("witness.example/one", 1_679_315_147), ("witness.example/two", u64::MAX >> 1)]);
    assert_eq!([&found[0].line, &found[1].line], [&one, &two]);
    // The log's own signature stands beside them, and what it says is read without any key.
    assert_eq!(open(&note, log.verifier()), Ok(text));
    assert_eq!(unsigned(&note), Ok(text));
    assert_eq!(cosignatures(&sign(text, &log), &keys), Ok(vec![]));
}

#[test]
fn every_flipped_bit_of_a_cosignature_is_noticed() {
    let text = "stele.log/x\n7\nAAAA\n";
    let log = NoteSigner::from_seed("stele.log/x", &[9; 32]);
    let (key, line) = witness(1, "witness.example/one", text, 1_679_315_147);
    let keys = [WitnessKey::parse(&key).unwrap()];
    let encoded = line.trim_end().rsplit(' ').next().unwrap();
    let bytes = STANDARD.decode(encoded).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let line = line.replace(encoded, &STANDARD.encode(flipped));
        let found = cosignatures(&format!("{}{line}", sign(text, &log)), &keys);
        // With another key's id it is another's.
        let expected = if bit < 32 {
            Ok(vec![])
        } else {
            Err(NoteError::WrongSignature { name: "witness.example/one".to_owned() })
        };
        assert_eq!(found, expected, "bit {bit}");
    }
    let (_, late) = witness(1, "witness.example/one", text, (u64::MAX >> 1) + 1);
    assert!(cosignatures(&format!("{}{late}", sign(text, &log)), &keys).is_err(), "no such time");
    let other = sign("another\n", &log) + &line;
    assert!(cosignatures(&other, &keys).is_err(), "a cosignature of something else");
}

#[test]
fn a_key_is_one_of_a_log_or_of_a_witness_and_never_both() {
    let (key, _) = witness(1, "witness.example/one", "text\n", 1);
    assert_eq!(WitnessKey::parse(&key).unwrap().to_string(), key);
    assert_eq!(NoteVerifier::parse(&key), Err(KeyError::OtherAlgorithm));
    assert_eq!(WitnessKey::parse(GO_PUBLIC), Err(KeyError::NoWitness));
    assert_eq!(WitnessKey::parse(&key.replacen('+', "+0", 1)), Err(KeyError::Malformed));
    let renamed = key.replacen("one", "two", 1);
    assert_eq!(WitnessKey::parse(&renamed), Err(KeyError::WrongHash));
}

#[test]
fn what_is_attested_is_believed_in_its_context_by_its_key_and_nowhere_else() {
    let (ours, other) =
        (NoteSigner::from_seed("stele.log/a", &[7; 32]), NoteSigner::from_seed("stele.log/a", &[8; 32]));
    let words = attest("stele.audit/v1", "a report\n", &ours);
    assert_eq!(vouches("stele.audit/v1", "a report\n", &words, ours.verifier()), Ok(()));
    let wrong = Err(NoteError::WrongSignature { name: "stele.log/a".to_owned() });
    assert_eq!(vouches("stele.audit/v2", "a report\n", &words, ours.verifier()), wrong);
    assert_eq!(vouches("stele.audit/v1", "a report \n", &words, ours.verifier()), wrong);
    let unsigned = Err(NoteError::Unsigned { name: "stele.log/a".to_owned() });
    assert_eq!(vouches("stele.audit/v1", "a report\n", &words, other.verifier()), unsigned);
    // Nor is it the signature of a note with the same bytes.
    let note = format!("stele.audit/v1\na report\n\n\u{2014} {words}\n");
    assert_eq!(
        open(&note, ours.verifier()),
        Ok("stele.audit/v1\na report\n"),
        "which is why no note begins so"
    );
}
