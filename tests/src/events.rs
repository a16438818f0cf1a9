//! A listener to the server's event stream, which keeps what it heard.
//!
//! Deliberately no reconnecting: a test says itself from which event on it wants to listen.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::Value;

use crate::api::Api;
use crate::wait::PATIENCE;

#[derive(Debug, Clone)]
pub struct Event {
    /// Empty: it cannot be gone on after.
    pub id: String,
    /// As in `data`.
    pub data: Value,
}

/// An open stream.
pub struct Events {
    bytes: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
    /// Everything heard so far.
    pub heard: Vec<Event>,
}

impl Events {
    /// Listens to `path` (for example `/events?types=call`), after the event `last` if there is one.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn open(api: &Api, path: &str, last: Option<&str>) -> Self {
        let client = crate::http::client().build().unwrap();
        let mut request = client
            .get(format!("{}/v1{path}", api.base))
            .bearer_auth(&api.token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            bytes: response.bytes_stream().boxed(),
            text: String::new(),
            heard: Vec::new(),
        }
    }

    /// The next event.
    ///
    /// # Panics
    /// When none comes within the tests' patience.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if let Some(event) = event {
                    self.heard.push(event.clone());
                    return event;
                }
                continue;
            }
            let bytes = tokio::time::timeout(PATIENCE, self.bytes.next()).await;
            let bytes = bytes.unwrap_or_else(|_| panic!("no event; heard {:#?}", self.heard));
            let bytes = bytes.unwrap_or_else(|| panic!("the stream ended")).unwrap();
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// The first event from here on that is as wanted.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Event {
        let search = async {
            loop {
                let event = self.next().await;
                if wanted(&event.data) {
                    return event;
                }
            }
        };
        match tokio::time::timeout(PATIENCE + Duration::from_secs(1), search).await {
            Ok(event) => event,
            Err(_) => panic!("no {what}; heard {:#?}", self.heard),
        }
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let data: Value = serde_json::from_str(field("data")?).unwrap();
    assert_eq!(data["type"], field("event").unwrap_or_default(), "{block}");
    Some(Event {
        id: field("id").unwrap_or_default().to_owned(),
        data,
    })
}
