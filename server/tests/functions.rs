//! Functions, revisions, traffic and secrets over HTTP: what people and clients rely on.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::{Server, empty_spec, spec};
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const HELLO: &str = "/v1/namespaces/default/functions/hello";

#[tokio::test]
async fn apply_creates_updates_and_leaves_alone() {
    let server = Server::start().await;
    let made = server
        .admin_call("PUT", HELLO, Some(spec("a")))
        .await
        .expect(201);
    assert_eq!(made.body["status"]["latest_revision"], "hello-00001");
    assert_eq!(made.body["status"]["latest_ready_revision"], Value::Null);
    assert_eq!(made.body["status"]["ready"], false);
    assert_eq!(made.body["status"]["url_path"], "/function/hello.default");
    assert_eq!(made.body["spec"]["scaling"]["target"], 100.0);
    assert_eq!(made.body["traffic"][0]["latest"], true);
    assert_eq!(made.etag(), format!("\"{}\"", made.body["version"]));

    let same = server
        .admin_call("PUT", HELLO, Some(spec("a")))
        .await
        .expect(200);
    assert_eq!(same.etag(), made.etag());
    let changed = server
        .admin_call("PUT", HELLO, Some(spec("b")))
        .await
        .expect(200);
    assert_eq!(changed.body["status"]["latest_revision"], "hello-00002");
    assert_ne!(changed.etag(), made.etag());

    let shown = server.admin_call("GET", HELLO, None).await.expect(200);
    let mut again = json!({"labels": shown.body["labels"], "spec": shown.body["spec"]});
    let put = server
        .admin_call("PUT", HELLO, Some(again.take()))
        .await
        .expect(200);
    assert_eq!(put.body["status"]["latest_revision"], "hello-00002");
    assert_eq!(put.body["uid"], made.body["uid"]);
}

#[tokio::test]
async fn a_dry_run_checks_and_changes_nothing() {
    let server = Server::start().await;
    let uri = format!("{HELLO}?dry_run=true");
    let made = server
        .admin_call("PUT", &uri, Some(spec("a")))
        .await
        .expect(201);
    assert_eq!(made.body["status"]["latest_revision"], "hello-00001");
    server
        .admin_call("GET", HELLO, None)
        .await
        .problem(404, "function_not_found");
    let bad = json!({"spec": {"kind": "process", "process": {"command": []}}});
    server
        .admin_call("PUT", &uri, Some(bad))
        .await
        .problem(422, "invalid");
    server
        .admin_call("PUT", HELLO, Some(spec("a")))
        .await
        .expect(201);
    server.admin_call("DELETE", &uri, None).await.expect(204);
    server.admin_call("GET", HELLO, None).await.expect(200);
}

#[tokio::test]
async fn every_error_is_a_problem_that_says_where() {
    let server = Server::start().await;
    let token = server.admin().await;
    let put = async |body: &str, kind: &str| {
        let request = Request::put(HELLO)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", kind)
            .body(body.to_owned().into())
            .unwrap();
        server.send(request).await
    };
    let json = "application/json";
    let broken = put("{\n  nope", json).await.problem(400, "malformed_json");
    assert!(broken.body["detail"].as_str().unwrap().contains("line 2"));
    let unknown = put(r#"{"spec": {"kind": "process", "proces": {}}}"#, json).await;
    assert_eq!(unknown.problem(422, "invalid").pointers(), ["/spec/proces"]);
    let kind = put(
        r#"{"spec": {"kind": "process", "scaling": {"max_scale": "3"}}}"#,
        json,
    )
    .await;
    assert_eq!(
        kind.problem(422, "invalid").pointers(),
        ["/spec/scaling/max_scale"]
    );
    put("{}", "text/plain")
        .await
        .problem(415, "wrong_content_type");
    let large = format!(r#"{{"spec": "{}"}}"#, "x".repeat(300_000));
    put(&large, json).await.problem(413, "body_too_large");

    let call = async |method: &str, uri: &str| server.call(method, uri, Some(&token), None).await;
    call("GET", "/v1/nothing")
        .await
        .problem(404, "route_not_found");
    let method = call("POST", HELLO).await.problem(405, "method_not_allowed");
    assert!(method.headers["allow"].to_str().unwrap().contains("PUT"));
    call("GET", &format!("{HELLO}/wait"))
        .await
        .problem(400, "invalid_parameter");
    let list = "/v1/namespaces/default/functions";
    for query in [
        "limit=0",
        "limit=x",
        "limit=1001",
        "page_token=%21",
        "nope=1",
        "label=x",
    ] {
        call("GET", &format!("{list}?{query}"))
            .await
            .problem(400, "invalid_parameter");
    }
    let limit = call("GET", &format!("{list}?limit=x")).await;
    assert_eq!(limit.pointers(), ["limit"]);
    call("GET", "/v1/namespaces/NO/functions")
        .await
        .problem(400, "invalid_parameter");
    call("GET", "/v1/namespaces/%FF/functions")
        .await
        .problem(400, "invalid_parameter");
    call("PUT", "/v1/namespaces/default/functions/A_B")
        .await
        .problem(400, "invalid_parameter");
    call("GET", &format!("{HELLO}/revisions"))
        .await
        .problem(404, "function_not_found");
    let anonymous = server.call("GET", "/v1/nothing", None, None).await;
    anonymous.problem(401, "token_missing");
}

#[tokio::test]
async fn changes_can_be_conditional() {
    let server = Server::start().await;
    let token = server.admin().await;
    let token = Some(token.as_str());
    let with = async |method: &str, headers: &[(&str, &str)], body: Option<Value>| {
        server.with(method, HELLO, token, headers, body).await
    };
    with("PUT", &[("if-match", "*")], Some(spec("a")))
        .await
        .problem(412, "precondition_failed");
    let made = with("PUT", &[("if-none-match", "*")], Some(spec("a")))
        .await
        .expect(201);
    let first = made.etag();
    with("PUT", &[("if-none-match", "*")], Some(spec("a")))
        .await
        .problem(412, "precondition_failed");

    let patch = json!({"spec": {"scaling": {"max_scale": 5}}});
    with("PATCH", &[], Some(patch.clone()))
        .await
        .problem(428, "precondition_required");
    let headers = [
        ("if-match", first.as_str()),
        ("content-type", "application/merge-patch+json"),
    ];
    let patched = with("PATCH", &headers, Some(patch.clone()))
        .await
        .expect(200);
    assert_eq!(patched.body["spec"]["scaling"]["max_scale"], 5);
    assert_eq!(patched.body["status"]["latest_revision"], "hello-00002");
    with("PATCH", &headers, Some(patch))
        .await
        .problem(412, "precondition_failed");
    let restore = json!({"spec": {"scaling": {"max_scale": null}}});
    let restored = with("PATCH", &[("if-match", "*")], Some(restore))
        .await
        .expect(200);
    assert_eq!(restored.body["spec"]["scaling"]["max_scale"], 0);
    let wrong = json!({"spec": {"scaling": {"nope": 1}}});
    let wrong = with("PATCH", &[("if-match", "*")], Some(wrong))
        .await
        .problem(422, "invalid");
    assert_eq!(wrong.pointers(), ["/spec/scaling/nope"]);

    let now = restored.etag();
    let not_modified = with("GET", &[("if-none-match", &now)], None).await;
    assert_eq!(not_modified.expect(304).etag(), now);
    with("DELETE", &[("if-match", &first)], None)
        .await
        .problem(412, "precondition_failed");
    with("DELETE", &[("if-match", &now)], None)
        .await
        .expect(204);
    with("DELETE", &[], None)
        .await
        .problem(404, "function_not_found");
    let again = with("PUT", &[], Some(spec("a"))).await.expect(201);
    assert_ne!(again.etag(), first);
    assert_eq!(again.body["status"]["latest_revision"], "hello-00001");
}

#[tokio::test]
async fn a_patched_limit_moves_the_target_that_follows_it() {
    let server = Server::start().await;
    let token = server.admin().await;
    server
        .call("PUT", HELLO, Some(&token), Some(spec("a")))
        .await
        .expect(201);
    let patch = json!({"spec": {"limits": {"container_concurrency": 4}}});
    let headers = [("if-match", "*")];
    let patched = server
        .with("PATCH", HELLO, Some(&token), &headers, Some(patch))
        .await;
    assert_eq!(patched.expect(200).body["spec"]["scaling"]["target"], 4.0);
}

#[tokio::test]
async fn traffic_is_split_tagged_and_rolled_back() {
    let server = Server::start().await;
    for command in ["a", "b", "c"] {
        server
            .admin_call("PUT", HELLO, Some(empty_spec(command)))
            .await;
    }
    let traffic = format!("{HELLO}/traffic");
    let split = json!({"targets": [
        {"revision": "hello-00002", "percent": 90},
        {"latest": true, "percent": 10, "tag": "next"},
    ]});
    let set = server
        .admin_call("PUT", &traffic, Some(split))
        .await
        .expect(200);
    assert_eq!(set.body["resolved"][1]["revision"], "hello-00003");
    let wrong = json!({"targets": [{"revision": "hello-00009", "percent": 50}]});
    let wrong = server
        .admin_call("PUT", &traffic, Some(wrong))
        .await
        .problem(422, "invalid");
    assert_eq!(wrong.pointers(), ["/targets/0/revision", "/targets"]);

    let rollback = format!("{HELLO}/rollback");
    let back = server.admin_call("POST", &rollback, None).await.expect(200);
    assert_eq!(back.body["traffic"][0]["revision"], "hello-00001");
    let nothing = server.admin_call("POST", &rollback, None).await;
    nothing.problem(409, "nothing_to_roll_back_to");
    let unknown = json!({"revision": "hello-00009"});
    let unknown = server.admin_call("POST", &rollback, Some(unknown)).await;
    unknown.problem(404, "revision_not_found");
    let named = json!({"revision": "hello-00003"});
    let named = server
        .admin_call("POST", &rollback, Some(named))
        .await
        .expect(200);
    assert_eq!(named.body["traffic"][0]["percent"], 100);

    let list = server
        .admin_call("GET", &format!("{HELLO}/revisions?limit=2"), None)
        .await;
    assert_eq!(list.body["items"][0]["name"], "hello-00003");
    assert_eq!(list.body["items"][0]["percent"], 100);
    let token = list.body["next_page_token"].as_str().unwrap();
    let uri = format!("{HELLO}/revisions?limit=2&page_token={token}");
    let rest = server.admin_call("GET", &uri, None).await.expect(200);
    assert_eq!(rest.body["items"][0]["name"], "hello-00001");
    assert_eq!(rest.body["next_page_token"], Value::Null);
    let one = server
        .admin_call("GET", &format!("{HELLO}/revisions/hello-00001"), None)
        .await;
    assert_eq!(one.expect(200).body["spec"]["process"]["command"][0], "a");
}

#[tokio::test]
async fn lists_are_paged_and_filtered_by_label() {
    let server = Server::start().await;
    for n in 0..5 {
        let mut body = spec("a");
        body["labels"] = json!({"even": (n % 2 == 0).to_string()});
        let uri = format!("/v1/namespaces/default/functions/f{n}");
        server.admin_call("PUT", &uri, Some(body)).await.expect(201);
    }
    server
        .admin_call("PUT", "/v1/namespaces/other/functions/x", Some(spec("a")))
        .await;
    let mut names = Vec::new();
    let mut uri = "/v1/namespaces/default/functions?limit=2&label=even%3Dtrue".to_owned();
    let first = uri.clone();
    loop {
        let page = server.admin_call("GET", &uri, None).await.expect(200);
        let items = page.body["items"].as_array().unwrap();
        names.extend(
            items
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        let Some(token) = page.body["next_page_token"].as_str() else {
            break;
        };
        uri = format!("{first}&page_token={token}");
    }
    assert_eq!(names, ["f0", "f2", "f4"]);
}

#[tokio::test]
async fn a_read_only_catalogue_reads_and_says_so() {
    let server = Server::start().await;
    let token = server.admin().await;
    server
        .call("PUT", HELLO, Some(&token), Some(spec("a")))
        .await
        .expect(201);
    server.break_store();
    server
        .call("GET", HELLO, Some(&token), None)
        .await
        .expect(200);
    let refused = server
        .call("PUT", HELLO, Some(&token), Some(spec("b")))
        .await;
    let refused = refused.problem(503, "catalogue_read_only");
    assert!(refused.headers.contains_key("retry-after"));
    server
        .call("GET", "/readyz", None, None)
        .await
        .problem(503, "catalogue_read_only");
    server.call("GET", "/livez", None, None).await.expect(200);
    let metrics = server
        .call("GET", "/metrics", Some(&token), None)
        .await
        .expect(200);
    let text = String::from_utf8_lossy(&metrics.bytes);
    assert!(
        text.contains("gateless_server_catalogue_writable 0"),
        "{text}"
    );
    assert!(
        text.contains("gateless_server_http_requests_total{"),
        "{text}"
    );
}

#[tokio::test]
async fn an_address_is_one_functions_or_one_tags_whichever_comes_second_is_refused() {
    let server = Server::start().await;
    let put = async |name: &str| {
        let path = format!("/v1/namespaces/default/functions/{name}");
        server.admin_call("PUT", &path, Some(empty_spec("a"))).await
    };
    let tag = async |name: &str, tag: &str| {
        let path = format!("/v1/namespaces/default/functions/{name}/traffic");
        let targets = json!({"targets": [{"latest": true, "percent": 100, "tag": tag}]});
        server.admin_call("PUT", &path, Some(targets)).await
    };
    for name in ["tr", "b-c", "c", "blue-tr"] {
        put(name).await.expect(201);
    }
    tag("tr", "old").await.expect(200);
    let refused = put("old-tr").await.problem(409, "address_taken");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("function default/old-tr")
            && detail.contains("tag old of function default/tr"),
        "{detail}"
    );
    let refused = tag("tr", "blue").await.problem(409, "address_taken");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("tag blue of function default/tr")
            && detail.contains("function default/blue-tr"),
        "{detail}"
    );
    // Two tags may mean the same address too.
    tag("b-c", "a").await.expect(200);
    tag("c", "a-b").await.problem(409, "address_taken");
    put("a-b-c").await.problem(409, "address_taken");
    // What a function has it keeps, and what is free again is free.
    tag("tr", "old").await.expect(200);
    tag("tr", "new").await.expect(200);
    put("old-tr").await.expect(201);
    tag("tr", "old").await.problem(409, "address_taken");
    // Another namespace has addresses of its own.
    let path = "/v1/namespaces/other/functions/new-tr";
    server
        .admin_call("PUT", path, Some(empty_spec("a")))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_function_has_so_many_keys_and_expired_ones_are_none() {
    let server = Server::start().await;
    let put = server.admin_call("PUT", HELLO, Some(empty_spec("a"))).await;
    put.expect(201);
    let (function, now) = (("default", "hello"), Timestamp::UNIX_EPOCH);
    let later = now + SignedDuration::from_secs(60);
    let create = async |name: &str, expires_at: Option<Timestamp>, now: Timestamp| {
        let made = server.service.create_key(function, name, expires_at, now);
        made.await.map(drop)
    };
    for n in 0..255 {
        create(&format!("k{n}"), None, now).await.unwrap();
    }
    create("brief", Some(later), now).await.unwrap();
    let full = create("one-more", None, now).await.unwrap_err();
    assert!(full.to_string().contains("invalid"), "{full}");
    let taken = create("brief", None, now).await.unwrap_err();
    assert!(taken.to_string().contains("brief"), "{taken}");
    // What expired keeps neither its name nor its place.
    let kept = server.service.caller_keys(function, later).await.unwrap();
    assert_eq!(kept.len(), 255);
    create("brief", None, later).await.unwrap();
    let kept = server.service.caller_keys(function, later).await.unwrap();
    assert_eq!((kept.len(), kept["brief"].expires_at), (256, None));
}
