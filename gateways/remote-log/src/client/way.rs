//! The way to the log's owner: options in, an endpoint out. Keys go to another machine only under TLS, unless somebody
//! has said that the network between is theirs.

use super::papers::{Papers, Trust};
use crate::identity::Known;
use secrecy::{ExposeSecret as _, SecretString};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// Longest time to connect, and the same again for a TLS handshake.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How often an idle connection is asked whether it lives, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How much may be on its way in one reading, in bytes.
const WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// How to reach the log's owner.
pub struct Options {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// The key of a service, as it was shown when it was made; `None` where a certificate vouches.
    pub key: Option<SecretString>,
    /// Whether the key may go to another machine in the clear.
    pub plain_key: bool,
    /// Whom to believe, and as whom to come. Nothing of it matters without TLS.
    pub trust: Trust,
}

/// Why nobody can be connected to with these options. No word of the key.
#[derive(Debug, thiserror::Error)]
pub enum CannotConnect {
    /// The address is none.
    #[error("{url:?} is no address of a log: http://host:port or https://host:port is expected")]
    Address {
        /// What was given.
        url: String,
    },
    /// The key can't stand in a header.
    #[error("the key is no key of this desk: one word of visible ASCII is expected")]
    Key,
    /// Anybody on the way could take the key.
    #[error(
        "the key would go to {url} in the clear, for anybody on the way to take: use https://, or set \
         `log.plain_http` where the network between is yours"
    )]
    KeyInTheClear {
        /// The owner's address.
        url: String,
    },
    /// A file with certificates or a private key can't be used.
    #[error("{} can't be used: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what it should have.
        what: String,
    },
    /// TLS can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[source] tonic::transport::Error),
}

/// Puts the key beside every request, and which log is meant.
#[derive(Clone)]
pub(super) struct Bearer {
    key: Option<MetadataValue<Ascii>>,
    known: Arc<Known>,
}

impl Bearer {
    pub(super) fn of(options: &Options, known: &Arc<Known>) -> Result<Self, CannotConnect> {
        let key = options.key.as_ref().map(header).transpose()?;
        Ok(Self { key, known: Arc::clone(known) })
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.key {
            request.metadata_mut().insert("authorization", value.clone());
        }
        self.known.ask(request.metadata_mut());
        Ok(request)
    }
}

fn header(key: &SecretString) -> Result<MetadataValue<Ascii>, CannotConnect> {
    let key = key.expose_secret().trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CannotConnect::Key);
    }
    let value = MetadataValue::try_from(format!("Bearer {key}"));
    let mut value = value.map_err(|_| CannotConnect::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where the owner is, and whether TLS is spoken there.
#[derive(Clone)]
pub(super) struct Way {
    endpoint: Endpoint,
    pub(super) tls: bool,
}

impl Way {
    pub(super) fn to(options: &Options) -> Result<Self, CannotConnect> {
        let url = || options.url.clone();
        let address = || CannotConnect::Address { url: url() };
        let endpoint = Endpoint::from_shared(url()).map_err(|_| address())?;
        let tls = match endpoint.uri().scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(address()),
        };
        let host = endpoint.uri().host().ok_or_else(address)?;
        if options.key.is_some() && !tls && !options.plain_key && !is_local(host) {
            return Err(CannotConnect::KeyInTheClear { url: url() });
        }
        let endpoint = endpoint
            .connect_timeout(CONNECT_MAX)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES.saturating_mul(8));
        Ok(Self { endpoint, tls })
    }

    /// The endpoint, under TLS with these papers where TLS is spoken.
    pub(super) fn under(&self, papers: &Papers) -> Result<Endpoint, CannotConnect> {
        if !self.tls {
            return Ok(self.endpoint.clone());
        }
        // A peer that accepts and is silent would otherwise hold the connection for ever.
        let tls = papers.shown_with(ClientTlsConfig::new().timeout(CONNECT_MAX));
        self.endpoint.clone().tls_config(tls).map_err(CannotConnect::Tls)
    }
}

/// Whether nothing leaves this machine on the way.
fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{CannotConnect, Options, Trust, Way};

    fn to(url: &str, key: Option<&str>, plain_key: bool) -> Result<Way, CannotConnect> {
        let key = key.map(|key| key.to_owned().into());
        Way::to(&Options { url: url.to_owned(), key, plain_key, trust: Trust::default() })
    }

    #[test]
    fn a_key_goes_to_another_machine_in_the_clear_only_when_that_is_asked_for() {
        for local in ["http://127.0.0.1:8420", "http://127.8.9.1:1", "http://localhost:1", "http://[::1]:1"] {
            assert!(to(local, Some("stele_k1_secret"), false).is_ok(), "{local}");
        }
        // Names that only begin like this machine's are others'.
        for far in [
            "http://192.0.2.1:8420",
            "http://owner:8420",
            "http://127.0.0.1.example:1",
            "http://localhost.example:1",
            "http://[2001:db8::1]:1",
        ] {
            let error = to(far, Some("stele_k1_secret"), false).err().expect("no way");
            assert!(matches!(error, CannotConnect::KeyInTheClear { .. }), "{far}: {error:?}");
            let words = error.to_string();
            assert!(
                words.contains(far) && words.contains("https://") && words.contains("log.plain_http"),
                "{words}"
            );
            assert!(!format!("{error:?}{words}").contains("secret"), "{words}");
            assert!(to(far, Some("stele_k1_secret"), true).is_ok(), "{far}");
            assert!(to(far, None, false).is_ok(), "{far}");
            assert!(to(&far.replace("http:", "https:"), Some("stele_k1_secret"), false).is_ok(), "{far}");
        }
    }

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        for url in ["owner:8420", "ftp://owner:1", "", "http://", "/log"] {
            assert!(matches!(to(url, None, false), Err(CannotConnect::Address { .. })), "{url:?}");
        }
    }
}
