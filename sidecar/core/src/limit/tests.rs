//! Buckets over invented time.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn rate(per_second: f64, burst: u32) -> Rate {
    Rate::new(per_second, burst).unwrap()
}

fn address(number: u32) -> Caller {
    Caller::at(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

fn of_callers(per_second: f64, burst: u32) -> Buckets {
    Buckets::new(None, Some(rate(per_second, burst))).unwrap()
}

#[test]
fn bucket_gives_its_burst_and_then_its_rate() {
    let mut buckets = of_callers(2.0, 3);
    let caller = address(1);
    let at = Time::from_millis;
    let left = |calls| (calls, true);
    let mut take = |ms| match buckets.take(caller, at(ms)) {
        Ok(left) => (left.calls, true),
        Err(left) => (u32::try_from(left.reset.as_millis()).unwrap(), false),
    };
    assert_eq!(take(1_000), left(2));
    assert_eq!(take(1_000), left(1));
    assert_eq!(take(1_000), left(0));
    assert_eq!(take(1_000), (500, false));
    assert_eq!(take(1_400), (100, false));
    assert_eq!(take(1_500), left(0));
    assert_eq!(take(1_500), (500, false));
    // Full again, and no fuller than full.
    assert_eq!(take(60_000), left(2));
}

#[test]
fn callers_have_a_bucket_each_and_all_have_one_together() {
    let mut buckets = Buckets::new(Some(rate(1.0, 3)), Some(rate(1.0, 2))).unwrap();
    let now = Time::from_millis(5_000);
    assert!(buckets.take(address(1), now).is_ok());
    assert!(buckets.take(address(1), now).is_ok());
    assert_eq!(buckets.take(address(1), now).unwrap_err().limit, 2);
    // What its own bucket refused was not taken out of everybody's.
    assert!(buckets.take(address(2), now).is_ok());
    assert_eq!(buckets.take(address(2), now).unwrap_err().limit, 3);
    // And what everybody's refused was not taken out of its own.
    let later = now + Duration::from_millis(1_000);
    assert_eq!(
        buckets.take(address(2), later).map(|left| left.calls),
        Ok(0)
    );
}

#[test]
fn whoever_comes_when_too_many_are_known_takes_nothing_from_those_who_are() {
    let mut buckets = of_callers(1.0, 2);
    let now = Time::from_millis(1);
    for number in 0..u32::try_from(MAX_CALLERS).unwrap() {
        assert!(buckets.take(address(number), now).is_ok());
    }
    let strangers = (1 << 24..).map(address);
    let admitted = strangers
        .take(1_000)
        .filter(|stranger| buckets.take(*stranger, now).is_ok());
    assert_eq!(admitted.count(), 2);
    assert!(buckets.take(address(7), now).is_ok());
    assert!(buckets.recent.len() <= MAX_CALLERS);
    // Once their buckets are full they need not be known any more.
    let later = now + Duration::from_secs(4);
    assert!(buckets.take(address(1 << 30), later).is_ok());
    assert_eq!(buckets.recent.len(), 1);
}

#[test]
fn no_more_are_known_than_may_be_however_many_come_and_stay() {
    let mut buckets = of_callers(1.0, 4);
    let most = u32::try_from(MAX_CALLERS).unwrap();
    let mut now = Time::from_millis(1);
    for generation in 0..6 {
        // Half of those of the time before, and as many new ones.
        let first = generation * most / 2;
        for number in first..first + most {
            buckets.take(address(number), now).ok();
            let known = buckets.recent.len() + buckets.older.len();
            assert!(known <= MAX_CALLERS, "{known}");
        }
        now += Duration::from_secs(4);
    }
    // Whoever goes on calling stays known, and once.
    let mut buckets = of_callers(1.0, 4);
    for _ in 0..6 {
        assert!(buckets.take(address(1), now).is_ok());
        assert_eq!(buckets.recent.len() + buckets.older.len(), 1);
        now += Duration::from_secs(4);
    }
}

#[test]
fn site_is_one_caller_whichever_of_its_addresses_it_uses() {
    let at = |last| {
        Caller::at(IpAddr::V6(Ipv6Addr::new(
            0x2001, 0xdb8, 1, 2, 0, 0, 0, last,
        )))
    };
    assert_eq!(at(1), at(2));
    let mapped = IpAddr::V6(Ipv4Addr::from_bits(9).to_ipv6_mapped());
    assert_eq!(Caller::at(mapped), address(9));
}

#[test]
fn rates_that_cannot_be_counted_are_the_nearest_that_can() {
    assert_eq!(Rate::new(0.0, 5), None);
    assert_eq!(Rate::new(-1.0, 5), None);
    assert_eq!(Rate::new(f64::NAN, 5), None);
    assert_eq!(rate(1e300, 1).interval, Duration::from_nanos(1));
    assert_eq!(rate(1e-300, 1).interval, Duration::from_secs(86_400));
    assert_eq!(rate(0.25, 0).burst, 1);
    assert_eq!(rate(10.0, 0).burst, 10);
}

proptest! {
    /// However calls come, in any span no more pass than the burst and what the rate gives in it.
    #[test]
    fn no_more_pass_than_the_rate_allows(
        steps in prop::collection::vec((0_u64..400, 0_u32..4), 1..400),
        per_second in 1_u32..50,
        burst in 1_u32..20,
    ) {
        let mut buckets = of_callers(per_second.into(), burst);
        let mut now = 1_000_u64;
        let mut passed = vec![Vec::new(); 4];
        for (ahead, caller) in steps {
            now += ahead;
            if buckets.take(address(caller), Time::from_millis(now)).is_ok() {
                passed[caller as usize].push(now);
            }
        }
        for times in passed {
            for (first, from) in times.iter().enumerate() {
                for (last, to) in times.iter().enumerate().skip(first) {
                    let most = f64::from(burst) + f64::from(per_second) * (to - from) as f64 / 1e3;
                    prop_assert!((last - first + 1) as f64 <= most + 1e-6);
                }
            }
        }
    }
}
