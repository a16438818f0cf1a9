//! Idempotency keys over several sidecars, and who may read the calls that come of them, tried on real processes.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::collections::BTreeSet;

use futures_util::future::join_all;
use gateless_tests::call::send;
use gateless_tests::wait::{eventually, when};
use gateless_tests::{Answer, Api, Caller, Cluster, Spec};
use http::Method;
use rustix::process::Signal;
use serde_json::json;

async fn keyed(at: &Caller, path: &str, key: &str, id: &str, body: &'static str) -> Answer {
    let call = at.request(Method::POST, path);
    let call = call.header("idempotency-key", key).header("x-test-id", id);
    send(call.body(body)).await.unwrap()
}

/// The sidecar that has a call.
fn home(cluster: &Cluster, accepted: &Answer) -> usize {
    let node = accepted.header("x-call-id").rsplit('-').next();
    cluster.by_node(node.unwrap())
}

async fn seen_once(cluster: &Cluster, ids: &[String]) {
    eventually("every call is made", async || {
        let missing: Vec<_> = ids
            .iter()
            .filter(|id| cluster.times_seen(id) == 0)
            .collect();
        when(missing.is_empty(), format!("{missing:?}"))
    })
    .await;
    for id in ids {
        assert_eq!(cluster.times_seen(id), 1, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sent_to_two_sidecars_at_once_is_one_call() {
    let cluster = Cluster::of(3).await;
    cluster.deploy("hello", Spec::new()).await;
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let ids: Vec<String> = (0..30).map(|n| format!("key-{n}")).collect();
    let both = ids.iter().enumerate().map(async |(n, id)| {
        let (one, two) = (&callers[n % 3], &callers[(n + 1) % 3]);
        let path = "/async-function/hello/";
        let sent = [one, two].map(|at| keyed(at, path, id, id, "a"));
        join_all(sent).await
    });
    let mut homes = BTreeSet::new();
    for (id, both) in ids.iter().zip(join_all(both).await) {
        let [one, two] = &both[..] else {
            unreachable!()
        };
        let call = one.clone().expect(202).header("x-call-id").to_owned();
        assert_eq!(two.clone().expect(202).header("x-call-id"), call);
        assert_eq!(two.header("x-call-token"), one.header("x-call-token"));
        assert_eq!(one.header("x-gateless-idempotency"), "");
        homes.insert(home(&cluster, one));
        for at in &callers {
            let other = keyed(at, "/async-function/hello/", id, "other", "b").await;
            let other = other.problem(422, "idempotency_key_reused");
            assert!(!other.text().contains(&call), "{}", other.text());
        }
        // Another caller's key is another key.
        let local = cluster.sidecars[0].local();
        let mine = keyed(&local, "/async-function/hello/", id, "mine", "b");
        assert_ne!(mine.await.expect(202).header("x-call-id"), call);
    }
    assert_eq!(homes.len(), 3, "keys have homes everywhere");
    seen_once(&cluster, &ids).await;
    assert_eq!(cluster.times_seen("other"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_takes_what_a_killed_home_cannot_and_keeps_it_when_that_is_back() {
    let mut cluster = Cluster::of(3).await;
    cluster.deploy("hello", Spec::new()).await;
    let path = "/async-function/hello/";
    let first = keyed(&cluster.sidecars[0].public(), path, "first", "first", "a").await;
    let gone = home(&cluster, &first.expect(202));
    cluster.sidecars[gone].kill();
    let alive: Vec<_> = (0..3).filter(|n| *n != gone).collect();
    let callers: Vec<_> = alive
        .iter()
        .map(|n| cluster.sidecars[*n].public())
        .collect();
    let ids: Vec<String> = (0..20).map(|n| format!("key-{n}")).collect();
    let mut taken = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let answer = keyed(&callers[n % 2], path, id, id, "a").await.expect(202);
        assert_ne!(home(&cluster, &answer), gone);
        taken.push(answer.header("x-call-id").to_owned());
    }
    // In the order of their keys those are the same, wherever they are sent.
    cluster.sidecars[gone].restart();
    cluster.meshed().await;
    for (id, call) in ids.iter().zip(&taken) {
        for sidecar in &cluster.sidecars {
            let again = keyed(&sidecar.public(), path, id, id, "a")
                .await
                .expect(202);
            assert_eq!(again.header("x-call-id"), call, "{again:?}");
            assert_eq!(again.header("idempotent-replayed"), "true");
        }
    }
    seen_once(&cluster, &ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thawed_sidecar_does_not_deliver_what_was_sent_again_elsewhere() {
    let cluster = Cluster::of(3).await;
    let slow = Spec::new().with("async/max_in_flight", 1);
    cluster.deploy("slow", slow).await;
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    // Whichever is its home has something to do before.
    for at in &callers {
        let busy = at.request(Method::POST, "/async-function/slow/sleep?ms=5000");
        send(busy.body("x")).await.unwrap().expect(202);
    }
    let path = "/async-function/slow/";
    let first = keyed(&callers[0], path, "k", "repeated", "a")
        .await
        .expect(202);
    let frozen = home(&cluster, &first);
    let process = cluster.sidecars[frozen].process.as_ref().unwrap();
    process.signal(Signal::STOP);
    let second = keyed(&callers[(frozen + 1) % 3], path, "k", "repeated", "a").await;
    let second = second.expect(202);
    // The next in order has a copy of the first, so it is the same call.
    assert_eq!(second.header("x-call-id"), first.header("x-call-id"));
    assert_eq!(second.header("idempotent-replayed"), "true");
    process.signal(Signal::CONT);
    let at = &callers[(frozen + 1) % 3];
    assert_eq!(at.ended(first.header("x-call-id")).await, "succeeded");
    assert_eq!(cluster.times_seen("repeated"), 1);
    for at in &callers {
        let again = keyed(at, path, "k", "repeated", "a").await.expect(202);
        assert_eq!(again.header("x-call-id"), first.header("x-call-id"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_a_call_opens_nothing() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("hello", Spec::new()).await;
    let closed = Spec::new().with("access/auth", "key");
    cluster.deploy("closed", closed).await;
    let keys = format!("{}/keys", Api::path("closed"));
    let mut made = Vec::new();
    for name in ["ann", "bob"] {
        let body = json!({"name": name});
        let key = cluster.api.send(Method::POST, &keys, Some(&body)).await;
        made.push(key["key"].as_str().unwrap().to_owned());
    }
    cluster.settled().await;
    let client = gateless_tests::http::client().build().unwrap();
    let read = async |at: &Caller, id: &str, shown: Option<(&str, &str)>| {
        let mut answers = Vec::new();
        for rest in ["", "/result"] {
            // Not the harness's own request, which shows the token.
            let mut call = client.get(format!("{}/_gateless/calls/{id}{rest}", at.base));
            if let Some((name, value)) = shown {
                call = call.header(name, value);
            }
            answers.push(send(call).await.unwrap());
        }
        answers
    };
    let public = cluster.sidecars[0].public();
    let open = send(
        public
            .request(Method::POST, "/async-function/hello/")
            .body("x"),
    );
    let open = open.await.unwrap().expect(202);
    let call = public.request(Method::POST, "/async-function/closed/");
    let call = send(call.header("x-api-key", &made[0]).body("x"));
    let closed = call.await.unwrap().expect(202);
    let (id, token) = (open.header("x-call-id"), open.header("x-call-token"));
    let by_key = closed.header("x-call-id");
    assert_eq!(open.json()["token"], token);
    assert_eq!(public.ended(id).await, "succeeded");
    assert_eq!(public.ended(by_key).await, "succeeded");
    let never = id.replace(&id[12..20], "00000000");
    let bearer = |text: &str| format!("Bearer {text}");
    let (own, anns) = (bearer(token), bearer(&made[0]));
    for sidecar in &cluster.sidecars {
        for door in [sidecar.public(), sidecar.local()] {
            for (id, shown) in [
                (id, ("x-call-token", token)),
                (id, ("authorization", own.as_str())),
                (by_key, ("authorization", anns.as_str())),
                (by_key, ("x-api-key", made[0].as_str())),
                (by_key, ("x-call-token", closed.header("x-call-token"))),
            ] {
                for answer in read(&door, id, Some(shown)).await {
                    answer.expect(200);
                }
            }
            for (id, shown) in [
                (id, None),
                (by_key, None),
                (id, Some(("x-call-token", "no"))),
                (id, Some(("x-api-key", made[0].as_str()))),
                (by_key, Some(("x-api-key", made[1].as_str()))),
                (by_key, Some(("x-call-token", token))),
                (never.as_str(), Some(("x-call-token", token))),
            ] {
                for answer in read(&door, id, shown).await {
                    let answer = answer.problem(404, "call_not_found");
                    let expected =
                        format!("there is no call {id}: it never was, or its result has expired");
                    assert_eq!(answer.json()["detail"], expected);
                }
            }
        }
    }
    // A role reads it, too.
    let shown = cluster
        .api
        .get(&format!("/namespaces/default/invocations/{id}"))
        .await;
    assert_eq!(shown["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_names_no_calls_that_its_sender_could_not_have_made() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("open", Spec::new()).await;
    let inside = Spec::new().with("visibility", "cluster_only");
    cluster.deploy("inside", inside).await;
    let closed = Spec::new().with("access/auth", "key");
    cluster.deploy("closed", closed).await;
    for function in ["open", "inside", "closed"] {
        let spec = json!({"kind": "queue", "function": function, "path": "/", "queue": {"topic": "orders"}});
        cluster.trigger(&format!("on-{function}"), spec).await;
    }
    let post = async |at: &Caller, key: &str, body: &'static str| {
        keyed(at, "/_gateless/topics/orders", key, key, body).await
    };
    let named = |answer: &Answer| answer.json()["calls"].as_array().unwrap().len();
    let first = post(&cluster.sidecars[0].public(), "m", "x")
        .await
        .expect(202);
    assert_eq!((&first.json()["accepted"], named(&first)), (&json!(3), 1));
    // The message is the same at any sidecar.
    let again = post(&cluster.sidecars[1].public(), "m", "x")
        .await
        .expect(202);
    assert_eq!(again.json()["calls"], first.json()["calls"]);
    for sidecar in &cluster.sidecars {
        let other = post(&sidecar.public(), "m", "y").await;
        other.problem(422, "idempotency_key_reused");
    }
    let local = post(&cluster.sidecars[1].local(), "m", "x")
        .await
        .expect(202);
    assert_eq!(named(&local), 2);
    eventually("every function has it", async || {
        let times = cluster.times_seen("m");
        when(times == 3, times)
    })
    .await;
}
