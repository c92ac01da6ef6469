//! Decisions and what becomes of them, as they happen, across lost connections.

use super::args::WatchArgs;
use super::desk::{ask, broken_off, lasts};
use super::{say, say_json_line};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::render;
use std::time::Duration;
use stele_api::client::{Client, ClientError, Heard, Live};
use stele_domain::pair::Pair;

/// What is watched.
const TOPICS: [&str; 3] = ["decisions", "results", "arming"];
/// What ends a watch that waits for a trade.
const SETTLED: &str = "trading.SubmissionSettled";
/// Time before the stream is listened to again, and between two attempts to find a desk that was there before.
const AGAIN: Duration = Duration::from_millis(500);
/// Attempts at it, one after the other: about ten seconds.
const ATTEMPTS_MAX: u32 = 20;

pub(super) fn run(args: &WatchArgs, config: &Config, json: bool) -> Outcome {
    ask(config, |client| async move {
        let mut place = args.from.map(|from| from.saturating_sub(1));
        let mut stream = client.listen(&TOPICS, place).await?;
        loop {
            let over = listen(&mut stream, &mut place, args, config, json).await?;
            if over {
                return Ok(());
            }
            // A desk that lets in and then has nothing to say would be asked as fast as the machine can.
            tokio::time::sleep(AGAIN).await;
            stream = again(&client, place).await?;
        }
    })
}

/// Shows what is heard; true when that was all that was wanted.
async fn listen(
    stream: &mut Live,
    place: &mut Option<u64>,
    args: &WatchArgs,
    config: &Config,
    json: bool,
) -> Result<bool, Failure> {
    loop {
        match stream.next().await {
            Ok(Some(Heard::Event { event, .. })) => {
                *place = Some(event.position);
                show(&event, &config.pair, json)?;
                if args.until_settled && event.event_type == SETTLED {
                    return Ok(true);
                }
            }
            Ok(Some(Heard::CaughtUp { position } | Heard::Heartbeat { position })) => *place = Some(position),
            // What somebody has to mend is not waited for.
            Ok(Some(Heard::Failed { code, detail })) if lasts(&code) => {
                return Err(broken_off(&code, &detail));
            }
            Ok(Some(Heard::Closing { .. } | Heard::Failed { .. }) | None) | Err(ClientError::Lost { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(event: &stele_api::dto::LiveEvent, pair: &Pair, json: bool) -> Outcome {
    if !json {
        return say(&render::live::line(event, pair));
    }
    say_json_line(event)
}

/// The same stream, from where it was lost: a desk that is started again is waited for.
async fn again(client: &Client, place: Option<u64>) -> Result<Live, Failure> {
    let mut attempts = 0;
    loop {
        match client.listen(&TOPICS, place).await {
            Ok(stream) => return Ok(stream),
            Err(error) if error.is_transient() && attempts < ATTEMPTS_MAX => {
                attempts += 1;
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => {
                let at = place
                    .map_or_else(String::new, |at| format!("; go on with --from {}", at.saturating_add(1)));
                let failure = Failure::from(error);
                let code = if failure.code == Code::Error { Code::Unavailable } else { failure.code };
                return Err(Failure { code, what: format!("{}{at}", failure.what), ..failure });
            }
        }
    }
}
