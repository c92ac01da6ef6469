//! Pages of other sites: a browser sends a certificate along with whatever they ask for. Both doors refuse in one word.

use crate::served::{Served, caller, codes, soon, visitor};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use stele_domain::access::Role;
use stele_domain::port::event_log::{Filter, Position};
use stele_proto::api::v1 as pb;
use tonic::Code;
use tower::ServiceExt;
use uuid::Uuid;

/// What a page of another site can't keep a browser from saying.
const ELSEWHERE: [(&str, &str); 4] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("origin", "https://evil.example"),
    ("origin", "null"),
];

/// Status and code of a wish by REST, asked in the way a form or a script without leave asks: no body, no type.
async fn by_rest(served: &Served, target: &str, header: (&str, &str), key: Option<&str>) -> (u16, String) {
    let mut request = Request::post(target).header("host", "desk:8420").header(header.0, header.1);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let request = request.extension(visitor(Role::Operator)).body(Body::empty()).unwrap();
    let response = served.desk.router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn kill(header: (&'static str, &'static str)) -> tonic::Request<pb::KillRequest> {
    let idempotency_key = Uuid::now_v7().to_string();
    let mut call = tonic::Request::new(pb::KillRequest { idempotency_key, reason: String::new() });
    call.metadata_mut().insert(header.0, header.1.parse().unwrap());
    call
}

#[tokio::test]
async fn no_page_of_another_site_kills_in_the_name_of_a_certificate() {
    let served = Served::ready().await;
    let mut control = served.control(Role::Operator).await;
    for header in ELSEWHERE {
        let rest = by_rest(&served, "/v1/account/kill", header, None).await;
        assert_eq!(rest, (403, "cross-site".to_owned()), "{header:?}");
        let grpc = control.kill(kill(header)).await.unwrap_err();
        assert_eq!(codes(&grpc), (Code::PermissionDenied, "cross-site".to_owned()), "{header:?}");
    }
    let account = control.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    assert_eq!(account.arming(), pb::Arming::Disarmed);
    for target in ["/v1/account/disarm", "/v1/services/market/refresh", "/v1/log/checkpoint"] {
        let (status, code) = by_rest(&served, target, ELSEWHERE[0], None).await;
        assert_eq!(status, 403, "{target}: {code}");
    }
    // The desk's own page may, and so may a page whose author was given a key.
    let own = by_rest(&served, "/v1/account/disarm", ("origin", "https://desk:8420"), None).await;
    assert_eq!(own.0, 200, "{own:?}");
    let key = served.desk.key("ann", Role::Operator).await.text;
    let lent = by_rest(&served, "/v1/account/kill", ELSEWHERE[0], Some(&key)).await;
    assert_eq!(lent.0, 200, "{lent:?}");
}

#[tokio::test]
async fn the_attempt_is_written_down_and_reading_goes_on() {
    let served = Served::ready().await;
    let (_stopper, stop) = stele_commands::stop::channel();
    served.desk.audited(&stop);
    let _ = by_rest(&served, "/v1/account/kill", ELSEWHERE[0], None).await;
    let filter = Filter { categories: vec![], event_types: vec!["access.Attempted".to_owned()] };
    let mut follow = served.desk.log.follow(Position(1), filter);
    let attempt = soon(async {
        loop {
            if let Some(record) = follow.next(1).await.unwrap().records.pop() {
                return String::from_utf8(record.data.to_vec()).unwrap();
            }
        }
    })
    .await;
    assert!(attempt.contains("another site") && attempt.contains("kill"), "{attempt}");
    let mut call = tonic::Request::new(pb::GetAccountRequest {});
    call.metadata_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(caller(Role::Viewer).role, Role::Viewer);
    served.control(Role::Viewer).await.get_account(call).await.unwrap();
}
