//! From a revision to what the engine is asked to create; no I/O.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum,
};
use gateless_core::config::{Container, Protocol, Readiness, Revision};
use serde::{Deserialize, Serialize};

use crate::endpoint::probe::Question;

/// Of containers and networks: the node they are of.
pub(super) const NODE: &str = "gateless.node";
/// The data folder they were started from, by which what an earlier node of it left is found.
pub(super) const FOLDER: &str = "gateless.folder";
/// Of containers: what the next sidecar has to know to go on with one, as JSON.
pub(super) const MANIFEST: &str = "gateless.manifest";
/// What the engine keeps of a container's output until it is copied.
const LOG_BYTES: &str = "8m";
const LOG_FILES: &str = "2";

/// What the next sidecar goes on with. Fields are only ever added: what an earlier version wrote is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub id: String,
    pub revision: String,
    pub revision_uid: String,
    pub port: u16,
    pub started_at_ms: u64,
    #[serde(default)]
    pub ready_path: Option<String>,
    #[serde(default)]
    pub ready_answer: bool,
    #[serde(default)]
    pub h2c: bool,
    pub start_timeout_ms: u64,
    pub stop_grace_ms: u64,
    #[serde(default)]
    pub secrets_version: u64,
    /// Its limit, to name it when it is killed for it.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

impl Manifest {
    pub(super) fn of(
        id: &str,
        revision: &Revision,
        container: &Container,
        secrets_version: u64,
        now_ms: u64,
    ) -> Self {
        let millis = gateless_common::time::millis;
        Self {
            id: id.to_owned(),
            revision: revision.name.to_string(),
            revision_uid: revision.uid.to_string(),
            port: u16::try_from(container.port).unwrap_or(u16::MAX),
            started_at_ms: now_ms,
            ready_path: match &container.ready {
                Readiness::Answer | Readiness::Tcp => None,
                Readiness::Http(path) => Some(path.clone()),
            },
            ready_answer: container.ready == Readiness::Answer,
            h2c: revision.protocol == Protocol::H2c,
            start_timeout_ms: millis(container.start_timeout),
            stop_grace_ms: millis(container.stop_grace),
            secrets_version,
            memory_bytes: container.memory,
        }
    }

    /// What must be answered before it is ready; `None`: nothing.
    pub(super) fn question(&self) -> Option<Question> {
        let asked = self.ready_answer || self.ready_path.is_some();
        asked.then(|| Question {
            h2c: self.h2c,
            path: self.ready_path.clone(),
        })
    }
}

/// Where and whose a container is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub node: String,
    pub folder: String,
    pub network: String,
}

/// What the engine is to create. `image` is the very image, by its id.
pub(super) fn create(
    container: &Container,
    image: &str,
    place: &Place,
    manifest: &Manifest,
    environment: BTreeMap<String, String>,
) -> ContainerCreateBody {
    let given = |words: &Vec<String>| Some(words.clone()).filter(|words| !words.is_empty());
    let environment = environment.into_iter();
    let labels = HashMap::from([
        (NODE.to_owned(), place.node.clone()),
        (FOLDER.to_owned(), place.folder.clone()),
        (
            MANIFEST.to_owned(),
            serde_json::to_string(manifest).unwrap_or_default(),
        ),
    ]);
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: given(&container.command),
        // As with Kubernetes and `docker run`: another entry point does without the image's arguments.
        cmd: given(&container.args),
        user: container.user.clone(),
        env: Some(
            environment
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        labels: Some(labels),
        host_config: Some(host_config(container, place)),
        ..ContainerCreateBody::default()
    }
}

/// What it may: nothing that its image needs and the operator did not say.
fn host_config(container: &Container, place: &Place) -> HostConfig {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let memory = container.memory.map(count);
    let tmpfs = container.tmpfs.iter().map(|path| {
        let options = "rw,nosuid,nodev,noexec".to_owned();
        (path.clone(), options)
    });
    HostConfig {
        memory,
        // As much as memory, which is none besides: swap would hide that a limit is too low.
        memory_swap: memory,
        nano_cpus: container
            .cpu
            .map(|millicores| i64::from(millicores) * 1_000_000),
        pids_limit: Some(i64::from(container.max_processes)),
        readonly_rootfs: Some(container.read_only_root),
        tmpfs: Some(tmpfs.collect()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        network_mode: Some(place.network.clone()),
        // The sidecar alone decides what runs.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), LOG_BYTES.to_owned()),
                ("max-file".to_owned(), LOG_FILES.to_owned()),
            ])),
        }),
        ..HostConfig::default()
    }
}

/// Whether the engine can run an image of that platform; each is `OS/ARCHITECTURE`.
///
/// # Errors
/// What is the matter, for people.
pub(super) fn check_platform(image: &str, of: &str, here: &str) -> Result<(), String> {
    // Not told by every engine.
    if of == here || of.starts_with('/') || of.ends_with('/') {
        return Ok(());
    }
    Err(format!(
        "image {image} is for {of}, and this host runs {here}"
    ))
}

/// Why a container that was created did not start.
pub(super) fn start_failed(image: &str, command: Option<&String>, words: &str) -> String {
    let not_found = ["no such file or directory", "executable file not found"];
    if not_found.iter().any(|text| words.contains(text)) {
        let program = command.map_or_else(
            || "its program".to_owned(),
            |command| format!("command {command:?}"),
        );
        return format!("{program} was not found in image {image}: {words}");
    }
    format!("image {image} does not start: {words}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateless_core::config::{Runtime, Scaling};
    use std::time::Duration;

    fn container() -> Container {
        Container {
            image: "acme/hello:1".into(),
            command: Vec::new(),
            args: Vec::new(),
            user: None,
            tmpfs: Vec::new(),
            ready: Readiness::Answer,
            port: 8_080,
            start_timeout: Duration::from_secs(60),
            stop_grace: Duration::from_secs(30),
            memory: None,
            cpu: None,
            max_processes: 1_024,
            read_only_root: false,
        }
    }

    fn made(container: &Container) -> ContainerCreateBody {
        let mut revision = gateless_core::fixture::revision("hello", 1, Scaling::DEFAULT);
        revision.runtime = Runtime::Container(container.clone());
        let place = Place {
            node: "n".into(),
            folder: "f".into(),
            network: "gateless-n".into(),
        };
        let manifest = Manifest::of("i", &revision, container, 4, 5);
        let environment = BTreeMap::from([("PORT".to_owned(), "8080".to_owned())]);
        create(container, "sha256:1", &place, &manifest, environment)
    }

    #[test]
    fn a_container_may_nothing_that_was_not_asked_for() {
        let body = made(&container());
        let host = body.host_config.unwrap();
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!(host.network_mode.unwrap(), "gateless-n");
        assert_eq!(
            (host.privileged, host.binds, host.mounts),
            (None, None, None)
        );
        assert_eq!(
            (host.cap_add, host.devices, host.pid_mode),
            (None, None, None)
        );
        assert_eq!(host.pids_limit, Some(1_024));
        assert_eq!((host.memory, host.nano_cpus), (None, None));
        // What the image says.
        assert_eq!((body.entrypoint, body.cmd, body.user), (None, None, None));
        assert_eq!(body.env.unwrap(), ["PORT=8080"]);
    }

    #[test]
    fn what_was_asked_for_is_what_it_gets() {
        let asked = Container {
            command: vec!["/serve".into()],
            args: vec!["-v".into()],
            user: Some("1000:1000".into()),
            tmpfs: vec!["/tmp".into()],
            memory: Some(64 << 20),
            cpu: Some(250),
            read_only_root: true,
            ..container()
        };
        let body = made(&asked);
        let host = body.host_config.unwrap();
        assert_eq!(host.memory, Some(64 << 20));
        assert_eq!(host.memory_swap, host.memory);
        assert_eq!(host.nano_cpus, Some(250_000_000));
        assert_eq!(host.readonly_rootfs, Some(true));
        assert!(host.tmpfs.unwrap()["/tmp"].contains("noexec"));
        assert_eq!(body.entrypoint.unwrap(), ["/serve"]);
        assert_eq!(body.cmd.unwrap(), ["-v"]);
        assert_eq!(body.user.unwrap(), "1000:1000");
    }

    #[test]
    fn a_manifest_reads_back_and_so_does_a_released_versions() {
        let written = &made(&container()).labels.unwrap()[MANIFEST];
        let read: Manifest = serde_json::from_str(written).unwrap();
        assert_eq!(
            (read.id.as_str(), read.port, read.secrets_version),
            ("i", 8_080, 4)
        );
        assert!(read.question().is_some());
        let (kept, is_to_be_made) = crate::tests::released("instance/container.json");
        if is_to_be_made {
            std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
            std::fs::write(&kept, written).unwrap();
        }
        let released = std::fs::read_to_string(kept).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&released).unwrap(), read);
    }

    #[test]
    fn an_image_of_another_platform_says_which() {
        assert_eq!(check_platform("a", "linux/amd64", "linux/amd64"), Ok(()));
        assert_eq!(check_platform("a", "/", "linux/amd64"), Ok(()));
        assert_eq!(
            check_platform("a:1", "linux/arm64", "linux/amd64"),
            Err("image a:1 is for linux/arm64, and this host runs linux/amd64".into())
        );
    }

    #[test]
    fn a_program_that_is_not_in_the_image_is_named() {
        let command = "/serve".to_owned();
        let words = "exec: \"/serve\": stat /serve: no such file or directory: unknown";
        let message = start_failed("a:1", Some(&command), words);
        assert!(message.starts_with("command \"/serve\" was not found in image a:1"));
        assert_eq!(
            start_failed("a:1", None, "no space left"),
            "image a:1 does not start: no space left"
        );
    }
}
