//! The names of the headers that Gateless sets, reads or passes on, and who may send which.
//!
//! What any intermediary does with headers of HTTP itself is in [`crate::hop`].

use http::{HeaderMap, HeaderName};

/// Every header of our own begins with this; only the few that callers may send are taken from them.
pub const PREFIX: &str = "x-gateless-";
/// To the function: a claim of its caller's token, whose name follows.
pub const CLAIM_PREFIX: &str = "x-gateless-claim-";

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub const $name: HeaderName = HeaderName::from_static($text);)*
    };
}

// What callers send, and what they get.
names! {
    /// Milliseconds a call has left; travels with it. Shortens, never extends.
    TIMEOUT_MS = "x-gateless-timeout-ms";
    /// Keeps a caller with one revision of a split.
    STICKY = "x-gateless-sticky";
    /// Revision that answered; on a forwarded request, the one that was picked.
    REVISION = "x-gateless-revision";
    /// `true` on an answer that waited for an instance.
    COLD_START = "x-gateless-cold-start";
    /// Id of a queued call: on the answer that accepts it, and on the request that delivers it.
    CALL_ID = "x-call-id";
    /// Reads the status and result of a queued call: on the answer that accepts it, and on the request that asks.
    CALL_TOKEN = "x-call-token";
    /// `unsure` on the answer that accepts a call when another may have been accepted under its idempotency key.
    IDEMPOTENCY = "x-gateless-idempotency";
    /// How many sidecars have a queued call on disk: on the answer that accepts it.
    COPIES = "x-gateless-copies";
    /// Where a queued call's result is to be sent.
    CALLBACK_URL = "x-callback-url";
    /// Makes a repeated request the same as its first.
    IDEMPOTENCY_KEY = "idempotency-key";
    /// `respond-async`, and for how long to wait (RFC 7240).
    PREFER = "prefer";
    /// Time a gRPC call has left.
    GRPC_TIMEOUT = "grpc-timeout";
}

// What a function gets with a queued call, and a callback with a result.
names! {
    /// Which attempt it is, from 1.
    ATTEMPT = "x-gateless-attempt";
    /// `true`: the call came through the queue.
    ASYNC = "x-gateless-async";
    /// The trigger that made the call.
    TRIGGER = "x-gateless-trigger";
    /// When a schedule meant the call to be made.
    SCHEDULED_AT = "x-gateless-scheduled-at";
    /// With a result: how the call ended.
    CALL_STATE = "x-gateless-call-state";
    /// With a result: `true` when the body was cut at the limit.
    RESULT_TRUNCATED = "x-gateless-result-truncated";
    /// With a callback: `true` when headers of the answer were left out at the limit.
    HEADERS_TRUNCATED = "x-gateless-headers-truncated";
    /// With a result: the function, as OpenFaaS names it.
    FUNCTION_NAME = "x-function-name";
    /// With a result: the function's own status.
    FUNCTION_STATUS = "x-function-status";
    /// With a result: how long the last attempt took, in seconds.
    DURATION_SECONDS = "x-duration-seconds";
}

// With a callback that is signed (Standard Webhooks).
names! {
    /// The call's id, the same at every try.
    WEBHOOK_ID = "webhook-id";
    /// Seconds since 1970 when it was sent.
    WEBHOOK_TIMESTAMP = "webhook-timestamp";
    /// `v1,` and a MAC in base64, for each key.
    WEBHOOK_SIGNATURE = "webhook-signature";
}

// Between sidecars, and between server and sidecar.
names! {
    /// The node that holds a call which comes through another, to be told of room for it: no proof of anything.
    NODE = "x-gateless-node";
    /// `async` for calls from the queue.
    CLASS = "x-gateless-class";
    /// A permit taken ahead.
    PERMIT = "x-gateless-permit";
    /// On an answer: the gate refused, the function saw nothing.
    REFUSED = "x-gateless-refused";
    /// On an answer: the connection to the instance broke; the function may have seen the call.
    FAILED = "x-gateless-failed";
    /// The node that a sidecar is to pass the call on to, as the sender cannot reach it.
    RELAY_TO = "x-gateless-relay-to";
    /// On an answer: microseconds in the gate's queue.
    QUEUE_US = "x-gateless-queue-us";
    /// On an answer: the instance that made it.
    INSTANCE = "x-gateless-instance";
    /// To the function: the name of the key that its caller has, or the subject of its token.
    CALLER = "x-gateless-caller";
    /// To the function: the function that calls it, `NAME.NAMESPACE`, where it asks which ones do (`access.allow`).
    CALLER_FUNCTION = "x-gateless-caller-function";
    /// A caller's key, for those who have other uses for `authorization`.
    API_KEY = "x-api-key";
    /// Components the call came through, one calling the other.
    HOPS = "x-gateless-hops";
    /// In gRPC's metadata: the problem code of a refusal.
    CODE = crate::problem::HEADER;
}

// What the server answers with, and names of others that `http` does not have.
names! {
    /// On a list: the sidecars that could not be asked.
    UNREACHABLE = "x-gateless-unreachable";
    /// On a change whose caller prefers to wait: how many connected sidecars have applied it.
    APPLIED = "x-gateless-applied";
    /// On such a change: the connected sidecars that have not, yet; the first of them, and how many there are besides.
    BEHIND = "x-gateless-behind";
    /// On such a change: the sidecars that are away, and may go on as before.
    AWAY = "x-gateless-away";
    /// Which preference was followed (RFC 7240).
    PREFERENCE_APPLIED = "preference-applied";
    /// What its caller has left of a function's limits.
    RATE_LIMIT = "ratelimit";
    /// A function's limits.
    RATE_LIMIT_POLICY = "ratelimit-policy";
    /// Phases of a call, for browsers' tools.
    SERVER_TIMING = "server-timing";
    /// W3C Trace Context.
    TRACEPARENT = "traceparent";
    /// What vendors add to a trace (W3C Trace Context).
    TRACESTATE = "tracestate";
    /// Addresses a request came through.
    FORWARDED_FOR = "x-forwarded-for";
    /// `http` or `https`, as the first caller used it.
    FORWARDED_PROTO = "x-forwarded-proto";
    /// The host that the first caller asked for.
    FORWARDED_HOST = "x-forwarded-host";
    /// The first caller's address, as some proxies write it.
    REAL_IP = "x-real-ip";
}

/// Who says a header to a function or a sidecar, from the one whose word counts least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaker {
    /// Whoever calls a sidecar: nothing of it is proved.
    Caller,
    /// A proxy of the operator's, in front of a sidecar.
    Proxy,
    /// What runs on a sidecar's own host: its functions, and the queue that calls them back.
    Function,
    /// Another sidecar of the cluster.
    Sidecar,
}

/// Whose word is needed at least for a header. It is dropped, where a call comes in, from who says less.
#[must_use]
pub fn speaker(name: &HeaderName) -> Speaker {
    let text = name.as_str();
    let Some(rest) = text.strip_prefix("x-") else {
        return match text {
            "forwarded" => Speaker::Proxy,
            _ => Speaker::Caller,
        };
    };
    if rest.starts_with("gateless-") {
        return if *name == TIMEOUT_MS || *name == STICKY {
            Speaker::Caller
        } else if is_proof(name) || INTERNAL.contains(name) {
            Speaker::Sidecar
        } else {
            Speaker::Function
        };
    }
    match rest {
        "real-ip" => Speaker::Proxy,
        _ if rest.starts_with("forwarded-") => Speaker::Proxy,
        "call-id" | "function-name" | "function-status" | "duration-seconds" => Speaker::Function,
        _ => Speaker::Caller,
    }
}

/// Removes what `by` may not say.
pub fn strip(headers: &mut HeaderMap, by: Speaker) {
    remove(headers, |name| speaker(name) > by);
}

/// Removes what sidecars say to each other alone. What a caller proved is for the function to know, and stays.
pub fn strip_internal(headers: &mut HeaderMap) {
    remove(headers, |name| is_ours(name) && INTERNAL.contains(name));
}

fn remove(headers: &mut HeaderMap, is_one: impl Fn(&HeaderName) -> bool) {
    // Mostly there is none.
    if !headers.keys().any(&is_one) {
        return;
    }
    let names = headers.keys().filter(|name| is_one(name));
    for name in names.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Whether a header says what a caller proved: for no one to say but a sidecar that has seen the proof.
#[must_use]
pub fn is_proof(name: &HeaderName) -> bool {
    *name == CALLER || *name == CALLER_FUNCTION || name.as_str().starts_with(CLAIM_PREFIX)
}

/// Headers that only sidecars may set; dropped from what others send.
const INTERNAL: [HeaderName; 9] = [
    NODE, CLASS, PERMIT, REFUSED, FAILED, QUEUE_US, HOPS, RELAY_TO, INSTANCE,
];

/// Whether a header is one of our own, for callers or for sidecars.
#[must_use]
pub fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with(PREFIX)
}

/// Whether a header speaks to the sidecar that takes the call, so that it means nothing to a later delivery of it.
#[must_use]
pub fn is_for_sidecar(name: &HeaderName) -> bool {
    is_ours(name) || [CALL_ID, CALLBACK_URL, PREFER].contains(name)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn nobody_says_what_only_others_can_know() {
        let all = [
            (HeaderName::from_static("accept"), Speaker::Caller),
            (HeaderName::from_static("x-own"), Speaker::Caller),
            (TIMEOUT_MS, Speaker::Caller),
            (STICKY, Speaker::Caller),
            (CALLBACK_URL, Speaker::Caller),
            (HeaderName::from_static("forwarded"), Speaker::Proxy),
            (FORWARDED_FOR, Speaker::Proxy),
            (FORWARDED_PROTO, Speaker::Proxy),
            (
                HeaderName::from_static("x-forwarded-prefix"),
                Speaker::Proxy,
            ),
            (REAL_IP, Speaker::Proxy),
            (CALL_ID, Speaker::Function),
            (FUNCTION_NAME, Speaker::Function),
            (FUNCTION_STATUS, Speaker::Function),
            (DURATION_SECONDS, Speaker::Function),
            (TRIGGER, Speaker::Function),
            (ATTEMPT, Speaker::Function),
            (ASYNC, Speaker::Function),
            (CALL_STATE, Speaker::Function),
            (
                HeaderName::from_static("x-gateless-of-a-later-version"),
                Speaker::Function,
            ),
            (CALLER, Speaker::Sidecar),
            (
                HeaderName::from_static("x-gateless-claim-email"),
                Speaker::Sidecar,
            ),
            (NODE, Speaker::Sidecar),
            (REFUSED, Speaker::Sidecar),
            (HOPS, Speaker::Sidecar),
        ];
        for by in [
            Speaker::Caller,
            Speaker::Proxy,
            Speaker::Function,
            Speaker::Sidecar,
        ] {
            let mut headers = HeaderMap::new();
            for (name, least) in &all {
                assert_eq!(speaker(name), *least, "{name}");
                headers.append(name, HeaderValue::from_static("1"));
                headers.append(name, HeaderValue::from_static("2"));
            }
            strip(&mut headers, by);
            for (name, least) in &all {
                assert_eq!(headers.contains_key(name), *least <= by, "{name} by {by:?}");
            }
        }
    }

    #[test]
    fn what_only_sidecars_set_is_known_by_its_prefix() {
        assert!(INTERNAL.iter().all(is_ours));
        assert!(is_for_sidecar(&STICKY) && is_for_sidecar(&CALL_ID));
        assert!(!is_for_sidecar(&IDEMPOTENCY_KEY) && !is_for_sidecar(&TRACEPARENT));
    }
}
