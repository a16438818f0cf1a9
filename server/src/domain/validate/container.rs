//! The settings of a container: which image, who it runs as, and where it may write.
//!
//! Whether the image is there, and for which platform, its registry and each host's engine say when it is fetched.

use super::{Faults, check_program, check_ready, check_words};
use crate::domain::spec::Container;

/// Characters of an image's reference: more than any registry takes.
const MAX_IMAGE: usize = 512;
const MAX_USER: usize = 128;
const MAX_TMPFS: usize = 16;
const MAX_PATH: usize = 4_096;

pub(super) fn check(faults: &mut Faults, container: &Container) {
    faults.check("/spec/container/image", check_image(&container.image));
    check_words(faults, "/spec/container/command", &container.command);
    check_program(faults, "/spec/container/command", &container.command);
    check_words(faults, "/spec/container/args", &container.args);
    if let Some(user) = &container.user {
        faults.check("/spec/container/user", check_user(user));
    }
    if container.tmpfs.len() > MAX_TMPFS {
        let why = format_args!("must have at most {MAX_TMPFS}");
        faults.add("/spec/container/tmpfs", why);
    }
    for (index, path) in container.tmpfs.iter().enumerate() {
        let pointer = format!("/spec/container/tmpfs/{index}");
        faults.check(pointer, check_folder(path));
    }
    check_ready(faults, "/spec/container/ready/path", &container.ready);
}

/// A reference as the distribution project has it: `[HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]`.
fn check_image(image: &str) -> Result<(), &'static str> {
    const RULE: &str =
        "must be an image as `docker pull` takes it: registry.example/name:tag or name@sha256:...";
    if image.is_empty() {
        return Err("is required: the image as `docker pull` takes it");
    }
    if image.len() > MAX_IMAGE {
        return Err("must have at most 512 characters");
    }
    if image.contains("://") {
        return Err("must be an image's name without a scheme");
    }
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err("the digest must be sha256: and 64 lowercase hex digits");
    }
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let mut parts: Vec<&str> = path.split('/').collect();
    let first = parts.first().copied().unwrap_or_default();
    let is_host = parts.len() > 1 && (first.contains(['.', ':']) || first == "localhost");
    if is_host {
        parts.remove(0);
    }
    let good = tag.is_none_or(is_tag)
        && (!is_host || first.bytes().all(is_of_host))
        && parts.into_iter().all(is_component);
    if good { Ok(()) } else { Err(RULE) }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(gateless_common::name::is_sha256)
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)
}

fn is_tag(tag: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    (1..=128).contains(&tag.len()) && tag.bytes().all(allowed) && !tag.starts_with(['.', '-'])
}

/// One part of the name: lower-case letters and digits, with `.`, `_` and `-` between them.
fn is_component(part: &str) -> bool {
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = |b: Option<u8>| b.is_some_and(lower);
    let allowed = |b: u8| lower(b) || b"._-".contains(&b);
    ends(part.bytes().next()) && ends(part.bytes().last()) && part.bytes().all(allowed)
}

fn check_user(user: &str) -> Result<(), &'static str> {
    let named = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        !part.is_empty() && part.bytes().all(allowed) && !part.starts_with('-')
    };
    let good = match user.split_once(':') {
        Some((user, group)) => named(user) && named(group),
        None => named(user),
    };
    match good && user.len() <= MAX_USER {
        true => Ok(()),
        false => Err("must be USER or USER:GROUP, each a name or a number"),
    }
}

fn check_folder(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') || path == "/" || path.len() > MAX_PATH {
        return Err("must be an absolute path below /");
    }
    // A colon begins the mount's options.
    if path.contains(['\0', ':']) || path.split('/').any(|part| part == "..") {
        return Err("must have no .., no colon and no NUL in it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_references_are_images() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let good = [
            "hello",
            "acme/hello",
            "acme/hello:1.2",
            "registry.example/acme/hello:latest",
            "registry.example:5000/hello",
            "localhost/hello:dev",
            "127.0.0.1:5000/a/b/c:V_1",
            &format!("acme/hello@{digest}"),
            &format!("acme/hello:1@{digest}"),
        ];
        for image in good {
            assert_eq!(check_image(image), Ok(()), "{image:?}");
        }
        let long = "a".repeat(MAX_IMAGE + 1);
        let bad = [
            "",
            "Acme/Hello",
            "acme//hello",
            "/hello",
            "hello:",
            "hello:-x",
            "hello world",
            "hello\n",
            "https://registry.example/hello",
            "hello@sha256:12",
            "hello@md5:12",
            "-hello",
            "acme/hello/",
            "r\u{e9}sum\u{e9}",
            "a;b.example/hello",
            long.as_str(),
        ];
        for image in bad {
            assert!(check_image(image).is_err(), "{image:?}");
        }
    }

    #[test]
    fn users_are_names_or_numbers_and_folders_in_memory_are_absolute() {
        for user in ["1000", "app", "1000:1000", "www-data:www-data"] {
            assert_eq!(check_user(user), Ok(()), "{user:?}");
        }
        for user in ["", ":", "a:", ":b", "a b", "-x", "a:b:c", "a\0"] {
            assert!(check_user(user).is_err(), "{user:?}");
        }
        for path in ["/tmp", "/var/cache/app"] {
            assert_eq!(check_folder(path), Ok(()), "{path:?}");
        }
        for path in ["", "/", "tmp", "/a/../b", "/tmp:exec", "/a\0"] {
            assert!(check_folder(path).is_err(), "{path:?}");
        }
    }
}
