//! The connection to the host's container engine: where it is, whether it answers, and its words when it refuses.
//!
//! Every question has a bound, so an engine that hangs is one that is missing. Deliberately no word about functions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{ClientVersion, Docker};
use tokio::sync::watch;

use crate::instance::engine::{About, Choice, State};

/// The newest version of the API that is spoken; an older engine's is taken instead.
const API: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 44,
};
/// For the answer to any one question, and for the head of a long answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// To say whether it is there.
const LOOK: Duration = Duration::from_secs(5);
/// Between two looks for one that is not there.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Between two looks at one that is.
const LOOK_AFTER: Duration = Duration::from_secs(15);
/// Where engines listen.
const USUAL: [&str; 2] = ["/run/docker.sock", "/run/podman/podman.sock"];

/// What an engine said instead of doing what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub(super) struct Refused {
    /// Its HTTP status; `None`: there was no answer.
    pub status: Option<u16>,
    /// As it says it.
    pub words: String,
}

impl Refused {
    pub(super) fn is_unknown(&self) -> bool {
        self.status == Some(404)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let (status, words) = match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => (Some(status_code), message),
            Error::DockerStreamError { error } => (Some(500), error),
            Error::RequestTimeoutError => (None, silence()),
            other => (None, format!("the container engine fails: {other}")),
        };
        Self { status, words }
    }
}

fn silence() -> String {
    format!(
        "the container engine does not answer within {} s",
        PATIENCE.as_secs()
    )
}

/// Waits for an answer, but not for ever.
pub(super) async fn ask<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Refused> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(Refused::from),
        Err(_) => Err(Refused {
            status: None,
            words: silence(),
        }),
    }
}

/// An engine that answers.
#[derive(Debug)]
pub(super) struct Client {
    pub docker: Docker,
    pub about: About,
    /// `linux/amd64`: what it runs.
    pub platform: String,
}

/// The engine as it was found last.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub state: State,
    pub client: Option<Arc<Client>>,
}

impl Found {
    pub(super) fn off() -> Self {
        Self {
            state: State::Off,
            client: None,
        }
    }
}

/// Looks for the engine now and then, and says what changes, until nobody listens any more.
pub(super) async fn look_after(choice: Choice, found: watch::Sender<Found>) {
    if choice == Choice::Off {
        return;
    }
    loop {
        let now = look(&choice).await;
        let pause = if now.client.is_some() {
            LOOK_AFTER
        } else {
            LOOK_AGAIN
        };
        found.send_if_modified(|before| {
            let changed = before.state != now.state;
            if changed {
                tracing::info!(engine = %now.state, "container engine");
                *before = now;
            }
            changed
        });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = found.closed() => return,
        }
    }
}

/// Looks once.
pub(super) async fn look(choice: &Choice) -> Found {
    let missing = |why: String| Found {
        state: State::Missing(why),
        client: None,
    };
    let socket = match choice {
        Choice::Off => return Found::off(),
        Choice::Socket(path) => path.clone(),
        Choice::Auto => match usual() {
            Some(path) => path,
            None => {
                let looked = USUAL.join(", ");
                return missing(format!("there is no container engine at {looked}"));
            }
        },
    };
    match tokio::time::timeout(LOOK, connect(&socket)).await {
        Ok(Ok(client)) => Found {
            state: State::Here(client.about.clone()),
            client: Some(Arc::new(client)),
        },
        Ok(Err(refused)) => missing(format!("{}: {refused}", socket.display())),
        Err(_) => missing(format!(
            "{}: the container engine does not answer",
            socket.display()
        )),
    }
}

fn usual() -> Option<PathBuf> {
    let named = std::env::var("DOCKER_HOST").ok();
    let named = named.and_then(|host| host.strip_prefix("unix://").map(PathBuf::from));
    let all = named.into_iter().chain(USUAL.map(PathBuf::from));
    all.into_iter().find(|path| path.exists())
}

async fn connect(socket: &Path) -> Result<Client, Refused> {
    let path = socket.to_string_lossy();
    let docker = Docker::connect_with_unix(&path, PATIENCE.as_secs(), &API)?;
    let docker = docker.negotiate_version().await?;
    let version = docker.version().await?;
    let parts = version.components.unwrap_or_default();
    let is_podman = parts.iter().any(|part| part.name.contains("Podman"));
    let info = docker.info().await?;
    let options = info.security_options.unwrap_or_default();
    if options.iter().any(|option| option.contains("rootless")) {
        let words = "the engine is rootless, so this host does not reach its networks";
        return Err(Refused {
            status: None,
            words: words.to_owned(),
        });
    }
    if is_podman {
        let words = "Podman cannot keep the containers of one network from each other";
        return Err(Refused {
            status: None,
            words: words.to_owned(),
        });
    }
    let part = |part: Option<String>| part.unwrap_or_default();
    Ok(Client {
        docker,
        about: About {
            name: "Docker".to_owned(),
            version: part(version.version),
            api: part(version.api_version),
        },
        platform: format!("{}/{}", part(version.os), part(version.arch)),
    })
}
