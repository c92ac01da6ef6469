//! The log as this door sees it: streams by their outside names, and how much of each is shown.

use crate::access::Writes;
use crate::name::Name;
use crate::no::No;
use crate::settings::Settings;
use crate::standing::{Standing, Standings};
use std::sync::Arc;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Direction, EventLog, Record, Revision};

/// The type of the event that ends a stream for ever.
pub const TOMBSTONE: &str = "$streamDeleted";
/// The type of the events of metadata streams.
pub const METADATA: &str = "$metadata";

/// The log, and what is known of its streams.
pub struct Store {
    pub log: Arc<dyn EventLog>,
    pub clock: Arc<dyn Clock>,
    pub writes: Writes,
    pub standings: Standings,
}

/// How much of a stream is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The first revision.
    pub first: u64,
    /// The last revision.
    pub last: u64,
    /// Recorded before this moment, in microseconds, it is not shown.
    pub since_us: Option<i64>,
}

impl Shown {
    /// Whether this record is shown.
    pub fn shows(&self, record: &Record) -> bool {
        record.revision.0 >= self.first
            && self.since_us.is_none_or(|since| record.recorded_at.micros() > since)
    }
}

impl Store {
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, writes: Writes) -> Self {
        Self { log, clock, writes, standings: Standings::new() }
    }

    /// The last record of a stream.
    pub async fn last(&self, stream: &Name) -> Result<Option<Record>, No> {
        let last = self.log.read_stream(stream.stream(), Revision(u64::MAX), Direction::Backward, 1).await?;
        Ok(last.into_iter().next())
    }

    /// What is known of a stream. Needs its lock.
    pub async fn standing(&self, stream: &Name) -> Result<Standing, No> {
        if self.writes.is_desks(stream) {
            return Ok(Standing::default());
        }
        if let Some(standing) = self.standings.get(stream) {
            return Ok(standing);
        }
        let tombstone = self.last(stream).await?.is_some_and(|last| &*last.event_type == TOMBSTONE);
        let described = match stream.describing() {
            Ok(describing) => self.last(&describing).await?,
            // A name with no room for the two letters more has no metadata.
            Err(_) => None,
        };
        let settings = described.as_ref().map(|record| Settings::read(&record.data).unwrap_or_default());
        let standing = Standing {
            tombstone,
            settings: settings.unwrap_or_default(),
            described_at: described.map(|record| record.revision),
        };
        self.standings.put(stream, standing);
        Ok(standing)
    }

    /// How much of a stream is shown; `None` when there is no such stream.
    ///
    /// # Errors
    ///
    /// [`No::Deleted`] when it is deleted for ever.
    pub async fn shown(&self, stream: &Name) -> Result<Option<Shown>, No> {
        let described = stream.described();
        let about = described.as_ref().unwrap_or(stream);
        let standing = {
            let _held = self.standings.shared(self.standings.lock_of(about)).await;
            self.standing(about).await?
        };
        if standing.tombstone {
            return Err(No::Deleted(stream.clone()));
        }
        let Some(last) = self.last(stream).await? else { return Ok(None) };
        let last = last.revision.0;
        if described.is_some() {
            // Of metadata only the newest counts.
            return Ok(Some(Shown { first: last, last, since_us: None }));
        }
        if standing.settings.deleted() {
            return Ok(None);
        }
        let since_us = standing.settings.max_age_s.map(|age| {
            let age_us = i64::try_from(age).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            self.clock.now().micros().saturating_sub(age_us)
        });
        Ok(Some(Shown { first: standing.settings.first_shown(last), last, since_us }))
    }
}
