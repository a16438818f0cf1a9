//! SPIFFE ids: `spiffe://TRUST-DOMAIN/server/ID` and `spiffe://TRUST-DOMAIN/sidecar/NODE-ID`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Error;

/// The most characters of a trust domain, as SPIFFE has it.
const MAX_DOMAIN: usize = 255;
/// The most characters of a name.
const MAX_NAME: usize = 64;

/// Under which names are given: letters, digits, `.`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One that no other cluster is likely to have.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("gateless-{:08x}", rand::random::<u32>()).into())
    }
}

impl FromStr for TrustDomain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if text.is_empty() || text.len() > MAX_DOMAIN || !text.bytes().all(allowed) {
            return Err(Error::Malformed(
                "a trust domain has 1 to 255 characters of a-z, 0-9, '.', '-' and '_'",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Has the catalogue.
    Server,
    /// Takes and runs calls.
    Sidecar,
}

impl Role {
    /// As in an id.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Sidecar => "sidecar",
        }
    }
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id {
    /// In whose domain.
    pub domain: TrustDomain,
    /// What.
    pub role: Role,
    name: Arc<str>,
}

impl Id {
    /// With a name of its own in its role.
    ///
    /// # Errors
    /// When the name has other characters than a-z, 0-9 and `-`, none, or more than 64.
    pub fn new(domain: TrustDomain, role: Role, name: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
            return Err(Error::Malformed(
                "a node's name has 1 to 64 characters of a-z, 0-9 and '-'",
            ));
        }
        let name = name.into();
        Ok(Self { domain, role, name })
    }

    /// Its name: of a sidecar, the node id.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name, if it is a sidecar.
    #[must_use]
    pub fn sidecar(&self) -> Option<&str> {
        (self.role == Role::Sidecar).then_some(&self.name)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (role, name) = (self.role.as_str(), &self.name);
        write!(f, "spiffe://{}/{role}/{name}", self.domain)
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let not_ours = || Error::Malformed("not the SPIFFE id of a server or sidecar");
        let rest = text.strip_prefix("spiffe://").ok_or_else(not_ours)?;
        let mut parts = rest.split('/');
        let (Some(domain), Some(role), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(not_ours());
        };
        let role = match role {
            "server" => Role::Server,
            "sidecar" => Role::Sidecar,
            _ => return Err(not_ours()),
        };
        Self::new(domain.parse()?, role, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_as_they_are_written_and_others_are_refused() {
        let id: Id = "spiffe://a.example/sidecar/0badcafe".parse().unwrap();
        assert_eq!((id.role, id.name()), (Role::Sidecar, "0badcafe"));
        assert_eq!(id.to_string(), "spiffe://a.example/sidecar/0badcafe");
        for wrong in [
            "https://a.example/sidecar/0badcafe",
            "spiffe://a.example/sidecar",
            "spiffe://a.example/sidecar/x/y",
            "spiffe://a.example/function/x",
            "spiffe:///sidecar/x",
            "spiffe://A.example/sidecar/x",
            "spiffe://a.example/sidecar/X",
            "spiffe://a.example/sidecar/",
        ] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }
}
