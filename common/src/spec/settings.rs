//! The one source of a function's settings: names, types, units, defaults, ranges, meanings.
//!
//! [`settings!`](crate::settings) hands the rows of a section to a macro of the caller's, which makes of them what it
//! needs: the API's struct, the sidecar's, the keys of `function.toml`, a conversion, a table.
//! Deliberately only what is a number or a flag: fields with a shape of their own (a command, a bundle, a list)
//! are written where they are used, and described in [`super::shaped`].

/// Calls `$emit! { ARGUMENTS... SECTION { ROWS } }` with the rows of one section.
///
/// A row is `JSON_NAME / TOML_NAME: TYPE, UNIT = DEFAULT, RANGE;` with its meaning as a doc comment. The type is that of
/// the API's document. The unit says what the number counts, and so what it becomes elsewhere:
///
/// | unit | `function.toml` | the sidecar |
/// |---|---|---|
/// | `millis`, `millis_or_none` | a duration | `Duration`; 0 is `None` |
/// | `bytes`, `bytes_or_none` | a size | `u64`; absent or 0 is `None` |
/// | `millicores_or_none` | CPUs | `u32`, thousandths of a CPU; absent or 0 is `None` |
/// | `count`, `count_or_none` | a whole number | `u32`; 0 is `None` |
/// | `number` | a number | `f64` |
/// | `derived` | a number; left out it follows from other fields | `f64` |
/// | `flag` | true or false | `bool` |
///
/// `also VALUE` after the range is a value outside of it with a meaning of its own.
#[macro_export]
macro_rules! settings {
    (process => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* process {
        /// From spawn to ready.
        start_timeout_ms / start_timeout: u64, millis = 60_000, 1..=$crate::spec::HOUR_MS;
        /// From SIGTERM to SIGKILL.
        stop_grace_ms / stop_grace: u64, millis = 30_000, 0..=$crate::spec::HOUR_MS;
        /// Pass a listening socket (`LISTEN_FDS=1`) besides `$PORT`.
        socket_activation / socket_activation: bool, flag = false, ..;
        /// Address space of an instance.
        memory_bytes / memory: Option<u64>, bytes_or_none = None, 1 << 20..=1 << 44;
        /// CPU that all processes of an instance may use together, in every tenth of a second anew; a limit, no reservation.
        cpu_millicores / cpu: Option<u32>, millicores_or_none = None, 10..=1_000_000;
    } } };
    (container => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* container {
        /// Where the program in the image listens; it is told by `$PORT`, too.
        port / port: u32, count = 8_080, 1..=65_535;
        /// From the start of the container to ready; getting the image does not count.
        start_timeout_ms / start_timeout: u64, millis = 60_000, 1..=$crate::spec::HOUR_MS;
        /// From SIGTERM to SIGKILL.
        stop_grace_ms / stop_grace: u64, millis = 30_000, 0..=$crate::spec::HOUR_MS;
        /// Resident memory of the whole container; one that needs more is killed, and its exit says so.
        memory_bytes / memory: Option<u64>, bytes_or_none = None, 6 << 20..=1 << 44;
        /// CPU that all of the container may use together; a limit, no reservation.
        cpu_millicores / cpu: Option<u32>, millicores_or_none = None, 10..=1_000_000;
        /// Processes and threads in the container at once.
        max_processes / max_processes: u32, count = 1_024, 1..=1_000_000;
        /// Whether the image's files cannot be written; what is under `tmpfs` can.
        read_only_root / read_only_root: bool, flag = false, ..;
    } } };
    (wasm => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* wasm {
        /// Requests follow one another in one instance, which is faster; otherwise each has a fresh one.
        reuse / reuse: bool, flag = false, ..;
        /// Linear memory of one instance, all its memories together.
        memory_bytes / memory: u64, bytes = 128 << 20, 65_536..=1 << 32;
        /// Time on a CPU for one request.
        cpu_time_ms / cpu_time: u64, millis = 10_000, 1..=$crate::spec::HOUR_MS;
        /// Elements of all its tables together.
        max_table_elements / max_table_elements: u32, count = 100_000, 1..=10_000_000;
        /// Body of one response.
        max_response_body_bytes / max_response_body: u64, bytes = 100 << 20, 1..=1 << 40;
        /// Outgoing requests of one request at a time.
        max_outgoing_requests / max_outgoing_requests: u32, count = 32, 1..=1_000;
    } } };
    (limits => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* limits {
        /// From arrival to the last byte: hold, queue, start and run; 0: none.
        timeout_ms / timeout: u64, millis_or_none = 300_000, 0..=$crate::spec::DAY_MS;
        /// From forwarding to the response's headers; 0: none.
        response_start_timeout_ms / response_start_timeout: u64, millis_or_none = 300_000, 0..=$crate::spec::DAY_MS;
        /// Without a byte in either direction; 0: none.
        idle_timeout_ms / idle_timeout: u64, millis_or_none = 300_000, 0..=$crate::spec::DAY_MS;
        /// Body of one request.
        max_request_body_bytes / max_request_body: u64, bytes = 100 << 20, 0..=1 << 40;
        /// Calls at once in one instance, a hard limit; 0: none, for kind `wasm` 100.
        container_concurrency / container_concurrency: u32, count_or_none = 0, 0..=1_000;
    } } };
    (hold => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* hold {
        /// Calls that wait at once.
        max_requests / max_requests: u32, count = 1_000, 1..=100_000;
        /// What is buffered of them together.
        max_bytes / max_bytes: u64, bytes = 16 << 20, 1_024..=1 << 30;
        /// How long one waits.
        max_wait_ms / max_wait: u64, millis = 60_000, 1..=$crate::spec::DAY_MS;
    } } };
    (access => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* access {
        /// Calls a second that all callers together may make at each sidecar; 0: no limit.
        rate / rate: f64, number = 0.0, 0.0..=1e6;
        /// How many of these may come at once; 0: as many as may in a second.
        burst / burst: u32, count = 0, 0..=1_000_000;
        /// Calls a second that each caller may make at each sidecar; 0: no limit.
        caller_rate / caller_rate: f64, number = 0.0, 0.0..=1e6;
        /// How many of these may come at once; 0: as many as may in a second.
        caller_burst / caller_burst: u32, count = 0, 0..=1_000_000;
    } } };
    (retries => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* retries {
        /// Attempts in all; 1: no retry.
        max_attempts / max_attempts: u32, count = 2, 1..=10;
        /// Retries as a share of calls, in percent.
        budget_percent / budget_percent: u32, count = 20, 0..=100;
    } } };
    (liveness => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* liveness {
        /// Between two probes of an instance that has said nothing meanwhile; 0: none is probed.
        period_ms / period: u64, millis_or_none = 10_000, 0..=$crate::spec::HOUR_MS;
        /// For the answer to a probe.
        timeout_ms / timeout: u64, millis = 1_000, 1..=$crate::spec::HOUR_MS;
        /// Probes in a row without an answer, after which an instance is replaced.
        failure_threshold / failure_threshold: u32, count = 3, 1..=100;
    } } };
    (scaling => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* scaling {
        /// Per instance. Left out: the container concurrency if set, else 100; for `rps` 200.
        target / target: Option<f64>, derived = None, 0.01..=1e6;
        /// Share of the target to aim at, in percent.
        target_utilization_percent / target_utilization_percent: f64, number = 70.0, 1.0..=100.0;
        /// Fewest instances.
        min_scale / min_scale: u32, count = 0, 0..=10_000;
        /// Most instances; 0: no bound.
        max_scale / max_scale: u32, count_or_none = 0, 0..=10_000;
        /// Started when a revision is new. 0 (with `min_scale` 0): it counts as ready at once.
        initial_scale / initial_scale: u32, count = 1, 0..=10_000;
        /// Fewest instances when scaling up from zero.
        activation_scale / activation_scale: u32, count = 1, 1..=10_000;
        /// Window of the stable average. Knative allows none below 6 s, as it has to scrape.
        stable_window_ms / stable_window: u64, millis = 60_000, 1_000..=$crate::spec::HOUR_MS;
        /// Window of the panic average, in percent of the stable window.
        panic_window_percent / panic_window_percent: f64, number = 10.0, 1.0..=100.0;
        /// Load at which panic begins, in percent of the target.
        panic_threshold_percent / panic_threshold_percent: f64, number = 200.0, 110.0..=1_000.0;
        /// Most growth per decision, as a factor.
        max_scale_up_rate / max_scale_up_rate: f64, number = 1_000.0, 1.01..=1e6;
        /// Most shrinkage per decision, as a divisor.
        max_scale_down_rate / max_scale_down_rate: f64, number = 2.0, 1.01..=1e6;
        /// How long a lower count must have been wanted.
        scale_down_delay_ms / scale_down_delay: u64, millis = 0, 0..=$crate::spec::HOUR_MS;
        /// How long the last instance is kept for the network to learn of it.
        scale_to_zero_grace_ms / scale_to_zero_grace: u64, millis = 30_000, 0..=$crate::spec::HOUR_MS;
        /// How long the last instance is kept at least.
        scale_to_zero_retention_ms / scale_to_zero_retention: u64, millis = 0, 0..=$crate::spec::DAY_MS;
        /// Spare capacity wanted: calls that may come at once without being held; -1: unlimited.
        target_burst_capacity / target_burst_capacity: f64, number = 211.0, 0.0..=1e9, also -1.0;
    } } };
    (async => $emit:ident $($arguments:tt)*) => { $emit! { $($arguments)* async {
        /// Attempts before the dead-letter queue.
        max_attempts / max_attempts: u32, count = 5, 1..=100;
        /// Upper bound of the first delay between attempts; doubled for each one after.
        backoff_base_ms / backoff_base: u64, millis = 1_000, 1..=$crate::spec::DAY_MS;
        /// Upper bound of any delay between attempts.
        backoff_max_ms / backoff_max: u64, millis = 60_000, 1..=$crate::spec::DAY_MS;
        /// Of a call since it was accepted; an older one is a dead letter.
        max_age_ms / max_age: u64, millis = $crate::spec::HOUR_MS, 1_000..=30 * $crate::spec::DAY_MS;
        /// Of one attempt.
        attempt_timeout_ms / attempt_timeout: u64, millis = 300_000, 1..=$crate::spec::DAY_MS;
        /// How long results are kept.
        result_ttl_ms / result_ttl: u64, millis = $crate::spec::DAY_MS, 1_000..=30 * $crate::spec::DAY_MS;
        /// Calls waiting per sidecar; past it new ones are refused with 429.
        max_queued / max_queued: u32, count = 100_000, 1..=10_000_000;
        /// Attempts in flight per sidecar.
        max_in_flight / max_in_flight: u32, count = 100, 1..=10_000;
        /// What is kept of a result's body.
        max_result_bytes / max_result: u64, bytes = 1 << 20, 0..=1 << 30;
    } } };
}
