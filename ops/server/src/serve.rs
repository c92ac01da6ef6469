//! `stele serve`: the desk as a process.

use crate::cli::args::ServeArgs;
use crate::config::Config;
use crate::demo::tie;
use crate::exit::{Failure, Outcome};
use crate::observe;
use crate::telemetry;
use crate::wiring::{self, Role, Roles};

/// Runs the desk until it is told to end.
pub(crate) fn run(config: &Config, args: &ServeArgs) -> Outcome {
    if let Some(parent) = args.child_of {
        tie::to_parent(parent)?;
    }
    if args.roles.contains(&Role::Lake) && config.lake.address.is_none() {
        return Err(Failure::usage("the role `lake` has nowhere to publish to")
            .advise("set lake.url to file:///a/directory or s3://bucket/prefix, or leave the role out"));
    }
    let metrics = telemetry::start(&config.telemetry).map_err(|error| Failure::error(&error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::error(&error))?;
    let outcome = runtime.block_on(wiring::serve(config, &Roles::of(&args.roles), metrics));
    if let Err(failure) = &outcome {
        // Whoever reads the lines of the log only must see it, too: a supervisor starts it again and again.
        observe::ended(failure.code.number(), &failure.what, failure.advice.as_deref().unwrap_or_default());
    }
    // Everything that matters has ended; a look-up that hangs in a system call must not hold the process.
    runtime.shutdown_background();
    outcome
}
