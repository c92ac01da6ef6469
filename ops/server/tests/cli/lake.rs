//! Facts of a desk's log in a lake, by the real binary: in a directory and in a store that speaks S3.

use crate::disks::a_log;
use crate::s3_server::S3Server;
use crate::support::World;
use std::fs;
use std::path::{Path, PathBuf};

fn directory(world: &World) -> (PathBuf, String) {
    let lake = world.path().join("lake");
    fs::create_dir(&lake).unwrap();
    let url = format!("file://{}", lake.display());
    (lake, url)
}

/// Data files of a table.
fn files(lake: &Path, table: &str) -> Vec<PathBuf> {
    let days = fs::read_dir(lake.join(table)).unwrap().map(|entry| entry.unwrap().path());
    let days = days.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("dt="));
    let mut all: Vec<PathBuf> =
        days.flat_map(|day| fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path())).collect();
    all.sort();
    all
}

#[test]
fn a_log_is_published_once_verified_and_a_rebuild_is_the_same() {
    let (world, _data) = a_log();
    let (_lake, url) = directory(&world);
    let told = world.stele(&["lake", "publish", "--url", &url, "--json"]).exits(0).json();
    assert!(told["rows_added"].as_u64().unwrap() > 0 && told["position"].as_u64().unwrap() > 0, "{told}");
    let again = world.stele(&["lake", "publish", "--once", "--url", &url]).exits(0).stdout;
    assert!(again.contains("was published before"), "{again}");
    let verified = world.stele(&["lake", "verify", "--url", &url, "--json"]).exits(0).json();
    assert_eq!(verified["ok"], true, "{verified}");
    let second = world.path().join("second");
    fs::create_dir(&second).unwrap();
    let second = format!("file://{}", second.display());
    let rebuilt = world.stele(&["lake", "publish", "--url", &second, "--json"]).exits(0).json();
    let digests = |told: &serde_json::Value| -> Vec<serde_json::Value> {
        told["tables"].as_array().unwrap().iter().map(|table| table["digest"].clone()).collect()
    };
    assert_eq!(digests(&rebuilt), digests(&told));
    let words = world.stele(&["lake", "verify", "--url", &url]).exits(0).stdout;
    assert!(words.contains("fact_quote") && words.contains("as the log says"), "{words}");
    let compacted = world.stele(&["lake", "compact", "--url", &url, "--sweep", "1h"]).exits(0).stdout;
    assert!(compacted.contains("nothing to do") && compacted.contains("too young"), "{compacted}");
}

#[test]
fn a_changed_file_and_another_log_have_their_own_words_and_codes() {
    let (world, _data) = a_log();
    let (lake, url) = directory(&world);
    world.stele(&["lake", "publish", "--url", &url]).exits(0);
    let file = files(&lake, "fact_price").remove(0);
    let whole = fs::read(&file).unwrap();
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&file, changed).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let found = world.stele(&["lake", "verify", "--url", &url]).exits(8);
    assert!(found.stdout.contains(&name) && found.stderr.contains("fact_price"), "{found:?}");
    let json = world.stele(&["lake", "verify", "--url", &url, "--json"]).exits(8).json();
    assert_eq!(json["ok"], false, "{json}");
    fs::write(&file, whole).unwrap();
    world.stele(&["lake", "verify", "--url", &url]).exits(0);

    let (other, _) = a_log();
    other.stele(&["lake", "publish", "--url", &url]).exits(11).complains(&["from another log"]);
    world.stele(&["lake", "verify", "--url", &url]).exits(0);
}

#[test]
fn a_lake_without_a_table_or_without_anything_is_not_what_the_log_says() {
    let (world, _data) = a_log();
    let (lake, url) = directory(&world);
    world.stele(&["lake", "doctor", "--rounds", "1", "--url", &url]).exits(0);
    assert!(!lake.join("_doctor").exists(), "the doctor leaves nothing behind");
    let unpublished = world.stele(&["lake", "verify", "--url", &url]);
    unpublished.exits(2).complains(&["nothing is published", "stele lake publish"]);
    world.stele(&["lake", "publish", "--url", &url]).exits(0);
    assert!(!lake.join("_doctor").exists(), "nor does a publisher");
    let whole = world.stele(&["lake", "verify", "--url", &url, "--json"]).exits(0).json();
    assert_eq!(whole["position"], whole["head"], "{whole}");

    fs::remove_dir_all(lake.join("fact_price")).unwrap();
    let words = ["has less than the log says: fact_price", "stele lake publish"];
    world.stele(&["lake", "verify", "--url", &url]).exits(8).complains_of(&words);
    world.stele(&["lake", "doctor", "--rounds", "1", "--url", &url]).exits(3).complains_of(&["fact_price"]);
    world.stele(&["lake", "publish", "--url", &url]).exits(0);
    let mended = world.stele(&["lake", "verify", "--url", &url]).exits(0).stdout;
    assert!(mended.contains("The lake is at position"), "{mended}");
}

#[test]
fn a_lake_that_nobody_named_or_that_is_not_there_is_said_with_what_to_do() {
    let (world, _data) = a_log();
    world.stele(&["lake", "publish"]).exits(2).complains(&["nobody said where the lake is", "lake.url"]);
    let away = format!("file://{}/away", world.path().display());
    for verb in ["doctor", "publish", "verify"] {
        world.stele(&["lake", verb, "--url", &away]).exits(7).complains(&["mount the disk", "mkdir -p"]);
    }
    assert!(!world.path().join("away").exists(), "a disk that is missing is not made up for");
    world.stele(&["lake", "verify", "--url", "ftp://x"]).exits(2).complains(&["s3://bucket/prefix"]);
    world.stele(&["serve", "--roles", "lake"]).exits(2).complains(&["nowhere to publish to", "lake.url"]);
}

#[test]
fn a_desk_publishes_to_s3_by_itself_and_the_doctor_finds_the_bucket_in_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(S3Server::start());
    runtime.block_on(server.make_bucket("desk-lake"));
    let (world, _data) = a_log();
    let secret = world.key_file("lake-secret", 0o600);
    let file = world.path().join("stele.toml");
    let settings = format!(
        "[lake]\nurl = \"s3://desk-lake/facts\"\nevery_ms = 200\nendpoint = \"{}\"\nplain_http = true\n\
         region = \"eu-west-1\"\naccess_key_id = \"desk\"\nsecret_access_key_file = \"{}\"\n",
        server.endpoint(),
        secret.display()
    );
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{before}\n{settings}")).unwrap();
    let told = world.stele(&["lake", "doctor", "--rounds", "5", "--json"]).exits(0).json();
    assert_eq!(told["ok"], true, "{told}");
    let mut desk = world.serve();
    // The log is the desk's: nobody else publishes from it.
    world.stele(&["lake", "publish"]).exits(5).complains(&["publishes by itself"]);
    world.until(&["lake", "doctor", "--rounds", "1", "--json"], |told| {
        let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap_or_default();
        let findings = told["findings"].as_array().cloned().unwrap_or_default();
        let detail = |one: &serde_json::Value| one["detail"].as_str().unwrap_or_default().to_owned();
        let price = findings.iter().find(|one| one["what"] == "fact_price").map(detail).unwrap_or_default();
        price.contains("position") && !price.contains(" 0 rows")
    });
    // Whoever only reads does so beside it.
    world.until(&["lake", "verify"], |run| run.code == 0);
    assert_eq!(desk.signalled("TERM").0, 0);
    world.stele(&["lake", "publish"]).exits(0);
    world.stele(&["lake", "verify"]).exits(0);
}
