//! What a wrong configuration is answered with, and that the right one can be seen.

use crate::support::{command, run, stele};
use serde_json::json;

fn with_file(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("stele.toml"), text).unwrap();
    directory
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_near_one() {
    let directory = with_file("[account]\nid = \"a.near\"\nsigning_key_fiel = \"key\"\n");
    let check = stele(directory.path(), &["config", "check"]).exits(2);
    check.complains(&[
        "account.signing_key_fiel",
        "stele.toml line 3",
        "did you mean `account.signing_key_file`?",
    ]);
    stele(directory.path(), &["serve"]).exits(2).complains(&["account.signing_key_fiel"]);
}

#[test]
fn a_value_of_the_wrong_type_says_what_is_expected() {
    let directory = with_file("[market]\ntick_ms = \"often\"\n");
    let check = stele(directory.path(), &["config", "check"]).exits(2);
    check.complains(&["market.tick_ms", "line 2", "\"often\"", "a whole number"]);
}

#[test]
fn the_environment_overrides_the_file_and_its_name_is_the_origin() {
    let directory = with_file("[desk]\ninstance = \"of-file\"\n");
    let mut print = command(directory.path(), &["config", "print", "--json"]);
    print.env("STELE__DESK__INSTANCE", "of-env").env("STELE__VERIFIER__URLS", "http://a,http://b");
    let printed = run(print).exits(0).json();
    let instance = json!({ "value": "of-env", "origin": "the environment variable STELE__DESK__INSTANCE" });
    assert_eq!(printed["desk.instance"], instance);
    assert_eq!(printed["verifier.urls"]["value"], json!(["http://a", "http://b"]));
    assert_eq!(printed["relay.url"]["origin"], "the defaults");
}

#[test]
fn an_unknown_variable_is_refused() {
    let directory = with_file("");
    let mut check = command(directory.path(), &["config", "check"]);
    check.env("STELE__DESK__INSTANZ", "x");
    run(check).exits(2).complains(&["STELE__DESK__INSTANZ", "did you mean `desk.instance`?"]);
}

#[test]
fn a_secret_that_no_variable_holds_is_named_with_its_setting() {
    for section in ["log.archive", "lake"] {
        let text = format!(
            "[{section}]\nurl = \"s3://bucket/prefix\"\naccess_key_id = \"desk\"\n\
             secret_access_key_env = \"BUCKET_SECRET_OF_A_TEST\"\n"
        );
        let directory = with_file(&text);
        let checked = |secret: Option<&str>, args: &[&str]| {
            let mut check = command(directory.path(), args);
            if let Some(secret) = secret {
                check.env("BUCKET_SECRET_OF_A_TEST", secret);
            }
            run(check)
        };
        for args in [&["config", "check"][..], &["config", "check", "--json"]] {
            for unset in [None, Some(""), Some(" ")] {
                let key = format!("{section}.secret_access_key_env");
                checked(unset, args).exits(2).complains(&[&key, "BUCKET_SECRET_OF_A_TEST", "line 4"]);
            }
            checked(Some("hush"), args).exits(0);
        }
        // Who only looks at the configuration, or talks to a desk, needs none.
        checked(None, &["config", "print"]).exits(0);
    }
}

#[test]
fn a_file_is_found_by_flag_by_variable_and_by_name() {
    let directory = with_file("[desk]\ninstance = \"by-name\"\n");
    let path = directory.path();
    std::fs::write(path.join("flag.toml"), "[desk]\ninstance = \"by-flag\"\n").unwrap();
    std::fs::write(path.join("variable.toml"), "[desk]\ninstance = \"by-variable\"\n").unwrap();
    let print = ["config", "print", "--json"];
    let instance = |command| run(command).exits(0).json()["desk.instance"]["value"].clone();
    assert_eq!(instance(command(path, &print)), "by-name");
    let mut variable = command(path, &print);
    variable.env("STELE_CONFIG", "variable.toml");
    assert_eq!(instance(variable), "by-variable");
    let mut flag = command(path, &["config", "print", "--json", "--config", "flag.toml"]);
    flag.env("STELE_CONFIG", "variable.toml");
    assert_eq!(instance(flag), "by-flag");
}

#[test]
fn a_desk_without_an_account_is_refused_with_the_way_out() {
    let directory = with_file("");
    let serve = stele(directory.path(), &["serve"]).exits(2);
    for words in ["`account.id` is empty", "STELE__ACCOUNT__ID", "no key is needed to watch"] {
        assert!(serve.stderr.contains(words), "{words:?} is missing in {}", serve.stderr);
    }
    assert!(!directory.path().join("stele-data").exists(), "a refused start leaves nothing behind");
}

#[test]
fn every_value_says_where_it_comes_from_when_it_is_asked() {
    let directory = with_file("[desk]\ninstance = \"of-file\"\n");
    let plain = stele(directory.path(), &["config", "print"]).exits(0).stdout;
    assert!(plain.contains("of-file\"") && plain.contains("# stele.toml line 2"), "{plain}");
    assert!(!plain.contains("# the defaults"), "{plain}");
    let whole = stele(directory.path(), &["config", "print", "--origin"]).exits(0).stdout;
    assert!(whole.lines().all(|line| line.contains("  # ")), "{whole}");
    assert!(whole.contains("# the defaults"), "{whole}");
}

#[test]
fn a_key_is_no_setting_and_is_not_repeated_when_it_stands_where_its_file_belongs() {
    let key = "stele_0123456789ab_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-AbCdEf_01234567";
    let directory = with_file(&format!("[client]\nserver = \"http://127.0.0.1:1\"\nkey_file = \"{key}\"\n"));
    let run = stele(directory.path(), &["status"]).exits(2);
    run.complains(&["client.key_file", "never the key itself"]);
    let run = stele(directory.path(), &["status"]);
    assert!(!run.stderr.contains("AbCdEf"), "{}", run.stderr);
}
