//! What the reference price remembers: the last word of each source, and the last verdict.

use super::event::{PriceObserved, ReferencePriced, Source, SourceStateChanged};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The last word of each source. "Last" is by the order of the log and not by anybody's clock: a clock that
/// was set back must not freeze a price.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    pub(super) observed: BTreeMap<Source, PriceObserved>,
    pub(super) sources: BTreeMap<Source, SourceStateChanged>,
    pub(super) priced: Option<ReferencePriced>,
}

impl State {
    /// What a source named last.
    #[must_use]
    pub fn observed(&self, source: Source) -> Option<&PriceObserved> {
        self.observed.get(&source)
    }

    /// What was last said of a source's connection and health.
    #[must_use]
    pub fn source(&self, source: Source) -> Option<&SourceStateChanged> {
        self.sources.get(&source)
    }

    /// The last verdict.
    #[must_use]
    pub fn priced(&self) -> Option<&ReferencePriced> {
        self.priced.as_ref()
    }
}
