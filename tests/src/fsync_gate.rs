//! Holds back every fsync of files below a folder, to see what a process does meanwhile.
//!
//! A library to preload. Deliberately changes nothing but when fsync, fdatasync and sync_file_range return.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cluster::Cluster;
use crate::preload;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void pass(int fd) {
    const char *gate = getenv("FSYNC_GATE"), *below = getenv("FSYNC_BELOW");
    char link[64], path[4096];
    if (!gate || !below) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return;
    path[n] = 0;
    if (strncmp(path, below, strlen(below))) return;
    if (access(gate, F_OK) == 0) {
        char waiting[4096];
        snprintf(waiting, sizeof waiting, "%s.waiting", gate);
        FILE *file = fopen(waiting, "a");
        if (file) { fprintf(file, "%s\n", path); fclose(file); }
        while (access(gate, F_OK) == 0) usleep(1000);
    }
}
int fsync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fsync"); pass(fd); return real(fd); }
int fdatasync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync"); pass(fd); return real(fd); }
int sync_file_range(int fd, off64_t a, off64_t b, unsigned f) {
    int (*real)(int, off64_t, off64_t, unsigned) = dlsym(RTLD_NEXT, "sync_file_range");
    pass(fd);
    return real(fd, a, b, f);
}
"#;

/// A gate in front of the disk.
#[derive(Debug)]
pub struct FsyncGate {
    library: PathBuf,
    gate: PathBuf,
    below: PathBuf,
}

impl FsyncGate {
    /// One in front of the queue of a cluster's first sidecar, which is started anew behind it.
    ///
    /// # Panics
    /// As [`FsyncGate::new`], and when the sidecar does not come up.
    pub async fn before_queue(cluster: &mut Cluster) -> Self {
        let gate = Self::new(cluster.folder(), &cluster.sidecars[0].data().join("queue"));
        cluster.sidecars[0].env = gate.env();
        cluster.sidecars[0].restart();
        cluster.settled().await;
        gate
    }

    /// Makes an open one for files below a folder; `folder` keeps its own files.
    ///
    /// # Panics
    /// When there is no C compiler.
    #[must_use]
    pub fn new(folder: &Path, below: &Path) -> Self {
        let library = preload::compile(folder, "fsync_gate", SOURCE);
        Self {
            library,
            gate: folder.join("fsync-gate"),
            below: below.to_owned(),
        }
    }

    /// What a process needs in its environment to be held.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".into(), text(&self.library)),
            ("FSYNC_GATE".into(), text(&self.gate)),
            ("FSYNC_BELOW".into(), text(&self.below)),
        ]
    }

    /// From now on no fsync returns.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn close(&self) {
        fs::write(&self.gate, "").unwrap();
    }

    /// Lets those that wait pass.
    ///
    /// # Panics
    /// When it was not closed.
    pub fn open(&self) {
        fs::remove_file(&self.gate).unwrap();
    }

    /// Whether any fsync ever waited.
    #[must_use]
    pub fn was_hit(&self) -> bool {
        self.gate.with_extension("waiting").exists()
    }
}
