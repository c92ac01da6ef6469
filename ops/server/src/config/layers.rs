//! Defaults, file and environment as one list of keys, each with its value and where it came from.
//!
//! The built-in `default.toml` says which keys there are and of which type; nothing else is taken in.

use super::problem::Problem;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// Every setting with its default and its description.
pub(crate) const DEFAULTS: &str = include_str!("../../../config/default.toml");

/// What a variable's name begins with; sections and keys follow, separated by `__`.
pub(crate) const ENV_PREFIX: &str = "STELE__";

/// Variables with names of their own, and the keys that they set.
const SHORT_VARIABLES: [(&str, &str); 2] =
    [("STELE_KEY_FILE", "client.key_file"), ("DATABASE_URL", "database.url")];

/// Tables whose keys are not known beforehand. Their values are texts.
const OPEN_TABLES: [&str; 1] = ["limits.floor"];

/// Length from which a part of an address's path is taken for a key and not shown, in bytes.
const KEY_BYTES_MIN: usize = 20;

/// How unlike an unknown key may be to the one that is suggested, from 0 (unlike) to 1 (equal).
const LIKENESS_MIN: f64 = 0.7;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Env(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Flag(name) => write!(f, "the flag {name}"),
        }
    }
}

/// One key's value.
#[derive(Clone)]
pub(crate) struct Setting {
    pub value: Value,
    pub origin: Origin,
}

/// All keys, in the order of their names.
#[derive(Clone)]
pub(crate) struct Layers {
    settings: BTreeMap<String, Setting>,
}

impl fmt::Debug for Layers {
    /// Names only: an address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.settings.keys()).finish()
    }
}

impl Layers {
    /// The lowest layer.
    pub(crate) fn defaults() -> Result<Self, Problem> {
        let table: Table = DEFAULTS.parse().map_err(|error| Problem::Defaults(format!("{error}")))?;
        let mut settings = BTreeMap::new();
        flatten("", table, &mut settings);
        Ok(Self { settings })
    }

    /// Lays a file over it.
    pub(crate) fn with_file(mut self, path: &Path) -> Result<Self, Problem> {
        let unreadable = |source| Problem::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let root = DeTable::parse(&text).map_err(|error| Problem::Syntax {
            path: path.to_owned(),
            line: line_of(&text, &error.span().unwrap_or(0..0)),
            what: error.message().to_owned(),
        })?;
        self.take_table("", root.get_ref(), path, &text)?;
        Ok(self)
    }

    fn take_table(
        &mut self,
        prefix: &str,
        table: &DeTable<'_>,
        path: &Path,
        text: &str,
    ) -> Result<(), Problem> {
        for (name, value) in table {
            let key = join(prefix, name.get_ref());
            let origin = Origin::File { path: path.to_owned(), line: line_of(text, &name.span()) };
            match (self.is_table(&key), value.get_ref()) {
                (true, DeValue::Table(inner)) => self.take_table(&key, inner, path, text)?,
                (true, other) => {
                    let found = format!("{} {}", article(other.type_str()), other.type_str());
                    return Err(Problem::WrongType { key, origin, found, wanted: "a section is expected" });
                }
                (false, _) => self.set(key, plain(value), origin)?,
            }
        }
        Ok(())
    }

    /// Lays the environment over it.
    pub(crate) fn with_env(mut self, vars: impl Iterator<Item = (String, String)>) -> Result<Self, Problem> {
        for (name, text) in vars {
            let short = SHORT_VARIABLES.iter().find(|(short, _)| *short == name).map(|(_, key)| *key);
            let long = name.strip_prefix(ENV_PREFIX).map(|rest| rest.to_lowercase().replace("__", "."));
            let Some(key) = short.map(str::to_owned).or(long) else { continue };
            let origin = Origin::Env(name.clone());
            let value = match self.settings.get(&key).map(|setting| &setting.value) {
                Some(like) => read_as(like, &text),
                None => Value::String(text),
            };
            self.set(key, value, origin)?;
        }
        Ok(self)
    }

    /// Lays a flag over it.
    pub(crate) fn with_flag(mut self, key: &str, value: Value, flag: &'static str) -> Result<Self, Problem> {
        self.set(key.to_owned(), value, Origin::Flag(flag))?;
        Ok(self)
    }

    fn set(&mut self, key: String, value: Value, origin: Origin) -> Result<(), Problem> {
        let wanted = if is_open(&key) {
            Some(WANTED_TEXT)
        } else {
            let known = self.settings.get(&key);
            let Some(known) = known else {
                let nearest = self.nearest(&key);
                return Err(Problem::UnknownKey { key, origin, nearest });
            };
            wanted(&known.value)
        };
        let fits = match wanted {
            Some(wanted) => wanted.admits(&value),
            None => true,
        };
        if !fits {
            let found = shown(&value);
            let wanted = wanted.map_or("", |wanted| wanted.words);
            return Err(Problem::WrongType { key, origin, found, wanted });
        }
        self.settings.insert(key, Setting { value, origin });
        Ok(())
    }

    /// The key that was probably meant: alike as a whole, or of the same name in another section.
    fn nearest(&self, unknown: &str) -> Option<String> {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let sections =
            self.settings.keys().filter_map(|key| key.rsplit_once('.')).map(|(section, _)| section);
        let likeness = |key: &str| {
            let whole = strsim::jaro_winkler(unknown, key);
            let name = strsim::jaro_winkler(&last(unknown), &last(key));
            whole.max(name * 0.98)
        };
        let keys = self.settings.keys().map(String::as_str).chain(sections);
        let scored = keys.map(|key| (likeness(key), key)).filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
        scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, key)| key.to_owned())
    }

    fn is_table(&self, key: &str) -> bool {
        let prefix = format!("{key}.");
        OPEN_TABLES.contains(&key) || self.settings.keys().any(|known| known.starts_with(&prefix))
    }

    /// Every key with its value and origin.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(key, setting)| (key.as_str(), setting))
    }

    /// Where a key's value came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.settings.get(key).map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// A key's value as a person would write it.
    pub(crate) fn shown(&self, key: &str) -> String {
        self.settings
            .get(key)
            .map_or_else(|| "missing".to_owned(), |setting| shown(&public(key, &setting.value)))
    }

    /// All of it as one nested table.
    pub(crate) fn table(&self) -> Table {
        let mut root = Table::new();
        for open in OPEN_TABLES {
            let _ = section(&mut root, open);
        }
        for (key, setting) in &self.settings {
            let open = OPEN_TABLES.iter().find(|open| key.starts_with(&format!("{open}.")));
            let split = match open {
                Some(open) => {
                    key.split_at_checked(open.len()).map(|(path, name)| (path, name.trim_start_matches('.')))
                }
                None => key.rsplit_once('.'),
            };
            if let Some(place) = split.and_then(|(path, name)| Some((section(&mut root, path)?, name))) {
                place.0.insert(place.1.to_owned(), setting.value.clone());
            }
        }
        root
    }
}

/// What a value must be.
#[derive(Clone, Copy)]
struct Wanted {
    words: &'static str,
    admits: fn(&Value) -> bool,
}

impl Wanted {
    fn admits(self, value: &Value) -> bool {
        (self.admits)(value)
    }
}

const WANTED_TEXT: Wanted = Wanted { words: "a text in quotes is expected", admits: Value::is_str };

/// What a value in the place of `like` must be.
fn wanted(like: &Value) -> Option<Wanted> {
    match like {
        Value::String(_) => Some(WANTED_TEXT),
        Value::Integer(_) => Some(Wanted {
            words: "a whole number, zero or more, is expected",
            admits: |value| value.as_integer().is_some_and(|number| number >= 0),
        }),
        Value::Boolean(_) => Some(Wanted { words: "true or false is expected", admits: Value::is_bool }),
        Value::Array(_) => Some(Wanted {
            words: "a list of texts is expected",
            admits: |value| value.as_array().is_some_and(|list| list.iter().all(Value::is_str)),
        }),
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

fn is_open(key: &str) -> bool {
    OPEN_TABLES.iter().any(|open| key.strip_prefix(open).is_some_and(|rest| rest.starts_with('.')))
}

/// A variable's text as a value of the same type as `like`; a text when it is none.
fn read_as(like: &Value, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match like {
        Value::Integer(_) => text.parse().map_or_else(|_| as_text(), Value::Integer),
        Value::Boolean(_) => text.parse().map_or_else(|_| as_text(), Value::Boolean),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Table(_) => as_text(),
    }
}

fn flatten(prefix: &str, table: Table, into: &mut BTreeMap<String, Setting>) {
    for (name, value) in table {
        let key = join(prefix, &name);
        if let Value::Table(inner) = value {
            flatten(&key, inner, into);
        } else {
            into.insert(key, Setting { value, origin: Origin::Default });
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The table at a path, made where there is none.
fn section<'t>(root: &'t mut Table, path: &str) -> Option<&'t mut Table> {
    let mut at = root;
    for name in path.split('.') {
        at = at.entry(name).or_insert_with(|| Value::Table(Table::new())).as_table_mut()?;
    }
    Some(at)
}

fn plain(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.as_str().to_owned()), Value::Integer),
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Float(f64::NAN), Value::Float),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(at) => Value::Datetime(*at),
        DeValue::Array(items) => Value::Array(items.iter().map(plain).collect()),
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value)));
            Value::Table(entries.collect())
        }
    }
}

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// A value without what nobody may see. Addresses are where others write passwords and keys: into the user, the
/// path and the query.
pub(crate) fn public(key: &str, value: &Value) -> Value {
    match value {
        Value::String(address) if key == "database.url" => Value::String(without_password(address)),
        Value::String(address) => Value::String(without_keys(address)),
        Value::Array(items) => Value::Array(items.iter().map(|item| public(key, item)).collect()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => {
            value.clone()
        }
    }
}

/// An address of the web without its user, without its query's values, and without parts of its path that look
/// like keys: providers write them there.
fn without_keys(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (place, path) = rest.split_once('/').map_or((rest, None), |(place, path)| (place, Some(path)));
    let place = match place.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => place.to_owned(),
    };
    let path = path.map(|path| {
        let parts: Vec<_> =
            path.split('/').map(|part| if part.len() < KEY_BYTES_MIN { part } else { HIDDEN }).collect();
        format!("/{}", parts.join("/"))
    });
    let query = query.map(|query| {
        let shown = query.split('&').map(|part| match part.split_once('=') {
            Some((name, _)) => format!("{name}={HIDDEN}"),
            None => HIDDEN.to_owned(),
        });
        format!("?{}", shown.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{place}{}{}", path.unwrap_or_default(), query.unwrap_or_default())
}

/// The address of a database without the password of its user: of the query only what can't hold one is shown.
fn without_password(address: &str) -> String {
    /// Parameters of the query that say how to connect, and hold no secret.
    const SHOWN: [&str; 6] = ["application_name", "dbname", "host", "port", "sslmode", "sslrootcert"];
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(s, r)| (s, r));
    // The last `@` ends the user; a password may hold a `?` that nobody escaped.
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    let (host, query) = rest.split_once('?').map_or((rest, None), |(host, query)| (host, Some(query)));
    let user = user.map(|user| match user.split_once(':') {
        Some((name, _)) => format!("{name}:{HIDDEN}@"),
        None => format!("{user}@"),
    });
    let query = query.map(|query| {
        let shown = query.split('&').map(|part| match part.split_once('=') {
            Some((name, _)) if SHOWN.contains(&name) => part.to_owned(),
            Some((name, _)) => format!("{name}={HIDDEN}"),
            None => HIDDEN.to_owned(),
        });
        format!("?{}", shown.collect::<Vec<_>>().join("&"))
    });
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{}{host}{}", user.unwrap_or_default(), query.unwrap_or_default())
}

/// A value as it would be written.
pub(crate) fn shown(value: &Value) -> String {
    value.to_string()
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The line, from one, in which a span begins.
fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1)
}
