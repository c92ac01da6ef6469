//! What is taken, from which layer, and what is said of what is not.

use super::layers::{DEFAULTS, Layers};
use super::raw::Raw;
use super::{Config, DatabaseAt, LogElsewhere, Problem, ServeFlags, Sources, print};
use std::path::{Path, PathBuf};
use stele_domain::money::Units;
use stele_intents::key::KeySource;
use stele_kurrent::Outside;

const NO_ENV: [(String, String); 0] = [];

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stele.toml");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

fn load(text: &str) -> Result<Config, Problem> {
    let (_directory, path) = file(text);
    Config::from_layers(Some(&path), NO_ENV.into_iter(), &Sources::default())
}

fn complaint(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

fn env(pairs: &[(&str, &str)]) -> Result<Config, Problem> {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_layers(None, pairs.collect::<Vec<_>>().into_iter(), &Sources::default())
}

#[test]
fn the_defaults_are_complete_and_can_be_run() {
    let config = Config::from_layers(None, NO_ENV.into_iter(), &Sources::default()).unwrap();
    assert_eq!(config.pair.id.as_str(), "btc-eure");
    assert_eq!(config.account, None, "nothing trades by default");
    assert_eq!(config.limits.notional_max, Units::new(5 * 10_u128.pow(18)), "the first cap is tiny");
    config.pricing.check().unwrap();
}

#[test]
fn every_default_is_described() {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    for pair in lines.windows(2) {
        let is_key = |line: &str| !line.starts_with('#') && line.contains(" = ");
        let explained = pair[0].starts_with('#') || is_key(pair[0]);
        assert!(!is_key(pair[1]) || explained, "{:?} has no description above it", pair[1]);
    }
}

#[test]
fn no_field_has_a_second_default_in_the_code() {
    // A key taken out of the defaults must be missed; else two places would say what the default is.
    let table = Layers::defaults().unwrap().table();
    for (section, keys) in &table {
        for key in keys.as_table().unwrap().keys() {
            let mut cut = table.clone();
            cut[section].as_table_mut().unwrap().remove(key);
            assert!(cut.try_into::<Raw>().is_err(), "{section}.{key} has a default in the code");
        }
    }
}

#[test]
fn an_unknown_key_is_named_with_file_and_line_and_the_near_one() {
    let words = complaint("[relay]\nurl = \"ws://127.0.0.1/ws\"\n\n[market]\ntick_millis = 5\n");
    assert!(words.contains("unknown key `market.tick_millis`"), "{words}");
    assert!(words.contains("stele.toml line 5"), "{words}");
    assert!(words.contains("did you mean `market.tick_ms`?"), "{words}");
}

#[test]
fn a_key_in_the_wrong_section_is_found_in_the_right_one() {
    let words = complaint("[desk]\nsigning_key_file = \"key\"\n");
    assert!(words.contains("did you mean `account.signing_key_file`?"), "{words}");
}

#[test]
fn an_unknown_section_is_an_unknown_key() {
    let words = complaint("[relays]\nurl = \"ws://127.0.0.1/ws\"\n");
    assert!(words.contains("unknown key `relays`") && words.contains("did you mean `relay`?"), "{words}");
}

#[test]
fn an_unknown_variable_is_refused_too() {
    let words = env(&[("STELE__RELAY__ULR", "ws://x/ws")]).unwrap_err().to_string();
    assert!(words.contains("STELE__RELAY__ULR") && words.contains("did you mean `relay.url`?"), "{words}");
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_what_is_expected() {
    for (text, parts) in [
        ("[market]\ntick_ms = \"soon\"", ["`market.tick_ms`", "line 2", "\"soon\"", "a whole number"]),
        ("[market]\ntick_ms = -5", ["`market.tick_ms`", "line 2", "-5", "zero or more"]),
        ("[pair]\nbase_tokens = \"a\"", ["`pair.base_tokens`", "line 2", "\"a\"", "a list of texts"]),
        ("[limits]\nanswer_probes = 1", ["`limits.answer_probes`", "line 2", "1", "true or false"]),
        ("[limits]\nnotional_max = 5", ["`limits.notional_max`", "line 2", "5", "a text in quotes"]),
        ("relay = 3", ["`relay`", "line 1", "integer", "a section is expected"]),
    ] {
        let words = complaint(text);
        for part in parts {
            assert!(words.contains(part), "{part:?} is missing in {words:?}");
        }
    }
}

#[test]
fn a_value_out_of_range_is_named_with_what_is_possible() {
    for (text, parts) in [
        ("[relay]\nurl = \"https://x\"", ["`relay.url`", "wss://"]),
        ("[relay]\nurl = \"ws://\"", ["`relay.url`", "an address is expected"]),
        ("[verifier]\nurls = []", ["`verifier.urls`", "1 to 8 providers"]),
        ("[verifier]\nproviders_min = 3", ["`verifier.providers_min`", "1 to 2 is possible"]),
        ("[market]\nbasis = \"guess\"", ["`market.basis`", "\"assumed_parity\" or \"observed\""]),
        ("[pair]\nid = \"BTC/EUR\"", ["`pair.id`", "btc-eure"]),
        ("[pair]\nbase_decimals = 39", ["`pair.base_decimals`", "0 to 38"]),
        ("[limits]\nnotional_min = \"6\"", ["`limits.notional_min`", "notional_min is above notional_max"]),
        ("[limits]\nedge_min_bps = 6000", ["`limits.edge_min_bps`", "between 0.00% and 50.00%"]),
        ("[limits]\nnotional_max = \"5 EURe\"", ["`limits.notional_max`", "whole tokens"]),
        ("[limits.floor]\n\"nep141:other\" = \"1\"", ["`limits.floor.nep141:other`", "no such token"]),
        ("[telemetry]\nformat = \"xml\"", ["`telemetry.format`", "\"pretty\""]),
        ("[log]\nsegment_bytes = 1", ["`log.segment_bytes`", "is possible"]),
        ("[log]\nwitness = \"http://w.example/w1\"", ["`log.witness`", "witness_plain_http"]),
        ("[log]\nwitness = \"w.txt\"\nwitness_ca_file = \"ca.pem\"", ["`log.witness_ca_file`", "https://"]),
        (
            "[log]\nsegment_bytes = 268435457\n[log.archive]\nurl = \"/srv/archive\"",
            ["`log.segment_bytes`", "268435456"],
        ),
        ("[log.archive]\nkeep_events = 9000000000000000000", ["`log.archive.keep_events`", "is possible"]),
        ("[log.archive]\nurl = \"gs://x\"", ["`log.archive.url`", "s3://bucket/prefix"]),
        ("[log.archive]\naccess_key_id = \"a\"", ["`log.archive.access_key_id`", "secret_access_key_file"]),
        ("[log.archive]\nendpoint = \"http://s3.example\"", ["`log.archive.endpoint`", "plain_http"]),
        ("[log.archive]\ncache_bytes = 1", ["`log.archive.cache_bytes`", "is possible"]),
    ] {
        let words = complaint(text);
        for part in parts {
            assert!(words.contains(part), "{part:?} is missing in {words:?}");
        }
    }
}

#[test]
fn a_number_that_does_not_fit_its_field_is_refused_and_not_cut() {
    let words = complaint("[limits]\nopen_offers_max = 4294967296");
    assert!(words.contains("`limits.open_offers_max`") && words.contains("line 2"), "{words}");
}

#[test]
fn text_that_is_no_toml_is_named_with_its_line() {
    let words = complaint("[relay]\nurl = \n");
    assert!(words.contains("stele.toml is no TOML, line 2"), "{words}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = Path::new("/nowhere/stele.toml");
    let words =
        Config::from_layers(Some(missing), NO_ENV.into_iter(), &Sources::default()).unwrap_err().to_string();
    assert!(words.contains("/nowhere/stele.toml can't be read"), "{words}");
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let (_directory, path) = file("[desk]\ninstance = \"file\"\ndata_dir = \"of-file\"\n");
    let env = [("STELE__DESK__DATA_DIR".to_owned(), "of-env".to_owned())];
    let sources = Sources { data_dir: Some("of-flag".into()), ..Sources::default() };
    let config = Config::from_layers(Some(&path), env.clone().into_iter(), &Sources::default()).unwrap();
    assert_eq!((config.instance.as_str(), config.data_dir.to_str()), ("file", Some("of-env")));
    let config = Config::from_layers(Some(&path), env.into_iter(), &sources).unwrap();
    assert_eq!(config.data_dir.to_str(), Some("of-flag"));
    let printed = config.print(true);
    assert!(
        printed.contains("desk.data_dir = \"of-flag\"") && printed.contains("# the flag --data"),
        "{printed}"
    );
    assert!(printed.contains("stele.toml line 2"), "{printed}");
    assert!(printed.contains("# the defaults"), "{printed}");
}

#[test]
fn the_environment_speaks_every_type() {
    let config = env(&[
        ("STELE__MARKET__TICK_MS", "250"),
        ("STELE__LIMITS__ANSWER_PROBES", "true"),
        ("STELE__VERIFIER__URLS", "http://a, http://b,http://c"),
        ("STELE__MARKET__KRAKEN__SYMBOL", "ETH/EUR"),
        ("UNRELATED", "x"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.market_tick_ms, 250);
    assert!(config.limits.answer_probes);
    assert_eq!(config.verifier.urls, ["http://a", "http://b", "http://c"]);
    assert_eq!(config.market.kraken.symbol, "ETH/EUR");
    let words = env(&[("STELE__MARKET__TICK_MS", "often")]).unwrap_err().to_string();
    assert!(words.contains("STELE__MARKET__TICK_MS") && words.contains("a whole number"), "{words}");
}

#[test]
fn a_printed_configuration_is_a_configuration_again() {
    let first = load("[limits.floor]\n\"nep141:nbtc.bridge.near\" = \"0.001\"\n").unwrap();
    let again = load(&first.print(false)).unwrap();
    assert_eq!(first.limits, again.limits);
    assert_eq!(first.policy, again.policy);
    assert_eq!(first.market, again.market);
}

#[test]
fn the_peg_is_watched_where_somebody_is_asked_for_it_and_only_there() {
    assert!(load("").unwrap().policy.peg_watched);
    for nobody in ["watch_peg = false", "url = \"\""] {
        let config = load(&format!("[market.coin_gecko]\n{nobody}")).unwrap();
        assert!(!config.policy.peg_watched && config.market.peg.is_none(), "{nobody}");
    }
}

#[test]
fn a_key_comes_from_a_file_or_a_variable_and_not_from_both() {
    let config = load("[account]\nsigning_key_env = \"DESK_KEY\"").unwrap();
    assert_eq!(config.signing_key, Some(KeySource::Env("DESK_KEY".to_owned())));
    let words = complaint("[account]\nsigning_key_env = \"DESK_KEY\"\nsigning_key_file = \"key\"");
    assert!(words.contains("one of the two"), "{words}");
}

#[test]
fn a_key_that_stands_where_its_name_belongs_is_refused_and_never_repeated() {
    let secret =
        "ed25519:3D4YudUahN1nawWogh8pAKSj92sUNMdbZGjn7kERKzYoTy8tnFQuwoGUC51DowKqorvkr2pytJSnwuSbsNVfqygr";
    let words = complaint(&format!("[account]\nsigning_key_env = \"{secret}\""));
    assert!(words.contains("never the secret itself"), "{words}");
    assert!(!words.contains(secret.get(8..40).unwrap()), "the secret is repeated: {words}");
}

#[test]
fn a_socket_path_that_no_socket_can_have_is_refused() {
    let words = complaint(&format!("[desk]\ndata_dir = \"/tmp/{}\"", "d".repeat(120)));
    assert!(words.contains("desk.socket") && words.contains("bytes long"), "{words}");
}

#[test]
fn the_example_environment_names_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/.env.example");
    let text = print::env_example();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, text, "run again with UPDATE_GOLDEN=1 and read the difference");
    let variables =
        text.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| line.starts_with("STELE__"));
    let variables = variables
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config =
        Config::from_layers(None, variables.collect::<Vec<_>>().into_iter(), &Sources::default()).unwrap();
    let keys = Layers::defaults().unwrap().iter().count();
    assert_eq!(
        config
            .layers
            .iter()
            .filter(|(_, setting)| matches!(setting.origin, super::layers::Origin::Env(_)))
            .count(),
        keys
    );
}

#[test]
fn the_port_is_for_this_machine_unless_there_is_tls_or_somebody_says_otherwise() {
    let config = load("").unwrap();
    assert_eq!(config.doors.listen, Some("127.0.0.1:8420".parse().unwrap()));
    let words = complaint("[api]\nlisten = \"0.0.0.0:8420\"\n");
    assert!(words.contains("api.plain_tcp") && words.contains("api.tls_certificate_file"), "{words}");
    assert!(load("[api]\nlisten = \"0.0.0.0:8420\"\nplain_tcp = true\n").is_ok());
    let safe = "[api]\nlisten = \"0.0.0.0:8420\"\ntls_certificate_file = \"c\"\ntls_key_file = \"k\"\n";
    assert!(load(safe).is_ok());
    assert_eq!(load("[api]\nlisten = \"\"\n").unwrap().doors.listen, None);
    assert!(complaint("[api]\nlisten = \"localhost\"\n").contains("127.0.0.1:8420"));
}

#[test]
fn half_a_tls_is_none() {
    for (text, missing) in [
        ("tls_certificate_file = \"c\"", "api.tls_key_file"),
        ("tls_key_file = \"k\"", "api.tls_certificate_file"),
        ("tls_client_ca_file = \"ca\"", "api.tls_client_ca_file"),
        ("tls_client_crl_file = \"crl\"", "api.tls_client_crl_file"),
        ("tls_client_required = true", "api.tls_client_required"),
    ] {
        let words = complaint(&format!("[api]\n{text}\n"));
        assert!(words.contains(missing), "{text}: {words}");
    }
}

#[test]
fn a_process_that_owns_its_log_has_nobody_to_show_a_key_to() {
    assert!(complaint("[log]\nkey_file = \"k\"\n").contains("log.url"));
    let config = load("[log]\nurl = \"http://127.0.0.1:8420\"\nkey_file = \"k\"\n").unwrap();
    let Some(LogElsewhere::Owner(at)) = config.remote_log else { panic!("{:?}", config.remote_log) };
    assert_eq!((at.url.as_str(), at.key_file), ("http://127.0.0.1:8420", Some(PathBuf::from("k"))));
    assert!(complaint("[log]\nurl = \"owner:8420\"\n").contains("https://"));
}

#[test]
fn the_log_may_be_on_a_kurrentdb_server_whose_password_is_not_shown() {
    let config = load("[log]\nurl = \"kurrentdb://ann:hush@db:2113?tls=true\"\n").unwrap();
    let Some(LogElsewhere::EventStore(at)) = &config.remote_log else { panic!("{:?}", config.remote_log) };
    assert!(at.address.contains("hush") && !format!("{config:?}").contains("hush"));
    assert!(!config.print(true).contains("hush"), "{}", config.print(true));
    let words = complaint("[log]\nurl = \"esdb://db?maxDiscoverAttempts=1\"\n");
    assert!(words.contains("log.url") && words.contains("maxDiscoverAttempts"), "{words}");
    let words = complaint("[log]\nurl = \"esdb://db\"\nca_file = \"ca.pem\"\n");
    assert!(words.contains("log.ca_file") && words.contains("tlsCaFile"), "{words}");
}

#[test]
fn a_log_by_a_scheme_that_nobody_speaks_is_refused_with_those_that_are() {
    for url in ["kurent://db:2113", "ftp://db", "kurrentdb+srv://db", "://db"] {
        let words = complaint(&format!("[log]\nurl = \"{url}\"\n"));
        for part in ["log.url", "https://", "kurrentdb://", "esdb"] {
            assert!(words.contains(part), "{url}: {words}");
        }
    }
}

#[test]
fn the_flags_of_serve_name_the_log_its_key_the_port_and_the_tables() {
    let serve = ServeFlags {
        log: Some("http://127.0.0.1:9".to_owned()),
        log_key_file: Some(PathBuf::from("k")),
        listen: Some("127.0.0.1:0".to_owned()),
        kurrent_listen: None,
        postgres: true,
    };
    let sources = Sources { serve, ..Sources::default() };
    let config = Config::from_layers(None, NO_ENV.into_iter(), &sources).unwrap();
    let Some(LogElsewhere::Owner(at)) = &config.remote_log else { panic!("{:?}", config.remote_log) };
    assert_eq!(at.url, "http://127.0.0.1:9");
    assert_eq!(config.doors.listen, Some("127.0.0.1:0".parse().unwrap()));
    assert!(config.database.at == DatabaseAt::Private);
    assert!(config.print(true).contains("# the flag --log"), "{}", config.print(true));
}

#[test]
fn the_kurrentdb_protocol_is_off_until_it_is_asked_for_and_then_lets_nobody_write() {
    let config = load("").unwrap();
    assert_eq!((config.kurrent.listen, &config.kurrent.outside), (None, &Outside::Nothing));
    let serve = ServeFlags { kurrent_listen: Some("127.0.0.1:2113".to_owned()), ..ServeFlags::default() };
    let sources = Sources { serve, ..Sources::default() };
    let config = Config::from_layers(None, NO_ENV.into_iter(), &sources).unwrap();
    assert_eq!(config.kurrent.listen, Some("127.0.0.1:2113".parse().unwrap()));
    assert_eq!(config.kurrent.outside, Outside::Nothing);
}

#[test]
fn the_kurrentdb_protocol_has_its_own_rules_and_each_is_named() {
    for (text, word) in [
        ("[log]\nurl = \"http://owner:8420\"\n[kurrent]\nlisten = \"127.0.0.1:0\"\n", "owns the event log"),
        ("[kurrent]\nlisten = \"192.0.2.7:2113\"\n", "kurrent.plain_tcp"),
        ("[kurrent]\nlisten = \"somewhere\"\n", "127.0.0.1"),
        ("[kurrent]\ntls_key_file = \"k\"\n", "certificate is missing"),
        ("[kurrent]\ntls_certificate_file = \"c\"\n", "private key is missing"),
        ("[kurrent]\nadvertise = \"desk\"\n", "desk.example.org:2113"),
        ("[kurrent]\nadvertise = \":2113\"\n", "desk.example.org:2113"),
        ("[kurrent]\ncategories = [\"account\"]\n", "nobody outside writes"),
        ("[kurrent]\ncategories = [\"orders\", \"*\"]\n", "alone"),
        ("[kurrent]\ncategories = [\"orders-1\"]\n", "no category"),
        ("[kurrent]\ncategories = [\"$orders\"]\n", "no category"),
        ("[kurrent]\ncategories = [\"\"]\n", "no category"),
    ] {
        let said = complaint(text);
        assert!(said.contains(word), "{text}: {said}");
    }
    let config = load("[kurrent]\nadvertise = \"desk:2113\"\ncategories = [\"orders\"]\n").unwrap();
    assert_eq!(config.kurrent.advertise, Some(("desk".to_owned(), 2_113)));
    assert_eq!(config.kurrent.outside, Outside::Categories(["orders".to_owned()].into()));
    assert_eq!(load("[kurrent]\ncategories = [\"*\"]\n").unwrap().kurrent.outside, Outside::Everything);
}

#[test]
fn one_postgresql_is_named_and_strict_tables_need_one() {
    let of_env = env(&[("DATABASE_URL", "postgres://stele_app@db/stele")]).unwrap();
    let at = DatabaseAt::Url { url: "postgres://stele_app@db/stele".to_owned(), password_file: None };
    assert!(of_env.database.at == at);
    let both = "[database]\nurl = \"postgres://stele_app@db/stele\"\nprivate = true\n";
    assert!(complaint(both).contains("one of the two"));
    assert!(complaint("[database]\nstrict = true\n").contains("--postgres"));
    assert!(load("[database]\nstrict = true\nprivate = true\n").unwrap().database.strict);
    for (age, allowed) in [(999, false), (1_000, true), (600_000, true), (600_001, false)] {
        let text = format!("[database]\nstrict_age_ms_max = {age}\n");
        assert_eq!(load(&text).is_ok(), allowed, "{age}");
    }
}

#[test]
fn a_password_in_an_address_is_not_shown_by_anything() {
    for address in [
        "postgres://stele_app:hush@db/stele",
        "postgres://db/stele?user=stele_app&password=hush",
        "mysql://stele_app:hush@db/stele",
        "postgres://stele_app:a?hush@db/stele",
        "postgres://stele_app@db/stele?sslpassword=hush",
    ] {
        let said = match env(&[("DATABASE_URL", address)]) {
            Ok(config) => {
                format!("{config:?}{}{}{:?}", config.print(true), config.print_json(), config.database)
            }
            Err(problem) => format!("{problem}{problem:?}"),
        };
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn what_providers_write_into_addresses_is_not_shown_and_what_identifies_them_is() {
    let key = "0123456789abcdef0123456789abcdef";
    let settings = format!(
        "[verifier]\nurls = [\"https://near.example/v1/{key}\", \"https://ann:hush@two.example/rpc?apiKey=hush\"]\n\
         [market.coin_gecko]\nurl = \"https://prices.example/v3?token=hush\"\n"
    );
    let config = load(&settings).unwrap();
    for said in [config.print(true), config.print_json().to_string()] {
        assert!(!said.contains("hush") && !said.contains(key), "{said}");
        for shown in ["https://near.example/v1/***", "https://***@two.example/rpc?apiKey=***", "v3?token=***"]
        {
            assert!(said.contains(shown), "{shown} is missing in {said}");
        }
    }
}
