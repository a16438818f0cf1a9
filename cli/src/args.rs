//! The command line's grammar: every command, in the order `--help` shows them.
//!
//! Deliberately no logic: arguments of one command live beside the command.

use clap::{Args, Parser, Subcommand};

use crate::commands::audit::AuditArgs;
use crate::commands::calls::{DlqArgs, InvocationsArgs};
use crate::commands::contexts::ContextArgs;
use crate::commands::deploy::{DeployArgs, DiffArgs};
use crate::commands::events::EventsArgs;
use crate::commands::functions::{DeleteArgs, FunctionArg, LsArgs};
use crate::commands::identity::IdentityArgs;
use crate::commands::import::ImportArgs;
use crate::commands::invoke::InvokeArgs;
use crate::commands::keys::KeyArgs;
use crate::commands::logs::LogsArgs;
use crate::commands::namespaces::NsArgs;
use crate::commands::new::NewArgs;
use crate::commands::records::CallsArgs;
use crate::commands::secrets::SecretArgs;
use crate::commands::sidecars::SidecarsArgs;
use crate::commands::tokens::TokenArgs;
use crate::commands::top::TopArgs;
use crate::commands::traffic::{RollbackArgs, TrafficArgs};
use crate::commands::triggers::TriggerArgs;
use crate::dev::DevArgs;
use crate::login::{LoginArgs, Remote};
use crate::output::Format;
use crate::run::{ServerArgs, SidecarArgs, UpArgs};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong arguments, or a wrong function.toml
  3  not found
  4  conflict: somebody else changed it, or its state forbids it
  5  not done in time
  6  no token, a bad one, or one that may not
  7  nobody answers at that address

Data goes to stdout, progress to stderr. With -o json, stdout is exactly one JSON
document, on failure a problem (RFC 9457) with `code`, `hint` and `exit_code`.

Environment: GATELESS_SERVER, GATELESS_TOKEN, GATELESS_NAMESPACE, GATELESS_SIDECAR
override the login, GATELESS_CONTEXT chooses another saved one; GATELESS_CONFIG names its file; GATELESS_LOG filters the logs of
up, server and sidecar (for example info,gateless_sidecar=debug; a release build has no trace).";

/// Functions without a gateway.
#[derive(Debug, Parser)]
#[command(name = "gateless", version, after_long_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// How data is printed.
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(crate) output: Format,
    /// No progress on stderr, errors only.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Commands that run a part, and those that need no server.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run server and sidecar in one process.
    Up(Box<UpArgs>),
    /// Run the management server.
    Server(Box<ServerArgs>),
    /// Run a sidecar, one per host.
    Sidecar(Box<SidecarArgs>),
    /// Begin a function from a template.
    New(NewArgs),
    /// Run a function here, again after every change of its sources.
    Dev(Box<DevArgs>),
    #[command(flatten)]
    Client(Box<ClientCommand>),
    /// Save a server's address and a token for the next commands.
    Login(LoginArgs),
    /// Saved logins: list, use, show, forget.
    Context(ContextArgs),
    /// Print the JSON Schema of function.toml.
    Schema,
    /// Ask the autoscaler what it would have done.
    #[command(subcommand)]
    Autoscaler(AutoscalerCommand),
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages, one for each command, into a folder.
    Man {
        /// The folder, which is made if need be.
        folder: std::path::PathBuf,
    },
}

/// `gateless autoscaler`
#[derive(Debug, Subcommand)]
pub(crate) enum AutoscalerCommand {
    /// Read JSON lines of load, print one decision a line.
    ///
    /// A line in is {"t": seconds, "ready": n, "stable": x, "panic": y} (averages over the windows) or
    /// {"t", "ready", "concurrency"} (raw samples). A first line {"config": {"target", ...}}, also
    /// a later one, changes Knative's defaults. A line out is {"t", "desired", "panic",
    /// "excess_burst_capacity"}.
    Replay {
        /// The file, - for stdin.
        file: String,
    },
}

/// Arguments of a command that talks to the server.
#[derive(Debug, Args)]
pub(crate) struct Scoped<A: Args> {
    #[command(flatten)]
    pub(crate) args: A,
    #[command(flatten, next_help_heading = "Connection")]
    pub(crate) remote: Remote,
}

/// A command without arguments of its own.
#[derive(Debug, Args)]
pub(crate) struct Nothing {}

/// Commands that talk to the server.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Deploy a function from its function.toml, or from flags alone.
    Deploy(Scoped<DeployArgs>),
    /// Show what deploying would change.
    Diff(Scoped<DiffArgs>),
    /// Take functions over from Knative or OpenFaaS.
    Import(Scoped<ImportArgs>),
    /// List functions.
    Ls(Scoped<LsArgs>),
    /// Show a function, its conditions and its instances.
    Status(Scoped<FunctionArg>),
    /// Call a function.
    Invoke(Scoped<InvokeArgs>),
    /// Print what a function's instances wrote.
    Logs(Scoped<LogsArgs>),
    /// Delete a function.
    Delete(Scoped<DeleteArgs>),
    /// Show or set which revision gets which share of the calls.
    Traffic(Scoped<TrafficArgs>),
    /// Send all traffic to an earlier revision.
    Rollback(Scoped<RollbackArgs>),
    /// List a function's revisions.
    Revisions(Scoped<FunctionArg>),
    /// List a function's running instances.
    Instances(Scoped<FunctionArg>),
    /// Sidecars: list, drain, resume, revoke, remove.
    Sidecars(Scoped<SidecarsArgs>),
    /// Show every function's load, live on a terminal.
    Top(Scoped<TopArgs>),
    /// Print what happens, as it happens.
    Events(Scoped<EventsArgs>),
    /// Check that everything is there that a call needs.
    Doctor(Scoped<Nothing>),
    /// Calls on record: list, show where the time of one went.
    Calls(Scoped<CallsArgs>),
    /// Async calls: list, inspect, cancel, replay.
    Invocations(Scoped<InvocationsArgs>),
    /// Dead letters: list, replay, purge.
    Dlq(Scoped<DlqArgs>),
    /// Show the async queues.
    Queue(Scoped<Nothing>),
    /// Triggers: schedules, events and topics that call functions.
    Trigger(Scoped<TriggerArgs>),
    /// Secrets: set, list, delete.
    Secret(Scoped<SecretArgs>),
    /// Callers' keys to a function: create, list, revoke.
    Key(Scoped<KeyArgs>),
    /// Who changed what, and what was refused.
    Audit(Scoped<AuditArgs>),
    /// Print a link that signs one browser in to the dashboard.
    Dashboard(Scoped<Nothing>),
    /// Namespaces: what each may have.
    Ns(Scoped<NsArgs>),
    /// Identity: show whom the cluster trusts, change its authority.
    Identity(Scoped<IdentityArgs>),
    /// Access tokens: create, list, revoke.
    Token(Scoped<TokenArgs>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }
}
