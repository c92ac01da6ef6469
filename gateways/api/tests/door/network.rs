//! The door to the network: both versions of HTTP, callers without manners, and the end of it.

use crate::desk::{Desk, Network, PATIENCE};
use crate::raw::{exchange, send_to};
use axum::http::Request;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use stele_api::{DoorError, TcpDoor, TcpOptions};
use stele_domain::access::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

fn anywhere() -> TcpOptions {
    TcpOptions::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// Whatever comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("closed in time");
    drop(read);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_caller_may_speak_http_2_without_asking_first() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let key = desk.key("ann", Role::Viewer).await;
    let io = TokioIo::new(TcpStream::connect(net.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..3 {
        let request = Request::get(format!("http://{}/v1/whoami", net.address))
            .header("authorization", format!("Bearer {}", key.text))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(std::str::from_utf8(&body).unwrap().contains("person:ann"));
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_before_it_is_read() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let key = desk.key("ann", Role::Operator).await;
    let mut stream = TcpStream::connect(net.address).await.unwrap();
    let head = format!(
        "POST /v1/account/disarm HTTP/1.1\r\nhost: desk\r\ncontent-type: application/json\r\n{}\r\n\
         content-length: 10485760\r\n\r\n{{\"reason\":\"",
        key.header()
    );
    // The first bytes only: an answer that waited for the rest would never come.
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body-too-large"), "{answer}");

    // Without a length it is read as far as it may go, and no further.
    let mut stream = TcpStream::connect(net.address).await.unwrap();
    let head = head.replace("content-length: 10485760", "transfer-encoding: chunked");
    let (head, _) = head.split_once("\r\n\r\n").unwrap();
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..160 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(send_to(net.address, "GET", "/livez", &[], b"").await.status == 200);
}

#[tokio::test]
async fn whoever_sends_one_byte_at_a_time_is_shown_out() {
    let desk = Desk::ready().await;
    let net = desk.network(TcpOptions { head_timeout: Duration::from_millis(300), ..anywhere() }).await;
    // Nothing at all, half a head of HTTP/1.1, half a preface of HTTP/2, and a preface with nothing after it.
    let beginnings: [&[u8]; 4] =
        [b"", b"GET /livez HTTP/1.1\r\nhost: d", b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    for beginning in beginnings {
        let mut stream = TcpStream::connect(net.address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let began = Instant::now();
        rest(&mut stream).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{:?} for {beginning:?}", began.elapsed());
    }
    // And one who goes on sending: the time is for the whole head, not for each byte.
    let mut stream = TcpStream::connect(net.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    let began = Instant::now();
    let mut every = tokio::time::interval(Duration::from_millis(50));
    while began.elapsed() < Duration::from_secs(10) {
        every.tick().await;
        if stream.write_all(b"x-slow: 1\r\n").await.is_err() {
            break;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(10), "still listened to after {:?}", began.elapsed());
}

#[tokio::test]
async fn when_every_seat_is_taken_the_next_caller_waits_for_one() {
    let desk = Desk::ready().await;
    let net = desk.network(TcpOptions { connections_max: 2, ..anywhere() }).await;
    let first = TcpStream::connect(net.address).await.unwrap();
    let _second = TcpStream::connect(net.address).await.unwrap();
    let mut third = tokio::spawn(async move { send_to(net.address, "GET", "/livez", &[], b"").await.status });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut third).await;
    assert!(early.is_err(), "answered without a seat: {early:?}");
    drop(first);
    assert_eq!(tokio::time::timeout(PATIENCE, third).await.expect("a seat").unwrap(), 200);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let door = TcpDoor::open(anywhere()).await.unwrap();
    let error = TcpDoor::open(TcpOptions::plain(door.address())).await.err().expect("taken");
    assert!(matches!(&error, DoorError::Address { address, .. } if *address == door.address()), "{error}");
    assert!(error.to_string().contains(&door.address().to_string()), "{error}");
}

async fn opened(net: &Network, key: &str, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(net.address).await.unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nhost: desk\r\n{key}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut first)).await.expect("an answer").unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn a_stop_ends_open_streams_with_a_word_and_everything_within_its_time() {
    let desk = Desk::ready().await;
    let net = desk.networked().await;
    let key = desk.key("ann", Role::Auditor).await.header();
    let mut live = opened(&net, &key, "/v1/stream").await;
    let mut follow = opened(&net, &key, "/v1/log/follow").await;
    // Half a request, and one who asked for everything and reads nothing.
    let mut half = TcpStream::connect(net.address).await.unwrap();
    half.write_all(b"POST /v1/account/kill HTTP/1.1\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
    let _deaf = opened(&net, &key, "/v1/log/follow?from=1").await;
    let began = Instant::now();
    net.stopper.stop();
    let (live, follow) = (rest(&mut live).await, rest(&mut follow).await);
    assert!(live.contains("event: closing"), "{live}");
    assert!(follow.contains("\"closing\""), "{follow}");
    tokio::time::timeout(Duration::from_secs(20), net.served).await.expect("over in time").unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(TcpStream::connect(net.address).await.is_err(), "the port is free again");
}

async fn from_address(net: &Network, address: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((address, 0))).unwrap();
    socket.connect(net.address).await.unwrap()
}

#[tokio::test]
async fn one_address_leaves_connections_to_others() {
    let desk = Desk::ready().await;
    // Nobody is shown out for saying nothing while this lasts.
    let head_timeout = Duration::from_mins(5);
    let net = desk.network(TcpOptions { connections_max: 8, head_timeout, ..anywhere() }).await;
    let (greedy, other) = (Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 2));
    let mut own = vec![];
    for _ in 0..6 {
        own.push(from_address(&net, greedy).await);
    }
    // The seventh and all that follow are closed at once, and take no seat.
    for _ in 0..20 {
        assert_eq!(rest(&mut from_address(&net, greedy).await).await, "");
    }
    let answered = exchange(from_address(&net, other).await, "GET", "/livez", &[], b"").await;
    assert_eq!(answered.status, 200);
    // Its share is its own again when a connection ends.
    drop(own.pop());
    let again = async {
        loop {
            let mut stream = from_address(&net, greedy).await;
            let asked = b"GET /livez HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n\r\n";
            let answer = match stream.write_all(asked).await {
                Ok(()) => rest(&mut stream).await,
                Err(_) => String::new(),
            };
            if answer.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("a seat again");
}
