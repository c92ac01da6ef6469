//! The document: every route with what it takes, and what it answers.

use super::about::{ABOUT, About, Said, TAGS};
use super::params::{Param, Place, ROWS_PARAMS, WAIT_PARAMS, WISH_PARAMS};
use super::{answers, schemas, table};
use crate::guard::Needs;
use crate::routes::{ROUTES, Route};
use serde_json::Value;
use stele_domain::port::read_store::{Schema as TablesOf, Table};
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, ParameterStyle, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{Ref, Schema};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Required,
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
    let mut components = answers::components(schemas::components(ComponentsBuilder::new()));
    let params = ABOUT.iter().flat_map(|about| about.params).chain(&ROWS_PARAMS);
    for param in params.chain(&WISH_PARAMS).chain(&WAIT_PARAMS) {
        if let Some(name) = param.shared {
            components = components.parameter(name, parameter(param, (param.schema)()).build());
        }
    }
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
        operation = taking(operation, param, || match param.name {
            "table" => schemas::one_table(tables.iter().map(|table| table.name)),
            _ => (param.schema)(),
        });
    }
    operation.responses(answers::answers(about, route, None))
}

fn rows(about: &About, route: &Route, table: &Table) -> OperationBuilder {
    let id = format!("rows_{}", table.name);
    let detail = format!("{}\n\n{}", table::detail(table), about.detail);
    let mut operation = operation(about, route, &id, &format!("Rows of {}", table.name), &detail);
    for param in &ROWS_PARAMS {
        operation = taking(operation, param, param.schema);
    }
    for (param, form) in table::filters(table) {
        operation = taking(operation, &param, || form);
    }
    operation.responses(answers::answers(about, route, Some(table)))
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
        operation = operation.request_body(Some(body.build()));
        operation =
            WISH_PARAMS.iter().fold(operation, |operation, param| taking(operation, param, param.schema));
    }
    if about.waits {
        operation =
            WAIT_PARAMS.iter().fold(operation, |operation, param| taking(operation, param, param.schema));
    }
    operation
}

/// The operation with a parameter: told here, or among the parts of the document where several take it.
fn taking(operation: OperationBuilder, param: &Param, form: impl FnOnce() -> Schema) -> OperationBuilder {
    match param.shared {
        Some(name) => operation.parameter_ref(Ref::new(format!("#/components/parameters/{name}"))),
        None => operation.parameter(parameter(param, form())),
    }
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
