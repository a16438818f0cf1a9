//! What can happen, as listeners are told of it: flat JSON with a `type`.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// When.
    pub time: Timestamp,
    /// Where; `None`: in no one namespace.
    pub namespace: Option<String>,
    /// To which function, if to one.
    pub function: Option<String>,
}

/// What became of a function or a sidecar: what a chart marks, and what an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MarkKind)]
pub enum Action {
    /// The function was created or changed.
    Applied,
    /// A revision was ready for the first time.
    Ready,
    /// A revision fails, or gave its calls back.
    Failed,
    /// The traffic was set.
    Traffic,
    /// The function was deleted.
    Deleted,
    /// A sidecar connected.
    Joined,
    /// A sidecar is gone.
    Left,
    /// A sidecar takes no instances any more.
    Draining,
    /// It takes some again.
    Resumed,
    /// How far a sidecar is behind changed; no mark.
    Lag,
}

/// The kinds of events; names of fields as the API has them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the fields are described once, in http/events.rs"
)]
pub enum What {
    /// The first event of a fresh connection.
    Hello { event_id: String },
    /// Events were missed: what is known should be read anew.
    Reset { message: String },
    /// The catalogue's function changed.
    Function {
        action: Action,
        revision: String,
        message: String,
    },
    /// How a function is, now.
    Sample(Sample),
    /// An owner wants another number of instances.
    Decision(Decision),
    /// An instance changed its state.
    Instance {
        instance: String,
        revision: String,
        sidecar: String,
        state: String,
        message: String,
    },
    /// An asynchronous call changed its state.
    Call {
        id: String,
        state: String,
        attempt: u32,
        status: Option<u32>,
    },
    /// A sidecar.
    Sidecar {
        sidecar: String,
        action: Action,
        lag: u64,
    },
    /// The catalogue's trigger changed (`applied`, `deleted`), or it did something: `fired`,
    /// `duplicate`, `failed`, `missed`, `skipped`.
    Trigger {
        trigger: String,
        action: String,
        message: String,
    },
}

/// How a function was during one second, over all sidecars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Sample {
    /// Calls answered a second, refused ones included.
    pub rps: f64,
    /// Of those: refused, or answered with 5xx.
    pub errors_per_second: f64,
    /// Half of the answers took at most so long; null: there was none.
    pub p50_ms: Option<f64>,
    /// 95 of 100 did.
    pub p95_ms: Option<f64>,
    /// Calls at instances, averaged.
    pub in_flight: f64,
    /// Calls that wait for an instance.
    pub held: u64,
    /// Instances that take calls.
    pub ready: u32,
    /// Instances on their way.
    pub starting: u32,
    /// Instances the owner wants.
    pub desired: u32,
    /// Asynchronous calls that are not finished.
    pub queued: u64,
    /// Dead letters.
    pub dead: u64,
}

/// A scaling decision.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ScalingDecision)]
pub struct Decision {
    /// Of which revision.
    pub revision: String,
    /// Instances wanted from now on.
    pub desired: u32,
    /// And before.
    pub previous: u32,
    /// For programs: `load`, `panic`, `idle`, `activation_scale`, ...
    #[schema(example = "panic")]
    pub reason: String,
    /// For people.
    #[schema(example = "panic: 12.0 in flight per instance, target 7.0")]
    pub explanation: String,
}

impl Sample {
    /// Calls come, wait or run, or instances start: the next second will differ.
    pub fn is_active(&self) -> bool {
        self.rps > 0.0
            || self.in_flight > 0.0
            || self.held > 0
            || self.starting > 0
            || self.queued > 0
    }

    /// Nothing runs, waits or is left over.
    pub fn is_empty(&self) -> bool {
        !self.is_active() && self.ready == 0 && self.desired == 0 && self.dead == 0
    }
}

impl What {
    /// As in `type`, and in a listener's `types`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Reset { .. } => "reset",
            Self::Function { .. } => "function",
            Self::Sample(_) => "sample",
            Self::Decision(_) => "decision",
            Self::Instance { .. } => "instance",
            Self::Call { .. } => "call",
            Self::Sidecar { .. } => "sidecar",
            Self::Trigger { .. } => "trigger",
        }
    }

    /// About a function.
    pub fn of(self, namespace: &str, function: &str, time: Timestamp) -> Event {
        Event {
            what: self,
            time,
            namespace: Some(namespace.to_owned()),
            function: Some(function.to_owned()),
        }
    }

    /// About no one namespace.
    pub fn of_all(self, time: Timestamp) -> Event {
        Event {
            what: self,
            time,
            namespace: None,
            function: None,
        }
    }
}
