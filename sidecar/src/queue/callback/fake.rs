//! Callbacks of a sidecar that calls no function, for tests.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateless_core::egress::Egress;
use gateless_core::name::FunctionName;
use gateless_core::policy::Principal;
use http::Request;

use super::{Destinations, Functions, Signing};
use crate::endpoint::egress::Outside;
use crate::queue::invoke::{Answer, Slot};

/// No function can be called.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Functions for Nowhere {
    fn call(
        &self,
        _: Principal,
        _: Request<Bytes>,
        _: Slot,
    ) -> BoxFuture<'static, Result<Answer, String>> {
        Box::pin(std::future::ready(Err("there is no way".to_owned())))
    }
}

/// These functions, and outside what `egress` allows; nothing is signed.
#[must_use]
pub fn destinations(functions: Arc<dyn Functions>, egress: Egress) -> Destinations {
    Destinations {
        functions,
        outside: Outside::new(Arc::new(egress), &[]),
        signing: Arc::new(|_: &FunctionName| Signing::None),
    }
}
