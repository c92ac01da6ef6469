//! The witness of the log that this process owns: held against it before anything is served, told of checkpoints while it
//! runs, and of the last one at the end.

use crate::config::Config;
use crate::exit::{Code, Failure, chain};
use std::sync::Arc;
use std::time::Duration;
use stele_event_log::{EmbeddedLog, Witness, WitnessError};

/// Longest time that the end of a process waits for its witness.
const LAST_EXPORT: Duration = Duration::from_secs(3);

/// The witness, when one is configured and does not contradict the log.
pub(super) async fn begin(config: &Config, log: &Arc<EmbeddedLog>) -> Result<Option<Arc<Witness>>, Failure> {
    let Some(options) = &config.witness else { return Ok(None) };
    let witness = Witness::new(Arc::clone(log), &config.log_dir(), options);
    let witness = witness.map_err(|error| refused(&error))?;
    witness.begin().await.map_err(|error| refused(&error))?;
    Ok(Some(Arc::new(witness)))
}

/// Hands over a checkpoint of all that the log ends with, while its directory is this process's still. What becomes of it,
/// the witness says itself.
pub(super) async fn end(witness: &Witness) {
    let handed = async {
        // One that lost what it had is begun anew.
        if let Err(WitnessError::Lost { .. }) = witness.export().await {
            witness.export().await.ok();
        }
    };
    // The next start hands over what this one did not.
    let _ = tokio::time::timeout(LAST_EXPORT, handed).await;
}

/// Why a log is not served with this witness.
pub(crate) fn refused(error: &WitnessError) -> Failure {
    let words = chain(error);
    match error {
        WitnessError::Contradicted { .. } => Failure::new(Code::Contradicted, words).advise(
            "nothing is served. Keep the directory and what the witness has as they are: they are evidence. Restore the newest \
             backup that the witness bears out (stele log verify --against FILE), see ops/runbooks/witness.md",
        ),
        WitnessError::Unusable(_) => Failure::usage(format!("configuration: `log.witness`: {words}")),
        WitnessError::Foreign { .. } => Failure::new(Code::Foreign, words)
            .advise("name another file in log.witness, or put back the log that this one belongs to"),
        WitnessError::Lost { .. } => Failure::new(Code::Mismatch, words),
        WitnessError::Damaged { .. } => Failure::new(Code::Mismatch, words).advise(
            "nothing was changed. Put back the file as it was; where that is impossible keep it, and name a new one in log.witness",
        ),
        WitnessError::Busy { .. } => Failure::new(Code::Conflict, words)
            .advise("find the process that holds it: two logs that export to one file contradict each other"),
        WitnessError::Long { .. } => Failure::new(Code::Full, words),
        WitnessError::Io { source, .. } => {
            let code = crate::cli::of_disk(source).unwrap_or(Code::Error);
            Failure::new(code, words).advise(
                "the log can't be held against its witness: make the file writable, or leave log.witness empty",
            )
        }
        WitnessError::Log(error) => super::log_failure(error),
        WitnessError::Away(_)
        | WitnessError::Late { .. }
        | WitnessError::Refused { .. }
        | WitnessError::Garbled(_)
        | WitnessError::Disbelieved(_) => Failure::new(Code::Unavailable, words),
    }
}
