//! A service of another crate beside the desk's own: what the log's is to the doors, with answers made by hand.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use std::convert::Infallible;
use std::sync::Arc;
use stele_api::{Beside, BesideAnswer, BesideMethod};
use stele_domain::access::{Action, Caller};
use tonic::Status;

/// What the paths of its methods begin with.
pub const PREFIX: &str = "/test.v1.Neighbour/";
/// Most bytes of what it is asked.
pub const ASKED_BYTES_MAX: usize = 1_000_000;
/// Bytes of a page that it answers with.
const PAGE_BYTES: usize = 1_000_000;

const fn method(
    name: &'static str,
    counted_as: &'static str,
    action: Action,
    answer: BesideAnswer,
) -> BesideMethod {
    BesideMethod { name, counted_as, action, asked_bytes_max: ASKED_BYTES_MAX, answer }
}

/// The service.
pub fn neighbour() -> Beside {
    let methods = [
        method("Append", "Neighbour/Append", Action::AppendLog, BesideAnswer::Word),
        method("Page", "Neighbour/Page", Action::ReadLog, BesideAnswer::Page),
        method("Live", "Neighbour/Live", Action::ReadLog, BesideAnswer::Live),
    ];
    let needed =
        move |name: &str| methods.iter().find(|method| method.name == name).map(|method| method.action);
    let admits = move |caller: &Caller, name: &'static str| match needed(name) {
        Some(action) if caller.may(action) => Ok(()),
        Some(_) | None => Err(Status::permission_denied(format!("{} may not {name}", caller.role))),
    };
    let service = Router::new().fallback(answer);
    Beside { prefix: PREFIX, methods: methods.into(), admits: Arc::new(admits), service }
}

/// Says how many bytes came, and answers in the way of the method.
async fn answer(request: Request) -> Response {
    let live = request.uri().path().ends_with("Live");
    let page = request.uri().path().ends_with("Page");
    assert!(request.extensions().get::<Caller>().is_some(), "nobody says who asks");
    let asked = request.into_body().collect().await.unwrap().to_bytes().len();
    let mut end = HeaderMap::new();
    end.insert("grpc-status", HeaderValue::from_static("0"));
    end.insert("x-asked-bytes", HeaderValue::from(asked));
    let data = |bytes: usize| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; bytes])));
    let body = if live {
        Body::new(StreamBody::new(stream::repeat_with(move || data(100_000)).boxed()))
    } else {
        let frames = [data(if page { PAGE_BYTES } else { 5 }), Ok(Frame::trailers(end))];
        Body::new(StreamBody::new(stream::iter(frames)))
    };
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}
