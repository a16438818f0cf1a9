//! What a caller's key or token opened lasts no longer than what it proved: a call that waits is refused when its key is revoked,
//! and an answer that is still being sent breaks off.
//!
//! Here and at no other place, at the sidecar that the call came in at: whatever a call leads to elsewhere ends with it.
//! What ends a proof is [`gateless_core::policy::Proof::validity`]'s to say.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateless_core::policy::{Proof, Refused};
use http::Response;
use http_body::{Frame, SizeHint};

use crate::call::error::Error;
use crate::endpoint::body::{self, Body};
use crate::runtime::Function;

/// Answers a call for as long as what its caller proved holds; without a proof, for as long as it takes.
///
/// # Errors
/// Those of the call, and that its caller has proved nothing any more.
pub(super) async fn bound(
    function: &Function,
    proof: Option<Proof>,
    answering: impl Future<Output = Result<Response<Body>, Error>>,
) -> Result<Response<Body>, Error> {
    let Some(proof) = proof else {
        return answering.await;
    };
    let mut over = Box::pin(function.is_over(proof));
    tokio::select! {
        biased;
        () = &mut over => Err(Error::NotAdmitted(function.config.name.clone(), Refused::Unproven)),
        answered = answering => Ok(answered?.map(|body| match body {
            // It is in memory already.
            Body::Full(_) => body,
            body => Body::Boxed(Box::pin(Bound { body, over: Some(over) })),
        })),
    }
}

/// An answer that is sent until `over`.
struct Bound<F> {
    body: Body,
    /// `None` once that is.
    over: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> http_body::Body for Bound<F> {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        // First: a body that always has something to send would never let it come to that.
        let over = self.over.as_mut().map(|over| over.as_mut().poll(cx));
        if over.is_some_and(|over| over.is_ready()) {
            (self.body, self.over) = (Body::empty(), None);
            let why = "what its caller proved opens the function no more";
            return Poll::Ready(Some(Err(why.into())));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
