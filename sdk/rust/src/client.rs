//! A connection to one server as one user, in one namespace.
//!
//! [`Gateless::api`] has every operation of the document, typed. [`Gateless::request`] and what sends its
//! requests are for programs that pass answers on whole: typed answers lose what a newer server adds.

use std::sync::Arc;
use std::time::Duration;

use progenitor_client::{ClientHooks, ClientInfo, OperationInfo};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Request, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Problem};
use crate::generated;
use crate::invoke::Sidecars;
use crate::retry::{self, IDEMPOTENCY_KEY, Policy};
use crate::tls::Trust;

/// Long enough for a slow disk, short enough that a dead server is noticed.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Of a whole upload or download: 256 MiB at about 1 MiB/s.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(300);
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Items asked for at once.
const PAGE: usize = 200;

/// What the generated operations share with the rest. Opaque.
#[derive(Debug, Clone)]
pub struct Shared {
    authorization: Option<HeaderValue>,
    policy: Policy,
    timeout: Duration,
}

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateless {
    api: generated::Client,
    namespace: String,
    pub(crate) sidecars: Arc<Sidecars>,
}

/// What a client is made of; every part has a default.
#[derive(Debug, Default)]
pub struct Builder {
    url: String,
    token: Option<String>,
    namespace: Option<String>,
    sidecar: Option<String>,
    policy: Policy,
    timeout: Option<Duration>,
    user_agent: Option<String>,
    trust: Trust,
}

impl Builder {
    /// The token; without one only health can be asked for.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The namespace; `default` if none is given.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// A sidecar's public URL, for calls; without one the server is asked for them.
    #[must_use]
    pub fn sidecar(mut self, url: impl Into<String>) -> Self {
        self.sidecar = Some(url.into());
        self
    }

    /// When to try again.
    #[must_use]
    pub fn retry(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Bound of one management request and its answer; 60 s if none is given. Streams have none.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How it calls itself.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// Whose certificates are believed over https; the authorities of this host if nothing is given.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// The client: no proxy from the environment, no redirects. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] when token or user agent cannot stand in a header.
    pub fn build(self) -> Result<Gateless, Error> {
        let agent = self
            .user_agent
            .unwrap_or_else(|| concat!("gateless-sdk/", env!("CARGO_PKG_VERSION")).to_owned());
        let http = reqwest::Client::builder()
            .user_agent(agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_backend_preconfigured(self.trust.config()?)
            .build()
            .map_err(|error| Error::transport("the HTTP client", &error))?;
        let authorization = self.token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| Error::Invalid("the token has characters no token has".into()))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        let shared = Shared {
            authorization: authorization.transpose()?,
            policy: self.policy,
            timeout: self.timeout.unwrap_or(TIMEOUT),
        };
        let url = trimmed(&self.url);
        Ok(Gateless {
            api: generated::Client::new_with_client(&url, http, shared),
            namespace: self.namespace.unwrap_or_else(|| "default".into()),
            sidecars: Arc::new(Sidecars::new(self.sidecar.as_deref().map(trimmed))),
        })
    }
}

/// Sees to what every generated operation needs: token, time bound, retries.
impl ClientHooks<Shared> for generated::Client {
    async fn pre<E>(
        &self,
        request: &mut Request,
        info: &OperationInfo,
    ) -> Result<(), generated::Error<E>> {
        let shared = self.inner();
        if let Some(value) = &shared.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        // The server answers a repeated POST with the first one's answer, if it can tell.
        if request.method() == Method::POST
            && !request.headers().contains_key(IDEMPOTENCY_KEY)
            && let Ok(key) = HeaderValue::try_from(retry::new_key())
        {
            request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
        let bound = match info.operation_id {
            id if id.starts_with("stream_") => None,
            "wait_for_function" => Some(Duration::from_secs(630)),
            "put_artifact" | "get_artifact" => Some(TRANSFER_TIMEOUT),
            _ => Some(shared.timeout),
        };
        *request.timeout_mut() = bound;
        Ok(())
    }

    async fn exec(&self, request: Request, _info: &OperationInfo) -> reqwest::Result<Response> {
        retry::execute(self.client(), request, &self.inner().policy).await
    }
}

impl Gateless {
    /// A client of the management API at `url`, as `http://127.0.0.1:7780`.
    #[must_use]
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder {
            url: url.into(),
            ..Builder::default()
        }
    }

    /// Every operation of the document. `?` turns its errors into [`Error`].
    #[must_use]
    pub const fn api(&self) -> &generated::Client {
        &self.api
    }

    /// The HTTP client beneath.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        self.api.client()
    }

    /// The management API's URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.api.baseurl()
    }

    /// The namespace calls are made in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The same client in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            ..self.clone()
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.api.inner().policy
    }

    /// `/v1/namespaces/NAMESPACE` followed by `segments`, percent-encoded.
    #[must_use]
    pub fn path(&self, segments: &[&str]) -> String {
        let mut path = format!("/v1/namespaces/{}", segment(&self.namespace));
        for part in segments {
            path.push('/');
            path.push_str(&segment(part));
        }
        path
    }

    /// A request to the server with the token, and with no bound on its time yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http().request(method, format!("{}{path}", self.url()));
        match &self.api.inner().authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Sends a request and leaves the answer's body unread.
    ///
    /// # Errors
    /// [`Error::Problem`] for a status of 400 and above, or why there is no answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let failed = |error: reqwest::Error| Error::transport(&self.whom(), &error);
        let request = request.build().map_err(failed)?;
        let response = retry::execute(self.http(), request, self.policy()).await;
        let response = response.map_err(failed)?;
        if response.status().as_u16() < 400 {
            return Ok(response);
        }
        Err(problem_of(response).await.into())
    }

    /// Sends a request and reads the answer's JSON; headers come with it. No body is `null`.
    ///
    /// # Errors
    /// As [`Gateless::send`], and [`Error::BadAnswer`].
    pub async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<(HeaderMap, T), Error> {
        let response = self.send(request).await?;
        let headers = response.headers().clone();
        let bytes = response.bytes().await;
        let bytes = bytes.map_err(|error| Error::transport(&self.whom(), &error))?;
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        let body = serde_json::from_slice(text).map_err(|error| Error::BadAnswer {
            whom: self.whom(),
            cause: error.to_string(),
        })?;
        Ok((headers, body))
    }

    /// GET of a JSON resource.
    ///
    /// # Errors
    /// As [`Gateless::json`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Error> {
        let request = self.request(Method::GET, path).query(query);
        let request = request.timeout(self.api.inner().timeout);
        Ok(self.json(request).await?.1)
    }

    /// Every item of a list, up to `limit`, following the pages.
    ///
    /// # Errors
    /// As [`Gateless::json`].
    pub async fn list(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: usize,
    ) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let mut token: Option<String> = None;
        while listing.items.len() < limit {
            let mut query = query.to_vec();
            let page = PAGE.min(limit - listing.items.len());
            query.push(("limit", page.to_string()));
            query.extend(token.map(|token| ("page_token", token)));
            let mut page: Value = self.get(path, &query).await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                listing.items.extend(more);
            }
            // The same sidecar is missing from every page; once is enough.
            if let Some(Value::Array(more)) = page.get_mut("warnings").map(Value::take) {
                listing.warnings = more;
            }
            token = page["next_page_token"]
                .as_str()
                .filter(|token| !token.is_empty())
                .map(ToOwned::to_owned);
            if token.is_none() {
                break;
            }
        }
        listing.items.truncate(limit);
        Ok(listing)
    }

    fn whom(&self) -> String {
        format!("the server {}", self.url())
    }
}

/// The items of a list, and whose part of it is missing.
#[derive(Debug, Default)]
pub struct Listing {
    /// The items, as they came.
    pub items: Vec<Value>,
    /// `{sidecar, detail}` for every sidecar that could not be asked.
    pub warnings: Vec<Value>,
}

/// What an answer of 400 and above says.
pub(crate) async fn problem_of(response: Response) -> Problem {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap_or_default();
    Problem::new(status, &headers, &body)
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// One path segment, percent-encoded but for RFC 3986's unreserved characters.
#[must_use]
pub fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
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

    #[test]
    fn a_token_stays_out_of_debug_output() {
        let client = Gateless::builder("http://x/")
            .token("s3cr3t")
            .build()
            .unwrap();
        assert_eq!(client.url(), "http://x");
        assert!(!format!("{client:?}").contains("s3cr3t"));
    }
}
