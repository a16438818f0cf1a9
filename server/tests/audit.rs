//! The audit log: that nothing changes without an entry, that refusals have one, and who may read it.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::{Answer, Server, empty_spec, operations};
use gateless_server::auth::Role;
use serde_json::{Value, json};

const HELLO: &str = "/v1/namespaces/default/functions/hello";

async fn entries(server: &Server, query: &str) -> Vec<Value> {
    let uri = format!("/v1/audit?limit=1000{query}");
    let answer = server.admin_call("GET", &uri, None).await.expect(200);
    answer.body["items"].as_array().unwrap().clone()
}

async fn last(server: &Server) -> Value {
    entries(server, "").await.swap_remove(0)
}

#[tokio::test]
async fn a_change_says_who_what_before_and_after() {
    let server = Server::start().await;
    let token = server.token("default", Role::Deployer).await;
    let call = async |method: &str, uri: &str, body: Value| -> Answer {
        server.call(method, uri, Some(&token), Some(body)).await
    };
    call("PUT", HELLO, empty_spec("a")).await.expect(201);
    let entry = last(&server).await;
    assert_eq!(
        entry["action"],
        "PUT /v1/namespaces/{namespace}/functions/{name}"
    );
    assert_eq!(entry["path"], HELLO);
    assert_eq!(
        (&entry["status"], &entry["code"]),
        (&json!(201), &Value::Null)
    );
    assert_eq!(entry["namespace"], "default");
    assert_eq!(
        (&entry["actor"]["role"], &entry["actor"]["namespace"]),
        (&json!("deployer"), &json!("default"))
    );
    let who = server.call("GET", "/v1/session", Some(&token), None).await;
    assert_eq!(entry["actor"]["token_id"], who.expect(200).body["token_id"]);
    assert_eq!(entry["changes"][0]["resource"], "functions/default/hello");
    assert_eq!(entry["changes"][0]["before"], Value::Null);

    let mut changed = empty_spec("a");
    changed["spec"]["scaling"] = json!({"max_scale": 7});
    call("PUT", HELLO, changed.clone()).await.expect(200);
    let entry = last(&server).await;
    let fields = entry["changes"].as_array().unwrap();
    let scale = fields
        .iter()
        .find(|field| field["pointer"] == "/spec/scaling/max_scale");
    assert_eq!(scale.unwrap()["after"], 7, "{entry:#}");
    assert_ne!(scale.unwrap()["before"], 7);

    // What changes nothing says so.
    call("PUT", &format!("{HELLO}?dry_run=true"), empty_spec("a"))
        .await
        .expect(200);
    assert_eq!(last(&server).await["changes"], json!([]));

    let secret = "/v1/namespaces/default/secrets/key";
    call("PUT", secret, json!({"data": {"a": "hunter2"}}))
        .await
        .expect(201);
    call("PUT", secret, json!({"data": {"a": "hunter3"}}))
        .await
        .expect(200);
    let all = entries(&server, "").await;
    assert!(!json!(all).to_string().contains("hunter"), "{all:#?}");
    let value = all[0]["changes"].as_array().unwrap();
    let value = value
        .iter()
        .find(|field| field["pointer"] == "/data/a")
        .unwrap();
    assert_eq!(
        (&value["before"], &value["after"]),
        (&json!("(redacted)"), &json!("(redacted, new)"))
    );

    let made =
        json!({"namespace": "a", "role": "viewer", "ttl_seconds": 60, "description": "look"});
    let made = server
        .admin_call("POST", "/v1/tokens", Some(made))
        .await
        .expect(201)
        .body;
    let entry = last(&server).await;
    assert_eq!(entry["changes"][0]["after"]["description"], "look");
    assert!(!entry.to_string().contains(made["token"].as_str().unwrap()));
    let uri = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    server.admin_call("DELETE", &uri, None).await.expect(204);
    assert_eq!(
        last(&server).await["changes"][0]["before"]["description"],
        "look"
    );
    server
        .admin_call("POST", "/v1/keys/rotate", None)
        .await
        .expect(200);
    let entry = last(&server).await;
    assert_eq!(entry["changes"][0]["after"], "(redacted, new)");
}

#[tokio::test]
async fn what_is_refused_is_recorded_with_its_reason() {
    let server = Server::start().await;
    let viewer = server.token("default", Role::Viewer).await;
    let other = server.token("other", Role::Admin).await;
    for (token, status, code) in [
        (None, 401, "token_missing"),
        (Some("x"), 401, "token_invalid"),
        (Some(viewer.as_str()), 403, "role_not_enough"),
        (Some(other.as_str()), 403, "wrong_namespace"),
    ] {
        server
            .call("PUT", HELLO, token, Some(empty_spec("a")))
            .await
            .problem(status, code);
        let entry = last(&server).await;
        assert_eq!(
            (&entry["status"], &entry["code"]),
            (&json!(status), &json!(code))
        );
        assert_eq!(
            entry["actor"]["token_id"].is_string(),
            status == 403,
            "{entry:#}"
        );
        assert_eq!(entry["namespace"], "default");
    }
    let admin = server.admin().await;
    server
        .call("PUT", HELLO, Some(&admin), Some(json!({})))
        .await
        .problem(422, "invalid");
    assert_eq!(last(&server).await["code"], "invalid");
    let refused = entries(&server, "&refused=true").await;
    assert_eq!(refused.len(), 5);
    assert_eq!(entries(&server, "&refused=false").await.len(), 0);
    // Somebody who only guesses pushes nothing out.
    for _ in 0..200 {
        server
            .call("DELETE", HELLO, None, None)
            .await
            .problem(401, "token_missing");
    }
    assert!(entries(&server, "").await.len() < 80);
}

#[tokio::test]
async fn an_admin_sees_what_concerns_its_namespace() {
    let server = Server::start().await;
    for namespace in ["a", "b"] {
        let uri = format!("/v1/namespaces/{namespace}/functions/f");
        server
            .admin_call("PUT", &uri, Some(empty_spec("a")))
            .await
            .expect(201);
    }
    let own = server.token("a", Role::Admin).await;
    let seen = async || {
        let seen = server.call("GET", "/v1/audit", Some(&own), None).await;
        seen.expect(200).body["items"].as_array().unwrap().clone()
    };
    assert_eq!(seen().await.len(), 1);
    assert_eq!(seen().await[0]["namespace"], "a");
    let other = server
        .call("GET", "/v1/audit?namespace=b", Some(&own), None)
        .await;
    other.problem(403, "wrong_namespace");
    for role in [Role::Deployer, Role::Invoker, Role::Viewer] {
        let token = server.token("*", role).await;
        let denied = server.call("GET", "/v1/audit", Some(&token), None).await;
        denied.problem(403, "role_not_enough");
    }
    server
        .call("GET", "/v1/audit/verify", Some(&own), None)
        .await
        .problem(403, "wrong_namespace");
    let verdict = server
        .admin_call("GET", "/v1/audit/verify", None)
        .await
        .expect(200)
        .body;
    let changes = &verdict["chains"][0];
    assert_eq!(
        (&verdict["intact"], &changes["last_sequence"]),
        (&json!(true), &json!(2))
    );
    // Pages.
    let first = server
        .admin_call("GET", "/v1/audit?limit=1", None)
        .await
        .expect(200)
        .body;
    let token = first["next_page_token"].as_str().unwrap();
    let uri = format!("/v1/audit?limit=1&page_token={token}");
    let second = server.admin_call("GET", &uri, None).await.expect(200).body;
    assert_eq!(
        (
            &first["items"][0]["sequence"],
            &second["items"][0]["sequence"]
        ),
        (&json!(2), &json!(1))
    );
    assert_eq!(second["next_page_token"], Value::Null);
    server
        .admin_call("GET", "/v1/audit?page_token=eA", None)
        .await
        .problem(400, "invalid_parameter");
    // Its tokens are of its namespace, and nobody else's are.
    for namespace in ["a", "b", "*"] {
        let made = json!({"namespace": namespace, "role": "viewer", "ttl_seconds": 60});
        let made = server.admin_call("POST", "/v1/tokens", Some(made)).await;
        let uri = format!(
            "/v1/tokens/{}",
            made.expect(201).body["id"].as_str().unwrap()
        );
        server.admin_call("DELETE", &uri, None).await.expect(204);
    }
    let tokens = seen().await;
    assert_eq!(tokens.len(), 3, "{tokens:#?}");
    assert!(tokens.iter().all(|entry| entry["namespace"] == "a"));
}

#[tokio::test]
async fn no_route_that_may_change_something_is_left_out() {
    let server = Server::start().await;
    let viewer = server.token("a", Role::Viewer).await;
    let mut asked = 0;
    for (method, path, _) in operations() {
        if method == "GET" || method == "HEAD" {
            continue;
        }
        let uri = path.replace(['{', '}'], "");
        server
            .call(method.as_str(), &uri, Some(&viewer), None)
            .await;
        let entry = last(&server).await;
        assert_eq!(entry["action"], format!("{method} {path}"));
        asked += 1;
    }
    assert!(asked > 20, "{asked}");
}
