//! Parameters of routes: what each is, and those that several routes take.

use super::schemas::{
    as_of, one_projection, order, place, position, prefer, projection, rows_max, service, uuid, word,
};
use utoipa::openapi::schema::Schema;

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) doc: &'static str,
    pub(super) schema: fn() -> Schema,
    /// What it is called among the parts of the document, where several routes take it.
    pub(super) shared: Option<&'static str>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    /// In the query, as often as wanted.
    Often,
    Header,
}

pub(super) const SERVICE: Param = shared("Service", path("service", "Which service.", service));
pub(super) const PROJECTION: Param =
    shared("Projection", path("projection", "Which projection; `all` for every one.", projection));
pub(super) const ONE_PROJECTION: Param =
    shared("OneProjection", path("projection", "Which projection.", one_projection));
pub(super) const PARKED_AT: Param =
    shared("ParkedPosition", path("position", "Where the event stands in the log.", place));
pub(super) const LOG_PLACE: Param =
    shared("EventPosition", path("position", "Its place in the log, from 1 on.", place));
pub(super) const AUDIT: Param = shared("AuditId", path("id", "Which audit.", uuid));
pub(super) const CURSOR: Param = shared(
    "Cursor",
    query("cursor", "`next_cursor` of the page before: good for the same question only.", word),
);
pub(super) const AS_OF: Param = shared(
    "AsOf",
    query(
        "as_of",
        "As it was when the log ended at this position, or at this time (RFC 3339): with every event that the log wrote \
         down at it or before it. Not past the head, and not in the future. In place of `Min-Log-Position`.",
        as_of,
    ),
);
pub(super) const LIMIT: Param = shared("Limit", query("limit", "Most rows of the page.", rows_max));
pub(super) const CATEGORY: Param =
    shared("Category", often("category", "Only streams of this category. At most 32.", word));
pub(super) const TYPE: Param =
    shared("EventType", often("type", "Only events of this type. At most 32.", word));
pub(super) const ORDER: Param = shared("Order", query("order", "Which rows come first.", order));

/// What every page of rows takes besides its filters.
pub(super) const ROWS_PARAMS: [Param; 4] = [ORDER, LIMIT, CURSOR, AS_OF];

/// What every wish takes besides its body.
pub(super) const WISH_PARAMS: [Param; 1] = [shared(
    "IdempotencyKey",
    header(
        "Idempotency-Key",
        "Names the wish: asked again with it, the first answer comes again. Made here without it.",
        uuid,
    ),
)];

/// What every answer takes that can wait for a position.
pub(super) const WAIT_PARAMS: [Param; 2] = [
    shared(
        "MinLogPosition",
        header("Min-Log-Position", "The answer has everything up to this position, or is a 503.", position),
    ),
    shared("Prefer", header("Prefer", "How long to wait for that position, in seconds.", prefer)),
];

pub(super) const fn path(name: &'static str, doc: &'static str, schema: fn() -> Schema) -> Param {
    Param { name, place: Place::Path, doc, schema, shared: None }
}

pub(super) const fn query(name: &'static str, doc: &'static str, schema: fn() -> Schema) -> Param {
    Param { name, place: Place::Query, doc, schema, shared: None }
}

const fn often(name: &'static str, doc: &'static str, schema: fn() -> Schema) -> Param {
    Param { name, place: Place::Often, doc, schema, shared: None }
}

pub(super) const fn header(name: &'static str, doc: &'static str, schema: fn() -> Schema) -> Param {
    Param { name, place: Place::Header, doc, schema, shared: None }
}

const fn shared(name: &'static str, param: Param) -> Param {
    Param { shared: Some(name), ..param }
}
