//! REST calls to the management API.
//!
//! Answers stay JSON values: a newer server's extra fields pass through `-o json` untouched.
//! Reads are tried again where nobody answered or the server asked for it; writes never, since
//! only their user knows whether once more is too often.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Request, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::login::{Remote, Target};

/// Long enough for a slow disk, short enough that a dead server is noticed.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of a read; the pause before the next is doubled each time.
const MAX_TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A server that asks for a longer pause gets its failure shown.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Items asked for at once.
const PAGE: usize = 200;

/// A connection to one server as one user, in one namespace.
pub(crate) struct Client {
    http: reqwest::Client,
    target: Target,
}

/// An answer that is not a problem.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// The items of a list, and whose part of it is missing.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Value>,
    /// `{sidecar, detail}` for every sidecar that could not be asked.
    pub(crate) warnings: Vec<Value>,
}

impl Client {
    /// Decides server, token and namespace from flags, environment and login.
    pub(crate) fn new(remote: &Remote) -> Result<Self, Failure> {
        let target = remote.resolve()?;
        Ok(Self {
            http: http_client()?,
            target,
        })
    }

    /// A client for a server this process runs.
    pub(crate) fn at(target: Target) -> Result<Self, Failure> {
        Ok(Self {
            http: http_client()?,
            target,
        })
    }

    /// What flags, environment and login came to.
    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    /// The client used for calls to sidecars, too.
    pub(crate) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The namespace commands work in.
    pub(crate) fn namespace(&self) -> &str {
        &self.target.namespace
    }

    /// Where `function.toml` names another namespace.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        namespace.clone_into(&mut self.target.namespace);
    }

    /// True when a flag or the environment chose the namespace.
    pub(crate) const fn namespace_is_explicit(&self) -> bool {
        self.target.namespace_is_explicit
    }

    /// `/v1/namespaces/NAMESPACE` followed by `segments`, percent-encoded.
    pub(crate) fn path(&self, segments: &[&str]) -> String {
        let mut path = format!("/v1/namespaces/{}", segment(&self.target.namespace));
        for part in segments {
            path.push('/');
            path.push_str(&segment(part));
        }
        path
    }

    /// A request with the token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.target.server));
        match &self.target.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// GET of a JSON resource.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        let request = self.request(Method::GET, path).query(query);
        Ok(self.send(request).await?.body)
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
        let response = self.stream(request.timeout(timeout)).await?;
        let headers = response.headers().clone();
        let bytes = response.bytes().await.map_err(|e| self.failed(&e))?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|error| {
                Failure::new(
                    Exit::Failure,
                    "bad_answer",
                    format!("{} did not answer with JSON", self.target.server),
                )
                .cause(error)
                .hint("is this the management API's address, and not a sidecar's?")
            })?
        };
        Ok(Reply { headers, body })
    }

    /// Sends and leaves the body unread; a status of 400 and above is a failure.
    pub(crate) async fn stream(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = request.build().map_err(|e| self.failed(&e))?;
        let response = self.execute(request).await?;
        if response.status().as_u16() < 400 {
            return Ok(response);
        }
        Err(self.explain(problem_of(response).await))
    }

    /// Sends; a read also a second and third time.
    async fn execute(&self, request: Request) -> Result<Response, Failure> {
        let again = matches!(*request.method(), Method::GET | Method::HEAD);
        let mut pause = FIRST_PAUSE;
        for _ in 1..MAX_TRIES {
            let Some(copy) = request.try_clone().filter(|_| again) else {
                break;
            };
            match self.http.execute(copy).await {
                Ok(response) if !is_busy(response.status()) => return Ok(response),
                Ok(response) => match retry_after(&response) {
                    Some(asked) if asked > LONGEST_PAUSE => return Ok(response),
                    asked => pause = pause.max(asked.unwrap_or_default()),
                },
                Err(error) if error.is_connect() => {}
                Err(error) => return Err(self.failed(&error)),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.http
            .execute(request)
            .await
            .map_err(|e| self.failed(&e))
    }

    /// Every item of a list, up to `limit`, following the pages.
    pub(crate) async fn list(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: usize,
    ) -> Result<Listing, Failure> {
        let Listing {
            mut items,
            mut warnings,
        } = Listing::default();
        let mut token: Option<String> = None;
        while items.len() < limit {
            let mut query = query.to_vec();
            query.push(("limit", PAGE.min(limit - items.len()).to_string()));
            query.extend(token.map(|t| ("page_token", t)));
            let mut page = self.get(path, &query).await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            // The same sidecar is missing from every page; once is enough.
            if let Some(Value::Array(more)) = page.get_mut("warnings").map(Value::take) {
                warnings = more;
            }
            token = page["next_page_token"]
                .as_str()
                .filter(|t| !t.is_empty())
                .map(ToOwned::to_owned);
            if token.is_none() {
                break;
            }
        }
        items.truncate(limit);
        Ok(Listing { items, warnings })
    }

    /// The failure of a request that got no answer.
    pub(crate) fn failed(&self, error: &reqwest::Error) -> Failure {
        let whose = format!("{} ({})", self.target.server, self.target.server_source);
        transport_failure(&format!("the server {whose}"), error)
            .hint("start one with `gateless up`, or name another with --server, GATELESS_SERVER or `gateless login`")
    }

    fn explain(&self, failure: Failure) -> Failure {
        if failure.exit() != Exit::Unauthorized || failure.document()["hint"].is_string() {
            return failure;
        }
        failure.hint(format!(
            "the token came from {}; give another with --token, GATELESS_TOKEN or `gateless login`",
            self.target.token_source
        ))
    }
}

/// Statuses that pass.
fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// The one HTTP client: no proxy from the environment, no redirects.
pub(crate) fn http_client() -> Result<reqwest::Client, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(
        "user-agent",
        HeaderValue::from_static(concat!("gateless/", env!("CARGO_PKG_VERSION"))),
    );
    reqwest::Client::builder()
        .default_headers(headers)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|e| Failure::new(Exit::Failure, "client", "cannot make an HTTP client").cause(e))
}

/// No answer from `whom`.
pub(crate) fn transport_failure(whom: &str, error: &reqwest::Error) -> Failure {
    // reqwest hides the reason ("connection refused") in the chain of sources.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() {
        Failure::new(
            Exit::Timeout,
            "timeout",
            format!("{whom} did not answer in time"),
        )
    } else if error.is_connect() {
        Failure::new(
            Exit::Unreachable,
            "unreachable",
            format!("cannot reach {whom}"),
        )
    } else {
        Failure::new(
            Exit::Failure,
            "transport",
            format!("the exchange with {whom} broke off"),
        )
    }
    .cause(cause)
}

/// The problem in a response of 400 and above, made up when it is not one.
pub(crate) async fn problem_of(response: Response) -> Failure {
    let status = response.status();
    let bytes = response.bytes().await.unwrap_or_default();
    let problem = serde_json::from_slice(&bytes).ok().filter(Value::is_object);
    let problem = problem.unwrap_or_else(|| {
        let text: String = String::from_utf8_lossy(&bytes).chars().take(500).collect();
        json!({"type": "about:blank", "title": status.to_string(), "detail": text, "code": "http"})
    });
    Failure::from_problem(status.as_u16(), problem)
}

/// One path segment, percent-encoded but for RFC 3986's unreserved characters.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_cannot_escape() {
        assert_eq!(segment("hello-1.a_b~"), "hello-1.a_b~");
        assert_eq!(segment("../x y?"), "..%2Fx%20y%3F");
    }
}
