//! Faults, from a seed or by name, done to a real cluster on a network of hosts while calls go on, and what
//! the [`checker`](crate::checker) says of it.
//!
//! Everything here runs in the test's own [`world`](crate::world). A seed gives the plan, never the
//! interleaving: the same seed does the same things at the same times to processes that are as free as ever.

mod document;
mod fault;
mod goal;
mod injector;
mod overload;
mod plan;
mod run;
mod scenario;
mod table;
mod upgrade;
mod workload;

pub use self::document::write;
pub use self::fault::Fault;
pub use self::goal::{Goal, of_fault, of_overload};
pub use self::overload::{Overload, overload};
pub use self::plan::{Plan, Step};
pub use self::run::{Report, run_seed};
pub use self::scenario::{SCENARIOS, Scenario, run_scenario};
pub use self::table::{Figures, Row, faults, overloads, seeds, upgrades};
pub use self::upgrade::{Upgrade, upgrade};

/// Sidecars of every cluster here, a host each.
pub const SIDECARS: usize = 4;

/// Runs one thing in a thread of its own: one that panics has failed, and the next goes on.
///
/// # Errors
/// When it panics, which says why on stderr.
///
/// # Panics
/// When no runtime can be made.
pub fn attempt<F: Future>(run: impl FnOnce() -> F + Send + 'static) -> Result<F::Output, String>
where
    F::Output: Send + 'static,
{
    let run = move || tokio::runtime::Runtime::new().unwrap().block_on(run());
    let done = std::thread::spawn(run).join();
    done.map_err(|_| "it panicked".to_owned())
}
