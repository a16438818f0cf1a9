//! Bundles are the same bytes every time, and hold what they should.

use std::os::unix::fs::symlink;

use super::*;

fn write(root: &Path, path: &str, text: &str, mode: u32) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(&full, text).unwrap();
    fs::set_permissions(&full, fs::Permissions::from_mode(mode)).unwrap();
}

fn entries(artifact: Artifact) -> Vec<(String, u32)> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(artifact.file));
    tar.entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.header().mode().unwrap();
            (entry.path().unwrap().display().to_string(), mode)
        })
        .collect()
}

#[test]
fn the_same_files_pack_to_the_same_bytes_whatever_their_times_and_order() {
    let [a, b] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for (path, mode) in [("main.py", 0o644), ("bin/run", 0o755), ("z", 0o600)] {
        write(a.path(), path, path, mode);
    }
    for (path, mode) in [("z", 0o664), ("bin/run", 0o775), ("main.py", 0o640)] {
        write(b.path(), path, path, mode);
    }
    let old = File::open(b.path().join("z")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    let packed = [&a, &b].map(|dir| pack(dir.path(), &[]).unwrap());
    assert_eq!(packed[0].sha256, packed[1].sha256);
    assert_eq!(packed[0].size, packed[0].file.metadata().unwrap().len());

    write(b.path(), "z", "changed", 0o644);
    assert_ne!(pack(b.path(), &[]).unwrap().sha256, packed[0].sha256);
}

#[test]
fn ignored_files_stay_out_and_modes_are_reduced_to_executable_or_not() {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        "a.py",
        "a.log",
        "function.toml",
        ".git/config",
        "notes/x.md",
    ] {
        write(dir.path(), path, "x", 0o600);
    }
    write(dir.path(), "run", "x", 0o700);
    write(dir.path(), ".gatelessignore", "notes/\n", 0o600);
    let artifact = pack(dir.path(), &["*.log".into()]).unwrap();
    assert_eq!(
        entries(artifact),
        [("a.py".into(), 0o644), ("run".into(), 0o755)]
    );
}

#[test]
fn a_link_out_of_the_bundle_is_refused_and_one_inside_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "lib/real", "x", 0o644);
    symlink("../lib/real", dir.path().join("lib/alias")).unwrap();
    let names: Vec<String> = entries(pack(dir.path(), &[]).unwrap())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["lib/alias", "lib/real"]);

    symlink("/etc/hostname", dir.path().join("host")).unwrap();
    let failure = pack(dir.path(), &[]).unwrap_err();
    assert!(failure.to_string().contains("/etc/hostname"), "{failure}");
}

#[test]
fn one_executable_is_its_own_bundle() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "serve", "#!/bin/sh\n", 0o755);
    let artifact = pack(&dir.path().join("serve"), &[]).unwrap();
    assert_eq!(artifact.executable_name(), Some("serve"));
    assert_eq!(
        artifact.to_json(),
        json!({
            "sha256": hex::encode(Sha256::digest(b"#!/bin/sh\n")),
            "format": "executable",
            "size": 10,
        })
    );

    write(dir.path(), "data", "x", 0o644);
    let failure = pack(&dir.path().join("data"), &[]).unwrap_err();
    assert!(failure.to_string().contains("chmod +x"), "{failure}");
}
