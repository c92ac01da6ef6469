//! The certificate that a caller has shown, as long as the conversation lasts: one that ends, is put on the list of revoked
//! ones, or loses the authority that vouched for it, ends the conversation too.

use super::renewal::Newest;
use crate::papers::not_after;
use rustls::ServerConnection;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use std::time::Duration;

/// Longest time in which the clock is not looked at: somebody may set it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a caller has shown.
pub(super) struct Presented {
    certificate: CertificateDer<'static>,
    between: Vec<CertificateDer<'static>>,
    /// Seconds since 1970 at which the first of them ends.
    until: Option<i64>,
}

impl Presented {
    /// What was shown in a handshake that is over; `None` when nothing was.
    pub(super) fn in_handshake(connection: &ServerConnection) -> Option<Self> {
        let shown = connection.peer_certificates()?;
        let until = shown.iter().filter_map(|one| not_after(one)).min();
        let (certificate, between) = shown.split_first()?;
        let owned = |one: &CertificateDer<'_>| one.clone().into_owned();
        Some(Self { certificate: owned(certificate), between: between.iter().map(owned).collect(), until })
    }

    /// Waits until it is no longer taken; why. A session that is taken up again shows what it showed when it began, so
    /// this is asked at the beginning too.
    pub(super) async fn no_longer_taken(self, mut newest: Newest) -> String {
        loop {
            let judge = newest.borrow_and_update().judge.clone();
            if let Some(why) = judge.and_then(|judge| self.judged(&*judge)) {
                return why;
            }
            loop {
                let now = now();
                if self.until.is_some_and(|until| until <= now) {
                    return "it has ended".to_owned();
                }
                let left = self.until.and_then(|until| u64::try_from(until.saturating_sub(now)).ok());
                let look = left.map_or(LOOK_EVERY, |left| Duration::from_secs(left).min(LOOK_EVERY));
                tokio::select! {
                    biased;
                    Ok(()) = newest.changed() => break,
                    () = tokio::time::sleep(look) => {}
                }
            }
        }
    }

    fn judged(&self, judge: &dyn ClientCertVerifier) -> Option<String> {
        let judged = judge.verify_client_cert(&self.certificate, &self.between, UnixTime::now());
        judged.err().map(|error| error.to_string())
    }
}

fn now() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}
