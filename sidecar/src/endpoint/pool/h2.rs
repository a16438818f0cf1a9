//! HTTP/2: one connection that all calls share.
//!
//! Deliberately without a count of its streams: how many it takes is its other end's to say.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{Error, Pool, checked};
use crate::endpoint::body::Body;
use crate::endpoint::framing;
use crate::endpoint::unprocessed;

/// Connections that may end one after the other before a request is in them.
const MAX_REDIALS: u32 = 8;

impl Pool {
    /// Sends over HTTP/2, sharing one connection.
    ///
    /// # Errors
    /// As [`Pool::send_h1`], and [`Error::Unprocessed`].
    pub async fn send_h2(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Error> {
        let mut redials = 0;
        loop {
            let mut sender = match self.h2().await {
                Ok(sender) => sender,
                Err(error) => return Err(Error::Unsent(Box::new(request), error)),
            };
            let sending = sender.try_send_request(request);
            // A request that is handed to a connection while that ends stays in its channel for as long as a sender lives.
            drop(sender);
            let mut error = match sending.await {
                Ok(response) => return checked(response, false),
                Err(error) => error,
            };
            match error.take_message() {
                // The connection ended meanwhile, as they do.
                Some(unsent) if redials < MAX_REDIALS => (request, redials) = (unsent, redials + 1),
                Some(unsent) => {
                    let cause = error.into_error().to_string();
                    return Err(Error::Unsent(Box::new(unsent), cause));
                }
                None => {
                    let error = error.into_error();
                    return Err(match unprocessed::of(&error) {
                        Some(why) => Error::Unprocessed(why, error.to_string()),
                        None => Error::Sent {
                            error,
                            stale: false,
                        },
                    });
                }
            }
        }
    }

    async fn h2(self: &Arc<Self>) -> Result<http2::SendRequest<Body>, String> {
        let mut shared = self.h2.lock().await;
        self.h2_used.store(true, Ordering::Release);
        self.sweep();
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let io = TokioIo::new(self.dial().await?);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .adaptive_window(true)
            .max_header_list_size(framing::MAX_HEADER_LIST)
            .handshake::<_, Body>(io)
            .await
            .map_err(|e| e.to_string())?;
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            connection.await.ok();
            if let Some(pool) = pool.upgrade() {
                pool.forget_ended().await;
            }
        });
        *shared = Some(sender.clone());
        Ok(sender)
    }

    /// Lets go of a connection that has ended, and so of requests that came into it too late.
    async fn forget_ended(&self) {
        let mut shared = self.h2.lock().await;
        if shared.as_ref().is_some_and(http2::SendRequest::is_closed) {
            *shared = None;
        }
    }
}
