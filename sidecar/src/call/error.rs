//! The one table from what went wrong to what a caller of the sidecar sees (RFC 9457).
//!
//! Everything a data-plane caller can get is listed here once, and only [`Error::into_response`] makes an answer of it.
//! The queue and the components name their own codes and hints, as they know what can go wrong with them. A code's
//! status is in `gateless_common::problem`.

mod own;

use std::time::Duration;

use gateless_common::problem::Code;
use gateless_core::dispatch::Refusal;
use gateless_core::hold::Full;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy;
use gateless_core::router;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

pub use self::own::Own;
use super::{grpc, limits};
use crate::endpoint::body::Body;
use crate::endpoint::component::Ended;
use crate::endpoint::framing;

/// What to do about a call whose host fell silent.
const MAY_HAVE_RUN: &str =
    "send it again if it may run twice; GET, PUT and the like are sent again by themselves";

/// Where a call's time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No instance was there.
    Hold,
    /// Instances were there, all full.
    Queue,
    /// The request's body had not come.
    Upload,
    /// The function did not answer.
    Run,
}

/// In the extensions of an answer that says that its call never left, for who made it in this process; and why.
#[derive(Debug, Clone)]
pub struct Unmade(pub String);

/// Why a call got no answer from its function.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request addresses no function.
    #[error(transparent)]
    Route(#[from] router::Error),
    /// There is no such function.
    #[error("function {0} does not exist")]
    UnknownFunction(FunctionName),
    /// Nobody knows whether there is such a function.
    #[error("whether function {0} exists is not known here: no catalogue has come yet")]
    NoCatalogue(FunctionName),
    /// The policy refused the call.
    #[error("function {0} {1}")]
    NotAdmitted(FunctionName, policy::Refused),
    /// The token that its caller showed does not prove what it has to.
    #[error("function {0} does not take the caller's token: {1}")]
    Token(FunctionName, &'static str),
    /// Whether a token proves anything cannot be known now.
    #[error("function {function} takes tokens of {issuer}, whose keys cannot be had: {cause}")]
    Issuer {
        function: FunctionName,
        issuer: String,
        cause: String,
        /// When it is asked again.
        wait: Duration,
    },
    /// It takes no calls from pages of this origin.
    #[error("function {function} takes no calls from pages of {origin}")]
    Origin {
        function: FunctionName,
        /// As the browser says it.
        origin: String,
    },
    /// It exists but has no revision to call.
    #[error("function {0} has no revision")]
    NoRevision(FunctionName),
    /// A forwarded call was refused by this host's gate; never reaches an outside caller.
    #[error("refused by the gate: {0:?}")]
    Gate(Refusal),
    /// As many calls wait as may.
    #[error("function {function} is overloaded: {bound} is full")]
    Overflow {
        function: FunctionName,
        /// Name of the bound.
        bound: &'static str,
    },
    /// Nothing can be started.
    #[error("function {function} cannot start: {reason}")]
    Failing {
        function: FunctionName,
        /// As the host that tried reports it.
        reason: String,
    },
    /// Its deadline passed.
    #[error("the deadline passed {}", match .0 {
        Phase::Hold => "while no instance was ready",
        Phase::Queue => "while every instance was full",
        Phase::Upload => "before the request body had come",
        Phase::Run => "before the function answered",
    })]
    Deadline(Phase),
    /// The function took too long to begin its answer.
    #[error("the function did not begin to answer within {} ms", .0.as_millis())]
    ResponseStart(Duration),
    /// The connection to the instance failed.
    #[error("the instance broke off: {cause}")]
    Instance {
        /// What the connection says.
        cause: String,
        /// Whether the function may have seen the call.
        seen: bool,
    },
    /// The connection to the sidecar of the instance's host broke off when the call was on its way.
    #[error("the host of the instance broke off: {cause}")]
    Peer {
        /// What the connection says.
        cause: String,
    },
    /// The host of the instance does not answer any more.
    #[error("host {} fell silent while it had the call: the function may have seen it",
        .0.as_ref().map_or("of the instance", NodeId::as_str))]
    HostLost(Option<NodeId>),
    /// A call that was to be passed on to a host that does not answer; never reaches an outside caller.
    #[error("host {0} does not answer here either")]
    NoWay(NodeId),
    /// Functions call each other in a circle.
    #[error("the call came through here more than {0} times, one function calling the other")]
    Loop(u32),
    /// The component was ended, or ended without an answer.
    #[error(transparent)]
    Component(Box<Ended>),
    /// Larger than the function allows.
    #[error("the request body is larger than {0} bytes")]
    BodyTooLarge(u64),
    /// The caller's body stopped coming, or came too slowly.
    #[error("the request body did not come within {} s", .0.as_secs())]
    BodyStalled(Duration),
    /// As much memory holds bodies that are being read as may, or as this caller or function may have of it.
    #[error("there is no memory for the request body now")]
    NoMemory,
    /// The caller's own body failed.
    #[error("the request body could not be read: {0}")]
    Body(String),
    /// Malformed in a way not covered above.
    #[error("{0}")]
    BadRequest(String),
    /// More headers, or larger ones, than a call may have.
    #[error(
        "the head has more than {} headers or {} bytes",
        framing::MAX_HEADERS,
        framing::MAX_HEAD_BYTES
    )]
    HeadTooLarge,
    /// A method that is not for functions.
    #[error("{0} is not passed on to functions")]
    Method(http::Method),
    /// From the durable queue.
    #[error("{detail}")]
    Queue {
        /// What is the matter, for programs.
        code: Code,
        detail: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// Not a call: what the sidecar answers on its own paths.
    #[error(transparent)]
    Own(#[from] Own),
}

/// The row of a call that the policy refused.
const fn denied(refused: &policy::Refused) -> (Code, &'static str) {
    match refused {
        policy::Refused::ClusterOnly => (
            Code::FunctionClusterOnly,
            "set visibility to public to open it",
        ),
        policy::Refused::Function(_) => (
            Code::CallerNotAllowed,
            "access.allow names the functions that may call",
        ),
        policy::Refused::UnknownFunction => (
            Code::CallerNotAllowed,
            "functions are known by the user and the processes of their instances: call from one of these, through GATELESS_URL",
        ),
        policy::Refused::Unproven => (
            Code::CallerUnproven,
            "send authorization: Bearer KEY or TOKEN as its access.auth says, or a key as x-api-key",
        ),
        policy::Refused::Network(_) | policy::Refused::NoNetwork => (
            Code::NetworkNotAllowed,
            "access.networks names those that may call",
        ),
        policy::Refused::Rate(_) => (
            Code::RateLimited,
            "send fewer calls, or raise access.rate or access.caller_rate",
        ),
    }
}

impl Error {
    /// Maps a refusal of the core for a caller of `function`.
    #[must_use]
    pub fn refused(function: &FunctionName, refusal: Refusal) -> Self {
        let function = function.clone();
        match refusal {
            Refusal::Full(Full::Requests) => Self::Overflow {
                function,
                bound: "hold.max_requests",
            },
            Refusal::Full(Full::Bytes) => Self::Overflow {
                function,
                bound: "hold.max_bytes",
            },
            Refusal::Failing(reason) => Self::Failing {
                function,
                reason: reason.to_string(),
            },
            Refusal::Gone => Self::UnknownFunction(function),
            refusal @ Refusal::NoInstance => Self::Gate(refusal),
        }
    }

    /// Whether the call never left: there was no room for it, or no instance, and the function never saw it.
    #[must_use]
    pub const fn is_unmade(&self) -> bool {
        matches!(
            self,
            Self::Overflow { .. }
                | Self::Failing { .. }
                | Self::Gate(_)
                | Self::NoRevision(_)
                | Self::NoCatalogue(_)
                | Self::NoMemory
                | Self::Deadline(Phase::Hold | Phase::Queue)
                | Self::Instance { seen: false, .. }
                | Self::Own(Own::ShuttingDown)
        )
    }

    /// What is the matter, for programs, and what to do about it. The code has its HTTP status in [`Code::status`].
    #[must_use]
    pub fn row(&self) -> (Code, &'static str) {
        match self {
            Self::Route(router::Error::Unnamed(_)) => (
                Code::NoFunctionNamed,
                "call /function/NAME or set the Host header",
            ),
            Self::Route(router::Error::BadName(_)) => (
                Code::BadFunctionName,
                "names are DNS labels: a-z, 0-9 and -",
            ),
            Self::UnknownFunction(_) => (
                Code::FunctionNotFound,
                "`gateless ls` shows what is deployed",
            ),
            Self::NoCatalogue(_) => (
                Code::CatalogueUnknown,
                "retry later, or at another sidecar: it comes from the server or from a peer",
            ),
            Self::NotAdmitted(_, refused) => denied(refused),
            Self::Token(..) => (
                Code::CallerUnproven,
                "access.jwt says whose tokens it takes, and for whom they are",
            ),
            Self::Issuer { .. } => (
                Code::IssuerUnavailable,
                "retry later; the sidecars fetch the issuer's keys, so that is whom they must reach",
            ),
            Self::Origin { .. } => (
                Code::OriginNotAllowed,
                "access.cors.origins names those that may call",
            ),
            Self::NoRevision(_) => (
                Code::NoRevision,
                "`gateless status` shows why none is ready",
            ),
            Self::Gate(_) | Self::NoWay(_) => (Code::GateRefused, "try another host"),
            Self::Overflow { .. } => (
                Code::Overflow,
                "retry later, or raise the bound or max_scale",
            ),
            Self::Failing { .. } => (
                Code::FunctionFailing,
                "`gateless status` shows its last log lines",
            ),
            Self::Deadline(_) => (
                Code::DeadlineExceeded,
                "raise limits.timeout_ms or hold.max_wait_ms",
            ),
            Self::ResponseStart(_) => (
                Code::ResponseStartTimeout,
                "raise limits.response_start_timeout_ms, or call it asynchronously",
            ),
            Self::Instance { .. } | Self::Peer { .. } => (
                Code::InstanceFailed,
                "`gateless logs` shows what the instance said",
            ),
            Self::HostLost(_) => (Code::UpstreamLost, MAY_HAVE_RUN),
            Self::Loop(_) => (
                Code::LoopDetected,
                "a function calls itself, directly or through others, without an end",
            ),
            Self::Component(ended) => (ended.code, ended.hint),
            Self::BodyTooLarge(_) => (Code::BodyTooLarge, "raise limits.max_request_body_bytes"),
            Self::BodyStalled(_) => (
                Code::BodyStalled,
                "send the body without pauses, or without a content-length",
            ),
            Self::NoMemory => (
                Code::TooManyBodies,
                "retry later, or send fewer and smaller bodies at once",
            ),
            Self::Body(_) => (Code::BodyUnreadable, "send the whole body"),
            Self::BadRequest(_) => (Code::BadRequest, "see detail"),
            Self::HeadTooLarge => (Code::HeadTooLarge, "send fewer or smaller headers"),
            Self::Method(_) => (Code::MethodNotAllowed, "call functions with another method"),
            Self::Queue { code, hint, .. } => (*code, hint),
            Self::Own(own) => own.row(),
        }
    }

    /// Its HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        status(self.row().0)
    }

    /// The answer, as a caller of gRPC gets it where it is one ([`grpc::kind`]).
    #[must_use]
    pub fn respond(self, kind: Option<HeaderValue>) -> Response<Body> {
        match kind {
            Some(kind) => {
                let (code, _) = self.row();
                grpc::answer(kind, code, &self.to_string())
            }
            None => self.into_response(),
        }
    }

    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let (code, hint) = self.row();
        let status = status(code);
        let document = json!({
            "type": code.urn(),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": code.as_str(),
            "detail": self.to_string(),
            "hint": hint,
        });
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            let seconds = match &self {
                Self::NotAdmitted(_, policy::Refused::Rate(left)) => limits::seconds(left.reset),
                Self::Issuer { wait, .. } => limits::seconds(*wait),
                _ => 1,
            };
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(match self {
                // RFC 6750, 3.1.
                Self::Token(..) => "Bearer error=\"invalid_token\"",
                _ => "Bearer",
            });
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Self::NotAdmitted(_, policy::Refused::Rate(left)) = &self {
            limits::show(headers, *left);
        }
        if self.is_unmade() {
            response.extensions_mut().insert(Unmade(self.to_string()));
        }
        response
    }
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
