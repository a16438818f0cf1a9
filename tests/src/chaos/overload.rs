//! Ten times as many calls as a function has room for, and how much of the room is still used well.
//!
//! Deliberately an open loop: callers do not wait for each other, or there would be no overload.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use tokio::time::MissedTickBehavior;

use crate::call::{Caller, send};
use crate::cluster::{Cluster, Setup};
use crate::spec::Spec;

const INSTANCES: u32 = 2;
const CONCURRENCY: u32 = 4;
const SERVICE: Duration = Duration::from_millis(200);
/// Calls a second that the function has room for.
const CAPACITY: u32 = INSTANCES * CONCURRENCY * 5;
const TIMES: u32 = 10;

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Overload {
    /// Calls answered well, as a share of those there was room for.
    pub goodput: f64,
    /// Calls turned away.
    pub refused: usize,
    /// Calls that got neither.
    pub failed: usize,
    /// 99th percentile of another function's calls, before and meanwhile.
    pub other: (Duration, Duration),
    /// Calls of the other function meanwhile.
    pub other_calls: usize,
    /// Failures of the other function.
    pub other_failed: usize,
}

/// Overloads one function of a new cluster for so long.
pub async fn overload(lasts: Duration) -> Overload {
    let setup = Setup {
        sidecars: 2,
        capacity: 20,
        ..Setup::default()
    };
    let cluster = Cluster::start(setup).await;
    let busy = Spec::new()
        .concurrency(CONCURRENCY)
        .scale(INSTANCES, INSTANCES);
    let busy = busy.with("scaling/initial_scale", INSTANCES);
    cluster.deploy("busy", busy).await;
    cluster
        .deploy("other", Spec::new().concurrency(4).scale(1, 0))
        .await;
    let doors: Vec<Caller> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let (before, _, failed_before) = other(&doors, Duration::from_secs(3)).await;
    let (calls, (meanwhile, other_calls, failed_meanwhile)) =
        tokio::join!(flood(&doors, lasts), other(&doors, lasts));
    let count = |wanted: fn(&u16) -> bool| calls.iter().filter(|status| wanted(status)).count();
    let room = f64::from(CAPACITY) * lasts.as_secs_f64();
    let (good, refused) = (
        count(|status| *status == 200),
        count(|status| *status == 503),
    );
    Overload {
        goodput: f64::from(u32::try_from(good).unwrap()) / room,
        refused,
        failed: calls.len() - good - refused,
        other: (before, meanwhile),
        other_calls,
        other_failed: failed_before + failed_meanwhile,
    }
}

/// The status of every call that came to an end in the time; 0 for none.
async fn flood(doors: &[Caller], lasts: Duration) -> Vec<u16> {
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / (CAPACITY * TIMES));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let path = format!("/function/busy/sleep?ms={}", SERVICE.as_millis());
    let mut calls = Vec::new();
    while began.elapsed() < lasts {
        tick.tick().await;
        let request = doors[calls.len() % doors.len()].request(Method::POST, &path);
        calls.push(tokio::spawn(async move {
            let answer = send(request).await;
            (answer.map_or(0, |answer| answer.status), began.elapsed())
        }));
    }
    let calls = join_all(calls).await.into_iter().map(Result::unwrap);
    let in_time = calls.filter(|(_, ended)| *ended <= lasts);
    in_time.map(|(status, _)| status).collect()
}

/// 99th percentile of what calls of another function take, how many there are, and how many fail.
async fn other(doors: &[Caller], lasts: Duration) -> (Duration, usize, usize) {
    let began = Instant::now();
    let (mut times, mut failed) = (Vec::new(), 0);
    while began.elapsed() < lasts {
        let asked = Instant::now();
        let door = &doors[times.len() % doors.len()];
        let answer = send(door.request(Method::POST, "/function/other/sleep?ms=20")).await;
        times.push(asked.elapsed());
        failed += usize::from(!answer.is_ok_and(|answer| answer.status == 200));
    }
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied();
    (p99.unwrap_or_default(), times.len(), failed)
}
