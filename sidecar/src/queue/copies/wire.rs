//! Copies, claims and standings as sidecars tell one another. Only translation.

use std::time::Duration;

use bytes::Bytes;
use gateless_core::copies::{Claim, Event, Key, Standing, Verdict};
use gateless_core::name::{NodeId, check_label};
use gateless_proto::v1;

use super::Outgoing;
use crate::queue::Error;
use crate::queue::local::CopyRow;

/// A copy, its row, its head, body and token, and its age.
pub(super) type Copy = (Key, CopyRow, (Vec<u8>, Bytes, String), Duration);

fn key(bytes: &[u8]) -> Option<Key> {
    bytes.try_into().ok()
}

pub(super) fn claim(key: &Key, claim: &Claim, over: bool) -> v1::CopyClaim {
    v1::CopyClaim {
        key: key.to_vec(),
        epoch: claim.epoch,
        node_id: claim.node.to_string(),
        run: claim.run,
        over,
    }
}

pub(super) fn read_claim(wire: &v1::CopyClaim) -> Option<(Key, Claim, bool)> {
    check_label(&wire.node_id).ok()?;
    let claim = Claim {
        epoch: wire.epoch,
        node: NodeId::new(&wire.node_id),
        run: wire.run,
    };
    Some((key(&wire.key)?, claim, wire.over))
}

pub(super) fn copy_of(
    call: &Outgoing,
    holders: &[NodeId],
    home: &NodeId,
    age: Duration,
) -> v1::CopyOfCall {
    let owner = Claim {
        epoch: 0,
        node: home.clone(),
        run: call.run,
    };
    v1::CopyOfCall {
        key: call.key.to_vec(),
        head: call.head.to_vec(),
        body: call.body.to_vec(),
        age_ms: gateless_common::time::millis(age),
        digest: call
            .digest
            .map(|digest| digest.to_vec())
            .unwrap_or_default(),
        token: call.token.clone(),
        result_ttl_ms: gateless_common::time::millis(call.result_ttl),
        owner: Some(claim(&call.key, &owner, false)),
        origin: home.to_string(),
        holders: holders.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn copy(wire: v1::CopyOfCall) -> Result<Copy, Error> {
    let bad = |what: &str| Error::Damaged(format!("{what} of a copy"));
    let owner = wire.owner.as_ref().and_then(read_claim);
    let (_, owner, _) = owner.ok_or_else(|| bad("owner"))?;
    let key = key(&wire.key).ok_or_else(|| bad("key"))?;
    let labels = wire.holders.iter().chain([&wire.origin]);
    for label in labels {
        check_label(label).map_err(|_| bad("holders"))?;
    }
    let ttl = Duration::from_millis(wire.result_ttl_ms).as_nanos();
    let row = CopyRow {
        epoch: owner.epoch,
        owner: owner.node.to_string(),
        run: owner.run,
        origin: wire.origin,
        holders: wire.holders,
        digest: wire.digest,
        result_ttl: u64::try_from(ttl).unwrap_or(u64::MAX),
        bytes: 0,
    };
    let age = Duration::from_millis(wire.age_ms);
    Ok((key, row, (wire.head, wire.body.into(), wire.token), age))
}

pub(super) fn standings_request(keys: &[Key]) -> v1::StandingsRequest {
    v1::StandingsRequest {
        keys: keys.iter().map(|key| key.to_vec()).collect(),
    }
}

pub(super) fn standings(
    run: u64,
    standings: impl Iterator<Item = (Key, Standing)>,
) -> v1::StandingsResponse {
    let mut response = v1::StandingsResponse {
        run,
        ..v1::StandingsResponse::default()
    };
    for (key, standing) in standings {
        match standing {
            Standing::Nothing => {}
            Standing::Over => response.over.push(key.to_vec()),
            Standing::Owned(owner) => response.owned.push(claim(&key, &owner, false)),
            Standing::Held(owner) => response.held.push(claim(&key, &owner, false)),
        }
    }
    response
}

/// What an answer says of those that were asked about.
pub(super) fn answered(peer: NodeId, keys: &[Key], response: v1::StandingsResponse) -> Event {
    let mut standings: std::collections::BTreeMap<Key, Standing> =
        keys.iter().map(|key| (*key, Standing::Nothing)).collect();
    let over = response.over.iter().filter_map(|bytes| key(bytes));
    let over = over.map(|key| (key, Standing::Over));
    let owned = response.owned.iter().filter_map(read_claim);
    let owned = owned.map(|(key, claim, _)| (key, Standing::Owned(claim)));
    let held = response.held.iter().filter_map(read_claim);
    let held = held.map(|(key, claim, _)| (key, Standing::Held(claim)));
    for (key, standing) in over.chain(owned).chain(held) {
        if let Some(known) = standings.get_mut(&key) {
            *known = standing;
        }
    }
    Event::Answered {
        peer,
        run: response.run,
        standings: standings.into_iter().collect(),
    }
}

pub(super) fn add_verdict(response: &mut v1::ClaimsResponse, key: Key, verdict: Verdict) {
    match verdict {
        Verdict::Agreed => response.agreed.push(key.to_vec()),
        Verdict::Beaten(by) => response.beaten.push(claim(&key, &by, false)),
        Verdict::Over => response.over.push(key.to_vec()),
    }
}

pub(super) fn told(peer: NodeId, response: v1::ClaimsResponse) -> Event {
    let agreed = response.agreed.iter().filter_map(|bytes| key(bytes));
    let agreed = agreed.map(|key| (key, Verdict::Agreed));
    let over = response.over.iter().filter_map(|bytes| key(bytes));
    let over = over.map(|key| (key, Verdict::Over));
    let beaten = response.beaten.iter().filter_map(read_claim);
    let beaten = beaten.map(|(key, claim, _)| (key, Verdict::Beaten(claim)));
    Event::Told {
        peer,
        verdicts: agreed.chain(over).chain(beaten).collect(),
    }
}
