//! A request's body before it is sent: whole, so that it can be sent again, or a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::body::{self, Body};
use crate::error::Error;

/// Bodies up to this many bytes are read whole before they go to another host, so that a
/// refusal there costs nothing.
pub(super) const SMALL: u64 = 64 << 10;

/// See the module.
pub enum Payload {
    /// Can be sent any number of times.
    Whole(Bytes),
    /// Can be sent once.
    Stream(Incoming),
    /// Was sent.
    Spent,
}

impl Payload {
    /// A request's body, empty ones without a stream.
    #[must_use]
    pub fn new(incoming: Incoming) -> Self {
        if incoming.is_end_stream() {
            Self::Whole(Bytes::new())
        } else {
            Self::Stream(incoming)
        }
    }

    /// Whether it can be sent (again).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }

    /// Whether nothing can be sent any more.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        matches!(self, Self::Spent)
    }

    /// Bytes it keeps in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Stream(_) | Self::Spent => 0,
        }
    }

    /// What was read whole; nothing otherwise.
    #[must_use]
    pub fn whole(&self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes.clone(),
            Self::Stream(_) | Self::Spent => Bytes::new(),
        }
    }

    /// Whether it says it has at most `limit` bytes.
    #[must_use]
    pub fn fits(&self, limit: u64) -> bool {
        match self {
            Self::Whole(bytes) => bytes.len() as u64 <= limit,
            Self::Stream(incoming) => incoming
                .size_hint()
                .exact()
                .is_some_and(|size| size <= limit),
            Self::Spent => false,
        }
    }

    /// Reads a stream whole if it says it is small.
    ///
    /// # Errors
    /// When the caller's body fails.
    pub async fn make_whole_if_small(&mut self) -> Result<(), Error> {
        let small = match self {
            Self::Stream(incoming) => incoming
                .size_hint()
                .exact()
                .is_some_and(|size| size <= SMALL),
            Self::Whole(_) | Self::Spent => false,
        };
        if small {
            self.make_whole(SMALL).await
        } else {
            Ok(())
        }
    }

    /// Reads a stream whole, up to `limit` bytes.
    ///
    /// # Errors
    /// When the caller's body fails or is larger.
    pub async fn make_whole(&mut self, limit: u64) -> Result<(), Error> {
        let incoming = match std::mem::replace(self, Self::Spent) {
            Self::Stream(incoming) => incoming,
            other => {
                let size = other.bytes();
                *self = other;
                return if size > limit {
                    Err(Error::BodyTooLarge(limit))
                } else {
                    Ok(())
                };
            }
        };
        if incoming.size_hint().lower() > limit {
            return Err(Error::BodyTooLarge(limit));
        }
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        match Limited::new(incoming, most).collect().await {
            Ok(collected) => {
                *self = Self::Whole(collected.to_bytes());
                Ok(())
            }
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Error::BodyTooLarge(limit))
            }
            Err(error) => Err(Error::Body(error.to_string())),
        }
    }

    /// A body to send, cut off past `limit` bytes.
    pub fn take(&mut self, limit: u64) -> (Body, TooLarge) {
        match std::mem::replace(self, Self::Spent) {
            Self::Whole(bytes) => {
                *self = Self::Whole(bytes.clone());
                (Body::from(bytes), TooLarge(None))
            }
            Self::Stream(incoming) => {
                let (limited, exceeded) = body::Limited::new(incoming, limit);
                (Body::Limited(limited), TooLarge(Some(exceeded)))
            }
            Self::Spent => (Body::empty(), TooLarge(None)),
        }
    }
}

/// Tells after a failure whether the body was cut off for its size.
pub struct TooLarge(Option<Arc<AtomicBool>>);

impl TooLarge {
    /// Whether it was.
    #[must_use]
    pub fn happened(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}
