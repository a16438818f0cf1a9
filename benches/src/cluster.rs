//! One real server and one real sidecar, and the few API calls a measurement needs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{Process, built};

/// Instances the sidecar may run.
const CAPACITY: u32 = 400;
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub struct Cluster {
    /// Where functions are called, host:port.
    pub public: String,
    /// The sidecar; first, because it must end first: it stops its instances.
    pub sidecar: Process,
    api: String,
    token: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    _server: Process,
}

impl Cluster {
    /// Starts both.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let secret = folder.join("cluster-secret");
        fs::write(&secret, "secret-of-the-bench-cluster")?;
        let run = |part: &str, arguments: &[&str]| {
            let mut command = Command::new(built("gateless")?);
            for (name, _) in std::env::vars_os() {
                if name.to_string_lossy().starts_with("GATELESS_") {
                    command.env_remove(name);
                }
            }
            command
                .arg(part)
                .args(arguments)
                .arg("--data")
                .arg(folder.join(part))
                .arg("--cluster-secret-file")
                .arg(&secret)
                .env("HOME", folder)
                .env("GATELESS_LOG", "warn");
            let log = folder.join(format!("{part}.log"));
            let (process, line) = Process::start_and_read(&mut command, &log)?;
            let ready: Value = serde_json::from_str(&line)?;
            anyhow::Ok((process, ready))
        };
        let any = "127.0.0.1:0";
        let (server, ready) = run("server", &["--listen", any, "--grpc-listen", any])?;
        let (api, token) = (text(&ready, "api")?, text(&ready, "first_admin_token")?);
        let (grpc, capacity) = (text(&ready, "grpc")?, CAPACITY.to_string());
        let (sidecar, ready) = run(
            "sidecar",
            &[
                "--server",
                &grpc,
                "--capacity",
                &capacity,
                "--listen",
                any,
                "--local-listen",
                any,
                "--peer-listen",
                any,
                "--gossip-listen",
                any,
            ],
        )?;
        let public = text(&ready, "public")?;
        Ok(Self {
            public: public.trim_start_matches("http://").to_owned(),
            sidecar,
            api,
            token,
            client: reqwest::Client::builder().no_proxy().build()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            _server: server,
        })
    }

    /// Applies a function that runs `hello`, with more of the spec if wanted.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn deploy(&self, name: &str, more: Value) -> anyhow::Result<()> {
        let mut spec = json!({"kind": "process", "process": {"command": [built("hello")?]}});
        if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
            spec.extend(more);
        }
        let path = format!("/namespaces/default/functions/{name}");
        self.send(Method::PUT, &path, Some(json!({"spec": spec})))?;
        Ok(())
    }

    /// Deletes a function; does not wait.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn delete(&self, name: &str) -> anyhow::Result<()> {
        let path = format!("/namespaces/default/functions/{name}");
        self.send(Method::DELETE, &path, None)?;
        Ok(())
    }

    /// Waits until a function has been ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn wait_ready(&self, name: &str) -> anyhow::Result<()> {
        let path =
            format!("/namespaces/default/functions/{name}/wait?condition=ready&timeout_ms=30000");
        self.send(Method::GET, &path, None)?;
        self.wait_applied()
    }

    /// Waits until the sidecar has the newest catalogue.
    ///
    /// # Errors
    /// When it does not get it.
    pub fn wait_applied(&self) -> anyhow::Result<()> {
        self.wait_until("the sidecar has the catalogue", || {
            let list = self.send(Method::GET, "/sidecars", None)?;
            let sidecar = &list["items"][0];
            Ok(sidecar["connected"] == true && sidecar["lag"] == 0)
        })
    }

    /// Queued, running and retrying calls of a function.
    ///
    /// # Errors
    /// When the server does not say.
    pub fn backlog(&self, function: &str) -> anyhow::Result<u64> {
        let list = self.send(Method::GET, "/namespaces/default/queues", None)?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let of_function = items.iter().filter(|queue| queue["function"] == function);
        let states = ["queued", "running", "retrying"];
        let count = |queue: &Value| -> u64 {
            states
                .iter()
                .filter_map(|state| queue[*state].as_u64())
                .sum()
        };
        Ok(of_function.map(count).sum())
    }

    /// Asks again and again, every 10 ms.
    ///
    /// # Errors
    /// Of the question, or when the answer stays no for a minute.
    pub fn wait_until(
        &self,
        what: &str,
        mut done: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let patience = Instant::now() + PATIENCE;
        while !done()? {
            if Instant::now() > patience {
                bail!("not within {PATIENCE:?}: {what}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn send(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let url = format!("{}/v1{path}", self.api);
        let mut request = self.client.request(method.clone(), url);
        request = request.bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            let text = response.text().await?;
            if !status.is_success() {
                bail!("{method} {path}: {status} {text}");
            }
            Ok(serde_json::from_str(&text).unwrap_or_default())
        })
    }
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let found = value[key].as_str();
    Ok(found
        .with_context(|| format!("no {key} in {value}"))?
        .to_owned())
}
