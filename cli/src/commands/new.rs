//! `gateless new`: a folder with a function that already answers.
//!
//! Deliberately writes into a new or empty folder only, and asks no questions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use gateless_common::name::check_function;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::manifest::SCHEMA;
use crate::output::Output;
use crate::templates::Template;

/// Where templates' `#:schema` points editors to.
const SCHEMA_FILE: &str = ".gateless/function.schema.json";

/// Begin a function from a template.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The function's name.
    name: String,
    /// What to write it in.
    #[arg(short, long, value_enum)]
    template: Template,
    /// Folder to write into [default: ./NAME].
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// Writes the template's files and says what to do next.
pub(crate) fn new(args: &NewArgs, out: &mut Output) -> Result<(), Failure> {
    check_name(&args.name)?;
    let folder = args
        .path
        .clone()
        .unwrap_or_else(|| PathBuf::from(&args.name));
    check_empty(&folder)?;
    let mut files = args.template.files(&args.name);
    files.push((SCHEMA_FILE, SCHEMA.to_owned()));
    for (path, text) in &files {
        let path = folder.join(path);
        write(&path, text)
            .map_err(|e| Failure::io(format!("cannot write {}", path.display()), &e))?;
    }
    let shown = folder.display().to_string();
    let next = [
        format!("gateless dev {shown}"),
        format!("gateless deploy {shown}"),
    ];
    let document = json!({
        "name": args.name,
        "folder": shown,
        "files": files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        "next": next,
    });
    out.item(&document, |_| {
        format!(
            "{} is in {shown}\n\n  {}   runs it here, again after every change\n  {}   puts it on the server",
            args.name, next[0], next[1]
        )
    })
}

/// The server's rule, and a letter first: package names of some languages want one.
fn check_name(name: &str) -> Result<(), Failure> {
    let letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let checked = check_function(name).and(letter.then_some(()).ok_or("must begin with a letter"));
    checked.map_err(|rule| {
        Failure::usage(format!("{name:?} is no name for a function"))
            .cause(format!(
                "a function's name is part of host names: it {rule}"
            ))
            .hint("gateless new hello -t python")
    })
}

fn check_empty(folder: &Path) -> Result<(), Failure> {
    let empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => true,
        Err(e) => return Err(Failure::io(format!("cannot use {}", folder.display()), &e)),
    };
    if empty {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Conflict,
        "not_empty",
        format!("the folder {} is not empty", folder.display()),
    )
    .hint("choose another name, or a folder with --path"))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(path, text)
}
