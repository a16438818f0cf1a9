//! `up`, `server`, `sidecar`: starts the parts and ends them on a signal.
//!
//! On SIGTERM or SIGINT a sidecar stops taking calls, lets those in flight finish and stops its
//! instances; with `--keep-instances` they stay up and the next sidecar on the same data folder
//! adopts them, as after a crash. A second signal ends the process at once.

mod args;
pub(crate) mod parts;

pub(crate) use self::args::{ServerArgs, SidecarArgs, UpArgs};
use self::parts::{
    Signals, announce, block_on, server_ready, sidecar_ready, start_server, start_sidecar, url,
};
use crate::failure::Failure;
use crate::login::file::{Login, Logins};
use crate::output::Output;
use crate::secret_file::secret_file;

/// What the login of `up` is called.
const FIRST_CONTEXT: &str = "local";

/// `gateless up`
pub(crate) fn up(args: &UpArgs, out: &mut Output) -> Result<(), Failure> {
    let data = args.data.folder("")?;
    let secret = secret_file(&data.join("cluster-secret"), true)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let config = args.listen.config(data.join("server"), secret.clone());
        let server = start_server(config, |api, token| {
            // A login that cannot be kept is no reason to run nothing.
            if let Err(failure) = save_first_login(out, &url(api), token) {
                out.note(format!("the login was not saved: {failure}"));
            }
        })
        .await?;
        let grpc = url(server.grpc);
        let config = args.host.config(
            Some(grpc),
            data.join("sidecar"),
            args.function_listen,
            secret,
        );
        let sidecar = match start_sidecar(config?).await {
            Ok(sidecar) => sidecar,
            Err(failure) => {
                server.shutdown().await;
                return Err(failure);
            }
        };
        let mut ready = server_ready(&server);
        ready.append(&mut sidecar_ready(&sidecar));
        announce(out, ready)?;
        signals
            .until_ended(out, async {
                sidecar.shutdown(!args.host.keep_instances).await;
                server.shutdown().await;
            })
            .await
    })
}

/// `gateless server`
pub(crate) fn server(args: &ServerArgs, out: &mut Output) -> Result<(), Failure> {
    let data = args.data.folder("server")?;
    let secret = args.secret.read(&data, true)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let server = start_server(args.listen.config(data, secret), |_, _| ()).await?;
        announce(out, server_ready(&server))?;
        signals.until_ended(out, server.shutdown()).await
    })
}

/// `gateless sidecar`
pub(crate) fn sidecar(args: &SidecarArgs, out: &mut Output) -> Result<(), Failure> {
    let data = args.data.folder("sidecar")?;
    // A sidecar alone may make its own; one with others must be given theirs.
    let alone = args.server.is_none() && args.host.join.is_empty();
    let secret = args.secret.read(&data, alone)?;
    let config = args
        .host
        .config(args.server.clone(), data, args.listen, secret)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let sidecar = start_sidecar(config).await?;
        announce(out, sidecar_ready(&sidecar))?;
        signals
            .until_ended(out, sidecar.shutdown(!args.host.keep_instances))
            .await
    })
}

/// The user who started it first is logged in; who is logged in elsewhere gets a context more.
fn save_first_login(out: &mut Output, server: &str, token: &str) -> Result<(), Failure> {
    let path = Logins::path()?;
    let mut logins = Logins::load(&path)?;
    let elsewhere = |login: &Login| login.server.as_deref() != Some(server);
    let name = match logins.contexts.get(FIRST_CONTEXT) {
        Some(login) if elsewhere(login) => {
            let port = server.rsplit(':').next().unwrap_or_default();
            format!("{FIRST_CONTEXT}-{port}")
        }
        _ => FIRST_CONTEXT.to_owned(),
    };
    let login = Login {
        server: Some(server.to_owned()),
        token: Some(token.to_owned()),
        namespace: None,
    };
    logins.contexts.insert(name.clone(), login);
    let current = logins.current.get_or_insert_with(|| name.clone()).clone();
    logins.save(&path)?;
    let path = path.display();
    out.note(if current == name {
        format!("logged in with the first admin token, saved in {path}")
    } else {
        format!("saved in {path}; to use this server: gateless context use {name}")
    });
    Ok(())
}
