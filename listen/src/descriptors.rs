//! Descriptors: as many as the host allows, and no door takes those of another.

use std::os::fd::RawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors the table has room for from the beginning: the kernel lets a process with threads wait, ten
/// milliseconds and more, each time it doubles the table.
const DESCRIPTORS: RawFd = 16_000;

/// Raises the soft limit on open files to the hard one. How many there may be then.
pub fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on open files stays low");
    }
    // One far up makes the table large, and it stays so. Beyond the limit it fails, and nothing is lost.
    let far = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), DESCRIPTORS);
    drop(far);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A part of `limit`, in percent, of which one connection each is made: at least 16, at most `most`.
#[must_use]
pub fn share(limit: u64, percent: u64, most: usize) -> usize {
    let part = limit.saturating_mul(percent) / 100;
    usize::try_from(part)
        .unwrap_or(usize::MAX)
        .clamp(16, most.max(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_leave_something_for_others() {
        assert_eq!(share(20_000, 20, 65_536), 4_000);
        assert_eq!(share(u64::MAX, 20, 16_384), 16_384);
        assert_eq!(share(10, 20, 16_384), 16);
    }

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        let raised = raise_limit();
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raised, hard.unwrap_or(u64::MAX));
    }
}
