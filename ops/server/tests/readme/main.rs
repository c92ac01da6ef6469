//! The README's commands, run in the order in which they stand there, by the binary of this build.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a command may need until it succeeds, on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The command lines of the shell blocks, comments left out.
fn commands(readme: &str) -> Vec<String> {
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).map(|line| line.split("  #").next().unwrap_or("").trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Splits at spaces outside of double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// Runs that end with the test.
#[derive(Default)]
struct Background(Vec<Child>);

impl Background {
    /// Ends all of them as an operator does, and waits until they have.
    fn end(&mut self) {
        for child in &mut self.0 {
            let asked = Command::new("kill").arg(child.id().to_string()).status().unwrap();
            assert!(asked.success(), "it has ended by itself: {:?}", child.try_wait());
            child.wait().unwrap();
        }
        self.0.clear();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

struct Shell<'d> {
    directory: &'d Path,
    /// Where the desk of this run listens: the port that people use may be taken.
    door: String,
    variables: BTreeMap<String, String>,
    background: Background,
}

impl Shell<'_> {
    fn stele(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stele"));
        command.args(arguments).current_dir(self.directory).envs(&self.variables);
        command
    }

    /// Runs a command until it succeeds; a desk that is starting needs a moment.
    fn succeeds(&self, arguments: &[String]) -> Output {
        let begun = Instant::now();
        loop {
            let output = self.stele(arguments).output().unwrap();
            if output.status.success() {
                return output;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(begun.elapsed() < PATIENCE, "stele {arguments:?}: {said}");
        }
    }

    fn start(&mut self, arguments: &[String]) {
        let mut command = self.stele(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.background.0.push(command.spawn().unwrap());
    }

    /// The quote of the newest decision, as soon as there is one.
    fn a_quote(&self) -> String {
        let begun = Instant::now();
        let table = words("table decisions --limit 1 --json");
        loop {
            let said: serde_json::Value = serde_json::from_slice(&self.succeeds(&table).stdout).unwrap();
            if let Some(quote) = said["rows"][0]["quote_id"].as_str() {
                return quote.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "no decision came: {said}");
        }
    }

    fn run(&mut self, line: &str) {
        if let Some(assignment) = line.strip_prefix("export ") {
            let (name, value) = assignment.split_once('=').unwrap();
            self.variables.insert(name.to_owned(), value.to_owned());
            return;
        }
        let line = line.replace("cargo run --release -- ", "stele ").replace("127.0.0.1:8420", &self.door);
        let line = line.replace("file:///srv", &format!("file://{}", self.directory.display()));
        let mut arguments = words(&line);
        assert_eq!(arguments.remove(0), "stele", "a command that this test can't run: {line}");
        match arguments[0].as_str() {
            "demo" => {
                arguments.extend(words("--for 5s"));
                self.succeeds(&arguments);
            }
            // Any port: the one that people use may be taken.
            "simulator" => {
                arguments.extend(words("--listen 127.0.0.1:0"));
                self.start(&arguments);
                let begun = Instant::now();
                while !self.directory.join("paper/stele.toml").exists() {
                    assert!(begun.elapsed() < PATIENCE, "the simulator wrote no configuration");
                    std::thread::yield_now();
                }
            }
            "serve" => self.start(&arguments),
            // The desk owns its log, and the README says so.
            "lake" => {
                self.background.end();
                std::fs::create_dir_all(self.directory.join("lake")).unwrap();
                self.succeeds(&arguments);
            }
            // Offers are made while the desk is armed, and the README promises that some of them would be others.
            "whatif" => {
                let begun = Instant::now();
                while String::from_utf8_lossy(&self.succeeds(&arguments).stdout).contains("no offer differs")
                {
                    assert!(begun.elapsed() < PATIENCE, "stele {arguments:?} finds no offer that differs");
                }
            }
            "trace" => {
                arguments[1] = self.a_quote();
                let told = self.succeeds(&arguments);
                assert!(String::from_utf8_lossy(&told.stdout).contains("Decision"), "{told:?}");
            }
            _ => {
                self.succeeds(&arguments);
            }
        }
    }
}

#[test]
fn every_command_of_the_readme_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let integration = std::fs::read_to_string(root.join(".ci/run")).unwrap();
    let directory = tempfile::Builder::new().prefix("st").tempdir_in("/tmp").unwrap();
    let door = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let variables = BTreeMap::from([("STELE__API__LISTEN".to_owned(), door.clone())]);
    let mut shell = Shell { directory: directory.path(), door, variables, background: Background::default() };
    let commands = commands(&readme);
    assert!(commands.len() >= 14, "only {} commands found", commands.len());
    for line in commands {
        if line == "ops/test" {
            assert!(integration.contains("exec ops/test"), "the integration run is not the README's command");
        } else {
            shell.run(&line);
        }
    }
}
