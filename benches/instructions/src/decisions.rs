//! A tick of the autoscaler: the load of one revision averaged over both windows, and a decision by it.

use std::hint::black_box;
use std::time::Duration;

use gateless_core::autoscaler::{Autoscaler, Config};
use gateless_core::config::Scaling;
use gateless_core::time::Time;
use gateless_core::window::Windows;

/// So many ticks, under a load that rises and falls.
pub(crate) fn ticks(count: u32) {
    let config = Config::from_scaling(&Scaling::DEFAULT, None, true);
    let mut now = Time::ZERO;
    let mut windows = Windows::new(config.stable_window, config.panic_window);
    let mut autoscaler = Autoscaler::new(config, now, 1);
    let mut ready = 1;
    for tick in 0..count {
        for _ in 0..2 {
            now += Duration::from_secs(1);
            windows.record(now, f64::from(tick % 50));
        }
        if let Some((stable, panic)) = windows.averages(now) {
            ready = autoscaler.scale(now, ready, stable, panic).desired.max(1);
        }
    }
    black_box(ready);
}
