//! Which server, as whom, in which namespace: flags, then environment, then the saved login.
//!
//! Several servers are several contexts in one file. Deliberately no guessing: a token saved for one
//! server is never sent to another.

pub(crate) mod file;

use std::io;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::file::{DEFAULT_CONTEXT, Login, Logins};
use crate::failure::Failure;
use crate::output::Output;

const DEFAULT_SERVER: &str = "http://127.0.0.1:7780";
const DEFAULT_SOURCE: &str = "the default";

/// Flags every client command has.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Remote {
    /// Management API [default: the login's, or http://127.0.0.1:7780].
    #[arg(long, env = "GATELESS_SERVER", value_name = "URL", global = true)]
    server: Option<String>,
    /// A saved login other than the current one; see `gateless context ls`.
    #[arg(long, env = "GATELESS_CONTEXT", value_name = "NAME", global = true)]
    pub(crate) context: Option<String>,
    /// Token [default: the login's]; prefer GATELESS_TOKEN, arguments show in process lists.
    #[arg(
        long,
        env = "GATELESS_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        global = true
    )]
    token: Option<String>,
    /// Namespace [default: the login's, or "default"].
    #[arg(
        short,
        long,
        env = "GATELESS_NAMESPACE",
        value_name = "NAME",
        global = true
    )]
    namespace: Option<String>,
}

/// What [`Remote`] comes to.
#[derive(Debug)]
pub(crate) struct Target {
    /// Without a trailing slash.
    pub(crate) server: String,
    pub(crate) server_source: &'static str,
    pub(crate) token: Option<String>,
    pub(crate) token_source: &'static str,
    pub(crate) namespace: String,
    pub(crate) namespace_is_explicit: bool,
}

impl Target {
    /// Whether anything but the defaults says which server, or as whom.
    pub(crate) fn has_login(&self) -> bool {
        self.token.is_some() || self.server_source != DEFAULT_SOURCE
    }
}

impl Remote {
    /// Flags and environment over the saved login over the defaults.
    pub(crate) fn resolve(&self) -> Result<Target, Failure> {
        let logins = Logins::load(&Logins::path()?)?;
        self.over(logins.get(self.context.as_deref())?)
    }

    /// Flags and environment over `login` over the defaults.
    fn over(&self, login: Login) -> Result<Target, Failure> {
        let given = "from --server or GATELESS_SERVER";
        let (server, server_source) = match (&self.server, login.server) {
            (Some(server), _) => (server.clone(), given),
            (None, Some(server)) => (server, "from the saved login"),
            (None, None) => (DEFAULT_SERVER.into(), DEFAULT_SOURCE),
        };
        let (token, token_source) = match (&self.token, login.token) {
            (Some(token), _) => (Some(token.clone()), "--token or GATELESS_TOKEN"),
            // A saved token is for the saved server only: no other gets to see it.
            (None, Some(token)) if server_source != given => (Some(token), "the saved login"),
            _ => (None, "nowhere: there is none"),
        };
        Ok(Target {
            server: check_url(&server)?,
            server_source,
            token,
            token_source,
            namespace_is_explicit: self.namespace.is_some(),
            namespace: self
                .namespace
                .clone()
                .or(login.namespace)
                .unwrap_or_else(|| "default".into()),
        })
    }
}

/// An `http://` address without its trailing slash.
pub(crate) fn check_url(url: &str) -> Result<String, Failure> {
    let url = url.trim_end_matches('/');
    if url.starts_with("https://") {
        return Err(Failure::usage(format!("{url} is not an http:// address"))
            .cause("this build speaks plain HTTP only")
            .hint("use the server's own http:// address, or a TLS tunnel on this host"));
    }
    match reqwest::Url::parse(url) {
        Ok(parsed) if parsed.scheme() == "http" && parsed.has_host() => Ok(url.to_owned()),
        _ => Err(Failure::usage(format!("{url:?} is not an http:// address"))
            .hint("write it like http://127.0.0.1:7780")),
    }
}

/// `$variable`, or `~/fallback`.
pub(crate) fn user_folder(variable: &str, fallback: &str) -> Result<PathBuf, Failure> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|p| !p.is_empty())
            .map(PathBuf::from)
    };
    from(variable)
        .or_else(|| from("HOME").map(|home| home.join(fallback)))
        .ok_or_else(|| {
            Failure::usage(format!("neither {variable} nor HOME is set"))
                .hint("set one of them, or name the folder with --data or GATELESS_CONFIG")
        })
}

/// `gateless login`
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    remote: Remote,
    /// Save without asking the server whether the token is good.
    #[arg(long)]
    no_check: bool,
}

/// Checks the token and saves it with the server's address.
pub(crate) async fn login(args: &LoginArgs, out: &mut Output) -> Result<(), Failure> {
    let mut remote = args.remote.clone();
    let path = Logins::path()?;
    let mut logins = Logins::load(&path)?;
    let context = remote.context.take().or_else(|| logins.current.clone());
    let context = context.unwrap_or_else(|| DEFAULT_CONTEXT.into());
    if remote.token.is_none() {
        out.note("token (from `gateless up` or `gateless token create`), then Enter:");
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .map_err(|e| Failure::io("cannot read the token from stdin", &e))?;
        remote.token = Some(line.trim().to_owned()).filter(|t| !t.is_empty());
    }
    let before = logins.contexts.get(&context).cloned().unwrap_or_default();
    let target = remote.over(before)?;
    let (server, namespace) = (target.server.clone(), target.namespace.clone());
    if remote.token.is_none() {
        return Err(
            Failure::usage("no token given").hint("pass --token, set GATELESS_TOKEN or pipe it in")
        );
    }
    if !args.no_check {
        let client = crate::client::Client::at(target)?;
        client
            .get(&client.path(&["functions"]), &[("limit", "1".into())])
            .await?;
    }
    let login = Login {
        server: Some(server.clone()),
        token: remote.token,
        namespace: Some(namespace.clone()),
    };
    logins.contexts.insert(context.clone(), login);
    logins.current = Some(context.clone());
    logins.save(&path)?;
    out.note(format!("saved in {}", path.display()));
    let saved = json!({"context": context, "server": server, "namespace": namespace, "file": path});
    out.item(&saved, |_| {
        format!("logged in to {server}, context {context}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn only_plain_http_addresses_are_taken() {
        assert_eq!(check_url("http://h:1/").unwrap(), "http://h:1");
        for bad in ["https://h", "h:1", "ftp://h", ""] {
            assert_eq!(check_url(bad).unwrap_err().exit(), Exit::Usage, "{bad}");
        }
    }
}
