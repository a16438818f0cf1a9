//! A hash that is the same on every host and in every version: for what several hosts decide alike.
//!
//! Not for hash maps, which may differ from process to process, and not against an adversary who chooses the input.

/// FNV-1a (64 bit) over the parts in turn, then the finalizer of `SplitMix64`.
///
/// FNV alone hardly mixes the last bytes into the high bits, and an order or a split is decided by those. Nothing
/// marks where a part ends: whoever needs that passes a separator as a part of its own.
#[must_use]
pub fn stable_hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in parts.iter().copied().flatten() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_in_every_version() {
        // A change here splits a cluster in which both versions run.
        assert_eq!(stable_hash(&[]), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(stable_hash(&[b"a"]), 0x02c0_bdbf_4814_20f8);
        assert_eq!(stable_hash(&[b"ab", b"c"]), stable_hash(&[b"abc"]));
    }

    #[test]
    fn similar_texts_spread_evenly_over_percents() {
        let mut hits = [0_u32; 100];
        for n in 0..100_000 {
            let hash = stable_hash(&[format!("user-{n}").as_bytes()]);
            hits[usize::try_from(hash % 100).unwrap()] += 1;
        }
        assert!(hits.iter().all(|n| (850..1150).contains(n)), "{hits:?}");
    }
}
