//! Asks one instance whether it is alive. What its silence means is the core's to say.

use gateless_core::config::Protocol;
use gateless_core::liveness::Probe;

use super::{Endpoint, Lease};
use crate::endpoint::probe::Question;

/// Within the time its revision gives it; the place goes back after that.
pub(super) async fn ask(lease: Lease) -> Probe {
    let Endpoint::Local { pool, .. } = &**lease.endpoint() else {
        return Probe::NoPlace;
    };
    let config = &lease.revision().config;
    let question = Question {
        h2c: config.protocol == Protocol::H2c,
        path: config.liveness.path.clone(),
    };
    let Ok(address) = pool.address().parse() else {
        return Probe::NoPlace;
    };
    let (limit, asked) = (config.liveness.timeout, question.text());
    let cause = match tokio::time::timeout(limit, question.ask(address)).await {
        Ok(Ok(_)) => return Probe::Answered,
        Ok(Err(error)) => format!("{asked} fails: {error}"),
        Err(_) => format!("no answer to {asked} within {limit:?}"),
    };
    Probe::Silent(cause.into())
}
