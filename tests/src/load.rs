//! A steady stream of calls while something happens to the cluster.
//!
//! Each call has an id of its own, so that what was answered can be compared with what was
//! seen. Deliberately no rate: a worker makes its next call when the last one is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::Method;
use tokio::task::JoinHandle;

use crate::call::{Answer, Caller, send};
use crate::wait::{eventually, when};

/// What became of one call.
#[derive(Debug)]
pub struct Outcome {
    /// `x-test-id`.
    pub id: String,
    /// The answer, or why there is none.
    pub answer: Result<Answer, String>,
}

impl Outcome {
    /// Whether the function answered, and well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.answer
            .as_ref()
            .is_ok_and(|answer| answer.status == 200)
    }
}

/// Workers that call and call.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    workers: Vec<JoinHandle<Vec<Outcome>>>,
}

impl Load {
    /// Starts `workers` at each of the callers.
    #[must_use]
    pub fn start(method: &Method, callers: &[Caller], path: &str, workers: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let done = Arc::<AtomicUsize>::default();
        let all = callers.iter().enumerate();
        let all = all.flat_map(|(at, caller)| (0..workers).map(move |n| (at, caller, n)));
        let workers = all.map(|(at, caller, n)| {
            let (caller, stop, done) = (caller.clone(), stop.clone(), done.clone());
            let (method, path) = (method.clone(), path.to_owned());
            tokio::spawn(async move {
                let mut outcomes = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let id = format!("{method}-{at}-{n}-{}", outcomes.len());
                    let request = caller.request(method.clone(), &path);
                    let answer = send(request.header("x-test-id", &id)).await;
                    let answer = answer.map_err(|error| format!("{error:?}"));
                    outcomes.push(Outcome { id, answer });
                    done.fetch_add(1, Ordering::Relaxed);
                }
                outcomes
            })
        });
        Self {
            workers: workers.collect(),
            stop,
            done,
        }
    }

    /// Waits until so many more calls are through.
    pub async fn more(&self, calls: usize) {
        let goal = self.done.load(Ordering::Relaxed) + calls;
        eventually("the load goes on", async || {
            let done = self.done.load(Ordering::Relaxed);
            when(done >= goal, format!("{done} of {goal}"))
        })
        .await;
    }

    /// Lets every worker finish its call.
    ///
    /// # Panics
    /// When one of them did.
    pub async fn stop(self) -> Vec<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        let all = join_all(self.workers).await;
        all.into_iter().flat_map(Result::unwrap).collect()
    }
}
