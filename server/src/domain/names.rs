//! Names: which texts name a namespace, function, revision, secret or variable.
//!
//! The same DNS label rule as in the sidecar's core, written again because the server does not
//! depend on the sidecar.

/// The longest function name, so that a revision (`NAME-0000000001`) is still a DNS label.
pub const MAX_FUNCTION_NAME: usize = 52;

/// A DNS label (RFC 1123); says which rule the text breaks.
///
/// # Errors
/// The broken rule.
pub fn check_label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 63 {
        return Err("must have 1 to 63 characters");
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.bytes().all(allowed) {
        return Err("may only have a-z, 0-9 and -");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err("must not begin or end with -");
    }
    Ok(())
}

/// A function's name: a DNS label of at most [`MAX_FUNCTION_NAME`].
///
/// # Errors
/// The broken rule.
pub fn check_function(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_FUNCTION_NAME {
        return Err("must have 1 to 52 characters");
    }
    check_label(text)
}

/// An environment variable: `[A-Za-z_][A-Za-z0-9_]*`, at most 128, and none the platform sets.
///
/// # Errors
/// The broken rule.
pub fn check_env(text: &str) -> Result<(), &'static str> {
    const RESERVED: [&str; 7] = [
        "PORT",
        "K_SERVICE",
        "K_REVISION",
        "K_CONFIGURATION",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
    ];
    if text.is_empty() || text.len() > 128 {
        return Err("a variable's name must have 1 to 128 characters");
    }
    let mut bytes = text.bytes();
    let first = bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(
            "a variable's name may only have A-Z, a-z, 0-9 and _, and not begin with a digit",
        );
    }
    if RESERVED.contains(&text) || text.starts_with("GATELESS_") {
        return Err("this variable is set by the platform");
    }
    Ok(())
}

/// A key within a secret: 1 to 253 of `A-Z a-z 0-9 . _ -`.
///
/// # Errors
/// The broken rule.
pub fn check_secret_key(text: &str) -> Result<(), &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > 253 || !text.bytes().all(allowed) {
        return Err("a key must have 1 to 253 characters of A-Z, a-z, 0-9, ., _ and -");
    }
    Ok(())
}

/// A sha256 as 64 lowercase hex digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A key of a map as a JSON pointer's segment.
pub fn pointer_segment(key: &str) -> String {
    let cut: String = key.chars().take(128).collect();
    cut.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        type Check = fn(&str) -> Result<(), &'static str>;
        let long = "x".repeat(53);
        let table: [(Check, &[&str], &[&str]); 4] = [
            (
                check_label,
                &["a", "a-b", "0"],
                &["", "-a", "a-", "A", "a.b", "ä"],
            ),
            (check_function, &["hello"], &["", &long, "a/b"]),
            (
                check_env,
                &["A", "_a1"],
                &["", "1A", "A-B", "A=B", "PORT", "GATELESS_URL", "A\0"],
            ),
            (
                check_secret_key,
                &["api.key", "A_b-1"],
                &["", "a b", "a\n", "a/b"],
            ),
        ];
        for (check, good, bad) in table {
            for text in good {
                assert!(check(text).is_ok(), "{text:?}");
            }
            for text in bad {
                assert!(check(text).is_err(), "{text:?}");
            }
        }
    }

    #[test]
    fn a_pointer_segment_is_escaped() {
        assert_eq!(pointer_segment("a/b~c"), "a~1b~0c");
    }
}
