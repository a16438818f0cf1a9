//! The wall clock of single processes, which a test can set as an operator or NTP sets a machine's.
//!
//! The kernel has one wall clock for all, also where it has namespaces for others; so a library is preloaded that adds a
//! process's own offset to whatever in it reads the time, libraries included. Deliberately nothing of monotonic clocks: those
//! no step reaches.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::preload;

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long long *offset;
static int (*real)(clockid_t, struct timespec *);
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WALL_CLOCK_OFFSET");
    real = dlsym(RTLD_NEXT, "clock_gettime");
    if (!path) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    void *page = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) offset = page;
    close(fd);
}
int clock_gettime(clockid_t id, struct timespec *at) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (!failed && offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += *offset;
    return failed;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    (void)zone;
    if (!failed && at) { at->tv_sec = now.tv_sec; at->tv_usec = now.tv_nsec / 1000; }
    return failed;
}
time_t time(time_t *at) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"#;

/// The library, for as many processes as there are.
#[derive(Debug, Clone)]
pub struct WallClocks {
    library: PathBuf,
    folder: PathBuf,
}

impl WallClocks {
    /// Made in a folder, where offsets are kept too.
    ///
    /// # Panics
    /// When there is no C compiler.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            library: preload::compile(folder, "wall_clock", SOURCE),
            folder: folder.to_owned(),
        }
    }

    /// One that says what the machine's does until it is set.
    ///
    /// # Panics
    /// When its file cannot be written.
    #[must_use]
    pub fn of(&self, process: &str) -> WallClock {
        let offset = self.folder.join(format!("{process}.clock"));
        fs::write(&offset, 0_i64.to_ne_bytes()).unwrap();
        WallClock {
            library: self.library.clone(),
            offset,
        }
    }
}

/// A direction in which a clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Forward(Duration),
    Back(Duration),
}

/// The clock of one process.
#[derive(Debug)]
pub struct WallClock {
    library: PathBuf,
    offset: PathBuf,
}

impl WallClock {
    /// What the process needs in its environment; it starts with the clock as it is set then.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".into(), text(&self.library)),
            ("WALL_CLOCK_OFFSET".into(), text(&self.offset)),
        ]
    }

    /// Sets it so far from the machine's, whatever it was before.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn set(&self, step: Step) {
        let seconds = |by: Duration| i64::try_from(by.as_secs()).unwrap();
        let offset = match step {
            Step::Forward(by) => seconds(by),
            Step::Back(by) => -seconds(by),
        };
        let file = OpenOptions::new().write(true).open(&self.offset).unwrap();
        // In place: the process has this very file in its memory.
        file.write_all_at(&offset.to_ne_bytes(), 0).unwrap();
    }

    /// Whether a process goes by it.
    #[must_use]
    pub fn is_in(&self, process: u32) -> bool {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        let file = self.offset.to_string_lossy().into_owned();
        maps.lines().any(|line| line.ends_with(&file))
    }

    /// Sets it right.
    pub fn right(&self) {
        self.set(Step::Forward(Duration::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::SystemTime;

    use super::*;

    /// How many seconds a program's clock is ahead of this one's.
    fn ahead(clock: &WallClock) -> i64 {
        let said = Command::new("date").arg("+%s").envs(clock.env()).output();
        let said = String::from_utf8(said.unwrap().stdout).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        said.trim().parse::<i64>().unwrap() - i64::try_from(now.unwrap().as_secs()).unwrap()
    }

    #[test]
    fn program_sees_its_own_clock_as_it_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let clocks = WallClocks::new(folder.path());
        let (one, other) = (clocks.of("one"), clocks.of("other"));
        let hours = Duration::from_secs(2 * 3600);
        for (step, expected) in [(Step::Forward(hours), 7200), (Step::Back(hours), -7200)] {
            one.set(step);
            let seen = ahead(&one);
            assert!((seen - expected).abs() < 600, "{seen} for {step:?}");
            assert!(ahead(&other).abs() < 600);
        }
        one.right();
        assert!(ahead(&one).abs() < 600);
    }
}
