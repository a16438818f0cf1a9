//! Identities between real processes: who is revoked is out, who joins again is in, a rotation ends no call, and a
//! server that is away for longer than certificates live stops nothing.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use gateless_tests::load::Load;
use gateless_tests::wait::{eventually, when};
use gateless_tests::{Cluster, Setup, Sidecar, Spec};
use reqwest::Method;
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
        let plain = reqwest::get(format!("http://{address}/_gateless/metrics")).await;
        assert!(plain.is_err(), "{address} answers in clear");
        // Silence is not waited for.
        let mut silent = TcpStream::connect(&address).await.unwrap();
        let mut byte = [0];
        let read = silent.read(&mut byte).await;
        assert!(read.is_ok_and(|n| n == 0), "{address} waits for ever");
    }
}
