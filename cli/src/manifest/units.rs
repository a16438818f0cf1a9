//! Durations, sizes and CPUs as people write them: `"1m30s"`, `"64MiB"`, `"500m"`.
//!
//! They serialize as the API wants them (milliseconds, bytes, millicores). Deliberately strict: a number
//! without a unit is an error unless it is 0, because nobody agrees on what it would mean.

use std::fmt;

use gateless_common::spec::{DURATIONS, SIZES, millicores};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// A duration in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Millis(pub(crate) u64);

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Bytes(pub(crate) u64);

/// CPUs in thousandths, as Kubernetes writes a quantity of them: `"500m"`, `"0.5"` or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Millicores(pub(crate) u32);

/// Read besides [`SIZES`].
const DECIMAL_SIZES: [(&str, u64); 4] = [
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Sums `NUMBER UNIT` pairs; a number may have a fraction.
fn parse(text: &str, units: &[&[(&str, u64)]]) -> Option<u64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let mut total: u64 = 0;
    let mut any = false;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (_, factor) = units
            .iter()
            .flat_map(|units| units.iter())
            .find(|(unit, _)| *unit == &rest[..end])?;
        rest = rest[end..].trim_start();
        #[expect(clippy::cast_precision_loss, reason = "factors are far below 2^52")]
        let product = number * *factor as f64;
        if !(0.0..=9e15).contains(&product) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be within 0 and 9e15"
        )]
        let product = product.round() as u64;
        total = total.checked_add(product)?;
        any = true;
    }
    any.then_some(total)
}

impl std::str::FromStr for Millis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &[&DURATIONS]).map(Self).ok_or_else(|| {
            format!(
                "{text:?} is not a duration; write it like \"500ms\", \"30s\", \"1m30s\" or \"2h\""
            )
        })
    }
}

impl std::str::FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &[&SIZES, &DECIMAL_SIZES])
            .map(Self)
            .ok_or_else(|| {
                format!("{text:?} is not a size; write it like \"512KiB\", \"64MiB\" or \"1GB\"")
            })
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a duration such as \"30s\"";
        deserializer
            .deserialize_any(Quantity { expecting })
            .and_then(|t| t.parse().map_err(de::Error::custom))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "a size such as \"64MiB\"";
        deserializer
            .deserialize_any(Quantity { expecting })
            .and_then(|t| t.parse().map_err(de::Error::custom))
    }
}

impl std::str::FromStr for Millicores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        millicores(text).map(Self).ok_or_else(|| {
            format!("{text:?} is no number of CPUs; write it like \"500m\", \"0.5\" or \"2\"")
        })
    }
}

impl<'de> Deserialize<'de> for Millicores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Cpus)
            .and_then(|text| text.parse().map_err(de::Error::custom))
    }
}

/// A number needs no unit here: everybody agrees on what a CPU is.
struct Cpus;

impl Visitor<'_> for Cpus {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of CPUs such as \"500m\" or 0.5")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

struct Quantity {
    expecting: &'static str,
}

impl Visitor<'_> for Quantity {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        if number == 0 {
            return Ok("0".into());
        }
        Err(E::custom(format!(
            "{number} has no unit; expected {}",
            self.expecting
        )))
    }
}

/// Milliseconds the way [`Millis`] would be written, for tables.
pub(crate) fn show_millis(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..60_000 => format!(
            "{:.1}s",
            f64::from(u32::try_from(millis).unwrap_or(u32::MAX)) / 1e3
        ),
        60_000..3_600_000 => format!("{}m{}s", millis / 60_000, millis / 1_000 % 60),
        3_600_000..86_400_000 => format!("{}h{}m", millis / 3_600_000, millis / 60_000 % 60),
        _ => format!("{}d{}h", millis / 86_400_000, millis / 3_600_000 % 24),
    }
}

/// Bytes for people.
pub(crate) fn show_bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!(
            "{}.{} MiB",
            bytes >> 20,
            (bytes % 1_048_576) * 10 / 1_048_576
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_cpus_parse_as_written() {
        for (text, expected) in [
            ("0", Some(0)),
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("1d 2h", Some(93_600_000)),
            ("30", None),
            ("", None),
            ("s", None),
            ("5 parsecs", None),
            ("-5s", None),
            ("99999999999999d", None),
        ] {
            assert_eq!(parse(text, &[&DURATIONS]), expected, "{text:?}");
        }
        assert_eq!("0.5".parse(), Ok(Millicores(500)));
        assert!("0.0005".parse::<Millicores>().is_err());
        for (text, expected) in [
            ("64MiB", Some(67_108_864)),
            ("1 GB", Some(1_000_000_000)),
            ("1024B", Some(1_024)),
            ("64mib", None),
        ] {
            assert_eq!(parse(text, &[&SIZES, &DECIMAL_SIZES]), expected, "{text:?}");
        }
    }
}
