//! What is refused, and in which words: strangers, nonsense, too much, too late.

use crate::served::{As, Served, codes, soon, visitor};
use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use stele_domain::access::Role;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::control_service_client::ControlServiceClient;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::ServiceExt;
use uuid::Uuid;

/// Whatever bytes there are, as a message.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}

async fn called(served: &Served, path: &'static str, body: Bytes) -> Result<Bytes, Status> {
    let mut client = tonic::client::Grpc::new(served.way(Some(Role::Operator)).await);
    client.ready().await.unwrap();
    let path = axum::http::uri::PathAndQuery::from_static(path);
    let request = tonic::Request::new(body);
    soon(client.unary(request, path, Raw)).await.map(tonic::Response::into_inner)
}

const ARM: &str = "/stele.api.v1.ControlService/Arm";

fn disarm() -> pb::DisarmRequest {
    pb::DisarmRequest { idempotency_key: Uuid::now_v7().to_string(), reason: "lunch".to_owned() }
}

#[tokio::test]
async fn a_stranger_is_unauthenticated_whatever_they_ask_for() {
    let served = Served::ready().await;
    let mut control = ControlServiceClient::new(served.way(None).await);
    let stranger = control.disarm(disarm()).await.unwrap_err();
    assert_eq!(codes(&stranger), (Code::Unauthenticated, "no-credential".to_owned()));
    let mut call = tonic::Request::new(disarm());
    let key = "Bearer stele_k1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_00000000";
    call.metadata_mut().insert("authorization", key.parse().unwrap());
    let forged = control.disarm(call).await.unwrap_err();
    assert_eq!(codes(&forged), (Code::Unauthenticated, "bad-key".to_owned()));
    let body = Bytes::from_static(b"\xff\xff\xff nonsense");
    let path = axum::http::uri::PathAndQuery::from_static(ARM);
    let mut raw = tonic::client::Grpc::new(tonic::service::interceptor::InterceptedService::new(
        served.channel().await,
        As(None),
    ));
    raw.ready().await.unwrap();
    let unread = raw.unary(tonic::Request::new(body), path, Raw).await.unwrap_err();
    assert_eq!(unread.code(), Code::Unauthenticated, "nobody reads what a stranger sends");
}

#[tokio::test]
async fn who_may_not_is_told_so_and_it_is_recorded() {
    let served = Served::ready().await;
    let viewer = served.control(Role::Viewer).await.disarm(disarm()).await.unwrap_err();
    assert_eq!(codes(&viewer), (Code::PermissionDenied, "forbidden".to_owned()));
    let service = served.trading(Role::Service).await.get_status(pb::GetStatusRequest::default()).await;
    assert_eq!(service.unwrap_err().code(), Code::PermissionDenied);
    let trader = served.log(Role::Trader).await.checkpoint(pb::CheckpointRequest {}).await;
    assert_eq!(trader.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_wish_without_a_readable_key_is_refused_by_field() {
    let served = Served::ready().await;
    let mut control = served.control(Role::Operator).await;
    for key in ["", "7", "not-a-uuid", "01234567-89ab-cdef-0123-456789abcdeg"] {
        let refused = control.disarm(pb::DisarmRequest { idempotency_key: key.to_owned(), ..disarm() }).await;
        let refused = refused.unwrap_err();
        assert_eq!(codes(&refused), (Code::InvalidArgument, "bad-request".to_owned()), "{key:?}");
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "idempotency_key");
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_and_the_door_stays_open() {
    let served = Served::ready().await;
    for nonsense in [&b"\x0a\xff\xff\xff\xff\x0f"[..], b"\x07", b"\x0a\x02\xff\xfe", b"\x1a\x80", &[0xff; 64]]
    {
        let refused = called(&served, ARM, Bytes::copy_from_slice(nonsense)).await.unwrap_err();
        let told = codes(&refused);
        assert_eq!(told, (Code::InvalidArgument, "bad-request".to_owned()), "{nonsense:x?}: {refused:?}");
    }
    served.control(Role::Operator).await.disarm(disarm()).await.unwrap();
}

#[tokio::test]
async fn a_message_of_ten_megabytes_is_refused_before_it_is_kept() {
    let served = Served::ready().await;
    let long = pb::DisarmRequest { reason: "x".repeat(10 * 1024 * 1024), ..disarm() };
    let refused = served.control(Role::Operator).await.disarm(long).await.unwrap_err();
    assert_eq!(codes(&refused), (Code::ResourceExhausted, "body-too-large".to_owned()));
    // Just within, it is the desk's own rule that says no.
    let shorter = pb::ArmRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "x".repeat(200 * 1024),
        mode: pb::Mode::Full.into(),
        term: Some(pb::arm_request::Term::ForMs(1_000)),
        limits_version: None,
    };
    let refused = served.control(Role::Operator).await.arm(shorter).await.unwrap_err();
    assert_eq!(codes(&refused).0, Code::InvalidArgument, "{refused:?}");
}

/// proto3 says that a reader passes over fields it does not know; REST refuses them, because JSON has no numbers that
/// later versions could add.
#[tokio::test]
async fn fields_that_this_build_does_not_know_are_passed_over() {
    let served = Served::ready().await;
    let mut body = disarm().encode_to_vec();
    // Field 1000, length-delimited, and field 1001, a number.
    body.extend_from_slice(b"\xc2\x3e\x05later\xc8\x3e\x07");
    let answer = called(&served, "/stele.api.v1.ControlService/Disarm", Bytes::from(body)).await.unwrap();
    assert!(pb::DisarmResponse::decode(answer).unwrap().receipt.is_some());
}

#[tokio::test]
async fn what_is_no_method_is_unimplemented() {
    let served = Served::ready().await;
    for path in [
        "/stele.api.v1.ControlService/Explode",
        "/stele.api.v1.Nothing/Arm",
        "/stele.api.v2.ControlService/Arm",
        "/grpc.channelz.v1.Channelz/GetServers",
    ] {
        let refused = called(&served, path, Bytes::new()).await.unwrap_err();
        assert_eq!(codes(&refused), (Code::Unimplemented, "unknown-route".to_owned()), "{path}");
    }
}

/// A call whose message never comes to its end.
fn endless(path: &str, timeout: Option<&str>) -> axum::http::Request<axum::body::Body> {
    let nothing = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let mut request = axum::http::Request::post(path)
        .version(axum::http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .extension(visitor(Role::Operator));
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    request.body(axum::body::Body::from_stream(nothing)).unwrap()
}

/// Written by hand: a client gives up by itself at its deadline.
#[tokio::test]
async fn a_deadline_is_respected_and_no_later_answer_is_waited_for() {
    let served = Served::open().await;
    for timeout in ["1n", "50m"] {
        let late = endless("/stele.api.v1.TradingService/ListTables", Some(timeout));
        let response = soon(served.desk.router().oneshot(late)).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(codes(&status), (Code::DeadlineExceeded, "timeout".to_owned()), "{timeout}");
    }
}

#[tokio::test]
async fn whoever_sends_nothing_keeps_nobody_out() {
    let served = Served::ready().await;
    let mut waiting = tokio::task::JoinSet::new();
    for path in [ARM, "/stele.api.v1.ControlService/Kill", "/stele.api.v1.ControlService/GetAccount"] {
        for _ in 0..100 {
            waiting.spawn(served.desk.router().oneshot(endless(path, None)));
        }
    }
    tokio::task::yield_now().await;
    let mut control = served.control(Role::Operator).await;
    soon(control.get_account(pb::GetAccountRequest {})).await.unwrap();
    soon(control.disarm(disarm())).await.unwrap();
    assert_eq!(waiting.len(), 300, "all of them still wait");
}

#[tokio::test]
async fn enums_that_this_build_does_not_know_are_refused_and_never_guessed() {
    let served = Served::ready().await;
    let mut control = served.control(Role::Operator).await;
    let arm = |mode: i32| pb::ArmRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "opening".to_owned(),
        mode,
        term: Some(pb::arm_request::Term::ForMs(1_000)),
        limits_version: None,
    };
    for mode in [0, 3, -1, i32::MAX] {
        let refused = control.arm(arm(mode)).await.unwrap_err();
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "mode");
    }
    let no_term = pb::ArmRequest { term: None, ..arm(1) };
    assert_eq!(control.arm(no_term).await.unwrap_err().code(), Code::InvalidArgument);
    let pause = |service| pb::PauseRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "a quiet hour".to_owned(),
        service,
    };
    for service in [0, 7, -1] {
        let refused = control.pause(pause(service)).await.unwrap_err();
        assert_eq!(codes(&refused), (Code::NotFound, "unknown-service".to_owned()));
    }
    let mut trading = served.trading(Role::Viewer).await;
    let order = pb::QueryTableRequest { table: "decisions".to_owned(), order: 9, ..Default::default() };
    assert_eq!(trading.query_table(order).await.unwrap_err().code(), Code::InvalidArgument);
}
