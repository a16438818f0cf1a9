//! Runs a program alone with what is its own: user, processes, files, system calls, limits of its whole tree.
//!
//! Two halves of one binary. The sidecar's half ([`Sandbox`]) finds out what the host can do, makes control groups, and spawns
//! the binary itself again as a launcher; the launcher's half ([`launch_if_asked`]) takes a [`Plan`] from it, walls itself in, and
//! becomes the program. So spawning stays posix_spawn, and nothing runs between a fork and an exec of a process with threads.
//! Deliberately knows no function, revision or port range: whoever starts says what may be seen.

mod enter;
mod fence;
mod filter;
mod group;
mod identity;
mod init;
mod level;
mod message;
mod plan;
mod rules;
mod spawn;
mod subreaper;
mod sys;
mod view;

pub use enter::{is_launcher, launch_if_asked};
pub use fence::{Fence, Group, Kind};
pub use group::{Hierarchies, Limits};
pub use level::{Isolation, Level, Missing, Part, list};
pub use plan::{Plan, View};
pub use spawn::{Error, Sandbox, Settings, Started, Usage};

/// Makes a test binary a launcher when it is started as one, as `gateless` makes itself one first thing in `main`. A test harness has a
/// `main` of its own, and threads: this runs before both. Whoever uses it allows `unsafe_code` with that reason.
#[macro_export]
macro_rules! launch_before_main {
    () => {
        extern "C" fn launch() {
            $crate::launch_if_asked();
        }

        // SAFETY: the loader calls what is listed there once, before `main`; the standard library's own entry, which notes the
        // arguments, comes first.
        #[used]
        #[unsafe(link_section = ".init_array")]
        static LAUNCH: extern "C" fn() = launch;
    };
}

/// Bytes of a sandboxed instance's `/tmp`, its only disk; kept in memory and charged to it.
pub const MAX_SCRATCH_BYTES: u64 = 256 << 20;
/// Bytes of a sandboxed instance's `/dev/shm`.
pub const MAX_SHARED_MEMORY_BYTES: u64 = 64 << 20;
/// Processes and threads of one instance at once.
pub const MAX_PROCESSES: u64 = 512;
/// Files and sockets that a process of an instance may have open.
pub const MAX_OPEN_FILES: u64 = 16_384;
