//! What other sidecars ask of the copies here, and tell of them.

use std::collections::BTreeSet;

use bytes::Bytes;
use gateless_core::copies::{Effect, Event, Key, MAX_QUESTION, Own};
use gateless_core::name::NodeId;
use gateless_proto::v1;

use super::{Copying, wire};
use crate::clock;
use crate::queue::Error;
use crate::queue::local::CopyOp;

impl Copying {
    /// Takes in what another sidecar says it took on, and says what counts; on disk when this returns.
    ///
    /// # Errors
    /// The queue cannot read or write.
    pub(crate) async fn judge(
        &self,
        request: v1::ClaimsRequest,
    ) -> Result<v1::ClaimsResponse, Error> {
        let claims = request.claims.iter().take(MAX_QUESTION);
        let claims: Vec<_> = claims.filter_map(wire::read_claim).collect();
        let own = self
            .local
            .own(claims.iter().map(|(key, ..)| *key).collect());
        let own = own.await?;
        let (mut ops, mut response) = (Vec::new(), v1::ClaimsResponse::default());
        {
            let machine = self.machine.lock();
            for ((key, claim, is_over), (_, queue, mine, begun)) in claims.into_iter().zip(own) {
                let (verdict, effect) = machine.judge(&key, queue, &mine, &claim, is_over);
                let gives_up = matches!(effect, Effect::HandOver | Effect::End);
                if gives_up {
                    self.counts.handed_over.inc();
                }
                if gives_up && begun {
                    self.counts.duplicates.inc();
                }
                ops.extend(match effect {
                    Effect::None => None,
                    Effect::HandOver => Some(CopyOp::HandOver(key, claim)),
                    Effect::End => Some(CopyOp::End(key)),
                    Effect::Follow => Some(CopyOp::Follow(key, claim)),
                    Effect::Drop => Some(CopyOp::Drop(key)),
                });
                wire::add_verdict(&mut response, key, verdict);
            }
        }
        if !ops.is_empty() {
            let written = self.local.write_copies(ops).await?;
            let mut machine = self.machine.lock();
            for event in written {
                // What is held or dropped leads to nothing else.
                machine.on_event(clock::now(), event, &mut Vec::new());
            }
        }
        Ok(response)
    }

    /// Has copies of another sidecar's calls on this disk.
    ///
    /// # Errors
    /// They are none, or the queue cannot write.
    pub(crate) async fn hold(
        &self,
        request: v1::HoldCopiesRequest,
    ) -> Result<v1::HoldCopiesResponse, Error> {
        let copies = request.copies.into_iter();
        let copies = copies.map(|copy| {
            let (key, row, parts, age) = wire::copy(copy)?;
            let (head, body, token): (Vec<u8>, Bytes, String) = parts;
            let op = self.local.to_hold(key, row, (&head, body, token), age)?;
            Ok::<_, Error>((key, op))
        });
        let (keys, ops): (Vec<Key>, Vec<CopyOp>) =
            copies.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let written = self.local.write_copies(ops).await?;
        let mut machine = self.machine.lock();
        let mut held = BTreeSet::new();
        for event in written {
            if let Event::Held(key, _) = &event {
                held.insert(*key);
            }
            machine.on_event(clock::now(), event, &mut Vec::new());
        }
        self.counts
            .held
            .set(i64::try_from(machine.len()).unwrap_or(i64::MAX));
        let held = keys.iter().map(|key| held.contains(key));
        Ok(v1::HoldCopiesResponse {
            held: held.collect(),
        })
    }

    /// How calls stand here.
    ///
    /// # Errors
    /// The queue cannot read.
    pub(crate) async fn standings(
        &self,
        request: v1::StandingsRequest,
    ) -> Result<v1::StandingsResponse, Error> {
        let keys = request.keys.iter().take(MAX_QUESTION);
        let keys = keys.filter_map(|key| Key::try_from(key.as_slice()).ok());
        let own = self.local.own(keys.collect()).await?;
        let machine = self.machine.lock();
        let standings = own.into_iter().map(|(key, queue, claim, _)| {
            let standing = machine.standing(&key, queue, claim);
            (key, standing)
        });
        Ok(wire::standings(self.local.run(), standings))
    }

    /// What was taken on here of calls of `origin`.
    ///
    /// # Errors
    /// The queue cannot read.
    pub(crate) async fn taken_of(
        &self,
        origin: &NodeId,
        request: v1::TakenOnRequest,
    ) -> Result<v1::ClaimsRequest, Error> {
        let after = Key::try_from(request.after.as_slice()).ok();
        let (claims, more) = self.machine.lock().taken_of(origin, after);
        let own = self.local.own(claims.iter().map(|(key, _)| *key).collect());
        let own = own.await?;
        let claims = claims
            .iter()
            .zip(own)
            .map(|((key, claim), (_, own, ..))| wire::claim(key, claim, own != Own::Open));
        Ok(v1::ClaimsRequest {
            claims: claims.collect(),
            more,
        })
    }
}
