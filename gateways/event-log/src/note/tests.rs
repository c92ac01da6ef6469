//! The example of Go's `golang.org/x/mod/sumdb/note`, and notes of our own.

use super::{KeyError, NoteError, NoteSigner, NoteVerifier, open, sign};

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
