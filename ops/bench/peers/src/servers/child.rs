//! Another process that serves on a port of this machine, and ends with us.

use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// How long it may take until it answers.
const START_MAX: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A process that serves.
pub struct Serving(Child);

impl Serving {
    /// Starts it, with its words thrown away, and waits until it listens.
    pub async fn start(mut command: Command, addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = command.get_program().to_string_lossy().into_owned();
        let mut serving = Self(command.spawn().with_context(|| program.clone())?);
        let until = Instant::now() + START_MAX;
        for address in addresses {
            while TcpStream::connect(address).await.is_err() {
                let ended = serving.0.try_wait()?;
                anyhow::ensure!(ended.is_none(), "{program} has ended: {ended:?}");
                anyhow::ensure!(Instant::now() < until, "{program} does not answer at {address}");
                sleep(ASK_EVERY).await;
            }
        }
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // What has ended by itself can't be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address of this machine where nobody listens.
pub async fn free() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(listener.local_addr()?)
}
