//! What the acceptance tests share: where the repository is, and what is in it.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
///
/// # Panics
///
/// When this crate does not stand one folder below it.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parent = here.parent();
    assert!(parent.is_some(), "{} has no parent", here.display());
    parent.map(Path::to_path_buf).unwrap_or_default()
}

/// Every file below `folder` with one of these endings, build output and hidden folders left out, sorted.
#[must_use]
pub fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A file's text.
///
/// # Panics
///
/// When it can't be read.
#[must_use]
pub fn text(path: &Path) -> String {
    let read = fs::read_to_string(path);
    assert!(read.is_ok(), "{} can't be read: {read:?}", path.display());
    read.unwrap_or_default()
}

/// A path as it is written in documents: from the root, with slashes.
#[must_use]
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
