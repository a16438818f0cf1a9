//! `Idempotency-Key` on POST: a repeated request gets the first one's answer and has no second effect.
//!
//! Answers are kept in memory for 24 hours, at most [`MAX_ENTRIES`] and [`MAX_BYTES`] of them, the
//! oldest going first; a restart of the server forgets them (some hold a token, which the catalogue
//! must never). Failures of the server (5xx) are not kept: such a request may be tried again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use gateless_common::header::IDEMPOTENCY_KEY;
use gateless_common::problem::Code;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::problem::Problem;
use super::{Api, extract};
use crate::auth::Principal;
use crate::clock;

const TTL: Duration = Duration::from_secs(24 * 3600);
const MAX_ENTRIES: usize = 10_000;
const MAX_BYTES: usize = 32 * 1024 * 1024;
const MAX_BODY: usize = 256 * 1024;

type Key = [u8; 32];

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

struct Entry {
    request: Key,
    /// `None` while the first request is still running.
    answer: Option<Answer>,
    at: Instant,
}

/// The answers kept.
#[derive(Default)]
pub(super) struct Answers(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// Of finished entries, oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

enum Begin {
    First,
    Again(Answer),
    Running,
    Other,
    Full,
}

impl Answers {
    fn begin(&self, key: Key, request: Key, now: Instant) -> Begin {
        let mut kept = self.0.lock();
        kept.expire(now);
        if let Some(entry) = kept.entries.get(&key) {
            return match &entry.answer {
                _ if entry.request != request => Begin::Other,
                Some(answer) => Begin::Again(answer.clone()),
                None => Begin::Running,
            };
        }
        while kept.entries.len() >= MAX_ENTRIES {
            if !kept.forget_oldest() {
                return Begin::Full;
            }
        }
        let entry = Entry {
            request,
            answer: None,
            at: now,
        };
        kept.entries.insert(key, entry);
        Begin::First
    }

    fn finish(&self, key: Key, answer: Option<Answer>, now: Instant) {
        let mut kept = self.0.lock();
        let Some(answer) = answer.filter(|answer| answer.body.len() <= MAX_BODY) else {
            kept.entries.remove(&key);
            return;
        };
        let size = answer.body.len();
        if let Some(entry) = kept.entries.get_mut(&key) {
            entry.answer = Some(answer);
            entry.at = now;
            kept.order.push_back(key);
            kept.bytes += size;
        }
        while kept.bytes > MAX_BYTES && kept.forget_oldest() {}
    }
}

impl Kept {
    fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front().and_then(|key| self.entries.get(key)) {
            if now.duration_since(oldest.at) < TTL {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(key) = self.order.pop_front() else {
            return false;
        };
        if let Some(answer) = self.entries.remove(&key).and_then(|entry| entry.answer) {
            self.bytes -= answer.body.len();
        }
        true
    }
}

/// Forgets the key unless the request finished: a client that went away may try again.
struct Running {
    answers: Arc<Answers>,
    key: Option<Key>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.answers.finish(key, None, clock::instant());
        }
    }
}

/// Answers a repeated POST from what is kept.
pub(super) async fn replay(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(value) = request
        .headers()
        .get(IDEMPOTENCY_KEY)
        .filter(|_| request.method() == Method::POST)
    else {
        return Ok(next.run(request).await);
    };
    if value.is_empty() || value.len() > 255 {
        return Err(Problem::parameter(
            "Idempotency-Key",
            "must have 1 to 255 bytes",
        ));
    }
    let token = request
        .extensions()
        .get::<Principal>()
        .map(|p| p.token.id.clone());
    let token = token.unwrap_or_default();
    let key = digest(&[
        token.as_bytes(),
        request.uri().path().as_bytes(),
        value.as_bytes(),
    ]);
    let (parts, body) = request.into_parts();
    let body = extract::read(Request::new(body), MAX_BODY).await?;
    let query = parts.uri.query().unwrap_or_default();
    let fingerprint = digest(&[query.as_bytes(), &body]);
    match api.answers.begin(key, fingerprint, clock::instant()) {
        Begin::First => {}
        Begin::Again(answer) => return Ok(answer.into_response()),
        Begin::Running => {
            let detail = "the first request with this idempotency-key is still running";
            return Err(
                Problem::new(Code::IdempotencyInProgress, detail).hint("try again in a moment")
            );
        }
        Begin::Other => {
            let detail = "this idempotency-key was used for another request";
            return Err(Problem::new(Code::IdempotencyKeyReused, detail)
                .hint("make a new key for every request, repeat it only to retry"));
        }
        Begin::Full => {
            let detail = "too many requests with an idempotency-key are running";
            return Err(Problem::new(Code::TooManyRequests, detail));
        }
    }
    let mut running = Running {
        answers: Arc::clone(&api.answers),
        key: Some(key),
    };
    let response = next.run(Request::from_parts(parts, body.into())).await;
    let (parts, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let answer = Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    };
    let keep = (!answer.status.is_server_error()).then(|| answer.clone());
    running.key = None;
    api.answers.finish(key, keep, clock::instant());
    let mut response = answer.into_response();
    response.headers_mut().remove("idempotency-replayed");
    Ok(response)
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        *response.headers_mut() = self.headers;
        let replayed = HeaderValue::from_static("true");
        response
            .headers_mut()
            .insert("idempotency-replayed", replayed);
        response
    }
}

fn digest(parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
