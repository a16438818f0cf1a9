//! Who made a call, as it is written on disk and sent to a key's home.

use gateless_core::policy::Maker;

/// A maker as it is written.
pub(in crate::queue) const fn maker_number(maker: &Maker) -> u32 {
    match maker {
        Maker::Unknown => 0,
        Maker::Anonymous => 1,
        Maker::Function(_) => 2,
        Maker::Trigger => 3,
    }
}

/// The function that a maker is, as it is written; empty where it is none, or not known.
pub(in crate::queue) fn caller_function(maker: &Maker) -> String {
    match maker {
        Maker::Function(Some(name)) => name.to_string(),
        _ => String::new(),
    }
}

/// And as both are read: one of a later version has nobody's rights.
pub(in crate::queue) fn maker_of(number: u32, caller_function: &str) -> Maker {
    match number {
        0 | 4 => Maker::Unknown,
        2 => Maker::Function(caller_function.parse().ok()),
        3 => Maker::Trigger,
        _ => Maker::Anonymous,
    }
}
