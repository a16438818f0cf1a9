//! A field's default and range for people, and in `function.toml`'s own spelling.

use super::{Field, Unit, Value, show_millicores};

/// Units of a duration in milliseconds, the largest first.
pub const DURATIONS: [(&str, u64); 5] = [
    ("d", super::DAY_MS),
    ("h", super::HOUR_MS),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
/// Units of a size in bytes, the largest first.
pub const SIZES: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Field {
    /// A value as `function.toml` has it, without quotes: `1m30s`, `64MiB`, `0.5`.
    #[must_use]
    pub fn spell(&self, value: Value) -> String {
        match (self.unit, value) {
            (_, Value::Whole(0)) => "0".to_owned(),
            (Unit::Millis | Unit::MillisOrNone, Value::Whole(value)) => duration(value),
            (Unit::Bytes | Unit::BytesOrNone, Value::Whole(value)) => size(value),
            (Unit::MillicoresOrNone, Value::Whole(value)) => show_millicores(value),
            (_, value) => value.to_string(),
        }
    }

    /// The default, with what it means where it is a missing limit.
    #[must_use]
    pub fn default_text(&self) -> String {
        match (self.unit, self.default) {
            (Unit::MillisOrNone | Unit::CountOrNone, Value::Whole(0)) => "0: none".to_owned(),
            (
                Unit::Derived
                | Unit::Choice(_)
                | Unit::List
                | Unit::Map
                | Unit::Object
                | Unit::Text,
                Value::None,
            ) => String::new(),
            (_, default) => self.spell(default),
        }
    }

    /// The range, or what else bounds it; empty when nothing does.
    #[must_use]
    pub fn range_text(&self) -> String {
        let range = self
            .range
            .map(|(low, high)| format!("{} to {}", self.spell(low), self.spell(high)));
        match (range, self.also, self.unit) {
            (Some(range), Some(also), _) => format!("{range}; {also}"),
            (Some(range), None, _) => range,
            (None, _, Unit::Choice(choices)) => {
                let quoted: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
                quoted.join(", ")
            }
            (None, _, _) => self.bound.to_owned(),
        }
    }
}

/// The shortest text that reads back as the same.
fn duration(mut rest: u64) -> String {
    let mut text = String::new();
    for (unit, factor) in DURATIONS {
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    text
}

/// In the largest unit that fits without a fraction.
fn size(bytes: u64) -> String {
    let fits = SIZES
        .iter()
        .find(|(_, factor)| bytes.is_multiple_of(*factor));
    fits.map_or_else(
        || bytes.to_string(),
        |(unit, factor)| format!("{}{unit}", bytes / factor),
    )
}
