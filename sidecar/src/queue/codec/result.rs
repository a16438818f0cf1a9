//! How a kept answer lies on disk.

use bytes::Bytes;
use prost::Message;

use super::{Pair, VERSION, damaged, headers, pairs, status, unversioned};
use crate::queue::Error;
use crate::queue::types::CallResult;

#[derive(Clone, PartialEq, Message)]
struct ResultMessage {
    #[prost(uint32, tag = "1")]
    status: u32,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<Pair>,
    #[prost(bool, tag = "3")]
    truncated: bool,
}

/// Version, length of the head as 4 bytes, head, body.
pub(in crate::queue) fn result_to_bytes(result: &CallResult) -> Vec<u8> {
    let message = ResultMessage {
        status: result.status.into(),
        headers: pairs(&result.headers),
        truncated: result.truncated,
    };
    let head = message.encode_to_vec();
    let mut bytes = Vec::with_capacity(5 + head.len() + result.body.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&result.body);
    bytes
}

pub(in crate::queue) fn result_from_bytes(bytes: &[u8]) -> Result<CallResult, Error> {
    let short = || damaged("result is cut short");
    let (length, rest) = unversioned(bytes)?
        .split_first_chunk::<4>()
        .ok_or_else(short)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(damaged)?;
    let (head, body) = rest.split_at_checked(length).ok_or_else(short)?;
    let message = ResultMessage::decode(head).map_err(damaged)?;
    Ok(CallResult {
        status: status(message.status).ok_or_else(short)?,
        headers: headers(message.headers),
        body: Bytes::copy_from_slice(body),
        truncated: message.truncated,
    })
}
