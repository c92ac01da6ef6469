//! Where the next page begins, as text that only this API reads: it knows its log, table, order and filters.
//!
//! The seal finds damage and mixing up, early and by name. It keeps nothing secret and grants nothing: whoever
//! may read the table could ask for the same rows without a cursor.

use crate::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use stele_domain::port::read_store::{self, Table};
use uuid::Uuid;

/// Longest cursor, in characters. Keys are short.
const TEXT_MAX: usize = 4_096;
/// Bytes of the seal.
const SEAL_BYTES: usize = 16;
/// What the seal's key is derived from.
const SEAL_CONTEXT: &str = "stele 2026-11 cursor of a page of rows";

/// Where a page belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'q> {
    /// The log that the rows follow from.
    pub(crate) log: Uuid,
    /// Of which table.
    pub(crate) table: &'q Table,
    /// The version of the projection: with another one, rows are others.
    pub(crate) version: u32,
    /// In which order.
    pub(crate) order: &'q str,
    /// Under which filters, as they were asked for.
    pub(crate) filters: &'q [(String, String)],
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The position that the first page was as of.
    pub(crate) at: u64,
    /// The last row of the page before.
    pub(crate) last: read_store::Cursor,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    log: Uuid,
    table: String,
    version: u32,
    order: String,
    filters: String,
    at: u64,
    last: String,
}

/// The cursor as it is handed out.
pub(crate) fn outward(place: Place<'_>, mark: &Mark) -> Result<String, Problem> {
    let written = Written {
        log: place.log,
        table: place.table.name.to_owned(),
        version: place.version,
        order: place.order.to_owned(),
        filters: digest(place.filters),
        at: mark.at,
        last: mark.last.to_text(),
    };
    let mut bytes = serde_json::to_vec(&written)
        .map_err(|error| Problem::internal(format!("a cursor has no JSON form: {error}")))?;
    let seal = seal(&bytes);
    bytes.extend_from_slice(&seal);
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A cursor that was handed out for the same question.
pub(crate) fn inward(place: Place<'_>, text: &str) -> Result<Mark, Problem> {
    let written = opened(text).ok_or_else(|| bad("not a cursor of this API, or damaged on its way"))?;
    if written.log != place.log {
        return Err(bad(format!("a cursor of log {}, and this is log {}", written.log, place.log)));
    }
    if written.table != place.table.name {
        return Err(bad(format!("a cursor of table {}, not of {}", written.table, place.table.name)));
    }
    if written.order != place.order {
        return Err(bad(format!("a cursor of order {}, not of {}", written.order, place.order)));
    }
    if written.filters != digest(place.filters) {
        return Err(bad("a cursor of other filters: go on with the ones that the first page was asked with"));
    }
    let last = read_store::Cursor::parse(place.table, &written.last);
    match last {
        Some(last) if written.version == place.version => Ok(Mark { at: written.at, last }),
        Some(_) | None => {
            Err(bad(format!("a cursor of another version of table {}: begin again", place.table.name)))
        }
    }
}

fn opened(text: &str) -> Option<Written> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (json, found) = bytes.split_at_checked(bytes.len().checked_sub(SEAL_BYTES)?)?;
    if seal(json).as_slice() != found {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn seal(json: &[u8]) -> [u8; SEAL_BYTES] {
    let whole = blake3::Hasher::new_derive_key(SEAL_CONTEXT).update(json).finalize();
    let mut seal = [0; SEAL_BYTES];
    seal.iter_mut().zip(whole.as_bytes()).for_each(|(to, from)| *to = *from);
    seal
}

/// Filters in whatever order they were given.
fn digest(filters: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = filters.iter().collect();
    sorted.sort();
    let mut hasher = blake3::Hasher::new();
    for (column, value) in sorted {
        for part in [column, value] {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize().to_hex().chars().take(32).collect()
}

fn bad(message: impl Into<String>) -> Problem {
    Problem::field_as("bad-cursor", "cursor", message)
}

#[cfg(test)]
mod tests {
    use super::{Mark, Place, inward, outward};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use stele_domain::port::read_store::{Cursor, Key, Table};
    use stele_projections::models;
    use uuid::Uuid;

    fn table(name: &str) -> &'static Table {
        models::tables().find(|table| table.name == name).unwrap()
    }

    fn place<'q>(table: &'q Table, filters: &'q [(String, String)]) -> Place<'q> {
        Place { log: Uuid::from_u128(7), table, version: 1, order: "newest", filters }
    }

    fn mark() -> Mark {
        Mark { at: 41, last: Cursor { position: 12, key: Key::from("btc-eure") } }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went_out() {
        let filters = [("pair".to_owned(), "btc-eure".to_owned())];
        let text = outward(place(table("pair_filter"), &filters), &mark());
        let text = text.unwrap();
        assert_eq!(inward(place(table("pair_filter"), &filters), &text).unwrap(), mark());
    }

    #[test]
    fn another_log_table_order_filter_or_version_is_named() {
        let here = place(table("pair_filter"), &[]);
        let text = outward(here, &mark()).unwrap();
        let filters = [("pair".to_owned(), "btc-eure".to_owned())];
        let others = [
            (Place { log: Uuid::from_u128(8), ..here }, "log"),
            (Place { table: table("account"), ..here }, "table"),
            (Place { order: "oldest", ..here }, "order"),
            (Place { filters: &filters, ..here }, "filters"),
            (Place { version: 2, ..here }, "version"),
        ];
        for (other, what) in others {
            let problem = inward(other, &text).unwrap_err();
            assert_eq!(problem.said().code, "bad-cursor");
            assert!(problem.detail().contains(what), "{}", problem.detail());
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let here = place(table("pair_filter"), &[]);
        let text = outward(here, &mark()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(inward(here, &URL_SAFE_NO_PAD.encode(&changed)).is_err(), "byte {at}");
        }
        for text in ["", "xyz", "AAAA", "%", &text[1..], &"A".repeat(100_000)] {
            assert_eq!(inward(here, text).unwrap_err().said().code, "bad-cursor");
        }
    }
}
