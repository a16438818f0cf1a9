//! What counts as an attempt of a queued call, and to which call it is charged.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use futures_util::future::join_all;
use gateless_tests::{Api, Caller, Cluster, Spec, eventually};
use serde_json::{Value, json};

/// Accepts a call, and says its id.
async fn accepted(at: &Caller, path: &str, id: &str) -> String {
    let answer = at.try_post(path, id, Vec::new()).await.unwrap();
    answer.expect(202).header("x-call-id").to_owned()
}

async fn call(cluster: &Cluster, id: &str) -> Value {
    let path = format!("{}/invocations/{id}", Api::path("job"));
    cluster.api.get(&path).await
}

/// Waits until each of the calls has ended, and says how: their states and attempts.
async fn ends(cluster: &Cluster, ids: &[String]) -> Vec<(String, Value)> {
    let ends = ids.iter().map(async |id| {
        eventually("a call ends", async || {
            let call = call(cluster, id).await;
            match call["state"].as_str() {
                Some(state @ ("succeeded" | "dead")) => {
                    Ok((state.to_owned(), call["attempts"].clone()))
                }
                _ => Err(call),
            }
        })
        .await
    });
    join_all(ends).await
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_14_an_attempt_counts_when_the_function_had_it_and_for_its_own_call() {
    let cluster = Cluster::small().await;
    let public = cluster.sidecars[0].public();
    let spec = Spec::new().scale(0, 1).with("async/max_attempts", 2);

    // A function that cannot start had none of its calls: however often it was tried, they have all their attempts left.
    let broken = cluster.ours(spec.clone().env("CRASH_AT_START", "1"));
    cluster.api.apply("job", &broken).await;
    eventually("the sidecar knows the function", async || {
        let call = public.try_post("/async-function/job/echo", "first", Vec::new());
        let answer = call.await.unwrap();
        if answer.status == 202 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
    let path = "/async-function/job/echo";
    let waiting = (0..20).map(|at| {
        let (public, id) = (&public, format!("waiting-{at}"));
        async move { accepted(public, path, &id).await }
    });
    let waiting = join_all(waiting).await;
    eventually("its start has failed", async || {
        let function = cluster.api.function("job").await;
        let shown = function["status"].to_string();
        if shown.contains("boom: crash at start") {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
    cluster.deploy("job", spec).await;
    for (state, attempts) in ends(&cluster, &waiting).await {
        assert_eq!(state, "succeeded", "{attempts:#}");
        let counted = attempts.as_array().unwrap();
        let numbers: Vec<_> = counted.iter().map(|attempt| &attempt["number"]).collect();
        assert_eq!(numbers, [&json!(1)], "{attempts:#}");
    }

    // Calls that end the process they are in take no other along, and have their own attempts and no more.
    let among = (0..24).map(|at| {
        let poison = at % 8 == 3;
        let path = match poison {
            true => "/async-function/job/exit",
            false => "/async-function/job/sleep?ms=20",
        };
        let (public, id) = (&public, format!("among-{at}"));
        async move { (poison, accepted(public, path, &id).await) }
    });
    let among = join_all(among).await;
    let ids: Vec<_> = among.iter().map(|(_, id)| id.clone()).collect();
    let ended = ends(&cluster, &ids).await;
    for ((poison, id), (state, attempts)) in among.iter().zip(&ended) {
        let expected = if *poison { "dead" } else { "succeeded" };
        assert_eq!(state, expected, "{id} after {attempts} attempts");
    }
    for (at, (poison, _)) in among.iter().enumerate() {
        let seen = cluster.times_seen(&format!("among-{at}"));
        // One that was inside with a poison is a suspect, which is tried again alone and charged to nobody.
        assert!(seen >= 1 && (*poison || seen <= 4), "{at}: {seen} times");
    }
}
