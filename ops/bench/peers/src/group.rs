//! Group commit for stores that have none of their own: one thread takes what is waiting, keeps it by one durable commit,
//! and answers everyone. The same as `raw` does, so that a store is not slow for want of it.

use anyhow::Context;
use std::thread::JoinHandle;
use stele_bench_drive::load::Writer;
use stele_domain::port::event_log::{Expected, NewRecord};
use tokio::sync::{mpsc, oneshot};

/// Appends that may wait.
const QUEUE_MAX: usize = 4_096;
/// Most appends of one commit.
const GROUP_MAX: usize = 2_048;

/// What one writer wants to be kept.
pub struct Offer {
    /// The stream's name.
    pub stream: String,
    /// Where the writer believes the stream to be.
    pub expected: Expected,
    /// What to keep.
    pub records: Vec<NewRecord>,
}

impl Offer {
    /// The writer's next records.
    pub fn of(writer: &mut Writer, batch: usize) -> Self {
        let stream = writer.stream().as_str().to_owned();
        let (expected, records) = writer.offer(batch);
        Self { stream, expected, records }
    }

    /// The revision of the first record.
    pub fn first(&self) -> u64 {
        match self.expected {
            Expected::Exactly(last) => last.0 + 1,
            Expected::Any | Expected::NoStream | Expected::Exists => 0,
        }
    }
}

/// Keeps offers.
pub trait Keeper: Send + 'static {
    /// Keeps all of these by one commit, and returns when it is durable.
    fn keep(&mut self, offers: &[Offer]) -> anyhow::Result<()>;
}

/// What waits for the thread, and where it is told.
type Asked = (Offer, oneshot::Sender<Result<(), String>>);

/// A thread that keeps.
pub struct Group {
    queue: Option<mpsc::Sender<Asked>>,
    thread: Option<JoinHandle<()>>,
}

impl Group {
    /// Starts the thread.
    pub fn start(mut keeper: impl Keeper) -> anyhow::Result<Self> {
        let (queue, mut requests) = mpsc::channel::<(Offer, oneshot::Sender<_>)>(QUEUE_MAX);
        let work = move || {
            let (mut offers, mut replies) = (vec![], vec![]);
            while let Some((offer, reply)) = requests.blocking_recv() {
                offers.push(offer);
                replies.push(reply);
                while offers.len() < GROUP_MAX
                    && let Ok((offer, reply)) = requests.try_recv()
                {
                    offers.push(offer);
                    replies.push(reply);
                }
                let kept = keeper.keep(&offers).map_err(|error| format!("{error:#}"));
                offers.clear();
                // A writer whose time is over has gone away.
                for reply in replies.drain(..) {
                    let _ = reply.send(kept.clone());
                }
            }
        };
        let thread = std::thread::Builder::new().name("keeper".to_owned()).spawn(work)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Hands over an offer and waits until it is kept.
    pub async fn keep(&self, offer: Offer) -> anyhow::Result<()> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().context("the keeper has ended")?;
        queue.send((offer, reply)).await.ok().context("the keeper has ended")?;
        answer.await.context("the keeper has gone")?.map_err(anyhow::Error::msg)
    }
}

impl Drop for Group {
    /// Waits until the store is closed, so that its directory can be looked at.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
