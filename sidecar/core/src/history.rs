//! Whose finished calls are forgotten first when there are too many: history makes way for itself, never for a call that waits.
//!
//! Deliberately knows neither calls nor a disk.

use crate::name::FunctionName;

/// A bound on what is kept of finished calls, bytes. What is beyond it is removed down to 15 sixteenths, so that not every
/// call that finishes at the bound makes another go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound(pub u64);

impl Bound {
    /// How many bytes are to be removed; `removing` says whether that was begun before.
    #[must_use]
    pub const fn excess(self, kept: u64, removing: bool) -> u64 {
        let low = self.0 - self.0 / 16;
        match kept > self.0 || removing {
            true => kept.saturating_sub(low),
            false => 0,
        }
    }
}

/// The function that keeps most, which makes way: so every one has at least its share of the whole.
#[must_use]
pub fn makes_way<'a>(
    kept: impl IntoIterator<Item = (&'a FunctionName, u64)>,
) -> Option<&'a FunctionName> {
    let some = kept.into_iter().filter(|(_, bytes)| *bytes > 0);
    let most = some.max_by(|(a, kept_a), (b, kept_b)| kept_a.cmp(kept_b).then(b.cmp(a)));
    most.map(|(function, _)| function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_removed_with_some_more() {
        let bound = Bound(1600);
        assert_eq!(bound.excess(1600, false), 0);
        assert_eq!(bound.excess(1601, false), 101);
        assert_eq!(bound.excess(1550, true), 50);
        assert_eq!(bound.excess(1500, true), 0);
        assert_eq!(Bound(0).excess(5, false), 5);
    }

    #[test]
    fn whoever_keeps_most_makes_way_until_all_have_the_same() {
        let name = |n: &str| FunctionName::new("default", n).unwrap();
        let names = [name("a"), name("b"), name("c")];
        let mut kept = [900_u64, 100, 500];
        let mut removed = [0_u64; 3];
        while kept.iter().sum::<u64>() > 700 {
            let all = names.iter().zip(kept);
            let who = makes_way(all).unwrap();
            let who = names.iter().position(|n| n == who).unwrap();
            kept[who] -= 10;
            removed[who] += 10;
        }
        // Two shares of 300 beside one that keeps less than that.
        assert_eq!((kept, removed[1]), ([300, 100, 300], 0));
        assert_eq!(makes_way([(&names[1], 5), (&names[0], 5)]), Some(&names[0]));
        assert_eq!(makes_way([(&names[1], 0)]), None);
    }
}
