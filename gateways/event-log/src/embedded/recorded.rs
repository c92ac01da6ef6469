//! Commits that another log recorded, written here with the time at which that was: many are on their way at once, and
//! each answer is looked at. For imports, which own the log alone; nothing else may say when a commit was recorded.

use super::{EmbeddedLog, ROOM_UNIT_BYTES};
use crate::format::{to_u32, to_u64};
use crate::validate;
use crate::writer::Request;
use std::collections::VecDeque;
use std::sync::Arc;
use stele_domain::port::event_log::{Appended, LogError, Position, StreamAppend};
use stele_domain::time::Timestamp;
use tokio::sync::oneshot;

/// How much may be on its way, in the units of the queue's room: half of it, so that there always is room for more.
const ON_THE_WAY_UNITS_MAX: u32 = 32_768;

/// Commits that may be on their way: fewer than the queue takes.
const ON_THE_WAY_COMMITS_MAX: usize = 2_048;

/// Writes commits one after the other. Blocks, so it has no place on a thread of a runtime.
pub struct Recorder<'log> {
    log: &'log EmbeddedLog,
    on_the_way: VecDeque<OnTheWay>,
    units: u32,
}

/// A commit whose answer has not come.
struct OnTheWay {
    first: Position,
    units: u32,
    answer: oneshot::Receiver<Result<Vec<Appended>, LogError>>,
}

impl<'log> Recorder<'log> {
    /// Writes to `log`, which nobody else writes to.
    pub fn of(log: &'log EmbeddedLog) -> Self {
        Self { log, on_the_way: VecDeque::new(), units: 0 }
    }

    /// Offers a commit that begins with position `first`. What is wrong with one may be told with a later one.
    ///
    /// # Errors
    ///
    /// What the log says of this commit or of one before it; [`LogError::Invalid`] when it took one for a repetition.
    pub fn commit(
        &mut self,
        first: Position,
        appends: Vec<StreamAppend>,
        recorded_at: Timestamp,
    ) -> Result<(), LogError> {
        let units = to_u32(validate::append(&appends)? / ROOM_UNIT_BYTES + to_u64(appends.len()));
        while self.units.saturating_add(units) > ON_THE_WAY_UNITS_MAX
            || self.on_the_way.len() >= ON_THE_WAY_COMMITS_MAX
        {
            if !self.settle_one()? {
                break;
            }
        }
        let room = Arc::clone(&self.log.room).try_acquire_many_owned(units);
        let room = room.map_err(|_| LogError::Stopped("somebody else is writing to it".to_owned()))?;
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Append { appends, room, reply, recorded_at: Some(recorded_at) })?;
        self.units += units;
        self.on_the_way.push_back(OnTheWay { first, units, answer });
        Ok(())
    }

    /// Waits for every answer, leaves a signed checkpoint and closes the log.
    ///
    /// # Errors
    ///
    /// As [`Self::commit`], and as closing.
    pub fn finish(mut self) -> Result<(), LogError> {
        while self.settle_one()? {}
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Close { reply })?;
        let closed = answer.blocking_recv().unwrap_or_else(|_| Err(self.log.gone()));
        self.log.join();
        closed
    }

    /// Waits for the oldest answer; false when there is none to come.
    fn settle_one(&mut self) -> Result<bool, LogError> {
        let Some(OnTheWay { first, units, answer }) = self.on_the_way.pop_front() else {
            return Ok(false);
        };
        self.units -= units;
        let told = answer.blocking_recv().unwrap_or_else(|_| Err(self.log.gone()))?;
        if told.iter().any(|appended| appended.repeated)
            || told.first().is_none_or(|appended| appended.first != first)
        {
            return Err(LogError::Invalid(format!("what begins at position {first} is in the log already")));
        }
        Ok(true)
    }

    fn ask(&self, request: Request) -> Result<(), LogError> {
        let Some(queue) = &self.log.queue else {
            return Err(self.log.gone());
        };
        queue.blocking_send(request).map_err(|_| self.log.gone())
    }
}
