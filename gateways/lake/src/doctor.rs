//! Looks at the real store before anybody relies on it: may this process do what it has to, is of several writers one the
//! first, does the store's clock agree, and what is there already.

use crate::error::LakeError;
use crate::facts::Fact;
use crate::table::LakeTable;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use stele_domain::port::blob_store::{BLOB_LIST_MAX, BlobError, BlobName, ChangingBlobs, Put};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;

/// Where the doctor's one blob is that has to be listed. It removes it again; a store that is a directory keeps the empty one
/// that it was in. All its other blobs, those of a publisher's race included, are at the root of the lake: they leave nothing
/// behind, and nobody removes a directory under them.
pub const PLACE: &str = "_doctor";

/// Writers that race for one name.
pub const WRITERS: usize = 8;

/// Rounds of a whole race.
pub const ROUNDS: usize = 25;

/// Rounds of the race before publishing.
const QUICK_ROUNDS: usize = 3;

/// How far the clocks may be apart, in milliseconds: S3 refuses requests at fifteen minutes.
const SKEW_MS_MAX: i64 = 60_000;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// Whether it is as it must be.
    pub ok: bool,
    /// What was seen, and what to do where that is not so.
    pub detail: String,
}

/// What came of it all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// In the order in which they were looked at.
    pub findings: Vec<Finding>,
}

impl Examined {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.ok)
    }
}

/// Looks at everything. Races `writers` against each other for `rounds` names.
///
/// # Errors
///
/// [`LakeError::Store`] where the store does not answer at all; what it refuses is a finding.
pub async fn examine(
    store: &Arc<dyn ChangingBlobs>,
    clock: Arc<dyn Clock>,
    facts: &'static [Fact],
    (writers, rounds): (usize, usize),
) -> Result<Examined, LakeError> {
    let mut findings = vec![rights(store, clock.as_ref()).await?];
    if findings.iter().all(|finding| finding.ok) {
        findings.push(raced(race(store, clock.as_ref(), writers, rounds).await, (writers, rounds))?);
        findings.push(time(store, clock.as_ref()).await?);
    }
    let mut tables = vec![];
    for fact in facts {
        tables.push(table(store, &clock, fact).await?);
    }
    findings.extend(beside_each_other(tables));
    Ok(Examined { findings })
}

/// The race that every publisher runs first.
pub(crate) async fn quick_race(store: &Arc<dyn ChangingBlobs>, clock: &dyn Clock) -> Result<(), LakeError> {
    race(store, clock, WRITERS, QUICK_ROUNDS).await
}

/// Lets writers race for names: one of them may believe that it was the first, and its bytes must be there.
async fn race(
    store: &Arc<dyn ChangingBlobs>,
    clock: &dyn Clock,
    writers: usize,
    rounds: usize,
) -> Result<(), LakeError> {
    for round in 0..rounds {
        let name = place(clock, &format!("race-{round}"))?;
        let racing: Vec<_> = (0..writers)
            .map(|writer| {
                let (store, name) = (Arc::clone(store), name.clone());
                tokio::spawn(async move { (writer, store.put(&name, bytes_of(writer)).await) })
            })
            .collect();
        let mut winners = vec![];
        for racer in racing {
            let (writer, put) = racer.await.map_err(|error| LakeError::Task(Box::new(error)))?;
            if put? == Put::Kept {
                winners.push(writer);
            }
        }
        let kept = store.get(&name).await?;
        store.remove(&name).await?;
        let honest = match &winners[..] {
            // The winner was not told, and has asked again: nobody was told wrongly.
            [] => (0..writers).any(|writer| bytes_of(writer) == kept),
            [winner] => bytes_of(*winner) == kept,
            [_, _, ..] => false,
        };
        if !honest {
            let store = store.url().to_owned();
            return Err(LakeError::NotAtomic { store, winners: winners.len(), writers });
        }
    }
    Ok(())
}

fn bytes_of(writer: usize) -> Vec<u8> {
    format!("writer {writer}").into_bytes()
}

/// A name that no other run has, here or in another process: a race needs one that is new, and nobody else removes it.
fn place(clock: &dyn Clock, what: &str) -> Result<BlobName, LakeError> {
    named(format!("{PLACE}-{}", of_this_run(clock, what)))
}

/// The same, in the directory that is listed.
fn place_listed(clock: &dyn Clock, what: &str) -> Result<BlobName, LakeError> {
    named(format!("{PLACE}/{}", of_this_run(clock, what)))
}

fn of_this_run(clock: &dyn Clock, what: &str) -> String {
    // Keyed by chance, and by another key each time.
    let run = RandomState::new().hash_one(std::process::id());
    format!("{}-{run:016x}-{what}", clock.now().micros().unsigned_abs())
}

fn named(text: String) -> Result<BlobName, LakeError> {
    BlobName::new(&text).map_err(|error| LakeError::damaged(PLACE, text, error.to_string()))
}

fn raced(race: Result<(), LakeError>, (writers, rounds): (usize, usize)) -> Result<Finding, LakeError> {
    let finding = |ok, detail| Finding { name: "conditional puts", ok, detail };
    match race {
        Ok(()) => Ok(finding(true, format!("{rounds} rounds of {writers} writers, one winner each"))),
        Err(error @ LakeError::NotAtomic { .. }) => {
            Ok(finding(false, format!("{error}. Use another store, or one that knows If-None-Match")))
        }
        Err(error) => Err(error),
    }
}

/// Puts, reads, lists, replaces and removes.
async fn rights(store: &Arc<dyn ChangingBlobs>, clock: &dyn Clock) -> Result<Finding, LakeError> {
    let finding = |ok, detail: String| Finding { name: "rights", ok, detail };
    let name = place_listed(clock, "rights")?;
    let tried = async {
        let _ = store.put(&name, b"first".to_vec()).await?;
        store.replace(&name, b"second".to_vec()).await?;
        let read = store.get(&name).await?;
        let under = BlobName::new(PLACE).map_err(|error| BlobError::Unreachable {
            store: store.url().to_owned(),
            source: Box::new(error),
        })?;
        let mut listed = false;
        let mut after = None;
        loop {
            let page = store.list(&under, after.as_ref(), BLOB_LIST_MAX).await?;
            listed |= page.iter().any(|entry| entry.name == name);
            let full = page.len() == BLOB_LIST_MAX;
            after = page.into_iter().next_back().map(|entry| entry.name);
            if !full {
                break;
            }
        }
        store.remove(&name).await?;
        Ok::<_, BlobError>((read == b"second", listed))
    };
    match tried.await {
        Ok((true, true)) => Ok(finding(true, "may put, replace, read, list and remove".to_owned())),
        Ok((false, _)) => Ok(finding(false, "what is replaced is not read at once".to_owned())),
        Ok((true, false)) => Ok(finding(false, "what is put is not listed at once".to_owned())),
        Err(error @ (BlobError::Denied { .. } | BlobError::Full { .. })) => {
            Ok(finding(false, stele_domain::causes::with_causes(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Compares the store's clock with this machine's.
async fn time(store: &Arc<dyn ChangingBlobs>, clock: &dyn Clock) -> Result<Finding, LakeError> {
    let name = place(clock, "clock")?;
    let before = clock.now();
    let _ = store.put(&name, b"when".to_vec()).await?;
    let kept = store.kept_at(&name).await?;
    let after = clock.now();
    store.remove(&name).await?;
    let skew = skew(before, kept, after);
    let ok = skew.abs() <= SKEW_MS_MAX;
    let advice =
        if ok { "" } else { ": set the clock; a sweep removes by age, and S3 refuses requests by it" };
    Ok(Finding { name: "clock", ok, detail: format!("the store's is {skew} ms from this machine's{advice}") })
}

/// How far a moment between two others is outside of them, in milliseconds. Stores may tell whole seconds.
fn skew(before: Timestamp, kept: Timestamp, after: Timestamp) -> i64 {
    const TOLD_MS: i64 = 1_000;
    let (early, late) = (kept.millis_since(before), kept.millis_since(after));
    if early < -TOLD_MS {
        early
    } else if late > 0 {
        late
    } else {
        0
    }
}

/// What there is of a table, and how far it is; no position where there is none.
async fn table(
    store: &Arc<dyn ChangingBlobs>,
    clock: &Arc<dyn Clock>,
    fact: &'static Fact,
) -> Result<(Finding, Option<Position>), LakeError> {
    let finding = |ok, detail: String| Finding { name: fact.table.name, ok, detail };
    match LakeTable::open(Arc::clone(store), Arc::clone(clock), fact.table).await {
        Ok(None) => Ok((finding(true, "not there yet".to_owned()), None)),
        Ok(Some(table)) => {
            let digest = table.digest()?;
            let detail = format!(
                "version {}, position {}, {} rows in {} files of {} bytes",
                table.version(),
                table.position(),
                digest.rows(),
                table.files(),
                table.bytes()
            );
            let found = match table.misfit() {
                None => finding(true, detail),
                Some(what) => finding(false, format!("{detail}; its columns are others: {what}")),
            };
            Ok((found, Some(table.position())))
        }
        Err(error @ (LakeError::Protocol { .. } | LakeError::Damaged { .. })) => {
            Ok((finding(false, error.to_string()), None))
        }
        Err(error) => Err(error),
    }
}

/// Holds every table against the furthest one. A publisher makes all of them before it commits to any; one that the log has
/// no rows for may be behind.
fn beside_each_other(tables: Vec<(Finding, Option<Position>)>) -> Vec<Finding> {
    let furthest = tables.iter().filter_map(|(_, at)| *at).max().unwrap_or_default();
    let held = |(finding, at): (Finding, Option<Position>)| {
        if !finding.ok {
            return finding;
        }
        let detail = match at {
            None if furthest > Position::START => format!(
                "not there, and others are published up to position {furthest}: stele lake publish makes it from the log"
            ),
            Some(at) if at < furthest => format!(
                "{}; others are at position {furthest}, and whether the log has rows of it in between is said by stele lake \
                 verify",
                finding.detail
            ),
            None | Some(_) => return finding,
        };
        Finding { ok: at.is_some(), detail, ..finding }
    };
    tables.into_iter().map(held).collect()
}

#[cfg(test)]
mod tests {
    use super::skew;
    use stele_domain::time::Timestamp;

    #[test]
    fn whole_seconds_are_no_skew_and_minutes_are() {
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!(skew(at(10_700), at(10_000), at(10_900)), 0);
        assert_eq!(skew(at(10_700), at(10_800), at(10_900)), 0);
        assert_eq!(skew(at(100_000), at(10_000), at(100_100)), -90_000);
        assert_eq!(skew(at(10_000), at(100_000), at(10_100)), 89_900);
    }
}
