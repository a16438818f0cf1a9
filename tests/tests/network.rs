//! A few seeds of faults on a network of hosts, and that the network does what its tests rely on.
//!
//! Deliberately few: `make chaos` has hundreds, the scenarios and the overload. Where no namespaces can be
//! made, every test here counts as ignored and says why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::net::UdpSocket;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gateless_tests::call::send;
use gateless_tests::chaos::{Plan, attempt, run_seed};
use gateless_tests::cluster::Setup;
use gateless_tests::network::Network;
use gateless_tests::process::MARK;
use gateless_tests::wait::{PATIENCE, when};
use gateless_tests::world::{self, World};
use gateless_tests::{Cluster, Spec, eventually};
use http::Method;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rustix::process::Signal;

/// One without anything that may harm a call, and two with.
const SEEDS: [u64; 3] = [4, 5, 6];
/// More than a datagram takes between two namespaces of one machine.
const AT_ONCE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // There is one bridge; and a list needs none.
    arguments.test_threads = Some(1);
    let missing = if arguments.list {
        None
    } else {
        match world::enter() {
            World::Back(code) => return code,
            World::Inside => None,
            World::Unavailable(reason) => Some(reason),
        }
    };
    let trial = |name: String, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
        let missing = missing.clone();
        Trial::ignorable_test(name, move || match missing {
            Some(reason) => {
                let reason = format!("no network of hosts can be made here: {reason}");
                Ok(Completion::ignored_with(reason))
            }
            None => test().map(|()| Completion::Completed),
        })
    };
    let mut trials = vec![
        trial(
            "silence_and_cuts_drop_what_they_say_and_nothing_else".to_owned(),
            Box::new(silence_and_cuts),
        ),
        trial(
            "host_has_no_way_out_of_its_network".to_owned(),
            Box::new(no_way_out),
        ),
    ];
    trials.push(trial(
        "nothing_outlives_the_program_that_asked_for_a_world".to_owned(),
        Box::new(nothing_outlives),
    ));
    trials.push(trial(
        "call_is_relayed_by_who_sees_both".to_owned(),
        Box::new(|| attempt(call_is_relayed_by_who_sees_both).map_err(Failed::from)),
    ));
    trials.push(trial(
        "rollout_does_not_wait_for_an_owner_that_is_cut_off_from_the_server".to_owned(),
        Box::new(|| attempt(rollout_with_an_owner_cut_off).map_err(Failed::from)),
    ));
    trials.push(trial(
        "callbacks_go_to_no_private_or_metadata_address".to_owned(),
        Box::new(|| attempt(callbacks_go_to_no_private_or_metadata_address).map_err(Failed::from)),
    ));
    trials.extend(SEEDS.map(|seed| {
        let name = format!("invariants_hold_under_the_faults_of_seed_{seed}");
        trial(name, Box::new(move || invariants_hold(seed)))
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn invariants_hold(seed: u64) -> Result<(), Failed> {
    eprintln!("seed {seed}: {}", Plan::from_seed(seed));
    let report = attempt(move || run_seed(seed))?;
    let calls = report.history.calls.len();
    if calls < 200 {
        return Err(format!("only {calls} calls were made").into());
    }
    let violations = report.violations.iter().map(ToString::to_string);
    let violations: Vec<String> = violations.collect();
    if violations.is_empty() {
        return Ok(());
    }
    Err(format!(
        "seed {seed}: {}\n{}",
        Plan::from_seed(seed),
        violations.join("\n")
    )
    .into())
}

/// A function that may have one instance only is called at a host that does not hear the instance's.
///
/// Nobody loses anything by that, and one of a few attempts finds the way. The others meet a host that owns the function
/// when its owner does not answer: it starts what it cannot see. So does one on a machine that is very busy.
async fn call_is_relayed_by_who_sees_both() {
    let setup = Setup {
        sidecars: 3,
        capacity: 10,
        ..Setup::default()
    };
    let cluster = Cluster::on_network(setup).await;
    let network = cluster.network.as_ref().unwrap();
    for attempt in 0..8 {
        let name = format!("single-{attempt}");
        let spec = Spec::new().concurrency(4).scale(1, 1);
        cluster.deploy(&name, spec).await;
        let path = format!("/function/{name}/sleep?ms=10");
        let first = cluster.sidecars[0].public().get(&path).await.expect(200);
        let there = cluster.by_node(first.node());
        let here = (there + 1) % setup.sidecars;
        let caller = cluster.sidecars[here].public();
        caller.get(&path).await.expect(200);
        network.cut(here, there);
        network.cut(there, here);
        let mut relayed = true;
        for method in [Method::GET, Method::POST] {
            let calls = (0..20).map(|n| {
                let id = format!("{name}-{method}-{n}");
                let request = caller.request(method.clone(), &path);
                send(request.header("x-test-id", id).body("of some size"))
            });
            let answers = join_all(calls).await.into_iter();
            let pids: Vec<_> = answers.map(|a| a.unwrap().expect(200).pid()).collect();
            relayed &= pids.contains(&first.pid());
        }
        for n in 0..20 {
            assert_eq!(cluster.times_seen(&format!("{name}-POST-{n}")), 1);
        }
        if relayed {
            return;
        }
        network.mend(here, there);
        network.mend(there, here);
    }
    panic!("no attempt was relayed");
}

/// It does not hear of the new revision, and others reach it: so the next in the order owns that one.
async fn rollout_with_an_owner_cut_off() {
    let setup = Setup {
        sidecars: 3,
        ..Setup::default()
    };
    let cluster = Cluster::on_network(setup).await;
    cluster.deploy("rolled", Spec::new()).await;
    let owner = eventually("somebody owns it", async || {
        let list = cluster.api.get("/sidecars").await;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let owns = |s: &&serde_json::Value| s["owns"].to_string().contains("default/rolled");
        let owner = items.iter().find(owns);
        owner
            .map(|s| s["node_id"].as_str().unwrap().to_owned())
            .ok_or(list)
    });
    let owner = cluster.by_node(&owner.await);
    let network = cluster.network.as_ref().unwrap();
    let server = setup.sidecars;
    network.cut(owner, server);
    network.cut(server, owner);
    let spec = cluster.ours(Spec::new().env("ROUND", "2"));
    cluster.api.apply("rolled", &spec).await;
    eventually("the new revision has the traffic", async || {
        let function = cluster.api.function("rolled").await;
        let ready = &function["status"]["latest_ready_revision"];
        when(ready == "rolled-00002", function)
    })
    .await;
    for sidecar in &cluster.sidecars {
        sidecar.public().get("/function/rolled/").await.expect(200);
    }
}

/// From a host without a route to any of them.
async fn callbacks_go_to_no_private_or_metadata_address() {
    let setup = Setup {
        sidecars: 1,
        ..Setup::default()
    };
    let cluster = Cluster::on_network(setup).await;
    cluster.deploy("hello", Spec::new()).await;
    let public = cluster.sidecars[0].public();
    for near in [
        "http://10.0.0.1/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://100.100.100.200/latest/meta-data/",
        "http://169.254.169.254/latest/meta-data/",
    ] {
        let call = public.request(Method::POST, "/async-function/hello/");
        let call = call.header("x-callback-url", near).body("x");
        let refused = send(call).await.unwrap();
        refused.problem(400, "bad_callback_url");
    }
}

/// Sends a datagram from one host to another and says whether it arrived.
fn arrives(network: &Network, from: usize, to: usize, expected: bool) -> std::io::Result<bool> {
    let socket = |host| network.within(host, move |ip| UdpSocket::bind((ip, 0)));
    let (sender, receiver) = (socket(from)?, socket(to)?);
    sender.send_to(b"x", receiver.local_addr()?)?;
    // What is to arrive is waited for; what is not would do so at once.
    let patience = if expected { PATIENCE } else { AT_ONCE };
    receiver.set_read_timeout(Some(patience))?;
    Ok(receiver.recv(&mut [0]).is_ok())
}

fn silence_and_cuts() -> Result<(), Failed> {
    let network = Network::new(3);
    let expect = |what: &str, from, to, expected: bool| {
        let arrived = arrives(&network, from, to, expected)?;
        let wrong = format!("{what}: {from} -> {to} arrived: {arrived}");
        if arrived == expected {
            Ok(())
        } else {
            Err(Failed::from(wrong))
        }
    };
    expect("whole", 0, 1, true)?;
    network.cut(0, 1);
    expect("cut one way", 0, 1, false)?;
    expect("cut one way", 1, 0, true)?;
    expect("cut one way", 0, 2, true)?;
    network.mend(0, 1);
    expect("mended", 0, 1, true)?;
    network.silence(2);
    expect("silent", 0, 2, false)?;
    expect("silent", 2, 0, false)?;
    expect("silent", 0, 1, true)?;
    network.unsilence(2);
    expect("heard again", 2, 0, true)
}

/// A world within this one, and in the middle a program to kill.
fn nothing_outlives() -> Result<(), Failed> {
    for signal in [Signal::TERM, Signal::KILL] {
        let mark = format!("{}-{signal:?}", std::process::id());
        let world = world::outer();
        let mut program = Command::new("python3")
            .args(["-c", "import subprocess,sys; subprocess.run(sys.argv[1:])"])
            .arg(world.get_program())
            .args(world.get_args())
            // In a session of its own, as a sidecar's instances are.
            .args(["setsid", "sleep", "1000"])
            .env(MARK, &mark)
            .stderr(Stdio::null())
            .spawn()?;
        let count = || gateless_tests::instances::marked(&mark).len();
        // The program, those that make the world, and the sleeper.
        until("all of it runs", || count() >= 3)?;
        gateless_tests::instances::kill(program.id(), signal);
        program.wait()?;
        until("nothing is left", || count() == 0)?;
    }
    Ok(())
}

fn until(what: &str, holds: impl Fn() -> bool) -> Result<(), Failed> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > deadline {
            return Err(format!("waited in vain until {what}").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn no_way_out() -> Result<(), Failed> {
    let network = Network::new(1);
    let place = network.place(0);
    let routes = place
        .command("ip".as_ref())
        .args(["route", "show"])
        .output()?;
    let routes = String::from_utf8_lossy(&routes.stdout).into_owned();
    let here = Command::new("ip").args(["route", "show"]).output()?;
    let here = String::from_utf8_lossy(&here.stdout).into_owned();
    for routes in [routes, here] {
        let lines: Vec<&str> = routes.lines().collect();
        if lines.len() != 1 || !lines[0].starts_with("10.77.0.0/24") {
            return Err(format!("a way out: {lines:?}").into());
        }
    }
    Ok(())
}
