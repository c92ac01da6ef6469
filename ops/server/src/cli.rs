//! From arguments to acts: reads the command line, finds the configuration, and hands over.

pub(crate) mod args;

mod control;
mod desk;
mod limits;
mod log;
mod show;

use crate::config::{Config, Sources};
use crate::exit::{self, Code, Outcome};
use crate::{demo, serve, simulate};
use args::{Cli, Command, ConfigCommand, Global};
use clap::{CommandFactory as _, Parser as _};
use std::io::Write as _;
use std::process::ExitCode;

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; the rest is a mistake of usage.
            let code = if error.use_stderr() { ExitCode::from(Code::Usage as u8) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return code;
        }
    };
    let global = &cli.global;
    match cli.command {
        Command::Demo(args) => demo::run(&args, global),
        command => exit::end(act(command, global)),
    }
}

fn act(command: Command, global: &Global) -> Outcome {
    let config = || Config::load(&sources(global));
    match command {
        Command::Demo(_) => Ok(()),
        Command::Serve(args) => serve::run(&config()?, &args),
        Command::Simulator(args) => simulate::run(&args, global.json),
        Command::Config(command) => configuration(&command, global),
        Command::Completions { shell } => {
            let mut script = vec![];
            clap_complete::generate(shell, &mut Cli::command(), "stele", &mut script);
            say(String::from_utf8_lossy(&script).trim_end())
        }
        Command::Log(command) => log::run(command, &config()?, global.json),
        Command::Status => show::status(&config()?, global.json),
        Command::Trace(args) => show::trace(&args, &config()?, global.json),
        Command::Table(args) => show::table(&args, &config()?, global.json),
        Command::Limits(command) => limits::run(&command, &config()?, global.json),
        Command::Filter(command) => control::filter(&command, &config()?, global.json),
        Command::Arm(args) => control::arm(&args, &config()?, global.json),
        Command::Disarm(args) => control::disarm(&args, &config()?, global.json),
        Command::Kill(args) => control::kill(&args, &config()?, global.json),
        Command::Pause(args) => control::switch("pause", &args, &config()?, global.json),
        Command::Resume(args) => control::switch("resume", &args, &config()?, global.json),
        Command::Drain(args) => control::switch("drain", &args, &config()?, global.json),
        Command::Refresh(args) => control::refresh(&args, &config()?, global.json),
    }
}

/// Where the configuration of this run is.
pub(crate) fn sources(global: &Global) -> Sources {
    Sources { file: global.config.clone(), data_dir: global.data.clone(), socket: global.socket.clone() }
}

fn configuration(command: &ConfigCommand, global: &Global) -> Outcome {
    let config = Config::load(&sources(global))?;
    match command {
        ConfigCommand::Print if global.json => say_json(&config.print_json()),
        ConfigCommand::Print => say(config.print().trim_end()),
        ConfigCommand::Check if global.json => say_json(&serde_json::json!({ "ok": true })),
        ConfigCommand::Check => say(&config.verdict()),
    }
}

/// Prints an answer. A reader that has gone away ends it without complaint.
pub(crate) fn say(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(exit::Failure::error(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints an answer for programs.
pub(crate) fn say_json(answer: &impl serde::Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(answer).map_err(|error| exit::Failure::error(&error))?;
    say(&text)
}
