//! Where the binary under test is, built when it has to be. Not what is done with it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;
use stele_acceptance::{files, root, shown};

/// Name of the variable that points the scenarios at another binary than the one of this build.
const OTHER_BINARY: &str = "STELE_SCENARIOS_BINARY";

/// The binary, not older than its sources.
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(found_or_built).clone()
}

fn found_or_built() -> PathBuf {
    if let Some(named) = std::env::var_os(OTHER_BINARY) {
        return PathBuf::from(named);
    }
    // …/target/<profile>/deps/scenarios-… stands beside …/target/<profile>/stele.
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(std::path::Path::parent).expect("the folder of the profile");
    let binary = profile.join("stele");
    if !is_current(&binary) {
        let name = profile.file_name().and_then(|name| name.to_str()).expect("the name of the profile");
        build(if name == "debug" { "dev" } else { name });
    }
    assert!(binary.is_file(), "{} was not built", binary.display());
    binary
}

/// Whether the binary is there and younger than everything that goes into it.
fn is_current(binary: &std::path::Path) -> bool {
    let changed = |path: &std::path::Path| path.metadata().and_then(|about| about.modified());
    let Ok(built) = changed(binary) else { return false };
    let is_source = |path: &PathBuf| {
        let name = shown(path);
        !name.starts_with("tests/") && !name.contains("/tests/") && !name.ends_with("/tests.rs")
    };
    let sources = files(&root(), &[".rs", ".toml", ".csv"]);
    let newest = sources.iter().filter(|path| is_source(path)).filter_map(|path| changed(path).ok()).max();
    newest.unwrap_or(SystemTime::UNIX_EPOCH) <= built
}

fn build(profile: &str) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "stele", "--profile", profile])
        .current_dir(root())
        .stdin(Stdio::null())
        .status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "`cargo build -p stele`: {status:?}"
    );
}
