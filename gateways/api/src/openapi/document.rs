//! The document: every route with what it takes, what it answers, and every way in which it says no.

use super::about::{ABOUT, About, Param, Place, ROWS_PARAMS, Said, TAGS};
use super::{schemas, table};
use crate::guard::Needs;
use crate::problem;
use crate::reading::LOG_POSITION;
use crate::routes::{ROUTES, Route, follow, stream};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stele_domain::port::read_store::{Schema as TablesOf, Table};
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, ParameterStyle, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    Required, Response, ResponseBuilder, ResponsesBuilder,
};

/// The name of the way in.
const KEY: &str = "key";

const DESCRIPTION: &str = "A trading desk that can prove every decision.\n\n\
Amounts are base units and rates decimals, both as strings; moments are RFC 3339 in UTC with microseconds; log \
positions are whole numbers. Reads say how current they are (`as_of`, `head`, the `Log-Position` header); \
`Min-Log-Position` with `Prefer: wait=5` reads your own write. Noes are `application/problem+json` with a stable \
`code`: with underscores, a rule of the desk as it is recorded; with dashes, the door's own.";

/// The document of an API with these tables.
pub(super) fn document(tables: &[TablesOf], version: &str) -> OpenApi {
    let tables: Vec<&Table> = tables.iter().flat_map(|schema| schema.tables).collect();
    let mut paths = PathsBuilder::new();
    for about in &ABOUT {
        let Some(route) = ROUTES.iter().find(|route| route.id == about.id) else { continue };
        if about.answer == Said::Rows {
            for table in &tables {
                let path = route.path.replace("{table}", table.name);
                paths = paths.path(path, PathItem::new(HttpMethod::Get, rows(about, route, table)));
            }
        } else {
            paths = paths.path(route.path, PathItem::new(method(route), one(about, route, &tables)));
        }
    }
    let mut components = schemas::components(ComponentsBuilder::new());
    for table in &tables {
        components = components
            .schema(table::row_name(table), table::row(table))
            .schema(table::page_name(table), table::page(table));
    }
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("stele_<id>_<secret>_<checksum>")
        .description(Some(
            "A key made by `stele keys create`. The machine's own socket and client certificates need none.",
        ))
        .build();
    let tags = TAGS.map(|(name, doc)| TagBuilder::new().name(name).description(Some(doc)).build());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new().title("Stele").version(version).description(Some(DESCRIPTION)).license(Some(
                LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
            )),
        )
        .tags(Some(tags))
        .paths(paths)
        .components(Some(components.security_scheme(KEY, SecurityScheme::Http(scheme)).build()))
        .build()
}

fn method(route: &Route) -> HttpMethod {
    match route.method {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn one(about: &About, route: &Route, tables: &[&Table]) -> OperationBuilder {
    let mut operation = operation(about, route, about.id, about.summary, about.detail);
    for param in about.params {
        let form = match param.name {
            "table" => schemas::one_table(tables.iter().map(|table| table.name)),
            _ => (param.schema)(),
        };
        operation = operation.parameter(parameter(param, form));
    }
    operation.responses(responses(about, route, None))
}

fn rows(about: &About, route: &Route, table: &Table) -> OperationBuilder {
    let id = format!("rows_{}", table.name);
    let detail = format!("{}\n\n{}", table::detail(table), about.detail);
    let mut operation = operation(about, route, &id, &format!("Rows of {}", table.name), &detail);
    for param in &ROWS_PARAMS {
        operation = operation.parameter(parameter(param, (param.schema)()));
    }
    for (param, form) in table::filters(table) {
        operation = operation.parameter(parameter(&param, form));
    }
    operation.responses(responses(about, route, Some(table)))
}

fn operation(about: &About, route: &Route, id: &str, summary: &str, detail: &str) -> OperationBuilder {
    let mut operation = OperationBuilder::new().operation_id(Some(id)).tag(about.tag).summary(Some(summary));
    let needs = match route.needs {
        Needs::Nothing => String::new(),
        Needs::Credential => "Needs a credential.".to_owned(),
        Needs::May(action) => format!("Needs a role that may `{action}`."),
    };
    let told: Vec<&str> = [detail, &needs].into_iter().filter(|text| !text.is_empty()).collect();
    if !told.is_empty() {
        operation = operation.description(Some(told.join("\n\n")));
    }
    if route.needs != Needs::Nothing {
        operation = operation.security(SecurityRequirement::new::<_, [&str; 0], &str>(KEY, []));
    }
    if let Some((message, example)) = about.body {
        let example: Value = serde_json::from_str(example).unwrap_or(Value::Null);
        let content =
            ContentBuilder::new().schema(Some(Ref::from_schema_name(message))).example(Some(example));
        let optional = matches!(message, "ReasonOrNone" | "Empty");
        let required = if optional { Required::False } else { Required::True };
        let body =
            RequestBodyBuilder::new().content("application/json", content.build()).required(Some(required));
        operation = operation.request_body(Some(body.build())).parameter(header(
            "Idempotency-Key",
            "Names the wish: asked again with it, the first answer comes again. Made here without it.",
            schemas::uuid(),
        ));
    }
    if about.waits {
        let min = "The answer has everything up to this position, or is a 503.";
        let prefer = "How long to wait for that position, in seconds.";
        operation = operation
            .parameter(header("Min-Log-Position", min, schemas::position()))
            .parameter(header("Prefer", prefer, schemas::prefer()));
    }
    operation
}

fn header(name: &str, doc: &str, form: Schema) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(doc))
        .schema(Some(form))
}

fn parameter(param: &Param, form: Schema) -> ParameterBuilder {
    let (place, required, form) = match param.place {
        Place::Path => (ParameterIn::Path, Required::True, form),
        Place::Query => (ParameterIn::Query, Required::False, form),
        Place::Often => (ParameterIn::Query, Required::False, schemas::list(form)),
        Place::Header => (ParameterIn::Header, Required::False, form),
    };
    let mut built = ParameterBuilder::new()
        .name(param.name)
        .parameter_in(place)
        .required(required)
        .description(Some(param.doc))
        .schema(Some(form));
    if param.place == Place::Often {
        built = built.style(Some(ParameterStyle::Form)).explode(Some(true));
    }
    built
}

fn responses(about: &About, route: &Route, table: Option<&Table>) -> ResponsesBuilder {
    let mut responses = ResponsesBuilder::new().response("200", yes(about, table));
    if let Said::JsonOrAccepted(message) = about.answer {
        let accepted = ResponseBuilder::new().description("Written down; another person must approve it.");
        responses = responses.response("202", accepted.content("application/json", content(message)));
    }
    for status in noes(about, route) {
        let code = status.as_u16().to_string();
        let no = no(status);
        responses = match about.answer {
            Said::Health(message) if status == StatusCode::SERVICE_UNAVAILABLE => {
                responses.response(code, with_content(no, "application/json", content(message)))
            }
            Said::Health(_)
            | Said::Json(_)
            | Said::JsonOrAccepted(_)
            | Said::Lines(_)
            | Said::Events
            | Said::Text(_)
            | Said::Foreign(_)
            | Said::Rows => responses.response(code, no),
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
    let position = HeaderBuilder::new()
        .schema(Some(schemas::position()))
        .description(Some("The position that the answer is as of, where it has one."))
        .build();
    ResponseBuilder::new()
        .description("So it is.")
        .content(media, content)
        .header(LOG_POSITION, position)
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
        408 => ("The body did not come in time.", "body-too-slow"),
        409 => ("Things stand against it, or the log's owner refuses it to this process.", "limits_changed"),
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
            "A mistake of ours (`internal`), or what somebody has to mend first: the log is damaged (`log-damaged`), has \
             stopped (`log-failed`), or holds an event that this build can't read (`event-unreadable`).",
            "log-damaged",
        ),
    }
}
