//! Runs one hot path a given number of times and ends: `instructions PATH COUNT`. `count.py` runs it under callgrind with two
//! counts, so that what comes before and after is in neither figure.
//!
//! Deliberately measures no time, and uses one thread where the path allows it: the figures must not depend on the machine.

mod calls;
mod decisions;
mod queue;

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let path = words.next().context("which path?")?;
    let count: u32 = words.next().context("how often?")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match path.as_str() {
        "warm-call" => runtime.block_on(calls::warm(count)),
        "hold-and-release" => runtime.block_on(calls::hold(count)),
        "autoscaler-tick" => {
            decisions::ticks(count);
            Ok(())
        }
        "queue-append" => runtime.block_on(queue::append(count)),
        _ => bail!("no path {path}"),
    }
}
