//! Keys, from their making to their end, presented as a client presents them.

use crate::served::{Served, codes, soon};
use stele_domain::access::Role;
use stele_proto::api::v1 as pb;
use stele_proto::api::v1::access_service_client::AccessServiceClient;
use stele_proto::api::v1::control_service_client::ControlServiceClient;
use stele_proto::api::v1::log_service_client::LogServiceClient;
use stele_proto::api::v1::trading_service_client::TradingServiceClient;
use tonic::{Code, Request};
use uuid::Uuid;

fn with_key<T>(text: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {text}").parse().unwrap());
    request
}

#[tokio::test]
async fn a_key_opens_what_its_role_may_until_it_is_taken_back() {
    let served = Served::ready().await;
    let mut admin = served.access(Role::Admin).await;
    let create = pb::CreateKeyRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "a screen in the office".to_owned(),
        owner: "ann".to_owned(),
        role: pb::Role::Viewer.into(),
        scope: None,
        label: "dashboard".to_owned(),
        term: None,
    };
    let made = admin.create_key(create.clone()).await.unwrap().into_inner();
    assert!(made.secret.starts_with("stele_") && made.secret.contains(&made.key_id));
    let again = admin.create_key(create).await.unwrap_err();
    assert_eq!(codes(&again), (Code::FailedPrecondition, "key-shown-once".to_owned()));
    assert!(!format!("{again:?}").contains(&made.secret));

    let mut stranger = ControlServiceClient::new(served.channel().await);
    let account = || with_key(&made.secret, pb::GetAccountRequest {});
    stranger.get_account(account()).await.unwrap();
    let disarm = pb::DisarmRequest { idempotency_key: Uuid::now_v7().to_string(), reason: String::new() };
    assert_eq!(codes(&stranger.disarm(with_key(&made.secret, disarm)).await.unwrap_err()).1, "forbidden");
    let mut access = AccessServiceClient::new(served.channel().await);
    let who = access.who_am_i(with_key(&made.secret, pb::WhoAmIRequest {})).await.unwrap().into_inner();
    assert_eq!(
        (who.actor.as_str(), who.role(), who.key_id.as_ref()),
        ("person:ann", pb::Role::Viewer, Some(&made.key_id))
    );
    assert_eq!(who.actions, ["read"]);

    let revoke = pb::RevokeKeyRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "the screen is gone".to_owned(),
        key_id: made.key_id.clone(),
    };
    admin.revoke_key(revoke).await.unwrap();
    let shut = stranger.get_account(account()).await.unwrap_err();
    assert_eq!(codes(&shut), (Code::Unauthenticated, "revoked-key".to_owned()));
    let keys = admin.list_keys(pb::ListKeysRequest {}).await.unwrap().into_inner().keys;
    let listed = keys.iter().find(|key| key.key_id == made.key_id).unwrap();
    assert_eq!((listed.standing(), listed.owner.as_str()), (pb::KeyStanding::Revoked, "ann"));
}

/// Whoever was let in long ago is not forgotten: a stream ends when its key does.
#[tokio::test]
async fn a_stream_ends_when_the_key_that_opened_it_is_taken_back() {
    let served = Served::ready().await;
    let mut admin = served.access(Role::Admin).await;
    let create = pb::CreateKeyRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "a screen in the office".to_owned(),
        owner: "ann".to_owned(),
        role: pb::Role::Auditor.into(),
        scope: None,
        label: "dashboard".to_owned(),
        term: None,
    };
    let made = admin.create_key(create).await.unwrap().into_inner();
    let mut trading = TradingServiceClient::new(served.channel().await);
    let watch = with_key(&made.secret, pb::WatchDecisionsRequest { from_position: None });
    let mut watch = trading.watch_decisions(watch).await.unwrap().into_inner();
    let mut log = LogServiceClient::new(served.channel().await);
    let tail = with_key(&made.secret, pb::TailRequest { follow: true, ..Default::default() });
    let mut tail = log.tail(tail).await.unwrap().into_inner();
    let revoke = pb::RevokeKeyRequest {
        idempotency_key: Uuid::now_v7().to_string(),
        reason: "the screen is gone".to_owned(),
        key_id: made.key_id,
    };
    admin.revoke_key(revoke).await.unwrap();
    let ended = soon(async {
        loop {
            if let Err(ended) = watch.message().await {
                break ended;
            }
        }
    })
    .await;
    assert_eq!(codes(&ended), (Code::Unauthenticated, "revoked-key".to_owned()));
    let ended = soon(async {
        loop {
            if let Err(ended) = tail.message().await {
                break ended;
            }
        }
    })
    .await;
    assert_eq!(codes(&ended), (Code::Unauthenticated, "revoked-key".to_owned()));
}

#[tokio::test]
async fn only_an_admin_hands_out_keys_and_everybody_may_ask_who_they_are() {
    let served = Served::ready().await;
    for role in Role::ALL {
        let mut access = served.access(role).await;
        let who = access.who_am_i(pb::WhoAmIRequest {}).await.unwrap().into_inner();
        assert_eq!(who.role().as_str_name().trim_start_matches("ROLE_").to_lowercase(), role.name());
        let keys = access.list_keys(pb::ListKeysRequest {}).await;
        assert_eq!(keys.is_ok(), role == Role::Admin, "{role}");
    }
    let mut viewer = served.access(Role::Viewer).await;
    let roles = viewer.list_roles(pb::ListRolesRequest {}).await.unwrap().into_inner().roles;
    assert_eq!(roles.len(), Role::ALL.len());
}
