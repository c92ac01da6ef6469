//! Where PostgreSQL is installed: looked for in a fixed order, every place that was tried remembered.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest server that works. Older ones are no longer maintained by their makers either.
pub const MAJOR_MIN: u32 = 14;

/// Where packages put PostgreSQL: a folder, and what stands between it and the binaries. `*` is any version.
const PACKAGED: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("target/tools", "postgresql-", "bin"),
];

/// An installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Where `postgres` and `initdb` are.
    pub directory: PathBuf,
    /// Its major version.
    pub major: u32,
}

/// One place that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What led there: `PG_BINDIR`, `pg_config`, `PATH`, or a folder of packages.
    pub from: String,
    /// What was found; else why not.
    pub outcome: Result<Binaries, String>,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(found) => {
                write!(f, "{}: PostgreSQL {} in {}", self.from, found.major, found.directory.display())
            }
            Err(why) => write!(f, "{}: {why}", self.from),
        }
    }
}

impl Binaries {
    /// The PostgreSQL in this folder.
    ///
    /// # Errors
    ///
    /// Why there is none, in a line.
    pub fn at(directory: &Path) -> Result<Self, String> {
        let directory =
            directory.canonicalize().map_err(|error| format!("{}: {error}", directory.display()))?;
        let shown = directory.display();
        if !directory.join("initdb").is_file() {
            return Err(format!("{shown} has no initdb"));
        }
        let said = Command::new(directory.join("postgres")).arg("--version").output();
        let said = said.map_err(|error| format!("{shown}/postgres can't be run: {error}"))?;
        let text = String::from_utf8_lossy(&said.stdout);
        let major = major_of(&text).ok_or_else(|| format!("{shown}/postgres does not say its version"))?;
        if major < MAJOR_MIN {
            return Err(format!("{shown} has version {major}; at least {MAJOR_MIN} is needed"));
        }
        Ok(Self { directory, major })
    }
}

/// Every step of the search, in its order. The first that found something wins, unless the data are of another
/// version.
pub fn search() -> Vec<Tried> {
    let mut tried = vec![];
    tried.push(match std::env::var_os("PG_BINDIR") {
        Some(directory) => one("PG_BINDIR", Path::new(&directory)),
        None => missing("PG_BINDIR", "not set"),
    });
    tried.push(match Command::new("pg_config").arg("--bindir").output() {
        Ok(said) if said.status.success() => {
            one("pg_config --bindir", Path::new(String::from_utf8_lossy(&said.stdout).trim()))
        }
        Ok(_) | Err(_) => missing("pg_config --bindir", "no such command"),
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|directory| directory.join("postgres").is_file());
    tried.push(
        on_path.map_or_else(|| missing("PATH", "no postgres on it"), |directory| one("PATH", &directory)),
    );
    for (folder, prefix, rest) in PACKAGED {
        let from = format!("{folder}/{prefix}*/{rest}");
        let found = versions(Path::new(folder), prefix);
        if found.is_empty() {
            tried.push(missing(&from, "nothing there"));
        }
        tried.extend(found.iter().map(|directory| one(&from, &directory.join(rest))));
    }
    tried
}

/// What to use: the first that was found; for data that are there already, the first of their version.
pub fn choose(tried: &[Tried], major: Option<u32>) -> Option<Binaries> {
    let found = || tried.iter().filter_map(|tried| tried.outcome.as_ref().ok());
    let same = found().find(|binaries| major.is_none_or(|major| major == binaries.major));
    same.cloned()
}

/// The folders with this prefix, highest version first.
fn versions(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let mut found: Vec<(u32, PathBuf)> = vec![];
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let version = name.strip_prefix(prefix).and_then(|rest| rest.split('.').next()?.parse().ok());
        found.extend(version.map(|version| (version, entry.path())));
    }
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

fn missing(from: &str, why: &str) -> Tried {
    Tried { from: from.to_owned(), outcome: Err(why.to_owned()) }
}

fn one(from: &str, directory: &Path) -> Tried {
    Tried { from: from.to_owned(), outcome: Binaries::at(directory) }
}

/// From `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`.
fn major_of(text: &str) -> Option<u32> {
    let number = text.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Binaries, Tried, choose, major_of};

    #[test]
    fn the_version_is_read_from_what_the_server_says() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major_of("nonsense"), None);
    }

    #[test]
    fn data_that_are_there_choose_their_own_version() {
        let found = |major| {
            let binaries = Binaries { directory: format!("/pg/{major}").into(), major };
            Tried { from: "somewhere".to_owned(), outcome: Ok(binaries) }
        };
        let nothing = Tried { from: "PATH".to_owned(), outcome: Err("nothing there".to_owned()) };
        let tried = [nothing, found(18), found(15)];
        assert_eq!(choose(&tried, None).map(|binaries| binaries.major), Some(18));
        assert_eq!(choose(&tried, Some(15)).map(|binaries| binaries.major), Some(15));
        assert_eq!(choose(&tried, Some(16)), None);
    }
}
