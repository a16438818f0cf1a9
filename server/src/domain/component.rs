//! What an uploaded artifact is: a component that answers HTTP, or exactly what else.
//!
//! Sidecars compile what passes here, so it is judged before it is stored in a revision: the person who
//! deploys sees the fault, not the first caller. Pure: bytes in, a verdict out. It compiles nothing, and
//! whether a function's limits are enough once it runs, only its calls can tell.

use gateless_common::wasi::{HANDLER_0_2, HANDLER_0_3, HANDLERS};
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::Types;
use wasmparser::{ComponentTypeRef, Parser, Payload, TypeBounds, Validator};

mod bytes;
#[cfg(test)]
mod tests;

use self::bytes::Kind;

/// What a command exports.
const COMMAND: &str = "wasi:cli/run@";
/// What sidecars offer in version 0.2: packages, and interfaces where it is not the whole package.
const OFFERED: [&str; 8] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];
/// What they offer to a handler of 0.3 besides that, in version 0.3.
const OFFERED_0_3: [&str; 7] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/client",
    "wasi:http/types",
    "wasi:random/",
    "wasi:sockets/",
];
const OFFERED_TEXT: &str = "offered are, in version 0.2, wasi:cli, wasi:clocks, wasi:random, wasi:io, \
    wasi:http/types and wasi:http/outgoing-handler, and without any folder or permission wasi:filesystem \
    and wasi:sockets; to a handler of WASI 0.3 the same in version 0.3, with wasi:http/client";
/// Of exports or imports in a message.
const MAX_NAMES: usize = 12;
const MAX_NAME_CHARS: usize = 100;

/// A component that sidecars can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handler {
    /// The largest of its linear memories at the start.
    pub memory_bytes: u64,
    /// Elements of the largest of its tables at the start.
    pub table_elements: u64,
}

/// Why an artifact is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Something else altogether.
    #[error("this is not WebAssembly but {0}; upload the .wasm file of a component")]
    NotWasm(String),
    /// Neither a core module nor a component as they are now.
    #[error(
        "this is WebAssembly in a format nobody reads now (version {version}, layer {layer}); build the \
         component again with current tools"
    )]
    Format {
        /// Bytes 4 and 5.
        version: u16,
        /// Bytes 6 and 7.
        layer: u16,
    },
    /// The end is missing.
    #[error(
        "this is the beginning of a WebAssembly file: of the part at byte {at} \
         {found} of {wanted} bytes are there; build or copy the file again"
    )]
    Truncated {
        /// Where the incomplete part begins.
        at: usize,
        /// Its length.
        wanted: u64,
        /// What there is of it.
        found: u64,
    },
    /// A core module.
    #[error(
        "this is a core module, not a component{}; build it for the target wasm32-wasip2, or make a component \
         of it with `wasm-tools component new`",
        listed("; it exports ", .exports)
    )]
    CoreModule {
        /// Names.
        exports: Vec<String>,
    },
    /// It breaks the rules of the format.
    #[error("this component is damaged: {0}; build or copy the file again")]
    Damaged(String),
    /// A program, not a handler.
    #[error(
        "this is a command component: it exports {run}, so it runs once and ends; it is not an HTTP handler. \
         Export {HANDLERS} instead, or deploy the program as kind \"process\""
    )]
    Command {
        /// The export.
        run: String,
    },
    /// A component for something else.
    #[error(
        "this component does not export {HANDLERS}; it exports {}",
        listed_or_nothing(.exports)
    )]
    World {
        /// Names.
        exports: Vec<String>,
    },
    /// The export has the right name alone.
    #[error("this component's {export} has no function `handle`, so it cannot be called")]
    NoHandle {
        /// The export.
        export: String,
    },
    /// It needs what sidecars do not have.
    #[error("this component imports {}, which sidecars do not offer; {OFFERED_TEXT}", listed("", .imports))]
    Imports {
        /// Names.
        imports: Vec<String>,
    },
}

/// Judges an artifact. Takes about a second of CPU time for 100 MB.
///
/// # Errors
/// What it is instead of a component that answers HTTP.
pub fn inspect(artifact: &[u8]) -> Result<Handler, Fault> {
    let kind = bytes::kind(artifact)?;
    bytes::check_complete(artifact)?;
    let damaged = |error: wasmparser::BinaryReaderError| Fault::Damaged(short(&error.to_string()));
    if kind == Kind::Module {
        let exports = core_exports(artifact).map_err(damaged)?;
        return Err(Fault::CoreModule { exports });
    }
    let types = Validator::new().validate_all(artifact).map_err(damaged)?;
    let found = read(artifact).map_err(damaged)?;
    let handler = check_handler(&found.exports, &types)?;
    let is_offered = |name: &String| {
        is_among(&OFFERED, "0.2.", name)
            || handler == HANDLER_0_3 && is_among(&OFFERED_0_3, "0.3.", name)
    };
    let mut imports = found.imports;
    imports.retain(|name| !is_offered(name));
    if !imports.is_empty() {
        return Err(Fault::Imports { imports });
    }
    Ok(found.handler)
}

struct Found {
    exports: Vec<String>,
    imports: Vec<String>,
    handler: Handler,
}

/// What a valid component says of itself.
fn read(component: &[u8]) -> wasmparser::Result<Found> {
    let mut found = Found {
        exports: Vec::new(),
        imports: Vec::new(),
        handler: Handler {
            memory_bytes: 0,
            table_elements: 0,
        },
    };
    let handler = &mut found.handler;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory?;
                    let page = 1_u64 << memory.page_size_log2.unwrap_or(16).min(16);
                    let bytes = memory.initial.saturating_mul(page);
                    handler.memory_bytes = handler.memory_bytes.max(bytes);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    handler.table_elements = handler.table_elements.max(table?.ty.initial);
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    found.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    let import = import?;
                    // A type that only gives another type a name needs nothing from the host.
                    let is_alias = matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_)));
                    if !is_alias {
                        found.imports.push(import.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn is_among(offered: &[&str], version: &str, import: &str) -> bool {
    let Some((interface, its_version)) = import.split_once('@') else {
        return false;
    };
    let fits = |known: &&str| match known.ends_with('/') {
        true => interface.starts_with(*known),
        false => interface == *known,
    };
    offered.iter().any(fits) && its_version.starts_with(version)
}

/// Which interface is called: the newer one if there are both, as sidecars do it.
fn check_handler(exports: &[String], types: &Types) -> Result<&'static str, Fault> {
    let find = |prefix: &str| {
        exports
            .iter()
            .find(|name| name.starts_with(prefix))
            .cloned()
    };
    let handler = [HANDLER_0_3, HANDLER_0_2]
        .into_iter()
        .find_map(|handler| Some((handler, find(handler)?)));
    let Some((handler, export)) = handler else {
        return Err(match find(COMMAND) {
            Some(run) => Fault::Command { run },
            None => Fault::World {
                exports: exports.to_vec(),
            },
        });
    };
    let entity = types.component_item_for_export(&export).map(|item| item.ty);
    match entity {
        Some(ComponentEntityType::Instance(id)) if types[id].exports.contains_key("handle") => {
            Ok(handler)
        }
        _ => Err(Fault::NoHandle { export }),
    }
}

/// Names a core module exports.
fn core_exports(module: &[u8]) -> wasmparser::Result<Vec<String>> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(exports) = payload? {
            for export in exports {
                names.push(export?.name.to_owned());
            }
        }
    }
    Ok(names)
}

/// Names in a message: not all of thousands, and not the whole of a long one.
fn listed(before: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = names
        .iter()
        .take(MAX_NAMES)
        .map(|name| short(name))
        .collect();
    let more = match names.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{before}{}{more}", shown.join(", "))
}

fn listed_or_nothing(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => listed("", names),
    }
}

fn short(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control());
    clean.take(MAX_NAME_CHARS).collect()
}
