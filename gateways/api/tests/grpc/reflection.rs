//! Reflection: whoever reaches the door can find out how to talk to it, with old clients and new.

use crate::served::{Served, soon};
use futures_util::stream;
use prost::Message;
use std::collections::BTreeSet;
use tonic_reflection::pb::{v1, v1alpha};

#[tokio::test]
async fn every_service_is_listed_and_described_with_its_words() {
    let served = Served::open().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(served.channel().await);
    let asked = |request| v1::ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let list = asked(v1::server_reflection_request::MessageRequest::ListServices(String::new()));
    let mut answers = client.server_reflection_info(stream::iter([list])).await.unwrap().into_inner();
    let answer = soon(answers.message()).await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(listed) = answer else {
        panic!("{answer:?}");
    };
    let names: BTreeSet<&str> = listed.service.iter().map(|service| service.name.as_str()).collect();
    for name in [
        "stele.api.v1.ControlService",
        "stele.api.v1.TradingService",
        "stele.api.v1.LogService",
        "stele.api.v1.AccessService",
        "stele.api.v1.ProjectionService",
        "stele.api.v1.AuditService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    let symbol = "stele.api.v1.WatchDecisionsResponse".to_owned();
    let symbol = asked(v1::server_reflection_request::MessageRequest::FileContainingSymbol(symbol));
    let mut answers = client.server_reflection_info(stream::iter([symbol])).await.unwrap().into_inner();
    let answer = soon(answers.message()).await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::FileDescriptorResponse(files) = answer else {
        panic!("{answer:?}");
    };
    let file = prost_types::FileDescriptorProto::decode(&*files.file_descriptor_proto[0]).unwrap();
    let told = file.message_type.iter().find(|message| message.name() == "WatchDecisionsResponse").unwrap();
    let decision = told.field.iter().find(|field| field.name() == "decision").unwrap();
    assert_eq!(decision.type_name(), ".stele.api.v1.Decision", "to everybody else it is a message");
    assert!(file.source_code_info.is_some_and(|info| !info.location.is_empty()), "comments are told too");
}

#[tokio::test]
async fn clients_that_know_only_the_old_reflection_are_served_too() {
    let served = Served::open().await;
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(served.channel().await);
    let list = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let mut answers = client.server_reflection_info(stream::iter([list])).await.unwrap().into_inner();
    assert!(soon(answers.message()).await.unwrap().unwrap().message_response.is_some());
}
