//! The OpenAPI document: what is committed is what the code has, and it keeps the rules clients need.
//!
//! `UPDATE_OPENAPI=1 cargo test -p gateless-server --test openapi` rewrites the committed document.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use common::{Server, operations};
use gateless_common::spec::{SECTIONS, Unit};
use gateless_server::auth::Role;
use http::{Request, StatusCode};
use serde_json::Value;

#[test]
fn the_committed_document_is_what_the_code_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi/openapi.json");
    let mut document = gateless_server::openapi().to_pretty_json().unwrap();
    document.push('\n');
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == document,
        "openapi/openapi.json is not what the code has: run UPDATE_OPENAPI=1 cargo test -p gateless-server --test openapi"
    );
}

fn walk(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, value);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                walk(value, &format!("{path}/{key}"), visit);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                walk(value, &format!("{path}/{index}"), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn client_generators_find_nothing_they_choke_on() {
    let document = serde_json::to_value(gateless_server::openapi()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].clone();
    walk(&document, "", &mut |path, value| {
        assert!(value.get("oneOf").is_none(), "oneOf at {path}");
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            assert!(schemas.get(name).is_some(), "{path} refers to {name}");
        }
    });
    let servers = document["servers"].as_array().unwrap();
    assert!(!servers.is_empty(), "nothing says where the API is");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        let what = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} occurs twice");
        assert!(id.bytes().all(|b| b.is_ascii_alphabetic()), "{id}");
        assert!(id.starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
        for text in ["summary", "description"] {
            let said = operation[text].as_str().unwrap_or_default();
            assert!(!said.is_empty(), "{what} has no {text}");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("4XX"), "{what} has no 4XX");
        for (status, response) in responses {
            let text = response["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{what} {status} has no description");
        }
    }
    assert!(ids.len() > 35, "{}", ids.len());
}

#[tokio::test]
async fn every_route_but_health_needs_a_token_and_a_role() {
    let server = Server::start().await;
    let everyone = [Role::Admin, Role::Deployer, Role::Invoker, Role::Viewer];
    for (method, path, _) in operations() {
        let uri = path
            .replace("{namespace}", "default")
            .replace("{name}", "f")
            .replace("{revision}", "f-00001")
            .replace("{sha256}", &"0".repeat(64))
            .replace("{id}", "0");
        let what = format!("{method} {path}");
        let none = server.call(&method, &uri, None, None).await;
        if path == "/livez" || path == "/readyz" {
            assert_eq!(none.status, StatusCode::OK, "{what}");
            continue;
        }
        if path == "/v1/session" && method != "GET" {
            assert_ne!(none.status, StatusCode::UNAUTHORIZED, "{what}");
            continue;
        }
        assert_eq!(none.status, StatusCode::UNAUTHORIZED, "{what}");
        assert!(none.headers.contains_key("www-authenticate"), "{what}");
        let bad = server.call(&method, &uri, Some("x.y.z"), None).await;
        assert_eq!(bad.status, StatusCode::UNAUTHORIZED, "{what}");

        let allowed = allowed(&method, &path);
        for role in everyone {
            let token = server.token("default", role).await;
            // Some answers, once allowed, do not end.
            let denied = status(&server, &method, &uri, &token).await == StatusCode::FORBIDDEN;
            assert_eq!(denied, !allowed.contains(&role), "{what} as {role:?}");
        }
        if path.contains("{namespace}") {
            let token = server.token("other", Role::Admin).await;
            let answer = server.call(&method, &uri, Some(&token), None).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}");
            if method != "HEAD" {
                assert_eq!(answer.body["code"], "wrong_namespace", "{what}");
            }
        }
        let admin = status(&server, &method, &uri, &server.admin().await).await;
        assert_ne!(admin, StatusCode::FORBIDDEN, "{what}");
    }
}

async fn status(server: &Server, method: &str, uri: &str, token: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("authorization", format!("Bearer {token}"));
    server
        .open(request.body(Body::empty()).unwrap())
        .await
        .status()
}

/// Which roles of one namespace may use a route, written independently of the policy's table.
fn allowed(method: &str, path: &str) -> Vec<Role> {
    use Role::{Admin, Deployer, Invoker, Viewer};
    let read = method == "GET" || method == "HEAD";
    let of_the_cluster = [
        "/v1/sidecars/",
        "/v1/join-tokens",
        "/v1/identity",
        "/v1/catalogue",
        "/v1/secrets-key",
    ];
    if path == "/metrics"
        || path == "/v1/keys/rotate"
        || of_the_cluster.iter().any(|of| path.starts_with(of))
    {
        return vec![];
    }
    if path == "/v1/audit/verify" || (path.ends_with("/quota") && !read) {
        return vec![];
    }
    if path.starts_with("/v1/tokens") || path == "/v1/audit" {
        return vec![Admin];
    }
    if path == "/v1/session/link" {
        return vec![Admin, Deployer, Invoker, Viewer];
    }
    if path.contains("/secrets") || path.contains("/artifacts") {
        return if read {
            vec![Admin, Deployer, Viewer]
        } else {
            vec![Admin, Deployer]
        };
    }
    if read {
        return vec![Admin, Deployer, Invoker, Viewer];
    }
    if path.contains("invocations") || path.contains("dead-letters") || path.ends_with("/invoke") {
        return vec![Admin, Deployer, Invoker];
    }
    vec![Admin, Deployer]
}

/// What operations do. A new verb is a decision: clients' method names begin with it.
const VERBS: [&str; 33] = [
    "accept", "apply", "cancel", "check", "create", "delete", "drain", "end", "get", "head",
    "invoke", "list", "open", "patch", "publish", "purge", "put", "receive", "replay", "resume",
    "restore", "retire", "revoke", "rollback", "rotate", "scale", "send", "set", "start", "stream",
    "update", "wait", "watch",
];

/// Whether an example stands in `value` or in a schema it refers to.
fn shows_an_example(value: &Value, schemas: &Value, depth: usize) -> bool {
    let mut found = false;
    let mut names = Vec::new();
    walk(value, "", &mut |_, part| {
        found |= part.get("example").is_some() || part.get("examples").is_some();
        names.extend(part.get("$ref").and_then(Value::as_str).map(String::from));
    });
    let name = |reference: &str| reference.replace("#/components/schemas/", "");
    found
        || depth > 0
            && names
                .iter()
                .any(|reference| shows_an_example(&schemas[name(reference)], schemas, depth - 1))
}

#[test]
fn every_operation_is_named_by_a_verb_and_explains_itself() {
    let document = serde_json::to_value(gateless_server::openapi()).unwrap();
    let schemas = &document["components"]["schemas"];
    let mut wrong = Vec::new();
    for (_, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        let noun = VERBS.iter().find_map(|verb| id.strip_prefix(verb));
        if !noun.is_some_and(|noun| noun.starts_with(|c: char| c.is_ascii_uppercase())) {
            wrong.push(format!("{id} is no verbNoun with a verb of VERBS"));
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["description"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
            {
                wrong.push(format!("{id}: {} has no description", parameter["name"]));
            }
        }
        let bodies = operation["requestBody"]["content"].as_object();
        for (kind, body) in bodies.into_iter().flatten() {
            if kind.contains("json") && !shows_an_example(body, schemas, 1) {
                wrong.push(format!("{id}: its {kind} body has no example"));
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let bodies = response["content"].as_object();
            for (kind, body) in bodies.into_iter().flatten() {
                let is_document = path == "/v1/openapi.json";
                if kind.contains("json") && !is_document && !shows_an_example(body, schemas, 2) {
                    wrong.push(format!(
                        "{id} {status}: nothing in its {kind} has an example"
                    ));
                }
            }
        }
    }
    for (name, schema) in schemas.as_object().unwrap() {
        if !schema["description"].is_string() {
            wrong.push(format!("{name} has no description"));
        }
        let properties = schema["properties"].as_object();
        for (property, schema) in properties.into_iter().flatten() {
            if !schema["description"].is_string() {
                wrong.push(format!("{name}.{property} has no description"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_schema_of_a_spec_has_the_fields_of_the_table_and_no_other() {
    let document = serde_json::to_value(gateless_server::openapi()).unwrap();
    let schemas = &document["components"]["schemas"];
    for section in SECTIONS.iter() {
        let schema = match section.name {
            "" => &schemas["Spec"],
            name => {
                let reference = &schemas["Spec"]["properties"][name]["$ref"];
                let name = reference.as_str().unwrap().rsplit('/').next().unwrap();
                &schemas[name]
            }
        };
        let properties = schema["properties"].as_object().unwrap();
        let found: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        let fields = section.shaped.iter().chain(&section.settings);
        let mut expected: BTreeSet<&str> = fields.clone().map(|field| field.json).collect();
        if section.name.is_empty() {
            expected.extend(
                SECTIONS
                    .iter()
                    .map(|section| section.name)
                    .filter(|name| !name.is_empty()),
            );
        }
        assert_eq!(found, expected, "{:?}", section.name);
        for field in fields {
            let property = &properties[field.json];
            let described = property["description"].as_str().unwrap();
            assert!(described.starts_with(field.text), "{}", field.path());
            if let Unit::Choice(options) = field.unit {
                let name = property["$ref"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap();
                assert_eq!(
                    schemas[name]["enum"],
                    serde_json::json!(options),
                    "{}",
                    field.path()
                );
            }
            if field.range.is_some() {
                assert!(property["maximum"].is_number(), "{}", field.path());
            }
        }
    }
}
