//! Measures what this crate costs without a network: `measure COMPONENT.wasm [KEEP_RESIDENT_BYTES]` calls
//! `/` of the component on one thread and prints one JSON object. `make bench` compares with others.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for people, whose answer goes to stdout"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateless_wasm::{Engine, Identity, Instance, InstanceSpec, Limits, NoRoutes, Reuse, Settings};
use http::Request;
use http_body_util::{BodyExt, Empty};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

const COLD: usize = 300;
const WARM: Duration = Duration::from_secs(3);

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(component) = args.next() else {
        eprintln!("usage: measure COMPONENT.wasm [KEEP_RESIDENT_BYTES]");
        std::process::exit(2);
    };
    let keep_resident = args.next().map(|bytes| bytes.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(Path::new(&component), keep_resident));
}

async fn measure(component: &Path, keep_resident: Option<usize>) {
    let dir = std::env::temp_dir().join(format!("gateless-wasm-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut settings = Settings::new(dir.join("cache"));
    if let Some(bytes) = keep_resident {
        settings.keep_resident_bytes = bytes;
    }
    let engine = Engine::open(settings.clone(), Arc::new(NoRoutes)).unwrap();
    let began = Instant::now();
    let fresh = start(&engine, component, None);
    println!(
        "{{\"compile_ms\": {:.1},",
        began.elapsed().as_secs_f64() * 1e3
    );
    let reused = start(&engine, component, Some(Reuse::default()));
    let mut medians = Vec::new();
    for (name, instance) in [("fresh", &fresh), ("reused", &reused)] {
        let (rps, cpu, p50, p99) = warm(instance).await;
        println!(
            " \"{name}\": {{\"rps\": {rps:.0}, \"cpu_us\": {cpu:.1}, \"p50_us\": {p50:.1}, \"p99_us\": {p99:.1}}},"
        );
        medians.push(p50);
    }
    // Making an instance and ending it is all that a fresh call does more.
    println!(" \"instance_p50_us\": {:.1},", medians[0] - medians[1]);
    let (p50, p99) = cold(settings, component, &dir).await;
    println!(" \"cold\": {{\"p50_us\": {p50:.1}, \"p99_us\": {p99:.1}}}}}");
    std::fs::remove_dir_all(dir).unwrap();
}

/// Calls one after the other: rate, CPU microseconds a call, median and 99th percentile.
async fn warm(instance: &Arc<Instance>) -> (f64, f64, f64, f64) {
    for _ in 0..100 {
        call(instance).await;
    }
    let mut times = Vec::new();
    let cpu = cpu_seconds();
    let began = Instant::now();
    while began.elapsed() < WARM {
        let call_began = Instant::now();
        call(instance).await;
        times.push(call_began.elapsed());
    }
    let cpu = cpu_seconds() - cpu;
    let calls = times.len() as f64;
    let (p50, p99) = percentiles(&mut times);
    (
        calls / began.elapsed().as_secs_f64(),
        cpu / calls * 1e6,
        p50,
        p99,
    )
}

/// First calls of functions whose code is compiled, but in no memory of this process.
async fn cold(mut settings: Settings, component: &Path, dir: &Path) -> (f64, f64) {
    settings.memory_budget_bytes = 1;
    let engine = Engine::open(settings, Arc::new(NoRoutes)).unwrap();
    let wasm = std::fs::read(component).unwrap();
    let mut instances = Vec::new();
    for number in 0..COLD {
        // A custom section more makes it another component; and hundreds need not be compiled for that,
        // since with a budget of nothing every second component is enough to unload the first.
        let number = (number % 8) as u8;
        let path = dir.join(format!("{number}.wasm"));
        let mut other = wasm.clone();
        other.extend([0, 3, 1, b'n', number]);
        std::fs::write(&path, other).unwrap();
        instances.push(start(&engine, &path, None));
    }
    let mut times = Vec::new();
    for instance in &instances {
        let began = Instant::now();
        call(instance).await;
        times.push(began.elapsed());
    }
    let loads = engine.stats().loads as usize;
    assert!(
        loads >= 2 * COLD - 8,
        "only {loads} loads: those were not all cold"
    );
    percentiles(&mut times)
}

fn start(engine: &Engine, component: &Path, reuse: Option<Reuse>) -> Arc<Instance> {
    let spec = InstanceSpec {
        component: PathBuf::from(component),
        sha256: hex::encode(Sha256::digest(std::fs::read(component).unwrap())),
        env: Vec::new(),
        limits: Limits::default(),
        allowed_hosts: Vec::new(),
        reuse,
        log: Arc::new(|_, line: &str| eprintln!("{line}")),
        identity: Identity {
            namespace: "default".to_owned(),
            function: "measured".to_owned(),
            revision: "measured-1".to_owned(),
            instance: "1".to_owned(),
        },
    };
    engine.start(spec).unwrap()
}

async fn call(instance: &Arc<Instance>) {
    let request = Request::get("http://measured.default/")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = instance.call(request, None).await.unwrap();
    assert!(response.status().is_success());
    response.into_body().collect().await.unwrap();
}

fn percentiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6;
    (at(0.5), at(0.99))
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
