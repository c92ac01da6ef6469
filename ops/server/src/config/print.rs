//! The configuration in force, with the origin of every value. What may be a secret in an address
//! (a user, a long part of a path, the values of a query) is not shown; other secrets are no settings.

use super::layers::{DEFAULTS, ENV_PREFIX, Layers, Origin};
use serde_json::json;
use std::fmt::Write as _;

/// As TOML: the origin of every value that is not a default stands behind it, or that of every value.
pub(crate) fn text(layers: &Layers, every_origin: bool) -> String {
    let rows: Vec<_> =
        layers.iter().map(|(key, setting)| (key, layers.shown(key), &setting.origin)).collect();
    let width = rows.iter().map(|(key, value, _)| key.len() + value.len()).filter(|width| *width <= 60).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for (key, value, origin) in rows {
        if *origin == Origin::Default && !every_origin {
            let _ = writeln!(text, "{} = {value}", quoted(key));
            continue;
        }
        let gap = width.saturating_sub(key.len() + value.len());
        let _ = writeln!(text, "{} = {value}{:gap$}  # {origin}", quoted(key), "");
    }
    text
}

/// As JSON.
pub(crate) fn json(layers: &Layers) -> serde_json::Value {
    let entry = |(key, setting): (&str, &super::layers::Setting)| {
        let value = serde_json::to_value(super::layers::public(key, &setting.value)).unwrap_or_default();
        (key.to_owned(), json!({ "value": value, "origin": setting.origin.to_string() }))
    };
    serde_json::Value::Object(layers.iter().map(entry).collect())
}

/// The dotted key; a last part that is no bare key is quoted.
fn quoted(key: &str) -> String {
    match key.strip_prefix("limits.floor.") {
        Some(token) => format!("limits.floor.\"{token}\""),
        None => key.to_owned(),
    }
}

/// `.env.example`: every variable, commented out, with the description of its key.
#[cfg_attr(not(test), expect(dead_code, reason = "the file is written and compared by a test"))]
pub(crate) fn env_example() -> String {
    let mut section = String::new();
    let mut lines = vec![
        "# Every setting as an environment variable, with its default. Generated from ops/config/default.toml.".to_owned(),
        "# `STELE_CONFIG` names a configuration file; secrets are in variables or files of your own naming.".to_owned(),
    ];
    for line in DEFAULTS.lines().skip_while(|line| !line.starts_with('[')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_uppercase().replace('.', "__");
            lines.push(String::new());
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let plain = value.trim_matches(['[', ']']).replace('"', "").replace(", ", ",");
            lines.push(format!("#{ENV_PREFIX}{section}__{}={plain}", key.to_uppercase()));
        } else if line.starts_with('#')
            && section != "LIMITS__FLOOR"
            && !line.contains("per token, in whole tokens")
        {
            lines.push(line.to_owned());
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
