//! Observes every connected sidecar while somebody looks, and tells what they see.
//!
//! One task takes in everything; a stream that breaks is opened again. When nobody has looked for
//! [`events::LINGER`](crate::events::LINGER), all streams are closed and sidecars do nothing for it any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gateless_proto::v1::observation::Kind;
use gateless_proto::v1::{Observation, ObserveRequest};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use crate::clock;
use crate::events::merge::Merger;
use crate::events::{Action, Decision, What};
use crate::service::Service;
use crate::sidecars::clients::Client;

const TICK: Duration = Duration::from_secs(1);
/// Observations of all sidecars that wait to be taken in; past it their streams are not read.
const WAITING: usize = 1024;
/// Between two attempts to observe a sidecar.
const AGAIN: Duration = Duration::from_secs(1);

struct Said {
    sidecar: String,
    /// `None`: its stream ended.
    observation: Option<Observation>,
}

struct Observer {
    service: Arc<Service>,
    merger: Merger,
    /// By sidecar: its address and the task that reads its stream.
    streams: HashMap<String, (String, AbortOnDropHandle<()>)>,
    /// As last told.
    lags: HashMap<String, u64>,
    sender: mpsc::Sender<Said>,
}

/// Runs until `stop`.
pub(crate) async fn run(service: Arc<Service>, stop: CancellationToken) {
    let (sender, mut said) = mpsc::channel(WAITING);
    let events = Arc::clone(service.events());
    let mut observer = Observer {
        service,
        merger: Merger::default(),
        streams: HashMap::new(),
        lags: HashMap::new(),
        sender,
    };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => observer.tick(),
            () = events.looked() => observer.follow(),
            Some(said) = said.recv() => observer.take(said),
        }
    }
}

impl Observer {
    fn tick(&mut self) {
        self.follow();
        let (now, instant) = (clock::now(), clock::instant());
        let samples = self.merger.tick(instant);
        let events = self.service.events();
        events.with_history(|history| {
            for (function, sample, _) in &samples {
                history.sampled(now, function, *sample);
            }
            history.forget(now);
        });
        for (function, sample, news) in samples {
            if news {
                let what = What::Sample(sample);
                events.publish(what.of(&function.0, &function.1, now));
            }
        }
    }

    /// Opens streams to those that connected, and closes them when they went or nobody looks.
    fn follow(&mut self) {
        let events = self.service.events();
        let wanted = events.is_wanted(clock::instant());
        events.with_history(|history| {
            history.since = wanted.then(|| history.since.unwrap_or_else(clock::now));
        });
        if !wanted {
            self.streams.clear();
            self.merger = Merger::default();
            self.lags.clear();
            return;
        }
        let registry = self.service.registry();
        let mut connected = HashMap::new();
        for sidecar in registry.list() {
            if sidecar.connected {
                let lag = self.service.lag(&sidecar);
                connected.insert(sidecar.node_id, (sidecar.hello.peer_address, lag));
            }
        }
        for (sidecar, (_, lag)) in &connected {
            if self.lags.insert(sidecar.clone(), *lag).unwrap_or(0) != *lag {
                events.sidecar(sidecar, Action::Lag, *lag);
            }
        }
        self.lags
            .retain(|sidecar, _| connected.contains_key(sidecar));
        let merger = &mut self.merger;
        self.streams.retain(|sidecar, (address, _)| {
            let stays = connected
                .get(sidecar)
                .is_some_and(|(now, _)| now == address);
            if !stays {
                merger.gone(sidecar);
            }
            stays
        });
        for (sidecar, (address, _)) in connected {
            if self.streams.contains_key(&sidecar) {
                continue;
            }
            if let Some(client) = registry.client(&sidecar) {
                let task = tokio::spawn(observe(client, self.sender.clone()));
                self.streams
                    .insert(sidecar, (address, AbortOnDropHandle::new(task)));
            }
        }
    }

    fn take(&mut self, said: Said) {
        // What was still on its way when its stream was closed.
        if !self.streams.contains_key(&said.sidecar) {
            return;
        }
        let Some(observation) = said.observation else {
            self.merger.gone(&said.sidecar);
            return;
        };
        let at = i64::try_from(observation.time_ms).ok();
        let at = at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let at = at.unwrap_or_else(clock::now);
        let events = self.service.events();
        let event = match observation.kind {
            Some(Kind::Samples(samples)) => {
                self.merger
                    .sampled(clock::instant(), &said.sidecar, samples);
                return;
            }
            Some(Kind::Decision(decision)) => {
                let function = (decision.namespace, decision.function);
                let told = Decision {
                    revision: decision.revision,
                    desired: decision.desired,
                    previous: decision.previous,
                    reason: decision.reason,
                    explanation: decision.explanation,
                };
                events.with_history(|history| history.decided(at, &function, told.clone()));
                What::Decision(told).of(&function.0, &function.1, at)
            }
            Some(Kind::Instance(change)) => {
                let what = What::Instance {
                    instance: change.id,
                    revision: change.revision,
                    sidecar: said.sidecar,
                    state: change.state,
                    message: change.message,
                };
                what.of(&change.namespace, &change.function, at)
            }
            Some(Kind::Call(change)) => {
                let what = What::Call {
                    id: change.id,
                    state: change.state,
                    attempt: change.attempt,
                    status: Some(change.status).filter(|status| *status != 0),
                };
                what.of(&change.namespace, &change.function, at)
            }
            Some(Kind::Trigger(change)) => {
                let what = What::Trigger {
                    trigger: change.trigger,
                    action: change.action,
                    message: change.message,
                };
                what.of(&change.namespace, &change.function, at)
            }
            Some(Kind::Lagged(missed)) => {
                let message = format!("{missed} changes on sidecar {} were missed", said.sidecar);
                What::Reset { message }.of_all(at)
            }
            // Of a newer version.
            None => return,
        };
        events.publish(event);
    }
}

/// Reads a sidecar's observations until it is dropped.
async fn observe(client: Client, sender: mpsc::Sender<Said>) {
    let said = |observation| Said {
        sidecar: client.sidecar.clone(),
        observation,
    };
    loop {
        let error = match open(&client, &sender).await {
            Ok(()) => return,
            Err(status) => status,
        };
        tracing::debug!(
            sidecar = client.sidecar,
            error = error.message(),
            "not observed"
        );
        if sender.send(said(None)).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// `Ok`: nobody takes it any more.
async fn open(client: &Client, sender: &mpsc::Sender<Said>) -> Result<(), Status> {
    let stream = client.ask(|mut admin| async move { admin.observe(ObserveRequest {}).await });
    let mut stream = stream.await.map_err(|error| error.status)?;
    while let Some(observation) = stream.message().await? {
        let said = Said {
            sidecar: client.sidecar.clone(),
            observation: Some(observation),
        };
        if sender.send(said).await.is_err() {
            return Ok(());
        }
    }
    Err(Status::unavailable("the stream ended"))
}
