//! `make bench`: what Gateless costs on one machine, against partners measured in the same run.
//!
//! Rounds are interleaved and medians taken, so that a slow minute of the machine hits every
//! partner. Deliberately without assertions: it is a measurement, and the goals are shown
//! beside it. Nothing here listens anywhere but on loopback.

pub mod cluster;
pub mod cold;
pub mod partners;
pub mod process;
pub mod queue;
pub mod report;
pub mod warm;
pub mod wrk;

/// The middle of some numbers; 0 of none.
#[must_use]
pub fn median(numbers: &[f64]) -> f64 {
    percentile(numbers, 50.0)
}

/// The number that `percent` of them do not exceed (nearest rank); 0 of none.
#[must_use]
pub fn percentile(numbers: &[f64], percent: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let numbers: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(median(&numbers), 100.0);
        assert_eq!(percentile(&numbers, 99.0), 198.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }
}
