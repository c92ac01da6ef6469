//! The keys in a log whose desk does not run: the first one is made so, before anybody could be let in with one.

use crate::config::Config;
use crate::exit::{Code, Failure, chain};
use crate::wiring::{SystemClock, load_pepper, own_directory};
use std::future::Future;
use std::sync::Arc;
use stele_api::client::offline;
use stele_api::dto::{CreateKey, CreatedKey, KeysAnswer, Written};
use stele_commands::access::{Gatekeeper, Keys};
use stele_commands::wishes::Wishes;
use stele_domain::access::Caller;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::EventLog;

/// Every key.
pub(crate) async fn list(config: &Config) -> Result<KeysAnswer, Failure> {
    with(config, async |keys, log| Ok(offline::keys(&keys, &*log, &SystemClock).await?)).await
}

/// Makes one.
pub(crate) async fn create(config: &Config, wish: &CreateKey) -> Result<CreatedKey, Failure> {
    let caller = caller()?;
    // A desk that has never run may have its first key, too.
    own_directory(&config.data_dir)?;
    with(config, async |keys, _| Ok(offline::create_key(keys, &SystemClock, caller, wish).await?)).await
}

/// Takes one back.
pub(crate) async fn revoke(config: &Config, key_id: &str, reason: &str) -> Result<Written, Failure> {
    let caller = caller()?;
    with(config, async |keys, _| Ok(offline::revoke_key(keys, caller, key_id, reason).await?)).await
}

/// Whoever may open the data directory is its owner, as at the desk's socket.
fn caller() -> Result<Caller, Failure> {
    stele_api::this_user().map_err(|error| Failure::error(&error))
}

async fn with<T, F>(
    config: &Config,
    work: impl FnOnce(Arc<Keys>, Arc<dyn EventLog>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let pepper = load_pepper(config)?;
    super::open(Some(config), &config.log_dir(), async |log| {
        let log: Arc<dyn EventLog> = log;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let wishes = Arc::new(Wishes::new(Arc::clone(&log), clock));
        let unread = |words: String| Failure::new(Code::Error, format!("the keys can't be read: {words}"));
        wishes.recall(&[]).await.map_err(|error| unread(chain(&error)))?;
        let gatekeeper =
            Gatekeeper::new(pepper, Arc::clone(&wishes)).map_err(|error| Failure::error(&error))?;
        let gatekeeper = Arc::new(gatekeeper);
        gatekeeper.load().await.map_err(|failure| unread(format!("{failure:?}")))?;
        work(Arc::new(Keys::new(gatekeeper, wishes)), log).await
    })
    .await
}
