//! Calling functions: at any sidecar, and never through the server.
//!
//! A function's own answer is returned whatever its status; only what Gateless itself says is an error.
//! Deliberately trusts the server's list of sidecars as a hint: the next is tried when one takes no connection.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Response};
use serde_json::Value;

use crate::call::Call;
use crate::client::{Gateless, problem_of, segment};
use crate::error::{Error, Problem};
use crate::retry::{self, IDEMPOTENCY_KEY};

/// For how long a list of sidecars is used.
const LIST_FOR: Duration = Duration::from_secs(30);
/// The sidecar ends a call at its deadline and says in which phase; this much later nobody waits for that.
const GRACE: Duration = Duration::from_secs(1);

enum Payload {
    None,
    Bytes(Bytes),
    /// Made anew for every attempt.
    Made(Box<dyn Fn() -> Body + Send + Sync>),
}

/// What is sent to a function.
pub struct Invoke {
    method: Option<Method>,
    path: String,
    headers: HeaderMap,
    payload: Payload,
    deadline: Option<Duration>,
    invalid: Option<String>,
}

impl fmt::Debug for Invoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invoke")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Default for Invoke {
    fn default() -> Self {
        Self {
            method: None,
            path: "/".into(),
            headers: HeaderMap::new(),
            payload: Payload::None,
            deadline: None,
            invalid: None,
        }
    }
}

impl Invoke {
    /// GET of `/`, until something else is said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The method; without it POST when there is a body.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Path and query below the function.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        let slash = if path.starts_with(['/', '?']) {
            ""
        } else {
            "/"
        };
        self.path = format!("{slash}{path}");
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            _ => self.invalid = Some(format!("{name} is no header")),
        }
        self
    }

    /// Adds headers to those of the request; default none.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// A body that is in memory.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.payload = Payload::Bytes(body.into());
        self
    }

    /// A body that is made when a connection is tried, such as a file's or standard input's stream. Once its
    /// connection stood it is never sent again.
    #[must_use]
    pub fn body_from(mut self, make: impl Fn() -> Body + Send + Sync + 'static) -> Self {
        self.payload = Payload::Made(Box::new(make));
        self
    }

    /// From now to the last byte of the answer; after it the call ends, in the sidecar as well.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Says that calling twice does no harm; sidecars drop a second async call with the same key.
    #[must_use]
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header(IDEMPOTENCY_KEY, key)
    }

    /// Where an async call's answer is sent.
    #[must_use]
    pub fn callback(self, url: &str) -> Self {
        self.header("x-callback-url", url)
    }

    fn with_method(&self) -> Method {
        let default = match self.payload {
            Payload::None => Method::GET,
            _ => Method::POST,
        };
        self.method.clone().unwrap_or(default)
    }
}

/// The sidecars calls go to.
#[derive(Debug)]
pub(crate) struct Sidecars {
    given: Option<String>,
    /// Held for a copy only, never across an await.
    listed: Mutex<Option<(Instant, Vec<String>)>>,
}

impl Sidecars {
    pub(crate) const fn new(given: Option<String>) -> Self {
        Self {
            given,
            listed: Mutex::new(None),
        }
    }

    fn known(&self) -> Option<Vec<String>> {
        if let Some(given) = &self.given {
            return Some(vec![given.clone()]);
        }
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, urls) = listed.as_ref()?;
        (at.elapsed() < LIST_FOR).then(|| urls.clone())
    }

    fn learn(&self, urls: Option<Vec<String>>) {
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) =
            urls.map(|urls| (Instant::now(), urls));
    }
}

/// How an exchange with a sidecar failed, and whether the function can have seen it.
enum Failed {
    /// No connection: nothing was sent.
    Unsent(Error),
    /// Gateless refused, and may be asked again.
    Refused(Problem),
    Broken(Error),
}

impl Gateless {
    /// Public addresses to call functions at, connected sidecars only.
    ///
    /// # Errors
    /// [`Error::NoSidecar`], or why the server could not be asked.
    pub async fn entrances(&self) -> Result<Vec<String>, Error> {
        if let Some(urls) = self.sidecars.known() {
            return Ok(urls);
        }
        let listing = self.list("/v1/sidecars", &[], 1000).await?;
        let up = |item: &&Value| item["connected"] == true;
        let urls: Vec<String> = listing
            .items
            .iter()
            .filter(up)
            .filter_map(|item| item["public_url"].as_str())
            .map(|url| url.trim_end_matches('/').to_owned())
            .collect();
        if urls.is_empty() {
            return Err(Error::NoSidecar);
        }
        self.sidecars.learn(Some(urls.clone()));
        Ok(urls)
    }

    /// `NAME` in the client's namespace, or `NAME.NAMESPACE`, as it stands in a call's path.
    fn call_name(&self, function: &str) -> String {
        if function.contains('.') {
            return segment(function);
        }
        format!("{}.{}", segment(function), segment(self.namespace()))
    }

    /// Calls a function (`NAME` or `NAME.NAMESPACE`) and returns its answer, whatever its status.
    ///
    /// # Errors
    /// What Gateless itself says, or why there is no answer.
    pub async fn invoke(&self, function: &str, call: Invoke) -> Result<Response, Error> {
        let path = format!("/function/{}{}", self.call_name(function), call.path);
        self.exchange(&path, &call).await
    }

    /// Queues a call. When this returns, the call is on disk.
    ///
    /// # Errors
    /// As [`Gateless::invoke`].
    pub async fn invoke_async(&self, function: &str, mut call: Invoke) -> Result<Call, Error> {
        if !call.headers.contains_key(IDEMPOTENCY_KEY) {
            call = call.idempotency_key(&retry::new_key());
        }
        let path = format!("/async-function/{}{}", self.call_name(function), call.path);
        let response = self.exchange(&path, &call).await?;
        if response.status() != reqwest::StatusCode::ACCEPTED {
            return Err(problem_of(response).await.into());
        }
        let whom = "the sidecar";
        let bytes = response.bytes().await;
        let bytes = bytes.map_err(|error| Error::transport(whom, &error))?;
        let accepted: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let id = accepted["id"].as_str().ok_or_else(|| Error::BadAnswer {
            whom: whom.into(),
            cause: "it accepted a call without an id".into(),
        })?;
        Ok(self.call(id, accepted["token"].as_str().unwrap_or_default()))
    }

    /// A call queued earlier, by its id and the token that reads it.
    #[must_use]
    pub fn call(&self, id: &str, token: &str) -> Call {
        Call::new(self.clone(), id, token)
    }

    /// Sends to sidecars until one answers, as often as the policy and the deadline allow.
    pub(crate) async fn exchange(&self, path: &str, call: &Invoke) -> Result<Response, Error> {
        if let Some(why) = &call.invalid {
            return Err(Error::Invalid(why.clone()));
        }
        let until = call.deadline.map(|within| Instant::now() + within);
        let can_repeat = retry::is_repeatable(&call.with_method(), &call.headers)
            && !matches!(call.payload, Payload::Made(_));
        let mut entrances = self.entrances().await?;
        let mut tried = 0;
        for attempt in 1.. {
            let base = &entrances[(attempt as usize - 1) % entrances.len()];
            let failed = match self.once(base, path, call, until).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            tried += 1;
            let (error, asked, again) = match failed {
                // Nothing was sent, so the next sidecar may have it whatever it is.
                Failed::Unsent(error) => (error, None, can_repeat || tried < entrances.len()),
                Failed::Refused(problem) => {
                    (problem.clone().into(), problem.retry_after, can_repeat)
                }
                Failed::Broken(error) => (error, None, false),
            };
            let unsent_elsewhere =
                matches!(error, Error::Unreachable { .. }) && tried < entrances.len();
            let pause = if unsent_elsewhere {
                Some(Duration::ZERO)
            } else {
                self.policy().pause(attempt, asked, rand::random())
            };
            let Some(pause) = pause.filter(|_| again) else {
                return Err(error);
            };
            if until.is_some_and(|until| Instant::now() + pause >= until) {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            if !unsent_elsewhere && matches!(error, Error::Unreachable { .. }) {
                // None of them is there: the server may know others by now.
                self.sidecars.learn(None);
                entrances = self.entrances().await?;
                tried = 0;
            }
        }
        Err(Error::NoSidecar)
    }

    async fn once(
        &self,
        base: &str,
        path: &str,
        call: &Invoke,
        until: Option<Instant>,
    ) -> Result<Response, Failed> {
        let mut request = self
            .http()
            .request(call.with_method(), format!("{base}{path}"))
            .headers(call.headers.clone());
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now());
            let ms = left.as_millis().max(1).to_string();
            request = request
                .header("x-gateless-timeout-ms", ms)
                .timeout(left + GRACE);
        }
        request = match &call.payload {
            Payload::None => request,
            Payload::Bytes(bytes) => request.body(bytes.clone()),
            Payload::Made(make) => request.body(make()),
        };
        let whom = format!("the sidecar {base}");
        let response = request.send().await.map_err(|error| {
            let failed = Error::transport(&whom, &error);
            if error.is_connect() {
                Failed::Unsent(failed)
            } else {
                Failed::Broken(failed)
            }
        })?;
        answer_of(response, &whom).await
    }
}

/// The answer, unless Gateless itself speaks. The body of anything else stays unread.
async fn answer_of(response: Response, whom: &str) -> Result<Response, Failed> {
    let kind = response.headers().get(CONTENT_TYPE);
    let is_problem =
        kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    let status = response.status();
    if status.as_u16() < 400 || !is_problem {
        return Ok(response);
    }
    let headers = response.headers().clone();
    let body = response.bytes().await;
    let body = body.map_err(|error| Failed::Broken(Error::transport(whom, &error)))?;
    let problem = Problem::new(status.as_u16(), &headers, &body);
    if problem.is_gateless() {
        return Err(if retry::asks_again(status) {
            Failed::Refused(problem)
        } else {
            Failed::Broken(problem.into())
        });
    }
    let mut answer = http::Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer.into())
}
