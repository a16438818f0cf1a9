//! What a function asks of its callers, tried through the doors of real processes: rates, networks, pages of other sites.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use gateless_tests::call::send;
use gateless_tests::wait::{PATIENCE, when};
use gateless_tests::{Answer, Api, Caller, Cluster, Spec, eventually};
use http::Method;
use serde_json::json;

/// A call that a proxy of this host passes on for somebody with this address.
async fn from(at: &Caller, address: &str, path: &str) -> Answer {
    let call = at.request(Method::POST, path);
    let call = call.header("x-forwarded-for", address);
    send(call.body("x")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_limited_each_and_all_together_on_every_path() {
    let cluster = Cluster::small().await;
    let limited = Spec::new()
        .with("access/caller_rate", 0.001)
        .with("access/caller_burst", 2);
    cluster.deploy("hello", limited.clone()).await;
    let public = cluster.sidecars[0].public();
    let first = from(&public, "203.0.113.1", "/function/hello/")
        .await
        .expect(200);
    assert_eq!(first.header("ratelimit"), "\"calls\";r=1;t=1000");
    assert_eq!(first.header("ratelimit-policy"), "\"calls\";q=2;w=2000");
    // Queued calls count as others do, and before anything of them is kept.
    from(&public, "203.0.113.1", "/async-function/hello/")
        .await
        .expect(202);
    for path in ["/function/hello/", "/async-function/hello/"] {
        let refused = from(&public, "203.0.113.1", path).await;
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((900..=1_000).contains(&seconds), "{seconds}");
        refused.problem(429, "rate_limited");
    }
    from(&public, "203.0.113.2", "/function/hello/")
        .await
        .expect(200);
    // A header that its caller wrote into the list itself makes it nobody else.
    from(&public, "198.51.100.7, 203.0.113.1", "/function/hello/")
        .await
        .problem(429, "rate_limited");

    // A new revision with the same rates forgives nothing.
    cluster
        .deploy("hello", limited.clone().env("NEW", "1"))
        .await;
    from(&public, "203.0.113.1", "/function/hello/")
        .await
        .problem(429, "rate_limited");
    let together = limited.with("access/rate", 0.001).with("access/burst", 1);
    cluster.deploy("hello", together).await;
    from(&public, "203.0.113.3", "/function/hello/")
        .await
        .expect(200);
    from(&public, "203.0.113.4", "/function/hello/")
        .await
        .problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_from_outside_come_from_networks_that_are_named() {
    let cluster = Cluster::small().await;
    let inside = Spec::new().with(
        "access/networks",
        json!(["203.0.113.0/28", "2001:db8::/32"]),
    );
    cluster.deploy("hello", inside).await;
    let sidecar = &cluster.sidecars[0];
    let public = sidecar.public();
    for (address, path) in [
        ("203.0.113.9", "/function/hello/"),
        ("2001:db8::9", "/function/hello/"),
        ("[2001:db8::9]:4711", "/function/hello/"),
    ] {
        from(&public, address, path).await.expect(200);
    }
    for path in ["/function/hello/", "/async-function/hello/"] {
        for address in [
            "203.0.113.16",
            "2001:db9::1",
            "192.0.2.1, 127.0.0.1",
            "203.0.113.9, 192.0.2.1",
        ] {
            let refused = from(&public, address, path).await;
            refused.problem(403, "network_not_allowed");
        }
        // Nobody between: it is this host itself that calls.
        let call = public.request(Method::POST, path).body("x");
        send(call)
            .await
            .unwrap()
            .problem(403, "network_not_allowed");
    }
    // Functions of the cluster do not come from outside.
    let call = sidecar
        .local()
        .request(Method::POST, "/function/hello/")
        .body("x");
    send(call).await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_call_where_they_are_let() {
    let cluster = Cluster::small().await;
    let open = Spec::new()
        .with("access/caller_rate", 0.001)
        .with("access/caller_burst", 2)
        .with(
        "access/cors",
        json!({"origins": ["https://*.example.com"], "headers": ["x-one"], "max_age_seconds": 60}),
    );
    cluster.deploy("hello", open).await;
    let public = cluster.sidecars[0].public();
    // What is no page's may be kept by a cache that pages ask, too.
    let plain = from(&public, "203.0.113.77", "/function/hello/").await;
    assert!(plain.header("vary").contains("origin"));
    let asked = async |origin: &str| {
        let call = public.request(Method::OPTIONS, "/function/hello/");
        let call = call.header("origin", origin);
        let call = call.header("access-control-request-method", "PUT");
        send(
            call.header("access-control-request-headers", "x-one, x-two")
                .body(""),
        )
        .await
        .unwrap()
    };
    let leave = asked("https://app.example.com").await.expect(204);
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example.com"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-one"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(leave.header(name), value);
    }
    asked("https://example.net")
        .await
        .problem(403, "origin_not_allowed");
    // The browser's question never came to the function.
    assert_eq!(cluster.seen().len(), 0);

    let called = async |origin: &str| {
        let call = public.request(Method::PUT, "/function/hello/");
        send(call.header("origin", origin).body("x"))
            .await
            .unwrap()
            .expect(200)
    };
    let answer = called("https://app.example.com").await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example.com"
    );
    assert!(answer.header("vary").contains("origin"));
    let unread = called("https://example.net").await;
    assert!(!unread.headers.contains_key("access-control-allow-origin"));
    // A page can read why it was refused.
    let call = public.request(Method::PUT, "/function/hello/");
    let refused = send(call.header("origin", "https://app.example.com").body("x"))
        .await
        .unwrap();
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://app.example.com"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_a_function_until_they_are_revoked() {
    let cluster = Cluster::of(2).await;
    let closed = Spec::new()
        .with("access/auth", "key")
        .with("async/max_attempts", 1)
        .scale(1, 1);
    cluster.deploy("hello", closed).await;
    let keys = format!("{}/keys", Api::path("hello"));
    let create = async |name: &str| {
        let made = cluster
            .api
            .send(Method::POST, &keys, Some(&json!({"name": name})))
            .await;
        made["key"].as_str().unwrap().to_owned()
    };
    let (ann, bob) = (create("ann").await, create("bob").await);
    cluster.settled().await;
    let again = cluster
        .api
        .try_send(Method::POST, &keys, Some(&json!({"name": "ann"})))
        .await;
    assert_eq!(again.unwrap().0, 409);
    let listed = cluster.api.get(&keys).await;
    assert!(listed.to_string().contains("ann") && !listed.to_string().contains(&ann));

    let call = async |at: &Caller, path: &str, name: &'static str, key: &str| {
        let call = at
            .request(Method::POST, path)
            .header("x-gateless-caller", "root");
        send(call.header(name, key).body("x")).await.unwrap()
    };
    let bearer = format!("Bearer {ann}");
    // One of them hosts the instance, the other forwards to it.
    for sidecar in &cluster.sidecars {
        for door in [sidecar.public(), sidecar.local()] {
            for path in ["/function/hello/", "/async-function/hello/"] {
                let open = call(&door, path, "authorization", &bearer).await;
                assert!(matches!(open.status, 200 | 202), "{open:?}");
                for (name, key) in [
                    ("authorization", "Bearer glk_no"),
                    ("x-api-key", ""),
                    ("x-unrelated", "x"),
                ] {
                    let refused = call(&door, path, name, key).await;
                    assert_eq!(refused.header("www-authenticate"), "Bearer");
                    refused.problem(401, "caller_unproven");
                }
            }
        }
    }
    // The function is told who it was and nothing that would open it.
    let public = cluster.sidecars[0].public();
    let seen = call(&public, "/function/hello/headers", "x-api-key", &bob)
        .await
        .expect(200);
    let seen = seen.text().to_lowercase();
    assert!(seen.contains("[\"x-gateless-caller\",\"bob\"]"), "{seen}");
    assert!(!seen.contains("glk_") && !seen.contains("root"), "{seen}");

    let waiting = call(
        &public,
        "/async-function/hello/sleep?ms=1",
        "x-api-key",
        &bob,
    )
    .await
    .expect(202);
    assert_eq!(public.ended(waiting.header("x-call-id")).await, "succeeded");
    cluster
        .api
        .send(Method::DELETE, &format!("{keys}/ann"), None)
        .await;
    cluster.settled().await;
    call(&public, "/function/hello/", "authorization", &bearer)
        .await
        .problem(401, "caller_unproven");
    call(&public, "/function/hello/", "x-api-key", &bob)
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_opened_ends_with_the_key() {
    let cluster = Cluster::of(2).await;
    // Two streams fill its only instance, so that another call waits.
    let closed = Spec::new()
        .with("access/auth", "key")
        .concurrency(2)
        .scale(1, 1);
    cluster.deploy("hello", closed).await;
    let keys = format!("{}/keys", Api::path("hello"));
    let create = async |name: &str| {
        let wanted = json!({"name": name});
        let made = cluster.api.send(Method::POST, &keys, Some(&wanted)).await;
        made["key"].as_str().unwrap().to_owned()
    };
    let (mut ann, bob) = (create("ann").await, create("bob").await);
    // One of the two sidecars forwards to the other.
    for sidecar in &cluster.sidecars {
        cluster.settled().await;
        let open = async |key: &str| {
            let path = "/function/hello/sse?n=100000&ms=20";
            let call = sidecar.public().request(Method::GET, path);
            let mut stream = call.header("x-api-key", key).send().await.unwrap();
            assert_eq!(stream.status(), 200);
            stream.chunk().await.unwrap().unwrap();
            stream
        };
        let (mut anns, mut bobs) = (open(&ann).await, open(&bob).await);
        let waits = sidecar.public().request(Method::POST, "/function/hello/");
        let waits = tokio::spawn(send(waits.header("x-api-key", &ann).body("x")));
        eventually("a call waits", async || {
            let text = sidecar.metrics().await;
            let held = text.lines().find(|line| line.starts_with("gateless_held "));
            when(held == Some("gateless_held 1"), format!("{held:?}"))
        })
        .await;
        let revoke = format!("{keys}/ann");
        cluster.api.send(Method::DELETE, &revoke, None).await;
        let broke = async { while let Ok(Some(_)) = anns.chunk().await {} };
        tokio::time::timeout(PATIENCE, broke).await.unwrap();
        let refused = waits.await.unwrap().unwrap();
        refused.problem(401, "caller_unproven");
        for _ in 0..10 {
            bobs.chunk().await.unwrap().unwrap();
        }
        drop((anns, bobs));
        ann = create("ann").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_cannot_be_are_refused_by_field() {
    let cluster = Cluster::small().await;
    for (field, value) in [
        ("access/networks", json!(["10.0.0.0/33"])),
        ("access/rate", json!(-1)),
        (
            "access/cors",
            json!({"origins": ["*"], "credentials": true}),
        ),
        ("access/cors", json!({"origins": []})),
    ] {
        let spec = Spec::new().with(field, value);
        let body = json!({"spec": spec.0});
        let path = Api::path("hello");
        let sent = cluster.api.try_send(Method::PUT, &path, Some(&body));
        let (status, refused) = sent.await.unwrap();
        assert_eq!(status, 422, "{refused:#}");
        let pointer = refused["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with(&format!("/spec/{field}")), "{pointer}");
    }
}
