//! The autoscaler's rules between settings. Their ranges are in the table of `gateless_common::spec`.

use super::Faults;
use crate::domain::spec::{Metric, Spec};

pub(super) fn check(faults: &mut Faults, spec: &Spec) {
    check_target(faults, spec);
    check_scales(faults, spec);
}

fn check_target(faults: &mut Faults, spec: &Spec) {
    let Some(target) = spec.scaling.target else {
        return;
    };
    let limit = spec.container_concurrency();
    if spec.scaling.metric == Metric::Concurrency && limit > 0 && target > f64::from(limit) {
        faults.add(
            "/spec/scaling/target",
            format_args!("must not be above limits.container_concurrency ({limit})"),
        );
    }
}

fn check_scales(faults: &mut Faults, spec: &Spec) {
    let scaling = &spec.scaling;
    let max = scaling.max_scale;
    for (field, value) in [
        ("min_scale", scaling.min_scale),
        ("initial_scale", scaling.initial_scale),
        ("activation_scale", scaling.activation_scale),
    ] {
        if max > 0 && value > max {
            faults.add(
                format!("/spec/scaling/{field}"),
                format_args!("must not be above max_scale ({max})"),
            );
        }
    }
}
