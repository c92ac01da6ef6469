//! What routes answer, and every way in which they say no: those are told once, among the parts of the document.

use super::about::{ABOUT, About, Said};
use super::{schemas, table};
use crate::guard::Needs;
use crate::problem;
use crate::reading::LOG_POSITION;
use crate::routes::{ROUTES, Route, follow, stream};
use axum::http::StatusCode;
use serde_json::json;
use std::collections::BTreeSet;
use stele_domain::port::read_store::Table;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, Response, ResponseBuilder, ResponsesBuilder,
};

/// The header with the position of an answer, among the parts of the document.
const POSITION: &str = "LogPosition";

/// What answers have in common.
pub(super) fn components(components: ComponentsBuilder) -> ComponentsBuilder {
    let position = HeaderBuilder::new()
        .schema(Some(schemas::position()))
        .description(Some("The position that the answer is as of, where it has one."))
        .build();
    let route = |about: &About| ROUTES.iter().find(|route| route.id == about.id);
    let said = ABOUT.iter().filter_map(|about| Some(noes(about, route(about)?))).flatten();
    let said: BTreeSet<StatusCode> = said.collect();
    said.into_iter().fold(components.header(POSITION, position), |components, status| {
        components.response(name(status), no(status))
    })
}

/// What a route answers.
pub(super) fn answers(about: &About, route: &Route, table: Option<&Table>) -> ResponsesBuilder {
    let mut responses = ResponsesBuilder::new().response("200", yes(about, table));
    if let Said::JsonOrAccepted(message) = about.answer {
        let accepted = ResponseBuilder::new().description("Written down; another person must approve it.");
        responses = responses.response("202", accepted.content("application/json", content(message)));
    }
    for status in noes(about, route) {
        let code = status.as_u16().to_string();
        responses = match about.answer {
            // Not ready is an answer of its own: which part it is that doesn't work.
            Said::Health(message) if status == StatusCode::SERVICE_UNAVAILABLE => {
                responses.response(code, with_content(no(status), "application/json", content(message)))
            }
            Said::Health(_)
            | Said::Json(_)
            | Said::JsonOrAccepted(_)
            | Said::Lines(_)
            | Said::Events
            | Said::Text(_)
            | Said::Foreign(_)
            | Said::Rows => responses.response(code, Ref::from_response_name(name(status))),
        };
    }
    responses
}

fn with_content(mut response: Response, media: &str, content: utoipa::openapi::Content) -> Response {
    response.content.insert(media.to_owned(), content.into());
    response
}

fn content(message: &str) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(message))).build()
}

fn yes(about: &About, table: Option<&Table>) -> Response {
    let text = |media: &str| {
        let form = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        (media.to_owned(), ContentBuilder::new().schema(Some(Schema::from(form))).build())
    };
    let json = |message: &str| ("application/json".to_owned(), content(message));
    let (media, content) = match (about.answer, table) {
        (Said::Rows, Some(table)) => json(&table::page_name(table)),
        (Said::Json(message) | Said::JsonOrAccepted(message) | Said::Health(message), _) => json(message),
        (Said::Lines(message), _) => (follow::MEDIA_TYPE.to_owned(), content(message)),
        (Said::Events, _) => text(stream::MEDIA_TYPE),
        (Said::Text(media), _) => text(media),
        (Said::Foreign(media), _) => {
            let form = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
            (media.to_owned(), ContentBuilder::new().schema(Some(Schema::from(form))).build())
        }
        (Said::Rows, None) => json("TablePage"),
    };
    ResponseBuilder::new()
        .description("So it is.")
        .content(media, content)
        .header_ref(LOG_POSITION, Ref::new(format!("#/components/headers/{POSITION}")))
        .build()
}

/// Every status that says no.
fn noes(about: &About, route: &Route) -> BTreeSet<StatusCode> {
    let mut noes: BTreeSet<StatusCode> =
        about.noes.iter().filter_map(|status| StatusCode::from_u16(*status).ok()).collect();
    if route.needs == Needs::Nothing {
        return noes;
    }
    noes.extend([
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        // The log's owner may refuse it to this process.
        StatusCode::CONFLICT,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ]);
    if matches!(route.needs, Needs::May(_)) {
        noes.insert(StatusCode::FORBIDDEN);
    }
    if about.body.is_some() {
        noes.extend([
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ]);
    }
    noes
}

/// What an answer that says no is called among the parts of the document.
fn name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Problem").replace(' ', "")
}

fn no(status: StatusCode) -> Response {
    let (words, code) = meaning(status);
    let example = json!({
        "type": format!("urn:stele:problem:{code}"),
        "title": status.canonical_reason().unwrap_or("Problem"),
        "status": status.as_u16(),
        "detail": words,
        "code": code,
    });
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).example(Some(example)).build();
    let mut response = ResponseBuilder::new().description(words).content(problem::MEDIA_TYPE, content);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let after = HeaderBuilder::new()
            .schema(Some(schemas::position()))
            .description(Some("Whole seconds after which asking again may help."))
            .build();
        response = response.header("retry-after", after);
    }
    response.build()
}

/// What a status means here, and a code that comes with it.
fn meaning(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("A field, a parameter or a header is wrong; `errors` names it.", "bad-request"),
        401 => ("No credential, or one that is not taken (any more).", "no-credential"),
        403 => (
            "The role or the scope of the credential leaves it out, or the page of another site asks with a certificate.",
            "forbidden",
        ),
        404 => ("There is no such thing.", "unknown-id"),
        410 => (
            "Every row that there was then has left the table; the log has what it followed from.",
            "past-cut",
        ),
        408 => ("The body did not come in time.", "body-too-slow"),
        409 => (
            "Things stand against it, or the log's owner or its archive refuses it to this process.",
            "limits_changed",
        ),
        413 => ("The body has more than 256 KiB.", "body-too-large"),
        415 => ("The body must be application/json.", "unsupported-media-type"),
        422 => (
            "What is asked for makes no sense, or the key was used for something else.",
            "idempotency-key-reused",
        ),
        429 => ("Too fast, or too many at once: wait as long as `Retry-After` says.", "rate-limited"),
        503 => {
            ("Not now: the tables are behind or away, the log is, or the desk is busy.", "tables-unavailable")
        }
        504 => ("Not answered in time; a wish may have been done.", "timeout"),
        _ => (
            "A mistake of ours (`internal`), or what somebody has to mend first: the log is damaged (`log-damaged`), its archive \
             has lost a part of it (`log-lost`), it has stopped (`log-failed`), or holds an event that this build can't read \
             (`event-unreadable`).",
            "log-damaged",
        ),
    }
}
