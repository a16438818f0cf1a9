//! `${VAR}` and `${VAR:-default}` in a `stack.yml`.
//!
//! As faas-cli does it: on the text, before it is YAML; `$${` stands for `${`. Deliberately none of
//! the shell's other operators: what is not understood stays as it is.

/// The text with its variables, and the names that had neither value nor default.
pub(super) fn substitute(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut unset = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = rest.split_at(start);
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = &after[2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = after.find('}') else {
            rest = after;
            break;
        };
        let inner = &after[2..end];
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        rest = &after[end + 1..];
        if !is_name(name) {
            out.push_str(&after[..=end]);
            continue;
        }
        let value = variable(name).filter(|v| !v.is_empty() || default.is_none());
        match (value, default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => unset.push(name.to_owned()),
        }
    }
    out.push_str(rest);
    (out, unset)
}

fn is_name(text: &str) -> bool {
    let sign = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(sign)
}
