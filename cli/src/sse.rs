//! Streams that are taken up again when they break, for as long as somebody looks.
//!
//! The SDK reads events and comes back a few times by itself; here is the patience of a terminal.

use std::time::Duration;

use gateless_common::backoff::{self, Reconnect};
use gateless_sdk::{EventQuery, Events};
use serde_json::Value;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

/// Between attempts to come back.
const PAUSE: backoff::Backoff = backoff::Backoff {
    base: Duration::from_millis(400),
    max: Duration::from_secs(5),
};

/// How a stream that can break is begun again.
pub(crate) struct Backoff(Reconnect);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(Reconnect::new(PAUSE))
    }

    /// It works again.
    pub(crate) const fn reset(&mut self) {
        self.0.succeeded();
    }

    /// Says why, the first time, and waits.
    ///
    /// What a server that is there answers (no such function, no right to it) ends it instead.
    pub(crate) async fn wait(&mut self, out: &mut Output, why: Failure) -> Result<(), Failure> {
        if !why.is_passing() {
            return Err(why);
        }
        if self.0.failures() == 0 {
            out.note(format!(
                "{why}\nconnecting again until it answers; Ctrl-C ends it"
            ));
        }
        tokio::time::sleep(self.0.failed(rand::random())).await;
        Ok(())
    }
}

/// What happens, without end.
pub(crate) struct EventStream<'a> {
    client: &'a Client,
    events: Events<Value>,
    backoff: Backoff,
    /// Until then a failure is the answer, not a break.
    began: bool,
}

impl<'a> EventStream<'a> {
    /// Connects at the first [`EventStream::next`].
    pub(crate) fn open(client: &'a Client, query: EventQuery) -> Result<Self, Failure> {
        Ok(Self {
            client,
            events: client.sdk(None)?.events(query),
            backoff: Backoff::new(),
            began: false,
        })
    }

    /// The next event's data; waits through broken connections, but not for a first one.
    pub(crate) async fn next(&mut self, out: &mut Output) -> Result<Value, Failure> {
        loop {
            let why = match self.events.next().await {
                Ok(event) => {
                    self.began = true;
                    self.backoff.reset();
                    return Ok(event.data);
                }
                Err(error) => self.client.failure(error),
            };
            if !self.began {
                return Err(why);
            }
            self.backoff.wait(out, why).await?;
        }
    }
}
