//! An append to several streams: all of it or nothing, and every condition that does not hold is named.

use crate::append::{at, conflict, holds, to_its_end};
use crate::name::Name;
use crate::no::{No, Violation, number, state};
use crate::standing::{Alone, Shared, Standing};
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stele_domain::port::event_log::{Appended, Expected, LogError, NewRecord, StreamAppend};

/// The state of a stream that is deleted, and of one that is deleted for ever, as numbers.
const DELETED: i64 = -5;
const TOMBSTONED: i64 = -6;

/// What is offered to one stream.
#[derive(Debug)]
pub struct Part {
    pub stream: Name,
    pub expected: Expected,
    pub records: Vec<NewRecord>,
}

/// What is kept, stream by stream.
#[derive(Debug)]
pub struct Done {
    pub streams: Vec<(Name, Appended)>,
}

impl Done {
    /// The last place in the log.
    pub fn position(&self) -> i64 {
        let last = self.streams.iter().map(|(_, kept)| kept.last.0).max().unwrap_or(0);
        i64::try_from(last).unwrap_or(i64::MAX)
    }
}

/// The locks of all streams: with others where nothing changes what is known of them, alone otherwise.
enum Held {
    Together { _locks: Vec<Option<Shared>> },
    Alone { _locks: Vec<Option<Alone>> },
}

impl Store {
    /// Keeps all parts, or none.
    pub async fn append_many(
        self: &Arc<Self>,
        parts: Vec<Part>,
        checks: Vec<(Name, Expected)>,
    ) -> Result<Done, No> {
        let store = Arc::clone(self);
        to_its_end(async move { store.several(parts, checks).await }).await
    }

    async fn several(&self, parts: Vec<Part>, checks: Vec<(Name, Expected)>) -> Result<Done, No> {
        let locks: BTreeSet<usize> = parts
            .iter()
            .map(|part| &part.stream)
            .chain(checks.iter().map(|(stream, _)| stream.clone()).collect::<Vec<_>>().iter())
            .map(|stream| self.standings.lock_of(stream))
            .collect();
        let together = self.held(&locks, false).await;
        let standings = self.known(&parts, &checks).await?;
        let revives = parts.iter().any(|part| deleted(&standings, &part.stream));
        if !revives {
            let done = self.write(parts, checks, &standings).await;
            drop(together);
            return done;
        }
        drop(together);
        let alone = self.held(&locks, true).await;
        let standings = self.known(&parts, &checks).await?;
        let done = self.write(parts, checks, &standings).await;
        drop(alone);
        done
    }

    /// In the order of their numbers, so that no two wait for each other.
    async fn held(&self, locks: &BTreeSet<usize>, alone: bool) -> Held {
        if alone {
            let mut held = vec![];
            for lock in locks {
                held.push(self.standings.alone(*lock).await);
            }
            return Held::Alone { _locks: held };
        }
        let mut held = vec![];
        for lock in locks {
            held.push(self.standings.shared(*lock).await);
        }
        Held::Together { _locks: held }
    }

    async fn known(
        &self,
        parts: &[Part],
        checks: &[(Name, Expected)],
    ) -> Result<BTreeMap<Name, Standing>, No> {
        let mut known = BTreeMap::new();
        for part in parts {
            let standing = self.standing(&part.stream).await?;
            if standing.tombstone {
                return Err(No::Deleted(part.stream.clone()));
            }
            known.insert(part.stream.clone(), standing);
        }
        for (stream, _) in checks {
            if stream.described().is_none() {
                known.insert(stream.clone(), self.standing(stream).await?);
            }
        }
        Ok(known)
    }

    async fn write(
        &self,
        parts: Vec<Part>,
        checks: Vec<(Name, Expected)>,
        standings: &BTreeMap<Name, Standing>,
    ) -> Result<Done, No> {
        let several = self.log.multi_stream();
        let several = several.ok_or_else(|| {
            No::Malformed("this log does not append to several streams at once: use Append".to_owned())
        })?;
        // What can be seen to fail now is answered with all that fails; what fails only at the log, with that.
        let violations = self.violations(&checks, standings).await?;
        let mut conditions = BTreeMap::<Name, Expected>::new();
        for (stream, expected) in &checks {
            let narrower = *expected != Expected::Any;
            if narrower {
                conditions.insert(stream.clone(), self.as_the_log_sees(stream, *expected, standings).await?);
            }
        }
        let mut appends = vec![];
        let mut written = vec![];
        for part in parts {
            let wanted = if part.expected == Expected::Any { conditions.remove(&part.stream) } else { None };
            let mut expected = wanted.unwrap_or(part.expected);
            if deleted(standings, &part.stream) {
                let last = self.last(&part.stream).await?.map(|record| record.revision);
                appends.push(self.reviving(&part.stream, last, expected).await?);
                expected = at(last);
                self.standings.forget(&part.stream);
            }
            written.push((part.stream.clone(), part.expected, appends.len()));
            appends.push(StreamAppend {
                stream: part.stream.stream().clone(),
                expected,
                records: part.records,
            });
        }
        for (stream, expected) in conditions {
            appends.push(StreamAppend { stream: stream.stream().clone(), expected, records: vec![] });
        }
        match several.append_many(appends).await {
            Ok(answers) => {
                let kept =
                    written.into_iter().filter_map(|(stream, _, index)| Some((stream, *answers.get(index)?)));
                Ok(Done { streams: kept.collect() })
            }
            Err(LogError::Conflict { .. }) if !violations.is_empty() => Err(No::Violations(violations)),
            Err(LogError::Conflict { stream, expected, actual }) => {
                let named = written.iter().find(|(name, ..)| *name.stream() == stream);
                let checked = checks.iter().position(|(name, _)| *name.stream() == stream);
                let error = LogError::Conflict { stream, expected, actual };
                match (checked.and_then(|index| Some((index, checks.get(index)?))), named) {
                    (Some((index, (name, expected))), _) => {
                        let actual = self.last(name).await?.map(|record| record.revision.0);
                        let (expected, actual) = (number(*expected), state(actual));
                        Err(No::Violations(vec![Violation { index, stream: name.clone(), expected, actual }]))
                    }
                    (None, Some((name, expected, _))) => Err(conflict(name, *expected, error)),
                    (None, None) => Err(No::Log(error)),
                }
            }
            Err(error) => Err(No::Log(error)),
        }
    }

    /// A deleted stream is none to who asks, although the log has records of it.
    async fn as_the_log_sees(
        &self,
        stream: &Name,
        expected: Expected,
        standings: &BTreeMap<Name, Standing>,
    ) -> Result<Expected, No> {
        if expected == Expected::NoStream && deleted(standings, stream) {
            return Ok(at(self.last(stream).await?.map(|record| record.revision)));
        }
        Ok(expected)
    }

    /// Every condition that does not hold now.
    async fn violations(
        &self,
        checks: &[(Name, Expected)],
        standings: &BTreeMap<Name, Standing>,
    ) -> Result<Vec<Violation>, No> {
        let mut violations = vec![];
        for (index, (stream, expected)) in checks.iter().enumerate() {
            let last = self.last(stream).await?.map(|record| record.revision.0);
            let tombstone = standings.get(stream).is_some_and(|known| known.tombstone);
            let gone = tombstone || deleted(standings, stream);
            let held = match expected {
                Expected::NoStream => gone || last.is_none(),
                Expected::Exists => !gone && last.is_some(),
                Expected::Any | Expected::Exactly(_) => holds(*expected, last),
            };
            if !held {
                let actual = match (tombstone, gone) {
                    (true, _) => TOMBSTONED,
                    (false, true) => DELETED,
                    (false, false) => state(last),
                };
                let expected = number(*expected);
                violations.push(Violation { index, stream: stream.clone(), expected, actual });
            }
        }
        Ok(violations)
    }
}

fn deleted(standings: &BTreeMap<Name, Standing>, stream: &Name) -> bool {
    standings.get(stream).is_some_and(|standing| standing.settings.deleted())
}

#[cfg(test)]
mod tests {
    use super::Done;
    use crate::name::Name;
    use stele_domain::port::event_log::{Appended, Position, Revision};

    #[test]
    fn the_place_of_several_appends_is_that_of_the_last() {
        let kept = |last| Appended {
            first: Position(1),
            last: Position(last),
            revision: Revision(0),
            repeated: false,
        };
        let name = |text| Name::new(text).unwrap();
        let done = Done { streams: vec![(name("a"), kept(7)), (name("b"), kept(3))] };
        assert_eq!(done.position(), 7);
    }
}
