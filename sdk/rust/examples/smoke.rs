//! What the crate promises, tried on a live server. Started by sdk/test.py, which says where that is.
//!
//! An example and not a test: `cargo test` has no server to give it.
#![allow(clippy::print_stdout, reason = "its summary goes to stdout")]

use std::env;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use gateless_sdk::{Error, EventQuery, Gateless, Invoke, LogQuery, Policy, types};
use reqwest::Method;
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(60);

struct Smoke {
    client: Gateless,
    name: String,
    done: Vec<&'static str>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let client = Gateless::builder(env::var("GATELESS_SERVER")?)
        .token(env::var("GATELESS_TOKEN")?)
        .build()?;
    let mut smoke = Smoke {
        client,
        name: env::var("SDK_FUNCTION")?,
        done: Vec::new(),
    };
    smoke.create_and_wait().await.context("create")?;
    smoke.invoke().await.context("invoke")?;
    smoke.dead_letter().await.context("dead letter")?;
    smoke.queue().await.context("async")?;
    smoke.scale().await.context("scale")?;
    smoke.problems().await.context("problems")?;
    smoke.changed_meanwhile().await.context("412")?;
    smoke.logs().await.context("stream")?;
    smoke.unreachable().await.context("unreachable")?;
    smoke.faults().await.context("faults")?;
    if env::var_os("SDK_EVENTS").is_some() {
        smoke.events().await.context("events")?;
    }
    smoke.delete().await.context("delete")?;
    println!("{}", json!({"sdk": "rust", "checks": smoke.done}));
    Ok(())
}

/// The error of something that must fail.
#[track_caller]
fn failure<T>(outcome: Result<T, Error>, status: Option<u16>, code: &str) -> Result<Error> {
    let Err(error) = outcome else {
        bail!("{code} expected")
    };
    ensure!(
        (error.status(), error.code()) == (status, code),
        "{error:?}"
    );
    Ok(error)
}

impl Smoke {
    fn request(&self, label: &str) -> Result<types::ApplyRequest> {
        let spec = json!({
            "kind": "process",
            "process": {"command": ["python3", env::var("SDK_ECHO")?]},
            "async": {"max_attempts": 1},
            "limits": {"container_concurrency": 1},
        });
        Ok(serde_json::from_value(
            json!({"spec": spec, "labels": {"sdk": label}}),
        )?)
    }

    async fn apply(
        &self,
        label: &str,
        version: Option<i64>,
    ) -> Result<Result<types::Function, Error>> {
        let mut apply = self
            .client
            .api()
            .apply_function()
            .namespace(self.client.namespace())
            .name(&self.name)
            .body(self.request(label)?);
        if let Some(version) = version {
            apply = apply.if_match(format!("\"{version}\""));
        }
        let outcome = apply.send().await;
        Ok(outcome
            .map(|answer| answer.into_inner())
            .map_err(Error::from))
    }

    async fn create_and_wait(&mut self) -> Result<()> {
        let made = self.apply("rust", None).await??;
        ensure!(made.name == self.name);
        let list = self
            .client
            .api()
            .list_functions()
            .namespace(self.client.namespace());
        let list = list.label("sdk=rust").send().await?;
        ensure!(list.items.iter().map(|item| &item.name).eq([&self.name]));
        self.done.push("create");
        self.client.wait_ready(&self.name, WAIT).await?;
        self.done.push("wait");
        Ok(())
    }

    async fn invoke(&mut self) -> Result<()> {
        let call = Invoke::new().path("/a?b=c").body("hello").deadline(WAIT);
        let answer: Value = self.client.invoke(&self.name, call).await?.json().await?;
        ensure!(
            (&answer["method"], &answer["path"], &answer["body"])
                == (&json!("POST"), &json!("/a?b=c"), &json!("hello")),
            "{answer}"
        );
        let streamed = Invoke::new().body_from(|| reqwest::Body::from("made"));
        let answer: Value = self
            .client
            .invoke(&self.name, streamed)
            .await?
            .json()
            .await?;
        ensure!(answer["body"] == "made", "{answer}");
        let own = self
            .client
            .invoke(&self.name, Invoke::new().path("/status/404"))
            .await?;
        ensure!(own.status() == 404, "a function's own 404 is its answer");
        self.done.push("invoke");
        Ok(())
    }

    async fn queue(&mut self) -> Result<()> {
        let key = format!("key-{}", self.name);
        let call = || Invoke::new().path("/later").body("x").idempotency_key(&key);
        let queued = self.client.invoke_async(&self.name, call()).await?;
        let result = queued.result(WAIT).await?;
        ensure!(result.status() == 200);
        ensure!(result.json::<Value>().await?["path"] == "/later");
        let again = self.client.invoke_async(&self.name, call()).await?;
        ensure!(again.id() == queued.id(), "the same key is the same call");
        let status = self
            .client
            .call(queued.id(), queued.token())
            .status()
            .await?;
        ensure!(status.state == "succeeded" && status.attempts() == 1);
        self.done.push("async");
        Ok(())
    }

    async fn dead_letter(&mut self) -> Result<()> {
        let call = Invoke::new().path("/fails-once/rust").body("x");
        let queued = self.client.invoke_async(&self.name, call).await?;
        failure(queued.result(WAIT).await, None, "call_dead")?;
        let namespace = self.client.namespace();
        let list = self.client.api().list_dead_letters();
        let list = list.namespace(namespace).name(&self.name).send().await?;
        ensure!(list.items.iter().map(|item| &*item.id).eq([queued.id()]));
        let replay = self.client.api().replay_dead_letters();
        let replay = replay.namespace(namespace).name(&self.name);
        let all = types::ReplayRequest::default();
        ensure!(replay.body(all).send().await?.count == 1);
        ensure!(queued.result(WAIT).await?.status() == 200);
        self.done.push("dead letter");
        Ok(())
    }

    async fn scale(&mut self) -> Result<()> {
        let slow = || self.client.invoke(&self.name, Invoke::new().path("/slow"));
        let calls = async { tokio::try_join!(slow(), slow(), slow(), slow()) };
        let path = self.client.path(&["functions", &self.name, "instances"]);
        let grown = async {
            loop {
                let found: Value = self.client.get(&path, &[]).await?;
                let items = found["items"].as_array().context("no items")?;
                let ready = items.iter().filter(|item| item["state"] == "ready");
                if ready.count() >= 2 {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::pin!(calls, grown);
        tokio::select! {
            biased;
            grown = &mut grown => grown?,
            _ = &mut calls => bail!("one instance took all calls, one after the other"),
        }
        let (a, b, c, d) = calls.await?;
        ensure!([a, b, c, d].iter().all(|answer| answer.status() == 200));
        self.done.push("scale");
        Ok(())
    }

    async fn problems(&mut self) -> Result<()> {
        let slow = Invoke::new().path("/slow").method(Method::POST);
        let slow = slow.deadline(Duration::from_millis(300));
        let outcome = self.client.invoke(&self.name, slow).await;
        let error = failure(outcome, Some(504), "deadline_exceeded")?;
        ensure!(error.problem().and_then(|problem| problem.hint()).is_some());
        self.done.push("deadline");
        let get = self.client.api().get_function();
        let get = get.namespace(self.client.namespace()).name("nobody");
        let outcome = get.send().await.map_err(Error::from);
        let error = failure(outcome, Some(404), "function_not_found")?;
        ensure!(error.to_string().contains("nobody"), "{error}");
        let outcome = self.client.invoke("nobody", Invoke::new()).await;
        failure(outcome, Some(404), "function_not_found")?;
        self.done.push("404");
        Ok(())
    }

    async fn changed_meanwhile(&mut self) -> Result<()> {
        let path = self.client.path(&["functions", &self.name]);
        let seen: Value = self.client.get(&path, &[]).await?;
        let version = seen["version"].as_i64().context("no version")?;
        self.apply("changed", Some(version)).await??;
        let outcome = self.apply("rust", Some(version)).await?;
        failure(outcome, Some(412), "precondition_failed")?;
        self.done.push("412");
        Ok(())
    }

    async fn logs(&mut self) -> Result<()> {
        let query = LogQuery {
            follow: true,
            tail: Some(10),
            ..LogQuery::default()
        };
        let mut lines = self
            .client
            .logs::<types::LogLine>(&self.name, &query)
            .await?;
        let marker = format!("/marker-{}", std::process::id());
        self.client
            .invoke(&self.name, Invoke::new().path(&marker))
            .await?;
        while let Some(line) = lines.next().await? {
            if line.line.contains(&marker) {
                self.done.push("stream");
                return Ok(());
            }
        }
        bail!("the stream ended")
    }

    async fn unreachable(&mut self) -> Result<()> {
        let patient = Policy {
            attempts: 2,
            base: Duration::from_millis(1),
            ..Policy::default()
        };
        let nowhere = Gateless::builder("http://127.0.0.1:1")
            .retry(patient)
            .build()?;
        failure(nowhere.wait_ready("x", WAIT).await, None, "unreachable")?;
        self.done.push("unreachable");
        Ok(())
    }

    async fn faults(&mut self) -> Result<()> {
        let quick = Policy {
            base: Duration::from_millis(1),
            ..Policy::default()
        };
        let faulty = Gateless::builder(env::var("SDK_FAKE")?)
            .token("t")
            .retry(quick)
            .build()?;
        // The first sidecar of the list is gone, the second refuses once: a POST without a key goes on to it, and no further.
        let once = || Invoke::new().path("/rust/once").body("x");
        failure(faulty.invoke("flaky", once()).await, Some(503), "overflow")?;
        let answer: Value = faulty.invoke("flaky", once()).await?.json().await?;
        ensure!(answer["attempt"] == 2, "{answer}");
        self.done.push("failover");
        let keyed = Invoke::new()
            .path("/rust/keyed")
            .body("x")
            .idempotency_key("k");
        let answer: Value = faulty.invoke("flaky", keyed).await?.json().await?;
        ensure!(answer["attempt"] == 2, "{answer}");
        self.done.push("retry");
        let mut events = faulty.events::<Value>(EventQuery::default());
        for number in 1..=3 {
            let event = events.next().await?;
            ensure!(
                event.id == Some(format!("e-{number}")) && event.data["number"] == number,
                "{event:?}"
            );
        }
        self.done.push("resume");
        let endless = Gateless::builder(env::var("SDK_FAKE")?)
            .token("t")
            .namespace("endless")
            .build()?;
        let mut events = endless.events::<Value>(EventQuery::default());
        ensure!(events.next().await?.id.as_deref() == Some("e-1"));
        failure(events.next().await, None, "bad_answer")?;
        self.done.push("endless");
        Ok(())
    }

    async fn events(&mut self) -> Result<()> {
        let mut events = self.client.events::<Value>(EventQuery {
            types: vec!["hello".into(), "function".into()],
            ..EventQuery::default()
        });
        ensure!(events.next().await?.kind == "hello");
        self.apply("event", None).await??;
        loop {
            let event = events.next().await?;
            if event.kind == "function" && event.data["function"] == self.name.as_str() {
                self.done.push("events");
                return Ok(());
            }
        }
    }

    async fn delete(&mut self) -> Result<()> {
        let delete = self.client.api().delete_function();
        let delete = delete.namespace(self.client.namespace()).name(&self.name);
        delete.send().await?;
        self.client.wait_deleted(&self.name, WAIT).await?;
        self.done.push("delete");
        Ok(())
    }
}
