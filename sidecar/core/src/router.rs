//! From a request's Host and path to a function, and from a function to a revision.
//!
//! Deliberately ignorant of HTTP types and of endpoints: text in, names out.

use crate::authority::Authority;
use crate::config::Function;
use crate::name::{self, FunctionName};
use gateless_common::stable_hash;

/// Namespace of a name that says none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What a request addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route<'a> {
    /// Function as written: a tag may still be in front of its name.
    pub name: FunctionName,
    /// Path and query to hand to the function; begins with `/`.
    pub rest: &'a str,
    /// Goes to the durable queue.
    pub is_async: bool,
}

/// Why a request addresses no function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither the path nor the Host names one.
    #[error("no function is named: call /function/NAME or use the Host NAME.NAMESPACE.{0}")]
    Unnamed(String),
    /// What stands there cannot be a name.
    #[error(transparent)]
    BadName(#[from] name::Error),
}

/// Finds the function a request addresses: by path, else by Host.
///
/// `path_and_query` begins with `/`, or is `*`. `domain` is the suffix of function hosts. A Host that
/// names a function wins over nothing but a path that does not begin with `/function/` or
/// `/async-function/`.
///
/// # Errors
/// See [`Error`].
pub fn route<'a>(
    host: Option<Authority<'_>>,
    path_and_query: &'a str,
    domain: &str,
) -> Result<Route<'a>, Error> {
    for (prefix, is_async) in [("/function/", false), ("/async-function/", true)] {
        if let Some(after) = path_and_query.strip_prefix(prefix) {
            let end = after.find(['/', '?']).unwrap_or(after.len());
            let (written, rest) = after.split_at(end);
            let name = parse_name(written)?;
            return Ok(Route {
                name,
                rest,
                is_async,
            });
        }
    }
    let labels = host
        .and_then(|host| host.under(domain))
        .ok_or_else(|| Error::Unnamed(domain.to_owned()))?;
    Ok(Route {
        name: parse_name(labels)?,
        rest: path_and_query,
        is_async: false,
    })
}

/// `NAME` or `NAME.NAMESPACE`, in any case.
fn parse_name(written: &str) -> Result<FunctionName, name::Error> {
    let lower;
    let written = if written.bytes().any(|b| b.is_ascii_uppercase()) {
        lower = written.to_ascii_lowercase();
        &lower
    } else {
        written
    };
    let (name, namespace) = written
        .split_once('.')
        .unwrap_or((written, DEFAULT_NAMESPACE));
    FunctionName::new(namespace, name)
}

/// `rest` as a path to send: `/` in front of what has none. `*` is the function itself, and stays (RFC 9112, 3.2.4).
#[must_use]
pub fn normalize(rest: &str) -> std::borrow::Cow<'_, str> {
    if rest.starts_with('/') || rest == "*" {
        rest.into()
    } else {
        format!("/{rest}").into()
    }
}

/// The ticket of a caller who sends this sticky key: the same at every sidecar and in every version, so that the
/// caller stays with one revision whichever entrance it takes.
#[must_use]
pub fn sticky_ticket(key: &[u8]) -> u64 {
    stable_hash(&[key])
}

/// Picks a revision by traffic split: `ticket` is a random number, or [`sticky_ticket`].
///
/// While no revision was ever ready, the candidate. `None` when there is none at all.
#[must_use]
pub fn pick_revision(function: &Function, ticket: u64) -> Option<usize> {
    if function.traffic.is_empty() {
        let candidate = function.candidate.as_ref();
        return candidate
            .and_then(|name| {
                function
                    .revisions
                    .iter()
                    .position(|revision| revision.name == *name)
            })
            .or_else(|| function.revisions.len().checked_sub(1));
    }
    let ticket = (ticket % 100) as u32;
    let mut sum = 0;
    for target in &function.traffic {
        sum += u32::from(target.percent);
        if ticket < sum {
            return Some(target.revision);
        }
    }
    function.traffic.last().map(|target| target.revision)
}

/// The revision behind a tag.
#[must_use]
pub fn tagged_revision(function: &Function, tag: &str) -> Option<usize> {
    let target = function
        .traffic
        .iter()
        .find(|target| target.tag.as_deref() == Some(tag))?;
    Some(target.revision)
}

/// Ways to read `TAG-NAME` as tag and function name, for a name that is no function itself.
pub fn tag_candidates(name: &FunctionName) -> impl Iterator<Item = (&str, FunctionName)> {
    let text = name.name();
    text.match_indices('-').filter_map(move |(at, _)| {
        let (tag, rest) = (&text[..at], &text[at + 1..]);
        FunctionName::new(name.namespace(), rest)
            .ok()
            .filter(|_| !tag.is_empty())
            .map(|name| (tag, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: Option<&str>, path: &str, expected: Option<(&str, &str, bool)>) {
        let host = host.map(|host| Authority::parse(host.as_bytes()).unwrap());
        let found = route(host, path, "gateless.local");
        let found = found
            .as_ref()
            .ok()
            .map(|route| (route.name.to_string(), route.rest, route.is_async));
        let expected = expected.map(|(name, rest, is_async)| (name.to_owned(), rest, is_async));
        assert_eq!(found, expected, "{host:?} {path}");
    }

    #[test]
    fn path_names_the_function() {
        check(None, "/function/hello", Some(("default/hello", "", false)));
        check(
            None,
            "/function/hello?a=1",
            Some(("default/hello", "?a=1", false)),
        );
        check(
            None,
            "/function/hello.prod/a/b?c",
            Some(("prod/hello", "/a/b?c", false)),
        );
        check(
            None,
            "/async-function/hello/",
            Some(("default/hello", "/", true)),
        );
        check(None, "/function/", None);
        check(None, "/function/a..b/", None);
        check(None, "/elsewhere", None);
    }

    #[test]
    fn host_names_the_function() {
        check(
            Some("hello.prod.gateless.local"),
            "/x",
            Some(("prod/hello", "/x", false)),
        );
        check(
            Some("Hello.Prod.gateless.local:8080"),
            "/",
            Some(("prod/hello", "/", false)),
        );
        check(
            Some("hello.gateless.local"),
            "/",
            Some(("default/hello", "/", false)),
        );
        check(
            Some("HELLO.Prod.Gateless.Local.:80"),
            "*",
            Some(("prod/hello", "*", false)),
        );
        check(Some("gateless.local"), "/", None);
        check(Some("hello.prod.example.com"), "/", None);
        check(
            Some("hello.prod.gateless.local"),
            "/function/other",
            Some(("default/other", "", false)),
        );
    }

    #[test]
    fn function_itself_is_no_path() {
        let sent = ["", "?a", "/a", "*"].map(normalize);
        assert_eq!(sent, ["/", "/?a", "/a", "*"]);
    }

    #[test]
    fn tags_are_found_in_front_of_names() {
        let name = FunctionName::new("default", "blue-my-fn").unwrap();
        let read: Vec<_> = tag_candidates(&name)
            .map(|(tag, name)| (tag, name.name().to_owned()))
            .collect();
        assert_eq!(
            read,
            [("blue", "my-fn".to_owned()), ("blue-my", "fn".to_owned())]
        );
    }
}
