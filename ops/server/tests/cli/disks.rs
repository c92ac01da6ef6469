//! What is wrong with a disk or a directory, each with its own words and exit code, at every command that meets it.
//! Full and read-only are real: a small file system in memory, mounted for the test, in a name space of its own where the
//! test may not mount.

use crate::support::{Run, World, command, run};
use std::path::{Path, PathBuf};

/// A command that meets the directory, and how it ends.
type Met = (&'static [&'static str], i32, &'static str);

const SERVE: &[&str] = &["serve", "--data", "DATA"];
const VERIFY: &[&str] = &["log", "verify", "DATA/log"];
const STAT: &[&str] = &["log", "stat", "DATA/log"];
const EXPORT: &[&str] = &["log", "export", "DATA/log"];

/// What the log says of a full disk, and what the operating system says, in the language of grep.
const FULL: &str = "no room on the disk\\|No space left on device";

/// A log of a few segments, that a desk wrote and left; and an export of it, `lines`.
pub fn a_log() -> (World, PathBuf) {
    let world = World::quiet();
    let settings = std::fs::read_to_string(world.path().join("stele.toml")).unwrap();
    std::fs::write(world.path().join("stele.toml"), format!("{settings}\n[log]\nsegment_bytes = 8192\n"))
        .unwrap();
    let data = world.path().join("stele-data");
    let mut desk = world.serve();
    world.set_limits();
    for cooldown in 1..=100 {
        if segments(&data).len() > 2 {
            break;
        }
        let change = format!("cooldown_ms={cooldown}");
        world.stele(&["limits", "set", &change, "--reason", "one more event"]).exits(0);
    }
    assert_eq!(desk.signalled("TERM").0, 0);
    std::fs::write(world.path().join("lines"), world.stele(&["log", "export"]).exits(0).stdout).unwrap();
    (world, data)
}

fn met(world: &World, data: &Path, (args, code, words): Met) -> Run {
    let args: Vec<String> = args.iter().map(|arg| arg.replace("DATA", data.to_str().unwrap())).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = run(command(world.path(), &args));
    assert_eq!(run.code, code, "{args:?}: {run:?}");
    assert!(run.stderr.contains(words), "{args:?} does not say {words:?}: {}", run.stderr);
    run
}

/// The segments of a log, in order.
pub fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    segments.sort();
    segments
}

#[test]
fn what_is_wrong_with_a_directory_has_its_own_words_and_code() {
    let (world, data) = a_log();
    let (other_world, other) = a_log();
    let all = segments(&data);
    assert!(all.len() > 2, "{all:?}");
    for args in [VERIFY, STAT, EXPORT] {
        met(&world, &data, (args, 0, ""));
    }
    let kept = std::fs::read(&all[1]).unwrap();

    std::fs::remove_file(&all[1]).unwrap();
    for args in [SERVE, VERIFY, STAT, EXPORT] {
        met(&world, &data, (args, 12, "a segment is missing"));
    }
    std::fs::copy(&segments(&other)[1], &all[1]).unwrap();
    for args in [SERVE, VERIFY, STAT, EXPORT] {
        met(&world, &data, (args, 11, "is a segment of another log"));
    }
    let mut damaged = kept.clone();
    damaged[4_200] ^= 1;
    std::fs::write(&all[1], damaged).unwrap();
    // A start believes the index of a sealed segment: what its bytes are is for those who read or verify them.
    for args in [VERIFY, STAT, EXPORT] {
        met(&world, &data, (args, 8, "is damaged"));
    }
    std::fs::write(&all[1], kept).unwrap();
    let nothing = world.path().join("nothing");
    for args in [VERIFY, STAT, EXPORT] {
        met(&world, &nothing, (args, 2, "there is no log"));
    }
    drop(other_world);
}

#[test]
fn segments_that_are_missing_at_the_end_are_missing_and_no_other_file_is_accused() {
    let (world, data) = a_log();
    let all = segments(&data);
    let (last, before) = (&all[all.len() - 1], &all[all.len() - 2]);
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let kept: Vec<_> = all.iter().map(|path| std::fs::read(path).unwrap()).collect();
    std::fs::remove_file(last).unwrap();
    for args in [SERVE, VERIFY, EXPORT] {
        let run = met(&world, &data, (args, 12, "a segment is missing"));
        let words = format!("segments after {} are missing", name(before));
        assert!(run.stderr.contains(&name(last)) && run.stderr.contains(&words), "{run:?}");
    }
    // Two of them: the first one is named, which the segment before it tells of.
    std::fs::remove_file(before).unwrap();
    let run = met(&world, &data, (VERIFY, 12, "a segment is missing"));
    assert!(run.stderr.contains(&name(before)), "{run:?}");
    for path in &all[..all.len() - 2] {
        std::fs::remove_file(path).unwrap();
    }
    for args in [SERVE, VERIFY] {
        let run = met(&world, &data, (args, 12, "a segment is missing"));
        assert!(run.stderr.contains(&name(&all[0])), "{run:?}");
    }
    for (path, bytes) in all.iter().zip(&kept) {
        std::fs::write(path, bytes).unwrap();
    }
    met(&world, &data, (VERIFY, 0, ""));
    // The last one is there, and ends too early: that is damage, and no segment is missing.
    let end = kept[all.len() - 1].iter().rposition(|byte| *byte != 0).unwrap();
    std::fs::write(last, &kept[all.len() - 1][..end - 10]).unwrap();
    let run = met(&world, &data, (VERIFY, 8, "is damaged"));
    assert!(run.stderr.contains(&name(last)), "{run:?}");
}

#[test]
fn a_damaged_index_accuses_no_event_and_is_made_again() {
    let (world, data) = a_log();
    let index = segments(&data)[0].with_extension("idx");
    let mut bytes = std::fs::read(&index).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&index, bytes).unwrap();
    let run = met(&world, &data, (VERIFY, 8, "no event is affected"));
    assert!(!run.stderr.contains("Restore") && run.stderr.contains("Remove this file"), "{run:?}");
    let audit = world.stele(&["audit"]).exits(8);
    assert!(audit.stdout.contains("An index file is not what follows from its segment"), "{audit:?}");
    assert!(!audit.stdout.contains("NOT what was written"), "{audit:?}");
    let mut desk = world.serve();
    assert_eq!(desk.signalled("TERM").0, 0);
    assert!(desk.said.iter().any(|line| line.contains("log.index_rebuilt")), "{:?}", desk.said);
    met(&world, &data, (VERIFY, 0, ""));
}

#[test]
fn a_log_that_another_process_owns_is_left_to_it() {
    let (world, _) = a_log();
    let data = world.path().join("stele-data");
    let mut desk = world.serve();
    let socket = "nowhere.sock";
    met(&world, &data, (SERVE, 5, "belongs to"));
    met(&world, &data, (VERIFY, 0, ""));
    met(&world, &data, (STAT, 0, ""));
    met(&world, &data, (EXPORT, 0, ""));
    let elsewhere = [EXPORT, &["--socket", socket]].concat();
    let args: Vec<String> = elsewhere.iter().map(|arg| arg.replace("DATA", data.to_str().unwrap())).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run(command(world.path(), &args)).exits(5).complains(&["another process owns the log", "--socket"]);
    // What only reads takes nothing from the owner, who goes on writing.
    for _ in 0..5 {
        let tail = ["log", "tail", "-n", "3", "--data", data.to_str().unwrap(), "--socket", socket];
        assert_eq!(world.stele(&tail).exits(0).stdout.lines().count(), 3);
    }
    let audit = ["audit", "--data", data.to_str().unwrap(), "--socket", socket];
    assert_eq!(world.stele(&audit).code, 5, "tables move while a desk runs");
    assert_eq!(desk.signalled("TERM").0, 0);
}

/// Runs a script of the shell where it may mount. What it says on standard error is shown when it fails.
fn mounted(world: &World, script: &str) {
    let mut command = std::process::Command::new("unshare");
    let stele = env!("CARGO_BIN_EXE_stele");
    command.args(["--user", "--map-root-user", "--mount", "bash", "-euc", script, "bash", stele]);
    let output = command.current_dir(world.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{said}", output.status);
}

/// A line of a script: the command ends with this code and says these words.
fn line(args: &str, code: i32, words: &str) -> String {
    format!(
        "code=0; \"$1\" {args} >out 2>said || code=$?\n\
         if [ $code != {code} ] || ! cat said out | grep -q '{words}'; then echo \"{args} ended with $code\" >&2; cat said >&2; exit 1; fi\n"
    )
}

#[test]
fn a_read_only_disk_is_looked_at_and_not_served() {
    let (world, data) = a_log();
    let data = data.display();
    let script = format!("mount --bind {data} {data}\nmount -o remount,bind,ro {data}\n")
        + &line(&format!("serve --data {data}"), 10, "Read-only file system")
        + &line(&format!("log verify {data}/log"), 0, "")
        + &line(&format!("log stat {data}/log"), 0, "")
        + &line(&format!("log export {data}/log"), 0, "exported")
        + &line(&format!("log tail -n 3 --data {data}"), 0, "told from the log in")
        + &line(&format!("log get 1 --data {data}"), 0, "told from the log in")
        + &line(&format!("log prove 1 --data {data}"), 0, "Event 1 is in the log")
        + &line(&format!("trace nobody --data {data}"), 1, "has the id")
        + &line(&format!("audit --data {data}"), 0, "NOT looked at")
        + &line(&format!("log backup {data}/copy --data {data}"), 10, "Read-only file system")
        + &line(&format!("log import lines --data-dir {data}/new"), 10, "Read-only file system")
        + &format!("export TMPDIR={data}\n")
        + &line(&format!("audit --data {data}"), 10, "TMPDIR=/a/directory");
    mounted(&world, &script);
}

#[test]
fn a_log_whose_desk_runs_where_its_disk_is_writable_is_not_audited_from_where_it_is_not() {
    let (world, data) = a_log();
    let data = data.display();
    let mut desk = world.serve();
    let script = format!("mkdir ro; mount --bind {data} ro\nmount -o remount,bind,ro ro\n")
        + &line("log verify ro/log", 0, "")
        + &line("audit --data ro --socket nowhere.sock", 5, "belongs to another process");
    mounted(&world, &script);
    assert_eq!(desk.signalled("TERM").0, 0);
}

#[test]
fn a_full_disk_is_named_and_keeps_nobody_from_looking() {
    let (world, data) = a_log();
    let data = data.display();
    // Full to the last byte and the last name. The lock of the owner is a file that has to be made.
    let script = format!(
        "mkdir full; mount -t tmpfs -o size=2m,nr_inodes=64 none full\ncp -r {data}/. full/\n"
    ) + "rm -f full/log/LOCK; mkdir full/filler; head -c 4m /dev/zero >full/filler/0 2>/dev/null || true\n"
        + "for nth in $(seq 64); do touch full/filler/$nth 2>/dev/null || true; done\n"
        + &line("serve --data full", 9, FULL)
        + &line("log verify full/log", 0, "")
        + &line("log stat full/log", 0, "")
        + &line("log export full/log", 0, "exported")
        + &line("log backup full/copy --data full", 9, FULL)
        + &line("log import lines --data-dir full/new", 9, FULL)
        + "rm -r full/filler\n"
        + &line("log verify full/log", 0, "")
        + &line("log backup copied --data full", 0, "");
    mounted(&world, &script);
}

/// Sets the permissions of a directory and of everything in it.
fn permit(directory: &Path, folder: u32, file: u32, secret: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let set =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(directory, 0o700);
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
        let path = entry.path();
        if path.is_dir() {
            permit(&path, folder, file, secret);
        } else if path.is_file() {
            let is_secret = path.ends_with("key") || path.ends_with("keys.pepper");
            set(&path, if is_secret { secret } else { file });
        }
    }
    set(directory, folder);
}

/// Runs a script as somebody whom only permissions decide about: in a name space for users of its own, root has no power
/// over files that lie outside.
fn powerless(world: &World, script: &str) {
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "bash", "-euc", script, "bash", env!("CARGO_BIN_EXE_stele")]);
    let output = command.current_dir(world.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{said}", output.status);
}

#[test]
fn a_directory_of_somebody_else_is_looked_at_as_far_as_they_let_and_never_served() {
    let (world, data) = a_log();
    // Everybody may read it but for the secrets, and nobody may write.
    permit(&data, 0o555, 0o444, 0o000);
    let (place, denied) = (data.display(), "Permission denied");
    let readable = line(&format!("serve --data {place}"), 10, denied)
        + &line(&format!("log verify {place}/log"), 0, "")
        + &line(&format!("log stat {place}/log"), 0, "")
        + &line(&format!("log export {place}/log"), 0, "exported")
        + &line(&format!("log tail -n 3 --data {place}"), 0, "told from the log in")
        + &line(&format!("log get 1 --data {place}"), 0, "told from the log in")
        + &line(&format!("log prove 1 --data {place}"), 0, "Event 1 is in the log")
        + &line(&format!("trace nobody --data {place}"), 1, "has the id")
        + &line(&format!("audit --data {place}"), 10, "only the owner of the log can audit it")
        + &line(&format!("log backup copy --data {place}"), 10, denied)
        + &line(&format!("log import lines --data-dir {place}/new"), 10, denied);
    powerless(&world, &readable);
    // Nobody may even look.
    permit(&data, 0o000, 0o000, 0o000);
    let closed = line(&format!("serve --data {place}"), 10, denied)
        + &line(&format!("log verify {place}/log"), 10, denied)
        + &line(&format!("log stat {place}/log"), 10, denied)
        + &line(&format!("log export {place}/log"), 10, denied)
        + &line(&format!("log backup copy --data {place}"), 10, denied);
    powerless(&world, &closed);
    permit(&data, 0o700, 0o644, 0o600);
    for args in [VERIFY, STAT, EXPORT] {
        met(&world, &data, (args, 0, ""));
    }
    assert_eq!(world.serve().signalled("TERM").0, 0);
}
