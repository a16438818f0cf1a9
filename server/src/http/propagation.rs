//! `Prefer: wait=SECONDS` on a change (RFC 7240): it is answered when sidecars have it, and says which have not.
//!
//! One layer for all routes, so that no change is made without it. Whoever does not ask is answered when the change is made.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use gateless_common::header::{APPLIED, AWAY, BEHIND, PREFERENCE_APPLIED};
use gateless_common::prefer::Preferences;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Api;
use crate::sidecars::{Group, Propagation};

/// The longest that a change is waited for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Waits as long as the caller prefers, and says how far its change came.
pub(super) async fn wait(
    State(api): State<Api>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let Preferences {
        respond_async,
        wait,
    } = Preferences::of(request.headers());
    // With `respond-async` the preference is of a call to a function.
    let wait = wait.filter(|_| !reads && !respond_async && path.is_some());
    let Some(seconds) = wait else {
        return next.run(request).await;
    };
    let before = api.service.last_pushed();
    let mut response = next.run(request).await;
    if !response.status().is_success() {
        return response;
    }
    let timeout = MAX_WAIT.min(Duration::from_secs(seconds));
    match api.service.propagation(before, timeout).await {
        Ok(Some(propagation)) => describe(response.headers_mut(), &propagation, timeout),
        Ok(None) => {}
        // The change is made, whether it can be followed or not.
        Err(error) => tracing::warn!(%error, "how far a change came is not known"),
    }
    response
}

fn describe(headers: &mut HeaderMap, propagation: &Propagation, timeout: Duration) {
    headers.insert(APPLIED, HeaderValue::from(propagation.applied));
    let mut set = |name: HeaderName, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    set(PREFERENCE_APPLIED, format!("wait={}", timeout.as_secs()));
    for (name, group) in [(BEHIND, &propagation.behind), (AWAY, &propagation.away)] {
        if group.count > 0 {
            set(name, list(group));
        }
    }
}

/// The names, and how many there are besides.
fn list(group: &Group) -> String {
    let mut text = group.named.join(",");
    let more = group.count - group.named.len();
    if more > 0 {
        text.push_str(&format!(",+{more}"));
    }
    text
}
