//! Events that every projection lacks.

use super::{Desk, PATIENCE, until};
use std::sync::Arc;
use stele_domain::event::Event;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Expected, NewRecord, Position, StreamId};
use stele_domain::{codec, ids};
use stele_projections::runner::State;

/// An event of ours whose bytes nobody can read.
pub async fn damaged(desk: &Desk) -> Position {
    let sample = codec::samples().into_iter().find(|event| matches!(event, Event::Market(_))).unwrap();
    let record = NewRecord {
        event_id: EventId(ids::derived("test", &["damaged"])),
        event_type: codec::type_of(&sample).into(),
        data: Arc::from(*b"{\"half\":"),
        metadata: Arc::from(
            *b"{\"correlation_id\":\"0a1b2c3d-0000-4000-8000-000000000000\",\"causation_id\":null,\
               \"actor\":\"service:market\",\"occurred_at\":\"2026-11-21T10:00:00.000000Z\",\"schema\":1}",
        ),
    };
    let stream = StreamId::new("price-other-pair").unwrap();
    desk.log.append(&stream, Expected::Any, vec![record]).await.unwrap().last
}

/// Waits until the projections have taken in, or parked, everything that is there.
pub async fn settled(desk: &Desk) {
    loop {
        let head = desk.log.head().await.unwrap();
        desk.runner.reached(head, PATIENCE).await.unwrap();
        until(&desk.runner, |state| *state == State::Live).await;
        if desk.log.head().await.unwrap() == head {
            return;
        }
    }
}
