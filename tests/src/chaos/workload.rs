//! Calls of every kind at every door while faults go on, each written into the history.
//!
//! Every call has a connection of its own: what a caller's pool does with a host that was away is not what is
//! tested. Deliberately no judgement.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use tokio::task::JoinHandle;

use super::injector::Doors;
use crate::call::{Answer, Caller, send};
use crate::cluster::Cluster;
use crate::history::{Call, ColdStart, Kind, Outcome};
use crate::spec::Spec;
use crate::wait::when;

/// How long a caller waits. Nothing called here takes half a second; the rest is for busy machines.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two calls of a worker.
const PAUSE: Duration = Duration::from_millis(40);
/// Between two keys of a worker.
const KEY_PAUSE: Duration = Duration::from_millis(250);
/// Keys that a worker uses before it uses one of them again: long enough for the home of the key to change.
const KEYS_BETWEEN: usize = 40;
/// Between two events of a stream.
const EVENT_PAUSE: u64 = 100;
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

/// What is called while things are done to a cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    pub(super) calls: Calls,
    /// Functions that are called for the first time meanwhile, and the time between two of them.
    pub(super) cold: (usize, Duration),
}

impl Mix {
    /// What is called all the time.
    pub(super) fn functions(self) -> BTreeSet<&'static str> {
        self.calls
            .iter()
            .map(|(_, function, _)| *function)
            .collect()
    }
}

/// First calls of most runs.
pub(super) const COLD: (usize, Duration) = (10, Duration::from_millis(1_100));

/// Some of everything.
pub(super) const USUAL: Mix = Mix {
    calls: USUAL_CALLS,
    cold: COLD,
};

const USUAL_CALLS: Calls = &[
    (Kind::Get, "work", 30),
    (Kind::Get, "work", 90),
    (Kind::Post, "work", 30),
    (Kind::Get, "calm", 10),
    (Kind::Async, "job", 60),
];

/// Deploys what is called.
pub(super) async fn deploy(cluster: &Cluster, mix: Mix) {
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
    for n in 0..mix.cold.0 {
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
    pub(super) fn start(cluster: &Cluster, doors: Doors, mix: Mix) -> Self {
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
            for &(kind, function, ms) in mix.calls {
                let shared = workload.shared.clone();
                workload.spawn(async move {
                    match kind {
                        Kind::Keyed => shared.repeat(function, entrance, ms).await,
                        _ => shared.again(kind, function, entrance, ms).await,
                    }
                });
            }
        }
        let shared = workload.shared.clone();
        workload.spawn(async move { shared.cold(mix.cold).await });
        workload
    }

    /// Waits until so many more calls were made.
    pub(super) async fn more(&self, calls: usize) {
        let goal = self.shared.made.load(Ordering::Relaxed) + calls;
        crate::eventually("the load goes on", async || {
            let made = self.shared.made.load(Ordering::Relaxed);
            when(made >= goal, format!("{made} of {goal}"))
        })
        .await;
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

    /// One call after the other.
    async fn again(&self, kind: Kind, function: &str, entrance: usize, ms: u64) {
        while !self.stop.load(Ordering::Relaxed) {
            if self.is_open(entrance) {
                self.call(kind, function, entrance, ms).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Calls with a key each, and after [`KEYS_BETWEEN`] others each once more.
    async fn repeat(&self, function: &str, entrance: usize, ms: u64) {
        let mut used = VecDeque::<String>::new();
        while !self.stop.load(Ordering::Relaxed) {
            if self.is_open(entrance) {
                let id = self.id(Kind::Keyed, function, entrance);
                self.call_as(&id, Kind::Keyed, function, entrance, ms).await;
                used.push_back(id);
                if used.len() > KEYS_BETWEEN
                    && let Some(id) = used.pop_front()
                {
                    self.call_as(&id, Kind::Keyed, function, entrance, ms).await;
                }
            }
            tokio::time::sleep(KEY_PAUSE).await;
        }
    }

    /// Each of the cold functions once, at one door after the other.
    async fn cold(&self, (functions, pause): (usize, Duration)) {
        for n in 0..functions {
            tokio::time::sleep(pause).await;
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
        let id = self.id(kind, function, entrance);
        self.call_as(&id, kind, function, entrance, ms).await;
    }

    fn id(&self, kind: Kind, function: &str, entrance: usize) -> String {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        format!("{kind:?}-{function}-{entrance}-{made}")
    }

    async fn call_as(&self, id: &str, kind: Kind, function: &str, entrance: usize, ms: u64) {
        let (method, door) = match kind {
            Kind::Get | Kind::Stream => (Method::GET, "function"),
            Kind::Post | Kind::Flood => (Method::POST, "function"),
            Kind::Async | Kind::Keyed => (Method::POST, "async-function"),
        };
        let events = ms / EVENT_PAUSE;
        let path = match kind {
            Kind::Stream => format!("/{door}/{function}/sse?n={events}&ms={EVENT_PAUSE}"),
            _ => format!("/{door}/{function}/sleep?ms={ms}"),
        };
        let began = self.began.elapsed();
        let mut request = self.callers[entrance].request(method, &path);
        if kind == Kind::Keyed {
            request = request.header("idempotency-key", id);
        }
        let answer = send(request.header("x-test-id", id)).await;
        let answer = answer.map_err(|error| format!("{error:?}"));
        let answer = answer.and_then(|answer| match kind {
            Kind::Stream => whole(answer, events),
            _ => Ok(answer),
        });
        let outcome = Outcome::of(answer.as_ref().map_err(Clone::clone));
        let call = Call {
            id: id.to_owned(),
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

/// A stream that says that it has ended has sent all of its events.
fn whole(answer: Answer, events: u64) -> Result<Answer, String> {
    let came = answer.text().matches("data: event").count();
    let is_whole = answer.status != 200 || u64::try_from(came) == Ok(events);
    when(is_whole, format!("{came} of {events} events came"))?;
    Ok(answer)
}
