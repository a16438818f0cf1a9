//! Deploys a function, calls it, queues a call and awaits its answer. README shows this file; the smoke test runs it.
#![allow(clippy::print_stdout, reason = "an example has something to show")]

use std::env;
use std::time::Duration;

use gateless_sdk::{Error, Gateless, Invoke, types};
use serde_json::json;

const WAIT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = env::var("GATELESS_SERVER").unwrap_or_else(|_| "http://127.0.0.1:7780".into());
    let gateless = Gateless::builder(url)
        .token(env::var("GATELESS_TOKEN")?)
        .build()?;

    let server = "exec python3 -m http.server --bind 127.0.0.1 $PORT";
    let request: types::ApplyRequest = serde_json::from_value(json!({
        "spec": {"kind": "process", "process": {"command": ["sh", "-c", server]}},
    }))?;
    gateless
        .api()
        .apply_function()
        .namespace(gateless.namespace())
        .name("site")
        .body(request)
        .send()
        .await?;
    gateless.wait_ready("site", WAIT).await?;

    let answer = gateless
        .invoke("site", Invoke::new().deadline(WAIT))
        .await?;
    println!("invoked: {}", answer.status().as_u16());

    let call = gateless.invoke_async("site", Invoke::new()).await?;
    println!("queued: {}", call.result(WAIT).await?.status().as_u16());

    match gateless.invoke("nobody", Invoke::new()).await {
        Err(Error::Problem(problem)) => println!("refused: {} {}", problem.status, problem.code()),
        other => println!("unexpected: {other:?}"),
    }

    // Every other operation is there, too.
    gateless
        .api()
        .delete_function()
        .namespace(gateless.namespace())
        .name("site")
        .send()
        .await?;
    Ok(())
}
