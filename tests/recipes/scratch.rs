//! A copy of the repository in its build folder, with a build folder of its own. It stays from run to run, and a file
//! is written only when it differs, so that only what a recipe touches is built again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use stele_acceptance::files;

/// How much of a failed run is shown, in lines.
const SHOWN_LINES_MAX: usize = 200;

/// The copy, held by one process at a time.
pub struct Scratch {
    copy: PathBuf,
    target: PathBuf,
    _held: File,
}

impl Scratch {
    /// Waits until nobody else uses it.
    pub fn take(root: &Path) -> Self {
        let target = root.join("target/recipes");
        let copy = target.join("copy");
        fs::create_dir_all(&copy).expect("a folder for the copy");
        let held = File::create(target.join("lock")).expect("a file to lock");
        held.lock().expect("the lock");
        Self { copy, target, _held: held }
    }

    /// Makes the copy the repository, but for these files.
    pub fn lay_out(&self, root: &Path, changed: &BTreeMap<String, String>) {
        let mut kept: BTreeSet<PathBuf> = BTreeSet::new();
        for source in files(root, &[""]) {
            let path = source.strip_prefix(root).expect("a path below the root");
            if changed.contains_key(path.to_string_lossy().as_ref()) {
                continue;
            }
            let copy = self.copy.join(path);
            let wanted = fs::read(&source).expect("a file of the repository");
            if fs::read(&copy).ok() != Some(wanted) {
                fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder in the copy");
                fs::copy(&source, &copy).expect("a file in the copy");
            }
            kept.insert(copy);
        }
        for (path, text) in changed {
            let copy = self.copy.join(path);
            if fs::read(&copy).ok().as_deref() != Some(text.as_bytes()) {
                fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder in the copy");
                fs::write(&copy, text).expect("a file in the copy");
            }
            kept.insert(copy);
        }
        for copy in files(&self.copy, &[""]).into_iter().filter(|copy| !kept.contains(copy)) {
            fs::remove_file(copy).expect("a file that the repository no longer has");
        }
    }

    /// How many tests passed in the copy, or the end of what was said when not all did.
    pub fn cargo_test(&self, packages: &[&str], run: &[&str]) -> Result<usize, String> {
        let output = Command::new(env!("CARGO"))
            .args(["test", "--quiet", "--offline", "--locked", "--no-fail-fast"])
            .args(packages.iter().map(|package| format!("--package={package}")))
            .args(run)
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", &self.target)
            // Nobody debugs here.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // One recipe after the other changes the same few crates, whoever builds the rest without.
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_TERM_COLOR", "never")
            .env("RUST_BACKTRACE", "0")
            .env_remove("STELE_LONG")
            .env_remove("UPDATE_GOLDEN")
            .env_remove("UPDATE_README")
            .output()
            .expect("cargo runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(passed(&said));
        }
        let all = format!("{}\n{said}", String::from_utf8_lossy(&output.stderr));
        let lines: Vec<&str> = all.lines().collect();
        Err(lines[lines.len().saturating_sub(SHOWN_LINES_MAX)..].join("\n"))
    }
}

/// The sum over all lines like `test result: ok. 12 passed; 0 failed; …`.
fn passed(said: &str) -> usize {
    let results = said.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    results.filter_map(|rest| rest.split(' ').next()?.parse::<usize>().ok()).sum()
}
