//! What the log signs and proves, and what `verify` holds against it.

use crate::support::{clock, open, options, record, sized, stream};
use std::sync::Arc;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, Position};
use stele_event_log::checkpoint::Checkpoint;
use stele_event_log::note::{NoteSigner, NoteVerifier};
use stele_event_log::simulated_disk::SimulatedDisk;
use stele_event_log::tree::Frontier;
use stele_event_log::{
    EmbeddedLog, InvalidProof, Options, Stat, VerifyError, VerifyOptions, prove_consistency_on, verify,
    verify_on,
};

/// A log over several segments, with commits of one to three records.
async fn filled(disk: &SimulatedDisk, commits: u64) -> EmbeddedLog {
    let log = open(disk);
    fill(&log, 0..commits).await;
    log
}

async fn fill(log: &EmbeddedLog, commits: std::ops::Range<u64>) {
    for commit in commits {
        let records = (0..=commit % 3).map(|nth| record(commit * 3 + nth)).collect();
        log.append(&stream(&format!("order-{}", commit % 5)), Expected::Any, records).await.unwrap();
    }
}

#[tokio::test]
async fn every_record_is_proved_to_be_in_the_signed_tree() {
    let disk = SimulatedDisk::new();
    let log = filled(&disk, 600).await;
    let verifier = NoteVerifier::parse(&log.verifier().to_string()).unwrap();
    let head = log.head().await.unwrap();
    for position in (1..=head.0).step_by(13).chain([head.0]) {
        let proof = log.inclusion_proof(Position(position)).await.unwrap();
        let checkpoint = proof.verify(&verifier).unwrap();
        assert_eq!(checkpoint.size, 600);
        assert!(proof.first.0 <= position, "{} > {position}", proof.first);
        let mut other = proof.clone();
        other.payload[0] ^= 1;
        assert!(matches!(other.verify(&verifier), Err(InvalidProof::Path(_))));
        let mut moved = proof.clone();
        moved.first = moved.first.next();
        assert!(matches!(moved.verify(&verifier), Err(InvalidProof::Path(_))));
        let forged =
            stele_event_log::InclusionProof { checkpoint: proof.checkpoint.replace("600", "601"), ..proof };
        assert!(matches!(forged.verify(&verifier), Err(InvalidProof::Checkpoint(_))));
    }
    for outside in [0, head.0 + 1] {
        let none = log.inclusion_proof(Position(outside)).await;
        assert!(matches!(none, Err(LogError::Invalid(_))), "{none:?}");
    }
}

#[tokio::test]
async fn an_event_is_proved_under_a_checkpoint_that_was_signed_before_or_not_at_all() {
    let disk = SimulatedDisk::new();
    let log = filled(&disk, 200).await;
    let verifier = log.verifier().clone();
    let note = log.checkpoint().unwrap();
    let signed = Checkpoint::open(&note, &verifier).unwrap();
    let last = log.head().await.unwrap();
    fill(&log, 200..300).await;
    let under = async |position: u64, checkpoint: Checkpoint| {
        log.inclusion_proof_under(Position(position), checkpoint, note.clone()).await.unwrap()
    };
    for position in (1..=last.0).step_by(17).chain([last.0]) {
        let proof = under(position, signed.clone()).await.unwrap();
        assert_eq!((proof.verify(&verifier).unwrap().size, &proof.checkpoint), (200, &note));
        assert!(proof.record(Position(position)).is_some());
    }
    assert!(under(last.0 + 1, signed.clone()).await.is_none(), "it came later");
    assert!(under(1, Checkpoint { root: [7; 32], ..signed.clone() }).await.is_none(), "of another course");
    assert!(under(1, Checkpoint { size: 5_000, ..signed }).await.is_none(), "of more than there is");
}

#[tokio::test]
async fn every_checkpoint_is_proved_to_continue_every_earlier_one() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    let verifier = log.verifier().clone();
    let mut checkpoints = vec![];
    for step in 0..12 {
        checkpoints.push(Checkpoint::open(&log.checkpoint().unwrap(), &verifier).unwrap());
        fill(&log, step * 55..(step + 1) * 55).await;
    }
    for (nth, old) in checkpoints.iter().enumerate() {
        for new in &checkpoints[nth..] {
            let proof = log.consistency_proof(old.size, new.size).await.unwrap();
            assert_eq!(proof.verify(old, new), Ok(()), "{} to {}", old.size, new.size);
            let other = Checkpoint { root: [7; 32], ..new.clone() };
            assert!(proof.verify(old, &other).is_err() || old.size == 0, "{} to {}", old.size, new.size);
        }
    }
    assert!(matches!(log.consistency_proof(9, 8).await, Err(LogError::Invalid(_))));
    assert!(matches!(log.consistency_proof(1, 5_000).await, Err(LogError::Invalid(_))));
}

#[tokio::test]
async fn files_prove_that_the_log_goes_on_from_a_checkpoint_as_the_open_log_does() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    let verifier = log.verifier().clone();
    let mut notes = vec![];
    for step in 0..8 {
        notes.push(log.checkpoint().unwrap());
        fill(&log, step * 77..(step + 1) * 77).await;
    }
    for (nth, old) in notes.iter().enumerate() {
        for new in &notes[nth..] {
            let proof = prove_consistency_on(&disk, old, Some(new)).unwrap();
            let (older, newer) = proof.verify(&verifier).unwrap();
            let open = log.consistency_proof(older.size, newer.size).await.unwrap();
            assert_eq!(proof.path, open.path, "{} to {}", older.size, newer.size);
        }
    }
    let wrong_order = prove_consistency_on(&disk, &notes[2], Some(&notes[1]));
    assert!(matches!(wrong_order, Err(VerifyError::Order { old: 154, new: 77 })), "{wrong_order:?}");
    log.close().await.unwrap();
    // Without a newer one it is the last that is stored.
    let proof = prove_consistency_on(&disk, &notes[3], None).unwrap();
    let (older, newer) = proof.verify(&verifier).unwrap();
    assert_eq!((older.size, newer.size), (231, 616));
    let mut forged = proof.clone();
    forged.path[0][0] ^= 1;
    assert!(matches!(forged.verify(&verifier), Err(InvalidProof::Path(_))));
    let mut forged = proof;
    forged.new = forged.new.replace("616", "617");
    assert!(matches!(forged.verify(&verifier), Err(InvalidProof::Checkpoint(_))));
}

#[tokio::test]
async fn no_consistency_is_proved_of_a_log_that_was_cut_rewritten_or_damaged() {
    let disk = SimulatedDisk::new();
    let log = filled(&disk, 40).await;
    let (early, cut) = (log.checkpoint().unwrap(), disk.copy());
    fill(&log, 40..80).await;
    let late = log.checkpoint().unwrap();
    log.close().await.unwrap();
    let prove = |disk: &SimulatedDisk| prove_consistency_on(disk, &early, Some(&late));
    prove(&disk).unwrap();
    let refused = prove(&cut);
    assert!(matches!(refused, Err(VerifyError::Truncated { signed: 80, found: 40 })), "{refused:?}");
    let log = open(&cut);
    for number in 5_000..5_060 {
        log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
    log.close().await.unwrap();
    let refused = prove(&cut);
    assert!(matches!(refused, Err(VerifyError::Rewritten { signed: 80 })), "{refused:?}");
    let refused = prove_consistency_on(&cut, &late, None);
    assert!(matches!(refused, Err(VerifyError::Rewritten { signed: 80 })), "{refused:?}");
    disk.flip_bit("00000000000000000001.seg", 5_000 * 8);
    assert!(matches!(prove(&disk), Err(VerifyError::Damaged { .. })));
}

#[tokio::test]
async fn a_proof_tells_the_event_that_it_is_about_and_no_other() {
    let disk = SimulatedDisk::new();
    let log = filled(&disk, 60).await;
    let head = log.head().await.unwrap();
    for position in 1..=head.0 {
        let proof = log.inclusion_proof(Position(position)).await.unwrap();
        let told = log.read_all(Position(position), &Filter::all(), 1).await.unwrap().records;
        assert_eq!(proof.record(Position(position)).as_ref(), told.first());
        let own = (0..=3).filter(|nth| proof.record(Position(proof.first.0 + nth)).is_some()).count();
        assert_eq!(u64::try_from(own).unwrap(), proof.index % 3 + 1, "commit {}", proof.index);
        assert_eq!(proof.record(Position(proof.first.0 - 1)), None);
    }
}

#[tokio::test]
async fn a_log_without_its_checkpoints_is_no_longer_what_was_written() {
    let disk = SimulatedDisk::new();
    filled(&disk, 10).await.close().await.unwrap();
    for contents in [None, Some(vec![]), Some(vec![0; 512])] {
        let copy = disk.copy();
        match &contents {
            Some(contents) => copy.put("checkpoints", contents),
            None => copy.take("checkpoints"),
        }
        let verified = verify_on(&copy, &VerifyOptions::default());
        assert!(
            matches!(&verified, Err(VerifyError::Damaged { file, offset: 0, .. }) if file == "checkpoints"),
            "{verified:?}"
        );
    }
}

#[tokio::test]
async fn verify_reports_what_is_there_and_agrees_with_the_running_log() {
    let disk = SimulatedDisk::new();
    let log = filled(&disk, 300).await;
    // While it is owned, and after it was closed.
    let running = verify_on(&disk, &VerifyOptions::default()).unwrap();
    assert!(running.owned);
    assert_eq!(running.stat, log.stat());
    let checkpoint = Checkpoint::open(&log.checkpoint().unwrap(), log.verifier()).unwrap();
    assert_eq!((running.root, running.stat.commits), (checkpoint.root, checkpoint.size));
    log.close().await.unwrap();
    let closed = verify_on(&disk, &VerifyOptions::default()).unwrap();
    // What was in the last segment has been sealed, and the next has begun: it has a header of 4 KiB.
    let (segments, bytes) = (running.stat.segments + 1, running.stat.bytes + 4_096);
    let expected = Stat { segments, bytes, ..running.stat };
    assert_eq!((closed.stat.clone(), closed.owned, closed.checkpointed), (expected, false, 300));
    assert_eq!(
        closed.checkpoints, closed.stat.segments,
        "at creation and at each seal, the last of which is the end"
    );
    assert_eq!(closed.stat.categories.into_iter().collect::<Vec<_>>(), [("order".to_owned(), 600)]);
    assert_eq!((closed.stat.events, closed.stat.streams), (600, 5));
    assert!(closed.stat.segments > 3);
}

#[tokio::test]
async fn a_checkpoint_that_was_given_away_shows_truncation_and_rewriting() {
    let disk = SimulatedDisk::new();
    let log = filled(&disk, 40).await;
    let kept_early = log.checkpoint().unwrap();
    let early = disk.copy();
    fill(&log, 40..80).await;
    let kept_late = log.checkpoint().unwrap();
    log.close().await.unwrap();
    let against = |note: &str| VerifyOptions { against: Some(note.to_owned()), ..VerifyOptions::default() };
    verify_on(&disk, &against(&kept_early)).unwrap();
    verify_on(&disk, &against(&kept_late)).unwrap();

    // Somebody puts an older copy in its place: it is whole, and it is caught.
    verify_on(&early, &VerifyOptions::default()).unwrap();
    let truncated = verify_on(&early, &against(&kept_late));
    assert!(matches!(truncated, Err(VerifyError::Truncated { signed: 80, found: 40 })), "{truncated:?}");

    // Somebody with the key goes on from there in another way.
    let log = open(&early);
    for number in 5_000..5_060 {
        log.append(&stream("order-1"), Expected::Any, vec![record(number)]).await.unwrap();
    }
    log.close().await.unwrap();
    verify_on(&early, &against(&kept_early)).unwrap();
    let rewritten = verify_on(&early, &against(&kept_late));
    assert!(matches!(rewritten, Err(VerifyError::Rewritten { signed: 80 })), "{rewritten:?}");

    // A checkpoint of another log, or none at all, is no evidence.
    let other = open(&SimulatedDisk::new()).checkpoint().unwrap();
    for note in [other.as_str(), "", "no checkpoint"] {
        let refused = verify_on(&disk, &against(note));
        assert!(matches!(refused, Err(VerifyError::Checkpoint(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn every_checkpoint_that_was_given_away_is_held_against_the_log() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    let mut kept = String::new();
    for step in 0..8 {
        kept.push_str(&log.checkpoint().unwrap());
        fill(&log, step * 77..(step + 1) * 77).await;
    }
    log.close().await.unwrap();
    let verified = |kept: &str| {
        verify_on(&disk, &VerifyOptions { against: Some(kept.to_owned()), ..VerifyOptions::default() })
    };
    verified(&kept).unwrap();
    // The log's own file is one of checkpoints, too.
    verified(&String::from_utf8(disk.contents("checkpoints").unwrap()).unwrap()).unwrap();
    // One of another history among them is enough, wherever it stands.
    let secret = String::from_utf8(disk.contents("key").unwrap()).unwrap();
    let signer = NoteSigner::parse(&secret).unwrap();
    let forged = |size: u64| {
        let peaks = vec![[7; 32]; usize::try_from(size.count_ones()).unwrap()];
        Checkpoint::sign(&Frontier::from_parts(size, peaks).unwrap(), &signer)
    };
    for size in [1, 231, 300, 616] {
        for file in [format!("{}{kept}", forged(size)), format!("{kept}\n{}", forged(size))] {
            let refused = verified(&file);
            assert!(
                matches!(refused, Err(VerifyError::Rewritten { signed }) if signed == size),
                "{refused:?}"
            );
        }
    }
    let refused = verified(&format!("{}{kept}", forged(617)));
    assert!(matches!(refused, Err(VerifyError::Truncated { signed: 617, found: 616 })), "{refused:?}");
    let refused = verified(&format!("{kept}\nand something else\n"));
    assert!(matches!(refused, Err(VerifyError::Checkpoint(_))), "{refused:?}");
}

#[tokio::test]
async fn a_log_whose_key_was_replaced_is_caught_by_the_key_that_was_kept() {
    let disk = SimulatedDisk::new();
    let log = filled(&disk, 10).await;
    let key = Some(log.verifier().clone());
    log.close().await.unwrap();
    let options = VerifyOptions { key, ..VerifyOptions::default() };
    verify_on(&disk, &options).unwrap();
    let imitation = SimulatedDisk::new();
    filled(&imitation, 10).await.close().await.unwrap();
    verify_on(&imitation, &VerifyOptions::default()).unwrap();
    assert!(matches!(verify_on(&imitation, &options), Err(VerifyError::Damaged { .. })));
}

#[tokio::test]
async fn verify_needs_nothing_but_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (log, report) = EmbeddedLog::open(directory.path(), options()).unwrap();
    assert!(report.created);
    fill(&log, 0..50).await;
    log.close().await.unwrap();
    let key = std::fs::metadata(directory.path().join("key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    // Without the secret and without the lock file.
    std::fs::remove_file(directory.path().join("key")).unwrap();
    std::fs::remove_file(directory.path().join("LOCK")).unwrap();
    let report = verify(directory.path(), &VerifyOptions::default()).unwrap();
    assert_eq!(report.stat.commits, 50);
    let names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "LOCK" || name == "key"), "{names:?}");
    let nothing = verify(&directory.path().join("nothing"), &VerifyOptions::default());
    assert!(matches!(nothing, Err(VerifyError::NotALog { .. })), "{nothing:?}");
}

#[tokio::test]
async fn verify_beside_a_writer_never_cries_wolf() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = EmbeddedLog::open(directory.path(), options()).unwrap();
    let log = Arc::new(log);
    let writer = {
        let log = Arc::clone(&log);
        tokio::task::spawn_blocking(move || {
            tokio::runtime::Handle::current().block_on(async {
                for number in 0..400 {
                    let bytes = usize::try_from(number * 37 % 3_000).unwrap();
                    log.append(&stream("order-1"), Expected::Any, vec![sized(number, bytes)]).await.unwrap();
                }
            });
        })
    };
    let mut seen = 0;
    while !writer.is_finished() {
        let path = directory.path().to_owned();
        let report =
            tokio::task::spawn_blocking(move || verify(&path, &VerifyOptions::default())).await.unwrap();
        let events = report.unwrap().stat.events;
        assert!(events >= seen, "{events} after {seen}");
        seen = events;
    }
    writer.await.unwrap();
    log.close().await.unwrap();
    drop(log);
    let (_, report) = EmbeddedLog::open(directory.path(), options()).unwrap();
    assert_eq!(report.head, Position(400));
}

/// One segment, whose commits are read again and hashed many at a time: a checkpoint that lies between them is compared
/// where it lies, and not where it is convenient.
#[tokio::test]
async fn stored_checkpoints_are_compared_wherever_in_a_subtree_they_lie() {
    const SIZES: [u64; 12] = [1, 2, 100, 255, 256, 257, 300, 511, 512, 513, 768, 1_000];
    let disk = SimulatedDisk::new();
    let one_segment = options().with_segment_bytes(16 * 1024 * 1024).sealed_at_close_from(u64::MAX);
    let log = EmbeddedLog::open_on(Arc::new(disk.clone()), one_segment).unwrap().0;
    for commit in 0..1_000 {
        log.append(&stream("order-1"), Expected::Any, vec![record(commit)]).await.unwrap();
    }
    let mut signed = vec![];
    for size in SIZES {
        signed.push(log.checkpoint_at(size).await.unwrap());
    }
    log.close().await.unwrap();
    let made = disk.contents("checkpoints").unwrap()[..512].to_vec();
    let sectors = |signed: &[String]| {
        let sector = |note: &String| [note.as_bytes(), &vec![b'\n'; 512 - note.len()]].concat();
        signed.iter().fold(made.clone(), |file, note| [file, sector(note)].concat())
    };
    disk.put("checkpoints", &sectors(&signed));
    verify_on(&disk, &VerifyOptions::default()).unwrap();
    let secret = String::from_utf8(disk.contents("key").unwrap()).unwrap();
    let secret = NoteSigner::parse(&secret).unwrap();
    let named = |forged: &[String], place: u64, size: u64| {
        disk.put("checkpoints", &sectors(forged));
        let refused = verify_on(&disk, &VerifyOptions::default());
        let Err(VerifyError::Damaged { file, offset, .. }) = &refused else {
            panic!("{size}: {refused:?}");
        };
        assert_eq!((file.as_str(), *offset), ("checkpoints", place), "{size}");
    };
    for (nth, size) in SIZES.into_iter().enumerate() {
        let peaks = vec![[7; 32]; usize::try_from(size.count_ones()).unwrap()];
        let forgery = Checkpoint::sign(&Frontier::from_parts(size, peaks).unwrap(), &secret);
        let mut forged = signed.clone();
        forged[nth].clone_from(&forgery);
        named(&forged, 512 * (u64::try_from(nth).unwrap() + 1), size);
        // Alone: whole subtrees come before it.
        named(&[forgery], 512, size);
        disk.put("checkpoints", &sectors(&signed[nth..=nth]));
        verify_on(&disk, &VerifyOptions::default()).unwrap();
    }
}

/// A large group is hashed after its writer was answered, a small one behind it waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_answered_has_a_proof_at_once() {
    let options = Options::new(clock()).with_segment_bytes(1024 * 1024);
    let (log, _) = EmbeddedLog::open_on(Arc::new(SimulatedDisk::new()), options).unwrap();
    let log = Arc::new(log);
    let verifier = NoteVerifier::parse(&log.verifier().to_string()).unwrap();
    let writers: Vec<_> = [300, 40_000, 90_000]
        .into_iter()
        .map(|bytes| {
            let (log, verifier) = (Arc::clone(&log), verifier.clone());
            tokio::spawn(async move {
                for number in 0..40 {
                    let offer = vec![sized(u64::try_from(bytes).unwrap() + number, bytes)];
                    let name = stream(&format!("order-{bytes}"));
                    let answer = log.append(&name, Expected::Any, offer).await.unwrap();
                    let signed = Checkpoint::open(&log.checkpoint().unwrap(), log.verifier()).unwrap();
                    let proof = log.inclusion_proof(answer.first).await.unwrap();
                    let proved = proof.verify(&verifier).unwrap();
                    assert!(proof.first <= answer.first && proof.index < signed.size.min(proved.size));
                    let stat = log.stat();
                    assert!(stat.events >= answer.last.0 && stat.commits <= stat.events, "{stat:?}");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    log.close().await.unwrap();
    assert_eq!((log.stat().events, log.stat().commits), (120, 120));
}
