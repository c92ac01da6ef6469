//! Keys: made, listed and revoked through the desk, or, where none runs, in the log on its own machine; and who one
//! is.

use super::args::{KeyCreateArgs, KeysCommand};
use super::desk::{ask, repeated, unanswered};
use super::log::or_offline;
use super::{say, say_json};
use crate::config::Config;
use crate::exit::{Code, Failure, Outcome};
use crate::offline::keys as offline;
use crate::render;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use stele_api::client::{Client, ClientError, new_key};
use stele_api::dto::{CreateKey, CreatedKey, KeysAnswer};
use stele_domain::access::{Action, Role};
use uuid::Uuid;

pub(super) fn run(command: &KeysCommand, config: &Config, json: bool) -> Outcome {
    match command {
        KeysCommand::Create(args) => create(args, config, json),
        KeysCommand::List => {
            let answer = ask(config, |client| list(client, config))?;
            if json { say_json(&answer) } else { say(&render::keys::list(&answer)) }
        }
        KeysCommand::Revoke { id, reason, again } => {
            let command_id = again.command_id.unwrap_or_else(new_key);
            let written = ask(config, |client| async move {
                let told = repeated(command_id, async |wish| client.revoke_key(wish, id, reason).await).await;
                match told {
                    Err(error) if !matches!(error, ClientError::Unreachable { .. }) => {
                        Err(unanswered(error, command_id))
                    }
                    told => {
                        let told = told.map(|reply| reply.answer);
                        or_offline(told, config, || offline::revoke(config, id, reason)).await
                    }
                }
            })?;
            super::control::answer(
                &written,
                &format!("Key {id} opens nothing any more"),
                "It opened nothing already",
                json,
            )
        }
        KeysCommand::Roles => roles(json),
    }
}

async fn list(client: Client, config: &Config) -> Result<KeysAnswer, Failure> {
    or_offline(client.keys().await, config, || offline::list(config)).await
}

fn create(args: &KeyCreateArgs, config: &Config, json: bool) -> Outcome {
    // Before the key is made: one that can't be kept would be lost.
    let room = args.out.as_deref().map(Room::reserve).transpose()?;
    let wish = CreateKey {
        owner: args.owner.clone(),
        role: args.role,
        label: args.label.clone().unwrap_or_else(|| format!("key of {}", args.owner)),
        actions: args.scope.iter().copied().collect(),
        processes: args.processes.iter().cloned().collect(),
        expires_at: None,
        for_ms: args.expires_ms,
        reason: args.reason.clone(),
    };
    let command_id = args.again.command_id.unwrap_or_else(new_key);
    let made = ask(config, |client| made(client, &wish, command_id, config))?;
    match room {
        Some(room) => kept(&made, &wish, room, config, json),
        None if json => say_json(&made),
        None => {
            say(&made.key)?;
            eprintln!(
                "Key {}: it is shown this once. Keep it in a file of your own: chmod 600 FILE, then --key-file FILE",
                made.key_id
            );
            Ok(())
        }
    }
}

/// Asked for once, or again where nobody knows: a key whose only showing was lost answers that it was shown, and can be
/// revoked by the id that is named then.
async fn made(
    client: Client,
    wish: &CreateKey,
    command_id: Uuid,
    config: &Config,
) -> Result<CreatedKey, Failure> {
    match repeated(command_id, async |id| client.create_key(id, wish).await).await {
        // Before the desk has ever run there is not even a log.
        Err(ClientError::Unreachable { .. }) if config.has_the_log() => {
            eprintln!("no desk is running: made in the log in {}", config.log_dir().display());
            offline::create(config, wish).await
        }
        told => Ok(told.map_err(|error| unanswered(error, command_id))?.answer),
    }
}

/// A new file for a key, its owner's alone. It goes again when no key comes.
struct Room<'p> {
    path: &'p Path,
    file: File,
    filled: bool,
}

impl<'p> Room<'p> {
    fn reserve(path: &'p Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| {
            let refused = Failure::usage(format!("--out {}: {error}", path.display()));
            refused.advise("name a new file in a directory of yours: no file is ever overwritten with a key")
        })?;
        Ok(Self { path, file, filled: false })
    }

    fn fill(&mut self, key: &str) -> std::io::Result<()> {
        self.file.write_all(format!("{key}\n").as_bytes())?;
        self.file.sync_all()?;
        self.filled = true;
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if !self.filled {
            // An empty file is of no use to anybody; one that stays is no harm.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// Writes the key into its file. What can't be written is shown: a key that nobody has is lost.
fn kept(made: &CreatedKey, wish: &CreateKey, mut room: Room<'_>, config: &Config, json: bool) -> Outcome {
    let path = room.path;
    if let Err(error) = room.fill(&made.key) {
        say(&made.key)?;
        let failure = Failure::new(Code::Error, format!("{} can't be written: {error}", path.display()));
        return Err(
            failure.advise(format!("key {} is made and shown above: keep it, or revoke it", made.key_id))
        );
    }
    if json {
        return say_json(&serde_json::json!({
            "command_id": made.command_id,
            "key_id": made.key_id,
            "log_position": made.log_position,
            "out": path,
        }));
    }
    let used = match wish.role {
        Role::Service => format!("stele serve --log {}", door(config)),
        Role::Viewer | Role::Trader | Role::Operator | Role::Admin | Role::Auditor => {
            format!("stele whoami --server {}", door(config))
        }
    };
    let (id, path) = (&made.key_id, path.display());
    say(&format!("Key {id} is in {path}, for you alone. Use it: {used} --key-file {path}"))
}

/// Where a key is shown, as far as this configuration knows.
fn door(config: &Config) -> String {
    if let Some(server) = &config.client.server {
        return server.to_string();
    }
    let listen = config.doors.listen.filter(|address| address.port() != 0);
    let scheme = if config.doors.tls.is_some() { "https" } else { "http" };
    listen.map_or_else(|| "URL".to_owned(), |address| format!("{scheme}://{address}"))
}

/// The matrix; nobody is asked.
pub(super) fn roles(json: bool) -> Outcome {
    if !json {
        return say(&format!(
            "{}\n`--scope` narrows a key to some of its role's actions, `--process` a process to what it writes.",
            render::keys::matrix()
        ));
    }
    let may =
        |role: Role| Action::ALL.into_iter().filter(move |action| role.permits(*action)).map(Action::name);
    let roles = Role::ALL.map(|role| (role.name().to_owned(), may(role).collect::<Vec<_>>().into()));
    say_json(&serde_json::Value::Object(roles.into_iter().collect()))
}

pub(super) fn whoami(config: &Config, json: bool) -> Outcome {
    let who = ask(config, |client| async move { Ok(client.whoami().await?) })?;
    if json { say_json(&who) } else { say(&render::keys::who(&who)) }
}
