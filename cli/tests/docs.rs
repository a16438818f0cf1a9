//! docs/function-toml.md's full example is one the command line accepts.

use std::process::Command;

#[test]
fn the_documents_full_example_parses() -> Result<(), Box<dyn std::error::Error>> {
    let document = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/function-toml.md"
    ))?;
    let example = document
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .ok_or("no example")?;
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("function.toml"), example)?;
    // Nobody listens there: a manifest that is accepted gets as far as looking for the server.
    let output = Command::new(env!("CARGO_BIN_EXE_gateless"))
        .args(["deploy", "--no-build", "--server", "http://127.0.0.1:1"])
        .arg(dir.path())
        .env_clear()
        .env("HOME", dir.path())
        .output()?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    Ok(())
}
