//! Forms of parameters and messages.

use crate::desk::live::TOPICS;
use crate::desk::rebuilds;
use crate::desk::tables::ORDERS;
use crate::dto;
use serde_json::{Value, json};
use stele_domain::operations::alert::event::Kind;
use stele_domain::operations::service::event::Service;
use stele_projections::models;
use utoipa::openapi::schema::{
    AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{ComponentsBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Limits to try.
pub(super) const LIMITS_EXAMPLE: &str = r#"{"limits":{"edge_min_bps":20,"notional_min":"1000000000000000000","notional_max":"100000000000000000000","fallback_notional_max":"50000000000000000000","buy_base_open_max":"200000000000000000000","sell_base_open_max":"200000000000000000000","open_offers_max":4,"open_offers_per_partner_max":2,"uncertain_offers_max":1,"cooldown_ms":0,"price_age_ms_max":5000,"fallback_age_ms_max":60000,"spread_max_bps":100,"inventory_age_ms_max":30000,"window_ms_min":200,"deadline_ms_max":120000,"command_age_ms_max":2000,"clock_skew_ms_max":2000,"answer_probes":false,"floor":{},"base_target":"5000000"},"reason":"first limits"}"#;

type Named = (String, RefOr<Schema>);

/// Every message, by name.
pub(super) fn components(mut builder: ComponentsBuilder) -> ComponentsBuilder {
    let mut named: Vec<Named> = vec![];
    answers(&mut named);
    wishes(&mut named);
    named.push(("Empty".to_owned(), Schema::from(empty()).into()));
    for (name, schema) in named {
        builder = builder.schema(name, schema);
    }
    builder
}

fn message<T: ToSchema + PartialSchema>(named: &mut Vec<Named>) {
    named.push((T::name().into_owned(), T::schema()));
    T::schemas(named);
}

fn answers(named: &mut Vec<Named>) {
    message::<dto::Problem>(named);
    message::<dto::Status>(named);
    message::<dto::AlertsAnswer>(named);
    message::<dto::AccountAnswer>(named);
    message::<dto::LimitsAnswer>(named);
    message::<dto::Filter>(named);
    message::<dto::Trace>(named);
    message::<dto::TablesAnswer>(named);
    message::<dto::DumpPage>(named);
    message::<dto::ProofLine>(named);
    message::<dto::LiveEvent>(named);
    message::<dto::LivePlace>(named);
    message::<dto::LiveFailure>(named);
    message::<dto::LogStat>(named);
    message::<dto::Event>(named);
    message::<dto::EventsPage>(named);
    message::<dto::FollowLine>(named);
    message::<dto::CheckpointAnswer>(named);
    message::<dto::EventProof>(named);
    message::<dto::ConsistencyProof>(named);
    message::<dto::Audit>(named);
    message::<dto::AuditsAnswer>(named);
    message::<dto::WhoAmI>(named);
    message::<dto::RolesAnswer>(named);
    message::<dto::KeysAnswer>(named);
    message::<dto::CreatedKey>(named);
    message::<dto::Health>(named);
    message::<dto::Ready>(named);
    message::<dto::Statusz>(named);
    message::<dto::Written>(named);
    message::<dto::Killed>(named);
    message::<dto::Refreshed>(named);
    message::<dto::RebuildsAnswer>(named);
    message::<dto::RebuildAnswer>(named);
    message::<dto::ParkedAnswer>(named);
    message::<dto::ParkedDetail>(named);
}

fn wishes(named: &mut Vec<Named>) {
    message::<dto::Arm>(named);
    message::<dto::Approve>(named);
    message::<dto::Reason>(named);
    message::<dto::ReasonOrNone>(named);
    message::<dto::SetLimits>(named);
    message::<dto::SetFilter>(named);
    message::<dto::CreateKey>(named);
    message::<dto::StartRebuild>(named);
    message::<dto::StartAudit>(named);
}

fn empty() -> ObjectBuilder {
    let nothing = utoipa::openapi::schema::AdditionalProperties::FreeForm(false);
    ObjectBuilder::new()
        .description(Some("Nothing: no body at all will do."))
        .additional_properties(Some(nothing))
}

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

fn whole(least: usize, most: usize) -> ObjectBuilder {
    of(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(least))
        .maximum(Some(most))
}

fn one_of<'n>(names: impl IntoIterator<Item = &'n str>) -> ObjectBuilder {
    let names: Vec<Value> = names.into_iter().map(Value::from).collect();
    of(Type::String).enum_values(Some(names))
}

/// A projection, or all of them.
pub(super) fn projection() -> Schema {
    one_of(std::iter::once(rebuilds::ALL).chain(projections())).into()
}

/// One projection.
pub(super) fn one_projection() -> Schema {
    one_of(projections()).into()
}

/// The names of the projections.
pub(super) fn projections() -> impl Iterator<Item = &'static str> {
    models::ALL.iter().map(|projection| projection.name)
}

/// A log position, or a time.
pub(super) fn as_of() -> Schema {
    let time = of(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    AnyOfBuilder::new()
        .item(position())
        .item(Schema::from(time))
        .examples([json!(1_234), json!("2026-11-20T18:24:38.123456Z")])
        .into()
}

/// A log position, or none yet.
pub(super) fn position() -> Schema {
    whole(0, usize::MAX).into()
}

/// The position of an event.
pub(super) fn place() -> Schema {
    whole(1, usize::MAX).into()
}

/// How many rows.
pub(super) fn rows_max() -> Schema {
    whole(1, 1_000).default(Some(json!(50))).into()
}

pub(super) fn boolean() -> Schema {
    of(Type::Boolean).into()
}

/// Some text that has a form of its own.
pub(super) fn word() -> Schema {
    of(Type::String).min_length(Some(1)).max_length(Some(512)).into()
}

/// Whatever one has at hand.
pub(super) fn free() -> Schema {
    of(Type::String).min_length(Some(1)).max_length(Some(256)).into()
}

pub(super) fn uuid() -> Schema {
    of(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).into()
}

/// `wait=<seconds>`; what others prefer is passed over.
pub(super) fn prefer() -> Schema {
    of(Type::String).examples([json!("wait=5")]).into()
}

pub(super) fn service() -> Schema {
    one_of(Service::ALL.iter().map(|service| service.name())).into()
}

pub(super) fn alert() -> Schema {
    one_of(Kind::ALL.map(Kind::name)).into()
}

pub(super) fn order() -> Schema {
    let [(default, _), ..] = ORDERS;
    one_of(ORDERS.iter().map(|(name, _)| *name)).default(Some(json!(default))).into()
}

/// One of these tables.
pub(super) fn one_table<'n>(names: impl IntoIterator<Item = &'n str>) -> Schema {
    one_of(names).into()
}

/// `category-id`.
pub(super) fn stream() -> Schema {
    let form = "^[^\\u0000-\\u001f\\u007f-\\u009f-]+-[^\\u0000-\\u001f\\u007f-\\u009f]+$";
    of(Type::String).min_length(Some(3)).max_length(Some(128)).pattern(Some(form)).into()
}

/// Topics with commas between them.
pub(super) fn topics() -> Schema {
    let any = TOPICS.iter().map(|topic| topic.name).collect::<Vec<_>>().join("|");
    let meaning: Vec<String> =
        TOPICS.iter().map(|topic| format!("`{}`: {}", topic.name, topic.doc)).collect();
    of(Type::String)
        .pattern(Some(format!("^({any})(,({any}))*$")))
        .description(Some(meaning.join("; ")))
        .examples([json!("decisions,results")])
        .into()
}

/// As often as wanted.
pub(super) fn list(of: Schema) -> Schema {
    ArrayBuilder::new().items(RefOr::T(of)).max_items(Some(32)).into()
}
