//! The reference in docs/cli.md, made from the grammar itself.
//!
//! Only built for tests: one says when the document is stale, one that its exit codes are those of
//! the program.

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Cli;
use crate::failure::Exit;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
const BEGIN: &str = "<!-- reference: made from the grammar -->\n";
const END: &str = "<!-- end of reference -->\n";
/// The flags every command has are told once.
const COMMON: [&str; 3] = ["output", "quiet", "help"];
const CONNECTION: &str = "Connection";

fn describe(command: &Command, path: &str, out: &mut String) {
    let path = format!("{path} {}", command.get_name());
    let inner: Vec<&Command> = command
        .get_subcommands()
        .filter(|c| c.get_name() != "help")
        .collect();
    if inner.is_empty() || !command.is_subcommand_required_set() {
        out.push_str(&format!("\n### `{}`\n\n", path.trim()));
        out.push_str(&format!("{}.\n", sentence(command.get_about())));
        let own = command.get_arguments().filter(|a| is_own(a));
        let rows: Vec<String> = own.map(row).collect();
        if !rows.is_empty() {
            out.push_str(&format!(
                "\n| argument | what |\n|---|---|\n{}",
                rows.concat()
            ));
        }
    }
    for command in inner {
        describe(command, &path, out);
    }
}

fn is_own(arg: &Arg) -> bool {
    !COMMON.contains(&arg.get_id().as_str()) && arg.get_help_heading() != Some(CONNECTION)
}

fn sentence(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.trim_end_matches('.').replace('\n', " ")
}

fn row(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|names| names.first());
    let value = value.map_or_else(String::new, ToString::to_string);
    let takes = arg.get_action().takes_values();
    let mut name = match (arg.get_short(), arg.get_long()) {
        (_, None) if arg.is_last_set() => format!("-- {value}..."),
        (_, None) => value.clone(),
        (short, Some(long)) => {
            let short = short.map_or_else(String::new, |s| format!("-{s}, "));
            let value = if takes {
                format!(" {value}")
            } else {
                String::new()
            };
            format!("{short}--{long}{value}")
        }
    };
    if arg.is_positional() && !arg.is_last_set() && !arg.is_required_set() {
        name = format!("[{name}]");
    }
    let mut notes = Vec::new();
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|v| format!("`{}`", v.get_name()))
        .collect();
    if takes && !choices.is_empty() {
        notes.push(choices.join(", "));
    }
    let defaults = arg.get_default_values().iter();
    let defaults: Vec<String> = defaults
        .map(|v| format!("`{}`", v.to_string_lossy()))
        .collect();
    if takes && !defaults.is_empty() {
        notes.push(format!("default {}", defaults.join(" ")));
    }
    if let Some(variable) = arg.get_env() {
        notes.push(format!("`{}`", variable.to_string_lossy()));
    }
    let mut what = sentence(arg.get_help()).replace('|', "\\|");
    if !notes.is_empty() {
        what.push_str(&format!(" ({})", notes.join("; ")));
    }
    format!("| `{name}` | {what} |\n")
}

#[test]
fn the_document_has_every_command_and_flag() {
    let mut made = String::new();
    for command in Cli::command().get_subcommands() {
        if command.get_name() != "help" {
            describe(command, "gateless", &mut made);
        }
    }
    let document = std::fs::read_to_string(FILE).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(FILE, format!("{before}{BEGIN}{made}\n{END}{after}")).unwrap();
        return;
    }
    let stale = "docs/cli.md is stale: UPDATE_DOCS=1 cargo test -p gateless reference";
    assert_eq!(there.trim(), made.trim(), "{stale}");
}

#[test]
fn the_documented_exit_codes_are_those_there_are() {
    let document = std::fs::read_to_string(FILE).unwrap();
    let row = |code: u8| format!("| {code} | ");
    for exit in [
        Exit::Failure,
        Exit::Usage,
        Exit::NotFound,
        Exit::Conflict,
        Exit::Timeout,
        Exit::Unauthorized,
        Exit::Unreachable,
    ] {
        assert!(document.contains(&row(exit as u8)), "{exit:?}");
    }
    assert!(document.contains(&row(0)));
    assert!(!document.contains(&row(8)), "a code the program has not");
}

#[test]
fn every_command_has_a_page_in_the_manual() {
    fn pages(command: &Command, path: &str, all: &mut Vec<String>) {
        all.push(format!("{path}.1"));
        for inner in command.get_subcommands() {
            pages(inner, &format!("{path}-{}", inner.get_name()), all);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("man1");
    crate::manual(&made).unwrap();
    let mut expected = Vec::new();
    pages(&Cli::command(), "gateless", &mut expected);
    for page in expected {
        let text = std::fs::read_to_string(made.join(&page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
}
