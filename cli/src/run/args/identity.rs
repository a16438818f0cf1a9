//! What a server is told of the identities that it gives.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gateless_server::{IdentitySettings, TrustDomain};

use crate::failure::Failure;
use crate::manifest::units::Millis;

/// How sidecars get their identities.
#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    /// Of sidecars' ids, spiffe://TRUST-DOMAIN/sidecar/NODE; given at the first start [default: a random one].
    #[arg(long, env = "GATELESS_TRUST_DOMAIN", value_name = "NAME")]
    trust_domain: Option<TrustDomain>,
    /// How long a sidecar's certificate is good; it is renewed at half of that.
    #[arg(
        long,
        env = "GATELESS_CERTIFICATE_LIFE",
        default_value = "24h",
        value_name = "DURATION"
    )]
    certificate_life: Millis,
    /// How much longer it is good while this server cannot be reached.
    #[arg(
        long,
        env = "GATELESS_IDENTITY_GRACE",
        default_value = "7d",
        value_name = "DURATION"
    )]
    identity_grace: Millis,
    /// Keep a join token in this file, for whoever may read it; it changes every 12 hours.
    #[arg(long, env = "GATELESS_WRITE_JOIN_TOKEN", value_name = "FILE")]
    write_join_token: Option<PathBuf>,
}

impl IdentityArgs {
    pub(crate) fn settings(&self) -> Result<IdentitySettings, Failure> {
        let settings = IdentitySettings {
            trust_domain: self.trust_domain.clone(),
            certificate_life: Duration::from_millis(self.certificate_life.0),
            grace: Duration::from_millis(self.identity_grace.0),
            join_token_file: self.write_join_token.clone(),
        };
        let checked = settings.check();
        checked.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(settings)
    }
}
