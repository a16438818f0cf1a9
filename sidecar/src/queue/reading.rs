//! Who may read a call: an id is no proof of anything.
//!
//! Whoever shows nothing that fits is told what is told of a call that never was.

use std::sync::Arc;

use gateless_core::name::FunctionName;

use super::token::{Proof, is_same};
use super::types::{CallId, View};
use super::{Calls, Error};

/// A call, for somebody who showed this. `key` says which key of its function that is, if it is one.
///
/// # Errors
/// [`Error::NotFound`] also when what was shown does not fit.
pub async fn read(
    calls: &dyn Calls,
    id: &CallId,
    shown: Option<&Proof>,
    key: impl FnOnce(&FunctionName, &Proof) -> Option<Arc<str>>,
) -> Result<View, Error> {
    let missing = || Error::NotFound(id.to_string());
    let shown = shown.ok_or_else(missing)?;
    let view = calls.get(id).await?;
    let key = key(&view.function, shown);
    let of_origin = view.proof.as_ref();
    let token = calls.is_token(id, shown) || of_origin.is_some_and(|proof| is_same(proof, shown));
    match view.principal.is_shown_by(token, key.as_deref()) {
        true => Ok(view),
        false => Err(missing()),
    }
}
