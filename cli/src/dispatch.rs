//! From a parsed client command to the function that carries it out.
//!
//! Deliberately nothing else: each command is in a file of its own.

use crate::args::{ClientCommand, Scoped};
use crate::client::Client;
use crate::commands::{
    audit, calls, dashboard, deploy, doctor, events, functions, identity, import, invoke, keys,
    logs, namespaces, records, secrets, sidecars, tokens, top, traffic, triggers,
};
use crate::failure::Failure;
use crate::login::Remote;
use crate::output::Output;

/// Connects and runs.
pub(crate) async fn client_command(
    command: ClientCommand,
    out: &mut Output,
) -> Result<(), Failure> {
    use ClientCommand as C;
    let client = async |remote: &Remote| Client::new(remote).await;
    match command {
        C::Deploy(Scoped { args, remote }) => {
            deploy::deploy(&mut client(&remote).await?, out, &args).await
        }
        C::Diff(Scoped { args, remote }) => {
            deploy::diff(&mut client(&remote).await?, out, &args).await
        }
        C::Import(Scoped { args, remote }) => import::import(&remote, out, &args).await,
        C::Ls(Scoped { args, remote }) => functions::ls(&client(&remote).await?, out, &args).await,
        C::Status(Scoped { args, remote }) => {
            functions::status(&client(&remote).await?, out, &args).await
        }
        C::Invoke(Scoped { args, remote }) => {
            invoke::invoke(&client(&remote).await?, out, &args).await
        }
        C::Logs(Scoped { args, remote }) => logs::logs(&client(&remote).await?, out, &args).await,
        C::Delete(Scoped { args, remote }) => {
            functions::delete(&client(&remote).await?, out, &args).await
        }
        C::Traffic(Scoped { args, remote }) => {
            traffic::traffic(&client(&remote).await?, out, &args).await
        }
        C::Rollback(Scoped { args, remote }) => {
            traffic::rollback(&client(&remote).await?, out, &args).await
        }
        C::Revisions(Scoped { args, remote }) => {
            functions::revisions(&client(&remote).await?, out, &args).await
        }
        C::Instances(Scoped { args, remote }) => {
            functions::instances(&client(&remote).await?, out, &args).await
        }
        C::Sidecars(Scoped { args, remote }) => {
            sidecars::sidecars(&client(&remote).await?, out, &args).await
        }
        C::Top(Scoped { args, remote }) => top::top(&client(&remote).await?, out, &args).await,
        C::Events(Scoped { args, remote }) => {
            events::events(&client(&remote).await?, out, &args).await
        }
        C::Doctor(Scoped { remote, .. }) => doctor::doctor(&client(&remote).await?, out).await,
        C::Trigger(Scoped { args, remote }) => {
            triggers::trigger(&client(&remote).await?, out, &args).await
        }
        C::Calls(Scoped { args, remote }) => records::calls(&remote, out, &args).await,
        C::Invocations(Scoped { args, remote }) => {
            calls::invocations(&client(&remote).await?, out, &args).await
        }
        C::Dlq(Scoped { args, remote }) => calls::dlq(&client(&remote).await?, out, &args).await,
        C::Queue(Scoped { remote, .. }) => calls::queue(&client(&remote).await?, out).await,
        C::Secret(Scoped { args, remote }) => {
            secrets::secret(&client(&remote).await?, out, &args).await
        }
        C::Key(Scoped { args, remote }) => keys::key(&client(&remote).await?, out, &args).await,
        C::Ns(Scoped { args, remote }) => namespaces::ns(&client(&remote).await?, out, &args).await,
        C::Audit(Scoped { args, remote }) => {
            audit::audit(&client(&remote).await?, out, &args).await
        }
        C::Dashboard(Scoped { remote, .. }) => {
            dashboard::dashboard(&client(&remote).await?, out).await
        }
        C::Identity(Scoped { args, remote }) => {
            identity::identity(&client(&remote).await?, out, &args).await
        }
        C::Token(Scoped { args, remote }) => {
            tokens::token(&client(&remote).await?, out, &args).await
        }
    }
}
