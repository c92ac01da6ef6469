//! Where a desk answers: a Unix socket, or a host and a port with or without TLS.

use super::key::AccessKey;
use super::setup::SetupError;
use super::tls::{Tls, Trust};
use axum::http::Uri;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a desk answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A host and its port.
    Tcp(Tcp),
}

/// A desk behind a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// A name or an address; no brackets around IPv6.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
}

/// How a client gets to a desk, and as whom.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where the desk answers.
    pub server: Server,
    /// The key that is shown to it; none at the machine's own socket, or with a certificate.
    pub key: Option<AccessKey>,
    /// Whom to believe, and the client's own certificate. Nothing of it matters without TLS.
    pub trust: Trust,
    /// Whether the key may go to another machine in the clear.
    pub plain_key: bool,
}

impl Server {
    /// Reads `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    ///
    /// [`SetupError::NotAServer`] when it is neither, or says more than that.
    pub fn parse(text: &str) -> Result<Self, SetupError> {
        let wrong = |why: &str| SetupError::NotAServer { text: text.to_owned(), why: why.to_owned() };
        let uri: Uri = text.parse().map_err(|_| wrong("it is no address"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(wrong("it must begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            // What stands before the @ may be a secret: it is not repeated.
            let text = "the address".to_owned();
            return Err(SetupError::NotAServer {
                text,
                why: "a key goes into a file, never here".to_owned(),
            });
        }
        if !matches!(uri.path_and_query().map_or("/", |rest| rest.as_str()), "/" | "") {
            return Err(wrong("nothing may stand behind the port"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => {
                if tls {
                    443
                } else {
                    80
                }
            }
            None => return Err(wrong("the port is none")),
        };
        Ok(Self::Tcp(Tcp { host: host.to_owned(), port, tls }))
    }
}

impl Tcp {
    /// As the `host` header has it.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether nothing leaves this machine on the way.
    fn is_local(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(tcp) => {
                write!(f, "{}://{}", if tcp.tls { "https" } else { "http" }, tcp.authority())
            }
        }
    }
}

/// The way, with everything read that it needs.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Unix(Arc<Path>),
    Tcp { to: Tcp, tls: Option<Tls> },
}

impl Endpoint {
    /// A socket of this machine: the operating system vouches for the caller.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        let server = Server::Unix(path.into());
        Self { server, key: None, trust: Trust::default(), plain_key: false }
    }

    /// Reads what the way needs.
    pub(super) fn way(&self) -> Result<Way, SetupError> {
        let tcp = match &self.server {
            Server::Unix(path) => return Ok(Way::Unix(Arc::from(path.as_path()))),
            Server::Tcp(tcp) => tcp.clone(),
        };
        if self.key.is_some() && !tcp.tls && !tcp.is_local() && !self.plain_key {
            return Err(SetupError::KeyInTheClear { desk: self.server.to_string() });
        }
        let tls = tcp.tls.then(|| Tls::new(&tcp.host, &self.trust)).transpose()?;
        Ok(Way::Tcp { to: tcp, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Server};
    use crate::client::key::AccessKey;
    use crate::client::setup::SetupError;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        for (text, shown) in [
            ("http://127.0.0.1:8420", "http://127.0.0.1:8420"),
            ("https://desk.example", "https://desk.example:443"),
            ("http://[::1]:8420/", "http://[::1]:8420"),
        ] {
            assert_eq!(Server::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "desk.example:8420",
            "ftp://desk",
            "http://",
            "http://desk/v1",
            "http://desk/?a=b",
            "",
            "http://de sk",
            "http://desk:99999",
        ] {
            assert!(Server::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_repeated() {
        let error = Server::parse("http://stele_key:secret@desk:8420").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn a_key_leaves_this_machine_in_the_clear_only_when_that_is_asked_for() {
        let to = |text: &str| Endpoint {
            server: Server::parse(text).unwrap(),
            key: Some(AccessKey::read("stele_k1_secret").unwrap()),
            trust: super::Trust::default(),
            plain_key: false,
        };
        assert!(to("http://127.0.0.1:1").way().is_ok());
        assert!(to("http://localhost:1").way().is_ok());
        assert!(to("http://[::1]:1").way().is_ok());
        let far = to("http://10.0.0.1:1");
        assert!(matches!(far.way(), Err(SetupError::KeyInTheClear { .. })));
        assert!(Endpoint { plain_key: true, ..far.clone() }.way().is_ok());
        assert!(Endpoint { key: None, ..far }.way().is_ok());
    }
}
