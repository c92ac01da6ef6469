//! The table of appends, for people.

use crate::Refusals;
use crate::appends::{Row, VOID};
use crate::peer::Peer;
use comfy_table::{CellAlignment, Table, presets};

/// Events a second of everybody, row by row; who is not there, and why.
pub fn table(rows: &[Row], refusals: &Refusals) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let ran = |peer: &Peer| rows.iter().any(|row| row.events_per_second(*peer).is_some());
    let peers: Vec<Peer> = Peer::ALL.into_iter().filter(ran).collect();
    let names = peers.iter().map(|peer| peer.name());
    table.set_header(std::iter::once("writers").chain(names).chain([
        "stele of raw",
        "p99 of raw",
        "with room",
        "p99",
        "",
    ]));
    for row in rows {
        let who = if row.load.batch == 1 {
            row.load.writers.to_string()
        } else {
            format!("{} x batch {}", row.load.writers, row.load.batch)
        };
        let figures = peers.iter().map(|peer| row.events_per_second(*peer).map_or("-".to_owned(), grouped));
        let said = row.said();
        let share = |name: &str| said[name].as_f64().map_or("-".to_owned(), |share| format!("{share:.2}"));
        let shares =
            ["share_of_raw", "p99_of_raw", "share_of_raw_with_room", "p99_of_raw_with_room"].map(share);
        let void = if row.void() { format!("void: {VOID}") } else { String::new() };
        table.add_row(std::iter::once(who).chain(figures).chain(shares).chain([void]));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = table.to_string();
    for (peer, reason) in refusals {
        text.extend(["\nwithout ", peer.name(), ": ", reason]);
    }
    text
}

/// A figure with its thousands apart.
fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0.0, 999.4, 1_000.0, 1_289_476.0].map(grouped), ["0", "999", "1,000", "1,289,476"]);
    }
}
