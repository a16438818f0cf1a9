//! What a sidecar says of itself, as conditions.

use super::{Finding, Status};

/// `Isolated`, of what a sidecar says of itself: the level its operator asked for (empty: it says nothing), what its host lacks of
/// that, and whether that is nothing a sandbox needs.
pub fn isolated(level: &str, missing: &[String], whole: bool) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new("Isolated", status, reason, message);
    let lacks = missing.join(", ");
    match (level, whole) {
        ("", _) => finding(
            Status::Unknown,
            "not_told",
            "an older sidecar, which does not say".into(),
        ),
        ("none", _) => {
            let mut message =
                "functions can do what the sidecar's user can: --isolation none".to_owned();
            if !missing.is_empty() {
                message = format!("{message}; this host lacks: {lacks}");
            }
            finding(Status::False, "switched_off", message)
        }
        (_, true) if missing.is_empty() => finding(Status::True, "sandboxed", String::new()),
        (_, true) => finding(
            Status::True,
            "sandboxed",
            format!("without what is no part of a sandbox: {lacks}"),
        ),
        (_, false) => finding(
            Status::False,
            "parts_missing",
            format!("this host lacks: {lacks}"),
        ),
    }
}

/// `CatalogueTaken`, of a sidecar: why it keeps a catalogue of its own instead of the server's, if it does, and the version it keeps.
pub fn catalogue_taken(refused: Option<&str>, kept: u64) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new("CatalogueTaken", status, reason, message);
    let settle = "gateless server accept lets it be taken, gateless server restore --from-fleet takes the sidecars' back";
    match refused {
        None => finding(Status::True, "taken", String::new()),
        Some("older_catalogue") => finding(
            Status::False,
            "older_catalogue",
            format!(
                "it goes on with version {kept}, which this server's catalogue does not have in its past: {settle}"
            ),
        ),
        Some(reason) => finding(
            Status::False,
            reason,
            format!("it goes on with version {kept} of another catalogue: {settle}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecars_isolation_is_whole_missing_parts_off_or_not_told() {
        let check = |level, missing: &[&str], whole, status, reason: &str| {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let found = isolated(level, &missing, whole);
            assert_eq!((found.status, found.reason.as_str()), (status, reason));
            for part in missing {
                assert!(found.message.contains(&part), "{}", found.message);
            }
        };
        check("sandbox", &[], true, Status::True, "sandboxed");
        check("sandbox", &["landlock"], true, Status::True, "sandboxed");
        check(
            "best-effort",
            &["seccomp", "x"],
            false,
            Status::False,
            "parts_missing",
        );
        check("none", &[], false, Status::False, "switched_off");
        check("none", &["a fence"], false, Status::False, "switched_off");
        check("", &[], false, Status::Unknown, "not_told");
    }

    #[test]
    fn a_sidecar_that_keeps_its_catalogue_says_so() {
        assert_eq!(catalogue_taken(None, 0).status, Status::True);
        for reason in ["older_catalogue", "foreign_catalogue"] {
            let found = catalogue_taken(Some(reason), 7);
            assert_eq!(
                (found.status, found.reason.as_str()),
                (Status::False, reason)
            );
            assert!(found.message.contains("version 7"), "{}", found.message);
        }
    }
}
