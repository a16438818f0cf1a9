//! What readers, other users and a crash see of the files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_replaced_file_has_the_new_content_and_the_mode_asked_for() {
    type Replace = fn(&Path, &[u8], u32) -> io::Result<()>;
    for replace in [replace as Replace, replace_until_reboot] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "a longer old content").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"new", PRIVATE).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(mode(&path), PRIVATE);
        assert_eq!(names(folder.path()), ["file"]);
    }
}

#[test]
fn a_replacement_is_not_seen_before_its_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    replace(&path, b"old", PRIVATE).unwrap();
    let mut file = replacement(&path, PRIVATE).unwrap();
    file.write_all(b"half").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn what_a_crash_left_beside_it_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let left = folder.path().join("file.tmp");
    fs::write(&left, "readable by all").unwrap();
    fs::set_permissions(&left, Permissions::from_mode(0o644)).unwrap();
    replace_until_reboot(&path, b"new", PRIVATE).unwrap();
    assert_eq!(
        (fs::read(&path).unwrap(), mode(&path)),
        (b"new".to_vec(), PRIVATE)
    );
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn of_many_who_create_a_file_one_does_and_all_find_it_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let made = std::thread::scope(|scope| {
        let one = |n: u8| {
            let path = &path;
            scope.spawn(move || {
                let made = create(path, &[n; 1000], PRIVATE).unwrap();
                let found = fs::read(path).unwrap();
                assert!(found.len() == 1000 && found.iter().all(|b| *b == found[0]));
                assert!(!made || found[0] == n);
                usize::from(made)
            })
        };
        let all: Vec<_> = (0..8).map(one).collect();
        all.into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<usize>()
    });
    assert_eq!((made, mode(&path)), (1, PRIVATE));
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_private_folder_is_closed_and_one_that_was_there_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("a/b");
    private_dir(&new).unwrap();
    assert_eq!((mode(&new), mode(&folder.path().join("a"))), (0o700, 0o700));
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
    private_dir(&open).unwrap();
    assert_eq!(mode(&open), 0o755);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(private_dir(&file).is_err());
}

#[test]
fn moved_into_place_it_replaces_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    move_into_place(&from, &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"new");
    assert!(move_into_place(&from, &to).is_err());
}
