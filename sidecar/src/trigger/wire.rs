//! What sidecars tell each other of schedules, as messages and as text.

use gateless_core::name::NodeId;
use gateless_core::time::Time;
use gateless_core::trigger::{CallRef, Known, Level, Uid};
use gateless_proto::v1;

use crate::queue::clock::millis;

/// Levels in one message, about 90 bytes each.
pub(super) const LEVELS: usize = 10_000;

/// RFC 3339.
pub(super) fn text(at: Time) -> String {
    let nanos = i128::from(at.as_nanos());
    jiff::Timestamp::from_nanosecond(nanos).map_or_else(|_| String::new(), |t| t.to_string())
}

/// Levels for the wire.
pub(super) fn message(
    node: &NodeId,
    claim: bool,
    levels: impl Iterator<Item = (Uid, Option<Known>)>,
) -> v1::TriggerLevels {
    let level = |(uid, known): (Uid, Option<Known>)| v1::TriggerLevel {
        uid: uid.to_string(),
        settled_ms: known.as_ref().map_or(0, |known| millis(known.settled)),
        waits: known.as_ref().is_some_and(|known| known.waits),
        call_id: known
            .and_then(|known| known.call)
            .map_or_else(String::new, |call| call.to_string()),
    };
    v1::TriggerLevels {
        node_id: node.to_string(),
        claim,
        levels: levels.map(level).collect(),
    }
}

/// And back: what is known.
pub(super) fn levels(message: v1::TriggerLevels) -> Vec<Level> {
    let claimed = claimed(message).into_iter();
    claimed
        .filter_map(|(uid, known)| Some((uid, known?)))
        .collect()
}

/// And back: what is asked about.
pub(super) fn claimed(message: v1::TriggerLevels) -> Vec<(Uid, Option<Known>)> {
    let level = |level: v1::TriggerLevel| {
        let known = (level.settled_ms > 0).then(|| Known {
            settled: Time::from_millis(level.settled_ms),
            call: Some(level.call_id.into()).filter(|call: &CallRef| !call.is_empty()),
            waits: level.waits,
        });
        (Uid::from(level.uid), known)
    };
    message.levels.into_iter().take(LEVELS).map(level).collect()
}
