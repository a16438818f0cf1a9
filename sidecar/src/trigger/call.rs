//! The call a trigger makes, as a record of the queue.

use bytes::Bytes;
use gateless_common::header::{IDEMPOTENCY_KEY, TRIGGER};
use gateless_core::config::Function;
use gateless_core::policy::{Admitted, Identity, Maker, Policy};
use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::call::error::Error;
use crate::catalogue::config::Trigger;
use crate::queue;
use crate::queue::types::{Header, Idempotency, Record};

/// A trigger's call. `key` names what it is for, everywhere and for ever: two calls of the same key
/// are the same call, and the function sees it as `idempotency-key`. The trigger's own headers come
/// before those of what fired it.
/// What it stands for is the key alone, unless `digest` says more.
pub(super) fn record(
    trigger: &Trigger,
    fired_by: Vec<Header>,
    body: Bytes,
    key: String,
    digest: Option<[u8; 32]>,
) -> Record {
    let own = |name: &str| name == IDEMPOTENCY_KEY.as_str() || trigger.headers.contains_key(name);
    let mut headers: Vec<Header> = fired_by.into_iter().filter(|(n, _)| !own(n)).collect();
    let given = trigger.headers.iter();
    headers.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    let name = Bytes::copy_from_slice(trigger.name.name().as_bytes());
    headers.push((TRIGGER.as_str().to_owned(), name));
    headers.push((
        IDEMPOTENCY_KEY.as_str().to_owned(),
        Bytes::from(key.clone()),
    ));
    let digest = digest.unwrap_or_else(|| Sha256::digest(key.as_bytes()).into());
    Record {
        function: trigger.function.clone(),
        method: trigger.method.as_str().to_owned(),
        path: trigger.path.clone(),
        headers,
        body,
        callback: None,
        idempotency: Some(Idempotency { key, digest }),
        principal: Maker::Trigger.into(),
    }
}

/// Lets a trigger's call through the policy.
///
/// # Errors
/// Which rule refused it, in words.
pub(super) fn admit(
    policy: &Policy,
    function: &Function,
    record: Record,
) -> Result<Admitted<Record>, String> {
    let admitted = queue::admit::admit(policy, function, record, Identity::Trigger);
    let refused = |refused| Error::NotAdmitted(function.name.clone(), refused).to_string();
    admitted.map_err(refused)
}

/// A key made of texts of any length.
pub(super) fn key(kind: &str, uid: &str, parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    format!("{kind}:{uid}:{}", hex::encode(digest.finalize()))
}

/// What a call keeps of the trace it is part of.
pub(super) fn trace(headers: &HeaderMap) -> Vec<Header> {
    let kept = ["traceparent", "tracestate"].into_iter();
    kept.filter_map(|name| {
        let value = headers.get(name)?;
        Some((name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
    })
    .collect()
}
