//! A step through the gRPC door.

use super::Told;
use super::ask::{Account, Ask, Keys, Look, Setting, Step, Switch, Tables};
use super::rest::{key, request_id};
use crate::desk;
use crate::served::{As, ROLE, Served, codes};
use serde_json::{Value, json};
use stele_domain::access::Role;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::access_service_client::AccessServiceClient;
use stele_proto::api::v1::audit_service_client::AuditServiceClient;
use stele_proto::api::v1::control_service_client::ControlServiceClient;
use stele_proto::api::v1::log_service_client::LogServiceClient;
use stele_proto::api::v1::projection_service_client::ProjectionServiceClient;
use stele_proto::api::v1::trading_service_client::TradingServiceClient;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

type Way = InterceptedService<Channel, As>;

pub struct Door {
    control: ControlServiceClient<Way>,
    trading: TradingServiceClient<Way>,
    log: LogServiceClient<Way>,
    access: AccessServiceClient<Way>,
    projections: ProjectionServiceClient<Way>,
    audits: AuditServiceClient<Way>,
}

/// A wish with its receipt, or an answer with its heart.
enum Answer {
    Receipt(Option<pb::Receipt>),
    Heart(Value),
}

impl Door {
    pub async fn open(served: &Served) -> Self {
        let way = served.way(None).await;
        Self {
            control: ControlServiceClient::new(way.clone()),
            trading: TradingServiceClient::new(way.clone()),
            log: LogServiceClient::new(way.clone()),
            access: AccessServiceClient::new(way.clone()),
            projections: ProjectionServiceClient::new(way.clone()),
            audits: AuditServiceClient::new(way),
        }
    }

    pub async fn told(&mut self, at: usize, step: &Step, damaged: u64) -> Told {
        match self.asked(key(at, step.key), step, damaged).await {
            Ok(Answer::Receipt(receipt)) => {
                let receipt = receipt.expect("a wish has a receipt");
                let outcome = receipt.outcome().as_str_name().trim_start_matches("OUTCOME_").to_lowercase();
                let recorded = receipt.log_position.is_some();
                Told::Done { outcome, recorded, replayed: receipt.replayed }
            }
            Ok(Answer::Heart(heart)) => Told::Read(heart),
            Err(status) => Told::Refused(codes(&status).1),
        }
    }

    async fn asked(&mut self, idempotency_key: String, step: &Step, damaged: u64) -> Result<Answer, Status> {
        let role = step.role;
        match &step.ask {
            Ask::Account(ask) => self.account(idempotency_key, role, ask).await,
            Ask::Setting(ask) => self.setting(idempotency_key, role, ask).await,
            Ask::Keys(ask) => self.keyed(idempotency_key, role, ask).await,
            Ask::Tables(ask) => self.tables(idempotency_key, role, ask, damaged).await,
            Ask::Look(ask) => self.looked(role, ask).await,
        }
    }

    async fn account(
        &mut self,
        idempotency_key: String,
        role: Role,
        ask: &Account,
    ) -> Result<Answer, Status> {
        let control = &mut self.control;
        let receipt = match ask {
            Account::Arm { mode, term, limits_version, reason } => {
                let request = pb::ArmRequest {
                    idempotency_key,
                    reason: (*reason).to_owned(),
                    mode: i32::from(*mode),
                    term: term.map(pb::arm_request::Term::ForMs),
                    limits_version: *limits_version,
                };
                control.arm(by(role, request)).await?.into_inner().receipt
            }
            Account::Approve { request, reason } => {
                let request = pb::ApproveRequest {
                    idempotency_key,
                    reason: (*reason).to_owned(),
                    request_id: request_id(*request).to_string(),
                    limits_hash: "0".repeat(64),
                };
                control.approve(by(role, request)).await?.into_inner().receipt
            }
            Account::Disarm { reason } => {
                let request = pb::DisarmRequest { idempotency_key, reason: (*reason).to_owned() };
                control.disarm(by(role, request)).await?.into_inner().receipt
            }
            Account::Kill { reason } => {
                let request = pb::KillRequest { idempotency_key, reason: (*reason).to_owned() };
                control.kill(by(role, request)).await?.into_inner().receipt
            }
        };
        Ok(Answer::Receipt(receipt))
    }

    async fn setting(
        &mut self,
        idempotency_key: String,
        role: Role,
        ask: &Setting,
    ) -> Result<Answer, Status> {
        let control = &mut self.control;
        let receipt = match ask {
            Setting::SetLimits { edge_min_bps, notional_max, shown, reason } => {
                let request = pb::SetLimitsRequest {
                    idempotency_key,
                    reason: (*reason).to_owned(),
                    limits: Some(pb::Limits {
                        edge_min_bps: Some(*edge_min_bps),
                        notional_max: notional_max.map(str::to_owned),
                        ..limits(&serde_json::to_value(desk::asked::limits()).unwrap())
                    }),
                    limits_version: *shown,
                    effective_from: None,
                };
                control.set_limits(by(role, request)).await?.into_inner().receipt
            }
            Setting::SetFilter { entries, reason } => {
                let request = pb::SetPairFilterRequest {
                    idempotency_key,
                    reason: (*reason).to_owned(),
                    entries: entries.iter().map(|entry| (*entry).to_owned()).collect(),
                };
                control.set_pair_filter(by(role, request)).await?.into_inner().receipt
            }
            Setting::ResetFilter { reason } => {
                let request = pb::ResetPairFilterRequest { idempotency_key, reason: (*reason).to_owned() };
                control.reset_pair_filter(by(role, request)).await?.into_inner().receipt
            }
            Setting::Switch { what, service, reason } => {
                let (reason, service) = ((*reason).to_owned(), number(*service));
                match what {
                    Switch::Pause => {
                        let request = pb::PauseRequest { idempotency_key, reason, service };
                        control.pause(by(role, request)).await?.into_inner().receipt
                    }
                    Switch::Resume => {
                        let request = pb::ResumeRequest { idempotency_key, reason, service };
                        control.resume(by(role, request)).await?.into_inner().receipt
                    }
                    Switch::Drain => {
                        let request = pb::DrainRequest { idempotency_key, reason, service };
                        control.drain(by(role, request)).await?.into_inner().receipt
                    }
                }
            }
            Setting::Refresh { service } => {
                let request =
                    pb::RefreshRequest { idempotency_key, reason: String::new(), service: number(*service) };
                let refreshed = control.refresh(by(role, request)).await?.into_inner().service();
                let name = refreshed.as_str_name().trim_start_matches("SERVICE_").to_lowercase();
                return Ok(Answer::Heart(json!(name)));
            }
            Setting::ClearAlert { kind, reason } => {
                let (kind, reason) = ((*kind).to_owned(), (*reason).to_owned());
                let request = pb::ClearAlertRequest { idempotency_key, reason, kind };
                control.clear_alert(by(role, request)).await?.into_inner().receipt
            }
        };
        Ok(Answer::Receipt(receipt))
    }

    async fn keyed(&mut self, idempotency_key: String, role: Role, ask: &Keys) -> Result<Answer, Status> {
        match ask {
            Keys::Create { owner, role: what, actions, for_ms, reason } => {
                let request = pb::CreateKeyRequest {
                    idempotency_key,
                    reason: (*reason).to_owned(),
                    owner: (*owner).to_owned(),
                    role: role_number(*what),
                    scope: Some(pb::Scope {
                        actions: actions.iter().map(|name| (*name).to_owned()).collect(),
                        processes: vec![],
                    }),
                    label: "a screen".to_owned(),
                    term: for_ms.map(pb::create_key_request::Term::ForMs),
                };
                let created = self.access.create_key(by(role, request)).await?.into_inner();
                Ok(Answer::Heart(json!(created.secret.starts_with("stele_"))))
            }
            Keys::Revoke { key_id, reason } => {
                let key_id = if key_id.is_empty() { " " } else { key_id }.to_owned();
                let request = pb::RevokeKeyRequest { idempotency_key, reason: (*reason).to_owned(), key_id };
                Ok(Answer::Receipt(self.access.revoke_key(by(role, request)).await?.into_inner().receipt))
            }
            Keys::List => {
                let keys = self.access.list_keys(by(role, pb::ListKeysRequest {})).await?.into_inner().keys;
                let mut told: Vec<String> = keys
                    .iter()
                    .map(|key| {
                        let role = key.role().as_str_name().trim_start_matches("ROLE_").to_lowercase();
                        let standing = key.standing().as_str_name();
                        let standing = standing.trim_start_matches("KEY_STANDING_").to_lowercase();
                        format!("{:?} {role:?} {standing:?}", key.owner)
                    })
                    .collect();
                told.sort();
                Ok(Answer::Heart(json!(told)))
            }
        }
    }

    async fn tables(
        &mut self,
        idempotency_key: String,
        role: Role,
        ask: &Tables,
        damaged: u64,
    ) -> Result<Answer, Status> {
        let (projections, audits) = (&mut self.projections, &mut self.audits);
        let heart = match ask {
            Tables::Parked { projection } => {
                let request = pb::ListParkedRequest { projection: (*projection).to_owned() };
                let known = projections.list_parked(by(role, request)).await?.into_inner().parked;
                known.iter().map(parked).collect()
            }
            Tables::ParkedEvent { projection, place } => {
                let (projection, position) = ((*projection).to_owned(), place.position(damaged));
                let request = pb::GetParkedRequest { projection, position };
                let known = projections.get_parked(by(role, request)).await?.into_inner();
                let steps = known.steps.iter().map(|step| json!([step.by, state(step.state()), step.reason]));
                json!([parked(&known.parked.unwrap()), steps.collect::<Vec<_>>()])
            }
            Tables::Decide { skip, projection, place, reason } => {
                let (projection, reason) = ((*projection).to_owned(), (*reason).to_owned());
                let position = place.position(damaged);
                let receipt = if *skip {
                    let request = pb::SkipParkedRequest { idempotency_key, reason, projection, position };
                    projections.skip_parked(by(role, request)).await?.into_inner().receipt
                } else {
                    let request = pb::RetryParkedRequest { idempotency_key, reason, projection, position };
                    projections.retry_parked(by(role, request)).await?.into_inner().receipt
                };
                return Ok(Answer::Receipt(receipt));
            }
            Tables::Rebuilds { projection } => {
                let request = pb::ListRebuildsRequest { projection: (*projection).to_owned() };
                let known = projections.list_rebuilds(by(role, request)).await?.into_inner();
                json!([known.rebuilds.len(), known.replaced.len()])
            }
            Tables::StartRebuild { reason } => {
                let (projection, reason) = ("orders".to_owned(), (*reason).to_owned());
                let request =
                    pb::StartRebuildRequest { idempotency_key, reason, projection, ..Default::default() };
                projections.start_rebuild(by(role, request)).await?;
                Value::Null
            }
            Tables::StartAudit { projection, position, reason } => {
                let (projection, position) = (projection.map(str::to_owned), *position);
                let reason = (*reason).to_owned();
                let request = pb::StartAuditRequest { idempotency_key, reason, projection, position };
                audit(&audits.start_audit(by(role, request)).await?.into_inner().audit.unwrap())
            }
            Tables::Audits => {
                let known = audits.list_audits(by(role, pb::ListAuditsRequest {})).await?.into_inner();
                known.audits.iter().map(audit).collect()
            }
            Tables::Audit { id } => {
                let request = pb::GetAuditRequest { id: (*id).to_owned() };
                audit(&audits.get_audit(by(role, request)).await?.into_inner().audit.unwrap())
            }
            Tables::Report { id } => {
                audits.get_audit_report(by(role, pb::GetAuditReportRequest { id: (*id).to_owned() })).await?;
                Value::Null
            }
        };
        Ok(Answer::Heart(heart))
    }

    async fn looked(&mut self, role: Role, ask: &Look) -> Result<Answer, Status> {
        let heart = match ask {
            Look::Account => {
                let answer = self.control.get_account(by(role, pb::GetAccountRequest {})).await?.into_inner();
                let account = answer.account.unwrap();
                let arming = account.arming().as_str_name().trim_start_matches("ARMING_").to_lowercase();
                json!([arming, account.limits_version, account.killed_at.as_ref().map(rfc3339)])
            }
            Look::Limits => {
                let answer = self.control.get_limits(by(role, pb::GetLimitsRequest {})).await?.into_inner();
                let version = answer.in_force.unwrap_or_default();
                let limits = version.limits.unwrap_or_default();
                json!([version.version, as_json(&limits), version.limits_hash])
            }
            Look::Filter => {
                let answer = self.control.get_pair_filter(by(role, pb::GetPairFilterRequest {})).await?;
                let answer = answer.into_inner();
                let mode = answer.mode().as_str_name().trim_start_matches("FILTER_MODE_").to_lowercase();
                json!([mode, answer.entries])
            }
            Look::Alerts => {
                let answer = self.control.list_alerts(by(role, pb::ListAlertsRequest {})).await?;
                let told = answer.into_inner().alerts.into_iter();
                told.map(|alert| json!([alert.kind, alert.detail, alert.waits_for_person])).collect()
            }
            Look::Table { name, size, filter, token } => {
                let filter = filter
                    .map(|(column, value)| pb::Filter { column: column.to_owned(), value: value.to_owned() });
                let request = pb::QueryTableRequest {
                    table: (*name).to_owned(),
                    filters: filter.into_iter().collect(),
                    order: pb::Order::Newest.into(),
                    page_size: *size,
                    page_token: (*token).to_owned(),
                    freshness: None,
                };
                json!(self.trading.query_table(by(role, request)).await?.into_inner().table)
            }
            Look::Trace { id } => {
                let request = pb::TraceRequest { id: (*id).to_owned(), freshness: None };
                self.trading.trace(by(role, request)).await?;
                Value::Null
            }
            Look::Event { position } => {
                let event =
                    self.log.get(by(role, pb::GetRequest { position: *position })).await?.into_inner().event;
                let event = event.unwrap();
                json!([event.position > 0, !event.stream.is_empty()])
            }
            Look::Events { stream, backward, size } => {
                let request = pb::ListRequest {
                    stream: (*stream).to_owned(),
                    backward: *backward,
                    page_size: *size,
                    ..Default::default()
                };
                let events = self.log.list(by(role, request)).await?.into_inner().events;
                if stream.is_empty() { json!(true) } else { json!(events.len()) }
            }
            Look::Prove { position } => {
                self.log.prove(by(role, pb::ProveRequest { position: *position })).await?;
                Value::Null
            }
            Look::Checkpoint => {
                self.log.checkpoint(by(role, pb::CheckpointRequest {})).await?;
                Value::Null
            }
        };
        Ok(Answer::Heart(heart))
    }
}

fn by<T>(role: Role, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(ROLE, MetadataValue::from_static(role.name()));
    request
}

fn parked(event: &pb::ParkedEvent) -> Value {
    json!([event.projection, event.position, state(event.state()), event.attempt, event.why])
}

fn state(state: pb::ParkedState) -> String {
    state.as_str_name().trim_start_matches("PARKED_STATE_").to_lowercase()
}

fn audit(audit: &pb::Audit) -> Value {
    let state = audit.state().as_str_name().trim_start_matches("AUDIT_STATE_").to_lowercase();
    json!([!audit.id.is_empty(), state, audit.projection, audit.position, audit.asked_by])
}

/// The number of a service; the last is none.
fn number(service: u8) -> i32 {
    i32::from(service) + 1
}

fn role_number(role: Role) -> i32 {
    let at = Role::ALL.iter().position(|known| *known == role).unwrap();
    i32::try_from(at).unwrap() + 1
}

fn rfc3339(at: &prost_types::Timestamp) -> String {
    let micros = at.seconds * 1_000_000 + i64::from(at.nanos / 1_000);
    stele_domain::time::Timestamp::from_micros(micros).to_string()
}

/// Limits as REST tells them, as a message.
fn limits(told: &Value) -> pb::Limits {
    let text = |name: &str| told[name].as_str().map(str::to_owned);
    let number = |name: &str| told[name].as_u64();
    let count = |name: &str| told[name].as_u64().map(|count| u32::try_from(count).unwrap());
    pb::Limits {
        edge_min_bps: told["edge_min_bps"].as_i64(),
        notional_min: text("notional_min"),
        notional_max: text("notional_max"),
        fallback_notional_max: text("fallback_notional_max"),
        buy_base_open_max: text("buy_base_open_max"),
        sell_base_open_max: text("sell_base_open_max"),
        open_offers_max: count("open_offers_max"),
        open_offers_per_partner_max: count("open_offers_per_partner_max"),
        uncertain_offers_max: count("uncertain_offers_max"),
        cooldown_ms: number("cooldown_ms"),
        price_age_ms_max: number("price_age_ms_max"),
        fallback_age_ms_max: number("fallback_age_ms_max"),
        spread_max_bps: told["spread_max_bps"].as_i64(),
        inventory_age_ms_max: number("inventory_age_ms_max"),
        window_ms_min: number("window_ms_min"),
        deadline_ms_max: number("deadline_ms_max"),
        command_age_ms_max: number("command_age_ms_max"),
        clock_skew_ms_max: number("clock_skew_ms_max"),
        answer_probes: told["answer_probes"].as_bool(),
        floor: serde_json::from_value(told["floor"].clone()).unwrap(),
        base_target: text("base_target"),
        second_person: told["second_person"].as_bool(),
    }
}

/// A message of limits, as REST tells them.
fn as_json(limits: &pb::Limits) -> Value {
    json!({
        "edge_min_bps": limits.edge_min_bps,
        "notional_min": limits.notional_min,
        "notional_max": limits.notional_max,
        "fallback_notional_max": limits.fallback_notional_max,
        "buy_base_open_max": limits.buy_base_open_max,
        "sell_base_open_max": limits.sell_base_open_max,
        "open_offers_max": limits.open_offers_max,
        "open_offers_per_partner_max": limits.open_offers_per_partner_max,
        "uncertain_offers_max": limits.uncertain_offers_max,
        "cooldown_ms": limits.cooldown_ms,
        "price_age_ms_max": limits.price_age_ms_max,
        "fallback_age_ms_max": limits.fallback_age_ms_max,
        "spread_max_bps": limits.spread_max_bps,
        "inventory_age_ms_max": limits.inventory_age_ms_max,
        "window_ms_min": limits.window_ms_min,
        "deadline_ms_max": limits.deadline_ms_max,
        "command_age_ms_max": limits.command_age_ms_max,
        "clock_skew_ms_max": limits.clock_skew_ms_max,
        "answer_probes": limits.answer_probes,
        "floor": limits.floor,
        "base_target": limits.base_target,
        "second_person": limits.second_person,
    })
}
