//! Stored forms that never change: one file for each event type and version.
//!
//! A file that is missing is written with `UPDATE_GOLDEN=1`; one that exists is never rewritten.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use stele_acceptance::{files, root, text};
use stele_domain::codec;

fn folder() -> PathBuf {
    root().join("tests/golden/events")
}

/// The form in which events of a type are written today.
fn file(event_type: &str) -> PathBuf {
    folder().join(format!("{event_type}.v{}.json", codec::version_of(event_type)))
}

#[test]
fn every_event_is_stored_as_its_golden_file_says() {
    for event in codec::samples() {
        let event_type = codec::type_of(&event);
        let stored = String::from_utf8(codec::encode(&event).expect("it encodes")).expect("JSON is text");
        let path = file(event_type);
        if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(folder()).expect("the folder");
            fs::write(&path, format!("{stored}\n")).expect("the file");
        }
        assert!(
            path.exists(),
            "{event_type} has no golden file: write it with UPDATE_GOLDEN=1 and read the diff"
        );
        assert_eq!(text(&path).trim_end(), stored, "the stored form of {event_type} has changed");
    }
}

#[test]
fn every_golden_file_can_be_read_and_means_the_same() {
    let samples = codec::samples();
    for path in files(&folder(), &[".json"]) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (event_type, version) = name.trim_end_matches(".json").rsplit_once(".v").expect("type.vN.json");
        let version = version.parse().expect("a version");
        let read = codec::decode(event_type, version, text(&path).trim_end().as_bytes());
        let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        let meant = samples.iter().find(|event| codec::type_of(event) == event_type);
        assert_eq!(Some(&read), meant, "{name}");
    }
}

/// The names of the files of a type: one for each version that there has been.
fn versions(event_type: &str) -> impl Iterator<Item = String> {
    (1..=codec::version_of(event_type)).map(move |version| format!("{event_type}.v{version}.json"))
}

#[test]
fn every_event_type_has_a_golden_file_and_every_file_a_type() {
    let types: BTreeSet<String> = codec::EVENT_TYPES.iter().flat_map(|name| versions(name)).collect();
    let names = files(&folder(), &[".json"]);
    let names: BTreeSet<String> =
        names.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    assert_eq!(names, types);
}
