//! Checkpoints and proofs of a desk in several processes: whichever process is asked, what it hands out is believed by
//! somebody who has nothing but the log's public key.

use crate::scene::{Fleet, Member, Setup, run_to_end, selling};
use std::path::PathBuf;
use std::process::Output;
use stele_api::client::{Client, EventsQuery};
use stele_domain::port::event_log::Position;
use stele_event_log::InclusionProof;
use stele_event_log::note::NoteVerifier;
use stele_proto::api::v1::ProveRequest;
use stele_proto::api::v1::log_service_client::LogServiceClient;
use stele_simulator::Outcome;
use tonic::Request;

/// Exit code of a proof that is not believed.
const MISMATCH: Option<i32> = Some(8);

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The public key of the fleet's log, as an auditor has it.
fn auditors_key(fleet: &Fleet) -> PathBuf {
    fleet.scene.file("owner-data").join("log").join("key.pub")
}

fn config(fleet: &Fleet, member: Member) -> String {
    fleet.scene.file(&format!("{}.toml", member.name())).to_string_lossy().into_owned()
}

/// The place of the newest decision.
async fn decided(fleet: &Fleet) -> u64 {
    let types = vec!["trading.Decided".to_owned()];
    let query = EventsQuery { types, backward: true, limit: Some(1), ..EventsQuery::default() };
    let page = fleet.scene.client.events(&query).await.expect("a page");
    page.events.first().expect("a decision").position
}

/// `stele log prove` against the desk of that process, checked against a key.
async fn prove(fleet: &Fleet, member: Member, position: u64, key: &std::path::Path) -> Output {
    let (position, key) = (position.to_string(), key.to_string_lossy().into_owned());
    run_to_end(&["log", "prove", &position, "--key", &key, "--config", &config(fleet, member)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_from_a_process_without_the_log_is_believed_by_whoever_has_the_key() {
    let fleet = Fleet::armed(Setup::default()).await;
    let id = fleet.scene.asks(selling(Outcome::DeskWins));
    fleet.scene.becomes(&id, "settled").await;
    let position = decided(&fleet).await;
    let key = auditors_key(&fleet);
    let believed = NoteVerifier::parse(&std::fs::read_to_string(&key).expect("a key")).expect("a key");

    // The command line checks it, and an altered key does not do.
    for member in [Member::Front, Member::Owner] {
        let proved = prove(&fleet, member, position, &key).await;
        assert!(proved.status.success() && said(&proved).contains("is in the log"), "{}", said(&proved));
    }
    let other = fleet.scene.file("other.pub");
    let forged = stele_event_log::note::NoteSigner::from_seed(believed.name(), &[7; 32]);
    std::fs::write(&other, forged.verifier().to_string()).expect("a file");
    let refused = prove(&fleet, Member::Front, position, &other).await;
    assert_eq!(refused.status.code(), MISMATCH, "{}", said(&refused));

    // REST at either process and gRPC tell the same commit; what it leads to may have grown in between.
    let owner = Client::unix(fleet.scene.file("owner.s"));
    let rest = fleet.scene.client.prove(position).await.expect("a proof");
    let at_the_owner = owner.prove(position).await.expect("a proof");
    let same =
        |proof: &stele_api::dto::EventProof| (proof.first_position, proof.leaf_index, proof.payload.clone());
    assert_eq!(same(&rest), same(&at_the_owner));
    let grpc = by_grpc(&fleet, position).await;
    assert_eq!((grpc.first.0, grpc.index), (rest.first_position, rest.leaf_index));
    assert_eq!(Some(&grpc.payload), rest.parts().as_ref().map(|(payload, _)| payload));
    let checkpoint = grpc.verify(&believed).expect("a proof that holds");
    assert!(checkpoint.size > grpc.index, "{checkpoint:?}");
}

/// The same question by gRPC at the process that answers persons, asked by an auditor.
async fn by_grpc(fleet: &Fleet, position: u64) -> InclusionProof {
    fleet.make_key("auditor", "auditor", &[]).await;
    let bearer = std::fs::read_to_string(fleet.scene.file("auditor.key")).expect("a key");
    let client =
        LogServiceClient::connect(format!("http://{}", fleet.front_port)).await.expect("a connection");
    // A key that was made a moment ago comes to the other processes by the log.
    let ask = async || {
        let mut request = Request::new(ProveRequest { position });
        let bearer = format!("Bearer {}", bearer.trim()).parse().expect("a header");
        request.metadata_mut().insert("authorization", bearer);
        client.clone().prove(request).await.ok()
    };
    let told = fleet.scene.until("a proof for who has a new key", ask).await.into_inner();
    InclusionProof {
        first: Position(told.first_position),
        index: told.leaf_index,
        payload: told.payload,
        path: told.path.into_iter().map(|hash| hash.try_into().expect("32 bytes")).collect(),
        checkpoint: told.checkpoint,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_from_a_process_without_the_log_shows_later_that_nothing_was_cut() {
    let mut fleet = Fleet::armed(Setup::default()).await;
    let signed = run_to_end(&["log", "checkpoint", "--config", &config(&fleet, Member::Front)]).await;
    assert!(signed.status.success(), "{}", said(&signed));
    let kept = fleet.scene.file("checkpoint.txt");
    std::fs::write(&kept, &signed.stdout).expect("a file");
    let id = fleet.scene.asks(selling(Outcome::DeskWins));
    fleet.scene.becomes(&id, "settled").await;

    // It goes on from there, says the process without the log, and anybody with the key sees it.
    let (old, key) = (kept.to_string_lossy().into_owned(), auditors_key(&fleet));
    let key = key.to_string_lossy().into_owned();
    let front = config(&fleet, Member::Front);
    let proved = run_to_end(&["log", "prove", "--consistency", &old, "--json", "--config", &front]).await;
    assert!(proved.status.success(), "{}", said(&proved));
    let proof = fleet.scene.file("consistency.json");
    std::fs::write(&proof, &proved.stdout).expect("a file");
    let proof = proof.to_string_lossy().into_owned();
    let believed = run_to_end(&["log", "check", &proof, "--key", &key]).await;
    assert!(believed.status.success() && said(&believed).contains("goes on from"), "{}", said(&believed));
    // It tells the owner's rates, too.
    let stat = fleet.scene.client.log_stat().await.expect("numbers");
    let spans: Vec<u64> = stat.growth.iter().map(|growth| growth.asked_ms).collect();
    assert_eq!(spans, [60_000, 300_000, 0], "{stat:?}");
    let since_open = stat.growth.last().expect("a rate");
    assert!(since_open.events > 0 && since_open.events_per_second_milli > 0, "{since_open:?}");
    assert_eq!(since_open.categories.values().sum::<u64>(), since_open.events, "{since_open:?}");

    // Without the owner there is no proof, and the process says so and goes on.
    fleet.owner.kill().await;
    let none = fleet.scene.client.checkpoint().await.expect_err("a checkpoint of a log that is away");
    assert!(none.is_transient(), "{none:?}");
    for member in [Member::Front, Member::Executor, Member::Strategy] {
        fleet.member(member).stop().await;
    }
    let (against, owner) = (kept.to_string_lossy().into_owned(), config(&fleet, Member::Owner));
    let verified = run_to_end(&["log", "verify", "--against", &against, "--config", &owner]).await;
    assert!(verified.status.success(), "{}", said(&verified));
}
