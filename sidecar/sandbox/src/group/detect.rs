//! Where control groups are, from what the kernel tells a process of itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders of this process's own groups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In the hierarchy of version 2.
    pub(super) unified: Option<PathBuf>,
    /// In those of version 1, by controller.
    pub(super) controllers: BTreeMap<String, PathBuf>,
}

/// From /proc/self/mountinfo and /proc/self/cgroup (proc_pid_mountinfo(5), cgroups(7)).
pub(super) fn parse(mounts: &str, own: &str) -> Found {
    let mut found = Found::default();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if number == "0" && controllers.is_empty() {
            found.unified = mounts
                .lines()
                .find_map(|mount| folder(mount, "cgroup2", None, path));
            continue;
        }
        for controller in controllers.split(',') {
            let folder = mounts
                .lines()
                .find_map(|mount| folder(mount, "cgroup", Some(controller), path));
            if let Some(folder) = folder {
                found.controllers.insert(controller.to_owned(), folder);
            }
        }
    }
    found
}

/// The folder of a group, if this mount is of its hierarchy.
fn folder(mount: &str, kind: &str, controller: Option<&str>, path: &str) -> Option<PathBuf> {
    let (left, right) = mount.split_once(" - ")?;
    let mut right = right.split(' ');
    if right.next()? != kind {
        return None;
    }
    let options = right.nth(1)?;
    if controller.is_some_and(|controller| !options.split(',').any(|option| option == controller)) {
        return None;
    }
    let mut left = left.split(' ').skip(3);
    let (root, point) = (Path::new(left.next()?), Path::new(left.next()?));
    // A container may see only its own part of the hierarchy.
    let within = Path::new(path)
        .strip_prefix(root)
        .or_else(|_| Path::new(path).strip_prefix("/"))
        .ok()?;
    Some(point.join(within))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
33 30 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
37 30 0:33 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory
42 30 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn version_1_and_2_side_by_side() {
        let found = parse(HYBRID, "4:memory:/a/b\n1:cpu:/\n0::/x\n9:name=systemd:/\n");
        assert_eq!(
            found.unified.as_deref(),
            Some(Path::new("/sys/fs/cgroup/unified/x"))
        );
        assert_eq!(
            found.controllers["memory"],
            Path::new("/sys/fs/cgroup/memory/a/b")
        );
        assert_eq!(found.controllers["cpu"], Path::new("/sys/fs/cgroup/cpu"));
        assert_eq!(found.controllers.len(), 2);
    }

    #[test]
    fn a_container_that_sees_a_part_finds_itself_in_it() {
        let mounts = "42 30 0:38 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let check = |own: &str, expected: &str| {
            assert_eq!(
                parse(mounts, own).unified.as_deref(),
                Some(Path::new(expected))
            );
        };
        check("0::/docker/abc/x", "/sys/fs/cgroup/x");
        check("0::/", "/sys/fs/cgroup");
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert_eq!(parse("", ""), Found::default());
        assert_eq!(parse("1 2 3", "0::/\nx"), Found::default());
    }
}
