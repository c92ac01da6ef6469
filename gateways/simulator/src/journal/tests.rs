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
