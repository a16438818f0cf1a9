//! What a command says has happened, has happened: looked at where it counts, at every sidecar, the moment it has ended.
//!
//! Deliberately without a single wait: what comes true a little later was not true when it was said.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::process::Output;

use gateless_tests::process::test_function_bin;
use gateless_tests::{Answer, Cluster, Shell, Spec, eventually};
use http::Method;
use rustix::process::Signal;

/// Somebody at a terminal, who then looks at every sidecar.
struct Operator<'a> {
    cluster: &'a Cluster,
    shell: Shell<'a>,
}

impl Operator<'_> {
    /// The exit code, and what was said.
    fn says(&self, arguments: &[&str]) -> (i32, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.shell.run(arguments);
        let said = [stdout, stderr].map(|said| String::from_utf8(said).unwrap());
        (status.code().unwrap(), said.concat())
    }

    fn does(&self, arguments: &[&str]) -> String {
        let (code, said) = self.says(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    /// Deploys a version of the function; what came of it.
    fn deploys(&self, version: &str, more: &str) -> (i32, String) {
        let program = test_function_bin();
        let mut text =
            format!("name = \"app\"\ncommand = [{program:?}]\n{more}\n[env]\nV = \"{version}\"\n");
        let ours = self.cluster.ours(Spec::new());
        for (name, value) in ours.0["env"].as_object().unwrap() {
            text.push_str(&format!("{name} = {value}\n"));
        }
        if version == "bad" {
            text.push_str("CRASH_AT_START = \"1\"\n");
        }
        self.shell.file("app/function.toml", &text);
        self.says(&["deploy", "app"])
    }

    /// One call at each sidecar, now.
    async fn calls(&self, key: &str) -> Vec<Answer> {
        let mut answers = Vec::new();
        for sidecar in &self.cluster.sidecars {
            let caller = sidecar.public();
            let request = caller.request(Method::GET, "/function/app/env");
            let request = request.header("x-api-key", key);
            answers.push(gateless_tests::call::send(request).await.unwrap());
        }
        answers
    }

    /// Every sidecar's calls are answered by this revision.
    async fn sees(&self, revision: &str) {
        for answer in self.calls("").await {
            let answer = answer.expect(200);
            assert_eq!(answer.header("x-gateless-revision"), revision);
        }
    }

    /// Every sidecar answers with this status.
    async fn sees_status(&self, key: &str, status: u16) {
        for answer in self.calls(key).await {
            answer.expect(status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_20_what_a_command_says_has_happened_has_happened() {
    let cluster = Cluster::of(3).await;
    let operator = Operator {
        cluster: &cluster,
        shell: Shell::of(&cluster),
    };

    // Nothing ever answered, so nothing keeps its calls.
    let (code, said) = operator.deploys("bad", "");
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("boom: crash at start"), "{said}");
    assert!(!said.contains("app-00001 keeps"), "{said}");
    let (code, said) = operator.deploys("1", "");
    assert_eq!(code, 0, "{said}");
    operator.sees("app-00002").await;
    let (code, said) = operator.deploys("2", "");
    assert_eq!(code, 0, "{said}");
    operator.sees("app-00003").await;

    let (code, said) = operator.deploys("bad", "");
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("app-00003"), "{said}");
    operator.sees("app-00003").await;

    operator.does(&["rollback", "app", "--to", "app-00002"]);
    operator.sees("app-00002").await;
    // Ready, and without calls: that is said, and is so.
    let (code, said) = operator.deploys("3", "");
    assert_ne!(code, 0, "{said}");
    operator.sees("app-00002").await;
    operator.does(&["traffic", "set", "app", "r5=100"]);
    operator.sees("app-00005").await;
    operator.does(&["traffic", "set", "app", "latest=100"]);

    let (code, said) = operator.deploys("4", "access.auth = \"key\"");
    assert_eq!(code, 0, "{said}");
    operator.sees_status("", 401).await;
    let key = operator.does(&["key", "create", "app", "me"]);
    let key = key
        .lines()
        .find(|line| !line.contains(' '))
        .unwrap()
        .to_owned();
    operator.sees_status(&key, 200).await;
    operator.does(&["key", "revoke", "app", "me"]);
    operator.sees_status(&key, 401).await;

    operator.does(&["delete", "app"]);
    operator.sees_status("", 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecars_at_which_a_change_does_not_hold_are_named() {
    let mut cluster = Cluster::of(2).await;
    let spec = Spec::new().with("scaling/initial_scale", 1);
    cluster.deploy("app", spec.clone()).await;
    cluster.deploy("app", spec.env("V", "2")).await;
    cluster.settled().await;
    let node = cluster.sidecars[1].node();
    let shell = Shell::of(&cluster);
    let pinned = |revision: &str| {
        let target = format!("{revision}=100");
        let output = shell.run(&["traffic", "set", "app", &target]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = pinned("r1");
    assert!(!said.contains("sidecar"), "{said}");

    let frozen = cluster.sidecars[1].process.as_ref().unwrap();
    frozen.signal(Signal::STOP);
    let said = pinned("r2");
    assert!(
        said.contains(&format!("sidecar {node} had not applied this")),
        "{said}"
    );
    frozen.signal(Signal::CONT);
    cluster.settled().await;
    let said = pinned("r1");
    assert!(!said.contains("sidecar"), "{said}");

    cluster.sidecars[1].kill();
    eventually("the server has missed it", async || {
        let list = cluster.api.get("/sidecars").await;
        let items = list["items"].as_array().unwrap();
        let away = items
            .iter()
            .any(|one| one["node_id"] == *node && one["connected"] == false);
        if away { Ok(()) } else { Err(list) }
    })
    .await;
    let said = Shell::of(&cluster).run(&["traffic", "set", "app", "r2=100"]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains(&format!("sidecar {node} did not hear of this")),
        "{said}"
    );
    // What does not concern sidecars is said to nobody, and waits for nobody.
    let said = Shell::of(&cluster).run(&["token", "create", "--role", "viewer"]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(!said.contains("sidecar"), "{said}");
}
