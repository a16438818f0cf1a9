//! What a function's spec has: every field with its names, unit, default, range and meaning, as a table.
//!
//! The numbers and flags are the rows of [`settings!`](crate::settings), from which the server, the sidecar and the command line
//! also make their types; the rest is described in [`shaped`]. From this table come the defaults and ranges of the OpenAPI
//! document and of `function.toml`'s schema, the tables of the documentation and of the dashboard's form, and every check of a range.
//! Deliberately no types of the API here: a field's shape is the server's business.

mod cpu;
mod settings;
mod shaped;
mod show;

pub use self::cpu::{millicores, show_millicores};
pub use self::show::{DURATIONS, SIZES};

use std::fmt;
use std::ops::{RangeFull, RangeInclusive};
use std::sync::LazyLock;

/// Milliseconds of an hour.
pub const HOUR_MS: u64 = 3_600_000;
/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// `scaling.target` of calls at once, where nothing else says it.
pub const CONCURRENCY_TARGET: f64 = 100.0;
/// `scaling.target` of calls a second.
pub const RPS_TARGET: f64 = 200.0;
/// `limits.container_concurrency` of a component, which shares the sidecar's process and so always has one.
pub const COMPONENT_CONCURRENCY: u32 = 100;

/// One object of the spec, or the spec itself.
#[derive(Debug)]
pub struct Section {
    /// Its JSON name; empty for the spec itself.
    pub name: &'static str,
    /// What its settings are of.
    pub text: &'static str,
    /// What the API's schema describes besides its settings.
    pub shaped: &'static [Field],
    /// Its numbers and flags, in the order of [`settings!`](crate::settings).
    pub settings: Vec<Field>,
}

/// One setting, as tables and forms show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The section it is in.
    pub section: &'static str,
    /// Its name in JSON, within the section.
    pub json: &'static str,
    /// Its key in `function.toml`, within the section's table; empty when it has none of its own.
    pub toml: &'static str,
    /// What its value is.
    pub unit: Unit,
    /// In force when it is left out.
    pub default: Value,
    /// Least and most.
    pub range: Option<(Value, Value)>,
    /// Allowed besides the range.
    pub also: Option<Value>,
    /// A bound that is no range of numbers.
    pub bound: &'static str,
    /// Its meaning, one line.
    pub text: &'static str,
}

/// What a field's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A whole number of milliseconds.
    Millis,
    /// Milliseconds; 0 switches it off.
    MillisOrNone,
    /// A whole number of bytes.
    Bytes,
    /// Bytes; left out there is no limit.
    BytesOrNone,
    /// Thousandths of a CPU; left out there is no limit.
    MillicoresOrNone,
    /// A whole number.
    Count,
    /// A whole number; 0: no limit.
    CountOrNone,
    /// A number that may have a fraction.
    Number,
    /// A number that follows from other fields when it is left out.
    Derived,
    /// True or false.
    Flag,
    /// A text of any length.
    Text,
    /// One of some texts.
    Choice(&'static [&'static str]),
    /// Several texts, in order.
    List,
    /// Names and texts.
    Map,
    /// Of a shape of its own.
    Object,
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// There is none.
    None,
    /// True or false.
    Flag(bool),
    /// Milliseconds, bytes or a count.
    Whole(u64),
    /// Any other number.
    Number(f64),
    /// A text, as it is written in JSON without the quotes.
    Text(&'static str),
}

/// A type a setting can have in the API.
pub trait Setting: Into<Value> {
    /// What bounds it.
    type Range;

    /// Both ends, if there are any.
    fn ends(range: Self::Range) -> Option<(Value, Value)>;
}

macro_rules! numbers {
    ($($type:ty => $case:ident,)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$case(value.into())
            }
        }

        impl Setting for $type {
            type Range = RangeInclusive<$type>;

            fn ends(range: Self::Range) -> Option<(Value, Value)> {
                let (low, high) = range.into_inner();
                Some((low.into(), high.into()))
            }
        }
    )*};
}

numbers! { u32 => Whole, u64 => Whole, f64 => Number, }

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl Setting for bool {
    type Range = RangeFull;

    fn ends(_: RangeFull) -> Option<(Value, Value)> {
        None
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl<T: Setting> Setting for Option<T> {
    type Range = T::Range;

    fn ends(range: T::Range) -> Option<(Value, Value)> {
        T::ends(range)
    }
}

impl Unit {
    /// Whether a number of 0 stands for none where messages have no other way to leave one out.
    #[must_use]
    pub fn is_none_by_zero(self) -> bool {
        matches!(self, Self::BytesOrNone | Self::MillicoresOrNone)
    }
}

impl Value {
    /// Whether it is 0.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::Whole(0) || self == Self::Number(0.0)
    }

    fn within(self, low: Self, high: Self) -> bool {
        match (self, low, high) {
            (Self::Whole(value), Self::Whole(low), Self::Whole(high)) => {
                (low..=high).contains(&value)
            }
            // NaN and infinity are in no range.
            (Self::Number(value), Self::Number(low), Self::Number(high)) => {
                (low..=high).contains(&value)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Flag(value) => value.fmt(f),
            Self::Whole(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl Field {
    /// Where it is in the spec: `limits.timeout_ms`.
    #[must_use]
    pub fn path(&self) -> String {
        dotted(self.section, self.json)
    }

    /// Where it is in `function.toml`: `limits.timeout`. Those of a process have no table of their own.
    #[must_use]
    pub fn toml_path(&self) -> String {
        let own_key = self.section == "process" || self.toml == "component" || self.toml == "image";
        dotted(if own_key { "" } else { self.section }, self.toml)
    }

    /// JSON pointer to it in an apply request.
    #[must_use]
    pub fn pointer(&self) -> String {
        format!("/spec/{}", self.path().replace('.', "/"))
    }

    /// Whether it may have this value. One that may be left out may be [`Value::None`].
    ///
    /// # Errors
    /// What would be right; the field itself is for the caller to name.
    pub fn check(&self, value: Value) -> Result<(), String> {
        let Some((low, high)) = self.range else {
            return Ok(());
        };
        let left_out = value == Value::None && self.default == Value::None;
        if left_out || value.within(low, high) || self.also == Some(value) {
            return Ok(());
        }
        Err(match self.also {
            Some(also) => format!("must be {also} or {low} to {high}, not {value}"),
            None => format!("must be {low} to {high}, not {value}"),
        })
    }
}

fn dotted(section: &str, name: &str) -> String {
    match (section, name) {
        (_, "") => String::new(),
        ("", name) => name.to_owned(),
        (section, name) => format!("{section}.{name}"),
    }
}

/// The fields of an emitted section.
macro_rules! table {
    ($section:ident {$(
        $(#[doc = $text:literal])+
        $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
    )*}) => {
        vec![$({
            let range: <$type as Setting>::Range = $range;
            let default: $type = $default;
            Field {
                section: stringify!($section),
                json: stringify!($json),
                toml: stringify!($toml),
                unit: unit!($unit),
                default: default.into(),
                range: <$type as Setting>::ends(range),
                also: [$(Value::from($also))?].first().copied(),
                bound: "",
                text: concat!($($text),+).trim_ascii(),
            }
        }),*]
    };
}

macro_rules! unit {
    (millis) => {
        Unit::Millis
    };
    (millis_or_none) => {
        Unit::MillisOrNone
    };
    (bytes) => {
        Unit::Bytes
    };
    (bytes_or_none) => {
        Unit::BytesOrNone
    };
    (millicores_or_none) => {
        Unit::MillicoresOrNone
    };
    (count) => {
        Unit::Count
    };
    (count_or_none) => {
        Unit::CountOrNone
    };
    (number) => {
        Unit::Number
    };
    (derived) => {
        Unit::Derived
    };
    (flag) => {
        Unit::Flag
    };
}

/// The whole spec, section by section.
pub static SECTIONS: LazyLock<[Section; 11]> = LazyLock::new(|| {
    let section = |name, text, shaped, settings| Section {
        name,
        text,
        shaped,
        settings,
    };
    [
        section("", "Of every function.", &shaped::TOP[..], Vec::new()),
        section(
            "process",
            "Of a process that serves HTTP on `$PORT`.",
            &shaped::PROCESS[..],
            crate::settings!(process => table),
        ),
        section(
            "wasm",
            "Of a `wasi:http` component, run inside the sidecar.",
            &shaped::WASM[..],
            crate::settings!(wasm => table),
        ),
        section(
            "container",
            "Of a container that serves HTTP, run by the host's container engine.",
            &shaped::CONTAINER[..],
            crate::settings!(container => table),
        ),
        section(
            "access",
            "What it asks of its callers. In force for all revisions as soon as it is applied.",
            &shaped::ACCESS[..],
            crate::settings!(access => table),
        ),
        section(
            "limits",
            "Bounds on one call.",
            &[],
            crate::settings!(limits => table),
        ),
        section(
            "hold",
            "Bounds on calls held per revision and sidecar while no instance is ready.",
            &[],
            crate::settings!(hold => table),
        ),
        section(
            "retries",
            "Retries of calls that failed before a response. Refusals by a full gate are no retries.",
            &[],
            crate::settings!(retries => table),
        ),
        section(
            "liveness",
            "Probes of instances that say nothing: one that does not answer them is replaced. Components need none.",
            &shaped::LIVENESS[..],
            crate::settings!(liveness => table),
        ),
        section(
            "scaling",
            "The autoscaler: Knative's KPA, with its names and defaults.",
            &shaped::SCALING[..],
            crate::settings!(scaling => table),
        ),
        section(
            "async",
            "How queued (asynchronous) calls are delivered.",
            &shaped::ASYNC,
            crate::settings!(async => table),
        ),
    ]
});

/// The settings of a section, in the order of [`settings!`](crate::settings); none for a name that no section has.
#[must_use]
pub fn settings(section: &str) -> &'static [Field] {
    let found = SECTIONS.iter().find(|known| known.name == section);
    found.map_or(&[], |section| &section.settings)
}

/// Every field, section by section.
pub fn fields() -> impl Iterator<Item = &'static Field> {
    SECTIONS
        .iter()
        .flat_map(|section| section.shaped.iter().chain(&section.settings))
}

#[cfg(test)]
mod tests;
