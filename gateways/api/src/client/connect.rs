//! Getting through to a desk, and what stands in the way.

use super::ClientError;
use super::endpoint::Way;
use rustls::AlertDescription;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longest time to get through to a desk.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An open connection.
pub(super) enum Connection {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

pub(super) async fn connect(way: &Way, desk: &str) -> Result<Connection, ClientError> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, opened(way)).await;
    let connected = connected.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut)));
    connected.map_err(|source| {
        let desk = desk.to_owned();
        if let Some(what) = untrusted(&source) {
            ClientError::Untrusted { desk, what }
        } else if source.kind() == ErrorKind::PermissionDenied {
            ClientError::Forbidden { desk, source }
        } else {
            ClientError::Unreachable { desk, source }
        }
    })
}

async fn opened(way: &Way) -> io::Result<Connection> {
    let (to, tls) = match way {
        Way::Unix(path) => return UnixStream::connect(path).await.map(Connection::Unix),
        Way::Tcp { to, tls } => (to, tls),
    };
    let stream = TcpStream::connect((to.host.as_str(), to.port)).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Connection::Tcp(stream)) };
    let connector = TlsConnector::from(std::sync::Arc::clone(&tls.config));
    let stream = connector.connect(tls.name.clone(), stream).await?;
    Ok(Connection::Tls(Box::new(stream)))
}

/// What was not believed, when certificates are what an error is about.
pub(super) fn untrusted(error: &(dyn Error + 'static)) -> Option<String> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return in_tls(tls);
        }
        // An I/O error hides what it was made of from its sources.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        at = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// What a client's certificate is refused with.
const REFUSALS: [AlertDescription; 7] = [
    AlertDescription::CertificateRequired,
    AlertDescription::BadCertificate,
    AlertDescription::UnknownCA,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateUnknown,
    AlertDescription::AccessDenied,
];

fn in_tls(error: &rustls::Error) -> Option<String> {
    if let rustls::Error::InvalidCertificate(why) = error {
        let why = format!("the desk's certificate is not believed ({why})");
        return Some(format!("{why}: name who vouches for it with --ca-file"));
    }
    if let rustls::Error::AlertReceived(alert) = error
        && REFUSALS.contains(alert)
    {
        let what = format!("the desk wants another client certificate ({alert:?})");
        return Some(format!("{what}: see --cert and --cert-key"));
    }
    None
}
