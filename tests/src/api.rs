//! A client of the server's REST API, no more than the tests need.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::spec::Spec;
use crate::wait::PATIENCE;

/// The management API with a token.
#[derive(Debug, Clone)]
pub struct Api {
    /// For example `http://127.0.0.1:7780`.
    pub base: String,
    pub token: String,
    /// With what it is asked.
    pub client: reqwest::Client,
}

impl Api {
    /// Of a server.
    ///
    /// # Panics
    /// When no client can be made.
    #[must_use]
    pub fn new(base: String, token: String) -> Self {
        let client = crate::http::client()
            .timeout(Duration::from_secs(60))
            .build();
        Self {
            base,
            token,
            client: client.unwrap(),
        }
    }

    /// One request: status and JSON (or text as a JSON string).
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(u16, Value)> {
        let url = format!("{}/v1{path}", self.base);
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((status, value))
    }

    /// One request that must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let sent = self.try_send(method.clone(), path, body).await;
        let (status, value) = sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {value:#}"
        );
        value
    }

    pub async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await
    }

    /// The path of a function; `name` may be `NAME.NAMESPACE`.
    #[must_use]
    pub fn path(name: &str) -> String {
        let (name, namespace) = name.split_once('.').unwrap_or((name, "default"));
        format!("/namespaces/{namespace}/functions/{name}")
    }

    /// Applies a spec; does not wait.
    pub async fn apply(&self, name: &str, spec: &Spec) -> Value {
        let body = json!({"spec": spec.0});
        self.send(Method::PUT, &Self::path(name), Some(&body)).await
    }

    /// Waits until the function is ready.
    pub async fn wait_ready(&self, name: &str) -> Value {
        let path = format!(
            "{}/wait?condition=ready&timeout_ms={}",
            Self::path(name),
            PATIENCE.as_millis()
        );
        self.get(&path).await
    }

    /// The state of an async call as the server tells it; `unknown` when no sidecar has it, and what was said instead
    /// when it cannot tell.
    pub async fn state_of(&self, function: &str, id: &str) -> String {
        let path = format!("{}/invocations/{id}", Self::path(function));
        match self.try_send(Method::GET, &path, None).await {
            Ok((404, _)) => "unknown".to_owned(),
            Ok((_, answer)) => match answer["state"].as_str() {
                Some(state) => state.to_owned(),
                None => answer.to_string(),
            },
            Err(error) => error.to_string(),
        }
    }

    /// The function's document.
    pub async fn function(&self, name: &str) -> Value {
        self.get(&Self::path(name)).await
    }
}
