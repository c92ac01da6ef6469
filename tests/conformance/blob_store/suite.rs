//! The contract of `domain::port::blob_store` as tests. Every implementation runs all of it.
//!
//! Nothing here knows which store it talks to; a rule gets a store that is empty. An implementation's tests include this
//! file by its path and hand it a way to make empty stores.

use std::sync::Arc;
use stele_domain::port::blob_store::{BLOB_BYTES_MAX, BlobEntry, BlobError, BlobName, BlobStore, Put};

/// Runs every rule, each on a new store.
pub async fn every_rule(make: impl AsyncFn() -> Arc<dyn BlobStore>) {
    what_is_put_comes_back_byte_for_byte(make().await).await;
    a_name_that_has_a_blob_keeps_it(make().await).await;
    of_many_puts_of_one_name_exactly_one_is_kept(make().await).await;
    a_range_is_exact_or_an_error(make().await).await;
    what_is_not_there_is_missing_and_nothing_else(make().await).await;
    a_list_is_in_order_page_by_page_and_ends(make().await).await;
    what_is_too_large_is_refused_before_it_is_moved(make().await).await;
    a_store_says_where_it_is_without_white_space(make().await).await;
    a_put_whose_caller_went_away_is_kept_whole_or_not_at_all(make().await).await;
}

fn name(text: &str) -> BlobName {
    BlobName::new(text).expect("a name")
}

/// Bytes that look like chance, and are others for each seed.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(step).collect()
}

async fn kept(store: &Arc<dyn BlobStore>, text: &str, bytes: &[u8]) {
    assert_eq!(store.put(&name(text), bytes.to_vec()).await.expect("a put"), Put::Kept, "{text}");
}

async fn what_is_put_comes_back_byte_for_byte(store: Arc<dyn BlobStore>) {
    for (nth, len) in [0, 1, 4_096, 100_000, 9 * 1024 * 1024].into_iter().enumerate() {
        let (text, whole) = (format!("deep/er/{nth}.seg"), bytes(1, len));
        kept(&store, &text, &whole).await;
        let length = store.head(&name(&text)).await.expect("a length");
        assert_eq!(usize::try_from(length).ok(), Some(len));
        assert!(
            store.get(&name(&text)).await.expect("the bytes") == whole,
            "{len} bytes came back as others"
        );
    }
}

async fn a_name_that_has_a_blob_keeps_it(store: Arc<dyn BlobStore>) {
    kept(&store, "a/b", b"first").await;
    for other in [&b"first"[..], b"other", b""] {
        assert_eq!(store.put(&name("a/b"), other.to_vec()).await.expect("an answer"), Put::There);
        assert_eq!(store.get(&name("a/b")).await.expect("the bytes"), b"first");
    }
    // Names are told apart by case, and one is no part of another.
    kept(&store, "a/B", b"upper").await;
    kept(&store, "a/b.more", b"longer").await;
    assert_eq!(store.get(&name("a/b")).await.expect("the bytes"), b"first");
}

async fn of_many_puts_of_one_name_exactly_one_is_kept(store: Arc<dyn BlobStore>) {
    for round in 0..5 {
        let at = name(&format!("race/{round}"));
        let racing: Vec<_> = (0..8_u64)
            .map(|writer| {
                let (store, at) = (Arc::clone(&store), at.clone());
                tokio::spawn(async move { (writer, store.put(&at, bytes(writer, 5_000)).await) })
            })
            .collect();
        let mut winners = vec![];
        for racer in racing {
            let (writer, answer) = racer.await.expect("a task");
            if answer.expect("an answer") == Put::Kept {
                winners.push(writer);
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert!(store.get(&at).await.expect("the bytes") == bytes(winners[0], 5_000));
    }
}

async fn a_range_is_exact_or_an_error(store: Arc<dyn BlobStore>) {
    let whole = bytes(3, 10_000);
    kept(&store, "range", &whole).await;
    for (from, to) in [(0, 10_000), (0, 1), (4_095, 4_097), (9_999, 10_000), (17, 17), (10_000, 10_000)] {
        let read = store.get_range(&name("range"), from..to).await.expect("a range");
        let right = &whole[usize::try_from(from).expect("small")..usize::try_from(to).expect("small")];
        assert!(read == right, "{from}..{to}");
    }
    for (from, to) in [(0, 10_001), (9_999, 10_001), (10_000, 10_001), (20_000, 20_001), (20_000, 20_000)] {
        let refused = store.get_range(&name("range"), from..to).await.expect_err("it is too short");
        assert!(matches!(refused, BlobError::Short { bytes: 10_000, .. }), "{from}..{to}: {refused:?}");
        assert!(!refused.is_transient());
    }
    kept(&store, "empty", b"").await;
    assert!(store.get_range(&name("empty"), 0..0).await.expect("nothing").is_empty());
    let refused = store.get_range(&name("empty"), 0..1).await.expect_err("it is empty");
    assert!(matches!(refused, BlobError::Short { bytes: 0, .. }), "{refused:?}");
}

async fn what_is_not_there_is_missing_and_nothing_else(store: Arc<dyn BlobStore>) {
    kept(&store, "here/a", b"a").await;
    for text in ["nowhere", "here", "here/b", "here/a/b"] {
        let at = name(text);
        for refused in [
            store.get(&at).await.map(|_| ()),
            store.get_range(&at, 0..1).await.map(|_| ()),
            store.get_range(&at, 0..0).await.map(|_| ()),
            store.head(&at).await.map(|_| ()),
        ] {
            let refused = refused.expect_err("it is not there");
            assert!(
                matches!(&refused, BlobError::Missing { name, .. } if *name == at),
                "{text}: {refused:?}"
            );
            assert!(!refused.is_transient() && refused.to_string().contains(text));
        }
    }
}

async fn a_list_is_in_order_page_by_page_and_ends(store: Arc<dyn BlobStore>) {
    assert!(store.list(&name("log"), None, 10).await.expect("a list").is_empty());
    let mut all = vec![];
    for nth in (0..25_u8).rev() {
        let text = format!("log/{nth:03}/{}", if nth % 2 == 0 { "a" } else { "b.c" });
        kept(&store, &text, &vec![nth; usize::from(nth)]).await;
        all.push(BlobEntry { name: name(&text), bytes: nth.into() });
    }
    all.reverse();
    for other in ["logs/a", "lo", "log.txt", "a/log/b"] {
        kept(&store, other, b"other").await;
    }
    for limit in [1, 7, 25, 1_000, usize::MAX] {
        let (mut listed, mut after) = (vec![], None);
        loop {
            let page = store.list(&name("log"), after.as_ref(), limit).await.expect("a page");
            assert!(page.len() <= limit);
            let last = page.len() < limit.min(1_000);
            after = page.last().map(|entry| entry.name.clone()).or(after);
            listed.extend(page);
            if last {
                break;
            }
        }
        assert_eq!(listed, all, "{limit} at a time");
    }
    let inner = store.list(&name("log/003"), None, 10).await.expect("a list");
    assert_eq!(inner, [all[3].clone()]);
    // The name itself is not under itself.
    assert!(store.list(&name("log/003/b.c"), None, 10).await.expect("a list").is_empty());
    assert!(store.list(&name("log"), None, 0).await.expect("a list").is_empty());
}

async fn what_is_too_large_is_refused_before_it_is_moved(store: Arc<dyn BlobStore>) {
    kept(&store, "small", b"small").await;
    let refused = store.get_range(&name("small"), 0..BLOB_BYTES_MAX + 1).await.expect_err("too large");
    assert!(matches!(refused, BlobError::TooLarge { .. }), "{refused:?}");
}

async fn a_store_says_where_it_is_without_white_space(store: Arc<dyn BlobStore>) {
    let url = store.url();
    assert!(!url.is_empty() && !url.contains(|c: char| c.is_whitespace() || c.is_control()), "{url:?}");
    let refused = store.head(&name("nowhere")).await.expect_err("it is not there");
    assert!(refused.to_string().contains(url), "{refused}");
}

async fn a_put_whose_caller_went_away_is_kept_whole_or_not_at_all(store: Arc<dyn BlobStore>) {
    let whole = bytes(9, 3_000_000);
    for nth in 0..8_u64 {
        let at = name(&format!("gone/{nth}"));
        let put = store.put(&at, whole.clone());
        // Given up after a moment that is another one in every round.
        drop(tokio::time::timeout(std::time::Duration::from_micros(nth * 400), put).await);
        match store.put(&at, whole.clone()).await.expect("it is put again") {
            Put::Kept | Put::There => {}
        }
        assert!(store.get(&at).await.expect("the bytes") == whole, "round {nth}");
    }
}
