//! Which tables a question is put to: the live ones, or those of a past position.

use crate::api::Api;
use crate::problem::Problem;
use crate::reading::Reading;
use axum::http::StatusCode;
use std::sync::Arc;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Answer, Page, ReadStore, ScanQuery, Table};
use stele_domain::time::Timestamp;
use stele_projections::past::{self, AsOf, Past, Reader};

/// The tables that answer.
pub(crate) struct Tables {
    pub(crate) store: Arc<dyn ReadStore>,
    /// The position that was asked for; `None` for the live tables.
    pub(crate) as_of: Option<Position>,
    /// When the last event that the answer knows was written down; `None` for the live tables, and before the first event.
    pub(crate) time: Option<Timestamp>,
    /// Held until it is answered.
    _place: Option<Reader>,
}

impl Tables {
    /// Refuses to show nothing where there was something: every row that a history had at the position has left the tables.
    pub(crate) async fn not_cut(&self, table: &Table, answer: &Answer<Page>) -> Result<(), Problem> {
        let Some(position) = self.as_of else { return Ok(()) };
        if answer.cut_rows == 0 || !answer.value.rows.is_empty() {
            return Ok(());
        }
        if !self.store.scan(table.name, &ScanQuery::newest(1)).await?.value.rows.is_empty() {
            return Ok(());
        }
        let (name, rows) = (table.name, answer.cut_rows);
        let why = format!(
            "table {name} had {rows} rows as of position {position}, and none of them is kept any more: they follow from the \
             log alone (`stele log dump`), and a PostgreSQL keeps them longer than memory does"
        );
        Err(Problem::new(StatusCode::GONE, "past-cut", why))
    }
}

/// The tables that this reading asks. `pinned` is the position of the first page, when a page goes on from another one;
/// `projection` is the one whose table is asked, all of them when `None`.
pub(crate) async fn tables(
    api: &Api,
    reading: Reading,
    pinned: Option<Position>,
    projection: Option<&str>,
) -> Result<Tables, Problem> {
    let Some(as_of) = reading.as_of else {
        reading.and_at_least(pinned).ready(api, projection).await?;
        return Ok(Tables { store: Arc::clone(&api.store), as_of: None, time: None, _place: None });
    };
    let past = api.past.as_ref().ok_or_else(not_here)?;
    let place = past.enter()?;
    let position = position(api, past, as_of, pinned).await?;
    let store = past.at(position).await?;
    let time = past::written(&*api.log, position).await?;
    Ok(Tables { store, as_of: Some(position), time, _place: Some(place) })
}

/// All pages of a walk are as of one position, also where a time would mean a later one by now.
async fn position(
    api: &Api,
    past: &Past,
    as_of: AsOf,
    pinned: Option<Position>,
) -> Result<Position, Problem> {
    let position = past.position(as_of, api.clock.now()).await?;
    match (as_of, pinned) {
        (_, None) => Ok(position),
        (AsOf::Position(_), Some(pinned)) if pinned == position => Ok(position),
        (AsOf::Time(_), Some(pinned)) if pinned <= position => Ok(pinned),
        (AsOf::Position(_) | AsOf::Time(_), Some(pinned)) => {
            let why =
                format!("a cursor as of position {pinned}: go on with the `as_of` that the first page had");
            Err(Problem::field("cursor", why))
        }
    }
}

fn not_here() -> Problem {
    let why = "this process keeps no past states: ask the process that keeps the tables (role projections) and has \
               `read_models.state_every_events` set";
    Problem::conflict("not-here", why)
}
