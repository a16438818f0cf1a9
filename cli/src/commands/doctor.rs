//! `doctor`: is everything there that a call needs, and what to do about what is not.
//!
//! Deliberately changes nothing and asks only what any user may ask.

mod certificate;

use std::time::{Duration, Instant};

use base64::Engine as _;
use gateless_common::problem::Code;
use gateless_common::time;
use gateless_sandbox::{Missing, Part};
use gateless_sdk::Error;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::sidecars::isolated;
use crate::client::{Client, Listing, Reply, segment};
use crate::failure::{Exit, Failure};
use crate::login::user_folder;
use crate::manifest::units::{show_bytes, show_millis};
use crate::output::{Format, Output, at};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The server's `Date` has whole seconds.
const MAX_SKEW_MS: i64 = 5_000;
const EXPIRES_SOON: Duration = Duration::from_secs(3 * 24 * 3600);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Less free disk than this, or than the share below, is worth a warning.
const LOW_DISK_BYTES: u64 = 1 << 30;
const LOW_DISK_PERCENT: u64 = 5;

#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// What was found, and the way out.
struct Report(Vec<(&'static str, Verdict, String, Option<String>)>);

impl Report {
    fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push((check, Verdict::Ok, detail.into(), None));
    }

    fn warn(&mut self, check: &'static str, detail: impl Into<String>, fix: &str) {
        let fix = Some(fix.to_owned());
        self.0.push((check, Verdict::Warn, detail.into(), fix));
    }

    fn fail(&mut self, check: &'static str, failure: &Failure, fix: &str) {
        let document = failure.document();
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        let detail = [text("title"), text("detail")].join(": ");
        let fix = document["hint"].as_str().unwrap_or(fix).to_owned();
        let detail = detail.trim_end_matches(": ").to_owned();
        self.0.push((check, Verdict::Fail, detail, Some(fix)));
    }

    fn items(&self) -> Vec<Value> {
        let item = |(check, verdict, detail, fix): &(&str, Verdict, String, Option<String>)| {
            let verdict = match verdict {
                Verdict::Ok => "ok",
                Verdict::Warn => "warning",
                Verdict::Fail => "failed",
            };
            json!({"check": check, "result": verdict, "detail": detail, "fix": fix})
        };
        self.0.iter().map(item).collect()
    }

    fn failed(&self) -> usize {
        self.0
            .iter()
            .filter(|(_, v, ..)| *v == Verdict::Fail)
            .count()
    }
}

/// `gateless doctor`
pub(crate) async fn doctor(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let mut report = Report(Vec::new());
    let target = client.target();
    report.ok(
        "login",
        format!(
            "server {} ({}), token from {}, namespace {}",
            target.server, target.server_source, target.token_source, target.namespace
        ),
    );
    out.status("asking the server");
    certificate::check("the server", &target.server, &mut report).await;
    if check_server(client, &mut report).await {
        check_token(client, &mut report).await;
        out.status("asking the sidecars");
        check_sidecars(client, &mut report).await;
        check_functions(client, &mut report).await;
    }
    check_disk(&mut report);
    print(out, &report)
}

fn print(out: &mut Output, report: &Report) -> Result<(), Failure> {
    if out.format() == Format::Table {
        for item in report.items() {
            out.line(&format!(
                "{:7}  {:10} {}",
                at(&item, "/result"),
                at(&item, "/check"),
                at(&item, "/detail")
            ))?;
            if let Some(fix) = item["fix"].as_str() {
                out.line(&format!("         try: {fix}"))?;
            }
        }
    } else {
        let listing = Listing {
            items: report.items(),
            warnings: Vec::new(),
        };
        out.list(listing, &[], |_| Vec::new())?;
    }
    match report.failed() {
        0 => Ok(()),
        n => Err(Failure::new(
            Exit::Failure,
            "unhealthy",
            format!("{n} checks failed"),
        )),
    }
}

/// Reachable, of this version, with this clock; true when it can be asked more.
async fn check_server(client: &Client, report: &mut Report) -> bool {
    let start = Instant::now();
    let reply = client
        .send(client.request(Method::GET, "/v1/version"))
        .await;
    let reply = match reply {
        Ok(reply) => reply,
        // A server that refuses the token is there; the next check says so.
        Err(failure) if failure.exit() == Exit::Unauthorized => {
            report.ok("server", "reachable");
            return true;
        }
        Err(failure) => {
            report.fail("server", &failure, "gateless up");
            return false;
        }
    };
    let took = time::millis(start.elapsed());
    report.ok("server", format!("answers in {}", show_millis(took)));
    check_clock(&reply, report);
    let version = at(&reply.body, "/version");
    if version == VERSION {
        report.ok("version", format!("server and command line are {VERSION}"));
    } else {
        report.warn(
            "version",
            format!("the server is {version}, this command line {VERSION}"),
            "install the same version on both",
        );
    }
    true
}

fn check_clock(reply: &Reply, report: &mut Report) {
    let date = reply.headers.get("date").and_then(|v| v.to_str().ok());
    let Some(then) = date.and_then(|d| jiff::fmt::rfc2822::parse(d).ok()) else {
        return;
    };
    let skew = Timestamp::now().as_millisecond() - then.timestamp().as_millisecond();
    // The header is cut to the second.
    if (-MAX_SKEW_MS..=MAX_SKEW_MS + 1_000).contains(&skew) {
        report.ok("clock", "agrees with the server's");
    } else {
        report.warn(
            "clock",
            format!("{} off the server's", show_millis(skew.unsigned_abs())),
            "synchronize both with NTP: tokens and schedules go by the clock",
        );
    }
}

async fn check_token(client: &Client, report: &mut Report) {
    let fix = "gateless login, with a token of `gateless token create`";
    let query = [("limit", "1".to_owned())];
    if let Err(failure) = client.get(&client.path(&["functions"]), &query).await {
        report.fail("token", &failure, fix);
        return;
    }
    let claims = client.target().token.as_deref().and_then(claims);
    let Some(claims) = claims else {
        report.ok("token", "good");
        return;
    };
    let (role, namespace) = (at(&claims, "/role"), at(&claims, "/ns"));
    let left = claims["exp"].as_i64().unwrap_or(0) - Timestamp::now().as_second();
    let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
    let millis = time::millis(left);
    let detail = format!(
        "role {role}, namespace {namespace}, good for {}",
        show_millis(millis)
    );
    if left < EXPIRES_SOON {
        report.warn("token", detail, fix);
    } else {
        report.ok("token", detail);
    }
}

/// What the token says of itself; the server has just believed it.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
    serde_json::from_slice(&bytes.ok()?).ok()
}

async fn check_sidecars(client: &Client, report: &mut Report) {
    let sidecars = match client.list("/v1/sidecars", &[], 1000).await {
        Ok(listing) => listing.items,
        Err(failure) if failure.exit() == Exit::Unauthorized => {
            report.warn(
                "sidecars",
                "this token may not list them",
                "ask an admin of all namespaces",
            );
            return;
        }
        Err(failure) => return report.fail("sidecars", &failure, "gateless sidecars"),
    };
    let (up, down): (Vec<_>, Vec<_>) = sidecars.iter().partition(|s| s["connected"] == true);
    if up.is_empty() {
        let none = Failure::new(
            Exit::Failure,
            Code::NoSidecar.as_str(),
            "no sidecar is connected",
        );
        return report.fail("sidecars", &none, "gateless sidecar --server GRPC_URL");
    }
    if down.is_empty() {
        report.ok("sidecars", format!("{} connected", up.len()));
    } else {
        let names: Vec<String> = down.iter().map(|s| at(s, "/node_id")).collect();
        let detail = format!("{} connected, not: {}", up.len(), names.join(", "));
        report.warn(
            "sidecars",
            detail,
            "look at their logs; what runs there goes on",
        );
    }
    for sidecar in up {
        check_sidecar(client, sidecar, report).await;
    }
}

async fn check_sidecar(client: &Client, sidecar: &Value, report: &mut Report) {
    let name = at(sidecar, "/node_id");
    if let Some(lag) = sidecar["lag"].as_u64().filter(|lag| *lag > 0) {
        let detail = format!("{name} is {lag} versions behind");
        report.warn(
            "lag",
            detail,
            "wait a moment; if it stays, restart that sidecar",
        );
    }
    let version = at(sidecar, "/version");
    if version != VERSION && version != "-" {
        let detail = format!("{name} is {version}, this command line {VERSION}");
        report.warn("version", detail, "install the same version everywhere");
    }
    if let Some(kept) = sidecar["conditions"]
        .as_array()
        .and_then(|all| all.iter().find(|c| c["type"] == "CatalogueTaken"))
        .filter(|c| c["status"] == "false")
    {
        let detail = format!(
            "{name} does not take the server's catalogue: {}",
            at(kept, "/message")
        );
        report.warn(
            "catalogue",
            detail,
            "gateless server catalogue, then accept or restore --from-fleet",
        );
    }
    check_isolation(sidecar, &name, report);
    let Some(url) = sidecar["public_url"].as_str() else {
        return;
    };
    certificate::check(&name, url, report).await;
    // Whatever it answers about a call nobody made, it is there.
    let Ok(sdk) = client.sdk(Some(url)) else {
        return;
    };
    let probe = sdk.http().get(format!("{url}/_gateless/calls/doctor"));
    match probe.timeout(PROBE_TIMEOUT).send().await {
        Ok(_) => report.ok("calls", format!("{name} takes calls at {url}")),
        Err(error) => {
            let whom = format!("sidecar {name} at {url}");
            let failure = Failure::from(Error::transport(&whom, &error));
            let fix = "is it reachable from here? see its --listen and --advertise-host";
            report.fail("calls", &failure, fix);
        }
    }
}

fn check_isolation(sidecar: &Value, name: &str, report: &mut Report) {
    let Some(isolated) = isolated(sidecar) else {
        return;
    };
    let message = at(isolated, "/message");
    let missing: Vec<Part> = Part::ALL
        .into_iter()
        .filter(|part| message.contains(part.as_str()))
        .collect();
    match isolated["reason"].as_str() {
        Some("sandboxed") if missing.is_empty() => {
            report.ok("isolation", format!("{name} isolates functions"));
        }
        Some("sandboxed") => {
            let without = gateless_sandbox::list(&missing);
            let detail = format!("{name} isolates functions, without {without}");
            report.ok("isolation", detail);
        }
        Some("parts_missing") => {
            let detail = format!("{name} isolates functions in part, {message}");
            report.warn("isolation", detail, &Missing(missing).remedies());
        }
        Some("switched_off") => {
            let mut detail = format!("{name} does not isolate functions");
            let mut fix = "start it without --isolation none".to_owned();
            if !missing.is_empty() {
                let lacks = gateless_sandbox::list(&missing);
                detail = format!("{detail}, and this host lacks {lacks}");
                fix = format!("{fix}; {}", Missing(missing).remedies());
            }
            report.warn("isolation", detail, &fix);
        }
        _ => {}
    }
}

async fn check_functions(client: &Client, report: &mut Report) {
    let Ok(listing) = client.list(&client.path(&["functions"]), &[], 1000).await else {
        return;
    };
    let broken = |f: &&Value| {
        let conditions = f["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|c| c["type"] == "Ready" && c["status"] == "false")
    };
    let names: Vec<String> = listing
        .items
        .iter()
        .filter(broken)
        .map(|f| at(f, "/name"))
        .collect();
    match names.first() {
        None => report.ok(
            "functions",
            format!("{}, none failing", listing.items.len()),
        ),
        Some(first) => report.warn(
            "functions",
            format!("not ready: {}", names.join(", ")),
            &format!("gateless status {}", segment(first)),
        ),
    }
}

/// Of this host, where a server or sidecar of this user keeps its data here.
fn check_disk(report: &mut Report) {
    let given = std::env::var_os("GATELESS_DATA").map(std::path::PathBuf::from);
    let folder = given.or_else(|| {
        let folder = user_folder("XDG_DATA_HOME", ".local/share").ok()?;
        Some(folder.join("gateless"))
    });
    let Some(folder) = folder.filter(|f| f.exists()) else {
        return;
    };
    let Ok(stat) = rustix::fs::statvfs(&folder) else {
        return;
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let total = stat.f_blocks.saturating_mul(stat.f_frsize).max(1);
    let detail = format!("{} free for {}", show_bytes(free), folder.display());
    if free < LOW_DISK_BYTES || free.saturating_mul(100) / total < LOW_DISK_PERCENT {
        report.warn(
            "disk",
            detail,
            "make room: without it, async calls are refused",
        );
    } else {
        report.ok("disk", detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_own_words_are_read_and_nonsense_is_not() {
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(r#"{"ns":"default","role":"admin","exp":1}"#);
        assert_eq!(claims(&format!("x.{payload}.y")).unwrap()["role"], "admin");
        assert_eq!(claims("secret-token"), None);
        assert_eq!(claims("a.b.c"), None);
    }
}
