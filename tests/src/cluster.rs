//! One server and some sidecars that join it, in one temporary folder.
//!
//! On loopback, or each on a host of a [`Network`]. Every port is free at the first start and the same
//! at every restart. When it is dropped, every process of it ends, instances left behind by killed
//! sidecars included.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gateless_identity::fixture as identity;
use serde_json::Value;
use tempfile::TempDir;

use crate::api::Api;
use crate::disk::Disk;
use crate::fake_server::FakeServer;
use crate::instances::{self, Instance};
use crate::network::{Network, Place};
use crate::process::{MARK, Process, gateless_bin};
use crate::sidecar::Sidecar;
use crate::spec::Spec;
use crate::wait::{eventually, when};
use crate::wall_clock::{WallClock, WallClocks};

/// What a cluster is made of.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub sidecars: usize,
    /// Instances each may run.
    pub capacity: u32,
    /// How long certificates are good.
    pub certificate_life: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            sidecars: 1,
            capacity: 50,
            certificate_life: "24h",
        }
    }
}

#[derive(Debug)]
pub struct Cluster {
    /// The sidecars, in the order they started.
    pub sidecars: Vec<Sidecar>,
    /// Running, unless it was killed.
    pub server: Option<Process>,
    /// The management API with the first admin's token.
    pub api: Api,
    /// What the server runs, from its next start on.
    pub server_program: PathBuf,
    mark: String,
    server_args: Vec<String>,
    /// Of the sidecars, in their order; none on loopback.
    pub disks: Vec<Disk>,
    /// Wall clocks of the sidecars, in their order, and of the server last; none on loopback.
    pub clocks: Vec<WallClock>,
    /// What connects the hosts; none on loopback.
    pub network: Option<Network>,
    folder: TempDir,
}

impl Cluster {
    /// Starts one, and waits until every sidecar is connected.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start(setup: Setup) -> Self {
        Self::begin(setup, None, gateless_bin()).await
    }

    /// Starts one whose sidecars and server have a host each, the server the last, and whose sidecars
    /// have a disk each.
    ///
    /// # Panics
    /// When it does not come up, and outside a test's own world.
    pub async fn on_network(setup: Setup) -> Self {
        Self::of_program(setup, gateless_bin()).await
    }

    /// [`Cluster::on_network`] of a program that may be another version.
    ///
    /// # Panics
    /// When it does not come up, and outside a test's own world.
    pub async fn of_program(setup: Setup, program: PathBuf) -> Self {
        Self::begin(setup, Some(Network::new(setup.sidecars + 1)), program).await
    }

    async fn begin(setup: Setup, network: Option<Network>, program: PathBuf) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("gateless-")
            .tempdir()
            .unwrap();
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let place = place(network.as_ref(), setup.sidecars);
        let free = place.free_port();
        let log = folder.path().join("server.log");
        let args = server_args(folder.path(), setup, &free, &free);
        let clocks = clocks(network.as_ref(), folder.path(), setup.sidecars);
        let env = clocks.last().map(WallClock::env).unwrap_or_default();
        let server = Process::start_at(&program, &place, &mark, &log, &args, &env);
        let server = server.unwrap_or_else(|e| panic!("{e}"));
        let (api, grpc) = (server.address("api"), server.address("grpc"));
        let plain = |url: &str| url.split("://").last().unwrap_or_default().to_owned();
        let mut cluster = Self {
            sidecars: Vec::new(),
            api: Api::new(api.clone(), server.admin_token()),
            server: Some(server),
            server_program: program,
            mark,
            server_args: server_args(folder.path(), setup, &plain(&api), &plain(&grpc)),
            disks: Vec::new(),
            clocks,
            network,
            folder,
        };
        for index in 0..setup.sidecars {
            if cluster.network.is_some() {
                let data = cluster.file(&format!("sidecar-{index}"));
                cluster.disks.push(Disk::mount(&data));
            }
            let grpc = Some(grpc.clone());
            let sidecar = cluster.make_sidecar(index, grpc, setup.capacity, Some("join-token"));
            cluster.sidecars.push(sidecar);
        }
        cluster.settled().await;
        cluster.meshed().await;
        cluster
    }

    /// One server and one sidecar.
    pub async fn small() -> Self {
        Self::start(Setup::default()).await
    }

    /// One server and so many sidecars.
    pub async fn of(sidecars: usize) -> Self {
        let setup = Setup {
            sidecars,
            ..Setup::default()
        };
        Self::start(setup).await
    }

    /// One more sidecar, of another config server, which knows it as if it had joined.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn sidecar_of(&self, server: &FakeServer) -> Sidecar {
        let index = self.sidecars.len();
        server.provision(&self.file(&format!("sidecar-{index}")));
        self.make_sidecar(index, Some(server.url()), 10, None)
    }

    fn make_sidecar(
        &self,
        index: usize,
        server: Option<String>,
        capacity: u32,
        token: Option<&str>,
    ) -> Sidecar {
        let folder = self.folder.path().to_owned();
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let mut common = vec!["sidecar".to_owned()];
        let mut flag = |name: &str, value: String| common.extend([name.to_owned(), value]);
        flag("--data", path(&format!("sidecar-{index}")));
        if let Some(token) = token {
            flag("--join-token-file", path(token));
        }
        flag("--capacity", capacity.to_string());
        if let Some(server) = server {
            flag("--server", server);
        }
        if let Some(first) = self.sidecars.first() {
            flag("--join", first.address("gossip"));
        }
        let mut sidecar = Sidecar {
            index,
            place: place(self.network.as_ref(), index),
            folder,
            mark: self.mark.clone(),
            program: self.server_program.clone(),
            common,
            addresses: BTreeMap::new(),
            env: self
                .clocks
                .get(index)
                .map(WallClock::env)
                .unwrap_or_default(),
            process: None,
        };
        sidecar.start();
        sidecar
    }

    /// A sidecar of somebody whose authority nobody here trusts. Ends with the cluster's others; not one of
    /// `sidecars`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn stranger(&self) -> Sidecar {
        identity::Cluster::new().provision(&self.file("sidecar-99"), "0badbad0");
        let grpc = self.server.as_ref().map(|server| server.address("grpc"));
        self.make_sidecar(99, grpc, 10, None)
    }

    /// Waits until every running sidecar knows exactly the others that run.
    ///
    /// # Panics
    /// When they don't.
    pub async fn meshed(&self) {
        let running: Vec<_> = self
            .sidecars
            .iter()
            .filter(|s| s.process.is_some())
            .collect();
        let line = format!("gateless_members {}", running.len());
        for sidecar in &running {
            eventually("every sidecar knows the others", async || {
                let metrics = sidecar.metrics().await;
                let own = metrics
                    .lines()
                    .find(|line| line.starts_with("gateless_members "));
                let seen = format!("{:?} at {}", own, sidecar.index);
                when(own == Some(&line), seen)
            })
            .await;
        }
    }

    /// Waits until every running sidecar has the newest catalogue.
    pub async fn settled(&self) {
        let running = self.sidecars.iter().filter(|s| s.process.is_some());
        let nodes: Vec<String> = running.map(Sidecar::node).collect();
        eventually("every sidecar has the catalogue", async || {
            let list = self.api.get("/sidecars").await;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            let up_to_date = |node: &String| {
                items
                    .iter()
                    .any(|s| s["node_id"] == **node && s["connected"] == true && s["lag"] == 0)
            };
            when(nodes.iter().all(up_to_date), list)
        })
        .await;
    }

    /// The spec with what every function of this cluster gets: the mark that it is ours, and
    /// the files it writes down what it saw.
    #[must_use]
    pub fn ours(&self, spec: Spec) -> Spec {
        let file = |name: &str| self.file(name).to_string_lossy().into_owned();
        spec.env(MARK, &self.mark)
            .env("SEEN_FILE", &file("seen"))
            .env("STARTED_FILE", &file("started"))
            .env("FAIL_FILE", &file("fail"))
    }

    /// Deploys a function, waits until it is ready and every sidecar knows it.
    pub async fn deploy(&self, name: &str, spec: Spec) -> Value {
        self.api.apply(name, &self.ours(spec)).await;
        let function = self.api.wait_ready(name).await;
        self.settled().await;
        function
    }

    /// Puts a trigger and waits until every sidecar knows it.
    pub async fn trigger(&self, name: &str, spec: Value) -> Value {
        let path = format!("/namespaces/default/triggers/{name}");
        let body = serde_json::json!({ "spec": spec });
        let put = self
            .api
            .send(reqwest::Method::PUT, &path, Some(&body))
            .await;
        self.settled().await;
        put
    }

    /// A file of the cluster's folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The cluster's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What marks processes as this cluster's.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Waits until every running sidecar has saved a catalogue that names something; it does
    /// so four times a second at most.
    ///
    /// # Panics
    /// When one of them does not.
    pub async fn saved(&self, name: &str) {
        for sidecar in self.sidecars.iter().filter(|s| s.process.is_some()) {
            eventually("the catalogue is saved", async || {
                let saved = fs::read(sidecar.data().join("catalogue")).unwrap_or_default();
                let mut parts = saved.windows(name.len());
                when(parts.any(|part| part == name.as_bytes()), saved.len())
            })
            .await;
        }
    }

    /// What functions saw: test id, process, revision, requests in flight there.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let text = fs::read_to_string(self.file("seen")).unwrap_or_default();
        text.lines().filter_map(Seen::parse).collect()
    }

    /// How often functions saw one test id.
    #[must_use]
    pub fn times_seen(&self, id: &str) -> usize {
        self.seen().iter().filter(|seen| seen.id == id).count()
    }

    /// How many instances were ever started.
    #[must_use]
    pub fn started(&self) -> usize {
        let text = fs::read_to_string(self.file("started")).unwrap_or_default();
        text.lines().count()
    }

    /// Instances that run now.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        instances::of_cluster(&self.mark)
    }

    /// SIGKILL to the server.
    pub fn kill_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }

    /// Starts the server again on the same data and addresses.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_server(&mut self) {
        let log = self.folder.path().join("server.log");
        let place = place(self.network.as_ref(), self.sidecars.len());
        let env = self.clocks.last().map(WallClock::env).unwrap_or_default();
        let server = Process::start_at(
            &self.server_program,
            &place,
            &self.mark,
            &log,
            &self.server_args,
            &env,
        );
        self.server = Some(server.unwrap_or_else(|e| panic!("{e}")));
    }

    /// The sidecar with this node id.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn by_node(&self, node: &str) -> usize {
        let found = self.sidecars.iter().position(|s| s.node() == node);
        found.unwrap_or_else(|| panic!("no sidecar {node:?}"))
    }
}

/// Of the host with this number, or here where there are none.
fn place(network: Option<&Network>, host: usize) -> Place {
    network.map_or(Place::Here, |network| network.place(host))
}

/// Of every sidecar and the server, where each has a host.
fn clocks(network: Option<&Network>, folder: &Path, sidecars: usize) -> Vec<WallClock> {
    if network.is_none() {
        return Vec::new();
    }
    let clocks = WallClocks::new(folder);
    let names = (0..sidecars).map(|n| format!("sidecar-{n}"));
    let names = names.chain(["server".to_owned()]);
    names.map(|name| clocks.of(&name)).collect()
}

fn server_args(folder: &Path, setup: Setup, listen: &str, grpc: &str) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let args = [
        ("--listen", listen.to_owned()),
        ("--grpc-listen", grpc.to_owned()),
        ("--data", path("server")),
        ("--write-join-token", path("join-token")),
        ("--certificate-life", setup.certificate_life.to_owned()),
    ];
    let args = args.map(|(flag, value)| [flag.to_owned(), value]);
    let command = std::iter::once("server".to_owned());
    command.chain(args.into_iter().flatten()).collect()
}

/// One line of what functions saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `x-test-id`.
    pub id: String,
    /// The instance's process.
    pub pid: u32,
    /// The instance's revision.
    pub revision: String,
    /// Requests in that instance, this one included.
    pub in_flight: usize,
}

impl Seen {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        Some(Self {
            id: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            revision: parts.next()?.to_owned(),
            in_flight: parts.next()?.parse().ok()?,
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for sidecar in &mut self.sidecars {
            // Logs are shown by the processes themselves, one after the other.
            drop(sidecar.process.take());
        }
        drop(self.server.take());
        instances::end_all(&self.mark);
        instances::end_below(self.folder());
    }
}
