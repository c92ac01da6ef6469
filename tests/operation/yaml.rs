//! YAML files of the repository, with merge keys applied.

use serde_yaml_ng::Value;
use std::path::Path;
use stele_acceptance::{shown, text};

/// The documents of a file.
pub fn documents(path: &Path) -> Vec<Value> {
    let text = text(path);
    let read = serde_yaml_ng::Deserializer::from_str(&text).map(|document| {
        let mut value: Value = serde::Deserialize::deserialize(document)
            .unwrap_or_else(|error| panic!("{} can't be read: {error}", shown(path)));
        value.apply_merge().unwrap_or_else(|error| panic!("{}: {error}", shown(path)));
        value
    });
    read.collect()
}

/// The items of a list; none when there is no list.
pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_sequence().into_iter().flatten()
}

/// The entries of a table with text keys; none when there is no table.
pub fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let pairs = value.as_mapping().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.as_str()?, value)))
}

/// A text; empty when there is none.
pub fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
