//! Calls through a sidecar's listener.
//!
//! Deliberately keeps answers whole; tests of streaming use the client directly.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::wait::eventually;

/// Tokens of the calls that this process made, by their ids.
static TOKENS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// What a call got.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text())
    }
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether it waited for an instance.
    #[must_use]
    pub fn was_cold(&self) -> bool {
        self.header("x-gateless-cold-start") == "true"
    }

    /// The process that answered.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.header("x-test-pid").parse().unwrap_or_default()
    }

    /// The sidecar beside which it ran.
    #[must_use]
    pub fn node(&self) -> &str {
        self.header("x-test-node")
    }

    /// Fails unless the status is this one.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }

    /// Fails unless it is this problem, complete.
    ///
    /// # Panics
    /// When it is another, or lacks something.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        let document = answer.json();
        assert_eq!(document["code"], code, "{document:#}");
        assert_eq!(document["status"], status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        for field in ["type", "title", "detail", "hint"] {
            assert!(document[field].is_string(), "no {field} in {document:#}");
        }
        answer
    }
}

/// Calls one listener.
#[derive(Debug, Clone)]
pub struct Caller {
    /// For example `http://127.0.0.1:7700`.
    pub base: String,
    /// HTTP/1.1.
    pub client: Client,
}

impl Caller {
    /// Of a listener.
    ///
    /// # Panics
    /// When no client can be made.
    #[must_use]
    pub fn new(base: String) -> Self {
        let client = crate::http::client()
            .http1_only()
            .timeout(Duration::from_secs(60));
        Self {
            base,
            client: client.build().unwrap(),
        }
    }

    /// The same listener by HTTP/2 with prior knowledge.
    ///
    /// # Panics
    /// When no client can be made.
    #[must_use]
    pub fn h2c(&self) -> Self {
        let client = crate::http::client()
            .http2_prior_knowledge()
            .timeout(Duration::from_secs(60));
        Self {
            base: self.base.clone(),
            client: client.build().unwrap(),
        }
    }

    /// The same listener with a connection for each call, and less patience.
    ///
    /// # Panics
    /// When no client can be made.
    #[must_use]
    pub fn once(&self, patience: Duration) -> Self {
        let client = crate::http::client()
            .http1_only()
            .pool_max_idle_per_host(0)
            .timeout(patience);
        Self {
            base: self.base.clone(),
            client: client.build().unwrap(),
        }
    }

    /// A request one may add to. One about a call that this process made shows its token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let id = path.strip_prefix("/_gateless/calls/");
        let id = id.and_then(|rest| rest.split('/').next());
        match id.and_then(|id| TOKENS.lock().unwrap().get(id).cloned()) {
            Some(token) => request.header("x-call-token", token),
            None => request,
        }
    }

    /// GET of a path of this listener.
    ///
    /// # Panics
    /// When there is no answer at all.
    pub async fn get(&self, path: &str) -> Answer {
        let sent = send(self.request(Method::GET, path)).await;
        sent.unwrap_or_else(|error| panic!("GET {}{path}: {error:?}", self.base))
    }

    /// GET with an id the function writes down.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn try_get(&self, path: &str, id: &str) -> reqwest::Result<Answer> {
        send(self.request(Method::GET, path).header("x-test-id", id)).await
    }

    /// The state of an async call, wherever it is; `unknown` when nobody knows it, and what was said
    /// instead when nobody can tell.
    pub async fn state_of(&self, id: &str) -> String {
        let path = format!("/_gateless/calls/{id}");
        match send(self.request(Method::GET, &path)).await {
            Ok(answer) if answer.status == 404 => "unknown".to_owned(),
            Ok(answer) => match answer.json()["state"].as_str() {
                Some(state) => state.to_owned(),
                None => answer.text(),
            },
            Err(error) => error.to_string(),
        }
    }

    /// Waits until an async call has come to its end, wherever it is: `succeeded` or `dead`.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&self, id: &str) -> String {
        eventually(&format!("call {id} ends"), async || {
            let state = self.state_of(id).await;
            match state.as_str() {
                "succeeded" | "dead" => Ok(state),
                _ => Err(state),
            }
        })
        .await
    }

    /// POST with an id the function writes down.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn try_post(&self, path: &str, id: &str, body: Vec<u8>) -> reqwest::Result<Answer> {
        let request = self.request(Method::POST, path);
        send(request.header("x-test-id", id).body(body)).await
    }
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// When there is no whole answer.
pub async fn send(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await?.to_vec();
    let answer = Answer {
        status,
        headers,
        body,
    };
    let (id, token) = (answer.header("x-call-id"), answer.header("x-call-token"));
    if !token.is_empty() {
        let mut tokens = TOKENS.lock().unwrap();
        tokens.insert(id.to_owned(), token.to_owned());
    }
    Ok(answer)
}
