//! Rate limits: how many calls a caller, or all callers together, may make in a time.
//!
//! A token bucket, kept as the one time at which it will be full again (the generic cell rate algorithm of ITU-T I.371,
//! in the form of a virtual schedule). Deliberately local: each sidecar counts what comes in through its own doors, and asks nobody.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use gateless_common::network::client_network;

use crate::time::Time;

/// Callers of one function that a sidecar tells apart. Those who come when so many are known share one bucket,
/// so that somebody with many addresses takes nothing from the callers who were there before.
pub const MAX_CALLERS: usize = 16_384;

/// Calls a second, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Time for one call.
    interval: Duration,
    /// Calls that may come at once, at least 1.
    burst: u32,
}

impl Rate {
    /// `per_second` calls, `burst` of them at once; a burst of 0 is what comes in a second, and at least 1.
    /// `None` for a rate of 0 or less: there is no limit.
    #[must_use]
    pub fn new(per_second: f64, burst: u32) -> Option<Self> {
        if per_second.is_nan() || per_second <= 0.0 {
            return None;
        }
        // A rate too high or too low to be counted is the highest or the lowest that can.
        let interval = Duration::try_from_secs_f64(per_second.recip()).unwrap_or(Duration::MAX);
        let interval = interval.clamp(Duration::from_nanos(1), Duration::from_secs(86_400));
        let burst = match burst {
            0 => (per_second.ceil() as u32).max(1),
            burst => burst,
        };
        Some(Self { interval, burst })
    }

    /// The time in which an empty bucket fills.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }
}

/// What a caller has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Calls that may come at once in a full bucket.
    pub limit: u32,
    /// Calls that may come now.
    pub calls: u32,
    /// The time in which an empty bucket fills.
    pub window: Duration,
    /// Until the next call may come, where none may now; else until the bucket is full.
    pub reset: Duration,
}

/// Whoever makes calls, as far as a limit tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// By the network that [`client_network`] says.
    Address(IpAddr),
    /// By the number of an identity that was proven.
    Proven(u64),
}

impl Caller {
    /// The caller with this address.
    #[must_use]
    pub const fn at(address: IpAddr) -> Self {
        Self::Address(client_network(address))
    }
}

/// When a bucket is full again; one that was never taken from always is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket(Time);

impl Bucket {
    /// What is left once a call was taken, and the bucket after it; with nothing left, how long to wait.
    fn after(self, now: Time, rate: Rate) -> Result<(Self, Left), Left> {
        let full = self.0.max(now) + rate.interval;
        let (ahead, window) = (full.since(now), rate.window());
        if ahead > window {
            return Err(Left {
                limit: rate.burst,
                calls: 0,
                window,
                reset: ahead - window,
            });
        }
        let free = (window - ahead).as_nanos() / rate.interval.as_nanos().max(1);
        let left = Left {
            limit: rate.burst,
            calls: u32::try_from(free).unwrap_or(u32::MAX),
            window,
            reset: ahead,
        };
        Ok((Self(full), left))
    }
}

/// The buckets of one function at one sidecar.
///
/// What fills up is forgotten without being looked for: callers move from `recent` to `older` all at once, and whoever has not called
/// for as long as a bucket takes to fill is in neither any more.
#[derive(Debug)]
pub struct Buckets {
    of_all: Option<Rate>,
    of_caller: Option<Rate>,
    all: Bucket,
    recent: BTreeMap<Caller, Bucket>,
    older: BTreeMap<Caller, Bucket>,
    /// Of those who came when there was no room.
    others: Bucket,
    since: Time,
}

impl Buckets {
    /// With full buckets; `None` where nothing is limited.
    #[must_use]
    pub fn new(of_all: Option<Rate>, of_caller: Option<Rate>) -> Option<Self> {
        (of_all.is_some() || of_caller.is_some()).then(|| Self {
            of_all,
            of_caller,
            all: Bucket::default(),
            recent: BTreeMap::new(),
            older: BTreeMap::new(),
            others: Bucket::default(),
            since: Time::ZERO,
        })
    }

    /// Takes one call out of the buckets it counts in, or out of none of them.
    ///
    /// # Errors
    /// When one of them is empty: what to tell the caller of it.
    pub fn take(&mut self, caller: Caller, now: Time) -> Result<Left, Left> {
        let all = self.of_all.map(|rate| self.all.after(now, rate));
        let own = self.of_caller.map(|rate| {
            self.turn(now, rate);
            (self.known(caller), rate)
        });
        let own = own.map(|((key, bucket), rate)| (key, bucket.after(now, rate)));
        let (key, own) = own.unzip();
        // The caller's own is named first: that one it can do something about.
        let (own, all) = (own.transpose()?, all.transpose()?);
        if let Some((bucket, _)) = all {
            self.all = bucket;
        }
        if let Some((bucket, _)) = own {
            match key.flatten() {
                Some(key) => {
                    self.older.remove(&key);
                    self.recent.insert(key, bucket);
                }
                None => self.others = bucket,
            }
        }
        let left = own.into_iter().chain(all).map(|(_, left)| left);
        Ok(left.min_by_key(|left| left.calls).unwrap_or(Left {
            limit: u32::MAX,
            calls: u32::MAX,
            window: Duration::ZERO,
            reset: Duration::ZERO,
        }))
    }

    /// The caller's bucket, and its key unless it shares one.
    fn known(&self, caller: Caller) -> (Option<Caller>, Bucket) {
        let known = self.recent.get(&caller).or_else(|| self.older.get(&caller));
        match known {
            Some(bucket) => (Some(caller), *bucket),
            None if self.recent.len() + self.older.len() < MAX_CALLERS => {
                (Some(caller), Bucket::default())
            }
            None => (None, self.others),
        }
    }

    /// Forgets whose buckets are full by now.
    fn turn(&mut self, now: Time, rate: Rate) {
        if now.since(self.since) >= rate.window() {
            // Twice as long ago: those of `recent` are full, too.
            let long = now.since(self.since) >= rate.window().saturating_mul(2);
            self.older = std::mem::take(&mut self.recent);
            if long {
                self.older.clear();
            }
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests;
