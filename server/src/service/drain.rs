//! Taking a sidecar out of service and back: it is told, and it remembers.

use gateless_proto::v1::SetDrainingRequest;
use tonic::Code;

use super::{Error, Kind, Result, Service};
use crate::sidecars::Sidecar;
use crate::sidecars::clients::CallError;

impl Service {
    /// Tells a sidecar to give up its instances, or to run some again.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Sidecar`] when it cannot be told.
    pub async fn set_draining(&self, id: &str, draining: bool) -> Result<Sidecar> {
        let missing = || Error::not_found(Kind::Sidecar, id);
        let client = self.registry.client(id).ok_or_else(missing)?;
        let request = SetDrainingRequest { draining };
        let told = client.ask(|mut admin| async move { admin.set_draining(request).await });
        let told = told.await.map_err(|error| unreachable(error, id))?;
        let mut sidecar = self.registry.get(id).ok_or_else(missing)?;
        // Its next report says so, too.
        sidecar.draining = told.draining;
        sidecar.instances = told.instances as usize;
        Ok(sidecar)
    }
}

fn unreachable(error: CallError, id: &str) -> Error {
    match error.status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Error::SidecarAway {
            id: id.to_owned(),
            cause: error.status.message().to_owned(),
        },
        _ => error.into(),
    }
}
