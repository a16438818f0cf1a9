//! `up`, `server`, `sidecar`: starts the parts and ends them on a signal.
//!
//! On SIGTERM or SIGINT a sidecar stops taking calls, lets those in flight finish and stops its
//! instances; with `--keep-instances` they stay up and the next sidecar on the same data folder
//! adopts them, as after a crash. A second signal ends the process at once.

pub(crate) mod args;
pub(crate) mod parts;

use std::path::{Path, PathBuf};

use gateless_sandbox::Level;
use gateless_server::SecretsKeySource;
use gateless_sidecar::Join;
use serde_json::json;

use self::args::RecoverArgs;
use self::args::tls::{Opened, USUAL_CALLS};
pub(crate) use self::args::{
    EngineArgs, IsolationArgs, SecretsKeyCommand, ServerArgs, ServerCommand, SidecarArgs,
    SidecarCommand, SidecarRun, UpArgs,
};
use self::parts::{
    Signals, admin_token, announce, block_on, block_on_with, join, login_link, not_isolated,
    secure_url, server_ready, sidecar_ready, start_server, start_sidecar, url,
};
use crate::failure::{Exit, Failure};
use crate::login::file::{Login, Logins};
use crate::output::Output;

/// What the login of `up` is called.
const FIRST_CONTEXT: &str = "local";

/// `gateless up`
pub(crate) fn up(args: &UpArgs, out: &mut Output) -> Result<(), Failure> {
    let data = args.data.folder("")?;
    let identity = args.identity.settings()?;
    block_on(async {
        let mut signals = Signals::new()?;
        let connections = args.connections.options();
        let tls = args.tls.open()?;
        let folder = data.join("server");
        let sealing = args.secrets_key.source(&folder);
        let config = (args.listen).config(folder, (identity, sealing), &tls, connections)?;
        let mut server = start_server(config).await?;
        let sidecar = match beside(args, &data, &tls, &server).await {
            Ok(sidecar) => sidecar,
            Err(failure) => {
                server.shutdown().await;
                return Err(failure);
            }
        };
        // Last: a start that fails before it has made no token.
        let admin = admin_token(&server, out).await;
        if let (Some(admin), Some(port)) = (&admin, server.redirect()) {
            // Whom to believe there is for people to say.
            out.note(format!(
                "the API takes https only: gateless login https://HOST:{port} < {}",
                admin.file.display()
            ));
        } else if let Some(admin) = &admin
            && let Err(failure) = save_first_login(out, &url(server.api), &admin.token)
        {
            // A login that cannot be kept is no reason to run nothing.
            out.note(format!("the login was not saved: {failure}"));
        }
        // Who waits for the API to answer may count on the login.
        server.answer();
        let mut ready = server_ready(&server, admin.as_ref());
        ready.append(&mut sidecar_ready(&sidecar));
        if let Some(admin) = &admin
            && let Some(link) = login_link(&server, admin, out).await
        {
            ready.insert("dashboard".into(), json!(link));
        }
        let announced = announce(out, ready);
        if let Some(lack) = not_isolated(&sidecar) {
            out.note(lack);
        }
        let shutdown = async {
            server.prepare_shutdown();
            sidecar.shutdown(!args.host.keep_instances).await;
            server.shutdown().await;
        };
        match announced {
            Ok(()) => signals.until_ended(out, shutdown).await,
            Err(failure) => {
                shutdown.await;
                Err(failure)
            }
        }
    })
}

/// A sidecar of the server in this process.
async fn beside(
    args: &UpArgs,
    data: &Path,
    tls: &Opened,
    server: &gateless_server::Running,
) -> Result<gateless_sidecar::Running, Failure> {
    let mut config = args.host.config(
        Some(secure_url(server.grpc)),
        data.join("sidecar"),
        args.function_listen,
        join(server).await?,
        args.connections.options(),
        Level::BestEffort,
    )?;
    config.tls = tls.listener(
        "--function-tls-listen",
        args.function_tls_listen,
        USUAL_CALLS,
        args.function_https_port,
    )?;
    // The server's folder, too.
    config.isolation.hidden.push(data.to_owned());
    start_sidecar(config).await
}

/// `gateless server`
pub(crate) fn server(args: &ServerArgs, out: &mut Output) -> Result<(), Failure> {
    let data = args.data.folder("server")?;
    let identity = args.identity.settings()?;
    block_on(async {
        let mut signals = Signals::new()?;
        let connections = args.connections.options();
        let tls = args.tls.open()?;
        let sealing = args.secrets_key.source(&data);
        let config = (args.listen).config(data, (identity, sealing), &tls, connections)?;
        let mut server = start_server(config).await?;
        let admin = admin_token(&server, out).await;
        server.answer();
        match announce(out, server_ready(&server, admin.as_ref())) {
            Ok(()) => signals.until_ended(out, server.shutdown()).await,
            Err(failure) => {
                server.shutdown().await;
                Err(failure)
            }
        }
    })
}

/// `gateless server recover`
pub(crate) fn recover(args: &RecoverArgs, out: &mut Output) -> Result<(), Failure> {
    let (data, source) = stopped(args)?;
    block_on_with("warn", async {
        let recovered = gateless_server::recover(&data, &source).await;
        let path = recovered.map_err(|error| {
            Failure::new(Exit::Failure, "recover", "no admin token was made")
                .cause(error)
                .hint("stop the server first; --data names its folder, or that of gateless up")
        })?;
        let path = path.display().to_string();
        out.note("an admin token, good for a year; log in with it and delete the file");
        out.item(&json!({"token_file": path}), |_| path.clone())
    })
}

/// The folder of a server that is stopped, and where its keys come from.
fn stopped(args: &RecoverArgs) -> Result<(PathBuf, SecretsKeySource), Failure> {
    let given = args.data.folder("server")?;
    // The folder of `gateless up` has the server's in it.
    let of_up = given.join("server");
    let data = if of_up.join("catalogue").is_dir() {
        of_up
    } else {
        given
    };
    let source = args.secrets_key.source(&data);
    Ok((data, source))
}

/// `gateless server secrets-key seal` and `unseal`
pub(crate) fn rewrite(args: &RecoverArgs, seal: bool, out: &mut Output) -> Result<(), Failure> {
    let (data, source) = stopped(args)?;
    block_on_with("warn", async {
        let rewritten = match seal {
            true => gateless_server::secrets_key::seal(&data, &source).await,
            false => gateless_server::secrets_key::unseal(&data, &source).await,
        };
        let rewritten = rewritten.map_err(|error| {
            Failure::new(Exit::Failure, "secrets-key", "the catalogue is as it was")
                .cause(error)
                .hint("stop the server first; --data names its folder, or that of gateless up")
        })?;
        let (key, from) = (rewritten.key, rewritten.source);
        let item = json!({"sealed": seal, "key": key, "source": from});
        out.item(&item, |_| match seal {
            true => format!("the catalogue's secrets are sealed by key {key} of {from}"),
            false => "the catalogue's secrets are plain: the version before reads them, and a start of this one after seven \
                days seals them"
                .to_owned(),
        })
    })
}

/// `gateless sidecar`
pub(crate) fn sidecar(args: &SidecarRun, out: &mut Output) -> Result<(), Failure> {
    let data = args.data.folder("sidecar")?;
    let token = args.join_token_file.clone();
    let identity = token.clone().map_or(Join::No, Join::File);
    let connections = args.connections.options();
    let mut config = args.host.config(
        args.server.clone(),
        data,
        args.listen,
        identity,
        connections,
        Level::default(),
    )?;
    // Where there are no user ids to give, its mode keeps no instance from it.
    config.isolation.hidden.extend(token);
    block_on(async {
        let mut signals = Signals::new()?;
        config.tls = args.tls.open()?.listener(
            "--tls-listen",
            args.tls_listen,
            USUAL_CALLS,
            args.https_port,
        )?;
        // Joining waits for the server, however long it takes.
        let sidecar = tokio::select! {
            started = start_sidecar(config) => started?,
            () = signals.next() => return Ok(()),
        };
        announce(out, sidecar_ready(&sidecar))?;
        if let Some(lack) = not_isolated(&sidecar) {
            tracing::warn!("{lack}");
        }
        signals
            .until_ended(out, sidecar.shutdown(!args.host.keep_instances))
            .await
    })
}

/// The user who started it first is logged in; every login saved before stays, also one for the same
/// address, which is that of another data folder.
fn save_first_login(out: &mut Output, server: &str, token: &str) -> Result<(), Failure> {
    let path = Logins::path()?;
    let mut logins = Logins::load(&path)?;
    let login = Login {
        server: Some(server.to_owned()),
        token: Some(token.to_owned()),
        ..Login::default()
    };
    // The token's file stays, so this may be a later start, at another address perhaps.
    if let Some(saved) = logins
        .contexts
        .values_mut()
        .find(|saved| saved.token == login.token)
    {
        if saved.server != login.server {
            saved.server = login.server;
            logins.save(&path)?;
        }
        return Ok(());
    }
    let before = logins.of_server(server);
    let replaced = logins.current.clone();
    let replaced = replaced.filter(|current| before.contains(&current.as_str()));
    let name = logins.add(FIRST_CONTEXT, login)?;
    // At this address listens this server now: the login of the one that did is no use until it does again.
    let is_current = replaced.is_some() || logins.current.as_ref().is_none_or(|c| *c == name);
    if is_current {
        logins.current = Some(name.clone());
    }
    logins.save(&path)?;
    let path = path.display();
    out.note(match (is_current, replaced.filter(|old| *old != name)) {
        (true, Some(old)) => format!(
            "logged in with the first admin token, saved in {path} as context {name}; \
             {old}, for a server that was at this address before, is kept"
        ),
        (true, None) => format!("logged in with the first admin token, saved in {path}"),
        (false, _) => format!("saved in {path}; to use this server: gateless context use {name}"),
    });
    Ok(())
}
