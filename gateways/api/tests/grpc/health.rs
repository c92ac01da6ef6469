//! Health, as orchestrators ask for it: without a credential, and bound to readiness.

use crate::served::{Served, soon};
use std::sync::atomic::Ordering;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[tokio::test]
async fn a_desk_serves_while_it_is_ready_and_says_when_it_is_not() {
    let served = Served::ready().await;
    let mut health = HealthClient::new(served.channel().await);
    let of = |service: &str| HealthCheckRequest { service: service.to_owned() };
    for service in ["", "stele.api.v1.ControlService", "stele.api.v1.TradingService"] {
        let told = health.check(of(service)).await.unwrap().into_inner();
        assert_eq!(told.status(), ServingStatus::Serving, "{service}");
    }
    for service in ["stele.api.v1.", "stele.api.v1.Nothing", "stele.log.v1.EventLog", "other"] {
        assert_eq!(health.check(of(service)).await.unwrap_err().code(), Code::NotFound, "{service}");
    }
    let mut watch = health.watch(of("")).await.unwrap().into_inner();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    served.desk.healthy.store(false, Ordering::SeqCst);
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(health.check(of("")).await.unwrap().into_inner().status(), ServingStatus::NotServing);
    let mut unknown = health.watch(of("other")).await.unwrap().into_inner();
    assert_eq!(soon(unknown.message()).await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    // A stopping desk keeps nobody waiting.
    served.stopper.stop();
    assert!(soon(watch.message()).await.unwrap().is_none());
}
