//! Moments in records are milliseconds since 1970.

use gateless_common::time::UnixMillis;
use serde::{Deserialize as _, Deserializer, Serializer};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
pub(super) fn serialize<S: Serializer>(at: &UnixMillis, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(at.0)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixMillis, D::Error> {
    u64::deserialize(from).map(UnixMillis)
}
