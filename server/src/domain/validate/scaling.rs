//! The autoscaler's settings: Knative's bounds, except that windows may be shorter (its stable window
//! is at least 6 s; ours 1 s, as demand does not wait for a scrape).

use super::Faults;
use crate::domain::spec::{Metric, Spec};

const HOUR_MS: u64 = 3_600_000;
const MAX_SCALE: u32 = 10_000;

pub(super) fn check(faults: &mut Faults, spec: &Spec) {
    let scaling = &spec.scaling;
    let pointer = |field: &str| format!("/spec/scaling/{field}");
    for (field, value, range) in [
        (
            "target_utilization_percent",
            scaling.target_utilization_percent,
            1.0..=100.0,
        ),
        (
            "panic_window_percent",
            scaling.panic_window_percent,
            1.0..=100.0,
        ),
        (
            "panic_threshold_percent",
            scaling.panic_threshold_percent,
            110.0..=1000.0,
        ),
        ("max_scale_up_rate", scaling.max_scale_up_rate, 1.01..=1e6),
        (
            "max_scale_down_rate",
            scaling.max_scale_down_rate,
            1.01..=1e6,
        ),
    ] {
        faults.range(&pointer(field), value, range);
    }
    for (field, value, range) in [
        (
            "stable_window_ms",
            scaling.stable_window_ms,
            1_000..=HOUR_MS,
        ),
        (
            "scale_down_delay_ms",
            scaling.scale_down_delay_ms,
            0..=HOUR_MS,
        ),
        (
            "scale_to_zero_grace_ms",
            scaling.scale_to_zero_grace_ms,
            0..=HOUR_MS,
        ),
        (
            "scale_to_zero_retention_ms",
            scaling.scale_to_zero_retention_ms,
            0..=24 * HOUR_MS,
        ),
    ] {
        faults.range(&pointer(field), value, range);
    }
    let burst = scaling.target_burst_capacity;
    if !(burst == -1.0 || (0.0..=1e9).contains(&burst)) {
        faults.add(
            pointer("target_burst_capacity"),
            "must be -1 (unlimited) or 0 to 1000000000",
        );
    }
    check_target(faults, spec);
    check_scales(faults, spec);
}

fn check_target(faults: &mut Faults, spec: &Spec) {
    let Some(target) = spec.scaling.target else {
        return;
    };
    let pointer = "/spec/scaling/target";
    faults.range(pointer, target, 0.01..=1e6);
    let limit = spec.container_concurrency();
    if spec.scaling.metric == Metric::Concurrency && limit > 0 && target > f64::from(limit) {
        faults.add(
            pointer,
            format_args!("must not be above limits.container_concurrency ({limit})"),
        );
    }
}

fn check_scales(faults: &mut Faults, spec: &Spec) {
    let scaling = &spec.scaling;
    let max = scaling.max_scale;
    faults.range("/spec/scaling/max_scale", max, 0..=MAX_SCALE);
    for (field, value, least) in [
        ("min_scale", scaling.min_scale, 0),
        ("initial_scale", scaling.initial_scale, 0),
        ("activation_scale", scaling.activation_scale, 1),
    ] {
        let pointer = format!("/spec/scaling/{field}");
        faults.range(&pointer, value, least..=MAX_SCALE);
        if max > 0 && value > max {
            faults.add(pointer, format_args!("must not be above max_scale ({max})"));
        }
    }
}
