//! A terminal in a cluster's folder, logged in at its server: the commands people type.

use std::fs;
use std::process::{Command, Output};

use crate::Cluster;
use crate::process::gateless_bin;

/// Runs the command line against a cluster.
pub struct Shell<'a>(&'a Cluster);

impl<'a> Shell<'a> {
    /// In this cluster's folder.
    pub const fn of(cluster: &'a Cluster) -> Self {
        Self(cluster)
    }

    /// Writes a file below the folder, and says its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> String {
        let file = self.0.file(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Runs `gateless` with these arguments to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(gateless_bin());
        command.args(arguments).current_dir(self.0.folder());
        command.env_clear().env("HOME", self.0.folder());
        command.env("GATELESS_SERVER", &self.0.api.base);
        command.env("GATELESS_TOKEN", &self.0.api.token);
        command.output().unwrap()
    }
}
