//! Where the server is: the connection string that every client of KurrentDB takes, with what this one needs set.

use eventstore::{Authentication, ClientSettings, ClientSettingsParseError};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;

/// Schemes of connection strings.
const SCHEMES: [&str; 4] = ["kurrentdb", "kurrent", "kdb", "esdb"];

/// The client sleeps this long before its first attempt, also where the server is there.
const DISCOVERY_INTERVAL: &str = "discoveryInterval";
/// Milliseconds; its own default is half a second.
const DISCOVERY_INTERVAL_MS: &str = "10";

/// At one attempt the client makes none.
const ATTEMPTS: &str = "maxDiscoverAttempts";
const ATTEMPTS_MIN: u32 = 2;

/// A server's address, with its user. Shown without the user.
#[derive(Clone)]
pub struct Address {
    settings: ClientSettings,
    user: Option<Authentication>,
    shown: String,
    clear: bool,
}

/// Why a text is no address.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAddress {
    /// It can't be read.
    #[error(
        "{shown:?} is no address of a KurrentDB server: kurrentdb://USER:PASSWORD@HOST:2113?tls=true, or esdb://…: {why}"
    )]
    Unreadable {
        /// The text without its user.
        shown: String,
        /// What is wrong.
        why: String,
    },
    /// A user is named, and a key given.
    #[error(
        "the address of the KurrentDB server names a user, and a key is given beside it: leave one of them out"
    )]
    TwoUsers,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Address {
    /// Whether a text is meant as such an address, right or wrong.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.strip_suffix("+discover").unwrap_or(scheme)))
    }

    /// Reads a connection string, whose user and password may be escaped with `%`; `key` is shown as a bearer's where it
    /// names no user.
    ///
    /// # Errors
    ///
    /// [`InvalidAddress`].
    pub fn read(text: &str, key: Option<&SecretString>) -> Result<Self, InvalidAddress> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (shown, named) = apart(place);
        let wrong = |why: &str| InvalidAddress::Unreadable { shown: shown.clone(), why: why.to_owned() };
        if !Self::is_meant(text) {
            return Err(wrong("the scheme is none of kurrentdb, kurrent, kdb and esdb"));
        }
        let user = match (named, key) {
            (Some(_), Some(_)) => return Err(InvalidAddress::TwoUsers),
            (Some(named), None) => {
                Some(unescaped(named).ok_or_else(|| wrong("its user is no NAME:PASSWORD"))?)
            }
            (None, Some(key)) => Some(Authentication::bearer(key.expose_secret().to_owned())),
            (None, None) => None,
        };
        let said = |name: &str| {
            let options = query.split('&').filter_map(|option| option.split_once('='));
            options.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next_back()
        };
        if said(ATTEMPTS).and_then(|attempts| attempts.parse().ok()).is_some_and(|n: u32| n < ATTEMPTS_MIN) {
            return Err(wrong(&format!("{ATTEMPTS} must be {ATTEMPTS_MIN} or more")));
        }
        let clear = said("tls").is_some_and(|value| value.eq_ignore_ascii_case("false"));
        let mut whole = text.replacen(place, &shown, 1);
        if said(DISCOVERY_INTERVAL).is_none() {
            whole.push(if text.contains('?') { '&' } else { '?' });
            whole.extend([DISCOVERY_INTERVAL, "=", DISCOVERY_INTERVAL_MS]);
        }
        let settings: ClientSettings =
            whole.parse().map_err(|error: ClientSettingsParseError| wrong(error.message()))?;
        Ok(Self { settings, user, shown, clear })
    }

    /// What the client crate needs.
    pub(crate) fn settings(&self) -> ClientSettings {
        self.settings.clone()
    }

    /// Who asks.
    pub(crate) fn user(&self) -> Option<&Authentication> {
        self.user.as_ref()
    }

    /// Whether it says who asks: by a user, or by a key.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// Whether a user would be told to another machine without encryption.
    #[must_use]
    pub fn tells_its_user_in_the_clear(&self) -> bool {
        let elsewhere = |host: &str| {
            host != "localhost"
                && !host
                    .trim_matches(['[', ']'])
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        };
        self.clear && self.user.is_some() && self.settings.hosts().iter().any(|end| elsewhere(&end.host))
    }
}

/// A place without its user, and the user.
fn apart(place: &str) -> (String, Option<&str>) {
    let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
    match rest.rsplit_once('@') {
        Some((user, hosts)) => (format!("{scheme}://{hosts}"), Some(user)),
        None => (place.to_owned(), None),
    }
}

/// Name and password as they are meant: the client crate would take the escapes for the thing itself.
fn unescaped(user: &str) -> Option<Authentication> {
    let (name, password) = user.split_once(':')?;
    let plain = |text| percent_decode_str(text).collect::<Vec<u8>>();
    Some(Authentication::basic(plain(name), plain(password)))
}

#[cfg(test)]
mod tests {
    use super::{Address, InvalidAddress};
    use eventstore::Authentication;
    use secrecy::SecretString;
    use std::time::Duration;

    #[test]
    fn an_address_gets_what_the_client_needs_and_shows_no_user() {
        let address = Address::read("kurrentdb://ann:hush@db.example:2113?tls=true", None).unwrap();
        assert_eq!(address.to_string(), "kurrentdb://db.example:2113");
        assert!(!format!("{address:?}").contains("hush"));
        assert_eq!(address.settings().discovery_interval(), Duration::from_millis(10));
        let own = Address::read("esdb://db.example?discoveryinterval=70", None).unwrap();
        assert_eq!(own.settings().discovery_interval(), Duration::from_millis(70));
    }

    #[test]
    fn a_user_may_have_any_characters_in_the_address_and_a_key_beside_it() {
        let key = SecretString::from("stele_0123_a/b:c@d%e");
        let address = Address::read("kurrentdb://a:2113,b:2113?tls=false", Some(&key)).unwrap();
        assert_eq!(address.user(), Some(&Authentication::bearer("stele_0123_a/b:c@d%e")));
        assert_eq!(address.settings().hosts().len(), 2);
        let escaped = Address::read("kurrentdb://ann:a%2Fb%3Ac%40d%25e%3Ff%26g@a:2113", None).unwrap();
        assert_eq!(escaped.user(), Some(&Authentication::basic("ann", "a/b:c@d%e?f&g")));
        let twice = Address::read("kurrentdb://ann:hush@a:2113", Some(&key)).unwrap_err();
        assert!(matches!(twice, InvalidAddress::TwoUsers) && !twice.to_string().contains("hush"));
    }

    #[test]
    fn what_the_client_would_never_connect_with_is_refused() {
        for (text, part) in [
            ("http://ann:hush@db.example", "scheme"),
            ("kurrentdb://db.example?maxDiscoverAttempts=1", "2 or more"),
            ("kurrentdb://ann:hush@", "kurrentdb://"),
            ("kurrentdb://hush@db.example", "NAME:PASSWORD"),
            ("kurrentdb://ann:hush@db.example?tls=perhaps", "db.example"),
        ] {
            let words = Address::read(text, None).unwrap_err().to_string();
            assert!(words.contains(part) && !words.contains("hush"), "{text}: {words}");
        }
    }

    #[test]
    fn a_user_is_told_in_the_clear_to_this_machine_only() {
        let told = |text| Address::read(text, None).unwrap().tells_its_user_in_the_clear();
        assert!(told("kurrentdb://ann:hush@db.example:2113?tls=false"));
        assert!(told("kurrentdb://ann:hush@127.0.0.1:2113,10.0.0.7:2113?tls=false"));
        assert!(!told("kurrentdb://ann:hush@127.0.0.1:2113?tls=false"));
        assert!(!told("kurrentdb://ann:hush@db.example:2113"));
        assert!(!told("kurrentdb://db.example:2113?tls=false"));
    }
}
