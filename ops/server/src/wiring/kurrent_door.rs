//! The door for clients of others, who speak the KurrentDB protocol: the same keys, the same write lists, a port of its own.

use super::core::{Core, Source};
use super::parts::Parts;
use crate::config::{Kurrent, KurrentTls};
use crate::exit::{Code, Failure, chain};
use std::net::SocketAddr;
use std::sync::Arc;
use stele_commands::access::{Gatekeeper, NO_CREDENTIAL};
use stele_commands::stop::Stop;
use stele_commands::streams;
use stele_domain::access::{Action, Caller};
use stele_domain::port::event_log::{EventLog, StreamId};
use stele_event_log::EmbeddedLog;
use stele_kurrent::{Access, CannotOpen, Options, Server, TlsFiles, Writes};
use stele_remote_log::Process;
use tokio::sync::watch;

/// Opens the door, where there is to be one, and serves until the stop.
pub(super) async fn open(
    config: &Kurrent,
    core: &Core,
    gatekeeper: &Arc<Gatekeeper>,
    parts: &mut Parts,
) -> Result<(), Failure> {
    // The configuration refuses an address where the log is another's.
    let (Some(address), Source::Owned(log)) = (config.listen, &core.source) else { return Ok(()) };
    let server = Server::open(options(config, address)).await.map_err(|error| not_open(&error))?;
    let log: Arc<dyn EventLog> = Arc::<EmbeddedLog>::clone(log);
    let writes = Writes {
        desk: recorded_by_the_desk,
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

fn options(config: &Kurrent, address: SocketAddr) -> Options {
    let files =
        |tls: &KurrentTls| TlsFiles { chain: tls.certificate_file.clone(), key: tls.key_file.clone() };
    Options {
        advertise: config.advertise.clone(),
        tls: config.tls.as_ref().map(files),
        ..Options::plain(address)
    }
}

/// What a process of the desk may record, by the roles of its key.
fn recorded_by_the_desk(caller: &Caller, stream: &StreamId, event_type: &str) -> bool {
    let roles = caller.scope.processes.iter().filter_map(|name| Process::named(name));
    roles.into_iter().any(|role| role.may_append(stream, event_type))
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
        CannotOpen::Tls { .. } => Code::Usage,
    };
    Failure::new(code, chain(error)).advise("`kurrent.listen` and the files beside it say where and how")
}
