//! Identities between real processes: who is revoked is out, who joins again is in, a rotation ends no call, and a
//! server that is away for longer than certificates live stops nothing.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use gateless_tests::call::send;
use gateless_tests::instances::is_alive;
use gateless_tests::load::Load;
use gateless_tests::process::Process;
use gateless_tests::wait::{eventually, when};
use gateless_tests::{Cluster, Setup, Sidecar, Spec};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The value of a series of a sidecar without labels.
async fn series(sidecar: &Sidecar, name: &str) -> u64 {
    let text = sidecar.metrics().await;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap_or(0))
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

async fn expires(sidecar: &Sidecar) -> u64 {
    series(sidecar, "gateless_certificate_expires_seconds ").await
}

/// A function whose instances are on the second sidecar, called through the first.
async fn two_hops(cluster: &Cluster, name: &str) -> String {
    let others = cluster.sidecars.iter().enumerate();
    for (_, sidecar) in others.filter(|(index, _)| *index != 1) {
        let drain = format!("/sidecars/{}/drain", sidecar.node());
        cluster.api.send(Method::POST, &drain, None).await;
    }
    cluster.deploy(name, Spec::new()).await;
    let path = format!("/function/{name}/");
    let answer = cluster.sidecars[0].public().get(&path).await.expect(200);
    assert_eq!(answer.node(), cluster.sidecars[1].node());
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_sidecar_is_out_within_seconds_and_joins_again_with_a_token() {
    let mut cluster = Cluster::of(3).await;
    let path = two_hops(&cluster, "app").await;
    let node = cluster.sidecars[2].node();
    let revoke = format!("/sidecars/{node}/revoke");
    cluster.api.send(Method::POST, &revoke, None).await;
    for other in &cluster.sidecars[..2] {
        eventually("the others no longer count it", async || {
            let members = series(other, "gateless_members ").await;
            when(members == 2, members)
        })
        .await;
    }
    eventually("the server no longer counts it", async || {
        let list = cluster.api.get("/sidecars").await;
        let items = list["items"].as_array().unwrap();
        let own = items.iter().find(|s| s["node_id"] == *node);
        when(own.is_some_and(|own| own["connected"] == false), list)
    })
    .await;
    cluster.sidecars[0].public().get(&path).await.expect(200);
    // A restart is no way back, with the token in its hand either.
    cluster.sidecars[2].kill();
    cluster.deploy("after", Spec::new()).await;
    cluster.sidecars[2].start();
    let unknown = cluster.sidecars[2].public().get("/function/after/").await;
    unknown.problem(404, "function_not_found");
    // A new identity is.
    cluster.sidecars[2].kill();
    fs::remove_dir_all(cluster.sidecars[2].data().join("identity")).unwrap();
    cluster.sidecars[2].start();
    cluster.settled().await;
    cluster.meshed().await;
    assert_eq!(cluster.sidecars[2].node(), node);
    let known = cluster.sidecars[2].public().get("/function/after/").await;
    known.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_of_the_authority_ends_no_call() {
    let cluster = Cluster::of(2).await;
    let path = two_hops(&cluster, "app").await;
    let load = Load::start(&Method::GET, &[cluster.sidecars[0].public()], &path, 4);
    load.more(50).await;
    cluster
        .api
        .send(Method::POST, "/identity/rotate", None)
        .await;
    load.more(50).await;
    // Refused until every sidecar has a certificate of the new one.
    eventually("the old authority is retired", async || {
        let retired = cluster
            .api
            .try_send(Method::POST, "/identity/retire", None)
            .await;
        let status = retired.unwrap().0;
        when(status == 200, status)
    })
    .await;
    load.more(50).await;
    let outcomes = load.stop().await;
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.is_ok()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let shown = cluster.api.get("/identity").await;
    assert_eq!(
        shown["authorities"].as_array().unwrap().len(),
        1,
        "{shown:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_is_away_for_longer_than_certificates_live_stops_nothing() {
    let setup = Setup {
        sidecars: 2,
        certificate_life: "4s",
        ..Setup::default()
    };
    let mut cluster = Cluster::start(setup).await;
    let path = two_hops(&cluster, "app").await;
    cluster.saved("app").await;
    cluster.kill_server();
    for sidecar in &cluster.sidecars {
        eventually("its certificate has ended", async || {
            let expires = expires(sidecar).await;
            when(expires < now(), expires)
        })
        .await;
    }
    // New connections, with ended certificates at both ends.
    cluster.sidecars[0].restart();
    eventually("the call goes on to the other host", async || {
        let answer = cluster.sidecars[0].public().get(&path).await;
        when(answer.status == 200, answer.text())
    })
    .await;
    cluster.meshed().await;
    let let_pass = "gateless_expired_certificates_total ";
    assert!(series(&cluster.sidecars[0], let_pass).await > 0);
    assert!(series(&cluster.sidecars[1], let_pass).await > 0);
    cluster.start_server();
    for sidecar in &cluster.sidecars {
        eventually("its certificate is renewed", async || {
            let expires = expires(sidecar).await;
            when(expires >= now(), expires)
        })
        .await;
    }
    cluster.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_of_the_cluster_speak_to_nobody_without_a_certificate() {
    let cluster = Cluster::small().await;
    let grpc = cluster.server.as_ref().unwrap().address("grpc");
    let grpc = grpc.split("://").last().unwrap().to_owned();
    for address in [cluster.sidecars[0].address("peer"), grpc] {
        let client = gateless_tests::http::client().build().unwrap();
        let plain = client.get(format!("http://{address}/_gateless/metrics"));
        let plain = plain.send().await;
        assert!(plain.is_err(), "{address} answers in clear");
        // Silence is not waited for.
        let mut silent = TcpStream::connect(&address).await.unwrap();
        let mut byte = [0];
        let read = silent.read(&mut byte).await;
        assert!(read.is_ok_and(|n| n == 0), "{address} waits for ever");
    }
}

/// Starts a sidecar that must not start; what it said.
fn refused_start(cluster: &Cluster, index: usize) -> String {
    let mut args = cluster.sidecars[index].common.clone();
    for listener in ["", "local-", "peer-", "gossip-", "metrics-"] {
        args.extend([format!("--{listener}listen"), "127.0.0.1:0".to_owned()]);
    }
    let env = [("GATELESS_ISOLATION".to_owned(), "none".to_owned())];
    let log = cluster.file("refused.log");
    Process::start(cluster.mark(), &log, &args, &env).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecar_that_lost_its_disk_leaves_no_process_and_is_removed_for_good() {
    let mut cluster = Cluster::of(2).await;
    let path = two_hops(&cluster, "app").await;
    let orphan = cluster.sidecars[0].public().get(&path).await.pid();
    let lost = cluster.sidecars[1].node();
    let request = cluster.sidecars[1].public();
    let request = request.request(Method::POST, "/async-function/app/");
    let id = send(request).await.unwrap().expect(202).json()["id"].clone();
    let id = id.as_str().unwrap();
    cluster.sidecars[0].public().ended(id).await;
    eventually("its copy is dropped", async || {
        let text = cluster.sidecars[0].metrics().await;
        let mut lines = text.lines();
        when(
            lines.any(|line| line == "gateless_async_copies_held 0"),
            text.clone(),
        )
    })
    .await;

    cluster.sidecars[1].kill();
    fs::remove_dir_all(cluster.sidecars[1].data()).unwrap();
    cluster.sidecars[1].start();
    let new = cluster.sidecars[1].node();
    assert_ne!(new, lost);
    eventually("what the lost one had started ends", async || {
        when(!is_alive(orphan), orphan)
    })
    .await;
    cluster.settled().await;
    cluster.meshed().await;
    let status = format!("/_gateless/calls/{id}");
    // Until gossip misses it, its address is that of who came after it.
    let away = eventually("the lost one is missed", async || {
        let away = cluster.sidecars[0].public().get(&status).await;
        let is_missed = away.json()["code"] == "sidecar_away";
        when(is_missed, away.clone()).map(|()| away)
    })
    .await;
    away.problem(503, "sidecar_away");

    let (code, problem) = remove(&cluster, &new).await;
    assert_eq!((code, &problem["code"]), (409, &json!("sidecar_connected")));
    for _ in 0..2 {
        let (code, problem) = remove(&cluster, &lost).await;
        assert_eq!(code, 204, "{problem}");
    }
    for sidecar in &cluster.sidecars {
        eventually("every sidecar hears of it", async || {
            let answer = sidecar.public().get(&status).await;
            when(answer.status == 410, answer)
        })
        .await;
        for path in [status.clone(), format!("{status}/result")] {
            let answer = sidecar.public().get(&path).await;
            answer.problem(410, "call_lost");
        }
    }
    let calls = format!("/namespaces/default/functions/app/invocations/{id}");
    for (method, what) in [
        (Method::GET, ""),
        (Method::GET, "/result"),
        (Method::POST, "/cancel"),
        (Method::POST, "/replay"),
    ] {
        let path = format!("{calls}{what}");
        let asked = cluster.api.try_send(method, &path, None);
        let (code, problem) = asked.await.unwrap();
        assert_eq!((code, &problem["code"]), (410, &json!("call_lost")));
    }
    // Nobody waits for it: what can be listed is whole.
    let list = cluster.api.get("/namespaces/default/invocations").await;
    assert_eq!(list["warnings"], json!([]), "{list}");
    cluster.sidecars[0].public().get(&path).await.expect(200);

    // It comes back, and is told.
    cluster.sidecars[1].kill();
    fs::remove_dir_all(cluster.sidecars[1].data()).unwrap();
    fs::create_dir(cluster.sidecars[1].data()).unwrap();
    fs::write(cluster.sidecars[1].data().join("node-id"), &lost).unwrap();
    let said = refused_start(&cluster, 1);
    assert!(said.contains("was removed for good"), "{said}");
}

async fn remove(cluster: &Cluster, node: &str) -> (u16, Value) {
    let path = format!("/sidecars/{node}");
    let removed = cluster.api.try_send(Method::DELETE, &path, None);
    removed.await.unwrap()
}
