//! gRPC-Web, written by hand over HTTP/1.1: what a browser sends and reads.

use crate::served::{ROLE, Served, soon};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use stele_proto::api::v1 as pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A frame: a flag, a length, the bytes.
fn framed(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&body);
    frame
}

/// Frames by flag: 0 for messages, 0x80 for trailers.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = vec![];
    while let [flag, a, b, c, d, rest @ ..] = bytes {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
        found.push((*flag, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:x?}");
    found
}

/// One request on its own connection: the head and the body of the answer.
async fn asked(served: &Served, path: &str, kind: &str, role: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: desk\r\ncontent-type: {kind}\r\naccept: {kind}\r\nx-grpc-web: 1\r\n\
         {ROLE}: {role}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = vec![];
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let body = answer.split_off(end + 4);
    let body = if head.contains("transfer-encoding: chunked") { unchunked(&body) } else { body };
    (head, body)
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = vec![];
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
}

const ACCOUNT: &str = "/stele.api.v1.ControlService/GetAccount";
const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text+proto";

#[tokio::test]
async fn a_browser_is_answered_in_frames_with_trailers_in_the_body() {
    let served = Served::ready().await;
    let (head, body) = asked(&served, ACCOUNT, BINARY, "viewer", &framed(&pb::GetAccountRequest {})).await;
    assert!(head.starts_with("http/1.1 200") && head.contains(BINARY), "{head}");
    let frames = frames(&body);
    let [(0, message), (0x80, trailers)] = &frames[..] else { panic!("{frames:x?}") };
    let answer = pb::GetAccountResponse::decode(&message[..]).unwrap();
    assert_eq!(answer.account.unwrap().arming(), pb::Arming::Disarmed);
    let trailers = String::from_utf8_lossy(trailers);
    assert!(trailers.contains("grpc-status:0") || trailers.contains("grpc-status: 0"), "{trailers}");
}

#[tokio::test]
async fn text_frames_are_base64_both_ways() {
    let served = Served::ready().await;
    let body = STANDARD.encode(framed(&pb::GetAccountRequest {}));
    let (head, body) = asked(&served, ACCOUNT, TEXT, "viewer", body.as_bytes()).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    // Each part is padded by itself.
    let mut bytes = vec![];
    for part in String::from_utf8(body).unwrap().split_inclusive('=').filter(|part| *part != "=") {
        let part = part.trim_end_matches('=');
        bytes.extend(base64::engine::general_purpose::STANDARD_NO_PAD.decode(part).unwrap());
    }
    assert!(frames(&bytes).iter().any(|(flag, message)| *flag == 0 && !message.is_empty()));
}

#[tokio::test]
async fn a_browser_that_nobody_vouches_for_is_unauthenticated_in_its_own_form() {
    let served = Served::ready().await;
    let (head, body) = asked(&served, ACCOUNT, BINARY, "nobody", &framed(&pb::GetAccountRequest {})).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("application/grpc-web"), "{head}");
    let said = format!("{head}{}", String::from_utf8_lossy(&body));
    assert!(said.contains("grpc-status:16") || said.contains("grpc-status: 16"), "{said}");
    assert!(said.contains("grpc-status-details-bin"), "{said}");
}

#[tokio::test]
async fn half_a_frame_is_refused_and_holds_nothing_up() {
    let served = Served::ready().await;
    let (head, body) = asked(&served, ACCOUNT, BINARY, "viewer", b"\x00\x00\x00\x00\x09short").await;
    let said = format!("{head}{}", String::from_utf8_lossy(&body));
    assert!(!said.contains("grpc-status: 0") && !said.contains("grpc-status:0"), "{said}");
}
