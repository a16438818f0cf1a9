//! What a launcher is told: the program, and the walls round it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A program to become, and how much of the host it keeps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The file to run.
    pub program: PathBuf,
    /// Its arguments, the name it is called by first.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where it starts.
    pub folder: PathBuf,
    /// The TCP port it may listen on; 0: it only tries whether this host can do all this.
    pub port: u16,
    /// Bytes of address space of each process, where no control group bounds the memory of the whole tree.
    pub address_space: Option<u64>,
    /// What it sees.
    pub view: View,
    /// The user and group it runs as; `None`: those of the sidecar.
    pub user: Option<u32>,
    /// Walls round it at all: no capabilities, no new rights, limits of what it has open. `false`: it may do what the sidecar's user may.
    pub walls: bool,
    /// The launcher stays over it as a subreaper and ends all that it started, as nothing else would.
    pub subreaper: bool,
    /// Namespaces of its own: processes, mounts, ipc, names, users.
    pub namespaces: bool,
    /// Refuse system calls no function needs.
    pub filter: bool,
    pub rules: bool,
    /// Control groups to join; they are removed when it ends.
    pub groups: Vec<PathBuf>,
}

/// What a program sees of the host's files. What is neither hidden nor private by itself it may read as any user may.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct View {
    /// Folders and files of which nothing is seen.
    pub hidden: Vec<PathBuf>,
    /// Seen, unchangeable, also within what is hidden.
    pub shown: Vec<PathBuf>,
    /// Seen and writable, as far as the user it runs as may.
    pub writable: Vec<PathBuf>,
}
