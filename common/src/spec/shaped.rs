//! The fields of a spec that are no numbers: their types are the server's, their description is here.
//!
//! A test of the server compares this table with the schema its types have.

use super::{Field, Unit, Value};

const fn field(
    section: &'static str,
    json: &'static str,
    toml: &'static str,
    unit: Unit,
    text: &'static str,
) -> Field {
    Field {
        section,
        json,
        toml,
        unit,
        default: Value::None,
        range: None,
        also: None,
        bound: "",
        text,
    }
}

const fn or(default: Value, mut field: Field) -> Field {
    field.default = default;
    field
}

const fn bounded(bound: &'static str, mut field: Field) -> Field {
    field.bound = bound;
    field
}

/// Fields of the spec itself.
pub(super) static TOP: [Field; 5] = [
    field(
        "",
        "kind",
        "",
        Unit::Choice(&["process", "wasm", "container"]),
        "How instances are run. `function.toml` says it by naming a `component`, an `image`, or neither.",
    ),
    or(
        Value::Text("http1"),
        field(
            "",
            "protocol",
            "protocol",
            Unit::Choice(&["http1", "h2c"]),
            "What an instance speaks on its port; `h2c` as gRPC needs it.",
        ),
    ),
    or(
        Value::Text("public"),
        field(
            "",
            "visibility",
            "visibility",
            Unit::Choice(&["public", "cluster_only"]),
            "Who may call the function: anyone, or other functions only.",
        ),
    ),
    bounded(
        "at most 256, of 32 KiB",
        field("", "env", "env", Unit::Map, "Environment variables."),
    ),
    bounded(
        "at most 64",
        field(
            "",
            "secrets",
            "secrets",
            Unit::List,
            "Environment variables taken from secrets of the same namespace.",
        ),
    ),
];

/// Fields of `process`.
pub(super) static PROCESS: [Field; 4] = [
    bounded(
        "1 to 256 parts of 32 KiB",
        field(
            "process",
            "command",
            "command",
            Unit::List,
            "Program and arguments; in `function.toml` also one text for `/bin/sh -c`.",
        ),
    ),
    bounded(
        "at most 256 MiB",
        field(
            "process",
            "bundle",
            "bundle",
            Unit::Object,
            "An uploaded artifact to unpack first; without it the command is one on the host.",
        ),
    ),
    bounded(
        "at most 4,096 bytes",
        field(
            "process",
            "working_dir",
            "working_dir",
            Unit::Text,
            "Relative to the bundle, or absolute without one.",
        ),
    ),
    or(
        Value::Text("answer"),
        field(
            "process",
            "ready",
            "ready",
            Unit::Object,
            "When an instance counts as ready: it answers a request, whatever the status (`answer`); a GET of a path answers 2xx or 3xx (the path); or its port accepts a connection (`tcp`).",
        ),
    ),
];

/// Fields of `wasm`.
pub(super) static WASM: [Field; 2] = [
    bounded(
        "at most 256 MiB",
        field(
            "wasm",
            "component",
            "component",
            Unit::Object,
            "The uploaded component.",
        ),
    ),
    bounded(
        "at most 64",
        field(
            "wasm",
            "allowed_hosts",
            "allowed_hosts",
            Unit::List,
            "Outside hosts it may call: `HOST`, `HOST:PORT`, `*.DOMAIN`. Other functions need no entry.",
        ),
    ),
];

/// Fields of `container`.
pub(super) static CONTAINER: [Field; 6] = [
    bounded(
        "at most 512 characters",
        field(
            "container",
            "image",
            "image",
            Unit::Text,
            "The image, as `docker pull` takes it: `registry.example/name:tag`, or with a digest (`@sha256:...`), which never changes.",
        ),
    ),
    bounded(
        "at most 256 parts of 32 KiB",
        field(
            "container",
            "command",
            "command",
            Unit::List,
            "The program, in place of the image's entry point.",
        ),
    ),
    bounded(
        "at most 256 parts of 32 KiB",
        field(
            "container",
            "args",
            "args",
            Unit::List,
            "Its arguments, in place of the image's.",
        ),
    ),
    bounded(
        "at most 128 characters",
        field(
            "container",
            "user",
            "user",
            Unit::Text,
            "Whom it runs as, `USER` or `USER:GROUP`, by name or number. Left out: whom the image says.",
        ),
    ),
    bounded(
        "at most 16",
        field(
            "container",
            "tmpfs",
            "tmpfs",
            Unit::List,
            "Folders in memory that it may write to, as absolute paths.",
        ),
    ),
    or(
        Value::Text("answer"),
        field(
            "container",
            "ready",
            "ready",
            Unit::Object,
            "When an instance counts as ready: it answers a request, whatever the status (`answer`); a GET of a path answers 2xx or 3xx (the path); or its port accepts a connection (`tcp`).",
        ),
    ),
];

/// Fields of `access`.
pub(super) static ACCESS: [Field; 5] = [
    or(
        Value::Text("none"),
        field(
            "access",
            "auth",
            "auth",
            Unit::Choice(&["none", "key", "jwt"]),
            "What a caller has to prove: nothing, that it has one of the function's keys (`gateless key create`), or a token of an issuer (`jwt`).",
        ),
    ),
    field(
        "access",
        "jwt",
        "jwt",
        Unit::Object,
        "Whose tokens it takes, with `auth` = `jwt`: `issuer`, `jwks_uri`, `audiences`, `claims`, `forwarded_claims`, `forward_token`.",
    ),
    bounded(
        "at most 64; empty: every one",
        field(
            "access",
            "allow",
            "allow",
            Unit::List,
            "Which functions may call it, with `visibility` = `cluster_only`: `NAME`, `NAME.NAMESPACE`, `*` (all of its namespace), `*.NAMESPACE`.",
        ),
    ),
    bounded(
        "at most 64; empty: anywhere",
        field(
            "access",
            "networks",
            "networks",
            Unit::List,
            "Where a call from outside may come from: `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`.",
        ),
    ),
    field(
        "access",
        "cors",
        "cors",
        Unit::Object,
        "Which pages of other sites browsers let call it: `origins`, `methods`, `headers`, `exposed_headers`, `credentials`, `max_age_seconds`.",
    ),
];

/// Fields of `liveness`.
pub(super) static LIVENESS: [Field; 1] = [bounded(
    "at most 2,048 characters",
    field(
        "liveness",
        "path",
        "path",
        Unit::Text,
        "What a probe gets; any status is an answer. Left out: `OPTIONS *`, and for `h2c` gRPC's health check.",
    ),
)];

/// Fields of `async`.
pub(super) static ASYNC: [Field; 1] = [bounded(
    "a secret of the namespace",
    field(
        "async",
        "callback_signing",
        "callback_signing",
        Unit::Text,
        "`SECRET/KEY`: callbacks are signed by the keys in it, as Standard Webhooks has it. Left out: they are not signed.",
    ),
)];

/// Fields of `scaling`.
pub(super) static SCALING: [Field; 1] = [or(
    Value::Text("concurrency"),
    field(
        "scaling",
        "metric",
        "metric",
        Unit::Choice(&["concurrency", "rps"]),
        "What is counted: calls in flight and held at once, or calls a second.",
    ),
)];
