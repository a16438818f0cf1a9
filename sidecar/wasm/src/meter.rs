//! What one call used so far, seen from outside the guest: CPU time, outgoing requests, and the response
//! once the guest has set it. Shared between the guest's host functions and whoever polls the guest.
//!
//! CPU time is the thread's own clock, so neither waiting for others nor a busy machine counts against a
//! function. Reading that clock is a system call, and two of them were a twentieth of a short call's cost:
//! so a poll shorter than [`SHORT`] is charged what the wall clock says, which is never too little, and the
//! thread's clock at the beginning of a poll is reckoned from a reading at most that old. The epoch only
//! decides when a running guest is looked at.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::clock::{self, thread_cpu};
use crate::settings::Limits;

/// The guest's response, or the code it gave instead.
pub(crate) type Answer = Result<http::Response<HyperOutgoingBody>, String>;

/// Trap of a guest that computed too long.
#[derive(Debug, thiserror::Error)]
#[error("CPU time is used up")]
pub(crate) struct CpuTimeUsedUp;

/// Nanoseconds of computing after which a call takes turns: most calls never come near it.
const LONG: u64 = 10_000_000;

/// Nanoseconds of a poll for which the wall clock will do.
const SHORT: u64 = 1_000_000;

thread_local! {
    /// When this thread's CPU clock was read last, and what it said.
    static READ: Cell<Option<(Instant, u64)>> = const { Cell::new(None) };
}

pub(crate) struct Call {
    answer: Mutex<Option<Answer>>,
    /// Nanoseconds of former polls.
    computed: AtomicU64,
    /// The thread's CPU clock when the present poll began.
    entered: AtomicU64,
    /// When that was, in nanoseconds since `began`.
    entered_at: AtomicU64,
    /// When the last poll was over, likewise.
    left_at: AtomicU64,
    began: Instant,
    entered_before: AtomicBool,
    cpu_limit: u64,
    outgoing_total: AtomicU32,
    outgoing_now: AtomicU32,
    outgoing_refused: AtomicBool,
    /// When everything must be over.
    pub(crate) deadline: Option<Instant>,
    /// Whatever the sidecar attached to the request; goes with every outgoing one.
    pub(crate) extensions: http::Extensions,
}

impl Call {
    pub(crate) fn new(
        limits: &Limits,
        deadline: Option<Instant>,
        extensions: http::Extensions,
    ) -> Self {
        Self {
            answer: Mutex::new(None),
            computed: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            entered_at: AtomicU64::new(0),
            left_at: AtomicU64::new(0),
            began: clock::now(),
            entered_before: AtomicBool::new(false),
            cpu_limit: nanos(limits.cpu_time),
            outgoing_total: AtomicU32::new(0),
            outgoing_now: AtomicU32::new(0),
            outgoing_refused: AtomicBool::new(false),
            deadline,
            extensions,
        }
    }

    pub(crate) fn set_answer(&self, answer: Answer) {
        *self.answer.lock() = Some(answer);
    }

    pub(crate) fn take_answer(&self) -> Option<Answer> {
        self.answer.lock().take()
    }

    /// The guest is about to be polled on this thread. The first time, making its store just before
    /// is its own doing too.
    pub(crate) fn enter(&self) {
        let now = if self.entered_before.load(Ordering::Relaxed) {
            clock::now()
        } else {
            self.entered_before.store(true, Ordering::Relaxed);
            self.began
        };
        let at = self.since_began(now);
        self.entered_at.store(at, Ordering::Relaxed);
        self.entered.store(reckoned(now), Ordering::Relaxed);
    }

    fn since_began(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.began))
    }

    /// The poll is over.
    pub(crate) fn leave(&self) {
        let at = self.since_began(clock::now());
        self.left_at.store(at, Ordering::Relaxed);
        self.computed.fetch_add(self.until(at), Ordering::Relaxed);
    }

    /// When the last poll was over.
    pub(crate) fn left_at(&self) -> Instant {
        self.began + Duration::from_nanos(self.left_at.load(Ordering::Relaxed))
    }

    /// CPU time of the present poll; only within one.
    pub(crate) fn in_poll(&self) -> u64 {
        self.until(self.since_began(clock::now()))
    }

    /// CPU time of the present poll up to now, `at` nanoseconds since the call began.
    fn until(&self, at: u64) -> u64 {
        let wall = at.saturating_sub(self.entered_at.load(Ordering::Relaxed));
        if wall < SHORT {
            return wall;
        }
        thread_cpu().saturating_sub(self.entered.load(Ordering::Relaxed))
    }

    /// Nanoseconds of all polls that are over.
    pub(crate) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// Whether it computed long enough to take turns with others that do.
    pub(crate) fn is_long(&self) -> bool {
        self.computed.load(Ordering::Relaxed) > LONG
    }

    /// Whether the former polls together took too long.
    pub(crate) fn is_used_up(&self) -> bool {
        self.is_used_up_with(0)
    }

    /// Whether the former polls and `more` nanoseconds together are too long.
    pub(crate) fn is_used_up_with(&self, more: u64) -> bool {
        self.computed.load(Ordering::Relaxed).saturating_add(more) > self.cpu_limit
    }

    /// Whether the limits allow another outgoing request; nothing is taken yet.
    pub(crate) fn may_begin_outgoing(&self, limits: &Limits) -> bool {
        let total = self.outgoing_total.load(Ordering::Relaxed);
        let allowed =
            total < limits.outgoing_total && self.outgoing_now() < limits.outgoing_concurrent;
        if !allowed {
            self.outgoing_refused.store(true, Ordering::Relaxed);
        }
        allowed
    }

    /// Takes a place for one outgoing request, if the limits allow it; give it back with `end_outgoing`.
    pub(crate) fn begin_outgoing(&self, limits: &Limits) -> bool {
        let total = self.outgoing_total.fetch_add(1, Ordering::Relaxed);
        let now = self.outgoing_now.fetch_add(1, Ordering::Relaxed);
        let allowed = total < limits.outgoing_total && now < limits.outgoing_concurrent;
        if !allowed {
            self.end_outgoing();
            self.outgoing_refused.store(true, Ordering::Relaxed);
        }
        allowed
    }

    pub(crate) fn end_outgoing(&self) {
        self.outgoing_now.fetch_sub(1, Ordering::Relaxed);
    }

    /// Outgoing requests under way, their responses included.
    pub(crate) fn outgoing_now(&self) -> u32 {
        self.outgoing_now.load(Ordering::Relaxed)
    }

    pub(crate) fn was_refused_outgoing(&self) -> bool {
        self.outgoing_refused.load(Ordering::Relaxed)
    }
}

/// This thread's CPU clock at `now`, at most [`SHORT`] too late and never too early.
fn reckoned(now: Instant) -> u64 {
    READ.with(|read| {
        if let Some((at, cpu)) = read.get() {
            let since = nanos(now.saturating_duration_since(at));
            if since < SHORT {
                return cpu + since;
            }
        }
        let cpu = thread_cpu();
        read.set(Some((now, cpu)));
        cpu
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::new(&Limits::default(), None, http::Extensions::new())
    }

    fn compute(nanoseconds: u64) {
        let began = thread_cpu();
        while thread_cpu() - began < nanoseconds {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn computing_is_charged_however_it_is_cut_into_polls() {
        for piece in [SHORT / 10, SHORT * 3] {
            let call = call();
            for _ in 0..10 {
                call.enter();
                compute(piece);
                call.leave();
            }
            let charged = call.computed.load(Ordering::Relaxed);
            assert!(charged >= piece * 9, "{charged} of {}", piece * 10);
        }
    }

    #[test]
    fn waiting_is_not_charged() {
        let call = call();
        call.enter();
        std::thread::sleep(Duration::from_nanos(SHORT * 100));
        call.leave();
        assert!(call.computed.load(Ordering::Relaxed) < SHORT * 50);
    }
}
