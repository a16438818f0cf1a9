//! Does faults to a cluster and undoes them.
//!
//! Deliberately knows nothing of calls, but for the doors it tells callers to stay away from: one cannot
//! call a sidecar that is not there.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;

use super::SIDECARS;
use super::fault::Fault;
use super::workload::{Workload, work};
use crate::cluster::Cluster;
use crate::instances;
use crate::process::Process;
use crate::wall_clock::{Step, WallClock};

/// Longer than a sidecar may take to end: 5 s for its peers, 30 s for calls, 30 s for attempts. Calls here are
/// short, but one to a host that is silent takes all of that.
const DRAIN_PATIENCE: Duration = Duration::from_secs(90);

/// How far clocks are set wrong.
const STEP: Duration = Duration::from_secs(2 * 3600);

/// Whether each sidecar can be called at all.
pub(super) type Doors = Arc<[AtomicBool; SIDECARS]>;

#[derive(Debug)]
pub(super) struct Injector {
    /// What they are done to.
    pub(super) cluster: Cluster,
    doors: Doors,
    frozen: Option<u32>,
    version: u32,
}

impl Injector {
    /// For a cluster on a network.
    #[must_use]
    pub(super) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            doors: Arc::new(std::array::from_fn(|_| AtomicBool::new(true))),
            frozen: None,
            version: 1,
        }
    }

    /// Kept up to date.
    #[must_use]
    pub(super) fn doors(&self) -> Doors {
        self.doors.clone()
    }

    pub(super) async fn begin(&mut self, fault: Fault, workload: &Workload) {
        match fault {
            Fault::KillSidecar(host) => {
                self.close(host);
                self.cluster.sidecars[host].kill();
            }
            Fault::KillInstances(host) => self.signal_instances(host, Signal::KILL),
            Fault::PowerOff(host) => {
                self.close(host);
                self.network().silence(host);
                self.cluster.sidecars[host].kill();
                self.signal_instances(host, Signal::KILL);
            }
            Fault::Silence(host) => {
                self.close(host);
                self.network().silence(host);
            }
            Fault::Freeze(host) => {
                self.close(host);
                self.signal_host(host, Signal::STOP);
            }
            Fault::FreezeInstance(host) => {
                let node = self.cluster.sidecars[host].node();
                let instances = self.cluster.instances();
                self.frozen = instances.iter().find(|i| i.node == node).map(|i| i.pid);
                self.signal_frozen(Signal::STOP);
            }
            Fault::Restart(host) => self.ask_to_end(host),
            Fault::FullDisk(host) => self.cluster.disks[host].fill(),
            Fault::ClockForward(host) => self.clock(host).set(Step::Forward(STEP)),
            Fault::ClockBack(host) => self.clock(host).set(Step::Back(STEP)),
            Fault::ServerClockForward => self.clock(SIDECARS).set(Step::Forward(STEP)),
            Fault::ServerClockBack => self.clock(SIDECARS).set(Step::Back(STEP)),
            Fault::KillServer => self.cluster.kill_server(),
            Fault::Rollout => self.roll_out().await,
            Fault::Flood => workload.flood(),
            Fault::Loss(host) => self.network().make_lossy(host),
            cut => self.each_cut(cut, |from, to| self.network().cut(from, to)),
        }
    }

    pub(super) async fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Restart(host) => self.restart(host).await,
            Fault::KillSidecar(host) => self.start(host),
            Fault::PowerOff(host) => {
                self.network().unsilence(host);
                self.start(host);
            }
            Fault::Silence(host) => {
                self.network().unsilence(host);
                self.open(host);
            }
            Fault::Freeze(host) => {
                self.signal_host(host, Signal::CONT);
                self.open(host);
            }
            Fault::FreezeInstance(_) => {
                self.signal_frozen(Signal::CONT);
                self.frozen = None;
            }
            Fault::FullDisk(host) => self.cluster.disks[host].empty(),
            Fault::ClockForward(host) | Fault::ClockBack(host) => self.clock(host).right(),
            Fault::ServerClockForward | Fault::ServerClockBack => self.clock(SIDECARS).right(),
            Fault::KillServer => self.cluster.start_server(),
            Fault::Loss(host) => self.network().make_reliable(host),
            Fault::KillInstances(_) | Fault::Rollout | Fault::Flood => {}
            cut => self.each_cut(cut, |from, to| self.network().mend(from, to)),
        }
    }

    fn network(&self) -> &crate::network::Network {
        self.cluster.network.as_ref().unwrap()
    }

    fn clock(&self, host: usize) -> &WallClock {
        let clock = &self.cluster.clocks[host];
        let sidecar = self.cluster.sidecars.get(host);
        let server = self.cluster.server.as_ref();
        let process = sidecar.map_or(server, |sidecar| sidecar.process.as_ref());
        // One that is away starts with the clock as it is set then.
        assert!(process.is_none_or(|process| clock.is_in(process.pid())));
        clock
    }

    fn close(&self, host: usize) {
        self.doors[host].store(false, Ordering::Relaxed);
    }

    fn open(&self, host: usize) {
        self.doors[host].store(true, Ordering::Relaxed);
    }

    fn start(&mut self, host: usize) {
        self.cluster.sidecars[host].start();
        self.open(host);
    }

    fn ask_to_end(&self, host: usize) {
        self.close(host);
        let process = self.cluster.sidecars[host].process.as_ref();
        process.unwrap().signal(Signal::TERM);
    }

    /// What was told to end has ended, and is there again.
    async fn restart(&mut self, host: usize) {
        end(self.cluster.sidecars[host].process.take()).await;
        self.start(host);
    }

    /// Ends a sidecar as an operator does, and starts a program, which may be another version, on what it had.
    pub(super) async fn replace(&mut self, host: usize, program: &Path) {
        self.ask_to_end(host);
        self.cluster.sidecars[host].program = program.to_owned();
        self.restart(host).await;
        self.cluster.meshed().await;
    }

    /// The same with the server.
    pub(super) async fn replace_server(&mut self, program: &Path) {
        let server = self.cluster.server.take();
        server.as_ref().unwrap().signal(Signal::TERM);
        end(server).await;
        self.cluster.server_program = program.to_owned();
        self.cluster.start_server();
        self.cluster.settled().await;
    }

    /// A new revision of the function that most calls are for.
    pub(super) async fn roll_out(&mut self) {
        self.version += 1;
        let spec = work(self.version);
        self.cluster.deploy("work", spec).await;
    }

    /// Every direction between hosts that a fault cuts.
    fn each_cut(&self, fault: Fault, mut cut: impl FnMut(usize, usize)) {
        let others = |host| (0..SIDECARS).filter(move |other| *other != host);
        match fault {
            Fault::CutFrom(host) => others(host).for_each(|other| cut(host, other)),
            Fault::CutTo(host) => others(host).for_each(|other| cut(other, host)),
            Fault::CutOff(host) => others(host).for_each(|other| {
                cut(host, other);
                cut(other, host);
            }),
            Fault::CutPair(one, other) => {
                cut(one, other);
                cut(other, one);
            }
            Fault::CutServer(host) => {
                cut(host, SIDECARS);
                cut(SIDECARS, host);
            }
            _ => {}
        }
    }

    fn signal_host(&self, host: usize, signal: Signal) {
        if let Some(process) = &self.cluster.sidecars[host].process {
            process.signal(signal);
        }
        self.signal_instances(host, signal);
    }

    fn signal_instances(&self, host: usize, signal: Signal) {
        let node = self.cluster.sidecars[host].node();
        for instance in self.cluster.instances().iter().filter(|i| i.node == node) {
            instances::kill(instance.pid, signal);
        }
    }

    fn signal_frozen(&self, signal: Signal) {
        if let Some(pid) = self.frozen {
            instances::kill(pid, signal);
        }
    }

    /// Waits until the cluster is whole: every sidecar knows the others and the catalogue, and every
    /// function answers at every door.
    pub(super) async fn whole(&self, functions: &BTreeSet<&str>) {
        self.cluster.meshed().await;
        self.cluster.settled().await;
        let doors = self.cluster.sidecars.iter().map(|sidecar| async {
            let caller = sidecar.public();
            for function in functions {
                let path = format!("/function/{function}/");
                crate::eventually("every function answers at every door", async || {
                    let answer = caller.try_get(&path, "whole").await;
                    match answer {
                        Ok(answer) if answer.status == 200 => Ok(()),
                        other => Err(other),
                    }
                })
                .await;
            }
        });
        join_all(doors).await;
    }
}

/// Waits until a process that was told to end has ended well.
async fn end(process: Option<Process>) {
    let ended = tokio::task::spawn_blocking(move || {
        process.map(|mut process| process.wait_for_end(DRAIN_PATIENCE))
    });
    assert!(ended.await.unwrap().is_some_and(|status| status.success()));
}
