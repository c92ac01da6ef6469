//! A server that ends a reading without a word, from which the client crate never comes back. In a process of its own: the
//! thread that is lost goes on until the process ends.

use futures_util::stream;
use std::pin::Pin;
use stele_domain::port::event_log::{EventLog, Filter, LogError, Position};
use stele_eventstore::{Address, EventStoreLog};
use stele_proto::kurrent::client::streams::read_req::options::CountOption;
use stele_proto::kurrent::client::streams::read_resp::{Content, SubscriptionConfirmation};
use stele_proto::kurrent::client::streams::streams_server::{Streams, StreamsServer};
use stele_proto::kurrent::client::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
    TombstoneReq, TombstoneResp,
};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// Confirms readings and ends them; knows nothing else.
struct Wordless;

type Told<T> = Pin<Box<dyn futures_util::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Streams for Wordless {
    type ReadStream = Told<ReadResp>;
    type BatchAppendStream = Told<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        let options = request.into_inner().options.unwrap_or_default();
        let confirmation = SubscriptionConfirmation { subscription_id: "1".to_owned() };
        let word = ReadResp { content: Some(Content::Confirmation(confirmation)) };
        let words = match options.count_option {
            Some(CountOption::Subscription(_)) => vec![Ok(word)],
            Some(CountOption::Count(_)) | None => vec![],
        };
        Ok(Response::new(Box::pin(stream::iter(words))))
    }

    async fn append(&self, _: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        Err(Status::unimplemented("append"))
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("delete"))
    }

    async fn tombstone(&self, _: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        Err(Status::unimplemented("tombstone"))
    }

    async fn batch_append(
        &self,
        _: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        Err(Status::unimplemented("batch_append"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_the_server_ends_without_a_word_is_told_and_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!("kurrentdb://{}?tls=false", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().add_service(StreamsServer::new(Wordless));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let log = EventStoreLog::new(&Address::read(&text, None).unwrap()).unwrap();
    let mut follow = log.follow(Position::START, Filter::all());
    let error = follow.next(10).await.unwrap_err();
    assert!(matches!(&error, LogError::Stopped(_)) && !error.is_transient(), "{error:?}");
    // What needs no reading goes on.
    assert_eq!(log.head().await.unwrap(), Position::START);
}
