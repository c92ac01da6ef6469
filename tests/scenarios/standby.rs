//! Two executors of one account in two processes: one signs, the other one stands by.

use crate::scene::{Fleet, Member, Setup, selling};
use stele_api::dto::Arming;
use stele_simulator::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Exit code of who finds that somebody else has it.
const CONFLICT: Option<i32> = Some(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_disarmed_when_the_lease_has_run_out_and_the_first_one_ends() {
    let mut fleet = Fleet::armed(Setup::default()).await;
    let first = fleet.scene.asks(selling(Outcome::DeskWins));
    fleet.scene.becomes(&first, "settled").await;
    fleet.start(Member::Standby);
    let stands_by = async || {
        let (status, body) = probe(&fleet.probes, "/readyz").await?;
        (status == 200 && body.contains("standby: exec-a holds the signing lease")).then_some(())
    };
    fleet.scene.until("a standby that says so and is ready", stands_by).await;
    assert_eq!(fleet.scene.account().await.arming, Arming::Armed, "a standby disarmed the desk");
    assert_eq!(probe(&fleet.probes, "/livez").await.map(|(status, _)| status), Some(200));
    let metrics = probe(&fleet.probes, "/metrics").await.map(|(_, body)| body).unwrap_or_default();
    assert!(metrics.contains("remote_log_calls_total"), "{metrics}");

    fleet.executor.kill().await;
    let leads = async || {
        let account = fleet.scene.account().await;
        account.lease.is_some_and(|lease| lease.holder == "exec-b").then_some(account.arming)
    };
    let arming = fleet.scene.until("the standby has the lease", leads).await;
    assert_eq!(arming, Arming::Disarmed);
    fleet.scene.arm().await;
    let second = fleet.scene.until_acted(|| selling(Outcome::DeskWins)).await;
    fleet.scene.becomes(&second, "settled").await;

    // The first one may not stand by: it finds the lease taken and ends.
    fleet.start(Member::Executor);
    assert_eq!(fleet.executor.ended().await, CONFLICT, "{}", fleet.executor.last_words());
    fleet.scene.at_most_once().await;
}

/// What a probe is answered; none when nobody listens.
async fn probe(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}
