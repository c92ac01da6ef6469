//! From arguments to acts: reads the command line, finds the configuration, and hands over.

pub(crate) mod args;
pub(crate) mod progress;

mod desk;

mod alerts;
mod approve;
mod audit;
mod control;
mod db;
mod keys;
mod lake;
mod limits;
mod log;
mod projections;
mod prove;
mod rebuild;
mod show;
mod tail;
mod tier;
mod verify;
mod watch;
mod whatif;

pub(crate) use log::{archive_failure, of_disk, of_error, on_opening};
pub(crate) use verify::{checkpoint_in, unverified};

use crate::config::{Config, Problem, ServeFlags, Sources};
use crate::exit::{self, Code, Outcome};
use crate::render::harmless::{harmless_json, harmless_lines};
use crate::{demo, serve, simulate};
use args::{Cli, Command, ConfigCommand, Global, KeysCommand, ServeArgs};
use clap::{CommandFactory as _, Parser as _};
use clap_complete::Shell;
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
    let json = global.json;
    let config = || Config::load(&sources(global));
    exit::end(match cli.command {
        Command::Demo(args) => return demo::run(&args, global),
        Command::Serve(args) => {
            with(Config::load(&serving(&args, global)), |config| serve::run(config, &args))
        }
        Command::Simulator(args) => simulate::run(&args, json),
        Command::Completions { shell } => completions(shell),
        Command::Config(command) => configuration(&command, global),
        Command::Keys(KeysCommand::Roles) => keys::roles(json),
        Command::Keys(command) => with(config(), |config| keys::run(&command, config, json)),
        Command::Db(command) => with(config(), |config| db::run(command, config, json)),
        Command::Whoami => with(config(), |config| keys::whoami(config, json)),
        Command::Watch(args) => with(config(), |config| watch::run(&args, config, json)),
        Command::Approve(args) => with(config(), |config| approve::run(&args, config, json)),
        Command::Alerts(args) => with(config(), |config| alerts::run(&args, config, json)),
        Command::Audit(args) => with(config(), |config| audit::run(&args, config, json)),
        Command::Log(command) => with(config(), |config| log::run(command, config, json)),
        Command::Lake(command) => with(config(), |config| lake::run(&command, config, json)),
        Command::Projections(command) => with(config(), |config| projections::run(&command, config, json)),
        Command::Tier(command) => with(config(), |config| tier::run(&command, config, json)),
        Command::Rebuild(args) => with(config(), |config| rebuild::run(&args, config, json)),
        Command::Status => with(config(), |config| show::status(config, json)),
        Command::Trace(args) => with(config(), |config| show::trace(&args, config, json)),
        Command::Table(args) => with(config(), |config| show::table(&args, config, json)),
        Command::Limits(command) => with(config(), |config| limits::run(&command, config, json)),
        Command::Filter(command) => with(config(), |config| control::filter(&command, config, json)),
        Command::Whatif(args) => with(config(), |config| whatif::run(&args, config, json)),
        Command::Arm(args) => with(config(), |config| control::arm(&args, config, json)),
        Command::Disarm(args) => with(config(), |config| control::disarm(&args, config, json)),
        Command::Kill(args) => with(config(), |config| control::kill(&args, config, json)),
        Command::Pause(args) => with(config(), |config| control::switch("pause", &args, config, json)),
        Command::Resume(args) => with(config(), |config| control::switch("resume", &args, config, json)),
        Command::Drain(args) => with(config(), |config| control::switch("drain", &args, config, json)),
        Command::Refresh(args) => with(config(), |config| control::refresh(&args, config, json)),
    })
}

/// Acts with a configuration that can be run.
fn with(config: Result<Config, Problem>, act: impl FnOnce(&Config) -> Outcome) -> Outcome {
    act(&config?)
}

fn completions(shell: Shell) -> Outcome {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "stele", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}

/// Where the configuration of this run is.
pub(crate) fn sources(global: &Global) -> Sources {
    Sources {
        file: global.config.clone(),
        data_dir: global.data.clone(),
        socket: global.socket.clone(),
        server: global.server.clone(),
        key_file: global.key_file.clone(),
        ca_file: global.ca_file.clone(),
        certificate_file: global.cert.clone(),
        certificate_key_file: global.cert_key.clone(),
        plain_http: global.plain_http,
        serve: ServeFlags::default(),
    }
}

/// The same for a process that serves: its key is the one that it shows to the owner of the log.
fn serving(args: &ServeArgs, global: &Global) -> Sources {
    let serve = ServeFlags {
        log: args.log.clone(),
        log_key_file: global.key_file.clone(),
        listen: args.listen.clone(),
        kurrent_listen: args.kurrent_listen.clone(),
        postgres: args.postgres,
    };
    Sources { key_file: None, serve, ..sources(global) }
}

fn configuration(command: &ConfigCommand, global: &Global) -> Outcome {
    let config = Config::load(&sources(global))?;
    match command {
        ConfigCommand::Print { .. } if global.json => say_json(&config.print_json()),
        ConfigCommand::Print { origin } => say(config.print(*origin).trim_end()),
        ConfigCommand::Check => {
            config.check_secrets()?;
            crate::wiring::check_stores(&config)?;
            if global.json { say_json(&serde_json::json!({ "ok": true })) } else { say(&config.verdict()) }
        }
    }
}

/// Prints an answer for people. Renderers keep others' words inside their lines; whatever they forget can't steer the
/// terminal all the same. A reader that has gone away ends it without complaint.
pub(crate) fn say(text: &str) -> Outcome {
    print(&harmless_lines(text))
}

fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(exit::Failure::error(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints an answer for programs.
pub(crate) fn say_json(answer: &impl serde::Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(answer).map_err(|error| exit::Failure::error(&error))?;
    print(&harmless_json(&text))
}

/// The same on one line, for a stream of answers.
pub(crate) fn say_json_line(answer: &impl serde::Serialize) -> Outcome {
    let text = serde_json::to_string(answer).map_err(|error| exit::Failure::error(&error))?;
    print(&harmless_json(&text))
}
