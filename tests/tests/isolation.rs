//! A hostile function tries to get out; each of its ways must be shut by the sandbox, and open without it, or the test tests nothing.
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

async fn outcome(level: &str) -> (BTreeMap<String, bool>, bool) {
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
    let command = ["sh", "-c", WAYS, "sh", program.to_str().unwrap()];
    let spec = Spec::new()
        .with("process/command", command.to_vec())
        // It tries a lot before it listens; one that was started again would have tried twice.
        .with("process/start_timeout_ms", 60_000)
        .env("RESULT", &path(&result))
        .env("SECRET", &path(&cluster.file("join-token")))
        .env("OUTSIDE", &path(&cluster.file("")))
        .env("DATA", &data)
        .env("FOREVER", &forever().to_string())
        .env("SIDECAR", &pid.to_string());
    let spec = cluster.ours(spec);
    let spec = ["SEEN_FILE", "STARTED_FILE", "FAIL_FILE"]
        .into_iter()
        .fold(spec, |spec, name| spec.env(name, &path(&shared.join(name))));
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
    // Before that it still has by what the sidecar finds it.
    eventually("it has left its session", async || {
        let left = sleepers();
        when(!left.is_empty(), left)
    })
    .await;
    let path = gateless_tests::Api::path("hostile");
    cluster.api.send(http::Method::DELETE, &path, None).await;
    eventually("its instance is gone", async || {
        let left = cluster.instances();
        when(left.is_empty(), left)
    })
    .await;
    if level == "sandbox" {
        // The kernel ends it with the first process of its namespace, a moment later.
        eventually("what left its session is gone", async || {
            let left = sleepers();
            when(left.is_empty(), left)
        })
        .await;
    }
    let outlives = end_sleepers();
    (ways, outlives)
}

/// Seconds that nobody else on this machine sleeps for.
fn forever() -> u32 {
    1_000_000_000 + std::process::id()
}

/// Ends them: they have nothing by which the cluster would find them.
struct Sleepers;

impl Drop for Sleepers {
    fn drop(&mut self) {
        end_sleepers();
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

/// Ends it, and says whether there was any.
fn end_sleepers() -> bool {
    let found = sleepers();
    for pid in &found {
        gateless_tests::instances::kill(*pid, rustix::process::Signal::KILL);
    }
    !found.is_empty()
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
    let (open, outlives) = outcome("none").await;
    for (way, succeeded) in &open {
        assert!(
            succeeded,
            "{way} cannot fail the test: it fails without a sandbox, too"
        );
    }
    assert!(outlives, "what left its session would end by itself");
    let (shut, outlives) = outcome("sandbox").await;
    assert_eq!(shut.len(), open.len());
    let out: Vec<&String> = shut
        .iter()
        .filter(|(way, succeeded)| **succeeded && *way != "done")
        .map(|(way, _)| way)
        .collect();
    assert!(out.is_empty(), "it got out by {out:?}");
    assert!(!outlives, "what left its session outlived its function");
}
