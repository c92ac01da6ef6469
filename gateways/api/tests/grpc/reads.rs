//! Status, tables, traces, and how current they are.

use crate::desk::Desk;
use crate::served::{Served, codes, soon};
use std::collections::BTreeMap;
use stele_domain::access::Role;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::cell::Kind;
use tonic::Code;

fn query(table: &str) -> pb::QueryTableRequest {
    pb::QueryTableRequest { table: table.to_owned(), ..Default::default() }
}

async fn current(served: &Served) -> Option<pb::Freshness> {
    let head = served.desk.log.head().await.unwrap().0;
    let wait = Some(prost_types::Duration { seconds: 5, nanos: 0 });
    Some(pb::Freshness { min_log_position: Some(head), wait, ..Default::default() })
}

#[tokio::test]
async fn the_status_is_the_one_that_rest_shows() {
    let served = Served::ready().await;
    let freshness = current(&served).await;
    let mut trading = served.trading(Role::Viewer).await;
    let told = trading.get_status(pb::GetStatusRequest { freshness }).await.unwrap().into_inner();
    let rest = served.desk.current().await.status().await.unwrap();
    let status = told.status.unwrap();
    assert_eq!((status.version, status.instance), (rest.version, rest.instance));
    assert_eq!(status.services.len(), rest.services.len());
    for (mine, theirs) in status.services.iter().zip(&rest.services) {
        assert_eq!((mine.state(), &mine.reason), (pb::ServiceState::Running, &theirs.reason), "{mine:?}");
    }
    let account = status.account.unwrap();
    assert_eq!(
        (account.arming(), account.limits_version),
        (pb::Arming::Disarmed, rest.account.limits_version)
    );
    assert_eq!(status.counters.unwrap().events, rest.counters.unwrap().events);
    assert!(status.log_reachable && told.as_of.unwrap().position >= 1);
}

#[tokio::test]
async fn every_table_is_listed_and_can_be_asked() {
    let served = Served::ready().await;
    let mut trading = served.trading(Role::Auditor).await;
    let tables = trading.list_tables(pb::ListTablesRequest::default()).await.unwrap().into_inner().tables;
    assert!(tables.len() > 10, "{}", tables.len());
    for table in tables {
        assert!(table.columns.iter().all(|column| column.kind() != pb::ColumnKind::Unspecified), "{table:?}");
        let page = trading.query_table(query(&table.name)).await.unwrap().into_inner();
        for row in &page.rows {
            let kinds: BTreeMap<&String, pb::ColumnKind> =
                row.cells.iter().map(|(name, cell)| (name, kind(cell))).collect();
            for column in &table.columns {
                let told = kinds[&column.name];
                let empty = told == pb::ColumnKind::Unspecified && column.nullable;
                assert!(told == column.kind() || empty, "{}.{}: {told:?}", table.name, column.name);
            }
        }
    }
}

/// The kind of a cell; unspecified for an empty one.
fn kind(cell: &pb::Cell) -> pb::ColumnKind {
    match cell.kind.as_ref().expect("every cell has a kind") {
        Kind::Null(_) => pb::ColumnKind::Unspecified,
        Kind::Text(_) => pb::ColumnKind::Text,
        Kind::Int64(_) => pb::ColumnKind::Int64,
        Kind::Bool(_) => pb::ColumnKind::Bool,
        Kind::Timestamp(_) => pb::ColumnKind::Timestamp,
        Kind::Units(_) => pb::ColumnKind::Units,
        Kind::Decimal(_) => pb::ColumnKind::Decimal,
        Kind::Json(_) => pb::ColumnKind::Json,
    }
}

#[tokio::test]
async fn pages_meet_without_gap_or_overlap_in_either_order() {
    let served = Served::ready().await;
    let freshness = current(&served).await;
    let mut trading = served.trading(Role::Viewer).await;
    let table = "service_history";
    let tables = trading.list_tables(pb::ListTablesRequest::default()).await.unwrap().into_inner().tables;
    let table = tables.iter().find(|listed| listed.name == table).or(tables.first()).unwrap().name.clone();
    let all = pb::QueryTableRequest { freshness, page_size: Some(1_000), ..query(&table) };
    let all = trading.query_table(all).await.unwrap().into_inner().rows;
    let mut walked = vec![];
    let mut token = String::new();
    loop {
        let page = pb::QueryTableRequest { page_size: Some(1), page_token: token, ..query(&table) };
        let page = trading.query_table(page).await.unwrap().into_inner();
        walked.extend(page.rows);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(walked, all);
    let oldest = pb::QueryTableRequest { order: pb::Order::Oldest.into(), ..query(&table) };
    let mut oldest = trading.query_table(oldest).await.unwrap().into_inner().rows;
    oldest.reverse();
    assert_eq!(oldest, all);
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_as_rest_refuses_it() {
    let served = Served::ready().await;
    let mut trading = served.trading(Role::Viewer).await;
    let filter =
        |column: &str, value: &str| vec![pb::Filter { column: column.to_owned(), value: value.to_owned() }];
    for (request, code, reason) in [
        (query("nothing"), Code::NotFound, "unknown-table"),
        (
            pb::QueryTableRequest { page_size: Some(0), ..query("decisions") },
            Code::InvalidArgument,
            "bad-request",
        ),
        (
            pb::QueryTableRequest { page_size: Some(1_001), ..query("decisions") },
            Code::InvalidArgument,
            "bad-request",
        ),
        (
            pb::QueryTableRequest { page_token: "AAAA".to_owned(), ..query("decisions") },
            Code::InvalidArgument,
            "bad-cursor",
        ),
        (
            pb::QueryTableRequest { filters: filter("nothing", "1"), ..query("decisions") },
            Code::InvalidArgument,
            "bad-request",
        ),
        (
            pb::QueryTableRequest { filters: filter("position", "one"), ..query("decisions") },
            Code::InvalidArgument,
            "bad-request",
        ),
        (
            pb::QueryTableRequest {
                filters: vec![filter("position", "1").remove(0); 65],
                ..query("decisions")
            },
            Code::InvalidArgument,
            "bad-request",
        ),
    ] {
        let refused = trading.query_table(request.clone()).await.unwrap_err();
        assert_eq!(codes(&refused), (code, reason.to_owned()), "{request:?}");
    }
    let trace = |id: String| pb::TraceRequest { id, freshness: None };
    assert_eq!(codes(&trading.trace(trace("unheard".to_owned())).await.unwrap_err()).1, "unknown-id");
    let long = trading.trace(trace("x".repeat(257))).await.unwrap_err();
    assert_eq!(long.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_position_that_is_not_there_yet_is_an_honest_no() {
    let served = Served::of(Desk::with_resting_tables().await).await;
    served.desk.take_lease().await;
    let mut trading = served.trading(Role::Viewer).await;
    let at = |position, wait: Option<prost_types::Duration>| pb::ListTablesRequest {
        freshness: Some(pb::Freshness { min_log_position: Some(position), wait, ..Default::default() }),
    };
    let beyond = trading.list_tables(at(1_000, None)).await.unwrap_err();
    assert_eq!(codes(&beyond), (Code::FailedPrecondition, "position-beyond-head".to_owned()));
    let resting = soon(trading.list_tables(at(1, None))).await.unwrap_err();
    assert_eq!(codes(&resting), (Code::Unavailable, "projection-unavailable".to_owned()));
    assert!(tonic_types::StatusExt::get_details_retry_info(&resting).is_some());
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    assert_eq!(trading.list_tables(at(1, negative)).await.unwrap_err().code(), Code::InvalidArgument);
    served.desk.runner.resume();
    let wait = Some(prost_types::Duration { seconds: 5, nanos: 0 });
    let told = soon(trading.list_tables(at(1, wait))).await.unwrap().into_inner().as_of.unwrap();
    assert!(told.position >= 1);
}

#[tokio::test]
async fn the_past_is_asked_for_as_in_rest() {
    let served = Served::ready().await;
    served.desk.keep_past(3).await;
    let mut trading = served.trading(Role::Viewer).await;
    let asked = |as_of: &str| Some(pb::Freshness { as_of: as_of.to_owned(), ..Default::default() });
    let page =
        trading.query_table(pb::QueryTableRequest { freshness: asked("1"), ..query("event_counts") }).await;
    let page = page.unwrap().into_inner();
    assert_eq!((page.as_of.unwrap().position, page.rows.len()), (1, 1));
    let list =
        trading.list_tables(pb::ListTablesRequest { freshness: asked("1") }).await.unwrap().into_inner();
    assert_eq!(list.as_of.unwrap().position, 1);
    for (as_of, code) in [("99999", Code::FailedPrecondition), ("yesterday", Code::InvalidArgument)] {
        let message = pb::QueryTableRequest { freshness: asked(as_of), ..query("event_counts") };
        assert_eq!(trading.query_table(message).await.unwrap_err().code(), code, "{as_of}");
    }
    let status = trading.get_status(pb::GetStatusRequest { freshness: asked("1") }).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
}
