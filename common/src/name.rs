//! Names, parsed once at the edge and valid from then on.
//!
//! Deliberately no I/O and no wire format: they print as `namespace/function/revision`,
//! which is also how peers write them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

mod rule;

pub use rule::*;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name: it {reason}")]
pub struct Error {
    text: String,
    reason: &'static str,
}

impl Error {
    fn new(text: &str, reason: &'static str) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            reason,
        }
    }
}

fn label(text: &str) -> Result<Arc<str>, Error> {
    check_label(text).map_err(|reason| Error::new(text, reason))?;
    Ok(text.into())
}

/// A function's namespace and name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName {
    namespace: Arc<str>,
    name: Arc<str>,
}

impl FunctionName {
    /// Parses both labels.
    ///
    /// # Errors
    /// When either is not a DNS label.
    pub fn new(namespace: &str, name: &str) -> Result<Self, Error> {
        Ok(Self {
            namespace: label(namespace)?,
            name: label(name)?,
        })
    }

    /// The part before the slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name within the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for FunctionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (namespace, name) = text
            .split_once('/')
            .ok_or_else(|| Error::new(text, "must be NAMESPACE/FUNCTION"))?;
        Self::new(namespace, name)
    }
}

/// One revision of one function, for example `default/hello/hello-00001`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevisionName {
    function: FunctionName,
    revision: Arc<str>,
}

impl RevisionName {
    /// Parses the revision's own label.
    ///
    /// # Errors
    /// When it is not a DNS label.
    pub fn new(function: FunctionName, revision: &str) -> Result<Self, Error> {
        Ok(Self {
            function,
            revision: label(revision)?,
        })
    }

    /// The function it is a revision of.
    #[must_use]
    pub fn function(&self) -> &FunctionName {
        &self.function
    }

    /// The revision's own name, for example `hello-00001`.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }
}

impl fmt::Display for RevisionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.function, self.revision)
    }
}

impl fmt::Debug for RevisionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RevisionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (function, revision) = text
            .rsplit_once('/')
            .ok_or_else(|| Error::new(text, "must be NAMESPACE/FUNCTION/REVISION"))?;
        Self::new(function.parse()?, revision)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes any text: it is made by us, never typed by people.
            #[must_use]
            pub fn new(id: &str) -> Self {
                Self(id.into())
            }

            /// As it goes over the wire and into ids of calls.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A sidecar, for as long as its data folder lives.
    NodeId
}
id! {
    /// One running instance; never used twice.
    InstanceId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_from_what_they_print() {
        let name: RevisionName = "default/hello/hello-00001"
            .parse()
            .unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(name.to_string().parse(), Ok(name));
        for bad in ["default/hello", "hello", "default/hello/A", "-/hello/a"] {
            assert!(bad.parse::<RevisionName>().is_err(), "{bad}");
        }
    }
}
