//! The log as it grows, followed over the desk's socket, across the desk's death and return.

use crate::exit::Failure;
use std::time::Duration;
use stele_api::client::{Client, ClientError, Follow};
use stele_api::dto::{Event as Told, FollowLine};
use stele_domain::codec;
use stele_domain::event::{Event, Meta};
use stele_domain::port::event_log::Position;
use tokio::sync::mpsc;

/// Events that may wait to be looked at.
const WAITING_MAX: usize = 1_024;
/// Time between two attempts to reach a desk that does not answer.
const AGAIN: Duration = Duration::from_millis(50);

/// An event of the log.
#[derive(Debug)]
pub(crate) struct Heard {
    pub position: Position,
    pub meta: Meta,
    pub event: Event,
}

/// The feed.
pub(crate) struct Feed {
    events: mpsc::Receiver<Result<Heard, Failure>>,
    task: tokio::task::JoinHandle<()>,
}

impl Feed {
    /// Follows the log from its first event on.
    pub(crate) fn open(client: Client) -> Self {
        let (sender, events) = mpsc::channel(WAITING_MAX);
        Self { events, task: tokio::spawn(follow(client, sender)) }
    }

    /// The next event. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Heard, Failure> {
        match self.events.recv().await {
            Some(heard) => heard,
            // The task ends only after it has said why.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(client: Client, events: mpsc::Sender<Result<Heard, Failure>>) {
    let mut next = Position(1);
    loop {
        // A desk that is down or dying is nothing to report here: whoever started it watches its process.
        if let Ok(stream) = client.follow(Some(next.0), &[], &[]).await
            && let Err(failure) = drain(stream, &mut next, &events).await
        {
            let _ = events.send(Err(failure)).await;
            return;
        }
        if events.is_closed() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Passes events on until the stream ends.
async fn drain(
    mut stream: Follow,
    next: &mut Position,
    events: &mpsc::Sender<Result<Heard, Failure>>,
) -> Result<(), Failure> {
    loop {
        match stream.next().await {
            Ok(Some(FollowLine::Event(told))) => {
                let heard = heard(&told)?;
                *next = Position(told.position).next();
                if let Some(heard) = heard
                    && events.send(Ok(heard)).await.is_err()
                {
                    return Ok(());
                }
            }
            Ok(Some(FollowLine::CaughtUp { .. } | FollowLine::Heartbeat { .. })) => {}
            Ok(Some(FollowLine::Closing { .. } | FollowLine::Failed { .. }) | None)
            | Err(ClientError::Unreachable { .. } | ClientError::Lost { .. }) => return Ok(()),
            Err(
                error @ (ClientError::Problem(_)
                | ClientError::Forbidden { .. }
                | ClientError::Untrusted { .. }
                | ClientError::Protocol { .. }),
            ) => {
                return Err(Failure::error(&error));
            }
        }
    }
}

/// The event that was told; none when the record is no event, as a snapshot is.
fn heard(told: &Told) -> Result<Option<Heard>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::error(&std::io::Error::other(format!("event {} can't be read: {error}", told.position)))
    };
    let bytes = |raw: &Option<Box<serde_json::value::RawValue>>| {
        raw.as_ref().map(|raw| raw.get().as_bytes().to_vec())
    };
    let (data, metadata) = (bytes(&told.data).unwrap_or_default(), bytes(&told.metadata).unwrap_or_default());
    let meta = codec::decode_meta(&metadata).map_err(|error| failed(&error))?;
    match codec::decode(&told.event_type, meta.schema, &data) {
        Ok(event) => Ok(Some(Heard { position: Position(told.position), meta, event })),
        Err(error) if error.is_foreign() => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}
