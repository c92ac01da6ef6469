//! What the fuzzers of `tests/fuzzers/` do, in the normal tests: their corpus is replayed, and so are some changes of it. Nothing
//! here decodes anything; the functions stand in the module `fuzzing` of the crate whose decoder they are about.
//!
//! `UPDATE_CORPUS=1 cargo test -p stele-acceptance --test fuzz` writes the examples that the corpus begins with.
//! `MUTATIONS=100000 …` tries more changes than usual.
#![expect(clippy::expect_used, clippy::panic, reason = "the support of tests is test code too")]

mod mutations;

use mutations::{BYTES_MAX, Mutation};
use quickcheck::Gen;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_acceptance::{files, root, shown, text};

/// Changes that are tried of each target, where nothing else is asked for.
const MUTATIONS: usize = 300;
/// How far random numbers reach.
const GEN_SIZE: usize = 64;

/// The name of what is fuzzed, and its function, which returns what of the bytes was taken.
type Target = (&'static str, Body);
type Body = fn(&[u8]) -> Vec<&'static str>;

/// Everything that each target can take of bytes. The corpus comes to all of it: an example that is refused at its first
/// byte tells nobody anything, and changes of it neither.
const TAKEN: [(&str, &[&str]); 16] = [
    ("coin_gecko", &["price"]),
    ("frame", &["commit", "records"]),
    ("index", &["everything", "file", "stream"]),
    ("kraken", &["answer", "sign of life", "ticker", "word of the system"]),
    (
        "kurrent_message",
        &["append", "batch", "delete", "event", "events of a batch", "filter", "read", "record", "tombstone"],
    ),
    ("kurrent_text", &["envelope", "name", "stream of the log"]),
    ("manifest", &["nothing archived", "segment"]),
    ("near", &["balances", "block", "nonce", "salt"]),
    ("note", &["checkpoint", "checkpoints", "key", "private key", "signed checkpoint", "signed text"]),
    ("payload", &["records"]),
    ("proof", &["consistency", "inclusion"]),
    ("relay", &["quote", "reply", "settlement"]),
    ("remote_log_failure", &["conflict", "full"]),
    ("remote_log_message", &["append", "filter", "page", "proof", "read", "record", "stat"]),
    ("segment", &["opened", "verified", "verified behind others"]),
    ("segment_header", &["header"]),
];
/// Everything that is fuzzed.
const TARGETS: [Target; 16] = [
    ("coin_gecko", stele_market::fuzzing::coin_gecko),
    ("frame", stele_event_log::fuzzing::frame),
    ("index", stele_event_log::fuzzing::index),
    ("kraken", stele_market::fuzzing::kraken),
    ("kurrent_message", stele_kurrent::fuzzing::message),
    ("kurrent_text", stele_kurrent::fuzzing::text),
    ("manifest", stele_event_log::fuzzing::manifest),
    ("near", stele_intents::fuzzing::near),
    ("note", stele_event_log::fuzzing::note),
    ("payload", stele_event_log::fuzzing::payload),
    ("proof", stele_event_log::fuzzing::proof),
    ("relay", stele_intents::fuzzing::relay),
    ("remote_log_failure", stele_remote_log::fuzzing::failure),
    ("remote_log_message", stele_remote_log::fuzzing::message),
    ("segment", stele_event_log::fuzzing::segment),
    ("segment_header", stele_event_log::fuzzing::segment_header),
];

/// Recorded answers that the corpus of a target begins with, too.
const RECORDED: [(&str, &str); 4] = [
    ("coin_gecko", "gateways/market/payloads/coin_gecko"),
    ("kraken", "gateways/market/payloads/kraken"),
    ("near", "gateways/intents/payloads/verifier"),
    ("relay", "gateways/intents/payloads/relay"),
];

fn corpus(target: &str) -> PathBuf {
    root().join("tests/fuzzers/corpus").join(target)
}

/// Every file of a folder by its name.
fn held(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let paths = files(folder, &[""]).into_iter();
    let read = paths.map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read(&path).expect("a file of the corpus"))
    });
    read.collect()
}

/// The examples that a corpus begins with: by target and name.
fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let made = [
        stele_event_log::fuzzing::seeds(),
        stele_kurrent::fuzzing::seeds(),
        stele_remote_log::fuzzing::seeds(),
    ];
    let made = made.into_iter().flatten().map(|(target, name, bytes)| (target, name.to_owned(), bytes));
    let recorded = RECORDED.iter().flat_map(|(target, folder)| {
        let files = held(&root().join(folder)).into_iter();
        files.map(|(name, bytes)| (*target, name.trim_end_matches(".json").to_owned(), bytes))
    });
    made.chain(recorded).collect()
}

#[test]
fn the_corpus_begins_with_an_example_of_everything_and_is_as_this_build_writes_it() {
    let mut seen = BTreeSet::new();
    for (target, name, bytes) in seeds() {
        let path = corpus(target).join(&name);
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::create_dir_all(corpus(target)).expect("a folder");
            std::fs::write(&path, &bytes).expect("an example");
        }
        let there = std::fs::read(&path);
        let same = there.is_ok_and(|there| there == bytes);
        assert!(same, "{}: not what this build writes; UPDATE_CORPUS=1 writes it", shown(&path));
        seen.insert(target);
    }
    let all: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(seen, all, "targets with an example, and all targets");
}

#[test]
fn every_target_is_a_program_of_the_fuzzers_and_every_folder_of_the_corpus_is_of_a_target() {
    let all: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let manifest: toml::Value =
        toml::from_str(&text(&root().join("tests/fuzzers/Cargo.toml"))).expect("the manifest of the fuzzers");
    let programs = manifest["bin"].as_array().expect("programs").iter();
    let named: BTreeSet<String> =
        programs.map(|program| program["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(named, all, "programs of tests/fuzzers/Cargo.toml");
    for name in &all {
        let source = text(&root().join(format!("tests/fuzzers/fuzz_targets/{name}.rs")));
        let body = source.split("fuzz_target!(|bytes: &[u8]| {").nth(1).unwrap_or_default();
        assert!(
            body.contains("::fuzzing::"),
            "tests/fuzzers/fuzz_targets/{name}.rs calls something else: {body}"
        );
    }
    let folders = std::fs::read_dir(root().join("tests/fuzzers/corpus")).expect("the corpus").flatten();
    let folders: BTreeSet<String> =
        folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(folders, all, "folders of the corpus");
}

#[test]
fn everything_in_the_corpus_is_decoded_or_refused() {
    for (target, body) in TARGETS {
        for (name, bytes) in held(&corpus(target)) {
            assert!(
                bytes.len() <= BYTES_MAX,
                "tests/fuzzers/corpus/{target}/{name} has {} bytes",
                bytes.len()
            );
            assert!(survives(body, &bytes), "tests/fuzzers/corpus/{target}/{name} makes it panic");
        }
        body(&[]);
    }
}

#[test]
fn the_corpus_comes_to_everything_that_can_be_taken() {
    let taken: BTreeMap<&str, &[&str]> = TAKEN.into_iter().collect();
    let mut wrong = vec![];
    for (target, body) in TARGETS {
        let mut reached = BTreeSet::new();
        for (name, bytes) in held(&corpus(target)) {
            let found = body(&bytes);
            println!("{target}/{name}: {found:?}");
            reached.extend(found);
        }
        let wanted: BTreeSet<&str> = taken[target].iter().copied().collect();
        if reached != wanted {
            wrong.push((target, reached, wanted));
        }
    }
    assert!(wrong.is_empty(), "what the corpus of a target comes to, and what can be taken: {wrong:#?}");
}

#[test]
fn changes_of_the_corpus_are_decoded_or_refused() {
    let asked = std::env::var("MUTATIONS").ok().map(|number| number.parse().expect("a number"));
    let only = std::env::var("TARGET").ok();
    for (target, body) in TARGETS {
        if only.as_ref().is_some_and(|only| only != target) {
            continue;
        }
        let examples: Vec<Vec<u8>> = held(&corpus(target)).into_values().collect();
        let (count, mut taken) = (asked.unwrap_or(MUTATIONS), 0);
        let mut dice = Gen::new(GEN_SIZE);
        for _ in 0..count {
            let mutation = Mutation::random(&mut dice);
            match ran(body, &mutation.bytes(&examples)) {
                Some(reached) => taken += usize::from(!reached.is_empty()),
                None => report(target, body, mutation, &examples),
            }
        }
        println!("{target}: of {count} changed examples {taken} were taken for something");
    }
}

/// Panics of any thread: a runtime catches those of its own, and makes errors of them.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// What a target takes of bytes; `None` when it panics.
fn ran(body: Body, bytes: &[u8]) -> Option<Vec<&'static str>> {
    static COUNTED: Once = Once::new();
    COUNTED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            usual(panic);
        }));
    });
    let before = PANICS.load(Ordering::SeqCst);
    let reached = catch_unwind(|| body(bytes)).ok();
    reached.filter(|_| PANICS.load(Ordering::SeqCst) == before)
}

fn survives(body: Body, bytes: &[u8]) -> bool {
    ran(body, bytes).is_some()
}

/// Says what made it panic, as small as leaving changes out makes it, and keeps it.
fn report(target: &str, body: Body, mut mutation: Mutation, examples: &[Vec<u8>]) {
    loop {
        let smaller = mutation.smaller().find(|smaller| !survives(body, &smaller.bytes(examples)));
        match smaller {
            Some(smaller) => mutation = smaller,
            None => break,
        }
    }
    let folder = root().join("target/fuzz");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(target);
    std::fs::write(&path, mutation.bytes(examples)).expect("what made it panic");
    panic!(
        "{target} panics; when it is mended, {} belongs in tests/fuzzers/corpus/{target}/, under a name that says what it is: {:?}",
        shown(&path),
        mutation.edits
    );
}
