//! What a sidecar answers on paths and listeners of its own, where no function is called.
//!
//! The second half of the table of `error`, which makes answers of these too.

use gateless_common::problem::Code;
use gateless_core::name::NodeId;

/// Why a request for the sidecar itself gets nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Own {
    /// It came to the listener of sidecars without the cluster's secret.
    #[error("this listener is for sidecars of the same cluster")]
    NotAPeer,
    /// There is no such path.
    #[error("no such path")]
    NoPath,
    /// Queued calls are only shown here.
    #[error("GET only")]
    OnlyGet,
    /// Events and messages come in no other way.
    #[error("POST only")]
    OnlyPost,
    /// The sidecar is about to stop.
    #[error("this sidecar is shutting down")]
    ShuttingDown,
    /// The queued call is on a sidecar that is no member now.
    #[error("the call is on sidecar {0}, which is not there now")]
    SidecarAway(NodeId),
    /// The queued call was on a sidecar that an operator has removed for good.
    #[error("the call was on sidecar {0}, which is gone for good with all that was on its disk")]
    CallLost(NodeId),
    /// Management requests are not passed on here.
    #[error("this sidecar passes no management requests on")]
    NoManagement,
    /// As many of them are under way as may be.
    #[error("this sidecar passes on as many management requests as it may")]
    ManagementBusy,
    /// The server gave no answer to one; why.
    #[error("{0}")]
    Server(&'static str),
    /// The events of one request would make more calls than it may; by which bound.
    #[error("{0}")]
    TooManyCalls(String),
    /// Events in a format that is not read.
    #[error("{0}")]
    EventFormat(String),
    /// What should be a JSON event is none.
    #[error("{0}")]
    EventJson(String),
    /// An event lacks an attribute, or has a wrong one.
    #[error("{0}")]
    EventAttribute(String),
}

impl Own {
    pub(super) const fn row(&self) -> (Code, &'static str) {
        match self {
            Self::NotAPeer => (Code::NotAPeer, "call functions on the public listener"),
            Self::NoPath => (Code::NotFound, "see the README"),
            Self::OnlyGet => (
                Code::MethodNotAllowed,
                "cancel and replay calls through the server's API",
            ),
            Self::OnlyPost => (Code::MethodNotAllowed, "send events and messages with POST"),
            Self::ShuttingDown => (Code::ShuttingDown, "send calls to another one"),
            Self::SidecarAway(_) => (
                Code::SidecarAway,
                "ask again when that sidecar is back: its calls are on its disk",
            ),
            Self::CallLost(_) => (
                Code::CallLost,
                "make the call again, if it is not known to be done",
            ),
            Self::NoManagement => (
                Code::NoManagementHere,
                "ask the server itself; --no-management-relay was given here",
            ),
            Self::ManagementBusy => (
                Code::TooManyManagementRequests,
                "retry later, at another sidecar or at the server",
            ),
            Self::Server(_) => (
                Code::ServerUnreachable,
                "functions can be called meanwhile; managing them needs the server",
            ),
            Self::TooManyCalls(_) => (
                Code::TooManyCalls,
                "send fewer or smaller ones in one request",
            ),
            Self::EventFormat(_) => (
                Code::UnsupportedEventFormat,
                "send binary mode, application/cloudevents+json or application/cloudevents-batch+json",
            ),
            Self::EventJson(_) => (
                Code::BadEvent,
                "see the JSON event format of CloudEvents 1.0",
            ),
            Self::EventAttribute(_) => (
                Code::BadEvent,
                "see the context attributes of CloudEvents 1.0",
            ),
        }
    }
}
