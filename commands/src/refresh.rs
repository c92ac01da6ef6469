//! Rings the bells of this process for those who asked in another one: a wish to look now that stands in the log.
//!
//! Only from the start of this process on: whoever starts looks anyway.

use crate::control::Bells;
use crate::service::{ServiceError, Waited, survivable, wait_for_log};
use crate::stop::Stop;
use crate::streams;
use std::collections::BTreeSet;
use std::sync::Arc;
use stele_domain::codec;
use stele_domain::event::Event;
use stele_domain::operations::event::Event as Operations;
use stele_domain::operations::service::Event as Told;
use stele_domain::operations::service::event::Service;
use stele_domain::port::event_log::{EventLog, Filter, Record};

/// Records that are read in one go.
const PAGE: usize = 64;

/// Hears who asks services of this process to look now.
pub struct Ears {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// What is rung.
    pub bells: Bells,
    /// The services that run here.
    pub services: BTreeSet<Service>,
}

impl Ears {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    ///
    /// [`ServiceError`] when the log can't be used any more.
    pub async fn run(self, mut stop: Stop) -> Result<(), ServiceError> {
        let head = loop {
            match self.log.head().await {
                Ok(head) => break head,
                // It has no switch of its own; it stands with what it rings for.
                Err(error) => {
                    let error = ServiceError::Log(error);
                    if wait_for_log(Service::Inventory, error, &mut stop).await? == Waited::ToldToStop {
                        return Ok(());
                    }
                }
            }
        };
        let mut follow = self.log.follow(head.next(), Filter::categories(&[streams::SERVICE]));
        loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                page = follow.next(PAGE) => match page {
                    Ok(page) => self.hear(&page.records),
                    Err(error) => survivable::<()>(Service::Inventory, error.into())?,
                },
            }
        }
    }

    fn hear(&self, records: &[Record]) {
        for recorded in records.iter().filter_map(|record| codec::recorded(record).ok()) {
            if let Event::Operations(Operations::Service(Told::RefreshAsked(asked))) = &recorded.event
                && self.services.contains(&asked.service)
                && let Some(bell) = self.bells.of(asked.service)
            {
                bell.notify_one();
            }
        }
    }
}
