//! The log: records, numbers, proofs.

use crate::api::LogProof;
use crate::dto;
use crate::grpc::words::{as_of, moment};
use stele_domain::port::event_log::Record;
use stele_proto::api::v1 as pb;

pub(crate) fn event(record: &Record) -> pb::Event {
    pb::Event {
        position: record.position.0,
        stream: record.stream.to_string(),
        revision: record.revision.0,
        event_id: record.event_id.to_string(),
        event_type: record.event_type.to_string(),
        recorded_at: Some(moment(record.recorded_at)),
        data: record.data.to_vec(),
        metadata: record.metadata.to_vec(),
    }
}

pub(crate) fn stat(stat: &dto::LogStat) -> pb::StatResponse {
    pb::StatResponse {
        log: stat.log.to_string(),
        events: stat.events,
        commits: stat.commits,
        bytes: stat.bytes,
        streams: stat.streams,
        segments: stat.segments,
        categories: stat.categories.clone(),
        as_of: Some(as_of(stat.as_of, stat.head)),
    }
}

pub(crate) fn proof(position: u64, proof: LogProof) -> pb::ProveResponse {
    pb::ProveResponse {
        position,
        first_position: proof.first.0,
        leaf_index: proof.leaf_index,
        payload: proof.payload,
        path: proof.path.iter().map(|hash| hash.to_vec()).collect(),
        checkpoint: proof.checkpoint,
    }
}
