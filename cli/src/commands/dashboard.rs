//! `dashboard`: a link that signs one browser in, without a token typed.
//!
//! Deliberately no browser started: who reads this may be at another machine.

use reqwest::Method;
use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, at};

/// `gateless dashboard`
pub(crate) async fn dashboard(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let made = client.call(Method::POST, "/v1/session/link", None).await?;
    let server = client.target().server.trim_end_matches('/');
    let url = format!("{server}/#login={}", at(&made, "/code"));
    out.note("good once, for five minutes: open it yourself and give it to nobody");
    let document = json!({"url": url, "expires_at": made["expires_at"]});
    out.item(&document, |_| url.clone())
}
