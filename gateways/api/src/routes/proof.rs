//! Every row of every table as of one position, so that somebody else can fold the log and compare.
//!
//! The projections stand still while this is sent. Trading does not: no decision reads a table.

use crate::api::{Api, Visitor};
use crate::desk::tables::dump_page;
use crate::desk::visit;
use crate::doors::{Room, Seat};
use crate::dto::{DumpPage, ProofLine};
use crate::handover::{handed_over, in_pieces};
use crate::observe;
use crate::params::Params;
use crate::problem::Problem;
use crate::reading::Reading;
use crate::routes::follow::MEDIA_TYPE;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::stop::Stop;
use stele_domain::port::read_store::{Cursor, Table};
use stele_projections::runner::Hold;
use tokio::time::Instant;

/// Longest time for which the projections are held still for one proof.
const HOLD_MAX: Duration = Duration::from_mins(1);
/// Longest wait for the projections to come to rest.
const REST_WAIT: Duration = Duration::from_secs(10);

struct Proving {
    api: Arc<Api>,
    hold: Hold,
    stop: Stop,
    tables: std::vec::IntoIter<Table>,
    /// The table that is being sent, and where to go on in it.
    at: Option<(Table, Option<Cursor>)>,
    position: u64,
    rows: u64,
    ended: bool,
    _seat: Seat,
}

pub(crate) async fn proof(
    State(api): State<Arc<Api>>,
    Extension(visitor): Extension<Visitor>,
    params: Params,
    reading: Reading,
) -> Result<Response, Problem> {
    params.finish()?;
    let Some(runner) = &api.projections else {
        return Err(Problem::unavailable("projection-unavailable", "the projections run in another process"));
    };
    let seat = api.doors.rooms.seat(Room::Proofs, &visit::who(&visitor.caller))?;
    reading.ready(&api, None).await?;
    let Ok(hold) = tokio::time::timeout(REST_WAIT, runner.hold()).await else {
        return Err(Problem::unavailable(
            "projection-behind",
            "the projections did not come to rest in time",
        ));
    };
    let until = Instant::now() + HOLD_MAX;
    let position = hold.status.position();
    if let Some(other) = hold.status.projections.iter().find(|projection| projection.position != position) {
        let detail = format!("{} is at {} and others at {position}: ask again", other.name, other.position);
        return Err(Problem::unavailable("projection-behind", detail).at(position.0));
    }
    let tables: Vec<Table> = api.store.schemas().iter().flat_map(|schema| schema.tables).copied().collect();
    let proving = Proving {
        hold,
        stop: visitor.stop,
        tables: tables.into_iter(),
        at: None,
        position: position.0,
        rows: 0,
        ended: false,
        _seat: seat,
        api: Arc::clone(&api),
    };
    let lines = stream::unfold(proving, |mut proving| async move {
        if proving.ended {
            return None;
        }
        let line = proving.next().await;
        Some((line, proving))
    });
    // The hold ends in time whether or not somebody reads.
    let pieces = lines.flat_map(|line| stream::iter(in_pieces(line)));
    let told = handed_over(pieces, Some(until), || {
        let detail = format!("not read within {} s: the projections go on", HOLD_MAX.as_secs());
        written(&ProofLine::Failed { detail })
    });
    let body = Body::from_stream(told.map(Ok::<Bytes, Infallible>));
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response())
}

impl Proving {
    async fn next(&mut self) -> Bytes {
        let line = if self.stop.is_requested() {
            ProofLine::Failed { detail: "the desk stops".to_owned() }
        } else {
            match self.page().await {
                Ok(Some(page)) => ProofLine::Page(page),
                Ok(None) => ProofLine::End { position: self.position, rows: self.rows },
                Err(problem) => ProofLine::Failed { detail: problem.detail().to_owned() },
            }
        };
        self.ended = !matches!(line, ProofLine::Page(_));
        written(&line)
    }

    /// The next page; `None` after the last.
    async fn page(&mut self) -> Result<Option<DumpPage>, Problem> {
        let (table, after) = match self.at.take() {
            Some(at) => at,
            None => match self.tables.next() {
                Some(table) => (table, None),
                None => return Ok(None),
            },
        };
        let (page, next) = dump_page(&*self.api.store, &table, after).await?;
        debug_assert!(self.hold.status.position().0 == self.position, "a held runner has moved");
        if page.position != self.position {
            let detail =
                format!("table {} is at position {} and not at {}", table.name, page.position, self.position);
            return Err(Problem::internal(detail));
        }
        self.rows = self.rows.saturating_add(u64::try_from(page.rows.len()).unwrap_or(u64::MAX));
        self.at = next.map(|next| (table, Some(next)));
        Ok(Some(page))
    }
}

fn written(line: &ProofLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_else(|error| {
        observe::unwritable(&error);
        Vec::new()
    });
    text.push(b'\n');
    Bytes::from(text)
}
