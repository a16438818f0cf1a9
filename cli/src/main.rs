//! The `gateless` binary: parse, run one command, turn its failure into an exit code.
//!
//! Deliberately thin: the grammar is in `args`, each command in its own file, the parts a
//! command may start in the server and sidecar crates.

mod args;
mod change;
mod client;
mod commands;
mod dev;
mod dispatch;
mod failure;
mod import;
mod login;
mod manifest;
mod output;
mod pack;
mod project;
mod reach;
#[cfg(test)]
mod reference;
mod replay;
mod run;
mod sse;
mod templates;

use std::io::{self, BufReader, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use self::args::{AutoscalerCommand, Cli, Command, Scoped};
use self::client::Client;
use self::commands::{catalogue, contexts, join_tokens, new};
use self::dispatch::client_command;
use self::failure::{Exit, Failure};
use self::output::{Format, Output};
use self::run::{SecretsKeyCommand, ServerCommand, SidecarCommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gateless_sandbox::launch_if_asked();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return bad_arguments(&error),
    };
    let mut out = Output::new(cli.output, cli.quiet);
    let done = dispatch(cli.command, &mut out);
    reach::report(&mut out);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.stdout_closed() => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure, &mut out);
            ExitCode::from(failure.exit() as u8)
        }
    }
}

/// The message for people, and with `-o json` the one document for programs.
fn report(failure: &Failure, out: &mut Output) {
    if out.format() != Format::Table && !out.has_document() {
        // If stdout is broken too there is nobody left to tell but stderr.
        out.document(&failure.document()).ok();
    }
    out.error(failure);
}

fn bad_arguments(error: &clap::Error) -> ExitCode {
    if error.exit_code() == 0 {
        error.print().ok();
        return ExitCode::SUCCESS;
    }
    if let Some(format) = asked_format() {
        let text = error.render().to_string();
        let title = text.lines().next().unwrap_or_default();
        let failure = Failure::usage(title.trim_start_matches("error: ")).hint("see --help");
        Output::new(format, true).document(&failure.document()).ok();
    }
    error.print().ok();
    ExitCode::from(Exit::Usage as u8)
}

/// The `-o` of arguments that could not be parsed as a whole.
fn asked_format() -> Option<Format> {
    let args: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let value = args.iter().enumerate().find_map(|(i, arg)| {
        let joined = arg
            .strip_prefix("--output=")
            .or_else(|| arg.strip_prefix("-o"));
        match arg.as_str() {
            "-o" | "--output" => args.get(i + 1).map(String::as_str),
            _ => joined,
        }
    })?;
    match value.trim_start_matches('=') {
        "json" => Some(Format::Json),
        "jsonl" => Some(Format::Jsonl),
        _ => None,
    }
}

fn secrets_key(command: SecretsKeyCommand, out: &mut Output) -> Result<(), Failure> {
    use commands::secrets_key::{Ask, ask};
    let (remote, what) = match command {
        SecretsKeyCommand::Seal(args) => return run::rewrite(&args, true, out),
        SecretsKeyCommand::Unseal(args) => return run::rewrite(&args, false, out),
        SecretsKeyCommand::Show(Scoped { remote, .. }) => (remote, Ask::Show),
        SecretsKeyCommand::Rotate(Scoped { remote, .. }) => (remote, Ask::Rotate),
        SecretsKeyCommand::Retire(Scoped { remote, .. }) => (remote, Ask::Retire),
    };
    block_on(async { ask(&Client::new(&remote).await?, out, what).await })
}

fn dispatch(command: Command, out: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Up(args) => run::up(&args, out),
        Command::Server(args) => match args.command {
            None => run::server(&args, out),
            Some(ServerCommand::Recover(args)) => run::recover(&args, out),
            Some(ServerCommand::SecretsKey(command)) => secrets_key(command, out),
            Some(ServerCommand::Catalogue(Scoped { remote, .. })) => {
                block_on(async { catalogue::catalogue(&Client::new(&remote).await?, out).await })
            }
            Some(ServerCommand::Accept(Scoped { remote, .. })) => {
                block_on(async { catalogue::accept(&Client::new(&remote).await?, out).await })
            }
            Some(ServerCommand::Restore(Scoped { args, remote })) => block_on(async {
                catalogue::restore(&Client::new(&remote).await?, out, &args).await
            }),
        },
        Command::Sidecar(args) => match args.command {
            Some(SidecarCommand::JoinToken(Scoped { args, remote })) => block_on(async {
                join_tokens::join_token(&Client::new(&remote).await?, out, &args).await
            }),
            None => run::sidecar(&args.run, out),
        },
        Command::Client(command) => block_on(client_command(*command, out)),
        Command::New(args) => new::new(&args, out),
        Command::Dev(args) => dev::dev(&args, out),
        Command::Context(args) => contexts::context(&args, out),
        Command::Schema => out.raw(manifest::SCHEMA.as_bytes()),
        Command::Login(args) => block_on(login::login(&args, out)),
        Command::Autoscaler(AutoscalerCommand::Replay { file }) => replay_file(&file, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "gateless", &mut script);
            out.raw(&script)
        }
        Command::Man { folder } => manual(&folder),
    }
}

/// A page for each command (`gateless-trigger-set.1`), made from the grammar.
fn manual(folder: &Path) -> Result<(), Failure> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|e| Failure::io(format!("cannot write to {}", folder.display()), &e))
}

fn block_on(task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::io("cannot start the runtime", &e))?
        .block_on(task)
}

fn replay_file(file: &str, out: &mut Output) -> Result<(), Failure> {
    let failed = |error: replay::Error| match error {
        replay::Error::Write(error) => Failure::stdout(&error),
        error => Failure::usage(format!("cannot replay {file}"))
            .cause(error)
            .hint("gateless autoscaler replay --help"),
    };
    let mut writer = io::BufWriter::new(out.writer());
    let result = if file == "-" {
        replay::run(io::stdin().lock(), &mut writer)
    } else {
        let input = std::fs::File::open(file)
            .map_err(|e| Failure::io(format!("cannot read {file}"), &e))?;
        replay::run(BufReader::new(input), &mut writer)
    };
    writer.flush().map_err(|e| Failure::stdout(&e))?;
    result.map_err(failed)
}
