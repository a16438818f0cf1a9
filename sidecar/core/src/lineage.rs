//! Whether a catalogue that is offered may take the place of the one a sidecar has.
//!
//! It may when what the sidecar has is in its past: an older version of the same catalogue, or one that a restore began
//! with. A stranger's may not, nor its own past, as a server that lost its disk or was restored from an older backup
//! offers it; unless an operator says that it counts as its past. Deliberately no view of what is in it.

use std::sync::Arc;

/// A state of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which catalogue; another after each restore.
    pub catalogue: Arc<str>,
    /// Higher is newer, within one catalogue.
    pub version: u64,
}

/// Where a catalogue comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ancestry {
    /// The same over all restores; for people and to tell a stranger from a relative.
    pub lineage: Arc<str>,
    /// The catalogues it was before, each up to the version it had then, and those that an operator said it replaces.
    pub past: Vec<Mark>,
}

/// Why a catalogue is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is of another lineage.
    Foreign,
    /// It lacks what this sidecar has had already.
    Older,
}

impl Refused {
    /// For programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign_catalogue",
            Self::Older => "older_catalogue",
        }
    }
}

/// Whether `offered`, which comes from `ancestry`, may replace what is held; `lineage` is that of what is held.
///
/// # Errors
/// Says why not.
pub fn judge(
    held: &Mark,
    lineage: &str,
    offered: &Mark,
    ancestry: &Ancestry,
) -> Result<(), Refused> {
    let holds_nothing = held.catalogue.is_empty();
    let grew = held.catalogue == offered.catalogue && held.version <= offered.version;
    let covers = |past: &Mark| past.catalogue == held.catalogue && held.version <= past.version;
    if holds_nothing || grew || ancestry.past.iter().any(covers) {
        return Ok(());
    }
    let related = held.catalogue == offered.catalogue || *ancestry.lineage == *lineage;
    Err(if related {
        Refused::Older
    } else {
        Refused::Foreign
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(catalogue: &str, version: u64) -> Mark {
        Mark {
            catalogue: catalogue.into(),
            version,
        }
    }

    #[track_caller]
    fn check(
        held: (&str, u64),
        offered: (&str, u64),
        past: &[(&str, u64)],
        expected: Result<(), Refused>,
    ) {
        let ancestry = Ancestry {
            lineage: "line".into(),
            past: past
                .iter()
                .map(|(id, version)| mark(id, *version))
                .collect(),
        };
        let lineage = if held.0.starts_with("stranger") {
            "other"
        } else {
            "line"
        };
        let judged = judge(
            &mark(held.0, held.1),
            lineage,
            &mark(offered.0, offered.1),
            &ancestry,
        );
        assert_eq!(judged, expected, "{held:?} {offered:?} {past:?}");
    }

    #[test]
    fn only_what_has_the_held_one_in_its_past_takes_its_place() {
        check(("", 0), ("a", 1), &[], Ok(()));
        check(("a", 7), ("a", 7), &[], Ok(()));
        check(("a", 7), ("a", 8), &[], Ok(()));
        // The disk of an earlier day.
        check(("a", 7), ("a", 6), &[], Err(Refused::Older));
        // Restored from a backup of version 7, which is all there was, and from an older one, however far it has come since.
        check(("a", 7), ("b", 7), &[("a", 7)], Ok(()));
        check(("a", 8), ("b", 9), &[("a", 7)], Err(Refused::Older));
        check(
            ("a", 8),
            ("c", 9),
            &[("a", 7), ("b", 9)],
            Err(Refused::Older),
        );
        // An empty server at the old address, and what an operator says of it.
        check(("stranger", 8), ("a", 90), &[], Err(Refused::Foreign));
        check(("stranger", 8), ("a", 90), &[("stranger", 8)], Ok(()));
        check(
            ("stranger", 9),
            ("a", 90),
            &[("stranger", 8)],
            Err(Refused::Foreign),
        );
    }
}
