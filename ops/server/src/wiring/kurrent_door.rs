//! The door for clients of others, who speak the KurrentDB protocol: the same keys, the same write lists, a port of its own.

use super::core::{Core, Source};
use super::parts::Parts;
use crate::config::{Kurrent, KurrentTls};
use crate::exit::{Code, Failure, chain};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use stele_commands::access::{Gatekeeper, NO_CREDENTIAL};
use stele_commands::stop::Stop;
use stele_commands::streams;
use stele_domain::access::{Action, Caller};
use stele_domain::port::event_log::{EventLog, StreamId};
use stele_event_log::EmbeddedLog;
use stele_kurrent::{Access, CannotOpen, Options, Server, Tls, Writes};
use stele_remote_log::{Process, WriteLists};
use tokio::sync::watch;

/// Opens the door, where there is to be one, and serves until the stop.
pub(super) fn open(
    config: &Kurrent,
    core: &Core,
    lists: WriteLists,
    gatekeeper: &Arc<Gatekeeper>,
    parts: &mut Parts,
) -> Result<(), Failure> {
    // The configuration refuses an address where the log is another's.
    let (Some(address), Source::Owned(log)) = (config.listen, &core.source) else { return Ok(()) };
    let server = Server::open(options(config, address)?).map_err(|error| not_open(&error))?;
    let log: Arc<dyn EventLog> = Arc::<EmbeddedLog>::clone(log);
    let writes = Writes {
        desk: Arc::new(move |caller, stream, event_type| {
            recorded_by_the_desk(&lists, caller, stream, event_type)
        }),
        reserved: streams::CATEGORIES.map(str::to_owned).into(),
        outside: config.outside.clone(),
    };
    let stop = heard(parts.stop());
    let serving = server.serve(log, Arc::clone(&core.clock), access(gatekeeper), writes, stop);
    parts.spawn("the KurrentDB door", async move {
        serving.await;
        Ok(())
    });
    Ok(())
}

fn options(config: &Kurrent, address: SocketAddr) -> Result<Options, Failure> {
    let tls = config.tls.as_ref().map(papers).transpose()?;
    Ok(Options { advertise: config.advertise.clone(), tls, ..Options::plain(address) })
}

/// The certificate and its private key, by the rule that holds for those of the other door.
fn papers(files: &KurrentTls) -> Result<Tls, Failure> {
    let unusable = |setting: &str, path: &Path, why: String| {
        Failure::usage(format!("configuration: `{setting}`: {}: {why}", path.display()))
    };
    let chain = std::fs::read(&files.certificate_file).map_err(|error| {
        unusable("kurrent.tls_certificate_file", &files.certificate_file, error.to_string())
    })?;
    let key = stele_api::private_file(&files.key_file)
        .map_err(|why| unusable("kurrent.tls_key_file", &files.key_file, why))?;
    Ok(Tls { chain, key })
}

/// What a process of the desk may record, by the roles of its key.
fn recorded_by_the_desk(lists: &WriteLists, caller: &Caller, stream: &StreamId, event_type: &str) -> bool {
    let mut roles = caller.scope.processes.iter().filter_map(|name| Process::named(name));
    roles.any(|role| lists.may_append(role, stream, event_type))
}

fn access(gatekeeper: &Arc<Gatekeeper>) -> Access {
    let keeper = || Arc::clone(gatekeeper);
    let (knows, hears, asks, keeps) = (keeper(), keeper(), keeper(), keeper());
    Access {
        authenticate: Arc::new(move |key, address| {
            knows.authenticate(key, address).map_err(|denied| denied.message)
        }),
        stranger: Arc::new(move |address| hears.stranger(address, NO_CREDENTIAL)),
        stands: Arc::new(move |caller| asks.stands(caller).map_err(|denied| denied.message)),
        denied: Arc::new(move |caller, action: Action, what| keeps.denied(caller, action, what)),
    }
}

fn heard(mut stop: Stop) -> watch::Receiver<bool> {
    let (end, ended) = watch::channel(false);
    tokio::spawn(async move {
        stop.requested().await;
        end.send_replace(true);
    });
    ended
}

fn not_open(error: &CannotOpen) -> Failure {
    let code = match error {
        CannotOpen::Address { .. } => Code::Conflict,
        CannotOpen::Certificate(_) | CannotOpen::PrivateKey(_) => Code::Usage,
    };
    Failure::new(code, chain(error)).advise("`kurrent.listen` and the files beside it say where and how")
}
