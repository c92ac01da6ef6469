//! Which log it is. An address outlives what stands behind it: a restored copy may answer there, or another desk's log.
//! So every answer names its log, and every question says which log is meant and how far of it has been seen; nobody
//! goes on over a log that is another one, or one that has lost what was read.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use stele_domain::port::event_log::{LogError, Position};
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use uuid::Uuid;

/// Where an answer and a question name the log.
pub const LOG: &str = "stele-log";
/// Where a question says how far of the log has been seen.
pub const SEEN: &str = "stele-log-seen";

/// The log that a process works on: the first one that answered it.
#[derive(Debug, Default)]
pub struct Known {
    log: OnceLock<Uuid>,
    seen: AtomicU64,
}

impl Known {
    /// The last position of which anything is known here.
    pub fn saw(&self, position: Position) {
        self.seen.fetch_max(position.0, Ordering::Relaxed);
    }

    /// Says in a question which log is meant; nothing before one has answered.
    pub fn ask(&self, question: &mut MetadataMap) {
        if let Some(log) = self.log.get()
            && let Ok(name) = named(*log)
        {
            question.insert(LOG, name);
            question.insert(SEEN, MetadataValue::from(self.seen.load(Ordering::Relaxed)));
        }
    }

    /// Looks at the name in an answer. An owner that does not name its log is believed as it was.
    ///
    /// # Errors
    ///
    /// [`LogError::Denied`] when it is another log than the first one.
    pub fn heard(&self, answer: &MetadataMap) -> Result<(), LogError> {
        let Some(log) = answer.get(LOG).and_then(uuid) else { return Ok(()) };
        let first = *self.log.get_or_init(|| log);
        if log == first { Ok(()) } else { Err(other(first, log)) }
    }
}

/// The log that a service answers for, if it has a name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own(pub Option<Uuid>);

impl Own {
    /// Puts the name into an answer.
    pub fn tell(self, answer: &mut MetadataMap) {
        if let Some(Ok(name)) = self.0.map(named) {
            answer.insert(LOG, name);
        }
    }

    /// Whether the asker means this log, which ends at `head`.
    ///
    /// # Errors
    ///
    /// [`LogError::Denied`] when they mean another one, or have seen more of it than there is.
    pub fn is_meant(self, question: &MetadataMap, head: Position) -> Result<(), LogError> {
        let Some((own, meant)) = self.0.zip(question.get(LOG).and_then(uuid)) else { return Ok(()) };
        if own != meant {
            return Err(other(meant, own));
        }
        let seen = question.get(SEEN).and_then(|seen| seen.to_str().ok()).and_then(|seen| seen.parse().ok());
        match seen.map(Position) {
            Some(seen) if seen > head => Err(LogError::Denied(format!(
                "log {own} ends at {head}, and this process has seen it up to {seen}: an older copy was put in its place. \
                 Bring the newer one back, or restart this process and drop what it has derived, if the loss is meant"
            ))),
            Some(_) | None => Ok(()),
        }
    }
}

fn other(before: Uuid, now: Uuid) -> LogError {
    LogError::Denied(format!(
        "log {now} answers where log {before} answered before: bring that one back, or restart this process and drop what \
         it has derived, if the change is meant"
    ))
}

fn named(log: Uuid) -> Result<MetadataValue<Ascii>, tonic::metadata::errors::InvalidMetadataValue> {
    MetadataValue::try_from(log.to_string())
}

fn uuid(value: &MetadataValue<Ascii>) -> Option<Uuid> {
    Uuid::parse_str(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{Known, Own};
    use stele_domain::port::event_log::{LogError, Position};
    use tonic::metadata::MetadataMap;
    use uuid::Uuid;

    fn asked(known: &Known) -> MetadataMap {
        let mut question = MetadataMap::new();
        known.ask(&mut question);
        question
    }

    fn answered(own: Own) -> MetadataMap {
        let mut answer = MetadataMap::new();
        own.tell(&mut answer);
        answer
    }

    #[test]
    fn the_first_log_that_answers_is_the_one_and_no_other_is_taken_for_it() {
        let (first, second) = (Own(Some(Uuid::from_u128(1))), Own(Some(Uuid::from_u128(2))));
        let known = Known::default();
        assert!(second.is_meant(&asked(&known), Position::START).is_ok(), "nothing is known yet");
        known.heard(&answered(first)).unwrap();
        assert!(first.is_meant(&asked(&known), Position::START).is_ok());
        for refused in [second.is_meant(&asked(&known), Position::START), known.heard(&answered(second))] {
            let Err(LogError::Denied(words)) = refused else { panic!("{refused:?}") };
            let name = |own: Own| own.0.unwrap().to_string();
            assert!(words.contains(&name(first)) && words.contains(&name(second)), "{words}");
        }
        assert!(known.heard(&answered(Own(None))).is_ok(), "who names no log is believed");
    }

    #[test]
    fn a_log_that_is_shorter_than_what_was_seen_of_it_is_refused_and_an_equal_one_is_not() {
        let own = Own(Some(Uuid::from_u128(1)));
        let known = Known::default();
        known.heard(&answered(own)).unwrap();
        known.saw(Position(7));
        known.saw(Position(3));
        assert!(own.is_meant(&asked(&known), Position(7)).is_ok());
        let refused = own.is_meant(&asked(&known), Position(6)).unwrap_err();
        let words = refused.to_string();
        assert!(
            !refused.is_transient() && words.contains("ends at 6") && words.contains("up to 7"),
            "{words}"
        );
    }
}
