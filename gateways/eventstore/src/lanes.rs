//! Appends by the crate's batches, each of which is used by one append at a time.
//!
//! The crate's unary append waits 44 ms for every answer (it switches `TCP_NODELAY` off), its batch does not. A batch ends
//! with the first append that fails, with all others that are in it; alone in it, an append takes nobody along.

use crate::connection::Connection;
use crate::failure::{failed, unreachable};
use eventstore::{BatchAppendClient, BatchAppendOptions, BatchWriteResult, Error, EventData, StreamState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stele_domain::port::event_log::{LogError, StreamId};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::Code;

/// Appends that are on their way at the same time.
const LANES: usize = 8;
/// Longest time for an answer. An append waits for the disks of a cluster.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The batches that nobody uses at the moment.
pub struct Lanes {
    room: Semaphore,
    idle: Mutex<Vec<Lane>>,
}

struct Lane {
    batch: BatchAppendClient,
    generation: u64,
}

/// What came of an append.
pub enum Outcome {
    Kept(BatchWriteResult),
    /// The stream is not where it was believed.
    Elsewhere,
}

impl Lanes {
    pub fn new() -> Self {
        Self { room: Semaphore::new(LANES), idle: Mutex::new(vec![]) }
    }

    pub async fn append(
        &self,
        connection: &Connection,
        stream: &StreamId,
        state: StreamState,
        events: Vec<EventData>,
    ) -> Result<Outcome, LogError> {
        let _room = self.room.acquire().await.map_err(unreachable)?;
        let lane = self.lane(connection).await?;
        let answer = timeout(ANSWER_MAX, lane.batch.append_to_stream(stream.as_str(), state, events)).await;
        match answer {
            Ok(Ok(kept)) => {
                connection.held(lane.generation);
                self.idle().push(lane);
                Ok(Outcome::Kept(kept))
            }
            Ok(Err(error)) if is_conflict(&error) => {
                connection.held(lane.generation);
                Ok(Outcome::Elsewhere)
            }
            Ok(Err(error)) => {
                connection.failed(lane.generation, &error);
                Err(failed(error))
            }
            Err(_) => {
                connection.silent(lane.generation);
                Err(unreachable(format!("no answer within {} s", ANSWER_MAX.as_secs())))
            }
        }
    }

    /// A batch that nobody else uses.
    async fn lane(&self, connection: &Connection) -> Result<Lane, LogError> {
        let lent = connection.lend()?;
        {
            let mut idle = self.idle();
            idle.retain(|lane| lane.generation == lent.generation);
            if let Some(lane) = idle.pop() {
                return Ok(lane);
            }
        }
        let options = lent.signed(BatchAppendOptions::default(), BatchAppendOptions::authenticated);
        match timeout(ANSWER_MAX, lent.client.batch_append(&options)).await {
            Ok(Ok(batch)) => Ok(Lane { batch, generation: lent.generation }),
            Ok(Err(error)) => {
                connection.failed(lent.generation, &error);
                Err(failed(error))
            }
            Err(_) => {
                connection.silent(lent.generation);
                Err(unreachable(format!("no connection within {} s", ANSWER_MAX.as_secs())))
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a batch the crate has no more of a conflict than its number.
fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Grpc { code, .. } if i32::from(*code) == i32::from(Code::AlreadyExists))
}
