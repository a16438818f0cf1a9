//! A comment on an item says what its name does not, and no line of documentation is too long to read.
//!
//! Only sdk, common and core must have a comment on everything; elsewhere one that would repeat the name is left out.

use super::{none, read, rust_files, tracked};

/// Columns of a line of documentation, without its indentation and marks.
const COLUMNS: usize = 150;

/// What makes a manual of comments: a command's help, a description in the API or in a schema. It wants a text for everything.
const MANUALS: [&str; 8] = [
    "ToSchema",
    "IntoParams",
    "JsonSchema",
    "Args",
    "Parser",
    "Subcommand",
    "ValueEnum",
    "settings!",
];

struct Comment {
    /// From 1.
    line: usize,
    text: String,
    is_manual: bool,
}

fn comments(text: &str) -> Vec<Comment> {
    let lines: Vec<&str> = text.lines().collect();
    let said = |at: usize| {
        lines
            .get(at)
            .and_then(|line| line.trim_start().strip_prefix("///"))
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let begin = at;
        let mut text = Vec::new();
        while let Some(line) = said(at) {
            text.push(line.trim());
            at += 1;
        }
        if begin == at {
            at += 1;
            continue;
        }
        found.push(Comment {
            line: begin + 1,
            text: text.join(" "),
            is_manual: is_manual(&lines, begin, at),
        });
    }
    found
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a line has one of the words that make manuals.
fn marks(line: &str) -> bool {
    let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '!'));
    words.any(|word| MANUALS.contains(&word))
}

/// Whether the item below the comment, or one round it, makes a manual of its comments.
fn is_manual(lines: &[&str], comment: usize, item: usize) -> bool {
    let attributes = lines[item..].iter();
    let mut attributes = attributes.take_while(|line| line.trim_start().starts_with("#["));
    if attributes.any(|line| marks(line)) {
        return true;
    }
    let mut inside = indentation(lines[comment]);
    for at in (0..comment).rev() {
        let line = lines[at];
        if line.trim().is_empty() || indentation(line) >= inside {
            continue;
        }
        // An item that is round the comment, with what stands above it.
        inside = indentation(line);
        let mut above = lines[..at].iter().rev();
        let round = above.by_ref().take_while(|line| !line.trim().is_empty());
        if marks(line)
            || round
                .into_iter()
                .any(|line| line.contains("derive") && marks(line))
        {
            return true;
        }
    }
    false
}

/// One or two words that name nothing: neither code, nor a number, nor another item.
fn says_nothing(comment: &str) -> bool {
    let named = |c: char| c.is_ascii_digit() || c == '`' || c == '[';
    comment.split_whitespace().count() <= 2 && !comment.contains(named)
}

fn written_by_people() -> impl Iterator<Item = String> {
    let files = rust_files().into_iter();
    files.filter(|file| !file.contains("generated"))
}

#[test]
fn a_comment_that_repeats_a_name_is_found() {
    let text = "struct A {\n    /// Which.\n    a: u32,\n    /// Default 2.\n    b: u32,\n}\n\n\
        #[derive(Args)]\nstruct B {\n    /// The function.\n    function: String,\n}\n";
    let found: Vec<_> = comments(text)
        .into_iter()
        .filter(|comment| !comment.is_manual && says_nothing(&comment.text))
        .map(|comment| comment.line)
        .collect();
    assert_eq!(found, [2]);
}

#[test]
fn comments_say_what_names_do_not() {
    let mut empty = Vec::new();
    // What the server and the command line say of a thing is its description in the API, or its help.
    let outside = ["server/", "cli/", "common/src/spec/settings.rs"];
    let inside = |file: &String| !outside.iter().any(|part| file.starts_with(part));
    for file in written_by_people().filter(inside) {
        let found = comments(&read(&file)).into_iter();
        let found = found.filter(|comment| !comment.is_manual && says_nothing(&comment.text));
        empty.extend(found.map(|c| format!("{file}:{}: {}", c.line, c.text)));
    }
    none("comments that say nothing", empty);
}

#[test]
fn lines_of_documentation_are_short_enough_to_read() {
    let mut long = Vec::new();
    for file in written_by_people() {
        for (at, line) in read(&file).lines().enumerate() {
            let line = line.trim_start();
            let comment = line.strip_prefix("///").or(line.strip_prefix("//!"));
            if comment.is_some_and(|comment| comment.trim().chars().count() > COLUMNS) {
                long.push(format!("{file}:{}", at + 1));
            }
        }
    }
    // A line of the change log is an entry, as git's are.
    let documents = tracked().into_iter();
    let documents = documents.filter(|file| file.ends_with(".md") && file != "CHANGELOG.md");
    for file in &documents.collect::<Vec<_>>() {
        long.extend(long_lines(&read(file)).map(|at| format!("{file}:{at}")));
    }
    none("lines of documentation of more than 150 characters", long);
}

/// The numbers of a document's long lines: not those of tables, of code, or of what is made by a program.
fn long_lines(text: &str) -> impl Iterator<Item = usize> {
    let (mut code, mut made) = (false, false);
    text.lines().enumerate().filter_map(move |(at, line)| {
        code ^= line.trim_start().starts_with("```");
        if line.starts_with("<!-- ") {
            made = !line.starts_with("<!-- end");
        }
        // A link cannot be broken.
        let shown = line.split("](").next().unwrap_or(line);
        let is_text = !code && !made && !line.trim_start().starts_with('|');
        (is_text && shown.chars().count() > COLUMNS).then_some(at + 1)
    })
}
