//! One thread that moves the engine's epoch on while calls run, so that a computing guest is looked at
//! and yields; and looks after idle instances about once a second. Without either it is parked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock;

/// Goes on ticking this long after the last call, so that calls in a row need not wake the thread.
const LINGER: Duration = Duration::from_secs(1);

/// Time between two looks at idle instances.
const SWEEP: Duration = Duration::from_secs(1);

/// The thread. Dropping it ends it.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    running: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
}

/// A call that runs.
pub(crate) struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ticker {
    /// `tick` moves the epoch on; `sweep` says whether there is anything left to look after.
    pub(crate) fn start(
        every: Duration,
        tick: impl Fn() + Send + 'static,
        sweep: impl Fn() -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let theirs = shared.clone();
        let thread = thread::Builder::new()
            .name("wasm-ticker".to_owned())
            .spawn(move || theirs.run(every, &tick, &sweep))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Marks a call as running until the guard is dropped.
    pub(crate) fn running(&self) -> Running {
        // SeqCst here and in `run`: either the thread sees this call or we see that it is parked.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(self.shared.clone())
    }

    /// Calls that run.
    pub(crate) fn calls(&self) -> usize {
        self.shared.running.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Shared {
    fn run(&self, every: Duration, tick: &dyn Fn(), sweep: &dyn Fn() -> bool) {
        let mut last_busy = clock::now();
        let mut last_sweep = last_busy;
        let mut to_sweep = true;
        while !self.stop.load(Ordering::Relaxed) {
            let now = clock::now();
            if self.running.load(Ordering::SeqCst) > 0 {
                last_busy = now;
                to_sweep = true;
                tick();
            }
            if now.duration_since(last_sweep) >= SWEEP {
                last_sweep = now;
                to_sweep = to_sweep && sweep();
            }
            if now.duration_since(last_busy) < LINGER {
                thread::park_timeout(every);
                continue;
            }
            self.parked.store(true, Ordering::SeqCst);
            if self.running.load(Ordering::SeqCst) == 0 {
                if to_sweep {
                    thread::park_timeout(SWEEP);
                } else {
                    thread::park();
                }
            }
            self.parked.store(false, Ordering::SeqCst);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wake();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The last handle of an engine may be dropped by the sweep itself.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("the wasm ticker panicked");
        }
    }
}
