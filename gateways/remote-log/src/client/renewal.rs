//! Certificates that are replaced while the process runs: the files are looked at every few seconds, and when they hold
//! something else, connections from then on are made with it. Connections that stand are left alone.
//!
//! Files that can't be used change nothing: what was read before stays in use, and somebody is told. A certificate that
//! stands there without its key yet is on its way: only what is still so at the next look is said.

use super::papers::{Papers, Trust};
use super::way::{CannotConnect, Way};
use super::{Bearer, Clients};
use crate::observe;
use stele_domain::causes::with_causes;
use tokio::sync::watch;

/// At which look in a row the same complaint is said, once.
const SAID_AT: u32 = 2;

/// Where the clients come from, and what they were made with.
pub(super) struct Renewal {
    pub(super) way: Way,
    pub(super) bearer: Bearer,
    pub(super) trust: Trust,
    pub(super) papers: Papers,
}

impl Renewal {
    /// Looks at the files until nobody has a use for the clients.
    pub(super) async fn run(mut self, clients: watch::Sender<Clients>) {
        let (mut refused, mut looks) = (String::new(), 0_u32);
        loop {
            tokio::select! {
                biased;
                () = clients.closed() => return,
                () = tokio::time::sleep(self.trust.look_every) => {}
            }
            match self.look().await {
                Ok(renewed) => {
                    looks = 0;
                    if let Some(renewed) = renewed {
                        clients.send_replace(renewed);
                        observe::certificates_renewed();
                    }
                }
                Err(error) => {
                    let words = with_causes(&error);
                    looks = if words == refused { looks.saturating_add(1) } else { 1 };
                    if looks == SAID_AT {
                        observe::certificates_refused(&words);
                    }
                    refused = words;
                }
            }
        }
    }

    /// New clients when the files hold something else.
    async fn look(&mut self) -> Result<Option<Clients>, CannotConnect> {
        let trust = self.trust.clone();
        // A task that is cancelled only means that the process ends.
        let Ok(read) = tokio::task::spawn_blocking(move || Papers::read(&trust)).await else {
            return Ok(None);
        };
        let papers = read?;
        if papers == self.papers {
            return Ok(None);
        }
        let clients = Clients::to(&self.way.under(&papers)?, &self.bearer);
        self.papers = papers;
        Ok(Some(clients))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bearer, Clients, Options};
    use super::{CannotConnect, Papers, Renewal, Trust, Way};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use std::path::Path;
    use std::sync::Arc;

    fn authority() -> String {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn renewal(ca_file: &Path) -> Renewal {
        let trust = Trust { ca_file: Some(ca_file.to_owned()), ..Trust::default() };
        let url = "https://127.0.0.1:1".to_owned();
        let options = Options { url, key: None, plain_key: false, trust: trust.clone() };
        let papers = Papers::read(&trust).unwrap();
        let bearer = Bearer::of(&options, &Arc::default()).unwrap();
        Renewal { way: Way::to(&options).unwrap(), bearer, trust, papers }
    }

    #[tokio::test]
    async fn only_files_that_hold_something_else_and_of_use_lead_to_new_clients() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let (first, second) = (authority(), authority());
        std::fs::write(&file, &first).unwrap();
        let mut renewal = renewal(&file);
        let renewed = |looked: Result<Option<Clients>, CannotConnect>| looked.unwrap().is_some();
        assert!(!renewed(renewal.look().await), "nothing was replaced");
        for nonsense in ["", "no certificate", &first[..first.len() / 2]] {
            std::fs::write(&file, nonsense).unwrap();
            let refused = renewal.look().await.err().expect("a complaint");
            assert!(refused.to_string().contains("ca.pem"), "{refused}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(renewal.look().await.is_err());
        std::fs::write(&file, &first).unwrap();
        assert!(!renewed(renewal.look().await), "what is in use was put back");
        std::fs::write(&file, &second).unwrap();
        assert!(renewed(renewal.look().await));
        assert!(!renewed(renewal.look().await), "it was taken up already");
    }
}
