//! Texts that others wrote, for a terminal: reasons, replies of venues, names. What would move the cursor, change the
//! terminal or turn the order of what is read is made visible. It does not judge what a text says.

use std::fmt::Write as _;

/// Stands for a character that would steer the terminal.
const SHOWN: char = '·';

/// A text as it may stand inside a line.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|letter| if steers(letter) { SHOWN } else { letter }).collect()
}

/// Lines of ours, whatever is in them: ends of lines and tabs stay.
pub(crate) fn harmless_lines(text: &str) -> String {
    let kept = |letter: char| matches!(letter, '\n' | '\t') || !steers(letter);
    text.chars().map(|letter| if kept(letter) { letter } else { SHOWN }).collect()
}

/// JSON that means the same and can be looked at on a terminal: such characters stand in its strings only, and are
/// escaped there.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '\n' | '\t' => out.push(letter),
            // In a string it would be escaped already, so this one stands between two words.
            '\r' => out.push(' '),
            letter if steers(letter) => {
                // Writing to a string does not fail; all of these are below U+10000.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Control characters, and the invisible ones that reorder a line or end it.
fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
