//! The life of one container: image, network, creation, readiness, run, end.
//!
//! One task each. Its end is always told once, and by then the engine has removed the container, or is asked to again when it answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bollard::models::ContainerStateStatusEnum;
use bollard::query_parameters::{CreateContainerOptions, StartContainerOptions};
use bollard::query_parameters::{
    KillContainerOptions, RemoveContainerOptions, StopContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use gateless_core::name::InstanceId;
use gateless_core::time::Time;
use tokio::net::TcpStream;

use super::engine::{Client, Refused, ask};
use super::output::{self, Speaker};
use super::request::{self, Manifest};
use super::{Inner, Stop};
use crate::clock;
use crate::instance::environment::environment;
use crate::instance::exit::{self, How};
use crate::instance::process::now_ms;
use crate::instance::{Event, Exit, StartRequest, Target};

/// For one answer to the question whether it is ready.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// For a connection to it, which is on this host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// After SIGKILL, for the engine to say that it ended.
const KILLED: Duration = Duration::from_secs(20);
/// Between two questions of an engine that does not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// For the last of its output, once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A container that was started.
pub(super) struct Running {
    pub client: Arc<Client>,
    pub name: String,
    pub manifest: Manifest,
    pub address: SocketAddr,
    pub speaker: Speaker,
    pub ready: bool,
    /// Output until then was copied by an earlier sidecar.
    pub copied_until: u64,
}

/// What an engine knows of a container.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub running: bool,
    code: Option<i64>,
    out_of_memory: bool,
    pub ip: Option<IpAddr>,
}

/// The container's name at the engine, which other sidecars of this host use, too.
pub(super) fn name(node: &str, id: &InstanceId) -> String {
    match id.as_str().starts_with(node) {
        true => format!("gateless-{id}"),
        false => format!("gateless-{node}-{id}"),
    }
}

/// Runs an instance from request to end.
pub(super) async fn start(inner: Arc<Inner>, request: StartRequest, stop: Stop) {
    let (id, asked) = (request.id.clone(), clock::now());
    let begun = tokio::select! {
        biased;
        // What was created meanwhile is removed in the end, started or not.
        () = stop.asked.cancelled() => Err(exit::stopped(How::UNKNOWN, false)),
        begun = begin(&inner, &request) => begun.map_err(exit::spawn_failed),
    };
    let exit = match begun {
        Ok(running) => run(&inner, running, &stop, asked).await,
        Err(exit) => exit,
    };
    finish(&inner, id, exit).await;
}

/// Runs an adopted container to its end.
pub(super) async fn go_on(inner: Arc<Inner>, running: Running, stop: Stop) {
    let id = running.speaker.id.clone();
    let exit = run(&inner, running, &stop, clock::now()).await;
    finish(&inner, id, exit).await;
}

async fn begin(inner: &Arc<Inner>, request: &StartRequest) -> Result<Running, String> {
    let revision = &request.revision;
    let container = revision.runtime.container();
    let container = container.ok_or("this revision is not a container")?;
    let speaker = Speaker {
        id: request.id.clone(),
        revision: revision.name.clone(),
    };
    let client = inner.client()?;
    let image = inner.image(&client, revision, container).await?;
    let door = inner.network.ensure(&client, &inner.place).await?;
    let _turn = inner.starts.acquire().await;
    let id = request.id.to_string();
    let manifest = Manifest::of(&id, revision, container, request.secrets_version, now_ms());
    let mut request = request.clone();
    request.gateless_url = format!("http://{door}");
    let fixed = vec![("PORT", manifest.port.to_string())];
    let usual = vec![("LANG", "C.UTF-8".to_owned())];
    let mut environment = environment(&request, &inner.config.node, usual, fixed);
    // By this mark processes of a sidecar's own are found and ended; the engine ends a container's.
    environment.remove(crate::instance::environment::NODE_MARK);
    let body = request::create(container, &image, &inner.place, &manifest, environment);
    let name = name(&inner.place.node, &request.id);
    let options = CreateContainerOptions {
        name: Some(name.clone()),
        ..CreateContainerOptions::default()
    };
    let created = ask(client.docker.create_container(Some(options), body)).await;
    created.map_err(|error| format!("image {} does not start: {error}", container.image))?;
    let started = client
        .docker
        .start_container(&name, None::<StartContainerOptions>);
    if let Err(error) = ask(started).await {
        let program = container.command.first();
        return Err(request::start_failed(
            &container.image,
            program,
            &error.words,
        ));
    }
    let look = look(&client, &name).await.map_err(|error| error.words)?;
    // One that has ended already has no address any more; its end is what is told then.
    let ip = look.ip.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    Ok(Running {
        address: SocketAddr::new(ip, manifest.port),
        client,
        name,
        manifest,
        speaker,
        ready: false,
        copied_until: 0,
    })
}

/// What the engine knows of it.
pub(super) async fn look(client: &Client, name: &str) -> Result<Look, Refused> {
    let found = ask(client.docker.inspect_container(name, None)).await?;
    let state = found.state.unwrap_or_default();
    let networks = found
        .network_settings
        .and_then(|settings| settings.networks);
    let addresses = networks
        .into_iter()
        .flat_map(std::collections::HashMap::into_values);
    let mut addresses = addresses.filter_map(|one| one.ip_address?.parse().ok());
    let is_up = matches!(
        state.status,
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED)
    );
    Ok(Look {
        running: state.running.unwrap_or(is_up),
        code: state.exit_code,
        out_of_memory: state.oom_killed.unwrap_or(false),
        ip: addresses.next(),
    })
}

async fn run(inner: &Arc<Inner>, running: Running, stop: &Stop, asked: Time) -> Exit {
    inner.note_address(&running.speaker.id, running.address.ip());
    let (client, name) = (running.client.clone(), running.name.clone());
    let (speaker, logs) = (running.speaker.clone(), inner.logs.clone());
    let after = running.copied_until;
    let copying = async move { output::copy(&client, &name, &speaker, &logs, after).await };
    let mut copying = inner.runtime.spawn(copying);
    let mut exit = watch(inner, &running, stop, asked).await;
    if tokio::time::timeout(LAST_WORDS, &mut copying)
        .await
        .is_err()
    {
        copying.abort();
    }
    if let Ok(look) = look(&running.client, &running.name).await
        && look.out_of_memory
    {
        exit.message = out_of_memory(&running.manifest, &exit.message);
        running
            .speaker
            .note(&inner.logs, exit.message.clone())
            .await;
    }
    exit
}

fn out_of_memory(manifest: &Manifest, message: &str) -> String {
    match manifest.memory_bytes {
        Some(bytes) => format!(
            "{message}: out of memory, it needed more than its limit of {bytes} bytes (container.memory_bytes)"
        ),
        None => format!("{message}: out of memory, the host had no more"),
    }
}

async fn watch(inner: &Arc<Inner>, running: &Running, stop: &Stop, asked: Time) -> Exit {
    let mut ready = running.ready;
    if !ready {
        let timeout = Duration::from_millis(running.manifest.start_timeout_ms);
        let waited = now_ms().saturating_sub(running.manifest.started_at_ms);
        let left = timeout.saturating_sub(Duration::from_millis(waited));
        let cause = parking_lot::Mutex::new(None);
        tokio::select! {
            biased;
            how = ended(running) => return exit::by_itself(how, false),
            () = stop.asked.cancelled() => return terminate(running, false).await,
            () = until_ready(running, &cause) => ready = true,
            () = tokio::time::sleep(left) => {
                kill(running).await;
                let cause = cause.lock().take();
                let silence = || format!("no listener on {} ($PORT)", running.address);
                return exit::start_timeout(&cause.unwrap_or_else(silence), timeout);
            }
        }
        inner.note_ready(&running.speaker.id);
        inner.emit(Event::Ready {
            id: running.speaker.id.clone(),
            target: Target::Http {
                address: running.address,
            },
            started_in: clock::now().since(asked),
        });
    }
    tokio::select! {
        biased;
        how = ended(running) => exit::by_itself(how, ready),
        () = stop.killed.cancelled() => {
            exit::unresponsive(kill(running).await, ready, stop.cause())
        }
        () = stop.asked.cancelled() => terminate(running, ready).await,
    }
}

/// Waits until it listens, and answers if that is asked of it.
async fn until_ready(running: &Running, cause: &parking_lot::Mutex<Option<String>>) {
    let began = clock::now();
    loop {
        match answers(running).await {
            Ok(()) => return,
            Err(why) => *cause.lock() = why,
        }
        tokio::time::sleep(pause(clock::now().since(began))).await;
    }
}

/// `Err(None)`: nobody listens.
pub(super) async fn answers(running: &Running) -> Result<(), Option<String>> {
    let connected = TcpStream::connect(running.address);
    match tokio::time::timeout(CONNECT_TIMEOUT, connected).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Err(None),
    }
    let Some(question) = running.manifest.question() else {
        return Ok(());
    };
    let asked = question.text();
    match tokio::time::timeout(ASK_TIMEOUT, question.ask(running.address)).await {
        Ok(Ok(_)) if question.path.is_none() => Ok(()),
        Ok(Ok(Some(status))) if status.is_success() || status.is_redirection() => Ok(()),
        Ok(Ok(Some(status))) => Err(Some(format!("{asked} answers {}", status.as_u16()))),
        Ok(Ok(None)) => Err(Some(format!("{asked} is turned away"))),
        Ok(Err(error)) => Err(Some(format!("{asked} fails: {error}"))),
        Err(_) => Err(Some(format!(
            "{asked} takes longer than {} s",
            ASK_TIMEOUT.as_secs()
        ))),
    }
}

fn pause(waited: Duration) -> Duration {
    Duration::from_millis(match waited.as_millis() {
        0..200 => 1,
        200..2000 => 5,
        _ => 20,
    })
}

/// Waits until it has ended by itself. While the engine does not answer that is not known, and it may well go on.
async fn ended(running: &Running) -> How {
    loop {
        let options = WaitContainerOptions {
            condition: "not-running".to_owned(),
        };
        let mut waited = running
            .client
            .docker
            .wait_container(&running.name, Some(options));
        // Its answer and its failure both only say that it is time to look.
        drop(waited.next().await);
        match look(&running.client, &running.name).await {
            Ok(look) if look.running => {}
            Ok(look) => return how(look.code),
            Err(refused) if refused.is_unknown() => return How::UNKNOWN,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Engines say 128 and the signal's number of what a signal killed.
fn how(code: Option<i64>) -> How {
    let code = code.and_then(|code| i32::try_from(code).ok());
    match code {
        Some(code @ 129..=192) => How {
            code: None,
            signal: Some(code - 128),
        },
        code => How { code, signal: None },
    }
}

/// Asks, waits, kills: the engine does all three.
async fn terminate(running: &Running, ready: bool) -> Exit {
    let grace = Duration::from_millis(running.manifest.stop_grace_ms);
    let options = StopContainerOptions {
        signal: None,
        t: Some(i32::try_from(grace.as_millis().div_ceil(1_000)).unwrap_or(i32::MAX)),
    };
    let began = clock::now();
    let stopped = running
        .client
        .docker
        .stop_container(&running.name, Some(options));
    // The engine answers when it has ended; what counts is that it has.
    let stopping = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let ending = async {
        tokio::select! {
            how = ended(running) => how,
            () = stopping => ended(running).await,
        }
    };
    match tokio::time::timeout(grace + KILLED, ending).await {
        Ok(how) if how.signal == Some(9) && clock::now().since(began) >= grace => {
            exit::stopped_by_force(how, ready, grace)
        }
        Ok(how) => exit::stopped(how, ready),
        Err(_) => exit::stopped_by_force(kill(running).await, ready, grace),
    }
}

async fn kill(running: &Running) -> How {
    let options = KillContainerOptions {
        signal: "SIGKILL".to_owned(),
    };
    if let Err(error) = ask(running
        .client
        .docker
        .kill_container(&running.name, Some(options)))
    .await
    {
        tracing::warn!(container = running.name, %error, "a container cannot be killed");
    }
    let ended = tokio::time::timeout(KILLED, ended(running)).await;
    ended.unwrap_or(How::UNKNOWN)
}

/// Takes a container away, whatever it does; whether it is gone.
pub(super) async fn remove(client: &Client, name: &str) -> bool {
    let options = RemoveContainerOptions {
        force: true,
        v: true,
        ..RemoveContainerOptions::default()
    };
    match ask(client.docker.remove_container(name, Some(options))).await {
        Ok(()) => true,
        Err(refused) if refused.is_unknown() => true,
        Err(error) => {
            tracing::warn!(container = name, %error, "a container cannot be removed");
            false
        }
    }
}

async fn finish(inner: &Arc<Inner>, id: InstanceId, mut exit: Exit) {
    let removed = match inner.client() {
        Ok(client) => remove(&client, &name(&inner.place.node, &id)).await,
        Err(_) => false,
    };
    exit.last_log_lines = inner.logs.finish(&id).await;
    inner.forget(&id, removed);
    inner.emit(Event::Exited { id, exit });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_code_is_a_code_or_a_signal() {
        let check = |code, expected: (Option<i32>, Option<i32>)| {
            let how = how(Some(code));
            assert_eq!((how.code, how.signal), expected);
        };
        check(0, (Some(0), None));
        check(7, (Some(7), None));
        check(137, (None, Some(9)));
        check(255, (Some(255), None));
    }
}
