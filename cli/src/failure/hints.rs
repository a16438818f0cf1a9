//! The way out of a problem the server reports, for somebody at a terminal.
//!
//! The server's own hints are for whoever calls its API. What they say in the API's words is said here in
//! commands, or not at all. Deliberately not for `-o json`: programs get the problem as it was sent.

use gateless_common::problem::Code;

/// Words that mean nothing to somebody who types commands.
const API_WORDS: [&str; 12] = [
    "/v1/",
    "/readyz",
    "allow header",
    "authorization:",
    "content-type",
    "errors;",
    "etag",
    "GET ",
    "if-match",
    "pointer",
    "route",
    "the path must",
];

/// What to try after a problem of this code whose server suggests `theirs`.
pub(super) fn hint<'a>(code: &str, theirs: Option<&'a str>) -> Option<&'a str> {
    let own = match Code::parse(code) {
        Some(Code::FunctionNotFound) => {
            "gateless ls shows the functions there are; -n NAME looks in another namespace"
        }
        Some(Code::RevisionNotFound) => "gateless revisions FUNCTION shows those it has",
        Some(Code::SecretNotFound) => {
            "gateless secret ls shows the secrets there are; -n NAME looks in another namespace"
        }
        Some(Code::TriggerNotFound) => {
            "gateless trigger ls shows the triggers there are; -n NAME looks in another namespace"
        }
        Some(Code::TokenNotFound) => "gateless token ls shows the tokens there are",
        Some(Code::SidecarNotFound) => "gateless sidecars ls shows the sidecars there are",
        Some(Code::InvocationNotFound) => {
            "gateless invocations ls shows the calls there are; -n NAME looks in another namespace"
        }
        Some(Code::PreconditionFailed) => {
            "somebody changed it in the meantime; run the command again"
        }
        Some(Code::NeverReady) => "gateless status FUNCTION says what keeps it from starting",
        Some(Code::NothingToRollBackTo) => {
            "gateless revisions FUNCTION shows those it has; --to names one"
        }
        Some(Code::WrongState) => "gateless invocations get shows its state",
        Some(Code::FunctionDeleted) => {
            "deploy a function of that name first; gateless dlq ls and purge work without"
        }
        Some(Code::CatalogueReadOnly) => "calls are not affected; the server's log says more",
        Some(Code::RouteNotFound | Code::MethodNotAllowed) => {
            "does the server have the version of this program? gateless doctor says"
        }
        _ => return theirs.filter(|hint| !API_WORDS.iter().any(|word| hint.contains(word))),
    };
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// Every text the server gives as a hint.
    fn server_hints() -> Vec<String> {
        let mut folders = vec![std::path::PathBuf::from("../server/src")];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = std::fs::read_to_string(path).unwrap();
                    let hints = text.split(".hint(").skip(1);
                    found.extend(hints.filter_map(|rest| {
                        let quoted = rest.split('"').nth(1)?;
                        Some(quoted.to_owned())
                    }));
                }
            }
        }
        found
    }

    #[test]
    fn no_hint_for_callers_of_the_api_is_shown_at_a_terminal() {
        let hints = server_hints();
        assert!(hints.len() > 20, "{hints:?}");
        for theirs in &hints {
            if let Some(shown) = hint("a_code_without_words_of_its_own", Some(theirs)) {
                assert!(!speaks_http(shown), "{shown}");
            }
        }
        assert_eq!(hint("x", Some("get it again, and send its etag")), None);
        assert_eq!(hint("x", Some("try again")), Some("try again"));
    }

    /// A path, a method or a header.
    fn speaks_http(text: &str) -> bool {
        let mut words = text.split_whitespace();
        words.any(|word| {
            word.starts_with('/')
                || matches!(word, "GET" | "PUT" | "POST" | "DELETE" | "etag" | "header")
        })
    }

    #[test]
    fn commands_that_are_suggested_exist() {
        let cli = crate::args::Cli::command();
        let source = include_str!("hints.rs");
        let table = source.split_once("#[cfg(test)]").unwrap().0;
        let mut count = 0;
        for rest in table.split("gateless ").skip(1) {
            let mut names = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let command = cli
                .find_subcommand(names.next().unwrap())
                .unwrap_or_else(|| panic!("{rest}"));
            let next = names.next().unwrap_or_default();
            if command.has_subcommands() {
                assert!(command.find_subcommand(next).is_some(), "{rest}");
            }
            count += 1;
        }
        assert!(count > 8);
    }
}
