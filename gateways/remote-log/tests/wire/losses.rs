//! Lost answers and lost owners: nothing is written twice, nothing is missed, and whoever waits goes on.

use crate::support::{Owner, client, clock, record, stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stele_domain::port::event_log::{EventLog, Expected, Filter, LogError, NewRecord, Position, Revision};
use stele_event_log::MemoryLog;
use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Nothing that works takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_was_lost_is_asked_again_and_gets_the_first_answer() {
    let log = Arc::new(MemoryLog::new(clock()));
    let owner = Owner::of(Arc::clone(&log) as Arc<dyn EventLog>);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let deaf = Arc::new(AtomicBool::new(true));
    tokio::spawn(pipe(listener, owner.address, Arc::clone(&deaf), Arc::clone(&log)));

    let remote = client(address, "market");
    let target = stream("order-1");
    let offer = || vec![record(1), record(2)];
    let lost = remote.append(&target, Expected::NoStream, offer()).await.unwrap_err();
    assert!(matches!(lost, LogError::Unreachable(_)) && lost.is_transient(), "{lost:?}");
    assert_eq!(
        log.head().await.unwrap(),
        Position(2),
        "the append was to arrive, and only its answer to be lost"
    );

    deaf.store(false, Ordering::SeqCst);
    // A connection that has just died may take one more question with it: whoever asks, asks until there is an answer.
    let asking = async {
        loop {
            match remote.append(&target, Expected::NoStream, offer()).await {
                Err(error) if error.is_transient() => tokio::task::yield_now().await,
                other => break other.unwrap(),
            }
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap();
    assert_eq!((again.first, again.last, again.revision), (Position(1), Position(2), Revision(1)));
    assert!(again.repeated);
    assert_eq!(log.head().await.unwrap(), Position(2));
}

/// Carries bytes both ways; while it is deaf it waits for the append to be kept and then breaks the connection
/// without a word back.
async fn pipe(listener: TcpListener, to: std::net::SocketAddr, deaf: Arc<AtomicBool>, log: Arc<MemoryLog>) {
    while let Ok((near, _)) = listener.accept().await {
        let far = TcpStream::connect(to).await.unwrap();
        let (mut near_read, mut near_write) = near.into_split();
        let (mut far_read, mut far_write) = far.into_split();
        if deaf.load(Ordering::SeqCst) {
            let forth = tokio::spawn(async move { copy(&mut near_read, &mut far_write).await });
            // The settings of the connection must pass for the client to send at all; the answer must not.
            let mut follow = log.follow(Position(1), Filter::all());
            let kept = follow.next(10);
            tokio::select! {
                biased;
                _ = kept => {}
                _ = handshake(&mut far_read, &mut near_write) => {}
            }
            forth.abort();
        } else {
            tokio::spawn(async move { copy(&mut near_read, &mut far_write).await });
            tokio::spawn(async move { copy(&mut far_read, &mut near_write).await });
        }
    }
}

/// Lets through what the owner says before it answers, then nothing for ever.
async fn handshake(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
) -> std::io::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    // The owner's SETTINGS frame: a head of nine bytes that begins with the length of the rest.
    let mut head = [0; 9];
    from.read_exact(&mut head).await?;
    let length = usize::from(head[2]) + 256 * usize::from(head[1]);
    let mut rest = vec![0; length];
    from.read_exact(&mut rest).await?;
    to.write_all(&head).await?;
    to.write_all(&rest).await?;
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_goes_on_where_it_was_when_the_owner_is_back() {
    let log = Arc::new(MemoryLog::new(clock()));
    let mut owner = Owner::of(Arc::clone(&log) as Arc<dyn EventLog>);
    let remote = owner.client("market");
    let mut follow = remote.follow(Position::START, Filter::all());
    let target = stream("order-1");
    let (mut seen, mut gone) = (vec![], false);
    for round in 0..4_u64 {
        for number in 0..5 {
            log.append(&target, Expected::Any, vec![record(round * 10 + number)]).await.unwrap();
        }
        let wanted = usize::try_from((round + 1) * 5).unwrap();
        let mut interruptions = 0;
        while seen.len() < wanted {
            match timeout(DEADLINE, follow.next(3)).await.expect("the reading goes on") {
                Ok(page) => seen.extend(page.records.iter().map(|record| record.position.0)),
                Err(error) => {
                    assert!(error.is_transient(), "{error:?}");
                    interruptions += 1;
                    if gone {
                        owner.come_back();
                        gone = false;
                    }
                }
            }
        }
        assert!(round == 0 || interruptions > 0, "round {round}: the owner was gone and nobody said so");
        owner.vanish().await;
        gone = true;
    }
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_an_owner_that_is_gone_fail_and_work_again_when_it_is_back() {
    let mut owner = Owner::of(Arc::new(MemoryLog::new(clock())));
    let remote = owner.client("market");
    let target = stream("order-1");
    remote.append(&target, Expected::NoStream, vec![record(1)]).await.unwrap();
    owner.vanish().await;
    let gone = timeout(DEADLINE, remote.head()).await.expect("an answer").unwrap_err();
    assert!(matches!(gone, LogError::Unreachable(_)), "{gone:?}");
    owner.come_back();
    let appended = timeout(DEADLINE, async {
        loop {
            match remote.append(&target, Expected::Exactly(Revision(0)), vec![record(2)]).await {
                Ok(appended) => return appended,
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }
    });
    assert_eq!(appended.await.expect("it works again").last, Position(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_that_nobody_wants_any_more_ends_at_the_owner_too() {
    let log = Arc::new(MemoryLog::new(clock()));
    let owner = Owner::of(Arc::clone(&log) as Arc<dyn EventLog>);
    let remote = owner.client("market");
    // More than the service has seats for: each must give its own back.
    for round in 0..600 {
        let mut follow = remote.follow(Position::START, Filter::all());
        log.append(&stream("order-1"), Expected::Any, vec![record(round)]).await.unwrap();
        let first = timeout(DEADLINE, follow.next(1)).await.expect("a page");
        match first {
            Ok(page) => assert_eq!(page.records.len(), 1),
            // Those before may be on their way out.
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    let mut last = remote.follow(Position::START, Filter::all());
    let page = timeout(DEADLINE, async {
        loop {
            if let Ok(page) = last.next(10).await {
                return page;
            }
        }
    });
    assert_eq!(page.await.expect("a seat is free").records.len(), 10);
}

#[tokio::test]
async fn what_can_not_be_kept_is_refused_before_it_is_sent() {
    // Nobody is there: whatever is sent has no answer.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let remote = client(address, "market");
    let nameless = NewRecord { event_type: "".into(), ..record(1) };
    let long = NewRecord { event_type: "x".repeat(257).into(), ..record(1) };
    for (records, word) in [(vec![], "no records"), (vec![nameless], "0 bytes"), (vec![long], "257 bytes")] {
        let refused = remote.append(&stream("order-1"), Expected::Any, records).await.unwrap_err();
        assert!(matches!(&refused, LogError::Invalid(what) if what.contains(word)), "{refused:?}");
    }
}
