//! When a request is sent again: only if a second one can do no harm, and only so often.
//!
//! Deliberately no circuit breaker and no hedging, and no retry of a body that can be read but once.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Request, Response, StatusCode};

use crate::error::retry_after;

/// The header by which a request may be repeated whatever its method.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How often and how patiently.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Attempts in all; 1: no retries.
    pub attempts: u32,
    /// Upper bound of the first pause, doubled from one to the next.
    pub base: Duration,
    /// Upper bound of every pause; whoever is told by `retry-after` to wait longer fails.
    pub max: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(100),
            max: Duration::from_secs(10),
        }
    }
}

impl Policy {
    /// One attempt: for a program whose user is there to repeat it.
    #[must_use]
    pub fn never() -> Self {
        Self {
            attempts: 1,
            ..Self::default()
        }
    }

    /// The pause after `attempt` (from 1), given what `retry-after` asked for; `None`: give up.
    /// Full jitter (`random` is in 0..1), so that clients that failed together don't return together.
    #[must_use]
    pub fn pause(&self, attempt: u32, asked: Option<Duration>, random: f64) -> Option<Duration> {
        let asked = asked.unwrap_or(Duration::ZERO);
        if attempt >= self.attempts || asked > self.max {
            return None;
        }
        let bound = self.base.saturating_mul(1 << (attempt - 1).min(16));
        Some(asked + bound.min(self.max).mul_f64(random.clamp(0.0, 1.0)))
    }
}

/// Whether sending it twice has no more effect than sending it once.
pub(crate) fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    method.is_safe() || method.is_idempotent() || headers.contains_key(IDEMPOTENCY_KEY)
}

/// Whether an answer asks to try again.
pub(crate) const fn asks_again(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// A key nobody else has.
pub(crate) fn new_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Sends to the server, again where that is right.
pub(crate) async fn execute(
    http: &reqwest::Client,
    mut request: Request,
    policy: &Policy,
) -> reqwest::Result<Response> {
    let repeatable = is_repeatable(request.method(), request.headers());
    for attempt in 1.. {
        let again = (repeatable && attempt < policy.attempts)
            .then(|| request.try_clone())
            .flatten();
        let outcome = http.execute(request).await;
        let Some(next) = again else { return outcome };
        let asked = match &outcome {
            Ok(answer) if asks_again(answer.status()) => retry_after(answer.headers()),
            Err(error) if error.is_connect() || error.is_request() && !error.is_timeout() => None,
            _ => return outcome,
        };
        let Some(pause) = policy.pause(attempt, asked, rand::random()) else {
            return outcome;
        };
        drop(outcome);
        tokio::time::sleep(pause).await;
        request = next;
    }
    http.execute(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_add_to_what_was_asked() {
        let policy = Policy {
            attempts: 20,
            ..Policy::default()
        };
        let ms =
            |attempt, asked, random| policy.pause(attempt, asked, random).map(|p| p.as_millis());
        assert_eq!(ms(1, None, 1.0), Some(100));
        assert_eq!(ms(3, None, 1.0), Some(400));
        assert_eq!(ms(3, None, 0.0), Some(0));
        assert_eq!(ms(19, None, 1.0), Some(10_000));
        assert_eq!(ms(1, Some(Duration::from_secs(2)), 0.5), Some(2050));
        assert_eq!(ms(20, None, 1.0), None, "no attempt is left");
        assert_eq!(ms(1, Some(Duration::from_secs(11)), 0.0), None);
    }

    #[test]
    fn only_harmless_requests_are_repeated() {
        let mut headers = HeaderMap::new();
        for (method, expected) in [
            (Method::GET, true),
            (Method::PUT, true),
            (Method::POST, false),
            (Method::PATCH, false),
        ] {
            assert_eq!(is_repeatable(&method, &headers), expected, "{method}");
        }
        headers.insert(IDEMPOTENCY_KEY, http::HeaderValue::from_static("k"));
        assert!(is_repeatable(&Method::POST, &headers));
    }
}
