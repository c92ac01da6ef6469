//! Events that point to others: `$>` with `revision@stream` as its data.

use crate::name::Name;
use crate::no::No;
use crate::store::Store;
use stele_domain::port::event_log::{Direction, Record, Revision};

/// The type of an event that points to another.
const LINK: &str = "$>";
/// Longest target that is looked at, in bytes.
const TARGET_BYTES_MAX: usize = 600;

/// What a record points to: `None` when it points nowhere, `Some(None)` when what it points to is not shown any more.
pub async fn resolved(store: &Store, record: &Record) -> Result<Option<Option<Record>>, No> {
    if &*record.event_type != LINK {
        return Ok(None);
    }
    let Some((revision, stream)) = target(&record.data) else { return Ok(None) };
    let shown = match store.shown(&stream).await {
        Ok(Some(shown)) => shown,
        Ok(None) | Err(No::Deleted(_)) => return Ok(Some(None)),
        Err(no) => return Err(no),
    };
    let found = store.log.read_stream(stream.stream(), revision, Direction::Forward, 1).await?;
    Ok(Some(found.into_iter().next().filter(|found| found.revision == revision && shown.shows(found))))
}

fn target(data: &[u8]) -> Option<(Revision, Name)> {
    let text = std::str::from_utf8(data).ok().filter(|text| text.len() <= TARGET_BYTES_MAX)?;
    let (revision, stream) = text.split_once('@')?;
    Some((Revision(revision.parse().ok()?), Name::new(stream).ok()?))
}
