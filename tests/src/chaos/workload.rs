//! Calls of every kind at every door while faults go on, each written into the history.
//!
//! Every call has a connection of its own: what a caller's pool does with a host that was away is not what is
//! tested. Deliberately no judgement.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use tokio::task::JoinHandle;

use super::injector::Doors;
use crate::call::{Caller, send};
use crate::cluster::Cluster;
use crate::history::{Call, ColdStart, Kind, Outcome};
use crate::spec::Spec;

/// How long a caller waits. Nothing called here takes half a second; the rest is for busy machines.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Functions that are called for the first time while faults go on.
const COLD: usize = 10;
/// Between two of these.
const COLD_PAUSE: Duration = Duration::from_millis(1_100);
/// Between two calls of a worker.
const PAUSE: Duration = Duration::from_millis(40);
/// Calls of a flood, for a function that takes one at a time and holds 20.
const FLOOD: usize = 120;

/// The function most calls are for.
#[must_use]
pub(super) fn work(version: u32) -> Spec {
    let spec = Spec::new().env("V", &version.to_string());
    spec.concurrency(4)
        .scale(2, 6)
        .with("scaling/initial_scale", 2)
        .with("retries/budget_percent", 100)
}

/// How, which function, and how many milliseconds it takes; a worker each at every door.
pub(super) type Calls = &'static [(Kind, &'static str, u64)];

/// Some of everything.
pub(super) const USUAL: Calls = &[
    (Kind::Get, "work", 30),
    (Kind::Get, "work", 90),
    (Kind::Post, "work", 30),
    (Kind::Get, "calm", 10),
    (Kind::Async, "job", 60),
];

/// Deploys what is called.
pub(super) async fn deploy(cluster: &Cluster) {
    cluster.deploy("work", work(1)).await;
    let job = Spec::new().concurrency(2).scale(0, 4);
    cluster
        .deploy("job", job.with("async/max_attempts", 20))
        .await;
    let flood = Spec::new().concurrency(1).scale(1, 1);
    cluster
        .deploy("flood", flood.with("hold/max_requests", 20))
        .await;
    cluster
        .deploy("calm", Spec::new().concurrency(4).scale(0, 4))
        .await;
    cluster
        .deploy("single", Spec::new().concurrency(8).scale(1, 1))
        .await;
    let burst = Spec::new().concurrency(10).env("START_DELAY_MS", "300");
    cluster.deploy("burst", burst).await;
    for n in 0..COLD {
        let cold = Spec::new().env("START_DELAY_MS", "200");
        cluster
            .api
            .apply(&format!("cold-{n}"), &cluster.ours(cold))
            .await;
    }
    cluster.settled().await;
}

/// Concurrency of those above.
pub(super) const CONCURRENCY: [(&str, usize); 6] = [
    ("work", 4),
    ("job", 2),
    ("flood", 1),
    ("calm", 4),
    ("single", 8),
    ("burst", 10),
];

/// 40 first calls at once, 10 an instance: 40 / (10 x 70 %) instances.
pub(super) async fn cold_start(cluster: &Cluster) -> ColdStart {
    let before = cluster.started();
    let calls = (0..40).map(|n| {
        let caller = cluster.sidecars[n % cluster.sidecars.len()].public();
        async move { caller.get("/function/burst/sleep?ms=300").await.expect(200) }
    });
    join_all(calls).await;
    ColdStart {
        started: cluster.started() - before,
        computed: (4, 6),
    }
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    callers: Vec<Caller>,
    doors: Doors,
    stop: AtomicBool,
    made: AtomicUsize,
    calls: Mutex<Vec<Call>>,
}

/// Workers that call and call.
#[derive(Debug)]
pub(super) struct Workload {
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Workload {
    #[must_use]
    pub(super) fn start(cluster: &Cluster, doors: Doors, calls: Calls) -> Self {
        let callers = cluster.sidecars.iter();
        let callers = callers.map(|sidecar| sidecar.public().once(PATIENCE));
        let shared = Arc::new(Shared {
            began: Instant::now(),
            callers: callers.collect(),
            doors,
            stop: AtomicBool::new(false),
            made: AtomicUsize::new(0),
            calls: Mutex::default(),
        });
        let workload = Self {
            shared,
            workers: Mutex::default(),
        };
        for entrance in 0..workload.shared.callers.len() {
            for &(kind, function, ms) in calls {
                let shared = workload.shared.clone();
                workload.spawn(async move {
                    while !shared.stop.load(Ordering::Relaxed) {
                        if shared.is_open(entrance) {
                            shared.call(kind, function, entrance, ms).await;
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                });
            }
        }
        let shared = workload.shared.clone();
        workload.spawn(async move { shared.cold().await });
        workload
    }

    fn spawn(&self, worker: impl Future<Output = ()> + Send + 'static) {
        self.workers.lock().unwrap().push(tokio::spawn(worker));
    }

    /// Time since it began.
    #[must_use]
    pub(super) fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Many calls at once for one function, at every door.
    pub(super) fn flood(&self) {
        for n in 0..FLOOD {
            let shared = self.shared.clone();
            let entrance = n % shared.callers.len();
            if shared.is_open(entrance) {
                self.spawn(async move { shared.call(Kind::Flood, "flood", entrance, 50).await });
            }
        }
    }

    /// Lets every worker finish its call.
    ///
    /// # Panics
    /// When one of them did.
    pub(super) async fn stop(self) -> Vec<Call> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let workers = std::mem::take(&mut *self.workers.lock().unwrap());
        for worker in join_all(workers).await {
            worker.unwrap();
        }
        std::mem::take(&mut *self.shared.calls.lock().unwrap())
    }
}

impl Shared {
    fn is_open(&self, entrance: usize) -> bool {
        self.doors[entrance].load(Ordering::Relaxed)
    }

    /// Each of the cold functions once, at one door after the other.
    async fn cold(&self) {
        for n in 0..COLD {
            tokio::time::sleep(COLD_PAUSE).await;
            let doors = (n..n + self.callers.len()).map(|n| n % self.callers.len());
            let kind = if n % 2 == 0 { Kind::Post } else { Kind::Get };
            if let Some(entrance) = doors.into_iter().find(|door| self.is_open(*door)) {
                self.call(kind, &format!("cold-{n}"), entrance, 10).await;
            }
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    async fn call(&self, kind: Kind, function: &str, entrance: usize, ms: u64) {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        let id = format!("{kind:?}-{function}-{entrance}-{made}");
        let (method, door) = match kind {
            Kind::Get => (Method::GET, "function"),
            Kind::Post | Kind::Flood => (Method::POST, "function"),
            Kind::Async => (Method::POST, "async-function"),
        };
        let path = format!("/{door}/{function}/sleep?ms={ms}");
        let began = self.began.elapsed();
        let request = self.callers[entrance].request(method, &path);
        let answer = send(request.header("x-test-id", &id)).await;
        let outcome = Outcome::of(answer.as_ref().map_err(|error| format!("{error:?}")));
        let call = Call {
            id,
            kind,
            function: function.to_owned(),
            entrance,
            began,
            ended: self.began.elapsed(),
            outcome,
        };
        self.calls.lock().unwrap().push(call);
    }
}
