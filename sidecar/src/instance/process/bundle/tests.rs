//! Archives as an attacker would make them.

use std::os::unix::fs::MetadataExt;

use std::fs::File;
use std::os::unix::fs::symlink;

use flate2::Compression;
use flate2::write::GzEncoder;
use gateless_core::config::BundleFormat;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::*;

/// One entry: type, path, link target, content, mode.
type Item<'a> = (EntryType, &'a str, &'a str, &'a [u8], u32);

fn file<'a>(path: &'a str, content: &'a [u8]) -> Item<'a> {
    (EntryType::Regular, path, "", content, 0o644)
}

fn link<'a>(path: &'a str, target: &'a str) -> Item<'a> {
    (EntryType::Symlink, path, target, b"", 0o777)
}

/// Writes names raw, as the tar crate refuses to write the bad ones.
fn archive(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (kind, path, target, content, mode) in items {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        let raw = header.as_gnu_mut().unwrap();
        raw.name[..path.len()].copy_from_slice(path.as_bytes());
        raw.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn digest(content: &[u8]) -> String {
    let bytes = Sha256::digest(content);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Bench {
    folder: tempfile::TempDir,
    bundles: Bundles,
}

impl Bench {
    fn new(bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("data/bundles");
        fs::create_dir_all(&root).unwrap();
        let bundles = Bundles::open(root, bounds, false).unwrap();
        Self { folder, bundles }
    }

    /// The file that was fetched.
    fn file(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn fetch(&self, items: &[Item<'_>]) -> Bundle {
        let content = archive(items);
        fs::write(self.file(), &content).unwrap();
        Bundle {
            sha256: digest(&content),
            format: BundleFormat::TarGz,
            size: content.len() as u64,
        }
    }

    fn unpack(&self, items: &[Item<'_>]) -> Result<PathBuf, Error> {
        self.start("default/one", items)
            .map(|unpacked| unpacked.folder.clone())
    }

    fn start(&self, function: &str, items: &[Item<'_>]) -> Result<Arc<Unpacked>, Error> {
        let bundle = self.fetch(items);
        self.bundles
            .unpacked(&bundle, &function.parse().unwrap(), &self.file())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.bundles.root).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn nothing_leaves_the_bundle() {
    let bench = Bench::new(Bounds::default());
    let evil = [
        vec![file("../evil", b"x")],
        vec![file("a/../../evil", b"x")],
        vec![file("/tmp/evil", b"x")],
        vec![link("out", "/etc")],
        vec![link("out", "..")],
        vec![link("a/out", "../..")],
        vec![link("a/out", "b/../../..")],
        vec![file("a/b", b""), link("here", "a"), file("here/evil", b"x")],
        vec![link("l", "."), link("l/l/l/out", "../../..")],
        vec![link("x/up", ".."), link("out", "x/up/..")],
        vec![(EntryType::Link, "hard", "/etc/passwd", b"", 0o644)],
        vec![(EntryType::Link, "hard", "../archive", b"", 0o644)],
        vec![
            link("soft", "a"),
            (EntryType::Link, "hard", "soft", b"", 0o644),
        ],
        vec![(EntryType::Char, "null", "", b"", 0o644)],
        vec![(EntryType::Fifo, "pipe", "", b"", 0o644)],
        vec![file("a", b"1"), file("a", b"2")],
        vec![link("a", "b"), file("a", b"2")],
    ];
    for items in evil {
        let result = bench.unpack(&items);
        assert!(
            result.is_err(),
            "{:?}",
            items.iter().map(|item| item.1).collect::<Vec<_>>()
        );
        assert_eq!(bench.names(), [".boot"]);
    }
    assert!(!bench.folder.path().join("data/evil").exists());
    assert!(!bench.folder.path().join("evil").exists());
}

#[test]
fn honest_archives_unpack_without_special_bits() {
    let bench = Bench::new(Bounds::default());
    let items = [
        (EntryType::Directory, "./bin", "", &b""[..], 0o7777),
        (EntryType::Regular, "./bin/run", "", b"#!/bin/sh\n", 0o6755),
        link("lib/run", "../bin/run"),
        link("current", "bin"),
        (EntryType::Link, "again", "bin/run", b"", 0o644),
    ];
    let folder = bench.unpack(&items).unwrap();
    let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode("bin/run"), 0o555);
    assert_eq!(mode("bin"), 0o755);
    for path in ["lib/run", "current/run", "again"] {
        assert_eq!(
            fs::read(folder.join(path)).unwrap(),
            b"#!/bin/sh\n",
            "{path}"
        );
    }
    // Unpacked once: the file is not even looked at again.
    let bundle = bench.fetch(&items);
    fs::write(bench.file(), "").unwrap();
    let function = "default/one".parse().unwrap();
    let again = bench.bundles.unpacked(&bundle, &function, &bench.file());
    assert_eq!(again.unwrap().folder, folder);
}

#[test]
fn size_and_number_are_bounded() {
    let bench = Bench::new(Bounds {
        bytes: 100_000,
        entries: 3,
        kept: 2,
    });
    let error = bench.unpack(&[file("zeros", &[0; 200_000])]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bundle unpacks to more than 100000 bytes"
    );
    let many = [
        file("a", b""),
        file("b", b""),
        file("c", b""),
        file("d", b""),
    ];
    let error = bench.unpack(&many).unwrap_err();
    assert_eq!(error.to_string(), "bundle unpacks to more than 3 entries");
    assert_eq!(bench.names(), [".boot"]);
}

#[test]
fn the_longest_unused_make_room_and_those_in_use_stay() {
    let bench = Bench::new(Bounds {
        kept: 2,
        ..Bounds::default()
    });
    let contents = [b"1", b"2", b"3", b"4"].map(|content| [file("a", content)]);
    let [one, two, three, four] = &contents;
    let in_use = bench.start("default/one", one).unwrap();
    let second = bench.unpack(two).unwrap();
    let third = bench.unpack(three).unwrap();
    assert_eq!(bench.unpack(two).unwrap(), second);
    let fourth = bench.unpack(four).unwrap();
    assert!(in_use.folder.exists() && second.exists() && !third.exists() && fourth.exists());
}

#[test]
fn what_a_crash_or_another_sidecar_left_is_cleared() {
    let bench = Bench::new(Bounds::default());
    let folder = bench.unpack(&[file("a", b"")]).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let root = bench.bundles.root.clone();
    fs::create_dir(root.join(".tmp-x")).unwrap();
    fs::create_dir(root.join("nobodys")).unwrap();
    let next = Bundles::open(root.clone(), Bounds::default(), false).unwrap();
    let adopted = next.adopt(name);
    next.evict();
    assert_eq!(bench.names(), [".boot", name]);
    drop(adopted);
    next.evict();
    assert_eq!(bench.names(), [".boot"]);
    bench.unpack(&[file("b", b"")]).unwrap();
    fs::write(root.join(".boot"), "another boot").unwrap();
    Bundles::open(root, Bounds::default(), false).unwrap();
    assert_eq!(bench.names(), [".boot"]);
}

/// What a function may do to its bundle; each must be seen.
type Change = (&'static str, fn(&Path));

const CHANGES: [Change; 11] = [
    ("it writes, and sets all back that it may", |folder| {
        let path = folder.join("bin/run");
        let before = fs::metadata(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        fs::write(&path, b"#!/bin/xx\n").unwrap();
        fs::set_permissions(&path, before.permissions()).unwrap();
        let times = fs::FileTimes::new().set_modified(before.modified().unwrap());
        File::open(&path).unwrap().set_times(times).unwrap();
    }),
    ("it adds", |folder| {
        fs::write(folder.join("bin/more"), "").unwrap()
    }),
    ("it adds a folder", |folder| {
        fs::create_dir(folder.join("more")).unwrap()
    }),
    ("it removes", |folder| {
        fs::remove_file(folder.join("data")).unwrap()
    }),
    ("it renames", |folder| {
        fs::rename(folder.join("data"), folder.join("other")).unwrap();
    }),
    ("it replaces", |folder| {
        fs::copy(folder.join("data"), folder.join("new")).unwrap();
        fs::rename(folder.join("new"), folder.join("data")).unwrap();
    }),
    ("it links", |folder| {
        fs::remove_file(folder.join("data")).unwrap();
        symlink("bin/run", folder.join("data")).unwrap();
    }),
    ("it gives rights", |folder| {
        let mode = Permissions::from_mode(0o755);
        fs::set_permissions(folder.join("data"), mode).unwrap();
    }),
    ("it replaces a folder", |folder| {
        fs::rename(folder.join("bin"), folder.join("old")).unwrap();
        fs::create_dir(folder.join("bin")).unwrap();
        fs::rename(folder.join("old/run"), folder.join("bin/run")).unwrap();
        fs::remove_dir(folder.join("old")).unwrap();
    }),
    ("it replaces all by a link", |folder| {
        let other = folder.with_extension("other");
        fs::rename(folder, &other).unwrap();
        symlink(&other, folder).unwrap();
    }),
    ("it removes all", |folder| {
        fs::remove_dir_all(folder).unwrap()
    }),
];

fn items() -> [Item<'static>; 2] {
    [
        (EntryType::Regular, "bin/run", "", b"#!/bin/sh\n", 0o755),
        file("data", b"data"),
    ]
}

#[test]
fn a_changed_bundle_is_never_started_again() {
    for (what, change) in CHANGES {
        let bench = Bench::new(Bounds::default());
        let first = bench.start("default/one", &items()).unwrap();
        let again = bench.start("default/one", &items()).unwrap();
        assert_eq!(first.folder, again.folder, "{what}: it has not changed");
        // At once: within the same step of the file system's clock if it can be.
        change(&first.folder);
        let second = bench.start("default/one", &items()).unwrap();
        assert_ne!(first.folder, second.folder, "{what}");
        let run = fs::read(second.folder.join("bin/run")).unwrap();
        assert_eq!(run, b"#!/bin/sh\n", "{what}");
        assert_eq!(
            fs::read(second.folder.join("data")).unwrap(),
            b"data",
            "{what}"
        );
        assert_eq!(fs::read_dir(&second.folder).unwrap().count(), 2, "{what}");
        // It lives on for who runs in it, and no longer.
        drop((first, again));
        bench.bundles.evict();
        let left: Vec<_> = bench.names();
        assert_eq!(left, [".boot", second.name.as_str()], "{what}");
    }
}

#[test]
fn functions_without_walls_share_no_folder_and_those_within_share_one() {
    let bench = Bench::new(Bounds::default());
    let folder = |function| bench.start(function, &items()).unwrap().folder.clone();
    let all = ["a/one", "a/two", "b/one"].map(folder);
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);

    let root = bench.bundles.root.clone();
    let held = Bench {
        folder: bench.folder,
        bundles: Bundles::open(root, Bounds::default(), true).unwrap(),
    };
    let folder = |function| held.start(function, &items()).unwrap().folder.clone();
    assert_eq!(folder("a/one"), folder("b/two"));
}

#[test]
fn a_file_that_is_not_what_was_uploaded_is_refused_and_forgotten() {
    let bench = Bench::new(Bounds::default());
    let bundle = bench.fetch(&items());
    let changed = [
        archive(&[file("bin/run", b"evil")]),
        [archive(&items()).as_slice(), b"more"].concat(),
        b"no archive".to_vec(),
        Vec::new(),
    ];
    for content in changed {
        fs::write(bench.file(), content).unwrap();
        let function = "default/one".parse().unwrap();
        let refused = bench.bundles.unpacked(&bundle, &function, &bench.file());
        assert!(matches!(refused, Err(Error::Changed(_))), "{refused:?}");
        assert!(!bench.file().exists());
        assert_eq!(bench.names(), [".boot"]);
    }
}
