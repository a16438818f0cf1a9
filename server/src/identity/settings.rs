//! How identities are given, within bounds.

use std::path::PathBuf;
use std::time::Duration;

use gateless_identity::{CERTIFICATE_LIFE, GRACE, MIN_CERTIFICATE_LIFE, TrustDomain};

use super::Error;

/// The longest that certificates may be good: who is revoked is remembered for as long.
pub const MAX_CERTIFICATE_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The longest grace.
pub const MAX_GRACE: Duration = Duration::from_secs(90 * 24 * 3600);

/// How identities are given.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of the first start; none: a random one.
    pub trust_domain: Option<TrustDomain>,
    /// How long a certificate is good.
    pub certificate_life: Duration,
    /// For how long after its end it is good while the server cannot be reached.
    pub grace: Duration,
    /// A file that always holds a join token, for those who may read it.
    pub join_token_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trust_domain: None,
            certificate_life: CERTIFICATE_LIFE,
            grace: GRACE,
            join_token_file: None,
        }
    }
}

impl Settings {
    /// Whether they are within their bounds.
    ///
    /// # Errors
    /// Which is not.
    pub fn check(&self) -> Result<(), Error> {
        let life = MIN_CERTIFICATE_LIFE..=MAX_CERTIFICATE_LIFE;
        match () {
            () if !life.contains(&self.certificate_life) => Err(Error::Settings(
                "certificates are good for 2 seconds to 7 days",
            )),
            () if self.grace > MAX_GRACE => Err(Error::Settings("the grace is at most 90 days")),
            () => Ok(()),
        }
    }
}
