//! Names, parsed once at the edge and valid from then on.
//!
//! Deliberately no I/O and no wire format: they print as `namespace/function/revision`,
//! which is also how peers write them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name: {reason}")]
pub struct Error {
    text: String,
    reason: &'static str,
}

/// A DNS label (RFC 1123): 1 to 63 of `a-z`, `0-9`, `-`, not beginning or ending with `-`.
///
/// # Errors
/// Says which of the rules the text breaks.
pub fn check_label(text: &str) -> Result<(), Error> {
    let fail = |reason| {
        Err(Error {
            text: text.chars().take(80).collect(),
            reason,
        })
    };
    if text.is_empty() || text.len() > 63 {
        return fail("it must have 1 to 63 characters");
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return fail("only a-z, 0-9 and - may occur");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return fail("it must not begin or end with -");
    }
    Ok(())
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
        check_label(namespace)?;
        check_label(name)?;
        Ok(Self {
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    /// The namespace.
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
        let (namespace, name) = text.split_once('/').ok_or_else(|| Error {
            text: text.chars().take(80).collect(),
            reason: "it must be NAMESPACE/FUNCTION",
        })?;
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
        check_label(revision)?;
        Ok(Self {
            function,
            revision: revision.into(),
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
        let (function, revision) = text.rsplit_once('/').ok_or_else(|| Error {
            text: text.chars().take(80).collect(),
            reason: "it must be NAMESPACE/FUNCTION/REVISION",
        })?;
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

            /// The text.
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
    fn only_dns_labels_are_names() {
        for good in ["a", "a-b", "0", &"x".repeat(63)] {
            assert!(check_label(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "ä", &"x".repeat(64)] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_parse_back_from_what_they_print() {
        let name: RevisionName = "default/hello/hello-00001"
            .parse()
            .unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(name.to_string().parse(), Ok(name));
        assert!("default/hello".parse::<RevisionName>().is_err());
    }
}
