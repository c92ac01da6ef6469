//! Whether a kill took effect: the word of the executor that holds the lease, wherever it runs.

use super::Control;
use std::time::Duration;
use stele_domain::port::venue::SEND_MS_MAX;
use stele_domain::trading::limits::CLOCK_SKEW_MS_MAX;
use tokio::time::Instant;

/// How long a kill waits for the executor's word. It is recorded in any case.
const WORD_MAX: Duration = Duration::from_secs(2);
/// How often the account is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// How long after the end of its lease an executor counts as silent, in milliseconds: its clock may be behind ours, and
/// a frame that it began to write before the end may still be on its way out.
const SILENT_AFTER_MS: u64 = CLOCK_SKEW_MS_MAX + SEND_MS_MAX;

impl Control {
    /// Whether no frame of the executor that holds the lease can leave any more. `fenced_here` says that the fence of
    /// this process was closed after the kill, or over it.
    pub(super) async fn took_effect(&self, fenced_here: bool) -> bool {
        let until = Instant::now() + WORD_MAX;
        loop {
            let now = self.clock.now();
            let proved = self.account.look(|state| {
                let nobody_signs =
                    state.lease().is_none_or(|lease| lease.until.plus_millis(SILENT_AFTER_MS) <= now);
                let signs_here = fenced_here && self.fence.guards(state.epoch());
                nobody_signs || signs_here || state.kill_confirmed()
            });
            if proved.await.unwrap_or(false) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
