//! Rules of appending.

use super::records::{record, sized, stream};
use std::sync::Arc;
use stele_domain::port::event_log::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Appended, Direction, EventLog, Expected, Filter, LogError,
    NewRecord, Position, Revision,
};

pub async fn the_first_record_has_position_one_and_revision_zero(log: Arc<dyn EventLog>) {
    assert_eq!(log.head().await.unwrap(), Position::START);
    let answer = log.append(&stream("order-1"), Expected::NoStream, vec![record(1)]).await.unwrap();
    let first = Position(1);
    assert_eq!(answer, Appended { first, last: first, revision: Revision(0), repeated: false });
    assert_eq!(log.head().await.unwrap(), first);
}

pub async fn positions_and_revisions_have_no_gaps(log: Arc<dyn EventLog>) {
    let (even, odd) = (stream("order-even"), stream("order-odd"));
    for number in 1..=60 {
        let target = if number % 2 == 0 { &even } else { &odd };
        log.append(target, Expected::Any, vec![record(2 * number), record(2 * number + 1)]).await.unwrap();
    }
    let page = log.read_all(Position(1), &Filter::all(), 1_000).await.unwrap();
    assert_eq!(page.records.len(), 120);
    assert!(page.records.iter().zip(1..).all(|(record, position)| record.position == Position(position)));
    for target in [&even, &odd] {
        let records = log.read_stream(target, Revision(0), Direction::Forward, 1_000).await.unwrap();
        assert_eq!(records.len(), 60);
        assert!(records.iter().zip(0..).all(|(record, revision)| record.revision == Revision(revision)));
    }
    assert!(page.records.is_sorted_by_key(|record| record.recorded_at));
}

pub async fn a_record_comes_back_byte_for_byte(log: Arc<dyn EventLog>) {
    let target = stream("caf\u{e9}-\u{1f5ff} with spaces -and-dashes");
    let offers = vec![
        NewRecord { data: [].into(), metadata: [].into(), ..record(1) },
        NewRecord { data: vec![0; 5_000].into(), metadata: vec![0xff; 700].into(), ..record(2) },
        NewRecord { event_type: "t\u{e9}st.".repeat(40).into(), ..record(3) },
        NewRecord { data: vec![0; 1].into(), ..record(4) },
    ];
    log.append(&target, Expected::NoStream, offers.clone()).await.unwrap();
    let page = log.read_all(Position(1), &Filter::all(), 10).await.unwrap();
    let read = log.read_stream(&target, Revision(0), Direction::Forward, 10).await.unwrap();
    assert_eq!(page.records, read);
    assert_eq!(read.len(), offers.len());
    for (record, offer) in read.iter().zip(&offers) {
        assert_eq!(record.stream, target);
        assert_eq!((record.event_id, &record.event_type), (offer.event_id, &offer.event_type));
        assert_eq!((&record.data, &record.metadata), (&offer.data, &offer.metadata));
    }
}

pub async fn the_records_of_one_append_stand_next_to_each_other(log: Arc<dyn EventLog>) {
    let mut writers = vec![];
    for writer in 0..8_u64 {
        let log = Arc::clone(&log);
        writers.push(tokio::spawn(async move {
            let target = stream(&format!("writer-{writer}"));
            for batch in 0..10 {
                let number = (writer * 10 + batch) * 5;
                let records = (number..number + 5).map(record).collect();
                let answer = log.append(&target, Expected::Any, records).await.unwrap();
                assert_eq!(answer.last.0 - answer.first.0, 4);
                assert_eq!(answer.revision.0, batch * 5 + 4);
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let page = log.read_all(Position(1), &Filter::all(), 1_000).await.unwrap();
    assert_eq!(page.records.len(), 400);
    for batch in page.records.chunks(5) {
        assert!(batch.iter().all(|record| record.stream == batch[0].stream), "a batch was torn apart");
    }
}

pub async fn an_append_that_cannot_be_kept_leaves_nothing(log: Arc<dyn EventLog>) {
    let target = stream("order-1");
    let with_type =
        |event_type: String| vec![record(1), NewRecord { event_type: event_type.into(), ..record(2) }];
    let half = APPEND_BYTES_MAX / 2;
    let bad = [
        vec![],
        with_type(String::new()),
        with_type("t".repeat(257)),
        (0..).map(record).take(APPEND_RECORDS_MAX + 1).collect(),
        vec![sized(1, half), sized(2, half)],
    ];
    for (nth, records) in bad.into_iter().enumerate() {
        let error = log.append(&target, Expected::Any, records).await.unwrap_err();
        assert!(matches!(error, LogError::Invalid(_)), "{nth}: {error}");
        assert!(!error.is_transient());
    }
    assert_eq!(log.head().await.unwrap(), Position::START);
}

pub async fn the_largest_append_is_kept(log: Arc<dyn EventLog>) {
    let target = stream("large-1");
    let many: Vec<NewRecord> = (0..).map(record).take(APPEND_RECORDS_MAX).collect();
    log.append(&target, Expected::NoStream, many).await.unwrap();
    // JSON: what is none may need a few bytes for saying so.
    let text = format!("\"{}\"", "x".repeat(APPEND_BYTES_MAX - 2));
    let one = NewRecord { data: text.into_bytes().into(), metadata: [].into(), ..record(9_999) };
    let answer = log.append(&target, Expected::Exactly(Revision(4_095)), vec![one]).await.unwrap();
    assert_eq!(answer.last, Position(4_097));
    let read = log.read_stream(&target, Revision(4_096), Direction::Forward, 10).await.unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].data.len(), APPEND_BYTES_MAX);
    let back = log.read_stream(&target, Revision(u64::MAX), Direction::Backward, 5_000).await.unwrap();
    assert_eq!(back.len(), 1, "the largest record fills a page alone");
}

pub async fn an_append_whose_caller_went_away_is_kept_whole_or_not_at_all(log: Arc<dyn EventLog>) {
    let target = stream("order-1");
    for number in 0..20 {
        let records = vec![record(2 * number), record(2 * number + 1)];
        let append = log.append(&target, Expected::Any, records);
        tokio::select! {
            biased;
            () = std::future::ready(()) => {}
            _ = append => {}
        }
        let gone = log.append(&target, Expected::Any, vec![record(1_000 + number), record(2_000 + number)]);
        tokio::select! {
            biased;
            _ = gone => {}
            () = tokio::task::yield_now() => {}
        }
    }
    log.append(&stream("last-1"), Expected::Any, vec![record(9_999)]).await.unwrap();
    let read = log.read_stream(&target, Revision(0), Direction::Forward, 100).await.unwrap();
    assert!(read.len().is_multiple_of(2), "{} records of pairs", read.len());
}
