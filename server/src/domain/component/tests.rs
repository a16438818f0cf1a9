//! One row per thing people upload: what is said of it.

use super::*;

/// A handler in so few lines that it answers nothing, with `rest` before its exports.
fn component(rest: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "wasi:http/types@0.2.3" (instance $types
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $types "incoming-request" (type $request))
            (alias export $types "response-outparam" (type $response))
            {rest}
            (core module $m (memory (export "memory") 3) (table 7 funcref)
                (func (export "handle") (param i32 i32)))
            (core instance $i (instantiate $m))
            (func $handle (param "request" (own $request)) (param "response" (own $response))
                (canon lift (core func $i "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "wasi:http/incoming-handler@0.2.3" (instance $handler)))"#
    );
    wat::parse_str(text).unwrap()
}

#[track_caller]
fn check(artifact: &[u8], expected: &str) {
    let said = match inspect(artifact) {
        Ok(handler) => format!("{handler:?}"),
        Err(fault) => fault.to_string(),
    };
    assert!(said.contains(expected), "{said}");
    assert!(said.len() < 2_000, "{said}");
}

#[test]
fn a_handler_passes_and_says_what_it_begins_with() {
    let handler = inspect(&component("")).unwrap();
    let expected = Handler {
        memory_bytes: 3 * 65_536,
        table_elements: 7,
    };
    assert_eq!(handler, expected);
}

#[test]
fn what_is_no_wasm_is_named() {
    let rows: [(&[u8], &str); 11] = [
        (b"", "an empty file"),
        (b"\x7fELF\x02\x01\x01", "an ELF file"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"PK\x03\x04...", "a zip file"),
        (b"#!/bin/sh\n", "a script"),
        (b"(module)", "WebAssembly text"),
        (b"\n  (component)", "WebAssembly text"),
        (
            "export default {} // \u{e4}".as_bytes(),
            "text that begins with \"export default {} //",
        ),
        (b"\xff\xd8\xff\xe0JFIF", "the bytes ffd8ffe04a464946"),
        (b"\0asm\x0c\0\x01\0", "version 12, layer 1"),
        (b"\0asm\x01\0", "6 of 8 bytes are there"),
    ];
    for (file, expected) in rows {
        check(file, expected);
    }
}

#[test]
fn a_core_module_is_named_with_the_way_out() {
    let module = wat::parse_str(r#"(module (func (export "_start")))"#).unwrap();
    check(
        &module,
        "a core module, not a component; it exports _start; build it for the target wasm32-wasip2",
    );
    check(&module, "wasm-tools component new");
    check(
        &wat::parse_str("(module)").unwrap(),
        "not a component; build it",
    );
}

#[test]
fn every_cut_of_a_handler_is_refused() {
    const CUSTOM_SECTION: u8 = 0;
    let whole = component("");
    for length in 0..whole.len() {
        // Without the custom section at its end, which has names for debuggers, it is as good.
        let same = whole[length] == CUSTOM_SECTION && length > whole.len() / 2;
        let judged = inspect(&whole[..length]);
        assert!(judged.is_err() || same, "{length} of {} bytes", whole.len());
    }
    check(
        &whole[..whole.len() - 1],
        "this is the beginning of a WebAssembly file",
    );
    check(
        &whole[..whole.len() / 2],
        "this is the beginning of a WebAssembly file",
    );
}

#[test]
fn every_damaged_byte_gives_an_answer() {
    let whole = component("");
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            if let Err(fault) = inspect(&damaged) {
                assert!(fault.to_string().len() < 2_000);
            }
        }
    }
}

#[test]
fn invalid_code_within_is_found() {
    let text = r#"(component (core module (func (result i32) i64.const 1)))"#;
    check(
        &wat::parse_str(text).unwrap(),
        "this component is damaged: type mismatch",
    );
}

#[test]
fn another_world_is_named_by_its_exports() {
    let exporting = |names: &[&str]| {
        let exports: Vec<_> = names
            .iter()
            .map(|name| format!(r#"(export "{name}" (instance $i))"#))
            .collect();
        wat::parse_str(format!("(component (instance $i) {})", exports.join(""))).unwrap()
    };
    check(
        &exporting(&[]),
        "or wasi:http/handler@0.3; it exports nothing",
    );
    check(
        &exporting(&["my:own/api@1.0.0", "run"]),
        "it exports my:own/api@1.0.0, run",
    );
    check(
        &exporting(&["wasi:cli/run@0.2.6"]),
        "a command component: it exports wasi:cli/run@0.2.6",
    );
    check(
        &exporting(&["wasi:http/handler@0.3.0"]),
        "this component's wasi:http/handler@0.3.0 has no function `handle`",
    );
    check(
        &exporting(&["wasi:http/incoming-handler@0.2.0"]),
        "has no function `handle`",
    );
    let many: Vec<_> = (0..50).map(|n| format!("a:b/n{n}@1.0.0")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    check(&exporting(&many), "and 38 more");
}

#[test]
fn handler_of_0_3_may_import_from_both() {
    let newer = |import: &str| {
        let text = format!(
            r#"(component
                (import "{import}" (instance))
                (core module $m (func (export "handle")))
                (core instance $i (instantiate $m))
                (func $handle async (canon lift (core func $i "handle")))
                (instance $handler (export "handle" (func $handle)))
                (export "wasi:http/handler@0.3.2" (instance $handler)))"#
        );
        wat::parse_str(text).unwrap()
    };
    for offered in ["wasi:http/client@0.3.2", "wasi:cli/environment@0.2.6"] {
        assert!(inspect(&newer(offered)).is_ok(), "{offered}");
    }
    check(
        &newer("wasi:http/handler@0.3.2"),
        "imports wasi:http/handler@0.3.2",
    );
    check(&newer("wasi:io/poll@0.3.0"), "imports wasi:io/poll@0.3.0");
}

#[test]
fn imports_nobody_offers_are_named() {
    let importing = |name: &str| component(&format!(r#"(import "{name}" (instance))"#));
    for offered in [
        "wasi:cli/environment@0.2.0",
        "wasi:io/poll@0.2.12",
        "wasi:sockets/tcp@0.2.3",
    ] {
        assert!(inspect(&importing(offered)).is_ok(), "{offered}");
    }
    for strange in [
        "wasi:keyvalue/store@0.2.0",
        "wasi:clocks/wall-clock@0.3.0",
        "wasi:http/proxy@0.2.0",
        "env",
    ] {
        check(
            &importing(strange),
            &format!("imports {strange}, which sidecars do not offer; offered are"),
        );
    }
}
