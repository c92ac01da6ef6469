//! Certificates that are replaced while the door is open: the files are looked at every few seconds, and when they hold
//! something else, callers from then on are received with it. Conversations that are going on are left alone, but for those
//! of callers who came with a certificate: it is judged anew.
//!
//! Files that can't be used change nothing: what was read before stays in use, and somebody is told. A certificate that
//! stands there without its key yet is on its way: only what is still so at the next look is said.

use super::DoorError;
use super::tls::{self, Papers, Receiving, TlsFiles};
use crate::observe;
use stele_commands::stop::Stop;
use tokio::sync::watch;

/// At which look in a row the same complaint is said, once.
const SAID_AT: u32 = 2;

/// What receives the next caller.
pub(super) type Newest = watch::Receiver<Receiving>;

/// What looks at the files.
pub(super) struct Renewal {
    files: TlsFiles,
    papers: Papers,
    receiving: watch::Sender<Receiving>,
}

impl Renewal {
    /// Reads the files for the first time.
    pub(super) async fn begin(files: TlsFiles) -> Result<(Self, Newest), DoorError> {
        let papers = tls::read(&files).await?;
        let (receiving, newest) = watch::channel(tls::receiving(&files, &papers)?);
        Ok((Self { files, papers, receiving }, newest))
    }

    /// Looks at the files until the stop, or until the door is gone.
    pub(super) async fn run(mut self, mut stop: Stop) {
        let (mut refused, mut looks) = (String::new(), 0_u32);
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return,
                () = self.receiving.closed() => return,
                () = tokio::time::sleep(self.files.look_every) => {}
            }
            match self.look().await {
                Ok(true) => {
                    looks = 0;
                    observe::certificates_renewed(&self.files.chain);
                }
                Ok(false) => looks = 0,
                Err(error) => {
                    let words = error.to_string();
                    looks = if words == refused { looks.saturating_add(1) } else { 1 };
                    if looks == SAID_AT {
                        observe::certificates_refused(&words);
                    }
                    refused = words;
                }
            }
        }
    }

    /// Whether the files held something else, which is in use now.
    async fn look(&mut self) -> Result<bool, DoorError> {
        let papers = tls::read(&self.files).await?;
        if papers == self.papers {
            return Ok(false);
        }
        self.receiving.send_replace(tls::receiving(&self.files, &papers)?);
        self.papers = papers;
        Ok(true)
    }
}
