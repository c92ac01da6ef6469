//! What can be wrong with a configuration. Each says what, where, and what would be right.

use super::layers::Origin;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{} can't be read: name a readable file with --config, or leave it out", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is no TOML, line {line}: {what}", path.display())]
    Syntax { path: PathBuf, line: usize, what: String },
    #[error("unknown key `{key}` in {origin}{}", suggestion(nearest.as_deref()))]
    UnknownKey { key: String, origin: Origin, nearest: Option<String> },
    #[error("`{key}` in {origin} is {found}: {wanted}")]
    WrongType { key: String, origin: Origin, found: String, wanted: &'static str },
    #[error("`{key}` in {origin} is {value}: {rule}")]
    Refused { key: String, origin: Origin, value: String, rule: String },
    /// The compiled-in defaults and the code differ; a test holds them together.
    #[error("the built-in defaults are not complete: {0}")]
    Defaults(String),
}

fn suggestion(nearest: Option<&str>) -> String {
    match nearest {
        Some(key) => format!(": did you mean `{key}`?"),
        None => ": `stele config print` lists every key".to_owned(),
    }
}
