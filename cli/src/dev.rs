//! `gateless dev`: a function on this machine, deployed again after every change of its sources.
//!
//! The same server, sidecar and queue as `up`, in this process; a change is a new revision, so the
//! old one answers until the new one is ready, and goes on when it never gets there. Deliberately no
//! other way to run a function than in production.

mod session;
mod watch;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Args;
use gateless_sandbox::Level;
use gateless_tls::Options;
use serde_json::json;

use self::session::Session;
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::login::Target;
use crate::manifest::units::Millis;
use crate::output::{Format, Output};
use crate::project::ProjectArgs;
use crate::run::args::tls::{self, CertificateArgs};
use crate::run::parts::{
    self, Signals, object, server_ready, sidecar_ready, start_server, start_sidecar, url,
};
use crate::run::{EngineArgs, IsolationArgs};

const USUAL_API: u16 = 7780;
const USUAL_CALLS: u16 = 7700;

/// Run a function here, again after every change of its sources.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    #[command(flatten)]
    project: ProjectArgs,
    /// Calls [default: 127.0.0.1:7700, or a free port].
    #[arg(long, env = "GATELESS_FUNCTION_LISTEN", value_name = "ADDR")]
    function_listen: Option<SocketAddr>,
    /// Management API [default: 127.0.0.1:7780, or a free port].
    #[arg(long, env = "GATELESS_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Keep secrets, queued calls and revisions there for the next time [default: a temporary folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How long a version may take to get ready.
    #[arg(long, default_value = "1m", value_name = "DURATION")]
    timeout: Millis,
    #[command(flatten)]
    certificates: CertificateArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    isolation: IsolationArgs,
}

/// Starts everything, and ends it on a signal.
pub(crate) fn dev(args: &DevArgs, out: &mut Output) -> Result<(), Failure> {
    if out.format() == Format::Json {
        return Err(Failure::usage("dev has no end, so it is no JSON document")
            .hint("use -o jsonl, one document a line"));
    }
    // A function that cannot be read is worth no server.
    let project = args.project.load()?;
    let temporary =
        tempfile::tempdir().map_err(|e| Failure::io("cannot make a temporary folder", &e))?;
    let data = args.data.as_deref().unwrap_or(temporary.path());
    parts::block_on_with("warn", async {
        let mut signals = Signals::new()?;
        let listen = listen_at(args.listen, USUAL_API);
        let certificates = args.certificates.open()?;
        let secure = |usual| {
            certificates.clone().map(|certificates| Options {
                listen: listen_at(None, usual),
                certificates,
                redirect: None,
            })
        };
        let config = parts::loopback_server(data, listen, secure(tls::USUAL_API));
        let mut server = start_server(config).await?;
        let listen = listen_at(args.function_listen, USUAL_CALLS);
        let mut isolation = args.isolation.settings(Level::BestEffort);
        // The server's folder, too.
        isolation.hidden.push(data.to_owned());
        let started = async {
            let join = parts::join(&server).await?;
            let grpc = parts::secure_url(server.grpc);
            let config = parts::loopback_sidecar(
                grpc,
                data,
                listen,
                join,
                (isolation, args.engine.choice(Level::BestEffort)),
                secure(tls::USUAL_CALLS),
            );
            start_sidecar(config).await
        };
        let sidecar = match started.await {
            Ok(sidecar) => sidecar,
            Err(failure) => {
                server.shutdown().await;
                return Err(failure);
            }
        };
        let namespace = project.manifest.namespace.as_deref().unwrap_or("default");
        let calls = url(sidecar.public);
        if let Some(lack) = parts::not_isolated(&sidecar) {
            out.note(lack);
        }
        let result = async {
            let Some(admin) = parts::admin_token(&server, out).await else {
                return Err(no_token(data));
            };
            server.answer();
            let mut ready = server_ready(&server, Some(&admin));
            ready.append(&mut sidecar_ready(&sidecar));
            announce(out, (&url(server.api), &calls), &admin.file, ready)?;
            let client = Client::at(target(&url(server.api), admin.token, namespace))?;
            let mut session = Session::new(&args.project, args.timeout, &client, &calls)?;
            tokio::select! {
                ended = session.run(out) => ended,
                () = signals.next() => Ok(()),
            }
        };
        let result = result.await;
        out.note("ending; a second signal ends it at once");
        tokio::select! {
            () = async {
                server.prepare_shutdown();
                sidecar.shutdown(true).await;
                server.shutdown().await;
            } => result,
            () = signals.next() => Err(Failure::new(Exit::Failure, "forced", "ended before everything had shut down")),
        }
    })
}

/// The address given, or the usual port, or where that is taken any.
fn listen_at(given: Option<SocketAddr>, usual: u16) -> SocketAddr {
    given.unwrap_or_else(|| {
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, usual));
        match TcpListener::bind(usual) {
            Ok(_) => usual,
            Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    })
}

/// Somebody took the token's file away while the token is still good.
fn no_token(data: &Path) -> Failure {
    let what = format!("{} has no token for its server any more", data.display());
    Failure::new(Exit::Unauthorized, "no_token", what).hint(format!(
        "make another: gateless server recover --data {}, or choose another folder with --data",
        data.display()
    ))
}

fn target(server: &str, token: String, namespace: &str) -> Target {
    Target {
        server: server.to_owned(),
        server_source: "of this process",
        token: Some(token),
        token_source: "this process",
        namespace: namespace.to_owned(),
        namespace_is_explicit: true,
        authorities: None,
    }
}

/// What a shell is told, in whatever folder it is.
fn login(api: &str, admin: &Path) -> String {
    let admin = admin.display().to_string().replace('\'', r"'\''");
    format!("export GATELESS_SERVER={api} GATELESS_TOKEN=\"$(cat '{admin}')\"")
}

fn announce(
    out: &mut Output,
    (api, calls): (&str, &str),
    admin: &Path,
    ready: serde_json::Map<String, serde_json::Value>,
) -> Result<(), Failure> {
    if out.format() == Format::Table {
        let login = login(api, &parts::absolute(admin));
        out.note(format!(
            "server {api}, calls at {calls}; for other commands:\n  {login}"
        ));
        return Ok(());
    }
    let mut event = object(&json!({"event": "ready"}));
    event.extend(ready);
    out.document(&serde_json::Value::Object(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_token_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's a \"folder\" of $HOME");
        std::fs::write(&file, "secret\n").unwrap();
        let script = format!(
            "{}; printf %s \"$GATELESS_TOKEN\"",
            login("http://127.0.0.1:1", &file)
        );
        let shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .output();
        assert_eq!(shell.unwrap().stdout, b"secret");
    }
}
