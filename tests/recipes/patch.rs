//! Unified diffs, applied by their text and not by their line numbers: a part fits where its old lines stand, and
//! they have to stand in one place only. So a patch survives changes elsewhere in its files.

use std::collections::BTreeMap;
use std::path::Path;
use stele_acceptance::text;

/// A diff of several files.
pub struct Patch {
    files: Vec<FileDiff>,
}

struct FileDiff {
    /// From the root, with slashes.
    path: String,
    new: bool,
    hunks: Vec<Hunk>,
}

#[derive(Default)]
struct Hunk {
    old: String,
    new: String,
}

impl Patch {
    /// Reads what `git diff` writes. Files are changed or new; none is renamed or deleted.
    pub fn read(diff: &str) -> Self {
        let mut files: Vec<FileDiff> = Vec::new();
        let mut new = false;
        let mut lines = diff.lines();
        while let Some(line) = lines.next() {
            if let Some(from) = line.strip_prefix("--- ") {
                new = from == "/dev/null";
            } else if let Some(path) = line.strip_prefix("+++ b/") {
                files.push(FileDiff { path: path.to_owned(), new, hunks: Vec::new() });
            } else if let Some(header) = line.strip_prefix("@@ -") {
                let (mut old, mut new) = lengths(header);
                let mut hunk = Hunk::default();
                while old + new > 0 {
                    let line = lines.next().expect("a hunk is as long as its header says");
                    let (sign, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
                    if sign != "+" {
                        hunk.old.extend([rest, "\n"]);
                        old -= 1;
                    }
                    if sign != "-" {
                        hunk.new.extend([rest, "\n"]);
                        new -= 1;
                    }
                }
                files.last_mut().expect("a file before its hunks").hunks.push(hunk);
            }
        }
        Self { files }
    }

    /// Every file that is changed or new.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }
}

/// Lines of the old and of the new side of `12,3 +12,5 @@`; a length of one is left out.
fn lengths(header: &str) -> (usize, usize) {
    let length =
        |range: &str| range.split_once(',').map_or(1, |(_, length)| length.parse().expect("a length"));
    let mut ranges = header.split(' ');
    let old = length(ranges.next().expect("an old range"));
    (old, length(ranges.next().expect("a new range").trim_start_matches('+')))
}

/// The text of every file of the patch, after it.
pub fn changed(patch: &Patch, root: &Path) -> BTreeMap<String, String> {
    patch.files.iter().map(|file| (file.path.clone(), after(file, root))).collect()
}

fn after(file: &FileDiff, root: &Path) -> String {
    let path = root.join(&file.path);
    if file.new {
        assert!(!path.exists(), "{} is new in the patch, and is there already", file.path);
        return file.hunks.iter().map(|hunk| hunk.new.as_str()).collect();
    }
    // A line begins after the end of another: so the first line is found like the others.
    let mut whole = format!("\n{}", text(&path));
    for hunk in &file.hunks {
        let old = format!("\n{}", hunk.old);
        let places = whole.matches(&old).count();
        assert_eq!(places, 1, "places in {} for this part of the patch:\n{}", file.path, hunk.old);
        whole = whole.replacen(&old, &format!("\n{}", hunk.new), 1);
    }
    whole[1..].to_owned()
}
