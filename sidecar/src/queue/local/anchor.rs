//! The queue's time, kept with its calls: what [`Anchor`] is on disk, and when it is written anew.
//!
//! It goes with a commit that is made anyway, and by itself only while a call is open: an idle queue wakes no disk. A queue that is opened with
//! open calls notes it at once, because what the time before a boot was is judged only then.

use std::time::Duration;

use fjall::OwnedWriteBatch;
use gateless_core::time::Time;
use prost::Message;

use super::batch::Batch;
use super::engine::{Engine, unavailable};
use crate::queue::Error;
use crate::queue::clock::{Anchor, Clock, Reading};

const NAME: &str = "anchor";
/// So much of the time before a reboot may be counted by the wall clock.
const NOTED_EVERY: Duration = Duration::from_secs(10);

#[derive(Clone, PartialEq, Message)]
struct AnchorMessage {
    #[prost(string, tag = "1")]
    boot: String,
    #[prost(uint64, tag = "2")]
    since_boot: u64,
    #[prost(uint64, tag = "3")]
    wall: u64,
    #[prost(uint64, tag = "4")]
    time: u64,
}

impl Engine {
    /// What the queue's time was when it was last noted.
    pub(super) fn anchor(&self) -> Result<Option<Anchor>, Error> {
        let Some(value) = self.meta.get(NAME).map_err(unavailable)? else {
            return Ok(None);
        };
        let message = match AnchorMessage::decode(&*value) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, "the queue's time is not readable, it begins with the wall clock's");
                return Ok(None);
            }
        };
        Ok(Some(Anchor {
            at: Reading {
                boot: message.boot,
                since_boot: Duration::from_nanos(message.since_boot),
                wall: Time::from_nanos(message.wall),
            },
            time: Time::from_nanos(message.time),
        }))
    }

    pub(super) fn set_anchor(&self, batch: &mut OwnedWriteBatch, anchor: &Anchor) {
        let since_boot = anchor.at.since_boot.as_nanos();
        let message = AnchorMessage {
            boot: anchor.at.boot.clone(),
            since_boot: u64::try_from(since_boot).unwrap_or(u64::MAX),
            wall: anchor.at.wall.as_nanos(),
            time: anchor.time.as_nanos(),
        };
        batch.insert(&self.meta, NAME, message.encode_to_vec());
    }
}

impl Batch<'_> {
    /// Notes the time with this batch, unless that was done lately.
    pub(super) fn note_time(&mut self) {
        if let Clock::Steady(clock) = &self.shared.config.clock
            && self.now >= self.progress.note_from
        {
            self.engine.set_anchor(&mut self.batch, &clock.anchor());
            self.progress.note_from = self.now + NOTED_EVERY;
        }
    }
}
