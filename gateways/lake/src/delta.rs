//! The Delta log of a table, as far as a table needs it that is appended to and compacted: commits of JSON lines, checkpoints
//! of Parquet, and what they come to. Reader version 1, writer version 2: every reader of Delta tables knows them.

pub mod action;
pub mod checkpoint;
pub mod schema;
pub mod snapshot;

/// Where the log of a table is, in the table.
pub const LOG: &str = "_delta_log";

/// The blob that names the newest checkpoint. It is a hint: whoever does not believe it lists the log.
pub const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// What the name of a commit ends with.
const COMMIT: &str = ".json";

/// What the name of a checkpoint ends with.
const CHECKPOINT: &str = ".checkpoint.parquet";

/// The name of a commit, in the log.
#[must_use]
pub fn commit_name(version: u64) -> String {
    format!("{version:020}{COMMIT}")
}

/// The name of a checkpoint, in the log.
#[must_use]
pub fn checkpoint_name(version: u64) -> String {
    format!("{version:020}{CHECKPOINT}")
}

/// What a name in a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The commit of a version.
    Commit(u64),
    /// The checkpoint of a version, all of it in one blob.
    Checkpoint(u64),
    /// Neither: a hint, a checksum, a part of a checkpoint of others.
    Other,
}

/// What a name in a log is.
#[must_use]
pub fn named(name: &str) -> Named {
    let version = |digits: &str| {
        let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    if let Some(version) = name.strip_suffix(CHECKPOINT).and_then(version) {
        return Named::Checkpoint(version);
    }
    name.strip_suffix(COMMIT).and_then(version).map_or(Named::Other, Named::Commit)
}

#[cfg(test)]
mod tests {
    use super::{Named, checkpoint_name, commit_name, named};

    #[test]
    fn names_are_read_as_they_are_written_and_others_are_passed_over() {
        assert_eq!(named(&commit_name(7)), Named::Commit(7));
        assert_eq!(named(&checkpoint_name(u64::MAX)), Named::Checkpoint(u64::MAX));
        for other in
            ["_last_checkpoint", "7.json", "00000000000000000007.crc", "0000000000000000000+.json", ""]
        {
            assert_eq!(named(other), Named::Other, "{other}");
        }
        assert_eq!(named("00000000000000000007.checkpoint.0000000001.0000000002.parquet"), Named::Other);
    }
}
