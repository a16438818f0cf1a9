//! A section's settings from the wire, each checked against the range the server checks too.
//!
//! The rows are in `gateless_common::settings!`. The server sends every setting, so no default is filled in here.

use std::time::Duration;

use gateless_common::spec::{Value, settings};

use super::Error;

/// A wire's number as the sidecar keeps it: 0 is `None` where there may be none.
pub(super) trait Kept<T> {
    fn kept(self) -> T;
}

macro_rules! kept {
    ($($from:ty => $to:ty: $value:ident, $made:expr;)*) => {$(
        impl Kept<$to> for $from {
            fn kept(self) -> $to {
                let $value = self;
                $made
            }
        }
    )*};
}

kept! {
    u64 => u64: value, value;
    u64 => Option<u64>: value, (value > 0).then_some(value);
    u64 => Duration: value, Duration::from_millis(value);
    u64 => Option<Duration>: value, (value > 0).then(|| Duration::from_millis(value));
    u32 => u32: value, value;
    u32 => Option<u32>: value, (value > 0).then_some(value);
    f64 => f64: value, value;
    bool => bool: value, value;
}

/// Refuses a section with a value outside of its range, naming the first.
pub(super) fn check<const N: usize>(section: &str, values: [Value; N]) -> Result<(), Error> {
    for (field, value) in settings(section).iter().zip(values) {
        let none = field.unit.is_none_by_zero() && value.is_zero();
        let value = if none { Value::None } else { value };
        field
            .check(value)
            .map_err(|problem| Error::new(field.json, problem))?;
    }
    Ok(())
}

/// Makes a struct of a message's settings, and of the fields given, unless one is out of its range.
macro_rules! read {
    (
        $kept:ident, $wire:expr, { $($shaped:ident: $value:expr,)* }
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => {{
        let wire = $wire;
        check(stringify!($section), [$(wire.$json.into()),*]).map(|()| $kept {
            $($shaped: $value,)*
            $($toml: wire.$json.kept(),)*
        })
    }};
}
pub(super) use read;
