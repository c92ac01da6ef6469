//! Stele's own doors, as another process: the KurrentDB protocol and the desk's `LogService` over one embedded log with its
//! defaults. Whoever comes may write every stream, as somebody whose key says so.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use stele_bench_drive::SystemClock;
use stele_domain::access::{Caller, Origin, Role, Scope};
use stele_domain::ids::Actor;
use stele_domain::port::event_log::EventLog;
use stele_event_log::{EmbeddedLog, Options};
use stele_kurrent::{Access, Outside, Server, Writes};
use stele_remote_log::LogService;
use tokio::sync::watch;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

/// Serves until it is killed.
pub async fn serve(directory: &Path, kurrent: SocketAddr, own: SocketAddr) -> anyhow::Result<()> {
    let (log, _) = EmbeddedLog::open(directory, Options::new(Arc::new(SystemClock)))?;
    let log: Arc<dyn EventLog> = Arc::new(log);
    let (_stopper, stop) = watch::channel(false);
    let door = Server::open(stele_kurrent::Options::plain(kurrent))?;
    let access = Access {
        authenticate: Arc::new(|_, address| caller(address)),
        stranger: Arc::new(|_| {}),
        stands: Arc::new(|_| Ok(())),
        denied: Arc::new(|_, _, _| {}),
    };
    let writes =
        Writes { desk: Arc::new(|_, _, _| false), reserved: [].into(), outside: Outside::Everything };
    let serving = door.serve(Arc::clone(&log), Arc::new(SystemClock), access, writes, stop.clone());
    let kurrent = tokio::spawn(serving);
    let service = LogService::new(log, |_, _, _| true, |_| Ok(()), |_| {}, stop);
    let service = InterceptedService::new(service.into_server(), vouched);
    tonic::transport::Server::builder().add_service(service).serve(own).await?;
    Ok(kurrent.await?)
}

/// A process of role `outside`, which may write whatever is not the desk's.
fn caller(address: &str) -> Result<Caller, String> {
    let actor = Actor::try_from("service:outside".to_owned()).map_err(|error| error.to_string())?;
    let scope = Scope { actions: [].into(), processes: ["outside".to_owned(), "api".to_owned()].into() };
    let origin = Origin { key_id: None, address: address.to_owned() };
    Ok(Caller { actor, role: Role::Service, scope, origin })
}

fn vouched(mut request: Request<()>) -> Result<Request<()>, Status> {
    let caller = caller("127.0.0.1").map_err(Status::internal)?;
    request.extensions_mut().insert(caller);
    Ok(request)
}
