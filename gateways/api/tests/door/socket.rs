//! The socket file: whose it is, who gets it, and what stands in its place.

use crate::desk::{Desk, PATIENCE};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use stele_api::client::{Client, ClientError};
use stele_api::{DoorError, UnixDoor, serve_unix};
use stele_commands::stop;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_socket_and_a_directory_made_for_it_are_for_the_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/api.sock");
    let _door = UnixDoor::open(&path).await.unwrap();
    assert_eq!((mode(&path), mode(&dir.path().join("run"))), (0o600, 0o700));
    let left: Vec<_> =
        std::fs::read_dir(dir.path().join("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the socket and its lock, nothing else: {left:?}");
}

#[tokio::test]
async fn a_second_desk_is_refused_and_the_first_goes_on() {
    let desk = Desk::ready().await;
    let error = UnixDoor::open(&desk.path).await.unwrap_err();
    assert!(matches!(error, DoorError::Taken { .. }), "{error}");
    assert_eq!(desk.client.live().await.unwrap().status, "live");
}

#[tokio::test]
async fn a_socket_that_somebody_else_answers_on_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let _other = UnixListener::bind(&path).unwrap();
    let before = std::fs::metadata(&path).unwrap().ino();
    let error = UnixDoor::open(&path).await.unwrap_err();
    assert!(matches!(error, DoorError::Taken { .. }), "{error}");
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), before);
}

#[tokio::test]
async fn a_socket_that_a_dead_process_left_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (stopper, stop) = stop::channel();
    let door = UnixDoor::open(&path).await.unwrap();
    let served = tokio::spawn(door.serve(axum::Router::new(), stop));
    assert_eq!(
        Client::unix(&path).live().await.unwrap_err().problem(),
        None,
        "somebody answers, if only with 404"
    );
    stopper.stop();
    tokio::time::timeout(PATIENCE, served).await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    std::fs::write(&path, "precious").unwrap();
    let (_stopper, stop) = stop::channel();
    let error = serve_unix(&path, axum::Router::new(), stop).await.unwrap_err();
    assert!(matches!(error, DoorError::NotASocket { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_named_with_its_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x".repeat(120));
    let error = UnixDoor::open(&path).await.unwrap_err();
    assert!(matches!(error, DoorError::TooLong { max: 107, .. }), "{error}");
}

#[tokio::test]
async fn where_no_desk_runs_the_client_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let missing = Client::unix(&path).status().await.unwrap_err();
    drop(UnixListener::bind(&path).unwrap());
    let stale = Client::unix(&path).status().await.unwrap_err();
    for error in [missing, stale] {
        assert!(matches!(error, ClientError::Unreachable { .. }) && error.is_transient(), "{error:?}");
        assert!(error.to_string().contains("stele serve"), "{error}");
    }
}

#[tokio::test]
async fn a_listener_that_speaks_something_else_is_a_broken_or_unknown_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
    });
    let error = Client::unix(&path).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Lost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_request_that_no_door_vouches_for_is_refused() {
    use tower::ServiceExt;
    let desk = Desk::ready().await;
    // The router behind a door that says nothing of its callers.
    let (router, request) = (desk.router(), axum::http::Request::get("/v1/status"));
    let answer = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 401);
}
