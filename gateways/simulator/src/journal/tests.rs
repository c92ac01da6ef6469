//! Counts stay right and pages give every entry once.

use super::*;

fn note(journal: &mut Journal, text: &str) -> u64 {
    journal.write(0, Door::Relay, Direction::In, 1, Body::Note(text.to_owned()))
}

#[test]
fn a_full_journal_says_so_and_goes_on_counting() {
    let mut journal = Journal::new(JournalOptions { entries_max: 2, ..JournalOptions::default() });
    for text in ["a", "b", "c"] {
        note(&mut journal, text);
    }
    let page = journal.page(1, 10, None);
    assert_eq!((page.entries.len(), page.written, page.not_kept), (2, 3, 1));
    assert!(page.error.unwrap().contains("newest 1 entries"));
    assert_eq!(journal.counts().entries, 3);
}

#[test]
fn a_journal_full_of_bytes_keeps_no_later_entry_however_small() {
    let mut journal = Journal::new(JournalOptions { bytes_max: 10, ..JournalOptions::default() });
    note(&mut journal, "12345678");
    note(&mut journal, "12345");
    note(&mut journal, "1");
    assert_eq!(journal.page(1, 10, None).entries.len(), 1);
    assert_eq!(journal.counts().entries_not_kept, 2);
}

#[test]
fn reading_on_from_next_gives_every_entry_once() {
    let mut journal = Journal::new(JournalOptions::default());
    for text in ["a", "b", "c", "d", "e"] {
        note(&mut journal, text);
    }
    let (mut from, mut seen) = (0, vec![]);
    loop {
        let page = journal.page(from, 2, None);
        if page.entries.is_empty() {
            break;
        }
        seen.extend(page.entries.into_iter().map(|entry| entry.seq));
        from = page.next;
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

/// All that can be read, from the first page to the last.
fn read(journal: &Journal) -> Vec<(u64, Option<String>)> {
    let page = journal.page(1, PAGE_MAX, None);
    page.entries.into_iter().map(|entry| (entry.seq, entry.note)).collect()
}

#[test]
fn a_journal_of_the_newest_lets_go_of_the_first_and_keeps_numbers_and_verdicts() {
    let options = JournalOptions { entries_max: 2, keep: Keep::Newest, ..JournalOptions::default() };
    let mut journal = Journal::new(options);
    let first = note(&mut journal, "a");
    let second = note(&mut journal, "b");
    note(&mut journal, "c");
    journal.judge(first, "too late");
    journal.judge(second, "accepted");
    assert_eq!(read(&journal), [(2, Some("b".to_owned())), (3, Some("c".to_owned()))]);
    let page = journal.page(1, 1, None);
    assert_eq!((page.entries[0].verdict.as_deref(), page.next, page.not_kept), (Some("accepted"), 3, 1));
    assert!(page.error.unwrap().contains("first 1 entries"));
    assert_eq!(journal.counts().entries, 3);
}

#[test]
fn a_journal_of_the_newest_holds_its_bytes_for_ever() {
    let options = JournalOptions { bytes_max: 10, keep: Keep::Newest, ..JournalOptions::default() };
    let mut journal = Journal::new(options);
    for number in 10_000..20_000 {
        note(&mut journal, &number.to_string());
        assert!(journal.bytes <= 10 && journal.lines.len() <= 2);
    }
    assert_eq!(read(&journal).len(), 2);
    // One that is too large by itself is the newest all the same.
    note(&mut journal, "twelve bytes");
    assert_eq!(read(&journal), [(10_001, Some("twelve bytes".to_owned()))]);
    note(&mut journal, "after");
    assert_eq!(read(&journal), [(10_002, Some("after".to_owned()))]);
}

#[test]
fn signed_payloads_beyond_the_bound_are_said_to_be_uncounted() {
    let mut journal = Journal::new(JournalOptions { signed_max: 2, ..JournalOptions::default() });
    for (nonce, hash) in [("a", 1), ("b", 2), ("c", 3), ("a", 1)] {
        journal.signed(nonce, None, [hash; 32]);
    }
    let counts = journal.counts();
    assert_eq!((counts.distinct_nonces, counts.distinct_payloads, counts.signed_not_counted), (2, 2, 2));
}
