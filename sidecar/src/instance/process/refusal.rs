//! Why the kernel did not run a program, in words that name what is missing or too much.
//!
//! The kernel says only "no such file" both for a program and for what the program needs to be run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadRef, elf};
use rustix::io::Errno;

/// The kernel reads so much of a script's first line.
const FIRST_LINE: u64 = 256;

/// What kept `program` from running; `name` is what the function calls it.
pub(super) fn explain(
    error: &io::Error,
    (name, program): (&str, &Path),
    arguments: &[String],
    environment: &BTreeMap<String, String>,
) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => missing(name, program),
        Some(Errno::NOEXEC) => format!(
            "command {name:?} is neither a program for this host ({}) nor a script whose first line begins with #!",
            std::env::consts::ARCH
        ),
        Some(Errno::ACCESS) => format!(
            "command {name:?} may not be run: the file, or what runs it, is not executable here"
        ),
        Some(Errno::TOOBIG) => too_big(arguments, environment),
        _ => format!("command {name:?} cannot be run: {}", error.kind()),
    }
}

fn missing(name: &str, program: &Path) -> String {
    if let Some(interpreter) = script_interpreter(program) {
        let hint = match interpreter.ends_with('\r') {
            true => "; its first line ends in CR LF, and must end in LF",
            false => "",
        };
        return format!(
            "command {name:?} is a script for {interpreter:?}, which is not on this host{hint}"
        );
    }
    match loader(program) {
        Some(loader) => format!(
            "command {name:?} needs the loader {loader:?}, which is not on this host: build it for this host's C \
             library, or linked statically"
        ),
        None => format!("command {name:?} was not found"),
    }
}

fn script_interpreter(program: &Path) -> Option<String> {
    let mut start = Vec::new();
    let mut file = File::open(program).ok()?.take(FIRST_LINE);
    file.read_to_end(&mut start).ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    let line = line.trim_start_matches([' ', '\t']);
    line.split([' ', '\t']).next().map(str::to_owned)
}

/// The dynamic loader a program of this host's byte order names, in 64 or 32 bits.
fn loader(program: &Path) -> Option<String> {
    let data = ReadCache::new(File::open(program).ok()?);
    in_header::<elf::FileHeader64<Endianness>, _>(&data)
        .or_else(|| in_header::<elf::FileHeader32<Endianness>, _>(&data))
}

fn in_header<'data, H, R>(data: R) -> Option<String>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let interpreter = |segment: &H::ProgramHeader| segment.interpreter(endian, data).ok()?;
    let found = segments.iter().find_map(interpreter)?;
    Some(String::from_utf8_lossy(found).into_owned())
}

fn too_big(arguments: &[String], environment: &BTreeMap<String, String>) -> String {
    let variables = environment.iter();
    let variables = variables.map(|(name, value)| (name.as_str(), name.len() + value.len() + 2));
    let all: usize = variables.clone().map(|(_, bytes)| bytes).sum();
    let arguments: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    let largest = variables.max_by_key(|(_, bytes)| *bytes);
    let largest = largest.map_or_else(String::new, |(name, bytes)| {
        format!("; the largest variable is {name} with {bytes}")
    });
    format!(
        "its environment of {all} bytes and its arguments of {arguments} are more than Linux gives a program{largest}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    /// Runs a file with these bytes, which cannot be run, and explains why.
    fn explained(bytes: &[u8], mode: u32, variable: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("run");
        std::fs::write(&program, bytes).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
        let environment = BTreeMap::from([("LARGE".to_owned(), variable.to_owned())]);
        let mut command = Command::new(&program);
        command.envs(&environment);
        // A fork of another test may still hold the file open, as it was written just now.
        let busy = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ExecutableFileBusy;
        let mut error = command.spawn().unwrap_err();
        for _ in 0..10_000 {
            if !busy(&error) {
                break;
            }
            std::thread::yield_now();
            error = command.spawn().unwrap_err();
        }
        explain(&error, ("run", &program), &["run".into()], &environment)
    }

    /// A 64-bit program with nothing but the name of its loader.
    fn program_with_loader(loader: &str) -> Vec<u8> {
        let machine: u16 = if cfg!(target_arch = "aarch64") {
            183
        } else {
            62
        };
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([2_u16, machine].map(u16::to_le_bytes).concat());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend([0_u64, 64, 0].map(u64::to_le_bytes).concat());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend([64_u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
        let length = loader.len() as u64 + 1;
        bytes.extend([3_u32, 4].map(u32::to_le_bytes).concat());
        bytes.extend(
            [120, 0, 0, length, length, 1]
                .map(u64::to_le_bytes)
                .concat(),
        );
        bytes.extend(loader.as_bytes());
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_program_that_cannot_be_run_is_told_by_what_it_lacks() {
        let check = |bytes: &[u8], mode, says: &[&str]| {
            let said = explained(bytes, mode, "");
            for part in says {
                assert!(said.contains(part), "{part:?} in {said}");
            }
            assert!(!said.contains("os error"), "{said}");
        };
        check(
            b"#!/no/such/python -u\n",
            0o755,
            &["script for \"/no/such/python\"", "not on this host"],
        );
        check(b"#! /bin/sh\r\n", 0o755, &["/bin/sh", "CR LF"]);
        check(
            &program_with_loader("/lib/ld-none.so.1"),
            0o755,
            &["loader \"/lib/ld-none.so.1\""],
        );
        check(b"no program", 0o755, &["#!", std::env::consts::ARCH]);
        check(b"#!/bin/sh\n", 0o644, &["not executable"]);
    }

    #[test]
    fn an_environment_that_is_too_large_is_told_by_its_largest_variable() {
        let said = explained(b"#!/bin/sh\n", 0o755, &"x".repeat(131_072));
        assert!(said.contains("LARGE with 131079"), "{said}");
    }
}
