//! What is wrong with a schedule, in the words of who wrote it.
//!
//! The parser says whether it is one; its own texts speak of its parts and positions, so a wrong schedule is
//! asked about field by field here.

use gateless_common::schedule;

/// The fields of a schedule with seconds, and what each may be.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31, L or W"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of week", "0 to 7 or SUN to SAT, with # or L"),
];

/// Whether it is a schedule as the sidecars read it, too.
///
/// # Errors
/// What is wrong with it, as a sentence without a subject.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    match schedule::parse(pattern) {
        Ok(_) => Ok(()),
        Err(_) => Err(explain(pattern)),
    }
}

fn explain(pattern: &str) -> String {
    let given: Vec<&str> = pattern.split_whitespace().collect();
    if pattern.trim_start().starts_with('@') {
        return "must be @yearly, @monthly, @weekly, @daily or @hourly where it begins with @"
            .into();
    }
    let Some(without) = FIELDS.len().checked_sub(given.len()).filter(|n| *n < 2) else {
        let n = given.len();
        return format!(
            "must have 5 fields (minute, hour, day of month, month, day of week) or 6 (second first), not {n}"
        );
    };
    for (index, (field, (name, range))) in given.iter().zip(&FIELDS[without..]).enumerate() {
        let mut alone = vec!["*"; given.len()];
        alone[index] = field;
        if schedule::parse(&alone.join(" ")).is_err() {
            let field: String = field.chars().take(40).collect();
            return format!(
                "field {} ({name}) must be of {range}, with *, lists, ranges and steps; {field:?} is not",
                index + 1
            );
        }
    }
    "must be a schedule as of cron: each of its fields may be, but not together".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_schedule_is_explained_by_its_field() {
        for (schedule, says) in [
            ("", "must have 5 fields"),
            ("* * *", "not 3"),
            ("* * * * * * *", "not 7"),
            ("61 * * * *", "field 1 (minute) must be of 0 to 59"),
            ("0 25 * * *", "field 2 (hour) must be of 0 to 23"),
            ("0 0 * FOO *", "field 4 (month)"),
            ("0 0 0 32 * *", "field 4 (day of month)"),
            ("0 0 * * 9", "field 5 (day of week)"),
            ("*/0 * * * *", "field 1 (minute)"),
            ("@sometimes", "@hourly"),
        ] {
            let why = check(schedule).err().unwrap();
            assert!(why.contains(says), "{schedule}: {why}");
            for word in ["Component", "Pattern", "Cron", "Position"] {
                assert!(!why.contains(word), "{schedule}: {why}");
            }
        }
        assert!(check("0 3 * * MON-FRI").is_ok());
    }
}
