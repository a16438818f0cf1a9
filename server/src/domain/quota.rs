//! What one namespace may have of what all share: how many, and how much memory and CPU.
//!
//! Instances, memory and CPU are counted as revisions declare them (`scaling.max_scale`, times what each has), all of a function that
//! may run at once: so a quota holds whatever the autoscalers of all hosts do at once, without anybody asking anybody. While one
//! revision replaces another the larger of them counts, so that a namespace that has all it may can still deploy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::function::Function;
use super::spec::{Runtime, Spec};
use super::{FieldError, rollout};

/// The largest bound a quota may have.
pub const MAX_QUOTA: u64 = 1 << 50;

/// A namespace's bounds; one that is left out or null is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"functions": 20, "instances": 100, "memory_bytes": 8_589_934_592_u64, "cpu_millicores": 16_000, "tokens": 50, "secrets": 50}))]
pub struct Quota {
    /// Functions.
    pub functions: Option<u64>,
    /// Instances of all functions, as `scaling.max_scale` of their revisions with calls or a tag allows; each has to have one then.
    pub instances: Option<u64>,
    /// Memory of those instances; each function has to bound its own then.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a CPU of those instances; each function has to bound its own then, so that none may be a component.
    // The version before refuses a field it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millicores: Option<u64>,
    /// Live tokens.
    pub tokens: Option<u64>,
    /// Secrets.
    pub secrets: Option<u64>,
}

/// What a namespace has. Without a bound of a function's own there is no sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuotaUse {
    /// Functions.
    pub functions: u64,
    /// Instances that may run at once; null: there is no bound.
    pub instances: Option<u64>,
    /// Memory of those instances; null: there is no bound.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a CPU that those instances may use; null: there is no bound.
    pub cpu_millicores: Option<u64>,
    /// Live tokens.
    pub tokens: u64,
    /// Secrets.
    pub secrets: u64,
}

/// A change that a namespace's quota does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("namespace {namespace} may have {limit} {of} by its quota; this would make it {wanted}")]
pub struct Exceeded {
    /// Whose.
    pub namespace: String,
    /// Which bound: the field's name.
    pub of: &'static str,
    /// The bound.
    pub limit: u64,
    /// What it would have.
    pub wanted: u64,
}

/// The most that may run at once; `None`: it has no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// Instances.
    pub instances: Option<u64>,
    /// Their memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a CPU that they may use.
    pub cpu_millicores: Option<u64>,
}

impl Demand {
    /// Of what runs nothing.
    pub const NOTHING: Self = Self {
        instances: Some(0),
        memory_bytes: Some(0),
        cpu_millicores: Some(0),
    };

    /// Of one revision.
    pub fn of(spec: &Spec) -> Self {
        let instances = match spec.scaling.max_scale {
            0 => None,
            most => Some(u64::from(most)),
        };
        let (memory, cpu) = match spec.runtime() {
            Some(Runtime::Process(process)) => (process.memory_bytes, process.cpu_millicores),
            Some(Runtime::Wasm(wasm)) => (Some(wasm.memory_bytes), None),
            Some(Runtime::Container(container)) => {
                (container.memory_bytes, container.cpu_millicores)
            }
            None => (None, None),
        };
        let cpu = cpu.map(u64::from);
        let all =
            |each: Option<u64>| instances.and_then(|n| each.map(|each| n.saturating_mul(each)));
        Self {
            instances,
            memory_bytes: all(memory),
            cpu_millicores: all(cpu),
        }
    }

    /// Of one function, by what each of its revisions may.
    pub fn of_function(function: &Function, of: impl Fn(&str) -> Self) -> Self {
        let sets = rollout::may_run(function);
        let most = |part: fn(Self) -> Option<u64>| {
            let mut sums = sets
                .iter()
                .map(|set| sum(set.iter().map(|revision| part(of(revision)))));
            sums.try_fold(0_u64, |most, sum| Some(most.max(sum?)))
        };
        Self {
            instances: most(|demand| demand.instances),
            memory_bytes: most(|demand| demand.memory_bytes),
            cpu_millicores: most(|demand| demand.cpu_millicores),
        }
    }
}

/// The sum of what functions may run; `None` as soon as one has no bound.
pub fn sum(mut demands: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    demands.try_fold(0_u64, |sum, one| Some(sum.saturating_add(one?)))
}

impl Quota {
    /// What is wrong with it.
    pub fn faults(&self) -> Vec<FieldError> {
        let all = [
            ("/functions", self.functions),
            ("/instances", self.instances),
            ("/memory_bytes", self.memory_bytes),
            ("/cpu_millicores", self.cpu_millicores),
            ("/tokens", self.tokens),
            ("/secrets", self.secrets),
        ];
        let wrong = all
            .into_iter()
            .filter(|(_, value)| value.is_some_and(|n| n > MAX_QUOTA));
        wrong
            .map(|(pointer, _)| FieldError::new(pointer, format!("must be at most {MAX_QUOTA}")))
            .collect()
    }

    /// Whether it bounds what functions may run.
    pub fn counts_instances(&self) -> bool {
        self.instances.is_some() || self.memory_bytes.is_some() || self.cpu_millicores.is_some()
    }

    /// The bounds that a function must have, as the namespace has one for all.
    pub fn undeclared(&self, spec: &Spec) -> Vec<FieldError> {
        let demand = Demand::of(spec);
        let mut missing = Vec::new();
        if self.counts_instances() && demand.instances.is_none() {
            let detail =
                "must be set (and not 0): this namespace has a quota of instances, memory or CPU";
            missing.push(FieldError::new("/spec/scaling/max_scale", detail));
        }
        if demand.instances.is_none() {
            return missing;
        }
        if self.memory_bytes.is_some() && demand.memory_bytes.is_none() {
            let pointer = match spec.container {
                Some(_) => "/spec/container/memory_bytes",
                None => "/spec/process/memory_bytes",
            };
            let detail = "must be set: this namespace has a quota of memory";
            missing.push(FieldError::new(pointer, detail));
        }
        if self.cpu_millicores.is_some() && demand.cpu_millicores.is_none() {
            let set = "must be set: this namespace has a quota of CPU";
            let (pointer, detail) = match spec.runtime() {
                Some(Runtime::Wasm(_)) => (
                    "/spec/kind",
                    "must be no component: this namespace has a quota of CPU, and a component's has no bound",
                ),
                Some(Runtime::Container(_)) => ("/spec/container/cpu_millicores", set),
                Some(Runtime::Process(_)) | None => ("/spec/process/cpu_millicores", set),
            };
            missing.push(FieldError::new(pointer, detail));
        }
        missing
    }
}

/// Whether `wanted` of something fits, where there is `has` of it now. What is no more than before is let through, so that a
/// quota that was lowered keeps nobody from using less.
///
/// # Errors
/// [`Exceeded`].
pub fn check(
    namespace: &str,
    of: &'static str,
    limit: Option<u64>,
    (has, wanted): (u64, u64),
) -> Result<(), Exceeded> {
    match limit {
        Some(limit) if wanted > limit && wanted > has => Err(Exceeded {
            namespace: namespace.to_owned(),
            of,
            limit,
            wanted,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(more: serde_json::Value) -> Spec {
        let mut document = json!({"kind": "process", "process": {"command": ["x"]}});
        json_patch::merge(&mut document, &more);
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn a_function_takes_what_it_may_run_at_most() {
        let memory = json!({"process": {"memory_bytes": 1 << 20}});
        let scale = json!({"scaling": {"max_scale": 3}});
        let of = |more| {
            let demand = Demand::of(&spec(more));
            (demand.instances, demand.memory_bytes, demand.cpu_millicores)
        };
        assert_eq!(of(json!({})), (None, None, None));
        assert_eq!(of(memory.clone()), (None, None, None));
        assert_eq!(of(scale.clone()), (Some(3), None, None));
        let mut all = memory;
        json_patch::merge(&mut all, &scale);
        json_patch::merge(&mut all, &json!({"process": {"cpu_millicores": 500}}));
        assert_eq!(of(all), (Some(3), Some(3 << 20), Some(1_500)));
        assert_eq!(sum([Some(1), Some(2)].into_iter()), Some(3));
        assert_eq!(sum([Some(1), None].into_iter()), None);
    }

    #[test]
    fn what_is_counted_must_be_declared() {
        let pointers = |quota: Quota, spec: &Spec| -> Vec<String> {
            quota
                .undeclared(spec)
                .into_iter()
                .map(|fault| fault.pointer)
                .collect()
        };
        let instances = || Quota {
            instances: Some(1),
            ..Quota::default()
        };
        let memory = || Quota {
            memory_bytes: Some(1),
            ..Quota::default()
        };
        let (plain, scaled) = (spec(json!({})), spec(json!({"scaling": {"max_scale": 1}})));
        assert!(pointers(Quota::default(), &plain).is_empty());
        assert_eq!(pointers(instances(), &plain), ["/spec/scaling/max_scale"]);
        assert!(pointers(instances(), &scaled).is_empty());
        assert_eq!(pointers(memory(), &plain), ["/spec/scaling/max_scale"]);
        assert_eq!(pointers(memory(), &scaled), ["/spec/process/memory_bytes"]);
        let cpu = Quota {
            cpu_millicores: Some(1),
            ..Quota::default()
        };
        assert_eq!(
            pointers(cpu.clone(), &scaled),
            ["/spec/process/cpu_millicores"]
        );
        let component = json!({
            "kind": "wasm", "wasm": {"component": {"sha256": "0".repeat(64)}}, "scaling": {"max_scale": 1},
        });
        let component = serde_json::from_value(component).unwrap();
        assert_eq!(pointers(cpu, &component), ["/spec/kind"]);
    }

    #[test]
    fn a_lowered_quota_lets_through_what_is_no_more() {
        let fits = |limit, has, wanted| check("n", "functions", limit, (has, wanted)).is_ok();
        assert!(fits(None, 0, u64::MAX));
        assert!(fits(Some(2), 1, 2));
        assert!(!fits(Some(2), 2, 3));
        assert!(fits(Some(2), 5, 5));
        assert!(fits(Some(2), 5, 4));
        assert!(!fits(Some(0), 0, 1));
    }
}
