//! Compiled code: on disk, where only what this installation sealed is ever run, and in memory, where it
//! keeps within its budget.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use gateless_wasm::{CallError, Engine, Instance, LoadError, NoRoutes, Settings};
use support::{head, settings, sha256, spec, tiny};

/// A component like no other.
fn component(dir: &Path, number: usize) -> PathBuf {
    let path = dir.join(format!("{number}.wasm"));
    let data = format!("(memory 1) (data (i32.const 0) \"number {number}\")");
    fs::write(&path, tiny(&data, "")).unwrap();
    path
}

fn open(settings: Settings) -> Engine {
    Engine::open(settings, Arc::new(NoRoutes)).unwrap()
}

fn start(engine: &Engine, component: &Path) -> Result<Arc<Instance>, LoadError> {
    engine.start(spec(component).0)
}

/// Calls a component that never answers; that it returned says that it ran.
async fn ran(instance: &Arc<Instance>) -> bool {
    matches!(head(instance, "/").await, Err(CallError::NoResponse))
}

fn entries(cache: &Path, extension: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = all
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

fn flip_a_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_sealed_entry_is_used_and_anything_else_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let wasm = component(dir.path(), 1);
    let compiled = async |expected: u64, why: &str| {
        let engine = open(settings(&cache));
        let instance = start(&engine, &wasm).unwrap();
        assert!(ran(&instance).await, "{why}");
        assert_eq!(engine.stats().compiled, expected, "{why}");
    };
    compiled(1, "first time").await;
    compiled(0, "sealed by an earlier process").await;
    let code = entries(&cache, "cwasm").pop().unwrap();
    let seal = entries(&cache, "seal").pop().unwrap();
    flip_a_byte(&code);
    compiled(1, "damaged").await;
    flip_a_byte(&seal);
    compiled(1, "damaged seal").await;
    fs::remove_file(&seal).unwrap();
    compiled(1, "no seal").await;
    fs::write(&code, b"").unwrap();
    compiled(1, "empty").await;

    // Another installation's entry for the very same component.
    let foreign = dir.path().join("foreign");
    let theirs = open(settings(&foreign));
    theirs
        .compile_ahead(&wasm, &sha256(&fs::read(&wasm).unwrap()))
        .unwrap();
    fs::copy(&entries(&foreign, "cwasm")[0], &code).unwrap();
    fs::copy(&entries(&foreign, "seal")[0], &seal).unwrap();
    compiled(1, "foreign").await;

    // This installation's entry for another component.
    let other = component(dir.path(), 2);
    let engine = open(settings(&cache));
    engine
        .compile_ahead(&other, &sha256(&fs::read(&other).unwrap()))
        .unwrap();
    let is_other = |path: &PathBuf| *path != code && *path != seal;
    let other_code = entries(&cache, "cwasm").into_iter().find(is_other).unwrap();
    let other_seal = entries(&cache, "seal").into_iter().find(is_other).unwrap();
    fs::copy(other_code, &code).unwrap();
    fs::copy(other_seal, &seal).unwrap();
    compiled(1, "exchanged").await;
    compiled(0, "and all is well again").await;
    let complete = entries(&cache, "cwasm").len() + entries(&cache, "seal").len() + 1;
    assert_eq!(
        fs::read_dir(&cache).unwrap().count(),
        complete,
        "and the key"
    );
}

#[tokio::test]
async fn an_entry_changed_under_a_running_engine_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let mut settings = settings(&cache);
    settings.memory_budget_bytes = 1;
    let engine = open(settings);
    let first = start(&engine, &component(dir.path(), 1)).unwrap();
    flip_a_byte(&entries(&cache, "cwasm")[0]);
    let second = start(&engine, &component(dir.path(), 2)).unwrap();
    assert_eq!(engine.stats().compiled, 2);
    assert!(ran(&second).await);
    assert!(ran(&first).await);
    assert_eq!(engine.stats().compiled, 3);
}

#[tokio::test]
async fn two_hundred_functions_share_a_small_budget() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir.path().join("cache"));
    settings.memory_budget_bytes = 1 << 20;
    let engine = open(settings.clone());
    let instances: Vec<_> = (0..200)
        .map(|number| start(&engine, &component(dir.path(), number)).unwrap())
        .collect();
    let stats = engine.stats();
    assert_eq!((stats.compiled, stats.loads), (200, 200));
    for _ in 0..2 {
        for calls in instances.chunks(40) {
            let answers = join_all(calls.iter().map(ran)).await;
            assert!(answers.into_iter().all(|ran| ran));
            assert!(engine.stats().module_bytes <= settings.memory_budget_bytes);
        }
    }
    let stats = engine.stats();
    assert!(stats.modules < 200 && stats.modules > 0, "{stats:?}");
    assert!(
        stats.loads > 300,
        "evicted modules were loaded again: {stats:?}"
    );
    assert_eq!(stats.compiled, 200, "but never compiled again");
}

#[tokio::test]
async fn a_component_is_loaded_once_however_many_ask() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(settings(&dir.path().join("cache")));
    let wasm = component(dir.path(), 1);
    let starts = (0..20).map(|_| {
        let (engine, wasm) = (engine.clone(), wasm.clone());
        tokio::task::spawn_blocking(move || start(&engine, &wasm).map(drop))
    });
    for started in join_all(starts).await {
        started.unwrap().unwrap();
    }
    let stats = engine.stats();
    assert_eq!((stats.compiled, stats.loads, stats.modules), (1, 1, 1));
}

#[test]
fn the_cache_keeps_to_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let mut settings = settings(&cache);
    settings.cache_bytes = 1;
    let engine = open(settings);
    for number in 1..5 {
        start(&engine, &component(dir.path(), number)).unwrap();
    }
    let left = entries(&cache, "cwasm");
    assert_eq!(left.len(), 1, "the newest: {left:?}");
    assert_eq!(entries(&cache, "seal").len(), 1);
}

#[test]
fn a_file_that_is_no_http_component_is_called_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(settings(&dir.path().join("cache")));
    let refused = |bytes: &[u8]| {
        let path = dir.path().join("bad.wasm");
        fs::write(&path, bytes).unwrap();
        let refused = start(&engine, &path).unwrap_err();
        let ahead = engine.compile_ahead(&path, &sha256(bytes)).unwrap_err();
        assert_eq!(refused, ahead);
        refused
    };
    let good = tiny("", "");
    assert_eq!(refused(b"#!/bin/sh\n"), LoadError::NotWasm);
    assert!(matches!(refused(b""), LoadError::Invalid(_)));
    assert!(matches!(
        refused(&good[..good.len() / 2]),
        LoadError::Invalid(_)
    ));
    assert_eq!(
        refused(&wat::parse_str("(module)").unwrap()),
        LoadError::CoreModule
    );
    let empty = wat::parse_str("(component)").unwrap();
    assert_eq!(refused(&empty), LoadError::World("nothing".to_owned()));
    let wanting = String::from_utf8(Vec::from(
        "(component (import \"my:own/thing\" (instance (export \"f\" (func)))))",
    ))
    .unwrap();
    assert!(matches!(
        refused(&wat::parse_str(wanting).unwrap()),
        LoadError::World(_)
    ));
    let path = component(dir.path(), 1);
    let wrong = engine.compile_ahead(&path, &"0".repeat(64)).unwrap_err();
    assert!(matches!(wrong, LoadError::Digest { .. }), "{wrong}");
    let missing = engine.compile_ahead(&dir.path().join("none"), &"0".repeat(64));
    assert!(matches!(missing.unwrap_err(), LoadError::File { .. }));
    assert_eq!(engine.stats().modules, 0);
}
