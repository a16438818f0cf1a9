//! Sends a finished call's answer to its `x-callback-url`, with retries of its own.
//!
//! The answer's own headers go along, and beside them OpenFaaS's: `x-call-id`, `x-function-name`,
//! `x-function-status`, `x-duration-seconds`. Which are due is in the queue, written together with the end of
//! the call, so a crash repeats a callback but never loses one.
//!
//! **Server-side request forgery.** Whoever may call a function makes this host send a POST
//! to a URL of their choice, inside the host's network. So: only `http` and `https` (no other
//! scheme reaches any code), redirects are not followed, the answer is read up to a small
//! bound and told to nobody but by its status class, and it goes only to addresses the egress policy allows,
//! checked on the address really connected to. A callback to a function of this cluster is a call like any other,
//! with the rights of whoever made the call it tells of.

pub mod fake;
mod request;
mod sign;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateless_common::io::unix_now;
use gateless_core::call::callback::Sent;
use gateless_core::call::{ERROR_BYTES, retryable_status};
use gateless_core::egress::Egress;
use gateless_core::name::FunctionName;
use gateless_core::policy::Principal;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::invoke::{Answer, BodyError, Slot};
use super::types::Callback;
use super::work::{Delivery, Update};
use super::{Error, Work, attempt, lifecycle};
use crate::endpoint::egress::{self, Client, Outside};
pub use sign::Signing;

/// Callbacks under way at once.
const IN_FLIGHT: usize = 32;
/// Of these to one host: one that is slow must not hold up the others.
const PER_HOST: usize = 8;
/// How long a callback whose host has no place left waits for each of those before it, at most so
/// many times: there is no telling when a place comes free.
const PLACE: Duration = Duration::from_millis(250);
const MAX_PLACES: u32 = 120;
/// From connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Read of the answer, so that the connection can be used again.
const ANSWER_BYTES: usize = 64 * 1024;
/// Longest URL taken.
const URL_BYTES: usize = 2048;

/// Checks a callback URL when a call is accepted: `http://HOST...`, `https://HOST...`, or a function's path on
/// this sidecar.
///
/// # Errors
/// [`Error::CallbackScheme`] for another scheme, [`Error::CallbackAddress`] for an address that `egress` refuses,
/// [`Error::Callback`] for the rest.
pub fn check_url(url: &str, egress: &Egress) -> Result<(), Error> {
    if url.len() > URL_BYTES {
        return Err(Error::Callback("it is longer than 2048 bytes"));
    }
    if url.starts_with("/function/") || url.starts_with("/async-function/") {
        let parsed = url.parse::<Uri>();
        return parsed
            .map(drop)
            .map_err(|_| Error::Callback("it is not a path"));
    }
    if let Some((scheme, _)) = url.split_once("://")
        && !["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(Error::CallbackScheme(scheme.chars().take(20).collect()));
    }
    let uri: Uri = url
        .parse()
        .map_err(|_| Error::Callback("it is not a url"))?;
    if uri.host().is_none() || uri.scheme().is_none() {
        return Err(Error::Callback(
            "it names neither a host nor a function's path",
        ));
    }
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(Error::Callback(
            "credentials in a url would be stored and shown",
        ));
    }
    egress::check(egress, &uri).map_err(Error::CallbackAddress)
}

/// Calls functions of this cluster on somebody's behalf; the edge implements it.
pub trait Functions: Send + Sync + 'static {
    /// Sends the request, whose URI is a path of the public listener, with these rights. The slot is found when an instance
    /// has room for it.
    ///
    /// # Errors
    /// Why it never left.
    fn call(
        &self,
        principal: Principal,
        request: Request<Bytes>,
        slot: Slot,
    ) -> BoxFuture<'static, Result<Answer, String>>;
}

/// Where callbacks go.
#[derive(Clone)]
pub struct Destinations {
    /// Paths of functions.
    pub functions: Arc<dyn Functions>,
    /// Others.
    pub outside: Outside,
    /// What a function's callbacks are signed by.
    pub signing: Arc<dyn Fn(&FunctionName) -> Signing + Send + Sync>,
}

struct Sender {
    clock: Clock,
    client: Client,
    destinations: Destinations,
    /// A short lock, never across an await. Bounded: only hosts with callbacks under way.
    hosts: Mutex<HashMap<String, Host>>,
}

/// A host callbacks are under way to.
#[derive(Debug, Default)]
struct Host {
    in_flight: usize,
    /// How many were sent away since a place was free.
    waiting: u32,
}

/// Takes a place at a host, or says how long to stay away.
fn enter(hosts: &mut HashMap<String, Host>, name: &str) -> Result<(), Duration> {
    let host = hosts.entry(name.to_owned()).or_default();
    if host.in_flight < PER_HOST {
        host.in_flight += 1;
        return Ok(());
    }
    let rounds = host.waiting / PER_HOST as u32 + 1;
    host.waiting += 1;
    Err(PLACE * rounds.min(MAX_PLACES))
}

fn leave(hosts: &mut HashMap<String, Host>, name: &str) {
    if let Some(host) = hosts.get_mut(name) {
        host.in_flight -= 1;
        host.waiting = host.waiting.saturating_sub(1);
        if host.in_flight == 0 {
            hosts.remove(name);
        }
    }
}

/// Functions on this sidecar are one host.
fn host_of(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    let authority = uri.as_ref().and_then(|uri| uri.authority());
    authority.map_or_else(String::new, |a| a.as_str().to_ascii_lowercase())
}

/// Makes callbacks until it is stopped.
pub(super) async fn run(
    work: Arc<dyn Work>,
    clock: Clock,
    destinations: Destinations,
    stopping: CancellationToken,
) {
    let client = destinations.outside.client();
    let sender = Arc::new(Sender {
        clock,
        client,
        destinations,
        hosts: Mutex::default(),
    });
    let mut sending = JoinSet::new();
    let mut next = None;
    loop {
        let stop = stopping.is_cancelled();
        if stop && sending.is_empty() {
            return;
        }
        if stop {
            next = None;
        } else if next.is_none() && sending.len() < IN_FLIGHT {
            next = Some(work.next_callbacks(IN_FLIGHT - sending.len()));
        }
        tokio::select! {
            Some(taken) = async { Some(next.as_mut()?.await) }, if next.is_some() => {
                next = None;
                match taken {
                    Ok(callbacks) => for callback in callbacks {
                        sending.spawn(sender.clone().send(callback));
                    },
                    Err(error) => {
                        tracing::debug!(%error, "no more callbacks to make");
                        stopping.cancelled().await;
                    }
                }
            }
            Some(_) = sending.join_next() => {}
            () = stopping.cancelled(), if !stop => {}
        }
    }
}

impl Sender {
    async fn send(self: Arc<Self>, delivery: Delivery<Callback>) {
        let Delivery {
            job: callback,
            lease,
        } = delivery;
        let (id, number) = (&callback.id, callback.attempt);
        let host = host_of(&callback.url);
        if let Err(wait) = enter(&mut self.hosts.lock(), &host) {
            return lease.release(wait);
        }
        let posted = self.post(&callback).await;
        leave(&mut self.hosts.lock(), &host);
        let (sent, error) = match posted {
            Ok(status) if (200..300).contains(&status) => (Sent::Taken, String::new()),
            Ok(status) => {
                let sent = match retryable_status(status) {
                    true => Sent::Failed,
                    false => Sent::Refused,
                };
                (sent, format!("it was answered with {status}"))
            }
            Err(Failed { unmade, cause }) => {
                let sent = if unmade { Sent::Unmade } else { Sent::Failed };
                (sent, cut(&cause).to_owned())
            }
        };
        if sent != Sent::Taken {
            tracing::debug!(%id, error, number, "callback failed");
        }
        let next = lifecycle::callback_sent(sent, &callback, self.clock.now());
        attempt::settle(lease, Update::Callback(next, error)).await;
    }

    /// Sends it; the answer's status, or why there is none.
    async fn post(&self, callback: &Callback) -> Result<u16, Failed> {
        check_url(&callback.url, &self.destinations.outside.egress)
            .map_err(|error| Failed::unmade(error.to_string()))?;
        let request = request::of(&callback.url, callback);
        let mut request = request.map_err(|error| Failed::made(error.to_string()))?;
        let signing = (self.destinations.signing)(&callback.function);
        let (id, now) = (callback.id.to_string(), unix_now().0 / 1_000);
        sign::sign(&mut request, &signing, &id, now).map_err(Failed::unmade)?;
        if callback.url.starts_with('/') {
            return self.call(callback, request).await;
        }
        let exchange = async {
            let answer = self.client.request(request.map(Full::new)).await;
            let answer = answer.map_err(|error| Failed {
                unmade: error.is_connect(),
                cause: egress::cause(&error),
            })?;
            let answer = answer.map(|body| body.map_err(BodyError::from).boxed_unsync());
            Ok(finish(answer).await)
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .map_err(|_| late())?
    }

    /// Calls a function; its time counts from when an instance has room for it.
    async fn call(&self, callback: &Callback, request: Request<Bytes>) -> Result<u16, Failed> {
        let (slot, found) = Slot::new();
        let functions = &self.destinations.functions;
        let answer = functions.call(callback.principal.clone(), request, slot);
        let answer = async { Ok(finish(answer.await.map_err(Failed::unmade)?).await) };
        let mut answer = std::pin::pin!(answer);
        // One that is queued by its function's sidecar waits for no room.
        if callback.url.starts_with("/function/") {
            tokio::select! {
                biased;
                answered = &mut answer => return answered,
                // Dropped without a word, the answer says why.
                Ok(()) = found => {}
                () = tokio::time::sleep(TIMEOUT) => {
                    let secs = TIMEOUT.as_secs();
                    return Err(Failed::unmade(format!("no instance had room within {secs} s")));
                }
            }
        }
        tokio::time::timeout(TIMEOUT, answer)
            .await
            .map_err(|_| late())?
    }
}

/// Why a callback was not answered.
struct Failed {
    /// It never got away.
    unmade: bool,
    cause: String,
}

impl Failed {
    const fn unmade(cause: String) -> Self {
        Self {
            unmade: true,
            cause,
        }
    }

    const fn made(cause: String) -> Self {
        Self {
            unmade: false,
            cause,
        }
    }
}

fn late() -> Failed {
    Failed::made(format!("no answer within {} s", TIMEOUT.as_secs()))
}

/// The answer's status. Its body is read a little, only so that the connection can be used again.
async fn finish(answer: Answer) -> u16 {
    let (parts, mut body) = answer.into_parts();
    let mut left = ANSWER_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    parts.status.as_u16()
}

/// At most [`ERROR_BYTES`], at a character's end.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(ERROR_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateless_common::problem::Code;

    #[test]
    fn one_host_has_a_share_of_the_places_only() {
        let mut hosts = HashMap::new();
        let slow = host_of("http://Slow:80/x");
        for _ in 0..PER_HOST {
            assert_eq!(enter(&mut hosts, &slow), Ok(()));
        }
        assert_eq!(enter(&mut hosts, &host_of("http://slow:80/y")), Err(PLACE));
        for _ in 1..PER_HOST {
            assert_eq!(enter(&mut hosts, &slow), Err(PLACE));
        }
        assert_eq!(enter(&mut hosts, &slow), Err(PLACE * 2));
        for other in ["http://fast:80/", "/function/next"] {
            assert_eq!(enter(&mut hosts, &host_of(other)), Ok(()));
            leave(&mut hosts, &host_of(other));
        }
        leave(&mut hosts, &slow);
        assert_eq!(enter(&mut hosts, &slow), Ok(()));
        for _ in 0..PER_HOST {
            leave(&mut hosts, &slow);
        }
        assert!(hosts.is_empty());
    }

    #[test]
    fn only_http_and_https_urls_and_function_paths_are_taken() {
        let egress = Egress::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let check = |url: &str, expected: Option<Code>| {
            let code = check_url(url, &egress).err().map(|error| error.code());
            assert_eq!(code, expected, "{url}");
        };
        for good in [
            "http://example.com/x?y=1",
            "HTTP://10.0.0.1:80",
            "https://example.com/",
            "/function/next/path?x",
            "/async-function/next.ns",
        ] {
            check(good, None);
        }
        for scheme in ["ftp://example.com/", "file:///etc/passwd", "gopher://x/"] {
            check(scheme, Some(Code::UnsupportedCallbackScheme));
        }
        for bad in [
            "",
            "example.com/x",
            "/_gateless/calls/x",
            "http://169.254.169.254/latest",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
            "http://localhost:1/a",
            "http://127.0.0.1:7701/function/inner",
            "http://192.168.1.1/",
            "http://100.100.100.200/latest",
            "http://[::1]:80/",
            "http://[fd00:ec2::254]/latest",
            "http://[64:ff9b::7f00:1]/",
            "http://user:secret@example.com/",
            "http://",
        ] {
            check(bad, Some(Code::BadCallbackUrl));
        }
    }
}
