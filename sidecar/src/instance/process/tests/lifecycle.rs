//! Starting and stopping: environment, programs, ports, groups and signals.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use gateless_core::config::{Bundle, BundleFormat, Readiness};
use gateless_core::name::InstanceId;
use sha2::{Digest, Sha256};

use super::{Node, SHORT, is_empty, of, program, serving, shell, wait_gone};
use crate::instance::contract::{Host, Opened, get, next_line, query, request};
use crate::instance::{Event, ExitReason};

#[tokio::test]
async fn an_instance_sees_what_is_promised_and_nothing_of_the_sidecars() {
    let node = Node::new();
    let mut opened = node.open();
    let mut request = request(
        &InstanceId::new("one"),
        serving(
            "hello",
            &[("GREETING", "hi"), ("LANG", "de_DE"), ("K_REVISION", "lie")],
        ),
    );
    request.secrets.insert("TOKEN".into(), "hush".into());
    let id = request.id.clone();
    opened.driver.start(request);
    let address = opened.ready(&id).await;
    let port = address.port().to_string();
    for (name, value) in [
        ("PORT", port.as_str()),
        ("HOST", "127.0.0.1"),
        ("K_SERVICE", "hello"),
        ("K_CONFIGURATION", "hello"),
        ("K_REVISION", "hello-00001"),
        ("GATELESS_URL", "http://127.0.0.1:1"),
        ("GATELESS_INSTANCE", "one"),
        ("GATELESS_NODE", node.id.as_str()),
        ("GREETING", "hi"),
        ("LANG", "de_DE"),
        ("TOKEN", "hush"),
    ] {
        assert_eq!(
            get(address, &format!("/env/{name}")).await.unwrap(),
            value,
            "{name}"
        );
    }
    let names = get(address, "/environment").await.unwrap();
    assert!(!names.contains("CARGO"), "{names}");
    let manifest = node.instance_folder(&id).join("manifest.json");
    assert!(!std::fs::read_to_string(manifest).unwrap().contains("hush"));
    opened.driver.stop(&id);
    opened.exit(&id).await;
    assert!(is_empty(&node.data().join("instances")));
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_whole_group_and_what_left_it() {
    let node = Node::new();
    let mut opened = node.open();
    // One that leaves the group keeps its mark; one that drops its mark is still in the group.
    let script = "sleep 90 & echo pid $!; setsid sleep 90 & \
                  env -i sh -c 'trap \"\" TERM; echo pid $$; sleep 90' & exec \"$@\"";
    let mut revision = serving("hello", &[]);
    let mut command = vec!["sh".into(), "-c".into(), script.into(), "sh".into()];
    command.append(&mut of(&mut revision).command);
    of(&mut revision).command = command;
    let mut lines = (opened.logs)(query("hello", true));
    let id = opened.start("one", revision);
    opened.ready(&id).await;
    let mut pids = Vec::new();
    while pids.len() < 2 {
        let line = next_line(&mut lines).await.unwrap().line;
        pids.extend(
            line.strip_prefix("pid ")
                .map(|pid| pid.parse::<i32>().unwrap()),
        );
    }
    opened.driver.stop(&id);
    let exit = opened.exit(&id).await;
    assert_eq!((exit.reason, exit.signal), (ExitReason::Stopped, Some(15)));
    for pid in pids {
        wait_gone(pid);
    }
    // The sweep finds the one that left the group.
    while let Some(pid) = super::procfs::marked(node.id.as_str()).first() {
        wait_gone(*pid);
    }
    opened.close().await;
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed_after_its_grace() {
    let node = Node::new();
    let mut opened = node.open();
    let mut revision = serving("hello", &[]);
    let mut command = vec![
        "sh".into(),
        "-c".into(),
        "trap '' TERM; exec \"$@\"".into(),
        "sh".into(),
    ];
    command.append(&mut of(&mut revision).command);
    of(&mut revision).command = command;
    of(&mut revision).stop_grace = SHORT;
    let id = opened.start("one", revision);
    opened.ready(&id).await;
    opened.driver.stop(&id);
    let exit = opened.exit(&id).await;
    assert_eq!((exit.reason, exit.signal), (ExitReason::Stopped, Some(9)));
    assert_eq!(exit.message, "killed, as it went on 0.1 s after SIGTERM");
    opened.close().await;
}

#[tokio::test]
async fn a_killed_instance_names_its_signal() {
    let node = Node::new();
    let mut opened = node.open();
    let id = opened.start("one", shell("hello", "kill -SEGV $$"));
    let exit = opened.exit(&id).await;
    assert_eq!((exit.reason, exit.signal), (ExitReason::Signaled, Some(11)));
    assert_eq!(
        exit.message,
        "was killed by signal 11 (SIGSEGV) before it was ready"
    );
    opened.close().await;
}

#[tokio::test]
async fn commands_that_cannot_run_say_why() {
    let node = Node::new();
    let mut opened = node.open();
    let plain = node.folder.path().join("plain");
    std::fs::write(&plain, "text").unwrap();
    let plain = plain.to_str().unwrap();
    let mut check = async |command: &str, working_dir: Option<&str>, expected: &str| {
        let mut revision = shell("hello", "");
        of(&mut revision).command = vec![command.into()];
        of(&mut revision).working_dir = working_dir.map(str::to_owned);
        let id = opened.start("one", revision);
        let exit = opened.exit(&id).await;
        assert_eq!(
            (exit.reason, exit.message.as_str()),
            (ExitReason::SpawnFailed, expected)
        );
    };
    check("/no/such", None, "command \"/no/such\" was not found").await;
    check(
        plain,
        None,
        &format!("command {plain:?} is not an executable file"),
    )
    .await;
    check(
        "../sh",
        None,
        "command \"../sh\" was not found in the bundle or working folder",
    )
    .await;
    check(
        "sh",
        Some("x"),
        "working_dir \"x\" must be absolute without a bundle",
    )
    .await;
    check(
        "sh",
        Some("/no/such"),
        "working_dir \"/no/such\" is not a folder",
    )
    .await;
    assert!(is_empty(&node.data().join("instances")));
    opened.close().await;
}

#[tokio::test]
async fn bundles_run_from_their_own_folder() {
    let node = Node::new();
    let mut opened = node.open();
    let script =
        "#!/bin/sh\necho \"in $(basename \"$PWD\") with $(cat data.txt 2>&1) and $1\"\nexit 4\n";
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (path, content, mode) in [
        ("app/run.sh", script, 0o4755),
        ("app/data.txt", "data", 0o644),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        builder
            .append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    let archive = builder.into_inner().unwrap().finish().unwrap();
    let archives = [
        (
            BundleFormat::TarGz,
            archive,
            Some("app"),
            "in app with data and x",
        ),
        (BundleFormat::Executable, script.into(), None, "in "),
    ];
    for (number, (format, content, working_dir, expected)) in archives.into_iter().enumerate() {
        let file = node.folder.path().join("bundle");
        std::fs::write(&file, &content).unwrap();
        let mut revision = shell("hello", "");
        of(&mut revision).command = vec!["run.sh".into(), "x".into()];
        of(&mut revision).working_dir = working_dir.map(str::to_owned);
        of(&mut revision).bundle = Some(Bundle {
            sha256: Sha256::digest(&content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            format,
            size: content.len() as u64,
        });
        let id = InstanceId::new(&format!("i{number}"));
        let mut request = request(&id, revision);
        request.bundle = Some(file);
        opened.driver.start(request);
        let exit = opened.exit(&id).await;
        assert_eq!(exit.code, Some(4), "{exit:?}");
        assert!(exit.last_log_lines[0].starts_with(expected), "{exit:?}");
    }
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sidecars_on_few_ports_never_share_one() {
    let mut nodes = [Node::new(), Node::new()];
    // Few, and others at each run, as the host may run this twice at once.
    let first = rand::random_range(12_000..19_900);
    nodes
        .iter_mut()
        .for_each(|node| node.ports = first..=first + 30);
    let mut opened: Vec<Opened> = nodes.iter().map(Host::open).collect();
    let mut seen = BTreeSet::new();
    for one in &opened {
        for number in 0..10 {
            one.start(&format!("i{number}"), serving("hello", &[]));
        }
    }
    for (one, node) in opened.iter_mut().zip(&nodes) {
        for _ in 0..10 {
            let Event::Ready { id, target, .. } = one.next().await else {
                panic!("not ready");
            };
            let address = target.address().unwrap();
            assert!(seen.insert(address));
            assert_eq!(
                get(address, "/env/GATELESS_INSTANCE").await.unwrap(),
                id.as_str()
            );
            assert_eq!(
                get(address, "/env/GATELESS_NODE").await.unwrap(),
                node.id.as_str()
            );
        }
    }
    for one in opened {
        one.close().await;
    }
}

#[tokio::test]
async fn a_stolen_port_is_given_up_for_another() {
    let node = Node::new();
    let mut opened = node.open();
    let mut revision = serving("hello", &[]);
    let script = "if [ -e $TMPDIR/again ]; then exec \"$@\"; fi; \
                  : > $TMPDIR/again; echo port $PORT; exec sleep 1000";
    let mut command = vec!["sh".into(), "-c".into(), script.into(), "sh".into()];
    command.append(&mut of(&mut revision).command);
    of(&mut revision).command = command;
    let mut lines = (opened.logs)(query("hello", true));
    let id = opened.start("one", revision);
    let line = next_line(&mut lines).await.unwrap().line;
    let port: u16 = line.strip_prefix("port ").unwrap().parse().unwrap();
    let _thief = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let address = opened.ready(&id).await;
    assert_ne!(address.port(), port);
    assert_eq!(get(address, "/env/GATELESS_INSTANCE").await.unwrap(), "one");
    opened.close().await;
}

#[tokio::test]
async fn http_readiness_waits_for_a_good_answer() {
    let node = Node::new();
    let mut opened = node.open();
    let mut revision = serving("hello", &[(program::UNREADY, "3")]);
    of(&mut revision).ready = Readiness::Http("/ready".into());
    let id = opened.start("one", revision);
    let address = opened.ready(&id).await;
    assert_eq!(get(address, "/env/K_SERVICE").await.unwrap(), "hello");

    let mut never = serving("hello", &[(program::UNREADY, "1000000")]);
    of(&mut never).ready = Readiness::Http("/ready".into());
    of(&mut never).start_timeout = Duration::from_millis(500);
    let id = opened.start("two", never);
    let exit = opened.exit(&id).await;
    assert_eq!(exit.reason, ExitReason::StartTimeout);
    assert_eq!(exit.message, "GET /ready answers 503 within 0.5 s");
    opened.close().await;
}

#[tokio::test]
async fn an_activated_instance_gets_its_listener_as_descriptor_3() {
    let node = Node::new();
    let mut opened = node.open();
    let mut revision = serving("hello", &[(program::ON_STDIN, "1")]);
    let script = "[ $LISTEN_PID = $$ ] && [ $LISTEN_FDS = 1 ] && exec \"$@\" <&3";
    let mut command = vec!["sh".into(), "-c".into(), script.into(), "sh".into()];
    command.append(&mut of(&mut revision).command);
    of(&mut revision).command = command;
    of(&mut revision).socket_activation = true;
    let id = opened.start("one", revision);
    let address = opened.ready(&id).await;
    assert_eq!(
        get(address, "/env/PORT").await.unwrap(),
        address.port().to_string()
    );
    opened.close().await;
}

#[tokio::test]
async fn memory_is_limited() {
    let node = Node::new();
    let mut opened = node.open();
    // Waits until it is told the limit is there: it comes right after the spawn.
    let mut revision = shell(
        "hello",
        "while [ $(ulimit -v) = unlimited ]; do :; done; ulimit -v; exit 0",
    );
    of(&mut revision).memory = Some(1 << 30);
    let id = opened.start("one", revision);
    assert_eq!(opened.exit(&id).await.last_log_lines, ["1048576"]);
    opened.close().await;
}

#[tokio::test]
async fn a_full_sidecar_and_a_bad_id_are_refused() {
    let node = Node::new();
    let mut config = node.config();
    config.max_instances = 1;
    let mut opened = node.opened(config);
    let first = opened.start("one", serving("hello", &[]));
    opened.ready(&first).await;
    for (id, expected) in [
        ("two", "the sidecar already has 1 instances"),
        (
            "../x",
            "instance id \"../x\" is not made of letters, digits and -",
        ),
    ] {
        let id = opened.start(id, serving("hello", &[]));
        let exit = opened.exit(&id).await;
        assert_eq!(
            (exit.reason, exit.message.as_str()),
            (ExitReason::SpawnFailed, expected)
        );
    }
    opened.close().await;
}

#[tokio::test]
async fn a_file_just_written_can_be_run_by_many_at_once() {
    let node = Node::new();
    let mut opened = node.open();
    let path = node.folder.path().join("fresh");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"#!/bin/sh\nexit 5\n").unwrap();
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    drop(file);
    for number in 0..8 {
        let mut revision = shell("hello", "");
        of(&mut revision).command = vec![path.to_str().unwrap().into()];
        opened.start(&format!("i{number}"), revision);
    }
    for _ in 0..8 {
        let Event::Exited { exit, .. } = opened.next().await else {
            panic!("ready");
        };
        assert_eq!(exit.code, Some(5), "{exit:?}");
    }
    opened.close().await;
}
