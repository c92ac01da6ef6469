//! One scenario: a simulated world in this process, and the real binary as a child process that lives in it.
//!
//! Everything that is known of the desk comes through its socket; everything that is known of the world, from the
//! simulator's own journal. What is awaited is a condition with a long deadline, never a span of time.

pub mod binary;
#[cfg(test)]
#[path = "../support/certificates.rs"]
pub mod certificates;
mod desk;
mod fleet;
mod nobodys;
mod one_stream;
mod quotes;
mod setup;
mod story;

pub use desk::{Desk, run_to_end};
pub use fleet::{Fleet, Member, OWNER_CA, certified};
pub use nobodys::NobodysServer;
pub use one_stream::{LogOfOthers, SystemClock};
pub use quotes::{buying, selling};
pub use setup::{ACCOUNT, BTC_UNITS, EURE_UNIT, Key, RELEASE_MARGIN_MS, Setup, private};
pub use story::Story;

use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use stele_api::client::{Client, EventsQuery, RowsQuery, new_key};
use stele_api::dto;
use stele_domain::time::Timestamp;
use stele_simulator::{
    Action, Direction, Door, Entry, Fault, Handle, Running, Scope, ScriptedQuote, Simulator, Summary,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long a condition is awaited. Nothing that works takes a tenth of it on an idle machine; a disk that is busy with
/// other things may hold up the start of a database for a minute.
pub const DEADLINE: Duration = Duration::from_mins(3);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// What a fixed bitcoin costs, in 1e-8 EUR: 60,000.
const PRICE_E8: u64 = 6_000_000_000_000;

/// A world and the desk in it.
pub struct Scene {
    pub world: Handle,
    pub client: Client,
    pub desk: Desk,
    limits: dto::Limits,
    folder: TempDir,
    /// Public half of the signing key.
    pub public_key: String,
    /// Stops when it is dropped.
    _simulator: Running,
}

impl Scene {
    /// A world without a desk, and everything a desk needs to start in it.
    pub async fn prepared(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("st").tempdir().expect("a temporary folder");
        let public_key = setup::make_key(&folder.path().join("key"), setup.key);
        let simulator = Simulator::start(setup.peopled(&public_key)).await.expect("a simulator");
        let world = simulator.handle();
        world.act(Action::FixPrice { price_e8: Some(PRICE_E8) }).expect("a fixed price");
        let config = folder.path().join("stele.toml");
        private(&config, &setup.config(folder.path(), &simulator.endpoints()));
        let client = Client::unix(folder.path().join("s"));
        let desk = Desk::new(config, folder.path().join("words"));
        Self { world, client, desk, limits: setup.limits, folder, public_key, _simulator: simulator }
    }

    /// A desk that runs, sees its sources, and is disarmed.
    pub async fn started(setup: Setup) -> Self {
        let mut scene = Self::prepared(setup).await;
        scene.desk.start(&[]);
        scene.until_it_sees().await;
        scene
    }

    /// A desk that is armed under the scenario's limits.
    pub async fn armed(setup: Setup) -> Self {
        let scene = Self::started(setup).await;
        scene.set_limits().await;
        scene.arm().await;
        scene
    }

    /// Where the desk keeps its things.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until every source has spoken since the last start.
    pub async fn until_it_sees(&self) {
        self.until("the desk is ready", async || {
            self.client.ready().await.is_ok_and(|ready| ready.ready).then_some(())
        })
        .await;
        let status = async || self.client.status().await.ok();
        let began = self.until("a status", status).await.at;
        self.until("the desk sees its sources", async || {
            let status = self.client.status().await.ok()?;
            let seen = status.from_tables()?;
            let relay = seen.relays.iter().any(|relay| relay.connected);
            let price = seen.prices.iter().any(|price| price.rate.is_some());
            let balances = seen.inventory.observed_at.is_some_and(|at| at >= began);
            (relay && price && balances).then_some(())
        })
        .await;
    }

    /// Something that the status page knows from tables.
    pub async fn tables<T>(&self, what: impl FnOnce(dto::FromTables<'_>) -> T) -> T {
        let status = self.client.status().await.expect("a status");
        what(status.from_tables().expect("tables that can be read"))
    }

    /// Puts the scenario's limits in force.
    pub async fn set_limits(&self) {
        let wish = dto::SetLimits {
            limits: self.limits.clone(),
            limits_version: None,
            effective_from: None,
            reason: "a scenario".to_owned(),
        };
        self.client.set_limits(new_key(), &wish).await.expect("limits");
    }

    /// Arms the desk in both directions.
    pub async fn arm(&self) {
        self.client.arm(new_key(), &Self::arming()).await.expect("an arming");
    }

    fn arming() -> dto::Arm {
        dto::Arm {
            reason: "a scenario".to_owned(),
            mode: dto::Mode::Full,
            for_ms: Some(3_600_000),
            until: None,
            limits_version: None,
        }
    }

    /// Arms the desk when it is not armed. What disarms it (a new lease, a new start of the strategy) may be on its way
    /// still, and there may be no executor yet: to be called again until the desk does what was wanted.
    pub async fn arm_if_disarmed(&self) {
        let Ok(account) = self.client.account().await else { return };
        if account.account.arming != dto::Arming::Armed {
            let wish = Self::arming();
            // Refused or not is seen at the next call.
            let _ = self.client.arm(new_key(), &wish).await;
        }
    }

    /// Ends the process with SIGKILL and starts it again; it comes back disarmed.
    pub async fn restart(&mut self) {
        self.desk.kill().await;
        self.desk.start(&[]);
        self.until_it_sees().await;
    }

    /// Lets something go wrong until it is cleared.
    pub fn breaks(&self, fault: Fault) -> u64 {
        self.world.fault(fault, Scope::UntilCleared).expect("room for a fault")
    }

    /// Lets something go wrong once.
    pub fn breaks_once(&self, fault: Fault) {
        self.world.fault(fault, Scope::Count(1)).expect("room for a fault");
    }

    /// Lets something happen now.
    pub fn does(&self, action: Action) {
        self.world.act(action).expect("an action");
    }

    /// Publishes a request and gives its id.
    pub fn asks(&self, quote: ScriptedQuote) -> String {
        self.world.quote(quote).expect("room for an auction")
    }

    /// Waits for a value, and says what the desk said last when it does not come.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "never came: {what}\nthe desk's last words:\n{}",
                self.desk.last_words()
            );
            sleep(LOOK).await;
        }
    }

    /// Waits for the story of a request to be so.
    pub async fn story(&self, quote: &str, what: &str, so: impl Fn(&Story) -> bool) -> Story {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let story = self.client.trace(quote).await.ok().map(Story);
            if let Some(story) = story.as_ref().filter(|story| so(story)) {
                return story.clone();
            }
            let (words, told) =
                (self.desk.last_words(), story.map_or_else(String::new, |story| story.brief()));
            assert!(
                Instant::now() < deadline,
                "{quote} was never {what}: {told}\nthe desk's last words:\n{words}"
            );
            sleep(LOOK).await;
        }
    }

    /// Waits for the decision on a request.
    pub async fn decided(&self, quote: &str) -> Story {
        self.story(quote, "decided", |story| story.reason().is_some() || story.commands() == 1).await
    }

    /// Waits for a result's state.
    pub async fn becomes(&self, quote: &str, state: &str) -> Story {
        self.story(quote, state, |story| story.state() == state).await
    }

    /// Waits for a result's coin to be free.
    pub async fn released(&self, quote: &str) -> Story {
        self.story(quote, "released", |story| story.reservation() == "released").await
    }

    /// Asks until a request is decided for this reason, and gives that story.
    pub async fn until_refused(&self, quote: impl Fn() -> ScriptedQuote, reason: &str) -> Story {
        self.until(&format!("a decision for {reason}"), async || {
            let story = self.decided(&self.asks(quote())).await;
            (story.reason() == Some(reason)).then_some(story)
        })
        .await
    }

    /// Asks until the desk acts on a request, and gives its id.
    pub async fn until_acted(&self, quote: impl Fn() -> ScriptedQuote) -> String {
        self.until("a decision to act", async || {
            let id = self.asks(quote());
            self.decided(&id).await.acted().then_some(id)
        })
        .await
    }

    /// Rows of a table, the newest first.
    pub async fn rows(&self, table: &str, filters: &[(&str, &str)]) -> Vec<Value> {
        let filters =
            filters.iter().map(|(column, value)| ((*column).to_owned(), (*value).to_owned())).collect();
        let query = RowsQuery { limit: Some(200), filters, ..RowsQuery::default() };
        let page = self.client.rows(table, &query).await.unwrap_or_else(|error| panic!("{table}: {error}"));
        page.rows.iter().map(|row| serde_json::from_str(row.get()).expect("a row")).collect()
    }

    /// Waits for a row of a table.
    pub async fn row(&self, table: &str, filters: &[(&str, &str)], so: impl Fn(&Value) -> bool) -> Value {
        let what = format!("a row of {table} with {filters:?}");
        self.until(&what, async || self.rows(table, filters).await.into_iter().find(|row| so(row))).await
    }

    /// Waits until an alert is raised, or cleared.
    pub async fn alert(&self, kind: &str, raised: bool) -> Value {
        let row = self.row("alerts", &[("kind", kind)], |row| row["raised"] == raised).await;
        let history = self.rows("alert_history", &[]).await;
        let kept = history.iter().any(|step| step["kind"] == kind && step["raised"] == raised);
        assert!(kept, "the history of alerts says nothing of {kind}");
        row
    }

    /// What the log's newest events of one type say, the newest first.
    pub async fn events(&self, event_type: &str) -> Vec<Value> {
        let types = vec![event_type.to_owned()];
        let query = EventsQuery { types, backward: true, limit: Some(100), ..EventsQuery::default() };
        let page = self.client.events(&query).await.unwrap_or_else(|error| panic!("{event_type}: {error}"));
        let data = page.events.iter().filter_map(|event| event.data.as_ref());
        data.map(|data| serde_json::from_str(data.get()).expect("an event")).collect()
    }

    /// The signing account.
    pub async fn account(&self) -> dto::Account {
        self.client.account().await.expect("an account").account
    }

    /// What came and went at a door of the world.
    pub fn journal(&self, door: Door) -> Vec<Entry> {
        self.world.journal(1, usize::MAX, Some(door)).entries
    }

    /// Frames that the world sent over the relay's socket, those in which `holds` stands.
    pub fn relay_said(&self, holds: &str) -> Vec<String> {
        let out = self.journal(Door::Relay).into_iter().filter(|entry| entry.direction == Direction::Out);
        out.filter_map(|entry| entry.text).filter(|text| text.contains(holds)).collect()
    }

    /// Whether the process is the one that was started, and answers.
    pub async fn desk_runs_on(&self) -> bool {
        self.client.live().await.is_ok()
    }

    /// How many offers came in.
    pub fn offers(&self) -> u64 {
        self.world.summary().journal.quote_response_frames
    }

    /// What must hold after every scenario: each offer that came in bore its own nonce for its own command, none
    /// broke the protocol, and the desk has a submission on its log for each.
    pub async fn at_most_once(&self) -> Summary {
        let summary = self.world.summary();
        let journal = &summary.journal;
        let once = [journal.distinct_nonces, journal.distinct_commands, journal.distinct_payloads];
        assert_eq!(once, [journal.quote_response_frames; 3], "an offer came twice");
        assert_eq!(journal.violations, 0, "{:?}", journal.violations_kept);
        // The tables may be a moment behind the last offer.
        self.until("a submission on the log for each offer", async || {
            let status = self.client.status().await.ok()?;
            (status.from_tables()?.counters.submissions >= journal.quote_response_frames).then_some(())
        })
        .await;
        summary
    }
}

/// One value of a row as text, for messages and comparisons.
pub fn text<'r>(row: &'r Value, column: &str) -> &'r str {
    row[column].as_str().unwrap_or_default()
}

/// One value of a row as a moment.
pub fn moment(row: &Value, column: &str) -> Timestamp {
    serde_json::from_value(row[column].clone()).unwrap_or_else(|error| panic!("{column} of {row}: {error}"))
}
