//! Which texts are names, as functions that say which rule a text breaks.
//!
//! The reasons are sentences without their subject ("must have ..."), so that whoever reports them names the field.

/// The longest DNS label, in characters.
pub const MAX_LABEL: usize = 63;

/// The longest name of a function, in characters, so that a revision (`NAME-0000000001`) is still a DNS label.
pub const MAX_FUNCTION: usize = 52;

/// The longest name of a variable.
pub const MAX_ENV_NAME: usize = 128;

/// A DNS label (RFC 1123): 1 to 63 of `a-z`, `0-9`, `-`, not beginning or ending with `-`.
///
/// # Errors
/// The broken rule.
pub fn check_label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > MAX_LABEL {
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

/// A function's name: a DNS label of at most [`MAX_FUNCTION`] characters.
///
/// # Errors
/// The broken rule.
pub fn check_function(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_FUNCTION {
        return Err("must have 1 to 52 characters");
    }
    check_label(text)
}

/// Every way to read an address as `TAG-NAME`, as sidecars do: the tag, and the function's name.
pub fn tag_readings(address: &str) -> impl Iterator<Item = (&str, &str)> {
    let reading = |(at, _)| (&address[..at], &address[at + 1..]);
    let valid =
        |(tag, name): &(&str, &str)| check_label(tag).is_ok() && check_function(name).is_ok();
    address.match_indices('-').map(reading).filter(valid)
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
    if text.is_empty() || text.len() > MAX_ENV_NAME {
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

/// A secret and one of its keys, written `SECRET/KEY`.
///
/// # Errors
/// What is wrong with it.
pub fn secret_and_key(text: &str) -> Result<(&str, &str), &'static str> {
    let (secret, key) = text.split_once('/').ok_or("must be SECRET/KEY")?;
    check_label(secret)?;
    check_secret_key(key)?;
    Ok((secret, key))
}

/// Whether `text` is `digits` lower-case hex digits and nothing else.
#[must_use]
pub fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A SHA-256 as 64 lower-case hex digits, the name of an artifact.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    is_hex(text, 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        type Check = fn(&str) -> Result<(), &'static str>;
        let (longest, long) = ("x".repeat(63), "x".repeat(64));
        let (function, too_long) = ("x".repeat(52), "x".repeat(53));
        let table: [(Check, &[&str], &[&str]); 4] = [
            (
                check_label,
                &["a", "a-b", "0", &longest],
                &["", "-a", "a-", "A", "a.b", "a/b", "ä", &long],
            ),
            (
                check_function,
                &["hello", &function],
                &["", &too_long, "a/b"],
            ),
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
    fn a_digest_is_lower_case_hex_of_its_length() {
        assert!(is_sha256(&"0f".repeat(32)));
        for bad in ["0F".repeat(32), "0f".repeat(31), "0g".repeat(32)] {
            assert!(!is_sha256(&bad), "{bad}");
        }
    }
}
