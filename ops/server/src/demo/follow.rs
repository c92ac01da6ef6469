//! The second process of a demo: it has the address of the desk's log and a key, and nothing else. It follows the log from
//! its first record on, through the crash of the desk, until it is told at which record to stop, and says what it has seen.

use super::seen::Witness;
use crate::cli::say_json;
use crate::exit::{Code, Failure, Outcome};
use crate::wiring::log_failure;
use secrecy::SecretString;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use stele_domain::port::event_log::{EventLog as _, Filter, Follow, LogError, Position};
use stele_remote_log::{Options, RemoteLog, Trust};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::time::Instant;

/// Records of one page.
const PAGE: usize = 4_096;
/// How long it may take, once it is asked, until everything has been seen: nobody follows a log for ever whose demo is gone.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// Most bytes of a key's file.
const KEY_BYTES_MAX: usize = 512;

/// Follows, and answers the one question that comes in on the standard input: a position.
pub(crate) async fn run(url: &str, key_file: &Path) -> Outcome {
    let key = std::fs::read_to_string(key_file).ok().filter(|text| text.len() <= KEY_BYTES_MAX);
    let key = key.ok_or_else(|| Failure::usage(format!("{} is no key", key_file.display())))?;
    let options = Options {
        url: url.to_owned(),
        key: Some(SecretString::from(key.trim().to_owned())),
        plain_key: false,
        trust: Trust::default(),
    };
    let log = RemoteLog::new(&options).map_err(|error| Failure::error(&error))?;
    let mut reading = log.follow(Position::START, Filter::all());
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    let mut witness = Witness::default();
    let until = follow(&mut *reading, &mut witness, &mut asked).await?;
    say_json(&witness.up_to(until)?)
}

/// Follows until the record that is asked for has been seen. A demo that is gone asks no more.
async fn follow(
    reading: &mut dyn Follow,
    witness: &mut Witness,
    asked: &mut Lines<BufReader<Stdin>>,
) -> Result<u64, Failure> {
    let mut until = None;
    // Moved to when it is asked; before that it means nothing.
    let mut late = pin!(tokio::time::sleep(ANSWER_MAX));
    loop {
        if let Some(until) = until.filter(|until| witness.position() >= *until) {
            return Ok(until);
        }
        tokio::select! {
            biased;
            line = asked.next_line(), if until.is_none() => {
                until = Some(question(line)?);
                late.as_mut().reset(Instant::now() + ANSWER_MAX);
            }
            () = &mut late, if until.is_some() => {
                let what = format!("the log was followed up to position {} only", witness.position());
                return Err(Failure::new(Code::Unavailable, what));
            }
            page = reading.next(PAGE) => match page {
                Ok(page) => page.records.iter().for_each(|record| witness.looks_at(record)),
                // Its owner was killed: the reading begins again where it was, by itself.
                Err(LogError::Unreachable(_) | LogError::Full) => {}
                Err(
                    error @ (LogError::Conflict { .. }
                    | LogError::Invalid(_)
                    | LogError::Stopped(_)
                    | LogError::Damaged { .. }
                    | LogError::Lost(_)
                    | LogError::Owned { .. }
                    | LogError::Denied(_)),
                ) => return Err(log_failure(&error)),
            },
        }
    }
}

fn question(line: std::io::Result<Option<String>>) -> Result<u64, Failure> {
    let line = line.map_err(|error| Failure::error(&error))?;
    let position = line.and_then(|line| line.trim().parse().ok());
    position.ok_or_else(|| Failure::new(Code::Error, "nobody asks what was seen: the demo is gone"))
}
