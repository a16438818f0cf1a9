//! Archives as an attacker would make them.

use std::os::unix::fs::MetadataExt;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

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

struct Bench {
    folder: tempfile::TempDir,
    bundles: Bundles,
}

impl Bench {
    fn new(bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("data/bundles");
        fs::create_dir_all(&root).unwrap();
        let bundles = Bundles::open(root, bounds).unwrap();
        Self { folder, bundles }
    }

    fn unpack(&self, number: u8, items: &[Item<'_>]) -> Result<PathBuf, Error> {
        let path = self.folder.path().join("archive");
        let content = archive(items);
        fs::write(&path, &content).unwrap();
        let bundle = Bundle {
            sha256: format!("{number:064x}"),
            format: BundleFormat::TarGz,
            size: content.len() as u64,
        };
        self.bundles.folder(&bundle, &path, &HashSet::new())
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
        let result = bench.unpack(1, &items);
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
    let folder = bench.unpack(1, &items).unwrap();
    let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode("bin/run"), 0o755);
    assert_eq!(mode("bin") & 0o7000, 0);
    for path in ["lib/run", "current/run", "again"] {
        assert_eq!(
            fs::read(folder.join(path)).unwrap(),
            b"#!/bin/sh\n",
            "{path}"
        );
    }
    // Unpacked once: the file is not even looked at again.
    assert_eq!(bench.unpack(1, &[file("/evil", b"x")]).unwrap(), folder);
}

#[test]
fn size_and_number_are_bounded() {
    let bench = Bench::new(Bounds {
        bytes: 100_000,
        entries: 3,
        kept: 2,
    });
    let error = bench
        .unpack(1, &[file("zeros", &[0; 200_000])])
        .unwrap_err();
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
    let error = bench.unpack(1, &many).unwrap_err();
    assert_eq!(error.to_string(), "bundle unpacks to more than 3 entries");
    assert_eq!(bench.names(), [".boot"]);
}

#[test]
fn the_longest_unused_make_room() {
    let bench = Bench::new(Bounds {
        kept: 2,
        ..Bounds::default()
    });
    for number in [1, 2, 1, 3] {
        bench.unpack(number, &[file("a", b"")]).unwrap();
    }
    let name = |number: u8| format!("{number:064x}");
    assert_eq!(bench.names(), [".boot".to_owned(), name(1), name(3)]);
}

#[test]
fn what_a_crash_left_unfinished_is_cleared() {
    let bench = Bench::new(Bounds::default());
    bench.unpack(1, &[file("a", b"")]).unwrap();
    let root = bench.bundles.root.clone();
    fs::create_dir(root.join(".tmp-x")).unwrap();
    Bundles::open(root.clone(), Bounds::default()).unwrap();
    assert_eq!(bench.names(), [".boot".to_owned(), format!("{:064x}", 1)]);
    fs::write(root.join(".boot"), "another boot").unwrap();
    Bundles::open(root, Bounds::default()).unwrap();
    assert_eq!(bench.names(), [".boot"]);
}
