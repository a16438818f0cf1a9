//! Every code that a problem document (RFC 9457) of Gateless can have: one list for server and sidecar, from which the
//! documentation's table is made.
//!
//! A code is stable and for programs. Deliberately no `detail` and no `hint`: those are about one request, and stay
//! where it failed.

/// The key of gRPC's metadata that carries the code of a refusal.
pub const HEADER: &str = "x-gateless-code";

/// Who answers with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The server's management API.
    Management,
    /// A sidecar, to who calls functions.
    Calls,
    /// Both of them.
    Both,
}

macro_rules! codes {
    ($($name:ident = $text:literal, $status:literal, $side:ident, $meaning:literal;)*) => {
        /// What is the matter with a request, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`: ", $meaning, ".")] $name,)*
        }

        impl Code {
            /// Every code, in the order in which they are to be read.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it stands in a document.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Who answers with it.
            #[must_use]
            pub const fn side(self) -> Side {
                match self { $(Self::$name => Side::$side,)* }
            }

            /// What is the case, as the end of a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    // Requests in general.
    InvalidParameter = "invalid_parameter", 400, Management, "a path or query parameter is wrong; `errors` names it";
    MalformedJson = "malformed_json", 400, Management, "the body is not JSON";
    Invalid = "invalid", 422, Management, "fields of the body are wrong; `errors` names each";
    TooLarge = "too_large", 422, Management, "the resource is larger than the catalogue takes";
    BodyTooLarge = "body_too_large", 413, Both, "the body is larger than the limit";
    UploadBroken = "upload_broken", 400, Management, "the body ended early or came too slowly";
    WrongContentType = "wrong_content_type", 415, Management, "the route does not take this content type";
    RouteNotFound = "route_not_found", 404, Management, "no route has this path";
    NotFound = "not_found", 404, Calls, "no path of the sidecar's own is so named";
    MethodNotAllowed = "method_not_allowed", 405, Both, "the path does not take this method";
    TooManyRequests = "too_many_requests", 429, Management, "as many requests of this kind are under way as may be";
    CrossSite = "cross_site", 403, Management, "a browser sent the request from another site";
    AddressTaken = "address_taken", 409, Management, "a tag and a function, or two tags, would have the same address";
    FunctionDeleted = "function_deleted", 409, Management, "the function of these calls does not exist any more";
    Internal = "internal", 500, Management, "the server failed; its log says why";
    ShuttingDown = "shutting_down", 503, Both, "this part is about to stop";

    // Tokens.
    TokenMissing = "token_missing", 401, Management, "the request has no token";
    TokenInvalid = "token_invalid", 401, Management, "the token is none of this server's";
    TokenExpired = "token_expired", 401, Management, "the token's time is over";
    TokenRevoked = "token_revoked", 401, Management, "the token was revoked";
    QuotaExceeded = "quota_exceeded", 403, Management, "the namespace's quota does not allow it";
    SessionEnded = "session_ended", 401, Management, "the session was ended, or its time is over";
    SessionNeedsHttps = "session_needs_https", 400, Management, "a session begins over https only, or on the server's own machine";
    TokenNeeded = "token_needed", 403, Management, "a session may not do this: it needs the token itself";
    TokenNotFound = "token_not_found", 404, Management, "no token has this id";
    TooManyTokens = "too_many_tokens", 429, Management, "as many tokens are valid as may be";
    WrongNamespace = "wrong_namespace", 403, Management, "the token is for another namespace";
    RoleNotEnough = "role_not_enough", 403, Management, "the token's role does not allow it";

    // The catalogue.
    FunctionNotFound = "function_not_found", 404, Both, "there is no such function";
    RevisionNotFound = "revision_not_found", 404, Management, "the function has no such revision";
    KeyNotFound = "key_not_found", 404, Management, "the function has no such key";
    SecretNotFound = "secret_not_found", 404, Management, "there is no such secret";
    TriggerNotFound = "trigger_not_found", 404, Management, "there is no such trigger";
    ArtifactNotFound = "artifact_not_found", 404, Management, "there is no such artifact";
    NamespaceNotFound = "namespace_not_found", 404, Management, "there is no such namespace";
    SidecarNotFound = "sidecar_not_found", 404, Management, "there is no such sidecar";
    SidecarConnected = "sidecar_connected", 409, Management, "the sidecar is connected, so it is not gone";
    InvocationNotFound = "invocation_not_found", 404, Management, "there is no such invocation: it never was, or its result has expired";
    CallNotOnRecord = "call_not_on_record", 404, Management, "no such call is on record: it never was, or has made way for others";
    PreconditionFailed = "precondition_failed", 412, Management, "the resource is at another version than `if-match` or `if-none-match` expects";
    PreconditionRequired = "precondition_required", 428, Management, "the request must say which version it changes";
    Contended = "contended", 409, Management, "others change the same thing again and again";
    SecretInUse = "secret_in_use", 409, Management, "functions use the secret";
    NothingToRollBackTo = "nothing_to_roll_back_to", 409, Management, "no earlier revision has had traffic";
    NeverReady = "never_ready", 409, Management, "the revision was never ready, so that it gets no traffic";
    WaitTimeout = "wait_timeout", 409, Management, "the function was not ready in time";
    DigestMismatch = "digest_mismatch", 422, Management, "the body is not what its sha256 says";
    CatalogueReadOnly = "catalogue_read_only", 503, Management, "the catalogue cannot be written; calls go on";
    NoCatalogueToRestore = "no_catalogue_to_restore", 409, Management, "no connected sidecar has a catalogue to give back, or it is not clear whose counts";
    NoSpace = "no_space", 507, Management, "the server's disk is full";
    TooManyListeners = "too_many_listeners", 503, Management, "as many listen to events as may";
    WrongState = "wrong_state", 409, Management, "the invocation is in a state in which this cannot be done";
    IdempotencyInProgress = "idempotency_in_progress", 409, Management, "a request with the same idempotency-key is under way";

    // The server asks a sidecar.
    NoSidecar = "no_sidecar", 503, Management, "no sidecar is connected";
    SidecarUnreachable = "sidecar_unreachable", 503, Management, "the sidecar cannot be reached";
    SidecarFailed = "sidecar_failed", 502, Management, "the sidecar answered with an error of its own";
    InvokeTimeout = "invoke_timeout", 504, Management, "the called function did not answer in time";
    AnswerBroken = "answer_broken", 502, Management, "the called function's answer broke off";

    // OpenFaaS's API.
    NoEqual = "no_equal", 400, Management, "Gateless has nothing equal to what OpenFaaS's API asks for";
    NoEqualRoute = "no_equal_route", 501, Management, "Gateless has nothing equal to this route of OpenFaaS's API";
    InvalidJson = "invalid_json", 400, Management, "the body is not the document that OpenFaaS's API has here";
    ImageFile = "image_file", 500, Management, "the table of images cannot be read";
    BeyondMaxScale = "beyond_max_scale", 400, Management, "more instances are asked for than max_scale allows";
    Exists = "exists", 409, Management, "there is one of this name already";

    // Whom a call is for.
    NoFunctionNamed = "no_function_named", 404, Calls, "neither path nor Host names a function";
    BadFunctionName = "bad_function_name", 404, Calls, "what is named cannot be a function's name";
    FunctionClusterOnly = "function_cluster_only", 403, Calls, "only other functions may call this one";
    CallerNotAllowed = "caller_not_allowed", 403, Calls, "the function is for some functions only, and the calling one is none of them or not known";
    CallerUnproven = "caller_unproven", 401, Calls, "the function is for callers with one of its keys, or with a token of its issuer";
    IssuerUnavailable = "issuer_unavailable", 503, Calls, "the keys of the issuer whose tokens the function takes cannot be had now";
    NetworkNotAllowed = "network_not_allowed", 403, Calls, "the function takes no calls from the caller's network";
    OriginNotAllowed = "origin_not_allowed", 403, Calls, "the function takes no calls from pages of this origin";
    RateLimited = "rate_limited", 429, Calls, "the caller, or all callers together, made more calls than the function takes; `retry-after` says when the next may come";
    CatalogueUnknown = "catalogue_unknown", 503, Calls, "this sidecar has no catalogue yet, neither from the server nor from another sidecar, so that nobody knows whether the function exists";
    NoRevision = "no_revision", 503, Calls, "the function has no revision that gets traffic";
    NotAPeer = "not_a_peer", 401, Calls, "the request came to the sidecars' own listener from who is no sidecar";
    NoManagementHere = "no_management_here", 404, Calls, "this sidecar passes no management requests on";
    TooManyManagementRequests = "too_many_management_requests", 503, Calls, "this sidecar passes as many management requests on as it may";
    ServerUnreachable = "server_unreachable", 503, Calls, "the server, which the request is for, cannot be reached";

    // A call gets no answer from its function.
    Overflow = "overflow", 503, Calls, "as many calls of the function wait as may";
    FunctionFailing = "function_failing", 503, Calls, "no instance of the function can be started";
    DeadlineExceeded = "deadline_exceeded", 504, Calls, "the call's time was over";
    ResponseStartTimeout = "response_start_timeout", 504, Calls, "the function did not begin to answer in time";
    InstanceFailed = "instance_failed", 502, Calls, "the connection to the instance failed; `detail` says whether the function may have seen the call";
    UpstreamLost = "upstream_lost", 502, Calls, "the host of the instance fell silent while it had the call, which the function may have seen";
    LoopDetected = "loop_detected", 508, Calls, "functions call each other in a circle";
    GateRefused = "gate_refused", 503, Calls, "the instance's host refused the call; only sidecars see it";
    BodyStalled = "body_stalled", 408, Calls, "the request's body stopped coming, or came too slowly";
    TooManyBodies = "too_many_bodies", 503, Calls, "bodies that are being read take as much memory as they may, or as one caller's or one function's may";
    BodyUnreadable = "body_unreadable", 400, Calls, "the request's body broke off";
    BadRequest = "bad_request", 400, Calls, "the request is malformed";

    // Components.
    WasmMemory = "wasm_memory", 502, Calls, "the component wanted more memory than its limit";
    WasmTables = "wasm_tables", 502, Calls, "the component wanted larger tables than its limit";
    WasmInstances = "wasm_instances", 502, Calls, "the component consists of more core instances than may be";
    WasmCpuTime = "wasm_cpu_time", 504, Calls, "the component computed longer than its limit";
    WasmResponseSize = "wasm_response_size", 502, Calls, "the component's answer is longer than its limit";
    WasmResponseHeaders = "wasm_response_headers", 502, Calls, "the component's answer has too many or too long headers";
    WasmOutgoing = "wasm_outgoing", 502, Calls, "the component made more requests than it may";
    WasmTrap = "wasm_trap", 502, Calls, "the component trapped";
    WasmExit = "wasm_exit", 502, Calls, "the component exited instead of answering";
    WasmNoResponse = "wasm_no_response", 502, Calls, "the component returned without an answer";
    WasmError = "wasm_error", 502, Calls, "the component answered with an error";
    WasmBusy = "wasm_busy", 503, Calls, "every slot for components was taken for as long as a call may wait";
    WasmLoad = "wasm_load", 503, Calls, "the component cannot be loaded";

    // Queued calls.
    QueueFull = "queue_full", 429, Calls, "a bound of the queue is reached";
    QueueUnavailable = "queue_unavailable", 503, Calls, "the queue cannot write to disk";
    QueueDamaged = "queue_damaged", 500, Calls, "the queue holds a record that it cannot read";
    HeadTooLarge = "head_too_large", 431, Calls, "path and headers are larger than the queue takes";
    UnsupportedCallbackScheme = "unsupported_callback_scheme", 400, Calls, "callbacks go to http and https only";
    BadCallbackUrl = "bad_callback_url", 400, Calls, "a callback must not go there";
    BadIdempotencyKey = "bad_idempotency_key", 400, Calls, "the idempotency-key is no key";
    IdempotencyKeyReused = "idempotency_key_reused", 422, Both, "the idempotency-key was used for another request";
    IdempotencyKeyTaken = "idempotency_key_taken", 409, Calls, "the idempotency-key was used for another call of the same batch";
    CallNotFound = "call_not_found", 404, Calls, "there is no such call: it never was, or its result has expired";
    CallNotFinished = "call_not_finished", 409, Calls, "the call has no result yet";
    CallHasNoResult = "call_has_no_result", 410, Calls, "the call ended without an answer of the function";
    CallStateConflict = "call_state_conflict", 409, Calls, "the call is in a state in which this cannot be done";
    PeerUnavailable = "peer_unavailable", 503, Calls, "the sidecar that has the call cannot be reached";
    PeerFailed = "peer_failed", 502, Calls, "the sidecar that has the call answered with an error";
    SidecarAway = "sidecar_away", 503, Calls, "the sidecar that had the call is away";
    CallLost = "call_lost", 410, Both, "the sidecar that had the call was removed for good, and the call with it";

    // Events.
    TooManyCalls = "too_many_calls", 413, Calls, "the events would make more calls than one request may";
    UnsupportedEventFormat = "unsupported_event_format", 415, Calls, "this format of CloudEvents is not read";
    BadEvent = "bad_event", 400, Calls, "the request is no event";
}

impl Code {
    /// The code that is written so; `None` for one of another version.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// The `type` of the document: a name and no address, as there is nothing to fetch.
    #[must_use]
    pub fn urn(self) -> String {
        format!("urn:gateless:problem:{self}")
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_different_and_errors() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            assert!((400..600).contains(&code.status()), "{code}");
            let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
            assert!(code.as_str().bytes().all(plain), "{code}");
            assert!(!code.meaning().ends_with('.'), "{code}");
        }
    }
}
