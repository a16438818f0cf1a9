//! `context`: which of the saved logins the next commands use.
//!
//! Deliberately no editing: `gateless login --context NAME` writes one.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::Listing;
use crate::failure::Failure;
use crate::login::file::{Login, Logins};
use crate::output::{Output, at};

/// Saved logins.
#[derive(Debug, Args)]
pub(crate) struct ContextArgs {
    #[command(subcommand)]
    command: ContextCommand,
}

#[derive(Debug, Subcommand)]
enum ContextCommand {
    /// List them.
    Ls,
    /// Use one from now on.
    Use {
        /// Its name.
        name: String,
    },
    /// Show the current one.
    Show,
    /// Forget one.
    Rm {
        /// Its name.
        name: String,
    },
}

/// `gateless context`
pub(crate) fn context(args: &ContextArgs, out: &mut Output) -> Result<(), Failure> {
    let path = Logins::path()?;
    let mut logins = Logins::load(&path)?;
    match &args.command {
        ContextCommand::Ls => {
            let current = logins.current.as_deref();
            let items = logins
                .contexts
                .iter()
                .map(|(name, login)| describe(name, login, current))
                .collect();
            let listing = Listing {
                items,
                warnings: Vec::new(),
            };
            out.list(listing, &["NAME", "CURRENT", "SERVER", "NAMESPACE"], |v| {
                let current = if v["current"] == true { "*" } else { "" };
                vec![
                    at(v, "/name"),
                    current.into(),
                    at(v, "/server"),
                    at(v, "/namespace"),
                ]
            })
        }
        ContextCommand::Use { name } => {
            let login = logins.get(Some(name))?;
            logins.current = Some(name.clone());
            logins.save(&path)?;
            out.item(&describe(name, &login, Some(name)), |v| {
                format!("{name}: {}", at(v, "/server"))
            })
        }
        ContextCommand::Show => {
            let name = logins.current.clone().ok_or_else(|| {
                Failure::new(
                    crate::failure::Exit::NotFound,
                    "no_context",
                    "no login is saved",
                )
                .hint("gateless login --server URL")
            })?;
            let login = logins.get(Some(&name))?;
            out.item(&describe(&name, &login, Some(&name)), |v| {
                format!(
                    "{name}: {}, namespace {}",
                    at(v, "/server"),
                    at(v, "/namespace")
                )
            })
        }
        ContextCommand::Rm { name } => {
            logins.get(Some(name))?;
            logins.contexts.remove(name);
            if logins.current.as_ref() == Some(name) {
                logins.current = None;
            }
            logins.save(&path)?;
            out.item(&json!({"deleted": true}), |_| {
                format!("{name} is forgotten")
            })
        }
    }
}

/// A login without its token.
fn describe(name: &str, login: &Login, current: Option<&str>) -> Value {
    json!({
        "name": name,
        "current": current == Some(name),
        "server": login.server,
        "namespace": login.namespace,
        "has_token": login.token.is_some(),
    })
}
