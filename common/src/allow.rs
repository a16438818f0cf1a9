//! Which functions may call one, as `access.allow` names them: `orders`, `orders.shop`, `*.shop`.
//!
//! One reading for the server, which checks what people write, and for sidecars, which compare. Who a caller is, and what
//! becomes of one that is not named, is the policy's.

use std::fmt;
use std::sync::Arc;

use crate::name::{self, FunctionName, check_label};

/// One function, or all of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// This one.
    Function(FunctionName),
    /// Every one of this namespace.
    Namespace(Arc<str>),
}

/// What stands there names no function and no namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A part of it is no label.
    #[error(transparent)]
    Name(#[from] name::Error),
    /// It has more than two parts.
    #[error("must be NAME, NAME.NAMESPACE or *.NAMESPACE")]
    Form,
}

impl Allowed {
    /// Reads `NAME` (of `namespace`), `NAME.NAMESPACE`, `*` (all of `namespace`) or `*.NAMESPACE`.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(text: &str, namespace: &str) -> Result<Self, Invalid> {
        let (name, namespace) = text.split_once('.').unwrap_or((text, namespace));
        if namespace.contains('.') {
            return Err(Invalid::Form);
        }
        if name != "*" {
            return Ok(Self::Function(FunctionName::new(namespace, name)?));
        }
        match check_label(namespace) {
            Ok(()) => Ok(Self::Namespace(namespace.into())),
            Err(_) => Err(Invalid::Form),
        }
    }

    /// Whether this function is it, or one of them.
    #[must_use]
    pub fn includes(&self, function: &FunctionName) -> bool {
        match self {
            Self::Function(name) => name == function,
            Self::Namespace(namespace) => **namespace == *function.namespace(),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => write!(f, "{}.{}", name.name(), name.namespace()),
            Self::Namespace(namespace) => write!(f, "*.{namespace}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_its_own_namespace_unless_it_says_another() {
        let check = |text: &str, expected: Option<&str>| {
            let parsed = Allowed::parse(text, "shop");
            let printed = parsed.ok().map(|allowed| allowed.to_string());
            assert_eq!(printed.as_deref(), expected, "{text:?}");
        };
        check("orders", Some("orders.shop"));
        check("orders.billing", Some("orders.billing"));
        check("*", Some("*.shop"));
        check("*.billing", Some("*.billing"));
        for wrong in [
            "", ".", "*.", ".shop", "a.b.c", "*.a.b", "or*", "*.*", "Orders", "a/b", "a.B", " a",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_function_is_compared_whole() {
        let name = |text: &str| -> FunctionName { text.parse().unwrap() };
        let includes = |text: &str, function: &str| {
            let allowed = Allowed::parse(text, "shop").unwrap();
            allowed.includes(&name(function))
        };
        assert!(includes("orders", "shop/orders"));
        assert!(!includes("orders", "billing/orders"));
        assert!(!includes("orders", "shop/orders-2"));
        assert!(includes("*.billing", "billing/orders"));
        assert!(!includes("*.billing", "billing-2/orders"));
    }
}
