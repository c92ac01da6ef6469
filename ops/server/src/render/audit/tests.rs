//! What is said of rows and digests that differ.

use super::differences;
use serde_json::{Value, json};
use stele_projections::audit::OfTable;

/// A table of which so many rows were changed.
fn of_table(changed: u64, parts: &Value, differences: &Value) -> OfTable {
    serde_json::from_value(json!({
        "table": "quotes", "history": true, "verdict": "differs", "rows_folded": 2, "rows_live": 2, "rows_older": 0,
        "rows_changed": changed, "rows_deleted": 0, "rows_added": 0, "parts": parts, "differences": differences,
    }))
    .unwrap()
}

#[test]
fn a_changed_row_is_told_by_the_columns_that_differ() {
    let frame = "x".repeat(1_500);
    let row = |detail: &str, end: &str| {
        json!({ "position": 7, "detail": detail, "frame": format!("{frame}{end}"), "pair": "btc-eure" })
            .to_string()
    };
    let changed = json!([{
        "deed": "changed", "key": "[7]", "live": row("late", "tail"), "folded": row("", "told"), "last_event": null,
    }]);
    let lines = differences(&of_table(1, &json!([]), &changed));
    let text = lines.join("\n");
    assert!(text.contains("[7] changed in detail, frame\n"), "{text}");
    assert!(text.contains("detail: in the table \"late\", from the log \"\""), "{text}");
    assert!(text.contains("…xxxxxxxxxxxxxxtail\"") && text.contains("xtold\""), "{text}");
    assert!(!text.contains("btc-eure") && lines.iter().all(|line| line.chars().count() < 200), "{text}");
}

#[test]
fn a_stored_digest_of_another_number_of_rows_is_told_with_both_numbers() {
    let digest = "a".repeat(64);
    let part = json!([{
        "part": 0, "rows": 2, "folded": digest, "stored": digest, "rows_stored": 3, "scanned": digest,
        "verdict": "differs",
    }]);
    let text = differences(&of_table(0, &part, &json!([]))).join("\n");
    assert!(text.contains("1 of 1 digests differ. The rows are what follows from the log"), "{text}");
    assert!(text.contains("part 0 says 3 rows, and 2 follow"), "{text}");
}

#[test]
fn rows_that_were_added_or_deleted_are_shown_as_they_are() {
    let deleted = json!([{
        "deed": "deleted", "key": "[7]", "live": null, "folded": "{\"position\":7}", "last_event": null,
    }]);
    let text = differences(&of_table(0, &json!([]), &deleted)).join("\n");
    assert!(text.contains("in the table: no such row") && text.contains("{\"position\":7}"), "{text}");
}
