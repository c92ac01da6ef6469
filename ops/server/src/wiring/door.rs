//! The doors: the application state behind the router, the Unix socket and the TCP port that it is served on, and the
//! port for probes where one is named.

use super::core::{Core, Source, log_failure};
use super::elsewhere::OwnedElsewhere;
use super::event_store::Unproven;
use super::health::Health;
use super::parts::Parts;
use super::patience::answered;
use super::{archive, audits, kurrent_door, log_door, pepper};
use crate::config::{Config, Tls};
use crate::exit::{Code, Failure, chain};
use crate::telemetry::Vitals;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use stele_api::{
    Api, Audits, Beside, Build, DoorError, Doors, LogAdmin, LogArchived, LogConsistency, LogGrowth, LogProof,
    LogStat, Probes, TcpDoor, TcpOptions, TlsFiles, UnixDoor,
};
use stele_commands::access::{Gatekeeper, Keys};
use stele_commands::control::{Bells, Control};
use stele_commands::envelope::Failure as CommandFailure;
use stele_commands::wishes::Wishes;
use stele_domain::access::keyring;
use stele_domain::operations::service::event::Service;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{LogError, Position, StreamId};
use stele_domain::port::read_store::ReadStore;
use stele_event_log::{ArchiveStat, EmbeddedLog, Grown, Witness};
use stele_projections::past::Past;
use stele_projections::rebuild::Rebuilds;
use stele_projections::runner::Handle;
use stele_remote_log::{RemoteLog, WriteLists};

/// What the doors show besides the core.
#[derive(Clone)]
pub(crate) struct Behind {
    pub store: Arc<dyn ReadStore>,
    /// Whether that is PostgreSQL, opened here.
    pub postgres: bool,
    pub past: Option<Arc<Past>>,
    pub rebuilds: Rebuilds,
    pub projections: Option<Handle>,
    pub health: Health,
    pub vitals: Vitals,
    /// Services that run in other processes.
    pub elsewhere: BTreeSet<Service>,
}

/// Opens the socket, and the port where there is one, and serves until the stop.
pub(crate) async fn open(
    config: &Config,
    core: &Core,
    behind: Behind,
    parts: &mut Parts,
) -> Result<(), Failure> {
    let wishes = Arc::new(Wishes::new(Arc::clone(&core.log), Arc::clone(&core.clock)));
    let gatekeeper = Gatekeeper::new(pepper::load(config)?, Arc::clone(&wishes));
    let gatekeeper = Arc::new(gatekeeper.map_err(|error| Failure::error(&error))?);
    // Nobody is let in before the keys and the newest wishes are known.
    let streams = streams_of_wishes(core);
    let what = "the newest wishes, before anybody is let in";
    let recalled = answered(what, LogError::is_transient, async || wishes.recall(&streams).await).await;
    recalled.map_err(|error| log_failure(&error))?;
    let passing = |failure: &CommandFailure<keyring::Rejection>| matches!(failure, CommandFailure::Log(error) if error.is_transient());
    let what = "the keys, before anybody is let in";
    let loaded = answered(what, passing, async || gatekeeper.load().await).await;
    loaded.map_err(|failure| unreadable_keys(&failure))?;
    keep(&wishes, &gatekeeper, parts);
    let lists = write_lists(config, core)?;
    kurrent_door::open(&config.kurrent, core, lists.clone(), &gatekeeper, parts)?;
    let (log_admin, beside) = log_side((core, config.log_dir()), lists, &gatekeeper, parts);
    let audits = audits::open(config, core, &behind)?;
    let api = api(config, core, behind, Access { wishes, gatekeeper }, (log_admin, audits));
    let router = stele_api::router_beside(api, beside);
    let unix = UnixDoor::open(&config.socket).await.map_err(|error| not_open(&error))?;
    let (socket_router, stop) = (router.clone(), parts.stop());
    parts.spawn("the socket", async move {
        unix.serve(socket_router, stop).await;
        Ok(())
    });
    if let Some(address) = config.doors.listen {
        let options =
            TcpOptions { tls: config.doors.tls.as_ref().map(tls_files), ..TcpOptions::plain(address) };
        let tcp = TcpDoor::open(options).await.map_err(|error| not_open(&error))?;
        let stop = parts.stop();
        parts.spawn("the port", async move {
            tcp.serve(router, stop).await;
            Ok(())
        });
    }
    Ok(())
}

/// Opens the port for probes and serves until the stop.
pub(crate) async fn open_probes(
    config: &Config,
    core: &Core,
    behind: Behind,
    address: SocketAddr,
    parts: &mut Parts,
) -> Result<(), Failure> {
    let Behind { store: _, postgres: _, past: _, rebuilds: _, projections, health, vitals, elsewhere: _ } =
        behind;
    let probes = Probes {
        log: Arc::clone(&core.log),
        projections,
        health: Arc::new(move || health.all()),
        metrics: Arc::new(move || vitals.text()),
        build: build(config),
    };
    let door = TcpDoor::open(TcpOptions::plain(address)).await.map_err(|error| not_open(&error))?;
    let stop = parts.stop();
    parts.spawn("the probes", async move {
        door.serve(stele_api::probes(probes), stop).await;
        Ok(())
    });
    Ok(())
}

/// Who is let in, and the way of their wishes.
struct Access {
    wishes: Arc<Wishes>,
    gatekeeper: Arc<Gatekeeper>,
}

fn api(
    config: &Config,
    core: &Core,
    behind: Behind,
    access: Access,
    (log_admin, audits): (Arc<dyn LogAdmin>, Audits),
) -> Api {
    let Access { wishes, gatekeeper } = access;
    let control = Control {
        log: Arc::clone(&core.log),
        account: Arc::clone(&core.account),
        filter: Arc::clone(&core.filter),
        board: Arc::clone(&core.board),
        fence: core.fence.clone(),
        bells: Bells { elsewhere: behind.elsewhere.clone(), ..core.bells.clone() },
        pairs: vec![config.pair.clone()],
        wishes: Arc::clone(&wishes),
        clock: Arc::clone(&core.clock),
    };
    let Behind { store, postgres: _, past, rebuilds, projections, health, vitals, elsewhere: _ } = behind;
    Api {
        control: Arc::new(control),
        keys: Arc::new(Keys::new(Arc::clone(&gatekeeper), wishes)),
        gatekeeper,
        doors: Doors::new(config.doors.rates),
        store,
        past,
        log: Arc::clone(&core.log),
        log_admin,
        audits,
        projections,
        rebuilds,
        health: Arc::new(move || health.all()),
        metrics: Arc::new(move || vitals.text()),
        clock: Arc::clone(&core.clock),
        build: build(config),
    }
}

fn build(config: &Config) -> Build {
    Build { version: crate::VERSION.to_owned(), instance: config.instance.clone() }
}

/// What can be told of the log here, and the log itself for other processes where it is ours.
fn log_side(
    (core, directory): (&Core, PathBuf),
    lists: WriteLists,
    gatekeeper: &Arc<Gatekeeper>,
    parts: &Parts,
) -> (Arc<dyn LogAdmin>, Option<Beside>) {
    match &core.source {
        Source::Owned(log) => {
            let owner = Owner { log: Arc::clone(log), directory, witness: core.witness.clone() };
            let beside = log_door::service(&owner, lists, Arc::clone(gatekeeper), parts.stop());
            (Arc::new(owner), Some(beside))
        }
        Source::Remote(log) => (Arc::new(OwnedElsewhere::of(RemoteLog::clone(log))), None),
        Source::EventStore(log) => (Arc::new(Unproven(log.clone())), None),
    }
}

/// What other processes may append, over either wire: to streams of the account and the pair that are configured here.
fn write_lists(config: &Config, core: &Core) -> Result<WriteLists, Failure> {
    let streams = stele_commands::streams::all(&core.account_id, [&config.pair.id]);
    let streams = streams.map_err(|error| Failure::usage(format!("configuration: {error}")))?;
    Ok(WriteLists::of(streams))
}

/// Writes attempts down and follows the keys until the stop.
fn keep(wishes: &Arc<Wishes>, gatekeeper: &Arc<Gatekeeper>, parts: &mut Parts) {
    let (wishes, stop) = (Arc::clone(wishes), parts.stop());
    parts.spawn("the attempts", async move { Ok(wishes.run(stop).await?) });
    let (gatekeeper, stop) = (Arc::clone(gatekeeper), parts.stop());
    parts.spawn("the keys", async move { Ok(gatekeeper.run(stop).await?) });
}

/// Where the wishes of persons leave their marks.
fn streams_of_wishes(core: &Core) -> Vec<StreamId> {
    let mut streams = vec![core.streams.account.clone()];
    streams.extend(stele_commands::streams::filter());
    streams.extend(
        Service::ALL.into_iter().filter_map(|service| stele_commands::streams::service(service).ok()),
    );
    streams
}

fn unreadable_keys(failure: &CommandFailure<keyring::Rejection>) -> Failure {
    match failure {
        CommandFailure::Log(error) => log_failure(error),
        CommandFailure::Rejected(_)
        | CommandFailure::IdReused(_)
        | CommandFailure::Contended(_)
        | CommandFailure::Codec(_)
        | CommandFailure::Foreign { .. } => {
            Failure::new(Code::Error, format!("the keys of the desk can't be read: {failure:?}"))
        }
    }
}

fn tls_files(tls: &Tls) -> TlsFiles {
    TlsFiles {
        chain: tls.certificate_file.clone(),
        key: tls.key_file.clone(),
        client_ca: tls.client_ca_file.clone(),
        client_crl: tls.client_crl_file.clone(),
        client_required: tls.client_required,
        look_every: TlsFiles::LOOK_EVERY,
    }
}

fn not_open(error: &DoorError) -> Failure {
    let code = match error {
        DoorError::Taken { .. } | DoorError::NotASocket { .. } | DoorError::Address { .. } => Code::Conflict,
        DoorError::TooLong { .. } | DoorError::Tls { .. } => Code::Usage,
        DoorError::Io { .. } => Code::Error,
    };
    Failure::new(code, chain(error))
}

/// The log's numbers and checkpoints, from the process that owns it.
pub(super) struct Owner {
    pub(super) log: Arc<EmbeddedLog>,
    /// Where it is.
    pub(super) directory: PathBuf,
    pub(super) witness: Option<Arc<Witness>>,
}

impl LogAdmin for Owner {
    fn stat(&self) -> PortFuture<'_, Result<LogStat, LogError>> {
        let stat = self.log.stat();
        let stat = LogStat {
            log: stat.log,
            events: stat.events,
            commits: stat.commits,
            bytes: stat.bytes,
            streams: stat.streams,
            segments: stat.segments,
            head: stat.head,
            categories: stat.categories,
            growth: self.log.growth().into_iter().map(growth).collect(),
            archive: archive::told(&self.directory).as_ref().map(archived),
        };
        Box::pin(std::future::ready(Ok(stat)))
    }

    fn checkpoint(&self) -> PortFuture<'_, Result<Option<String>, LogError>> {
        // What somebody asks for is worth keeping elsewhere, too.
        if let Some(witness) = &self.witness {
            witness.ask();
        }
        Box::pin(std::future::ready(self.log.checkpoint().map(Some)))
    }

    fn prove(&self, position: Position) -> PortFuture<'_, Result<Option<LogProof>, LogError>> {
        Box::pin(async move {
            let proof = self.log.inclusion_proof(position).await?;
            Ok(Some(LogProof {
                first: proof.first,
                leaf_index: proof.index,
                payload: proof.payload,
                path: proof.path,
                checkpoint: proof.checkpoint,
            }))
        })
    }

    fn prove_consistency(
        &self,
        old_size: u64,
        new_size: Option<u64>,
    ) -> PortFuture<'_, Result<Option<LogConsistency>, LogError>> {
        Box::pin(async move {
            let (proof, checkpoint) = self.log.prove_consistency(old_size, new_size).await?;
            let (old_size, new_size) = (proof.old_size, proof.new_size);
            Ok(Some(LogConsistency { old_size, new_size, path: proof.path, checkpoint }))
        })
    }
}

fn growth(grown: Grown) -> LogGrowth {
    LogGrowth {
        asked_ms: grown.asked.map(log_door::millis),
        measured_ms: log_door::millis(grown.measured),
        events: grown.events,
        bytes: grown.bytes,
        categories: grown.categories,
    }
}

/// What of it is in an archive only.
fn archived(stat: &ArchiveStat) -> LogArchived {
    let ArchiveStat { segments, bytes, events, .. } = *stat;
    LogArchived { segments, bytes, events }
}
