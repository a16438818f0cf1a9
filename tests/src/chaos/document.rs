//! Figures in a document, between the marks that name who wrote them.
//!
//! Deliberately nothing about their meaning: what stands between two marks is replaced as it is.

use std::path::Path;

use anyhow::Context as _;

const END: &str = "<!-- end -->";

/// Replaces what stands after the line `<!-- made by WHO -->` and before the next `<!-- end -->`.
///
/// # Errors
/// When the document cannot be read or written, or has no such marks.
pub fn write(document: &Path, who: &str, text: &str) -> anyhow::Result<()> {
    let name = document.display();
    let old = std::fs::read_to_string(document).with_context(|| name.to_string())?;
    let new =
        replaced(&old, who, text).with_context(|| format!("{name}: nothing made by {who}"))?;
    std::fs::write(document, new).with_context(|| name.to_string())
}

fn replaced(document: &str, who: &str, text: &str) -> Option<String> {
    let mark = format!("<!-- made by {who} -->\n");
    let (before, rest) = document.split_once(&mark)?;
    let (_, after) = rest.split_once(END)?;
    let text = text.trim_end();
    Some(format!("{before}{mark}{text}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_its_marks_is_replaced() {
        let document = "a\n<!-- made by one -->\nold\n<!-- end -->\nb\n<!-- made by two -->\n<!-- end -->\nc\n";
        let once = replaced(document, "one", "new\nrows\n").unwrap();
        let expected = "a\n<!-- made by one -->\nnew\nrows\n<!-- end -->\nb\n<!-- made by two -->\n<!-- end -->\nc\n";
        assert_eq!(once, expected);
        assert_eq!(replaced(&once, "one", "new\nrows").unwrap(), once);
        let twice = replaced(&once, "two", "more").unwrap();
        assert!(twice.contains("<!-- made by two -->\nmore\n<!-- end -->\nc\n"));
    }

    #[test]
    fn document_without_the_marks_is_left_alone() {
        assert_eq!(replaced("a\n", "one", "new"), None);
        assert_eq!(replaced("<!-- made by one -->\nold\n", "one", "new"), None);
    }
}
