//! One desk in several processes: one owns the log and reads the world, the others work on it with keys of their own.
//!
//! Everything that is known of it comes through the process that answers persons: the scene's desk is that one.

use super::certificates::{Valid, World, keep};
use super::desk::{Desk, run_to_end};
use super::setup::{self, Setup, private};
use super::{PRICE_E8, Scene};
use rcgen::SanType;
use std::net::TcpListener;
use std::path::Path;
use stele_api::client::Client;
use stele_simulator::{Action, Endpoints, Simulator};
use toml::Value;

/// A process of the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// Owns the log; reads prices, relay and balances.
    Owner,
    /// Decides.
    Strategy,
    /// Signs and sends.
    Executor,
    /// Stands by for the executor; runs only where a scenario wants it.
    Standby,
    /// Keeps the tables and answers persons.
    Front,
}

impl Member {
    /// The four that make a desk, the owner of the log first.
    pub const FOUR: [Self; 4] = [Self::Owner, Self::Strategy, Self::Executor, Self::Front];

    /// The short name of its files, of its socket, and its instance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Strategy => "strat",
            Self::Executor => "exec-a",
            Self::Standby => "exec-b",
            Self::Front => "front",
        }
    }

    /// What it runs.
    pub fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Owner => &["market", "ingest", "inventory", "alerts"],
            Self::Strategy => &["strategy"],
            Self::Executor | Self::Standby => &["executor"],
            Self::Front => &["projections", "api"],
        }
    }
}

/// The processes, and the world that they live in.
pub struct Fleet {
    /// The world, and the desk as persons see it.
    pub scene: Scene,
    pub owner: Desk,
    pub strategy: Desk,
    pub executor: Desk,
    pub standby: Desk,
    /// Where the standby answers probes.
    pub probes: String,
    /// Where the process that answers persons does so over TCP.
    pub front_port: String,
    /// Where the owner of the log has its own service, and where it has the KurrentDB protocol, if it has.
    pub wires: [String; 2],
    /// Whose certificates the wire between them is under; none in the clear.
    pub papers: Option<World>,
}

/// What all processes of one fleet share.
struct Ground<'s> {
    setup: &'s Setup,
    folder: &'s Path,
    doors: Endpoints,
    public_key: &'s str,
    /// The owner's port.
    port: u16,
    /// Where the standby answers probes.
    probe_port: u16,
    /// Where the front answers over TCP.
    front_port: u16,
    wire: Wire<'s>,
}

/// What the processes speak between them.
#[derive(Clone, Copy)]
enum Wire<'w> {
    /// Our own service of the log, in the clear.
    Own,
    /// The same under TLS.
    Tls(&'w World),
    /// The KurrentDB protocol, at the owner's port for it.
    Kurrent(u16),
    /// The same, and the log is nobody's of the desk.
    Others(u16),
}

/// What a fleet's processes are to speak between them.
enum Between {
    /// Our own service of the log; with certificates under TLS.
    Own(Option<Box<World>>),
    /// The KurrentDB protocol.
    Kurrent,
    /// The same, with the log behind a port that is no process's of the desk.
    Others(u16),
}

impl Ground<'_> {
    /// Writes the configuration of one process.
    fn member(&self, member: Member) -> Desk {
        let name = member.name();
        let path = |name: &str| Value::from(self.folder.join(name).to_string_lossy().into_owned());
        let mut own: Vec<(&str, Value)> = vec![
            ("desk.instance", name.into()),
            ("desk.data_dir", path(&format!("{name}-data"))),
            ("desk.socket", path(&format!("{name}.s"))),
        ];
        if !member.roles().contains(&"executor") {
            own.push(("account.signing_key_file", "".into()));
        }
        let others = matches!(self.wire, Wire::Others(_));
        if member == Member::Owner {
            own.push(("account.public_key", self.public_key.into()));
        } else {
            // Where nobody owns the log, the first who needs the pepper makes it.
            let pepper = if others { "keys.pepper" } else { "owner-data/keys.pepper" };
            own.push(("access.pepper_file", path(pepper)));
        }
        if member == Member::Owner && !others {
            own.push(("api.listen", format!("127.0.0.1:{}", self.port).into()));
        }
        own.extend(self.wire(member));
        if member == Member::Front {
            own.push(("api.listen", format!("127.0.0.1:{}", self.front_port).into()));
        }
        if member == Member::Standby {
            own.push(("executor.standby", true.into()));
            own.push(("api.probe_listen", format!("127.0.0.1:{}", self.probe_port).into()));
        }
        let config = self.folder.join(format!("{name}.toml"));
        private(&config, &self.setup.config_with(self.folder, &self.doors, own));
        Desk::new(config, self.folder.join(format!("{name}.words")))
    }
}

impl Ground<'_> {
    /// How a process is at one end of the wire. Under TLS the executor comes with a certificate and the others with keys.
    fn wire(&self, member: Member) -> Vec<(&'static str, Value)> {
        let name = member.name();
        let file = |name: &str| Value::from(self.folder.join(name).to_string_lossy().into_owned());
        let by_key =
            |url: String| vec![("log.url", url.into()), ("log.key_file", file(&format!("{name}.key")))];
        let papers = match self.wire {
            Wire::Own if member == Member::Owner => return vec![],
            Wire::Own => return by_key(format!("http://127.0.0.1:{}", self.port)),
            Wire::Kurrent(port) if member == Member::Owner => {
                return vec![("kurrent.listen", format!("127.0.0.1:{port}").into())];
            }
            Wire::Kurrent(port) | Wire::Others(port) => {
                return by_key(format!("kurrentdb://127.0.0.1:{port}?tls=false"));
            }
            Wire::Tls(papers) => papers,
        };
        let issued = |name: &str| Value::from(papers.path(name).to_string_lossy().into_owned());
        if member == Member::Owner {
            return vec![
                ("api.tls_certificate_file", issued("desk.pem")),
                ("api.tls_key_file", issued("desk.key")),
                ("api.tls_client_ca_file", issued("ca.pem")),
            ];
        }
        let mut wire: Vec<(&str, Value)> = vec![
            ("log.url", format!("https://127.0.0.1:{}", self.port).into()),
            ("log.ca_file", file(OWNER_CA)),
        ];
        if member == Member::Executor {
            wire.push(("log.certificate_file", issued(&format!("{name}.pem"))));
            wire.push(("log.certificate_key_file", issued(&format!("{name}.key"))));
        } else {
            wire.push(("log.key_file", file(&format!("{name}.key"))));
        }
        wire
    }
}

/// The file that says to the other processes who vouches for the owner of the log.
pub const OWNER_CA: &str = "owner-ca.pem";

/// The name in the certificate of a process.
pub fn certified(member: Member) -> Vec<SanType> {
    let uri = format!("stele://service/{}/{}", member.name(), member.roles().join(","));
    vec![SanType::URI(uri.as_str().try_into().expect("a name"))]
}

impl Fleet {
    /// Configurations and keys for every process, of which none runs yet.
    pub async fn prepared(setup: Setup) -> Self {
        Self::on(setup, Between::Own(None)).await
    }

    /// The same, with the KurrentDB protocol between the processes.
    pub async fn prepared_over_kurrent(setup: Setup) -> Self {
        Self::on(setup, Between::Kurrent).await
    }

    /// Four processes with that protocol between them that run, see their sources, and are armed.
    pub async fn armed_over_kurrent(setup: Setup) -> Self {
        Self::prepared_over_kurrent(setup).await.arming().await
    }

    /// The same, with the log behind this port, which is no process's of the desk.
    pub async fn armed_on_a_log_of_others(setup: Setup, port: u16) -> Self {
        Self::on(setup, Between::Others(port)).await.arming().await
    }

    /// The same, with the wire between the processes under TLS.
    pub async fn prepared_under_tls(setup: Setup) -> Self {
        let papers = World::new();
        papers.issue(Member::Executor.name(), &papers.authority, certified(Member::Executor), Valid::Now);
        Self::on(setup, Between::Own(Some(Box::new(papers)))).await
    }

    async fn on(setup: Setup, between: Between) -> Self {
        let folder = tempfile::Builder::new().prefix("st").tempdir().expect("a temporary folder");
        let public_key = setup::make_key(&folder.path().join("key"), setup.key);
        let simulator = Simulator::start(setup.peopled(&public_key)).await.expect("a simulator");
        let world = simulator.handle();
        world.act(Action::FixPrice { price_e8: Some(PRICE_E8) }).expect("a fixed price");
        let [port, probe_port, front_port, kurrent_port] = free_ports();
        let wire = match &between {
            Between::Own(Some(papers)) => {
                keep(&folder.path().join(OWNER_CA), &papers.authority.pem());
                Wire::Tls(papers)
            }
            Between::Own(None) => Wire::Own,
            Between::Kurrent => Wire::Kurrent(kurrent_port),
            Between::Others(port) => Wire::Others(*port),
        };
        let ground = Ground {
            setup: &setup,
            folder: folder.path(),
            doors: simulator.endpoints(),
            public_key: &public_key,
            port,
            probe_port,
            front_port,
            wire,
        };
        let [owner, strategy, executor, standby, front] =
            [Member::Owner, Member::Strategy, Member::Executor, Member::Standby, Member::Front]
                .map(|member| ground.member(member));
        let client = Client::unix(folder.path().join("front.s"));
        let limits = setup.limits.clone();
        let scene = Scene { world, client, desk: front, limits, folder, public_key, _simulator: simulator };
        let probes = format!("127.0.0.1:{probe_port}");
        let front_port = format!("127.0.0.1:{front_port}");
        let wires =
            [format!("http://127.0.0.1:{port}"), format!("kurrentdb://127.0.0.1:{kurrent_port}?tls=false")];
        let others = matches!(between, Between::Others(_));
        let papers = match between {
            Between::Own(papers) => papers.map(|papers| *papers),
            Between::Kurrent | Between::Others(_) => None,
        };
        let fleet = Self { scene, owner, strategy, executor, standby, probes, front_port, wires, papers };
        if others {
            // There, a key is the roles that it is for.
            for member in Member::FOUR {
                let file = fleet.scene.file(&format!("{}.key", member.name()));
                private(&file, &member.roles().join(","));
            }
            return fleet;
        }
        for member in [Member::Strategy, Member::Executor, Member::Standby, Member::Front] {
            fleet.make_key(member.name(), "service", member.roles()).await;
        }
        fleet
    }

    /// Four processes that run, see their sources, and are armed.
    pub async fn armed(setup: Setup) -> Self {
        Self::prepared(setup).await.arming().await
    }

    /// The same, with the wire between them under TLS.
    pub async fn armed_under_tls(setup: Setup) -> Self {
        Self::prepared_under_tls(setup).await.arming().await
    }

    async fn arming(mut self) -> Self {
        for member in Member::FOUR {
            self.start(member);
        }
        self.sees().await;
        self.scene.set_limits().await;
        self.scene.arm().await;
        self
    }

    /// Makes a key on the machine of the log, as an operator does, in the file that `name` looks for.
    pub async fn make_key(&self, name: &str, role: &str, processes: &[&str]) {
        let config = self.owner.config().to_string_lossy().into_owned();
        let file = self.scene.file(&format!("{name}.key"));
        let _ = std::fs::remove_file(&file);
        let (file, processes) = (file.to_string_lossy().into_owned(), processes.join(","));
        let mut arguments =
            vec!["keys", "create", "--config", &config, "--role", role, "--owner", name, "--out", &file];
        if !processes.is_empty() {
            arguments.extend(["--process", &processes]);
        }
        let made = run_to_end(&arguments).await;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// One of the processes.
    pub fn member(&mut self, member: Member) -> &mut Desk {
        match member {
            Member::Owner => &mut self.owner,
            Member::Strategy => &mut self.strategy,
            Member::Executor => &mut self.executor,
            Member::Standby => &mut self.standby,
            Member::Front => &mut self.scene.desk,
        }
    }

    /// Starts one of the processes.
    pub fn start(&mut self, member: Member) {
        self.member(member).start(member.roles());
    }

    /// Waits until every source has spoken and an executor has the lease.
    pub async fn sees(&self) {
        self.scene.until_it_sees().await;
        self.scene
            .until("a lease", async || {
                let account = self.scene.client.account().await.ok()?.account;
                account.lease.is_some_and(|lease| !lease.lapsed).then_some(())
            })
            .await;
    }

    /// Ends one of the processes with SIGKILL and starts it again.
    pub async fn restart(&mut self, member: Member) {
        self.member(member).kill().await;
        self.start(member);
        self.sees().await;
    }

    /// The last words of all of them, for failures.
    pub fn last_words(&self) -> String {
        let members = [&self.owner, &self.strategy, &self.executor, &self.standby, &self.scene.desk];
        members.map(Desk::last_words).join("\n--\n")
    }
}

/// Ports that nobody listens on at the moment, each another one.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("its number").port())
}
