//! What a file's first bytes and its sections' lengths say, before anything is parsed.
//!
//! Deliberately not a general file detector: it knows what people upload by mistake.

use super::Fault;

/// Which of WebAssembly's two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A core module.
    Module,
    /// A component.
    Component,
}

const MAGIC: &[u8] = b"\0asm";
const HEADER_BYTES: usize = 8;

/// By the header.
pub(super) fn kind(file: &[u8]) -> Result<Kind, Fault> {
    if file.len() < HEADER_BYTES
        && !file.is_empty()
        && MAGIC.starts_with(&file[..file.len().min(4)])
    {
        return Err(Fault::Truncated {
            at: 0,
            wanted: HEADER_BYTES as u64,
            found: file.len() as u64,
        });
    }
    match file {
        [
            0,
            b'a',
            b's',
            b'm',
            version_low,
            version_high,
            layer_low,
            layer_high,
            ..,
        ] => {
            let version = u16::from_le_bytes([*version_low, *version_high]);
            let layer = u16::from_le_bytes([*layer_low, *layer_high]);
            match (version, layer) {
                (1, 0) => Ok(Kind::Module),
                (13, 1) => Ok(Kind::Component),
                _ => Err(Fault::Format { version, layer }),
            }
        }
        other => Err(Fault::NotWasm(describe(other))),
    }
}

/// Whether the file's sections are all there.
pub(super) fn check_complete(file: &[u8]) -> Result<(), Fault> {
    let mut at = HEADER_BYTES;
    while at < file.len() {
        let rest = &file[at + 1..];
        let Some((length, header)) = section_length(rest) else {
            // Cut within the length; or none that ends, which the parser will say.
            let found = rest.len() as u64 + 1;
            let wanted = found + 1;
            let cut = Fault::Truncated { at, wanted, found };
            return if rest.len() < 5 { Err(cut) } else { Ok(()) };
        };
        let start = at + 1 + header;
        let found = (file.len() - start) as u64;
        if length > found {
            return Err(Fault::Truncated {
                at,
                wanted: length,
                found,
            });
        }
        at = start + usize::try_from(length).unwrap_or(usize::MAX);
    }
    Ok(())
}

/// An unsigned LEB128 of at most 32 bits, and how many bytes it takes.
fn section_length(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

fn describe(file: &[u8]) -> String {
    const KNOWN: [(&[u8], &str); 12] = [
        (
            b"\x7fELF",
            "an ELF file: a program for one kind of machine, or a component already compiled (.cwasm)",
        ),
        (b"MZ", "a Windows program"),
        (b"\xcf\xfa\xed\xfe", "a macOS program"),
        (b"\xca\xfe\xba\xbe", "a macOS program, or a Java class"),
        (b"\x1f\x8b", "a gzip file"),
        (b"PK\x03\x04", "a zip file"),
        (b"BZh", "a bzip2 file"),
        (b"\xfd7zXZ", "an xz file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"!<arch>", "an archive of object files"),
        (b"BC\xc0\xde", "LLVM bitcode"),
        (b"#!", "a script"),
    ];
    if file.is_empty() {
        return "an empty file".to_owned();
    }
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| file.starts_with(magic)) {
        return (*what).to_owned();
    }
    if file.get(257..262) == Some(b"ustar") {
        return "a tar file".to_owned();
    }
    let start = &file[..file.len().min(512)];
    match text(start) {
        Some(text) if text.trim_start().starts_with('(') => {
            "WebAssembly text; assemble it, with `wasm-tools parse` for example".to_owned()
        }
        Some(text) => {
            let line: String = text
                .trim_start()
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(40)
                .collect();
            format!("text that begins with {line:?}")
        }
        None => format!(
            "a file that begins with the bytes {}",
            hex::encode(&file[..file.len().min(8)])
        ),
    }
}

/// The bytes as text, if that is what they are; a character cut at the end does not matter.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_text = |c: char| !c.is_control() || c.is_whitespace();
    (!text.is_empty() && text.chars().all(is_text)).then_some(text)
}
