//! Clients to sidecars' `SidecarAdmin`, kept per sidecar and address: who answers there must be that sidecar.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use gateless_identity::{Expect, Identity, channel};
use gateless_proto::v1::sidecar_admin_client::SidecarAdminClient;
use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Of a call that answers once, and of a stream's first message.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A page of calls with all their attempts is larger than tonic's default of 4 MiB allows.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// A sidecar could not be asked, or refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("sidecar {sidecar}: {}", status.message())]
pub struct CallError {
    /// Which.
    pub sidecar: String,
    /// What it said, or why it was not reached (`Unavailable`, `DeadlineExceeded`).
    pub status: Status,
}

/// tonic's client over a connection whose ends know each other.
pub type Admin = SidecarAdminClient<Channel>;

/// One sidecar's client.
#[derive(Clone)]
pub struct Client {
    /// Which sidecar.
    pub sidecar: String,
    admin: Result<Admin, Status>,
}

impl Client {
    /// Asks, within [`CALL_TIMEOUT`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask<T, F>(&self, ask: impl FnOnce(Admin) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let failed = |status| CallError {
            sidecar: self.sidecar.clone(),
            status,
        };
        let admin = self.admin.clone().map_err(failed)?;
        match tokio::time::timeout(CALL_TIMEOUT, ask(admin)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(failed(status)),
            Err(_) => Err(failed(Status::deadline_exceeded("no answer within 5 s"))),
        }
    }
}

/// Channels by sidecar and address. Bounded: cleared when it grows past the number of sidecars there may be.
pub(super) struct Clients {
    identity: Identity,
    /// A short lock, never across `.await`.
    channels: Mutex<HashMap<(String, String), Channel>>,
}

impl Clients {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            channels: Mutex::default(),
        }
    }

    pub(super) fn is_removed(&self, sidecar: &str) -> bool {
        self.identity.trust().is_removed(sidecar)
    }

    pub(super) fn get(&self, sidecar: &str, address: &str) -> Client {
        let admin = self.channel(sidecar, address).map(|channel| {
            let client = SidecarAdminClient::new(channel);
            client.max_decoding_message_size(MAX_MESSAGE_BYTES)
        });
        Client {
            sidecar: sidecar.to_owned(),
            admin,
        }
    }

    fn channel(&self, sidecar: &str, address: &str) -> Result<Channel, Status> {
        let key = (sidecar.to_owned(), address.to_owned());
        let mut channels = self.channels.lock();
        if let Some(channel) = channels.get(&key) {
            return Ok(channel.clone());
        }
        if channels.len() >= 2 * super::MAX_SIDECARS {
            channels.clear();
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|_| Status::unavailable(format!("{address:?} is not an address")))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        let expect = Expect::Node(sidecar.to_owned());
        let channel = channel(&endpoint, &self.identity, expect);
        channels.insert(key, channel.clone());
        Ok(channel)
    }
}
