//! The runbooks: commands in them exist, and those of the backup guide do what it says.

use crate::scene::{Scene, Setup, private, run_to_end, selling};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use stele_acceptance::{files, root, shown, text};
use stele_simulator::Outcome;

/// Lines of shell blocks, comments left out.
fn shell_lines(document: &str) -> Vec<String> {
    let blocks = document.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// Every command of ours in a document: in shell blocks, and in single backticks.
fn commands(document: &str) -> BTreeSet<String> {
    let quoted = document.split('`').skip(1).step_by(2).map(|text| text.replace('\n', " "));
    let all = shell_lines(document).into_iter().chain(quoted);
    all.filter(|line| line.starts_with("stele ")).collect()
}

/// The words of a command that name what it does; and its flags.
fn verbs_and_flags(command: &str) -> (Vec<&str>, Vec<&str>) {
    let outside: String = command.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let from = command.len() - command.trim_start_matches("stele ").len();
    let (mut verbs, mut flags) = (Vec::new(), Vec::new());
    let mut begun = false;
    for word in command[from..].split_whitespace() {
        if word.starts_with('"') || !outside.contains(word) {
            continue;
        }
        begun |= word.starts_with('-');
        if word.starts_with('-') {
            flags.push(word.split('=').next().unwrap_or_default());
        } else if !begun && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-') {
            verbs.push(word);
        } else {
            begun = true;
        }
    }
    (verbs, flags)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_runbooks_exists() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for path in files(&root().join("ops"), &[".md"]) {
        for command in commands(&text(&path)) {
            let (verbs, flags) = verbs_and_flags(&command);
            let mut help = String::new();
            // A verb, a verb below it; what follows is an argument.
            for depth in (1..=verbs.len().min(2)).rev() {
                let mut arguments = verbs[..depth].to_vec();
                arguments.push("--help");
                let asked = run_to_end(&arguments).await;
                if asked.status.success() {
                    help = String::from_utf8_lossy(&asked.stdout).into_owned();
                    known.insert(verbs[..depth].join(" "));
                    break;
                }
            }
            assert!(!help.is_empty(), "{}: there is no `{command}`", shown(&path));
            for flag in flags {
                assert!(help.contains(flag), "{}: `{command}` has no {flag}", shown(&path));
            }
        }
    }
    assert!(known.len() > 15, "only {known:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_that_a_runbook_looks_at_exists() {
    let scene = Scene::started(Setup::default()).await;
    let tables = scene.client.tables().await.expect("tables");
    let known: BTreeSet<&str> = tables.tables.iter().map(|table| table.name.as_str()).collect();
    for path in files(&root().join("ops/runbooks"), &[".md"]) {
        for command in commands(&text(&path)) {
            let Some(rest) = command.strip_prefix("stele table ") else { continue };
            let name = rest.split_whitespace().next().unwrap_or_default();
            assert!(known.contains(name), "{}: there is no table {name}", shown(&path));
        }
    }
}

/// Runs the lines of a block as a shell does, with `stele` on the path and these variables set.
pub(super) fn run(folder: &Path, config: &Path, variables: &[(&str, &str)], lines: &[String]) {
    let binary = crate::scene::binary::binary();
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    let link = bin.join("stele");
    if !link.exists() {
        std::os::unix::fs::symlink(&binary, &link).expect("a link");
    }
    let given = variables.iter().find(|(name, _)| *name == "PATH").map_or("", |(_, path)| *path);
    let path = format!("{}:{given}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    for line in lines {
        let output = Command::new("bash")
            .args(["-euc", line])
            .current_dir(folder)
            .envs(variables.iter().copied())
            .env("PATH", &path)
            .env("STELE_CONFIG", config)
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {}\n{said}", output.status);
    }
}

/// The shell lines of the sections of the backup guide, by their titles.
pub(super) fn section(title: &str) -> Vec<String> {
    let guide = text(&root().join("ops/runbooks/backup.md"));
    let start = guide.find(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    let rest = &guide[start + 4..];
    shell_lines(rest.split("\n## ").next().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_by_the_guide_can_be_restored_and_serves() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    let paper = folder.join("paper");
    std::fs::create_dir(&paper).expect("a folder");
    let data = paper.join("data").to_string_lossy().into_owned();
    let mut scene = Scene::armed(Setup::default().with("desk.data_dir", data.clone())).await;
    let quote = scene.until_acted(|| selling(Outcome::DeskWins)).await;
    scene.released(&quote).await;
    let config = scene.file("stele.toml");
    let here = |lines: &[String]| run(folder, &config, &[], lines);

    here(&section("Keep a checkpoint elsewhere"));
    here(&section("Back up"));
    let before = scene.client.log_stat().await.expect("numbers");
    scene.desk.stop().await;
    let restore = section("Restore");
    let (made, served) = restore.split_at(1);
    here(made);
    here(&section("The archive"));
    here(&section("Move to another disk"));
    here(&section("Export and import"));

    // `stele serve --data restored`, as a file of settings.
    let restored = folder.join("restored");
    let settings = text(&config).replace(&data, &restored.to_string_lossy());
    private(&config, &settings);
    scene.desk.start(&[]);
    scene.until_it_sees().await;
    here(served);
    let after = scene.client.log_stat().await.expect("numbers");
    assert!(after.log == before.log, "{before:?} became {after:?}");
    let told = scene.client.trace(&quote).await.expect("the story of the quote");
    assert_eq!(told.commands.len(), 1);
}
