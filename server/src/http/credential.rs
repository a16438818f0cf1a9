//! What is asked of every credential that is made here, whatever it opens: how long it is good, and what it is for.

use crate::auth::MAX_TTL_SECONDS;
use crate::domain::validate::Faults;

const MAX_DESCRIPTION_BYTES: usize = 256;

/// Notes a `ttl_seconds` out of its bounds.
pub(super) fn check_ttl(faults: &mut Faults, seconds: u64) {
    if !(1..=MAX_TTL_SECONDS).contains(&seconds) {
        let bounds = format_args!("must be 1 to {MAX_TTL_SECONDS}");
        faults.add("/ttl_seconds", bounds);
    }
}

/// Notes a `description` that is too long to list, or no line of text.
pub(super) fn check_description(faults: &mut Faults, text: &str) {
    if text.len() > MAX_DESCRIPTION_BYTES || text.chars().any(char::is_control) {
        let bounds = format_args!(
            "must have at most {MAX_DESCRIPTION_BYTES} bytes and no control characters"
        );
        faults.add("/description", bounds);
    }
}
