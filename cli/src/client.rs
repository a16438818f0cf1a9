//! REST calls to the management API, through the Rust SDK.
//!
//! Answers stay JSON values: a newer server's extra fields pass through `-o json` untouched.
//! Deliberately thin: connecting, paging and trying again are the SDK's; here is which server, and
//! what its failures mean to somebody at a terminal.

use std::time::Duration;

use gateless_common::header::PREFER;
use gateless_common::problem::Code;
use gateless_sdk::{Error, Gateless, Policy, Trust};
pub(crate) use gateless_sdk::{Listing, segment};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::login::trust::parse;
use crate::login::{Remote, Target};
use crate::reach;

/// How often somebody without a login asks whether the server is there: 3 s on average, in which `gateless up` has started.
const PATIENCE: Policy = Policy {
    attempts: 10,
    base: Duration::from_millis(100),
    max: Duration::from_secs(1),
};

/// Long enough for a slow disk, short enough that a dead server is noticed.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to one server as one user, in one namespace.
pub(crate) struct Client {
    sdk: Gateless,
    target: Target,
}

/// An answer that is not a problem.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    /// Decides server, token and namespace from flags, environment and login.
    ///
    /// Nobody has a login before `gateless up` saves one, which it does before its server answers: so who types the next command at
    /// once waits for that answer here.
    pub(crate) async fn new(remote: &Remote) -> Result<Self, Failure> {
        let target = remote.resolve()?;
        if target.has_login() {
            return Self::at(target);
        }
        let patient = Gateless::builder(&target.server).retry(PATIENCE);
        let patient = patient.trust(trust(&target)?).build()?;
        match patient.get::<Value>("/livez", &[]).await {
            Err(Error::Unreachable { .. }) => Self::at(target),
            _ => Self::at(remote.resolve()?),
        }
    }

    /// A client of this server.
    pub(crate) fn at(target: Target) -> Result<Self, Failure> {
        let sdk = build(&target, None)?;
        Ok(Self { sdk, target })
    }

    /// The SDK's client; with a sidecar's address one that calls functions there.
    pub(crate) fn sdk(&self, sidecar: Option<&str>) -> Result<Gateless, Failure> {
        match sidecar {
            Some(_) => build(&self.target, sidecar),
            None => Ok(self.sdk.clone()),
        }
    }

    /// What flags, environment and login came to.
    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    /// The namespace commands work in.
    pub(crate) fn namespace(&self) -> &str {
        self.sdk.namespace()
    }

    /// Where `function.toml` names another namespace.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        namespace.clone_into(&mut self.target.namespace);
        self.sdk = self.sdk.in_namespace(namespace);
    }

    /// True when a flag or the environment chose the namespace.
    pub(crate) const fn namespace_is_explicit(&self) -> bool {
        self.target.namespace_is_explicit
    }

    /// `/v1/namespaces/NAMESPACE` followed by `segments`, percent-encoded.
    pub(crate) fn path(&self, segments: &[&str]) -> String {
        self.sdk.path(segments)
    }

    /// A request with the token. One that changes something is answered when the change holds, if that is soon.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let reads = matches!(method, Method::GET | Method::HEAD);
        let request = self.sdk.request(method, path);
        if reads {
            return request;
        }
        request.header(PREFER, reach::preference())
    }

    /// GET of a JSON resource.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        let got = self.sdk.get(path, query).await;
        got.map_err(|error| self.failure(error))
    }

    /// A request with a JSON body, or none.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(self.send(request).await?.body)
    }

    /// Sends and reads the whole answer; a status of 400 and above is a failure.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Reply, Failure> {
        self.send_within(request, CALL_TIMEOUT).await
    }

    /// [`Client::send`] for what takes as long as the user says.
    pub(crate) async fn send_within(
        &self,
        request: RequestBuilder,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let answer = self.sdk.json(request.timeout(timeout)).await;
        let (headers, body) = answer.map_err(|error| self.failure(error))?;
        reach::note(&headers);
        Ok(Reply { headers, body })
    }

    /// Sends and leaves the body unread; a status of 400 and above is a failure.
    pub(crate) async fn stream(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = self.sdk.send(request).await;
        response.map_err(|error| self.failure(error))
    }

    /// Every item of a list, up to `limit`, following the pages.
    pub(crate) async fn list(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: usize,
    ) -> Result<Listing, Failure> {
        let listed = self.sdk.list(path, query, limit).await;
        listed.map_err(|error| self.failure(error))
    }

    /// An error with what can be done about it here.
    pub(crate) fn failure(&self, error: Error) -> Failure {
        let of_server = match &error {
            Error::Unreachable { whom, .. } => whom.starts_with("the server"),
            _ => false,
        };
        let failure = Failure::from(error);
        if of_server {
            return failure.hint(format!(
                "the address is {}; start a server with `gateless up`, or name another with --server, GATELESS_SERVER or `gateless login`",
                self.target.server_source
            ));
        }
        let code = failure.document()["code"].as_str().and_then(Code::parse);
        let may_not = matches!(
            code,
            Some(Code::WrongNamespace | Code::RoleNotEnough | Code::QuotaExceeded)
        );
        if failure.exit() == Exit::Unauthorized && !may_not {
            return failure.hint(format!(
                "the token came from {}; give another with --token, GATELESS_TOKEN or `gateless login`",
                self.target.token_source
            ));
        }
        failure
    }
}

fn trust(target: &Target) -> Result<Trust, Failure> {
    let given = target.authorities.as_deref().map(parse);
    Ok(given.transpose()?.unwrap_or_default())
}

fn build(target: &Target, sidecar: Option<&str>) -> Result<Gateless, Failure> {
    let mut builder = Gateless::builder(&target.server)
        .namespace(&target.namespace)
        .trust(trust(target)?)
        .user_agent(concat!("gateless/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = &target.token {
        builder = builder.token(token);
    }
    if let Some(sidecar) = sidecar {
        builder = builder.sidecar(sidecar);
    }
    builder.build().map_err(Failure::from)
}
