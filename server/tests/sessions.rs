//! Sessions of browsers: where they count, and that they end.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use axum::body::Body;
use common::{Server, empty_spec};
use gateless_server::auth::Role;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const HELLO: &str = "/v1/namespaces/default/functions/hello";
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");

/// A session's cookie.
async fn login(server: &Server, token: &str) -> String {
    let body = Some(json!({"token": token}));
    let answer = server
        .with("POST", "/v1/session", None, &[OWN], body)
        .await
        .expect(204);
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/v1", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_reads_from_anywhere_and_changes_only_from_own_pages() {
    let server = Server::start().await;
    let token = server.token("default", Role::Deployer).await;
    let cookie = login(&server, &token).await;
    let cookie = ("cookie", cookie.as_str());
    let who = server
        .with("GET", "/v1/session", None, &[cookie], None)
        .await
        .expect(200);
    assert_eq!(
        (&who.body["namespace"], &who.body["role"]),
        (&json!("default"), &json!("deployer"))
    );
    let put = async |headers: &[(&str, &str)]| {
        server
            .with("PUT", HELLO, None, headers, Some(empty_spec("a")))
            .await
    };
    let host = ("host", "gateless:7780");
    for refused in [
        vec![cookie, host],
        vec![cookie, host, ("origin", "http://evil.example")],
        vec![cookie, ("sec-fetch-site", "cross-site")],
        vec![cookie, ("sec-fetch-site", "same-site")],
        vec![
            cookie,
            host,
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://gateless:7780"),
        ],
    ] {
        put(&refused).await.problem(403, "cross_site");
    }
    put(&[cookie, OWN]).await.expect(201);
    put(&[cookie, host, ("origin", "http://gateless:7780")])
        .await
        .expect(200);
    // A header counts alone, also when it is wrong.
    put(&[cookie, OWN, ("authorization", "Bearer x.y.z")])
        .await
        .problem(401, "token_invalid");
    put(&[]).await.problem(401, "token_missing");
    // Another site may not even log somebody in or out.
    let foreign = ("sec-fetch-site", "cross-site");
    for (method, body) in [("POST", Some(json!({"token": token}))), ("DELETE", None)] {
        let answer = server
            .with(method, "/v1/session", None, &[foreign], body)
            .await;
        answer.problem(403, "cross_site");
    }
    let wrong = Some(json!({"token": "x.y.z"}));
    server
        .with("POST", "/v1/session", None, &[OWN], wrong)
        .await
        .problem(401, "token_invalid");
    let out = server
        .with("DELETE", "/v1/session", None, &[cookie, OWN], None)
        .await
        .expect(204);
    assert!(
        out.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
}

#[tokio::test]
async fn a_revoked_token_ends_its_session() {
    let server = Server::start().await;
    let token = server.token("default", Role::Viewer).await;
    let cookie = login(&server, &token).await;
    let headers = [("cookie", cookie.as_str())];
    let who = server
        .with("GET", "/v1/session", None, &headers, None)
        .await
        .expect(200);
    let id = who.body["token_id"].as_str().unwrap();
    server
        .admin_call("DELETE", &format!("/v1/tokens/{id}"), None)
        .await
        .expect(204);
    let gone = server
        .with("GET", "/v1/session", None, &headers, None)
        .await;
    gone.problem(401, "token_revoked");
}

#[tokio::test]
async fn a_session_is_not_its_token_and_logging_out_ends_it() {
    let server = Server::start().await;
    let token = server.token("default", Role::Viewer).await;
    let cookie = login(&server, &token).await;
    assert!(!cookie.contains(&token), "{cookie}");
    let id = cookie.split_once('=').unwrap().1;
    // Nor is its id a token, or to be found in the catalogue.
    server
        .call("GET", "/v1/session", Some(id), None)
        .await
        .problem(401, "token_invalid");
    let mut export = tempfile::NamedTempFile::new().unwrap();
    let out = export.reopen().unwrap();
    server.store.export(Box::new(out)).await.unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut export, &mut text).unwrap();
    assert!(text.contains("auth/sessions/") && !text.contains(id));
    // It counts on every server of the store, and nowhere once it was ended on one.
    let other = server.beside().await;
    let headers = [("cookie", cookie.as_str()), OWN];
    for server in [&server, &other] {
        let read = server.with("GET", "/v1/session", None, &headers, None);
        read.await.expect(200);
    }
    let request = Request::get("/v1/events").header("cookie", &cookie);
    let stream = server.open(request.body(Body::empty()).unwrap()).await;
    assert_eq!(stream.status(), 200);
    let mut stream = stream.into_body();
    assert!(stream.frame().await.unwrap().is_ok());
    other
        .with("DELETE", "/v1/session", None, &headers, None)
        .await
        .expect(204);
    while stream.frame().await.unwrap().is_ok() {}
    for server in [&server, &other] {
        let read = server.with("GET", "/v1/session", None, &headers, None);
        read.await.problem(401, "session_ended");
    }
    let read = server.call("GET", "/v1/session", Some(&token), None).await;
    read.expect(200);
}

#[tokio::test]
async fn a_session_counts_only_where_a_browser_keeps_it_to_itself() {
    let server = Server::start().await;
    let token = server.token("default", Role::Admin).await;
    let begin = async |headers: &[(&str, &str)]| {
        let body = Some(json!({"token": token}));
        server
            .with("POST", "/v1/session", None, headers, body)
            .await
    };
    let open = [OWN, ("host", "gateless.example:7780")];
    begin(&open).await.problem(400, "session_needs_https");
    let https = ("x-forwarded-proto", "https");
    let begun = begin(&[open[0], open[1], https]).await.expect(204);
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-gateless_session="), "{cookie}");
    assert!(cookie.contains("; Path=/; Secure;"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let read = async |uri: &str, headers: &[(&str, &str)]| {
        server.with("GET", uri, None, headers, None).await
    };
    read("/v1/session", &[("cookie", pair), https])
        .await
        .expect(200);
    // Over http anybody could have set it.
    read("/v1/session", &[("cookie", pair)])
        .await
        .problem(401, "token_missing");
    let pair = login(&server, &token).await;
    let twice = format!("gateless_session=planted; {pair}");
    read("/v1/session", &[("cookie", &twice)])
        .await
        .problem(401, "token_invalid");
    // A page of a function on another port of this host is of the same site.
    for site in ["same-site", "cross-site"] {
        let headers = [("cookie", pair.as_str()), ("sec-fetch-site", site)];
        read("/v1/session", &headers)
            .await
            .problem(403, "cross_site");
    }
    // What a sidecar relays has a token.
    let own = [("cookie", pair.as_str()), OWN];
    read("/system/functions", &own)
        .await
        .problem(401, "token_missing");
    read("/v1/session", &own).await.expect(200);
}

#[tokio::test]
async fn a_link_signs_in_one_browser_once() {
    let server = Server::start().await;
    let token = server.token("default", Role::Viewer).await;
    let make = async || {
        let made = server
            .call("POST", "/v1/session/link", Some(&token), None)
            .await;
        made.expect(201).body["code"].as_str().unwrap().to_owned()
    };
    let begin = async |body: Value| {
        let headers = [OWN];
        server
            .with("POST", "/v1/session", None, &headers, Some(body))
            .await
    };
    let old = make().await;
    let code = make().await;
    let (id, secret) = code.split_once('.').unwrap();
    for wrong in [
        old.as_str(),
        "",
        "x",
        id,
        &format!("{id}."),
        &format!("../{id}.{secret}"),
        &format!("{id}.{id}"),
    ] {
        begin(json!({"code": wrong}))
            .await
            .problem(401, "token_invalid");
    }
    for wrong in [json!({}), json!({"code": code, "token": token})] {
        let answer = begin(wrong).await.problem(422, "invalid");
        assert_eq!(answer.pointers(), ["/token"]);
    }
    let cookie = begin(json!({"code": code})).await.expect(204).headers["set-cookie"].clone();
    let cookie = cookie
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let who = server
        .with("GET", "/v1/session", None, &[("cookie", &cookie)], None)
        .await;
    assert_eq!(who.expect(200).body["token_id"], id);
    // The session makes no other: it would never end.
    server
        .with(
            "POST",
            "/v1/session/link",
            None,
            &[("cookie", &cookie), OWN],
            None,
        )
        .await
        .problem(403, "token_needed");
    begin(json!({"code": code}))
        .await
        .problem(401, "token_invalid");
    // On another server, and not for a token that is gone.
    let code = make().await;
    server.auth.revoke(id).await.unwrap();
    begin(json!({"code": code}))
        .await
        .problem(401, "token_invalid");
    server
        .call("POST", "/v1/session/link", None, None)
        .await
        .problem(401, "token_missing");
}

#[tokio::test(start_paused = true)]
async fn a_link_is_good_for_minutes() {
    let server = Server::start().await;
    let token = server.admin().await;
    let now = jiff::Timestamp::now();
    let principal = server.auth.check(&token, now).unwrap();
    let (code, until) = server.auth.link(&principal, now).await.unwrap();
    let refused = server.auth.follow_link(&code, until).await;
    assert!(refused.is_err());
    let before = until
        .checked_sub(jiff::SignedDuration::from_secs(1))
        .unwrap();
    assert!(
        server
            .beside()
            .await
            .auth
            .follow_link(&code, before)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn answers_are_kept_nowhere_and_are_what_they_say() {
    let server = Server::start().await;
    let token = server.admin().await;
    for (uri, status) in [
        ("/v1/version", 200),
        ("/v1/tokens", 200),
        ("/v1/openapi.json", 200),
        ("/v1/nothing", 404),
        ("/v1/namespaces/a/functions/none", 404),
        ("/system/functions", 200),
        ("/livez", 200),
        ("/metrics", 200),
    ] {
        let answer = server.call("GET", uri, Some(&token), None).await;
        let answer = answer.expect(status);
        assert_eq!(answer.headers["cache-control"], "no-store", "{uri}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{uri}");
    }
    server
        .call("GET", "/v1/tokens", None, None)
        .await
        .problem(401, "token_missing")
        .headers["cache-control"]
        .to_str()
        .map(|value| assert_eq!(value, "no-store"))
        .unwrap();
}
