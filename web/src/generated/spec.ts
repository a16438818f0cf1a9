// Made of common/src/spec; UPDATE_SPEC=1 cargo test -p gateless-common --test documents makes it anew.

export type Kind = "text" | "number" | "duration" | "size" | "cpu" | "flag" | "choice" | "list" | "map" | "object";

export interface Setting {
  /** Its key in function.toml; empty when it has none. */
  toml: string;
  kind: Kind;
  /** In force when it is left out. */
  fallback?: number | boolean | string;
  low?: number;
  high?: number;
  /** 0, or nothing, is no limit. */
  unlimited?: true;
  options?: readonly string[];
  text: string;
}

/** Every field of a function's spec, by its path. */
export const SETTINGS = {
  "kind": { toml: "", kind: "choice", options: ["process", "wasm", "container"], text: "How instances are run. `function.toml` says it by naming a `component`, an `image`, or neither." },
  "protocol": { toml: "protocol", kind: "choice", fallback: "http1", options: ["http1", "h2c"], text: "What an instance speaks on its port; `h2c` as gRPC needs it." },
  "visibility": { toml: "visibility", kind: "choice", fallback: "public", options: ["public", "cluster_only"], text: "Who may call the function: anyone, or other functions only." },
  "env": { toml: "env", kind: "map", text: "Environment variables." },
  "secrets": { toml: "secrets", kind: "list", text: "Environment variables taken from secrets of the same namespace." },
  "process.command": { toml: "command", kind: "list", text: "Program and arguments; in `function.toml` also one text for `/bin/sh -c`." },
  "process.bundle": { toml: "bundle", kind: "object", text: "An uploaded artifact to unpack first; without it the command is one on the host." },
  "process.working_dir": { toml: "working_dir", kind: "text", text: "Relative to the bundle, or absolute without one." },
  "process.ready": { toml: "ready", kind: "object", fallback: "answer", text: "When an instance counts as ready: it answers a request, whatever the status (`answer`); a GET of a path answers 2xx or 3xx (the path); or its port accepts a connection (`tcp`)." },
  "process.start_timeout_ms": { toml: "start_timeout", kind: "duration", fallback: 60000, low: 1, high: 3600000, text: "From spawn to ready." },
  "process.stop_grace_ms": { toml: "stop_grace", kind: "duration", fallback: 30000, low: 0, high: 3600000, text: "From SIGTERM to SIGKILL." },
  "process.socket_activation": { toml: "socket_activation", kind: "flag", fallback: false, text: "Pass a listening socket (`LISTEN_FDS=1`) besides `$PORT`." },
  "process.memory_bytes": { toml: "memory", kind: "size", low: 1048576, high: 17592186044416, unlimited: true, text: "Address space of an instance." },
  "process.cpu_millicores": { toml: "cpu", kind: "cpu", low: 10, high: 1000000, unlimited: true, text: "CPU that all processes of an instance may use together, in every tenth of a second anew; a limit, no reservation." },
  "wasm.component": { toml: "component", kind: "object", text: "The uploaded component." },
  "wasm.allowed_hosts": { toml: "wasm.allowed_hosts", kind: "list", text: "Outside hosts it may call: `HOST`, `HOST:PORT`, `*.DOMAIN`. Other functions need no entry." },
  "wasm.reuse": { toml: "wasm.reuse", kind: "flag", fallback: false, text: "Requests follow one another in one instance, which is faster; otherwise each has a fresh one." },
  "wasm.memory_bytes": { toml: "wasm.memory", kind: "size", fallback: 134217728, low: 65536, high: 4294967296, text: "Linear memory of one instance, all its memories together." },
  "wasm.cpu_time_ms": { toml: "wasm.cpu_time", kind: "duration", fallback: 10000, low: 1, high: 3600000, text: "Time on a CPU for one request." },
  "wasm.max_table_elements": { toml: "wasm.max_table_elements", kind: "number", fallback: 100000, low: 1, high: 10000000, text: "Elements of all its tables together." },
  "wasm.max_response_body_bytes": { toml: "wasm.max_response_body", kind: "size", fallback: 104857600, low: 1, high: 1099511627776, text: "Body of one response." },
  "wasm.max_outgoing_requests": { toml: "wasm.max_outgoing_requests", kind: "number", fallback: 32, low: 1, high: 1000, text: "Outgoing requests of one request at a time." },
  "container.image": { toml: "image", kind: "text", text: "The image, as `docker pull` takes it: `registry.example/name:tag`, or with a digest (`@sha256:...`), which never changes." },
  "container.command": { toml: "container.command", kind: "list", text: "The program, in place of the image's entry point." },
  "container.args": { toml: "container.args", kind: "list", text: "Its arguments, in place of the image's." },
  "container.user": { toml: "container.user", kind: "text", text: "Whom it runs as, `USER` or `USER:GROUP`, by name or number. Left out: whom the image says." },
  "container.tmpfs": { toml: "container.tmpfs", kind: "list", text: "Folders in memory that it may write to, as absolute paths." },
  "container.ready": { toml: "container.ready", kind: "object", fallback: "answer", text: "When an instance counts as ready: it answers a request, whatever the status (`answer`); a GET of a path answers 2xx or 3xx (the path); or its port accepts a connection (`tcp`)." },
  "container.port": { toml: "container.port", kind: "number", fallback: 8080, low: 1, high: 65535, text: "Where the program in the image listens; it is told by `$PORT`, too." },
  "container.start_timeout_ms": { toml: "container.start_timeout", kind: "duration", fallback: 60000, low: 1, high: 3600000, text: "From the start of the container to ready; getting the image does not count." },
  "container.stop_grace_ms": { toml: "container.stop_grace", kind: "duration", fallback: 30000, low: 0, high: 3600000, text: "From SIGTERM to SIGKILL." },
  "container.memory_bytes": { toml: "container.memory", kind: "size", low: 6291456, high: 17592186044416, unlimited: true, text: "Resident memory of the whole container; one that needs more is killed, and its exit says so." },
  "container.cpu_millicores": { toml: "container.cpu", kind: "cpu", low: 10, high: 1000000, unlimited: true, text: "CPU that all of the container may use together; a limit, no reservation." },
  "container.max_processes": { toml: "container.max_processes", kind: "number", fallback: 1024, low: 1, high: 1000000, text: "Processes and threads in the container at once." },
  "container.read_only_root": { toml: "container.read_only_root", kind: "flag", fallback: false, text: "Whether the image's files cannot be written; what is under `tmpfs` can." },
  "access.auth": { toml: "access.auth", kind: "choice", fallback: "none", options: ["none", "key", "jwt"], text: "What a caller has to prove: nothing, that it has one of the function's keys (`gateless key create`), or a token of an issuer (`jwt`)." },
  "access.jwt": { toml: "access.jwt", kind: "object", text: "Whose tokens it takes, with `auth` = `jwt`: `issuer`, `jwks_uri`, `audiences`, `claims`, `forwarded_claims`, `forward_token`." },
  "access.allow": { toml: "access.allow", kind: "list", text: "Which functions may call it, with `visibility` = `cluster_only`: `NAME`, `NAME.NAMESPACE`, `*` (all of its namespace), `*.NAMESPACE`." },
  "access.networks": { toml: "access.networks", kind: "list", text: "Where a call from outside may come from: `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`." },
  "access.cors": { toml: "access.cors", kind: "object", text: "Which pages of other sites browsers let call it: `origins`, `methods`, `headers`, `exposed_headers`, `credentials`, `max_age_seconds`." },
  "access.rate": { toml: "access.rate", kind: "number", fallback: 0, low: 0, high: 1000000, text: "Calls a second that all callers together may make at each sidecar; 0: no limit." },
  "access.burst": { toml: "access.burst", kind: "number", fallback: 0, low: 0, high: 1000000, text: "How many of these may come at once; 0: as many as may in a second." },
  "access.caller_rate": { toml: "access.caller_rate", kind: "number", fallback: 0, low: 0, high: 1000000, text: "Calls a second that each caller may make at each sidecar; 0: no limit." },
  "access.caller_burst": { toml: "access.caller_burst", kind: "number", fallback: 0, low: 0, high: 1000000, text: "How many of these may come at once; 0: as many as may in a second." },
  "limits.timeout_ms": { toml: "limits.timeout", kind: "duration", fallback: 300000, low: 0, high: 86400000, unlimited: true, text: "From arrival to the last byte: hold, queue, start and run; 0: none." },
  "limits.response_start_timeout_ms": { toml: "limits.response_start_timeout", kind: "duration", fallback: 300000, low: 0, high: 86400000, unlimited: true, text: "From forwarding to the response's headers; 0: none." },
  "limits.idle_timeout_ms": { toml: "limits.idle_timeout", kind: "duration", fallback: 300000, low: 0, high: 86400000, unlimited: true, text: "Without a byte in either direction; 0: none." },
  "limits.max_request_body_bytes": { toml: "limits.max_request_body", kind: "size", fallback: 104857600, low: 0, high: 1099511627776, text: "Body of one request." },
  "limits.container_concurrency": { toml: "limits.container_concurrency", kind: "number", fallback: 0, low: 0, high: 1000, unlimited: true, text: "Calls at once in one instance, a hard limit; 0: none, for kind `wasm` 100." },
  "hold.max_requests": { toml: "hold.max_requests", kind: "number", fallback: 1000, low: 1, high: 100000, text: "Calls that wait at once." },
  "hold.max_bytes": { toml: "hold.max_bytes", kind: "size", fallback: 16777216, low: 1024, high: 1073741824, text: "What is buffered of them together." },
  "hold.max_wait_ms": { toml: "hold.max_wait", kind: "duration", fallback: 60000, low: 1, high: 86400000, text: "How long one waits." },
  "retries.max_attempts": { toml: "retries.max_attempts", kind: "number", fallback: 2, low: 1, high: 10, text: "Attempts in all; 1: no retry." },
  "retries.budget_percent": { toml: "retries.budget_percent", kind: "number", fallback: 20, low: 0, high: 100, text: "Retries as a share of calls, in percent." },
  "liveness.path": { toml: "liveness.path", kind: "text", text: "What a probe gets; any status is an answer. Left out: `OPTIONS *`, and for `h2c` gRPC's health check." },
  "liveness.period_ms": { toml: "liveness.period", kind: "duration", fallback: 10000, low: 0, high: 3600000, unlimited: true, text: "Between two probes of an instance that has said nothing meanwhile; 0: none is probed." },
  "liveness.timeout_ms": { toml: "liveness.timeout", kind: "duration", fallback: 1000, low: 1, high: 3600000, text: "For the answer to a probe." },
  "liveness.failure_threshold": { toml: "liveness.failure_threshold", kind: "number", fallback: 3, low: 1, high: 100, text: "Probes in a row without an answer, after which an instance is replaced." },
  "scaling.metric": { toml: "scaling.metric", kind: "choice", fallback: "concurrency", options: ["concurrency", "rps"], text: "What is counted: calls in flight and held at once, or calls a second." },
  "scaling.target": { toml: "scaling.target", kind: "number", low: 0.01, high: 1000000, text: "Per instance. Left out: the container concurrency if set, else 100; for `rps` 200." },
  "scaling.target_utilization_percent": { toml: "scaling.target_utilization_percent", kind: "number", fallback: 70, low: 1, high: 100, text: "Share of the target to aim at, in percent." },
  "scaling.min_scale": { toml: "scaling.min_scale", kind: "number", fallback: 0, low: 0, high: 10000, text: "Fewest instances." },
  "scaling.max_scale": { toml: "scaling.max_scale", kind: "number", fallback: 0, low: 0, high: 10000, unlimited: true, text: "Most instances; 0: no bound." },
  "scaling.initial_scale": { toml: "scaling.initial_scale", kind: "number", fallback: 1, low: 0, high: 10000, text: "Started when a revision is new. 0 (with `min_scale` 0): it counts as ready at once." },
  "scaling.activation_scale": { toml: "scaling.activation_scale", kind: "number", fallback: 1, low: 1, high: 10000, text: "Fewest instances when scaling up from zero." },
  "scaling.stable_window_ms": { toml: "scaling.stable_window", kind: "duration", fallback: 60000, low: 1000, high: 3600000, text: "Window of the stable average. Knative allows none below 6 s, as it has to scrape." },
  "scaling.panic_window_percent": { toml: "scaling.panic_window_percent", kind: "number", fallback: 10, low: 1, high: 100, text: "Window of the panic average, in percent of the stable window." },
  "scaling.panic_threshold_percent": { toml: "scaling.panic_threshold_percent", kind: "number", fallback: 200, low: 110, high: 1000, text: "Load at which panic begins, in percent of the target." },
  "scaling.max_scale_up_rate": { toml: "scaling.max_scale_up_rate", kind: "number", fallback: 1000, low: 1.01, high: 1000000, text: "Most growth per decision, as a factor." },
  "scaling.max_scale_down_rate": { toml: "scaling.max_scale_down_rate", kind: "number", fallback: 2, low: 1.01, high: 1000000, text: "Most shrinkage per decision, as a divisor." },
  "scaling.scale_down_delay_ms": { toml: "scaling.scale_down_delay", kind: "duration", fallback: 0, low: 0, high: 3600000, text: "How long a lower count must have been wanted." },
  "scaling.scale_to_zero_grace_ms": { toml: "scaling.scale_to_zero_grace", kind: "duration", fallback: 30000, low: 0, high: 3600000, text: "How long the last instance is kept for the network to learn of it." },
  "scaling.scale_to_zero_retention_ms": { toml: "scaling.scale_to_zero_retention", kind: "duration", fallback: 0, low: 0, high: 86400000, text: "How long the last instance is kept at least." },
  "scaling.target_burst_capacity": { toml: "scaling.target_burst_capacity", kind: "number", fallback: 211, low: -1, high: 1000000000, text: "Spare capacity wanted: calls that may come at once without being held; -1: unlimited." },
  "async.callback_signing": { toml: "async.callback_signing", kind: "text", text: "`SECRET/KEY`: callbacks are signed by the keys in it, as Standard Webhooks has it. Left out: they are not signed." },
  "async.max_attempts": { toml: "async.max_attempts", kind: "number", fallback: 5, low: 1, high: 100, text: "Attempts before the dead-letter queue." },
  "async.backoff_base_ms": { toml: "async.backoff_base", kind: "duration", fallback: 1000, low: 1, high: 86400000, text: "Upper bound of the first delay between attempts; doubled for each one after." },
  "async.backoff_max_ms": { toml: "async.backoff_max", kind: "duration", fallback: 60000, low: 1, high: 86400000, text: "Upper bound of any delay between attempts." },
  "async.max_age_ms": { toml: "async.max_age", kind: "duration", fallback: 3600000, low: 1000, high: 2592000000, text: "Of a call since it was accepted; an older one is a dead letter." },
  "async.attempt_timeout_ms": { toml: "async.attempt_timeout", kind: "duration", fallback: 300000, low: 1, high: 86400000, text: "Of one attempt." },
  "async.result_ttl_ms": { toml: "async.result_ttl", kind: "duration", fallback: 86400000, low: 1000, high: 2592000000, text: "How long results are kept." },
  "async.max_queued": { toml: "async.max_queued", kind: "number", fallback: 100000, low: 1, high: 10000000, text: "Calls waiting per sidecar; past it new ones are refused with 429." },
  "async.max_in_flight": { toml: "async.max_in_flight", kind: "number", fallback: 100, low: 1, high: 10000, text: "Attempts in flight per sidecar." },
  "async.max_result_bytes": { toml: "async.max_result", kind: "size", fallback: 1048576, low: 0, high: 1073741824, text: "What is kept of a result's body." },
} as const satisfies Record<string, Setting>;
