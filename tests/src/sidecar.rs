//! One sidecar of a cluster: started, killed and started again on what it had.
//!
//! Deliberately knows no other sidecar and no server but by the arguments it is started with.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::call::Caller;
use crate::network::Place;
use crate::process::Process;

/// One sidecar of a cluster.
#[derive(Debug)]
pub struct Sidecar {
    pub(crate) index: usize,
    pub(crate) place: Place,
    pub(crate) folder: PathBuf,
    pub(crate) mark: String,
    /// What is run, from the next start on.
    pub program: PathBuf,
    /// Arguments but for the listeners.
    pub common: Vec<String>,
    pub(crate) addresses: BTreeMap<&'static str, String>,
    /// More environment variables, from the next start on.
    pub env: Vec<(String, String)>,
    /// Running, unless it was killed.
    pub process: Option<Process>,
}

const LISTENERS: [(&str, &str); 5] = [
    ("--listen", "public"),
    ("--local-listen", "local"),
    ("--peer-listen", "peer"),
    ("--gossip-listen", "gossip"),
    ("--metrics-listen", "metrics"),
];

impl Sidecar {
    /// Starts it, on the addresses it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&mut self) {
        let mut args = self.common.clone();
        // Not the default, so that no test rests on it.
        args.extend(["--domain".into(), "gateless.local".into()]);
        for (flag, name) in LISTENERS {
            // Functions call the sidecar of their own host.
            let place = if name == "local" {
                &Place::Here
            } else {
                &self.place
            };
            let known = self.addresses.get(name).cloned();
            args.extend([flag.into(), known.unwrap_or_else(|| place.free_port())]);
        }
        let log = self.folder.join(format!("sidecar-{}.log", self.index));
        // Functions of tests write down what they saw where tests read it. `isolation` and `calls` try what is the default.
        let mut env = vec![("GATELESS_ISOLATION".to_owned(), "none".to_owned())];
        env.extend(self.env.iter().cloned());
        let process = Process::start_at(&self.program, &self.place, &self.mark, &log, &args, &env);
        let process = process.unwrap_or_else(|e| panic!("{e}"));
        for (_, name) in LISTENERS {
            let address = process.address(name);
            let address = address.split("://").last().unwrap_or_default().to_owned();
            self.addresses.insert(name, address);
        }
        self.process = Some(process);
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGKILL, then a start on the same data and addresses.
    pub fn restart(&mut self) {
        self.kill();
        self.start();
    }

    /// One of `public`, `local`, `peer`, `metrics`, `gossip`, as host:port.
    #[must_use]
    pub fn address(&self, listener: &str) -> String {
        self.addresses[listener].clone()
    }

    /// Calls from outside.
    #[must_use]
    pub fn public(&self) -> Caller {
        Caller::new(format!("http://{}", self.address("public")))
    }

    /// Calls as a function on its host would make them.
    #[must_use]
    pub fn local(&self) -> Caller {
        Caller::new(format!("http://{}", self.address("local")))
    }

    /// Its metrics, as its operator's monitoring reads them.
    pub async fn metrics(&self) -> String {
        let at = Caller::new(format!("http://{}", self.address("metrics")));
        at.get("/metrics").await.expect(200).text()
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join(format!("sidecar-{}", self.index))
    }

    /// Its node id.
    ///
    /// # Panics
    /// When it never started.
    #[must_use]
    pub fn node(&self) -> String {
        let path = self.data().join("node-id");
        let id = fs::read_to_string(&path);
        id.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .trim()
            .to_owned()
    }
}
