//! The service of the second generation: appends to several streams in one commit, under conditions on any streams. It needs
//! a log that can do so; nothing of the desk relies on it.

mod many;
mod properties;

use crate::access::caller;
use crate::inward::{self, Offer};
use crate::name::Name;
use crate::no::No;
use crate::observe;
use crate::seats::Room;
use crate::streams::Service;
use many::{Done, Part};
use std::collections::BTreeMap;
use std::time::Instant;
use stele_domain::access::{Action, Caller};
use stele_domain::port::event_log::{Expected, Revision};
use stele_proto::kurrent::v2::consistency_check::Type;
use stele_proto::kurrent::v2::streams_service_server;
use stele_proto::kurrent::v2::{
    AppendRecord, AppendRecordsRequest, AppendRecordsResponse, AppendRequest, AppendResponse,
    AppendSessionResponse, ConsistencyCheck, StreamRevision,
};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

/// Most conditions of one append.
const CHECKS_MAX: usize = 1_024;

/// Answers over the same store.
#[derive(Clone)]
pub struct Second(pub Service);

/// A number as what is believed.
fn expected(number: i64) -> Result<Expected, No> {
    match number {
        -1 => Ok(Expected::NoStream),
        -2 => Ok(Expected::Any),
        -4 => Ok(Expected::Exists),
        number => u64::try_from(number)
            .map(|revision| Expected::Exactly(Revision(revision)))
            .map_err(|_| No::Malformed(format!("{number} is no revision and no state of a stream"))),
    }
}

fn number(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

/// A record as the log takes it.
pub fn offered(record: AppendRecord) -> Result<stele_domain::port::event_log::NewRecord, No> {
    let AppendRecord { record_id, properties, schema, data, stream: _ } = record;
    let schema = schema.ok_or_else(|| No::Malformed("a record has no schema".to_owned()))?;
    let id = match record_id.as_deref() {
        Some(text) => {
            Uuid::try_parse(text).map_err(|_| No::Malformed("a record's id is no UUID".to_owned()))?
        }
        None => Uuid::new_v4(),
    };
    let (content_type, metadata) = properties::beside(&schema, properties)?;
    let metadata = crate::envelope::wrapped(content_type, &metadata);
    inward::record(id, &schema.name, &data, metadata)
}

impl Second {
    async fn session(&self, request: Request<Streaming<AppendRequest>>) -> Result<AppendSessionResponse, No> {
        let caller = caller(&request)?;
        self.0.access.admit(&caller, Action::AppendLog)?;
        let mut incoming = request.into_inner();
        let (mut parts, mut room, mut whole) =
            (Vec::<Part>::new(), self.0.seats.room(&caller), Offer::default());
        loop {
            let Some(message) = self.0.part(&caller, &mut incoming).await? else { break };
            let stream = Name::new(&message.stream)?;
            if parts.iter().any(|part| part.stream == stream) {
                return Err(No::Twice(stream));
            }
            let expected = message.expected_revision.map_or(Ok(Expected::Any), expected)?;
            let mut part = Part { stream, expected, records: vec![] };
            for record in message.records {
                Self::add(&mut whole, &mut room, &mut part, record)?;
            }
            parts.push(part);
        }
        let done = self.commit(&caller, parts, vec![], whole).await?;
        let position = done.position();
        let output = done.streams.into_iter().map(|(stream, kept)| AppendResponse {
            stream: stream.as_str().to_owned(),
            stream_revision: number(kept.revision.0),
            position: Some(number(kept.last.0)),
        });
        Ok(AppendSessionResponse { output: output.collect(), position })
    }

    async fn records(&self, request: Request<AppendRecordsRequest>) -> Result<AppendRecordsResponse, No> {
        let caller = caller(&request)?;
        self.0.access.admit(&caller, Action::AppendLog)?;
        let AppendRecordsRequest { records, checks } = request.into_inner();
        if checks.len() > CHECKS_MAX {
            return Err(No::Malformed(format!("an append has at most {CHECKS_MAX} conditions")));
        }
        let (mut parts, mut room, mut whole) =
            (Vec::<Part>::new(), self.0.seats.room(&caller), Offer::default());
        let mut places = BTreeMap::new();
        for record in records {
            let named = record.stream.as_deref();
            let stream =
                Name::new(named.ok_or_else(|| No::Malformed("a record names no stream".to_owned()))?)?;
            let place = *places.entry(stream.clone()).or_insert(parts.len());
            if place == parts.len() {
                parts.push(Part { stream, expected: Expected::Any, records: vec![] });
            }
            let Some(part) = parts.get_mut(place) else { continue };
            Self::add(&mut whole, &mut room, part, record)?;
        }
        let checks = checks.into_iter().map(checked).collect::<Result<Vec<_>, No>>()?;
        let done = self.commit(&caller, parts, checks, whole).await?;
        let position = done.position();
        let revisions = done.streams.into_iter().map(|(stream, kept)| StreamRevision {
            stream: stream.as_str().to_owned(),
            revision: number(kept.revision.0),
        });
        Ok(AppendRecordsResponse { revisions: revisions.collect(), position })
    }

    /// One more record of an append; all of them together have the limits of one.
    fn add(whole: &mut Offer, room: &mut Room, part: &mut Part, record: AppendRecord) -> Result<(), No> {
        let record = offered(record)?;
        let before = whole.bytes();
        part.records.push(record.clone());
        whole.push(record)?;
        room.more(whole.bytes() - before)
    }

    async fn commit(
        &self,
        caller: &Caller,
        parts: Vec<Part>,
        checks: Vec<(Name, Expected)>,
        whole: Offer,
    ) -> Result<Done, No> {
        let began = Instant::now();
        if whole.records.is_empty() {
            return Err(No::Malformed("the append has no records".to_owned()));
        }
        for part in &parts {
            if part.stream.described().is_some() {
                let words = format!("{}: metadata is written by the first generation's Append", part.stream);
                return Err(No::Malformed(words));
            }
            let types = part.records.iter().map(|record| &*record.event_type);
            self.0.may_append(caller, &part.stream, types)?;
        }
        let events = u64::try_from(whole.records.len()).unwrap_or(u64::MAX);
        let done = self.0.store.append_many(parts, checks).await?;
        observe::appended(events, began.elapsed());
        Ok(done)
    }
}

fn checked(check: ConsistencyCheck) -> Result<(Name, Expected), No> {
    match check.r#type {
        Some(Type::StreamState(state)) => Ok((Name::new(&state.stream)?, expected(state.expected_state)?)),
        None => Err(No::Malformed("a condition says nothing".to_owned())),
    }
}

#[tonic::async_trait]
impl streams_service_server::StreamsService for Second {
    async fn append_session(
        &self,
        request: Request<Streaming<AppendRequest>>,
    ) -> Result<Response<AppendSessionResponse>, Status> {
        self.session(request).await.map(Response::new).map_err(|no| no.second())
    }

    async fn append_records(
        &self,
        request: Request<AppendRecordsRequest>,
    ) -> Result<Response<AppendRecordsResponse>, Status> {
        self.records(request).await.map(Response::new).map_err(|no| no.second())
    }
}
