//! Which server, as whom, in which namespace: flags, then environment, then the saved login.
//!
//! Several servers are several contexts in one file. Deliberately no guessing: a token saved for one
//! server is never sent to another.

pub(crate) mod file;
pub(crate) mod trust;

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::file::{DEFAULT_CONTEXT, Login, Logins};
use self::trust::Fingerprint;
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
    /// Whose certificates to believe over https, PEM: an authority's, or the server's own [default: the login's, or this
    /// host's authorities].
    #[arg(long, env = "GATELESS_CA", value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
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
    /// Whose certificates are believed, PEM; `None`: those of this host's authorities.
    pub(crate) authorities: Option<String>,
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
        self.among(&Logins::load(&Logins::path()?)?)
    }

    /// The login is the context named, or the one for the server given, or the current one.
    fn among(&self, logins: &Logins) -> Result<Target, Failure> {
        let server = self.server.as_deref().map(check_url).transpose()?;
        let login = match (&self.context, &server, &self.token) {
            // With a token of its own nothing of a saved login but its namespace is wanted.
            (None, Some(server), Some(_)) => match logins.for_server(server) {
                Ok(Some(name)) => logins.get(Some(name))?,
                _ => Login::default(),
            },
            (None, Some(server), None) => match logins.for_server(server)? {
                Some(name) => logins.get(Some(name))?,
                None => Login::default(),
            },
            (context, ..) => logins.get(context.as_deref())?,
        };
        self.over(server, login)
    }

    /// What is in the file that `--ca` names.
    fn authorities(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.ca else {
            return Ok(None);
        };
        let shown = path.display();
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| Failure::io(format!("cannot read {shown}"), &error))?;
        trust::parse(&text)
            .map_err(|failure| failure.cause(format!("--ca or GATELESS_CA names {shown}")))?;
        Ok(Some(text))
    }

    /// Flags and environment over `login` over the defaults.
    fn over(&self, given: Option<String>, login: Login) -> Result<Target, Failure> {
        let saved = login.server.as_deref().map(check_url).transpose()?;
        // A saved token is for the saved server only: no other gets to see it.
        let is_saved_server = given.is_none() || given == saved;
        let (server, server_source) = match (given, saved) {
            (Some(server), _) => (server, "from --server or GATELESS_SERVER"),
            (None, Some(server)) => (server, "from the saved login"),
            (None, None) => (DEFAULT_SERVER.into(), DEFAULT_SOURCE),
        };
        let (token, token_source) = match (&self.token, login.token) {
            (Some(token), _) => (Some(token.clone()), "--token or GATELESS_TOKEN"),
            (None, Some(token)) if is_saved_server => (Some(token), "the saved login"),
            (None, Some(_)) => (None, "nowhere: the context's login is for another server"),
            (None, None) => (None, "nowhere: there is none"),
        };
        let saved_ca = login.ca.filter(|_| is_saved_server);
        let authorities = self.authorities()?.or(saved_ca);
        Ok(Target {
            authorities,
            server,
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

/// An address of http or https in its one spelling: host in lower case, no default port, no trailing slash.
pub(crate) fn check_url(url: &str) -> Result<String, Failure> {
    match reqwest::Url::parse(url) {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) && parsed.has_host() => {
            Ok(parsed.as_str().trim_end_matches('/').to_owned())
        }
        _ => Err(Failure::usage(format!(
            "{url:?} is neither an http:// nor an https:// address"
        ))
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
    /// Management API, as --server says it.
    #[arg(value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    remote: Remote,
    /// SHA-256 of a certificate that the server shows, or of its authority's, which is believed and saved with the login.
    ///
    /// Asked for at a terminal where this host believes no authority of the server's.
    #[arg(long, value_name = "sha256:HEX")]
    ca_fingerprint: Option<Fingerprint>,
    /// Save without asking the server whether the token is good.
    #[arg(long)]
    no_check: bool,
}

/// Checks the token and saves it with the server's address, and with whom to believe there.
pub(crate) async fn login(args: &LoginArgs, out: &mut Output) -> Result<(), Failure> {
    let mut remote = args.remote.clone();
    if args.url.is_some() {
        remote.server.clone_from(&args.url);
    }
    let path = Logins::path()?;
    let mut logins = Logins::load(&path)?;
    let named = remote.context.take();
    let given = remote.server.as_deref().map(check_url).transpose()?;
    let context = context_of_login(&logins, named, given.as_deref())?;
    let before = logins.contexts.get(&context).cloned().unwrap_or_default();
    let mut target = remote.over(given, before)?;
    // Before anything that is secret is asked for.
    target.authorities = trust::settle(
        &target.server,
        target.authorities.take(),
        args.ca_fingerprint.as_ref(),
        !args.no_check,
        out,
    )
    .await?;
    if remote.token.is_none() {
        out.note("token (from `gateless up` or `gateless token create`), then Enter:");
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .map_err(|e| Failure::io("cannot read the token from stdin", &e))?;
        remote.token = Some(line.trim().to_owned()).filter(|t| !t.is_empty());
    }
    if remote.token.is_none() {
        return Err(
            Failure::usage("no token given").hint("pass --token, set GATELESS_TOKEN or pipe it in")
        );
    }
    target.token.clone_from(&remote.token);
    let login = Login {
        server: Some(target.server.clone()),
        token: remote.token,
        namespace: Some(target.namespace.clone()),
        ca: target.authorities.clone(),
    };
    let (server, namespace) = (target.server.clone(), target.namespace.clone());
    if !args.no_check {
        let client = crate::client::Client::at(target)?;
        client
            .get(&client.path(&["functions"]), &[("limit", "1".into())])
            .await?;
    }
    logins.contexts.insert(context.clone(), login);
    logins.current = Some(context.clone());
    logins.save(&path)?;
    out.note(format!("saved in {}", path.display()));
    let saved = json!({"context": context, "server": server, "namespace": namespace, "file": path});
    out.item(&saved, |_| {
        format!("logged in to {server}, context {context}")
    })
}

/// Where a login is saved: in the context named, in the one for its server, or in a new one, so that
/// one server's login never takes another's place.
fn context_of_login(
    logins: &Logins,
    named: Option<String>,
    server: Option<&str>,
) -> Result<String, Failure> {
    if let Some(name) = named {
        return Ok(name);
    }
    let Some(server) = server else {
        let current = logins.current.clone();
        return Ok(current.unwrap_or_else(|| DEFAULT_CONTEXT.into()));
    };
    if let Some(name) = logins.for_server(server)? {
        return Ok(name.to_owned());
    }
    if !logins.contexts.contains_key(DEFAULT_CONTEXT) {
        return Ok(DEFAULT_CONTEXT.into());
    }
    let host = server.split_once("://").map_or(server, |(_, host)| host);
    Ok(host.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn logins(current: &str, contexts: &[(&str, &str, &str)]) -> Logins {
        let login = |server: &str, token: &str| Login {
            server: Some(server.into()),
            token: Some(token.into()),
            ..Login::default()
        };
        Logins {
            current: Some(current.into()),
            contexts: contexts
                .iter()
                .map(|(name, server, token)| ((*name).into(), login(server, token)))
                .collect(),
        }
    }

    #[test]
    fn a_server_named_in_any_spelling_gets_the_login_saved_for_it_and_no_other() {
        let logins = logins(
            "a",
            &[("a", "http://h:1", "of-a"), ("b", "http://h", "of-b")],
        );
        let check = |server: Option<&str>, context: Option<&str>, expected: Option<&str>| {
            let remote = Remote {
                server: server.map(str::to_owned),
                context: context.map(str::to_owned),
                ..Remote::default()
            };
            let target = remote.among(&logins).unwrap();
            assert_eq!(target.token.as_deref(), expected, "{server:?} {context:?}");
        };
        check(None, None, Some("of-a"));
        check(Some("http://h:1"), None, Some("of-a"));
        check(Some("http://H:1/"), None, Some("of-a"));
        check(Some("http://h:80"), None, Some("of-b"));
        check(Some("http://h:2"), None, None);
        check(Some("http://h:1"), Some("b"), None);
        check(Some("http://h"), Some("b"), Some("of-b"));
    }

    #[test]
    fn two_logins_for_one_server_are_chosen_between_by_the_current_context_only() {
        let both = [("a", "http://h", "of-a"), ("b", "http://h", "of-b")];
        let remote = Remote {
            server: Some("http://h".into()),
            ..Remote::default()
        };
        let target = remote.among(&logins("b", &both)).unwrap();
        assert_eq!(target.token.as_deref(), Some("of-b"));
        let unclear = remote.among(&logins("c", &both)).unwrap_err();
        assert_eq!(unclear.exit(), Exit::Usage);
        assert!(unclear.to_string().contains("a, b"), "{unclear}");
    }

    #[test]
    fn a_login_never_takes_the_place_of_another_servers() {
        let saved = logins("default", &[("default", "http://h", "t")]);
        let place = |server| context_of_login(&saved, None, server).unwrap();
        assert_eq!(place(None), "default");
        assert_eq!(place(Some("http://h")), "default");
        assert_eq!(place(Some("http://other:7780")), "other-7780");
    }

    #[test]
    fn addresses_of_http_and_https_are_taken_and_no_others() {
        assert_eq!(check_url("http://h:1/").unwrap(), "http://h:1");
        assert_eq!(
            check_url("http://LocalHost:80").unwrap(),
            "http://localhost"
        );
        assert_eq!(check_url("https://H:443/").unwrap(), "https://h");
        for bad in ["h:1", "ftp://h", "https://", ""] {
            assert_eq!(check_url(bad).unwrap_err().exit(), Exit::Usage, "{bad}");
        }
    }
}
