//! Waiting for what happens outside this process, where there is no event to wait on.
//!
//! Deliberately no fixed sleeps: a condition and a deadline, and what was seen last if it passes.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`, for at most [`PATIENCE`].
///
/// # Panics
/// When it never is; says what was answered last.
pub async fn eventually<T, E: Debug>(what: &str, ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// [`eventually`] with another patience.
///
/// # Panics
/// When it never is; says what was answered last.
pub async fn eventually_within<T, E: Debug>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(last) if Instant::now() >= deadline => {
                panic!("waited {patience:?} in vain until {what}; last seen: {last:?}")
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// `Ok` when true, for [`eventually`].
///
/// # Errors
/// What is given, when false.
pub fn when<E>(condition: bool, seen: E) -> Result<(), E> {
    if condition { Ok(()) } else { Err(seen) }
}
