//! Flags of what functions run in: how they are kept apart, and which engine runs those that are images.

use std::path::PathBuf;

use clap::Args;
use gateless_sandbox::Level;
use gateless_sidecar::instance::engine::Choice;

/// What runs functions that are images.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    /// Container engine that runs functions of images, by Docker's API: none, auto (the first usual socket that is there) or
    /// unix:///SOCKET (docs/security.md) [default: none; of up and dev auto].
    #[arg(long, env = "GATELESS_CONTAINER_ENGINE", value_name = "ENGINE")]
    container_engine: Option<Choice>,
}

impl EngineArgs {
    /// What is used where nothing is said: where one person tries things an engine that is there, else none, as its socket is root's.
    pub(crate) fn choice(&self, usual: Level) -> Choice {
        let by_itself = match usual {
            Level::BestEffort => Choice::Auto,
            _ => Choice::Off,
        };
        self.container_engine.clone().unwrap_or(by_itself)
    }
}

/// How far process functions are kept apart from their host and from each other.
#[derive(Debug, Args)]
pub(crate) struct IsolationArgs {
    /// How process functions are isolated: sandbox (all of it, or nothing is started), best-effort (what this host can
    /// do) or none (docs/security.md) [default: sandbox; of up and dev best-effort].
    #[arg(long, env = "GATELESS_ISOLATION", value_name = "LEVEL")]
    isolation: Option<Level>,
    /// Folders of this host that every isolated function may write to, as far as their modes let others.
    #[arg(
        long,
        env = "GATELESS_SHARED_FOLDER",
        value_delimiter = ',',
        value_name = "DIR,..."
    )]
    shared_folder: Vec<PathBuf>,
    /// Folders of this host that every isolated function may read, though they are where it sees nothing (/home, /root,
    /// /run and the like).
    #[arg(
        long,
        env = "GATELESS_VISIBLE_FOLDER",
        value_delimiter = ',',
        value_name = "DIR,..."
    )]
    visible_folder: Vec<PathBuf>,
}

impl IsolationArgs {
    /// With the level of this command where none is given.
    pub(crate) fn settings(&self, usual: Level) -> gateless_sandbox::Settings {
        gateless_sandbox::Settings {
            level: self.isolation.unwrap_or(usual),
            hidden: Vec::new(),
            shared: self.shared_folder.clone(),
            shown: self.visible_folder.clone(),
        }
    }
}
