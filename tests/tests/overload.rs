//! Ten times as many calls as a function has room for: it stays at work all the while, and everybody is told.
//!
//! What counts is how much of its places the function itself has in use, by its own notes, and not how long anything takes for
//! callers. Deliberately short; `make chaos` goes on for half a minute and looks at other functions' times, too.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::call::send;
use gateless_tests::{Cluster, Spec};
use http::Method;

/// Calls at once in the one instance.
const PLACES: u32 = 4;
/// Long beside the way from one call's end to the next one's start, on any machine.
const SERVICE: Duration = Duration::from_secs(1);
const TIMES: u32 = 10;
const LASTS: Duration = Duration::from_secs(8);

/// From when to when the function had each call, in microseconds.
fn busy(cluster: &Cluster) -> Vec<(u64, u64)> {
    let notes = std::fs::read_to_string(cluster.file("busy")).unwrap();
    let note = |line: &str| {
        let (began, ended) = line.split_once(' ')?;
        Some((began.parse().ok()?, ended.parse().ok()?))
    };
    notes.lines().map(|line| note(line).unwrap()).collect()
}

/// What share of its places a function had in use, between the first call's start and the last one's.
fn share(calls: &[(u64, u64)]) -> f64 {
    let first = calls.iter().map(|(began, _)| *began).min().unwrap();
    let last = calls.iter().map(|(began, _)| *began).max().unwrap();
    let within = calls.iter().map(|(began, ended)| ended.min(&last) - began);
    within.sum::<u64>() as f64 / (f64::from(PLACES) * (last - first) as f64)
}

#[test]
fn share_is_that_of_the_places_in_use() {
    let full = [(0, 10), (0, 10), (0, 10), (0, 10), (10, 20), (10, 20)];
    assert!((share(&full) - 1.0).abs() < 1e-9);
    let half = [(0, 10), (0, 10), (10, 20), (10, 20)];
    assert!((share(&half) - 0.5).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread")]
async fn function_that_is_called_ten_times_too_often_stays_at_work() {
    let cluster = Cluster::of(2).await;
    let notes = cluster.file("busy").to_string_lossy().into_owned();
    let busy = Spec::new().concurrency(PLACES).scale(1, 1);
    let busy = busy
        .with("scaling/initial_scale", 1)
        .env("BUSY_FILE", &notes);
    cluster.deploy("busy", busy).await;
    cluster.deploy("other", Spec::new().concurrency(4)).await;
    let doors: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let path = format!("/function/busy/sleep?ms={}", SERVICE.as_millis());
    // Open: nobody waits for an answer to anybody else's call.
    let rate = PLACES * TIMES;
    let mut tick = tokio::time::interval(SERVICE / rate);
    let mut calls = Vec::new();
    for n in 0..usize::try_from(u64::from(rate) * LASTS.as_secs()).unwrap() {
        tick.tick().await;
        let request = doors[n % doors.len()].request(Method::POST, &path);
        let request = request.header("x-test-id", n.to_string());
        calls.push(tokio::spawn(send(request)));
        if n.is_multiple_of(20) {
            let other = doors[n / 20 % doors.len()].clone();
            calls.push(tokio::spawn(async move {
                let answer = send(other.request(Method::POST, "/function/other/")).await;
                answer.map(|answer| answer.expect(200))
            }));
        }
    }
    let (mut served, mut refused) = (0, 0);
    for answer in join_all(calls).await {
        let answer = answer.unwrap().unwrap();
        match answer.status {
            200 if answer.text() == "slept\n" => served += 1,
            200 => assert_eq!(answer.text(), "hello\n"),
            _ => {
                answer.problem(503, "overflow");
                refused += 1;
            }
        }
    }
    let calls = self::busy(&cluster);
    // Nothing the function did was for nobody.
    assert_eq!(calls.len(), served);
    assert!(refused > served, "{refused} refused, {served} served");
    let share = share(&calls);
    assert!(share >= 0.9, "{share} of its places, over {served} calls");
}
