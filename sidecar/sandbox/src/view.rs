//! What a program sees of the host's files: all read-only, some not at all, and a few folders of its own.
//!
//! Built in a mount namespace that nobody else is in; what happens here the host never sees. Only paths are decided, in
//! [`covers`]; the rest is mounting.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::message::Failure;
use crate::plan::View;
use crate::{MAX_SCRATCH_BYTES, MAX_SHARED_MEMORY_BYTES, sys};

/// Nothing of these is seen: what people, services and the system's start keep there.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run", "/boot", "/media"];
/// Replaced by its own.
const OWN: [&str; 4] = ["/tmp", "/var/tmp", "/dev", "/proc"];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Folders of nothing but what is mounted into them.
const EMPTY_BYTES: u64 = 1 << 20;

const PLAIN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// Folders to cover: those hidden, and round what is shown the outermost that others may not pass. None within another.
fn covers(view: &View, may_pass: impl Fn(&Path) -> bool) -> BTreeSet<PathBuf> {
    let mut all: BTreeSet<PathBuf> = HIDDEN
        .iter()
        .map(PathBuf::from)
        .chain(view.hidden.iter().cloned())
        .collect();
    for path in view.shown.iter().chain(&view.writable) {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        all.extend(
            above
                .into_iter()
                .find(|folder| !may_pass(folder))
                .map(Path::to_owned),
        );
    }
    let within = |path: &Path| {
        let own = OWN.iter().any(|own| path.starts_with(own));
        own || path.ancestors().skip(1).any(|above| all.contains(above))
    };
    all.iter().filter(|path| !within(path)).cloned().collect()
}

fn may_pass(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
}

fn tmpfs(at: &Path, options: &str) -> io::Result<()> {
    Ok(mount(
        Some("tmpfs"),
        at,
        Some("tmpfs"),
        PLAIN,
        Some(options),
    )?)
}

/// A place for a mount, of the kind of what will be mounted.
fn make_place(path: &Path, folder: bool) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if folder {
        return fs::create_dir_all(path);
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(path).map(drop)
}

/// Something to mount when the covers are on.
struct Kept {
    copy: OwnedFd,
    path: PathBuf,
    folder: bool,
}

fn keep(path: &Path, writable: bool) -> io::Result<Kept> {
    let copy = sys::copy_of(path)?;
    let read_only = if writable { 0 } else { sys::READ_ONLY };
    sys::restrict_copy(&copy, read_only | sys::NO_SETUID | sys::NO_DEVICES)?;
    Ok(Kept {
        copy,
        path: path.to_owned(),
        folder: path.is_dir(),
    })
}

fn devices() -> io::Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        kept.push(Kept {
            copy: sys::copy_of(&path)?,
            path,
            folder: false,
        });
    }
    Ok(kept)
}

fn own_devices(kept: Vec<Kept>) -> io::Result<()> {
    tmpfs(Path::new("/dev"), &format!("mode=755,size={EMPTY_BYTES}"))?;
    for device in kept {
        make_place(&device.path, device.folder)?;
        sys::place(&device.copy, &device.path)?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, Path::new("/dev").join(name))?;
    }
    fs::create_dir("/dev/shm")?;
    sys::restrict(Path::new("/dev"), sys::READ_ONLY)?;
    tmpfs(
        Path::new("/dev/shm"),
        &format!("mode=1777,size={MAX_SHARED_MEMORY_BYTES}"),
    )
}

fn own_scratch() -> io::Result<()> {
    tmpfs(
        Path::new("/tmp"),
        &format!("mode=1777,size={MAX_SCRATCH_BYTES}"),
    )?;
    let other = Path::new("/var/tmp");
    // A link to /tmp is there already.
    if fs::symlink_metadata(other).is_ok_and(|metadata| metadata.is_dir()) {
        mount(
            Some("/tmp"),
            other,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )?;
    }
    Ok(())
}

/// Where names are looked up may be said by a file in what is hidden.
fn resolver() -> Option<PathBuf> {
    fs::canonicalize("/etc/resolv.conf")
        .ok()
        .filter(|path| !path.starts_with("/etc"))
}

/// Builds the view; must run in a mount namespace of its own, as the first process of its pid namespace.
pub(crate) fn build(view: &View) -> Result<(), Failure> {
    let root = Path::new("/");
    mount(
        None::<&str>,
        root,
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .map_err(Failure::at("make mounts private"))?;
    let covers = covers(view, may_pass);
    let hidden = |path: &Path| {
        OWN.iter().any(|own| path.starts_with(own))
            || path.ancestors().any(|above| covers.contains(above))
    };
    let mut kept = Vec::new();
    for path in view
        .shown
        .iter()
        .chain(&resolver())
        .filter(|path| hidden(path))
    {
        kept.push(keep(path, false).map_err(Failure::at(&format!("keep {}", path.display())))?);
    }
    for path in &view.writable {
        kept.push(keep(path, true).map_err(Failure::at(&format!("keep {}", path.display())))?);
    }
    let devices = devices().map_err(Failure::at("keep devices"))?;
    sys::restrict_all(root, sys::READ_ONLY | sys::NO_SETUID)
        .map_err(Failure::at("make the system read-only"))?;
    let mut covered = Vec::new();
    for path in &covers {
        let step = format!("cover {}", path.display());
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                tmpfs(path, &format!("mode=755,size={EMPTY_BYTES}")).map_err(Failure::at(&step))?;
                covered.push(path);
            }
            Ok(_) => mount(
                Some("/dev/null"),
                path,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )
            .map_err(Failure::at(&step))?,
            Err(_) => {}
        }
    }
    own_devices(devices).map_err(Failure::at("make /dev"))?;
    own_scratch().map_err(Failure::at("make /tmp"))?;
    let process_options = MsFlags::MS_NOEXEC | PLAIN;
    mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        process_options,
        None::<&str>,
    )
    .map_err(Failure::at("mount /proc"))?;
    for one in kept {
        let step = format!("show {}", one.path.display());
        make_place(&one.path, one.folder).map_err(Failure::at(&step))?;
        sys::place(&one.copy, &one.path).map_err(Failure::at(&step))?;
    }
    for path in covered {
        sys::restrict(path, sys::READ_ONLY).map_err(Failure::at("close a cover"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hidden: &[&str], shown: &[&str], closed: &[&str], expected: &[&str]) {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect();
        let view = View {
            hidden: paths(hidden),
            shown: paths(shown),
            writable: Vec::new(),
        };
        let covers = covers(&view, |folder| {
            !closed.iter().any(|path| Path::new(path) == folder)
        });
        let more: Vec<&str> = covers
            .iter()
            .filter_map(|path| path.to_str())
            .filter(|path| !HIDDEN.contains(path))
            .collect();
        assert_eq!(more, expected);
    }

    #[test]
    fn what_is_within_another_cover_needs_none() {
        check(&["/home/me/data"], &[], &[], &[]);
        check(&["/tmp/x"], &[], &[], &[]);
        check(
            &["/var/lib/g", "/var/lib/g/sidecar"],
            &[],
            &[],
            &["/var/lib/g"],
        );
    }

    #[test]
    fn a_folder_that_others_may_not_pass_is_covered_as_a_whole() {
        check(
            &["/var/lib/g/sidecar"],
            &["/var/lib/g/sidecar/bundles/a"],
            &["/var/lib/g"],
            &["/var/lib/g"],
        );
        check(&[], &["/srv/a/b/c"], &[], &[]);
    }
}
