//! A server that speaks the protocol of witnesses.

use crate::outside::{Memory, Mood, NAME, TestWitness, key_text};
use crate::{Working, commits, contradiction, copied, fill, open, options, until};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_domain::port::event_log::Position;
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::{WitnessKey, cosignatures};
use stele_event_log::{
    Contradiction, EmbeddedLog, VerifyOptions, Witness, WitnessAt, WitnessError, WitnessOptions, cosigned_in,
    verify,
};

fn at(url: String) -> WitnessOptions {
    vouched_for(url, None)
}

/// A server that one of these certificates has to vouch for.
pub fn vouched_for(url: String, ca_file: Option<PathBuf>) -> WitnessOptions {
    options(WitnessAt::Server { url, keys: vec![WitnessKey::parse(&key_text()).unwrap()], ca_file })
}

fn witness(log: &Arc<EmbeddedLog>, directory: &Path, server: &TestWitness) -> Witness {
    Witness::new(Arc::clone(log), directory, &at(server.url())).unwrap()
}

fn server(log: &EmbeddedLog, memory: &Arc<Memory>) -> TestWitness {
    TestWitness::start("127.0.0.1:0", &[log.verifier().to_string()], memory)
}

/// Size and time of the newest cosigned checkpoint.
fn cosigned(log: &EmbeddedLog, directory: &Path) -> Option<(u64, u64)> {
    let note = cosigned_in(directory).unwrap()?;
    let checkpoint = Checkpoint::open(&note, log.verifier()).unwrap();
    let found = cosignatures(&note, &[WitnessKey::parse(&key_text()).unwrap()]).unwrap();
    assert_eq!(found.len(), 1, "{note}");
    assert_eq!(found[0].witness, NAME);
    assert_eq!(note.lines().count(), 6, "three lines, an empty one, two signatures: {note}");
    Some((checkpoint.size, found[0].time_s))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_growth_is_proved_to_the_server_across_restarts_of_either_and_cosigned() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let memory = Arc::new(Memory::default());
    let mut log = open(&directory);
    let origin = log.verifier().name().to_owned();
    let mut at_server = server(&log, &memory);
    let mut times = vec![];
    for (round, growth) in [0, 1, 1, 5, 57, 1, 300, 2].into_iter().enumerate() {
        if round % 3 == 2 {
            log.close().await.unwrap();
            drop(log);
            log = open(&directory);
        }
        if round % 4 == 3 {
            drop(at_server);
            at_server = server(&log, &memory);
        }
        fill(&log, growth, "a").await;
        let witness = witness(&log, &directory, &at_server);
        witness.begin().await.unwrap();
        assert_eq!(memory.size(&origin), Some(commits(&log)));
        let (size, time) = cosigned(&log, &directory).unwrap();
        assert_eq!(size, commits(&log));
        times.push(time);
        // One that goes on knows what the server knows, and is not asked for it again.
        fill(&log, 3, "b").await;
        let before = memory.answers().len();
        witness.export().await.unwrap();
        assert_eq!(memory.answers()[before..], [200]);
    }
    assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    assert!(memory.answers().iter().all(|status| [200, 409].contains(status)), "{:?}", memory.answers());
    // What is cosigned is a checkpoint as any other.
    log.close().await.unwrap();
    let against = cosigned_in(&directory).unwrap();
    verify(&directory, &VerifyOptions { against, ..VerifyOptions::default() }).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_leads_to_what_the_witness_has_cosigned_where_that_has_the_event() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    let at_server = server(&log, &memory);
    fill(&log, 20, "a").await;
    let witness = witness(&log, &directory, &at_server);
    let key = [WitnessKey::parse(&key_text()).unwrap()];
    // Which tree the proof of an event leads to, and how many witnesses have seen it.
    let proved = async |log: &EmbeddedLog, position| {
        let proof = log.inclusion_proof(Position(position)).await.unwrap();
        assert_eq!(proof.record(Position(position)).unwrap().position, Position(position));
        let checkpoint = proof.verify(log.verifier()).unwrap();
        (checkpoint.size, cosignatures(&proof.checkpoint, &key).unwrap().len())
    };
    assert_eq!(proved(&log, 7).await, (commits(&log), 0));
    witness.begin().await.unwrap();
    let (seen, last) = (commits(&log), log.stat().events);
    fill(&log, 5, "b").await;
    for position in [1, 7, last] {
        assert_eq!(proved(&log, position).await, (seen, 1), "{position}");
    }
    assert_eq!(proved(&log, log.stat().events).await, (commits(&log), 0), "nobody has seen the newest");
    witness.export().await.unwrap();
    assert_eq!(proved(&log, 7).await, (commits(&log), 1));
    // As it is found again.
    let seen = commits(&log);
    log.close().await.unwrap();
    drop((witness, log));
    let log = open(&directory);
    fill(&log, 1, "c").await;
    let witness = self::witness(&log, &directory, &at_server);
    drop(at_server);
    witness.begin().await.ok();
    assert_eq!(proved(&log, 7).await, (seen, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_or_slow_or_refuses_holds_nobody_up_and_hears_everything_later() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    let at_server = server(&log, &memory);
    let options = WitnessOptions { export_max: Duration::from_millis(300), ..at(at_server.url()) };
    let witness = Witness::new(Arc::clone(&log), &directory, &options).unwrap();
    for mood in [Mood::Answers(500), Mood::Answers(403), Mood::Answers(404), Mood::Answers(429)] {
        memory.be(mood);
        fill(&log, 1, "a").await;
        // At the start it is no reason not to serve.
        witness.begin().await.unwrap();
        let refused = witness.export().await.expect_err("it refuses");
        assert!(
            matches!(refused, WitnessError::Refused { status, .. } if mood == Mood::Answers(status)),
            "{refused}"
        );
    }
    memory.be(Mood::Silent);
    let late = witness.export().await.expect_err("it says nothing");
    assert!(matches!(late, WitnessError::Late { .. } | WitnessError::Away(_)), "{late}");
    let working = Working::start(witness);
    working.witness.ask();
    let begun = Instant::now();
    fill(&log, 50, "a").await;
    assert!(begun.elapsed() < Duration::from_secs(10), "appends waited for the witness");
    assert_eq!(cosigned(&log, &directory), None);
    memory.be(Mood::Well);
    until("the server takes it", || cosigned(&log, &directory).is_some()).await;
    let witness = working.stop().await;
    let address = at_server.address.to_string();
    drop(at_server);
    fill(&log, 1, "a").await;
    let away = witness.export().await.expect_err("nobody listens");
    assert!(matches!(away, WitnessError::Away(_)) && !away.to_string().contains("prefix"), "{away}");
    let again = TestWitness::start(&address, &[log.verifier().to_string()], &memory);
    witness.export().await.unwrap();
    assert_eq!(memory.size(log.verifier().name()), Some(commits(&log)));
    drop(again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cosignatures_that_are_wrong_or_anothers_are_not_kept() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    fill(&log, 3, "a").await;
    let at_server = server(&log, &memory);
    let witness = witness(&log, &directory, &at_server);
    witness.begin().await.unwrap();
    let kept = cosigned(&log, &directory);
    for mood in [Mood::Foreign, Mood::Liar] {
        memory.be(mood);
        fill(&log, 1, "a").await;
        let refused = witness.export().await.expect_err("it is not believed");
        assert!(
            matches!(refused, WitnessError::Disbelieved(_)) && !refused.contradicts(),
            "{mood:?}: {refused}"
        );
        assert_eq!(cosigned(&log, &directory), kept);
    }
    memory.be(Mood::Well);
    // The server has taken those checkpoints: it is asked from where it is.
    witness.export().await.unwrap();
    assert_eq!(cosigned(&log, &directory).map(|(size, _)| size), Some(5));
    // A log that the server does not know, and a key that is not the log's.
    let other = open(&place.path().join("other"));
    let unknown =
        Witness::new(Arc::clone(&other), &place.path().join("other"), &at(at_server.url())).unwrap();
    let refused = unknown.export().await.expect_err("it is not known");
    assert!(matches!(refused, WitnessError::Refused { status: 404, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_cut_or_went_another_way_is_named_by_the_server() {
    let place = tempfile::tempdir().unwrap();
    let (directory, backup) = (place.path().join("log"), place.path().join("backup"));
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    fill(&log, 10, "a").await;
    let at_server = server(&log, &memory);
    witness(&log, &directory, &at_server).begin().await.unwrap();
    log.close().await.unwrap();
    drop(log);
    // The whole directory, with what was cosigned.
    copied(&directory, &backup);
    let log = open(&directory);
    fill(&log, 10, "a").await;
    witness(&log, &directory, &at_server).begin().await.unwrap();
    log.close().await.unwrap();

    let older = open(&backup);
    let told = witness(&older, &backup, &at_server).begin().await;
    assert_eq!(contradiction(told), Contradiction::Cut { signed: 20, found: 10 });
    fill(&older, 10, "b").await;
    let told = witness(&older, &backup, &at_server).begin().await;
    assert_eq!(contradiction(told), Contradiction::Rewritten { signed: 20 });
    fill(&older, 7, "b").await;
    let told = witness(&older, &backup, &at_server).begin().await;
    assert_eq!(contradiction(told), Contradiction::Denied { signed: 20 });
    assert_eq!(memory.size(older.verifier().name()), Some(20), "the server has taken nothing of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cosigned_names_a_cut_log_when_nobody_can_be_asked() {
    let place = tempfile::tempdir().unwrap();
    let (directory, backup) = (place.path().join("log"), place.path().join("backup"));
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    fill(&log, 10, "a").await;
    log.close().await.unwrap();
    drop(log);
    copied(&directory, &backup);
    let log = open(&directory);
    fill(&log, 10, "a").await;
    let at_server = server(&log, &memory);
    witness(&log, &directory, &at_server).begin().await.unwrap();
    // Somebody puts older segments in the place of these, and leaves the rest.
    std::fs::copy(directory.join("cosigned"), backup.join("cosigned")).unwrap();
    let url = at_server.url();
    drop(at_server);
    let older = open(&backup);
    let alone = Witness::new(Arc::clone(&older), &backup, &at(url)).unwrap();
    assert_eq!(contradiction(alone.begin().await), Contradiction::Cut { signed: 20, found: 10 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nonsense_is_no_contradiction_unless_it_claims_more_than_there_is() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    fill(&log, 10, "a").await;
    let at_server = server(&log, &memory);
    let witness = witness(&log, &directory, &at_server);
    memory.be(Mood::Ahead(3));
    let nonsense = witness.export().await.expect_err("the same size again and again");
    assert!(matches!(nonsense, WitnessError::Garbled(_)), "{nonsense}");
    memory.be(Mood::Answers(409));
    let nonsense = witness.export().await.expect_err("no size");
    assert!(matches!(nonsense, WitnessError::Garbled(_)), "{nonsense}");
    memory.be(Mood::Ahead(11));
    assert_eq!(contradiction(witness.export().await), Contradiction::Cut { signed: 11, found: 10 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nobody_signed_does_not_keep_a_new_log_from_beginning() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    let at_server = server(&log, &memory);
    let witness = witness(&log, &directory, &at_server);
    // A proxy says 409 and no size, or that it has cosigned no commits.
    for mood in [Mood::Answers(409), Mood::Ahead(0)] {
        memory.be(mood);
        witness.begin().await.unwrap();
        let nonsense = witness.export().await.expect_err("there is one tree without commits");
        assert!(matches!(nonsense, WitnessError::Garbled(_)), "{mood:?}: {nonsense}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_of_cosignatures_is_none_and_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    fill(&log, 3, "a").await;
    let at_server = server(&log, &memory);
    witness(&log, &directory, &at_server).begin().await.unwrap();
    let path = directory.join("cosigned");
    for damage in [vec![0xff; 10], vec![], vec![b'x'; 100 * 1024]] {
        std::fs::write(&path, damage).unwrap();
        witness(&log, &directory, &at_server).begin().await.unwrap();
        assert_eq!(cosigned(&log, &directory).map(|(size, _)| size), Some(3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_log_is_closed_its_witness_leaves_the_directory_alone() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("log");
    let memory = Arc::new(Memory::default());
    let log = open(&directory);
    fill(&log, 3, "a").await;
    let at_server = server(&log, &memory);
    let late = witness(&log, &directory, &at_server);
    late.begin().await.unwrap();
    fill(&log, 2, "a").await;
    log.close().await.unwrap();
    // It is another's now, who may be writing the same file.
    let next = open(&directory);
    let unfinished = directory.join("cosigned.tmp");
    std::fs::write(&unfinished, "half of it").unwrap();
    late.export().await.unwrap();
    assert_eq!(memory.size(log.verifier().name()), Some(5), "the witness is told");
    assert_eq!(cosigned(&next, &directory).map(|(size, _)| size), Some(3));
    assert_eq!(std::fs::read_to_string(&unfinished).unwrap(), "half of it");
}
