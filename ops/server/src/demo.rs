//! `stele demo`: the whole loop on one machine. This process is the supervisor and the simulated market; the desk is
//! a child process of the same binary, and they meet over real sockets.

mod desk;
mod ending;
mod feed;
mod follow;
mod journal;
mod operator;
pub(crate) mod place;
mod proof;
mod report;
mod script;
mod second;
mod seen;
mod settings;
mod stage;
mod story;
mod summary;
pub(crate) mod tie;
mod view;
mod world;

use crate::cli::args::{DemoArgs, Global};
use crate::cli::say_json;
use crate::exit::{self, Code, Failure, Outcome};
use desk::Desk;
use place::Place;
use report::Report;
use settings::Store;
use stage::{Ended, Stage};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use view::View;
use world::World;

/// Longest run: what the tables in memory keep whole.
const PLANNED_MAX: Duration = Duration::from_mins(20);

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs, global: &Global) -> ExitCode {
    exit::end(act(args, global))
}

fn act(args: &DemoArgs, global: &Global) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    let outcome = match (&args.compare, &args.follow) {
        (Some(tables), _) => runtime.block_on(ending::compare_only(&log_of(global)?, tables, global.json)),
        (None, Some(url)) => runtime.block_on(follow::run(url, key_of(global)?)),
        (None, None) => runtime.block_on(demo(args, global)),
    };
    runtime.shutdown_background();
    outcome
}

fn log_of(global: &Global) -> Result<PathBuf, Failure> {
    let data = global
        .data
        .as_deref()
        .ok_or_else(|| Failure::usage("--compare needs --data, the directory of the log"))?;
    Ok(data.join("log"))
}

fn key_of(global: &Global) -> Result<&Path, Failure> {
    global.key_file.as_deref().ok_or_else(|| Failure::usage("--follow needs --key-file, a key for the log"))
}

async fn demo(args: &DemoArgs, global: &Global) -> Outcome {
    let planned = Duration::from_millis(args.for_ms);
    allowed(planned, global)?;
    let passed_through = args.postgres && rustix::process::geteuid().is_root();
    let mode = if passed_through { place::OWN_WITH_WAY } else { place::OWN };
    let place = Place::make(global.data.as_deref(), mode)?;
    let world = World::start(args.seed, &place).await?;
    let store = if args.postgres { Store::PrivatePostgres } else { Store::Memory };
    let door = second::free_address()?;
    let config = settings::text(&place, &world.endpoints(), store, door);
    place::write(&place.config_file(), config.as_bytes())?;
    let desk = Desk::new(&place)?;
    let mut stage = Stage::new(place, world, desk, door, View::new(global.json), planned)?;
    let outcome = play(&mut stage, args.seed, store).await;
    stage.view.close();
    let outcome = match outcome {
        Ok(report) => told(&mut stage, &report, global.json),
        Err(ended) => Err(cut_short(&mut stage, ended).await),
    };
    stage.leave().await;
    outcome
}

fn allowed(planned: Duration, global: &Global) -> Outcome {
    if planned > PLANNED_MAX {
        let minutes = PLANNED_MAX.as_secs() / 60;
        return Err(Failure::usage(format!("--for: a demo runs for {minutes} minutes at most")));
    }
    let own = [
        ("--config", global.config.is_some()),
        ("--socket", global.socket.is_some()),
        ("--server", global.server.is_some()),
        ("--key-file", global.key_file.is_some()),
    ];
    match own.iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            Err(Failure::usage(format!("{flag}: a demo writes its own configuration, for its own socket")))
        }
        None => Ok(()),
    }
}

async fn play(stage: &mut Stage, seed: u64, store: Store) -> Result<Report, Ended> {
    let played = script::play(stage, seed).await?;
    ending::end(stage, seed, played, store).await
}

fn told(stage: &mut Stage, report: &Report, json: bool) -> Outcome {
    if json {
        say_json(&report.object())?;
    } else {
        summary::show(stage, report);
    }
    report.verdict()
}

/// Ends what runs. A directory that stays is left in good order.
async fn cut_short(stage: &mut Stage, ended: Ended) -> Failure {
    let graceful = stage.place.kept && matches!(ended, Ended::Interrupted);
    // The first reason is the one to tell; the desk's process is gone either way.
    let _ = if graceful { stage.desk.end().await } else { stage.desk.kill().await };
    match ended {
        Ended::Interrupted => {
            Failure::new(Code::Error, "interrupted: the desk and its market were stopped").advise(kept(stage))
        }
        Ended::Failed(failure) if failure.advice.is_none() => failure.advise(kept(stage)),
        Ended::Failed(failure) => failure,
    }
}

fn kept(stage: &Stage) -> String {
    if stage.place.kept {
        format!("what it wrote is in {}", Path::new(&stage.place.shown()).display())
    } else {
        "nothing was left behind; --data DIR keeps what a demo writes".to_owned()
    }
}
