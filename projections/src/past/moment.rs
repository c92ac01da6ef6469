//! What "as of" means: a position, or a time and the last record that was written down by then.

use super::PastError;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::time::Timestamp;

/// As of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// When the log ended here.
    Position(Position),
    /// At this moment: with every record that the log wrote down at it or before it. Of the last moments more may become
    /// known while records are still being written; the answer's position says what it knew.
    Time(Timestamp),
}

impl AsOf {
    /// Reads a position or an RFC 3339 time; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits {
            return text.parse().ok().map(|position| Self::Position(Position(position)));
        }
        Timestamp::parse(text).ok().map(Self::Time)
    }
}

/// The position that is meant, when it is `now`: itself, or that of the last record that was written down at or before the
/// time; [`Position::START`] when none was. Times never decrease along the log, so a few dozen records tell.
///
/// # Errors
///
/// [`PastError::Future`], [`PastError::Log`].
pub async fn position(log: &dyn EventLog, as_of: AsOf, now: Timestamp) -> Result<Position, PastError> {
    let at = match as_of {
        AsOf::Position(position) => return Ok(position),
        AsOf::Time(at) => at,
    };
    if at > now {
        return Err(PastError::Future { at, now });
    }
    // Everything up to `known` was written down by then, nothing after `last` was.
    let (mut known, mut last) = (0, log.head().await?.0);
    while known < last {
        let middle = known.saturating_add(last.saturating_sub(known).div_ceil(2));
        if written(log, Position(middle)).await?.is_some_and(|written| written <= at) {
            known = middle;
        } else {
            last = middle.saturating_sub(1);
        }
    }
    Ok(Position(known))
}

/// When the record at a position was written down; `None` where none is.
///
/// # Errors
///
/// [`PastError::Log`].
pub async fn written(log: &dyn EventLog, position: Position) -> Result<Option<Timestamp>, PastError> {
    let page = log.read_all(position, &Filter::all(), 1).await?;
    Ok(page.records.first().filter(|record| record.position == position).map(|record| record.recorded_at))
}
