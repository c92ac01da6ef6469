//! What the desk would have offered under other limits or margins: asks the log of the desk that runs, or, on its machine,
//! of the one that doesn't.

mod question;
mod source;

use super::args::WhatIfArgs;
use super::desk::ask;
use super::log::or_offline;
use super::progress::Progress;
use super::{say, say_json};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome, chain};
use crate::{offline, render};
use question::Asked;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use stele_commands::whatif::{Report, WhatIfError};

pub(super) fn run(args: &WhatIfArgs, config: &Config, json: bool) -> Outcome {
    let asked = Asked::of(args, config)?;
    let report = {
        let progress = Progress::of_what("deciding again", json);
        ask(config, |client| async {
            let client = client;
            let told = source::by_desk(&client, config, &asked, &progress).await;
            let directory = config.log_dir();
            match told {
                Err(source::Told::Client(error)) => {
                    or_offline(Err(error), config, || {
                        offline::reading(config, &directory, async |log| {
                            source::by_log(&*log, config, &asked, &progress).await
                        })
                    })
                    .await
                }
                Err(source::Told::Failure(failure)) => Err(failure),
                Ok(report) => Ok(report),
            }
        })?
    };
    if let Some(file) = &args.report {
        keep(file, &report)?;
    }
    if json {
        return say_json(&report);
    }
    say(&render::whatif::report(&report, &config.pair, usize::from(args.show)))
}

/// Writes the answer to a file that is not there yet.
fn keep(path: &Path, report: &Report) -> Outcome {
    let failed = |error: &std::io::Error| {
        let what = format!("the report can't be written to {}: {error}", path.display());
        let misnamed = [ErrorKind::AlreadyExists, ErrorKind::NotFound].contains(&error.kind());
        let code = if misnamed { Code::Usage } else { super::of_disk(error).unwrap_or(Code::Error) };
        Failure::new(code, what).advise("name a new file in a directory that is there")
    };
    let mut text = serde_json::to_string_pretty(report).map_err(|error| Failure::error(&error))?;
    text.push('\n');
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| failed(&error))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half an answer is none. What can't be removed is no whole JSON, which every reader notices.
        drop(std::fs::remove_file(path));
        failed(&error)
    })
}

/// Why there is no answer.
fn unanswered(error: &WhatIfError) -> Failure {
    let words = chain(error);
    match error {
        WhatIfError::Unreadable { .. } => Failure::new(Code::Error, words).advise(
            "`stele log get POSITION` shows the event; `stele log verify` tells whether the log is whole",
        ),
        WhatIfError::Broken { .. } => {
            Failure::new(Code::Mismatch, words).advise("`stele log verify` tells whether the log is whole")
        }
        WhatIfError::Limits { .. } | WhatIfError::Unfit { .. } => Failure::usage(words)
            .advise("name the other limit, too, or begin after the change of limits with --from"),
        WhatIfError::TooMuch { .. } | WhatIfError::Name(_) | WhatIfError::Money(_) => {
            Failure::new(Code::Error, words)
        }
    }
}
