//! `dashboard`: a link that signs one browser in, without a token typed.
//!
//! Deliberately no browser started: who reads this may be at another machine.

use gateless_common::session::is_loopback;
use reqwest::{Method, Url};
use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, at};
use crate::run::parts::tunnel;

/// `gateless dashboard`
pub(crate) async fn dashboard(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let made = client.call(Method::POST, "/v1/session/link", None).await?;
    let server = client.target().server.trim_end_matches('/');
    let (reached, first) = reached_at(server);
    let url = format!("{reached}/#login={}", at(&made, "/code"));
    out.note("good once, for five minutes: open it yourself and give it to nobody");
    if let Some(first) = first {
        out.note(format!(
            "over http a browser signs in at its own machine only; first: {first}"
        ));
    }
    let document = json!({"url": url, "expires_at": made["expires_at"]});
    out.item(&document, |_| url.clone())
}

/// Where a browser can begin a session with a server, and what makes it so, if that takes something: over http no session begins
/// but at the browser's own machine.
fn reached_at(server: &str) -> (String, Option<String>) {
    let parsed = Url::parse(server).ok();
    let far = parsed.as_ref().filter(|url| url.scheme() == "http");
    let far = far.and_then(|url| Some((url.host_str()?, url.port().unwrap_or(80))));
    match far {
        Some((host, port)) if !is_loopback(host) => {
            // The lowest ports are not everybody's to listen at.
            let own = if port < 1_024 { 7_780 } else { port };
            let first = tunnel(&format!("{host}:{port}"), own);
            (format!("http://localhost:{own}"), Some(first))
        }
        _ => (server.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_one_that_a_browser_can_sign_in_with() {
        for (server, reached, first) in [
            ("http://127.0.0.1:7780", "http://127.0.0.1:7780", None),
            ("http://localhost:1", "http://localhost:1", None),
            ("https://gateless.example", "https://gateless.example", None),
            (
                "http://10.0.0.5:7781",
                "http://localhost:7781",
                Some("ssh -L 7781:10.0.0.5:7781 HOST"),
            ),
            (
                "http://gateless.example",
                "http://localhost:7780",
                Some("ssh -L 7780:gateless.example:80 HOST"),
            ),
        ] {
            let found = reached_at(server);
            assert_eq!((&*found.0, found.1.as_deref()), (reached, first));
        }
    }
}
