//! A hostile function tries to get out; each of its ways must be shut by the sandbox, and open without it, or the test tests nothing.
//! What it starts ends with it, with the sandbox and without.
//!
//! Needs root, namespaces and control groups; where the host lacks them the test counts as ignored and says what is missing.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use gateless_sandbox::{Level, Sandbox, Settings};
use gateless_tests::chaos::attempt;
use gateless_tests::cluster::Cluster;
use gateless_tests::spec::Spec;
use gateless_tests::wait::{eventually, when};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Each line is one way out: it writes its name, and 0 if it succeeded.
const WAYS: &str = r#"
try() { name=$1; shift; sh -c "$*" >/dev/null 2>&1; echo "$name $?" >>"$RESULT"; }
try join_token_of_the_cluster "cat $SECRET"
try data_of_the_sidecar "cat $DATA/node-id"
try environment_of_the_sidecar "cat /proc/$SIDECAR/environ"
try signal_to_the_sidecar "kill -0 $SIDECAR"
try host_file "touch $OUTSIDE/left-behind"
try filled_tmp "head -c 300000000 /dev/zero >/tmp/filled-$PORT; s=\$?; rm -f /tmp/filled-$PORT; exit \$s"
try namespaces "unshare -U true"
try many_files "ulimit -n 20000"
try root "test \$(id -u) -eq 0"
# They are gone before the program begins, which needs threads.
try many_processes "trap 'kill \$pids; wait' EXIT; i=0; while [ \$i -lt 600 ]; do sleep 600 & pids=\"\$pids \$!\"; i=\$((i+1)); done"
env -i setsid sleep $FOREVER &
echo done 0 >>"$RESULT"
exec "$@"
"#;

/// The last of them alone.
const LEAVE: &str = r#"env -i setsid sleep $FOREVER & exec "$@""#;

/// Which ways were open; that what left the instance ended with it is asserted here.
async fn outcome(level: &str) -> BTreeMap<String, bool> {
    let _also_when_it_fails = Sleepers;
    let mut cluster = Cluster::small().await;
    let shared = cluster.file("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let sidecar = &mut cluster.sidecars[0];
    sidecar.env = vec![
        ("GATELESS_ISOLATION".into(), level.into()),
        ("GATELESS_SHARED_FOLDER".into(), path(&shared)),
    ];
    sidecar.restart();
    let data = path(&sidecar.data());
    let pid = sidecar.process.as_ref().unwrap().pid();
    cluster.settled().await;
    let result = shared.join("result");
    let program = gateless_tests::process::test_function_bin();
    let command = |script: &str| {
        let words = ["sh", "-c", script, "sh", program.to_str().unwrap()];
        words.map(str::to_owned).to_vec()
    };
    let spec = Spec::new()
        .with("process/command", command(WAYS))
        // It tries a lot before it listens; one that was started again would have tried twice.
        .with("process/start_timeout_ms", 60_000)
        .env("RESULT", &path(&result))
        .env("SECRET", &path(&cluster.file("join-token")))
        .env("OUTSIDE", &path(&cluster.file("")))
        .env("DATA", &data)
        .env("FOREVER", &forever().to_string())
        .env("SIDECAR", &pid.to_string());
    let spec = cluster.ours(spec);
    // Each instance is a user of its own, which writes no other's files.
    let write_to = |spec: Spec, number: u32| {
        let names = ["SEEN_FILE", "STARTED_FILE", "FAIL_FILE"].into_iter();
        names.fold(spec, |spec, name| {
            let file = shared.join(format!("{name}-{number}"));
            spec.env(name, &path(&file))
        })
    };
    let spec = write_to(spec, 1);
    cluster.api.apply("hostile", &spec).await;
    cluster.settled().await;
    let sidecar = &cluster.sidecars[0];
    let answer = sidecar.public().get("/function/hostile/").await;
    let function = cluster.api.function("hostile").await;
    assert_eq!(answer.status, 200, "{level}: {function:#}");
    let text = fs::read_to_string(&result).unwrap();
    let ways = text.lines().filter_map(|line| line.split_once(' '));
    let ways: BTreeMap<String, bool> = ways
        .map(|(name, code)| (name.to_owned(), code == "0"))
        .collect();
    have_left(1).await;
    // A rollout.
    let plain = spec
        .clone()
        .with("process/command", command(r#"exec "$@""#));
    cluster.api.apply("hostile", &write_to(plain, 2)).await;
    have_left(0).await;
    let leaving = spec.with("process/command", command(LEAVE)).scale(1, 1);
    cluster.api.apply("hostile", &write_to(leaving, 3)).await;
    cluster.api.wait_ready("hostile").await;
    have_left(1).await;
    // Its instance goes on after that, and so does what left it.
    let before = sleepers();
    cluster.sidecars[0].restart();
    cluster.settled().await;
    let answer = cluster.sidecars[0].public().get("/function/hostile/").await;
    assert_eq!((answer.status, sleepers()), (200, before), "{level}");
    let path = gateless_tests::Api::path("hostile");
    cluster.api.send(http::Method::DELETE, &path, None).await;
    eventually("its instance is gone", async || {
        let left = cluster.instances();
        when(left.is_empty(), left)
    })
    .await;
    have_left(0).await;
    ways
}

/// Waits until so many are out of their session, each with nothing by which it could be found.
async fn have_left(count: usize) {
    eventually("what left its session is there, or gone", async || {
        let left = sleepers();
        when(left.len() == count, left)
    })
    .await;
}

/// Seconds that nobody else on this machine sleeps for.
fn forever() -> u32 {
    1_000_000_000 + std::process::id()
}

/// Ends them: they have nothing by which the cluster would find them.
struct Sleepers;

impl Drop for Sleepers {
    fn drop(&mut self) {
        for pid in sleepers() {
            gateless_tests::instances::kill(pid, rustix::process::Signal::KILL);
        }
    }
}

/// What `setsid` made of itself.
fn sleepers() -> Vec<u32> {
    let ours = format!("sleep\0{}\0", forever());
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let sleeps = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == ours.as_bytes())
    };
    pids.filter(sleeps).collect()
}

fn main() -> ExitCode {
    // What the host can do is found out as the sidecar finds it: by starting this program as a launcher.
    gateless_sandbox::launch_if_asked();
    let arguments = Arguments::from_args();
    let test = Trial::ignorable_test("a_hostile_function_gets_out_nowhere", || {
        let settings = Settings {
            level: Level::Sandbox,
            ..Settings::none()
        };
        let missing = Sandbox::open(settings).map_or_else(
            |missing| missing.0,
            |sandbox| sandbox.isolation().missing.clone(),
        );
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(|part| part.as_str()).collect();
            return Ok(Completion::ignored_with(format!(
                "this host lacks: {}",
                names.join(", ")
            )));
        }
        attempt(a_hostile_function_gets_out_nowhere).map_err(Failed::from)?;
        Ok(Completion::Completed)
    });
    libtest_mimic::run(&arguments, vec![test]).exit_code()
}

async fn a_hostile_function_gets_out_nowhere() {
    let open = outcome("none").await;
    for (way, succeeded) in &open {
        assert!(
            succeeded,
            "{way} cannot fail the test: it fails without a sandbox, too"
        );
    }
    let shut = outcome("sandbox").await;
    assert_eq!(shut.len(), open.len());
    let out: Vec<&String> = shut
        .iter()
        .filter(|(way, succeeded)| **succeeded && *way != "done")
        .map(|(way, _)| way)
        .collect();
    assert!(out.is_empty(), "it got out by {out:?}");
}
