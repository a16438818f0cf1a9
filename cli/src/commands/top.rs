//! `gateless top`: every function's load, live on a terminal, once anywhere else.
//!
//! Fed by the event stream alone. Deliberately no keys and no sorting by hand: it is for a glance,
//! the dashboard is for looking closely.

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use gateless_sdk::EventQuery;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Client, Listing};
use crate::failure::Failure;
use crate::output::{Format, Output, at, table};
use crate::sse::EventStream;

/// Samples come once a second; two make sure that each function's was among them.
const LOOK: Duration = Duration::from_millis(2_200);
/// Of the trend, one a second.
const TREND: usize = 30;
/// Functions shown; the busiest first.
const MAX_ROWS: usize = 200;
const HEADERS: [&str; 12] = [
    "FUNCTION",
    "RPS",
    "ERR/S",
    "P50 MS",
    "P95 MS",
    "IN FLIGHT",
    "HELD",
    "READY",
    "STARTING",
    "DESIRED",
    "QUEUED",
    "DEAD",
];
const FIELDS: [&str; 11] = [
    "rps",
    "errors_per_second",
    "p50_ms",
    "p95_ms",
    "in_flight",
    "held",
    "ready",
    "starting",
    "desired",
    "queued",
    "dead",
];

/// Load of every function.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Once, also on a terminal.
    #[arg(long)]
    once: bool,
}

/// What is known of each function.
#[derive(Default)]
struct Board(BTreeMap<String, Row>);

struct Row {
    sample: Value,
    trend: VecDeque<f64>,
}

/// `gateless top`
pub(crate) async fn top(client: &Client, out: &mut Output, args: &TopArgs) -> Result<(), Failure> {
    let live = out.format() == Format::Table && std::io::stdout().is_terminal() && !args.once;
    let functions = client
        .list(&client.path(&["functions"]), &[], MAX_ROWS)
        .await?;
    let mut board = Board::default();
    for function in &functions.items {
        board.add(&json!({"function": function["name"]}));
    }
    let query = EventQuery {
        types: vec!["sample".into()],
        ..EventQuery::default()
    };
    let mut events = EventStream::open(client, query)?;
    let end = Instant::now() + LOOK;
    loop {
        if live {
            out.raw(screen(client, &board).as_bytes())?;
        }
        let event = if live {
            events.next(out).await?
        } else {
            match tokio::time::timeout_at(end, events.next(out)).await {
                Ok(event) => event?,
                Err(_) => break,
            }
        };
        if event["type"] == "sample" {
            board.add(&event);
        }
    }
    let items = board.items();
    let listing = Listing {
        items,
        warnings: Vec::new(),
    };
    out.list(listing, &HEADERS, row)
}

impl Board {
    fn add(&mut self, event: &Value) {
        let Some(function) = event["function"].as_str() else {
            return;
        };
        if self.0.len() >= MAX_ROWS && !self.0.contains_key(function) {
            return;
        }
        let row = self.0.entry(function.to_owned()).or_insert_with(|| Row {
            sample: Value::Null,
            trend: VecDeque::new(),
        });
        let mut sample = serde_json::Map::from_iter([("function".to_owned(), json!(function))]);
        for field in FIELDS {
            let value = event.get(field).cloned().unwrap_or_else(|| json!(0));
            sample.insert(field.to_owned(), value);
        }
        row.sample = Value::Object(sample);
        if row.trend.len() == TREND {
            row.trend.pop_front();
        }
        row.trend.push_back(event["rps"].as_f64().unwrap_or(0.0));
    }

    /// The busiest first.
    fn items(&self) -> Vec<Value> {
        let mut rows: Vec<&Row> = self.0.values().collect();
        let load = |row: &Row| {
            let number = |key: &str| row.sample[key].as_f64().unwrap_or(0.0);
            number("rps") + number("in_flight") + number("held") + number("queued")
        };
        rows.sort_by(|a, b| load(b).total_cmp(&load(a)));
        rows.iter().map(|row| row.sample.clone()).collect()
    }
}

fn row(sample: &Value) -> Vec<String> {
    let mut cells = vec![at(sample, "/function")];
    cells.extend(FIELDS.iter().map(|field| match &sample[*field] {
        Value::Number(n) if n.is_f64() => format!("{:.1}", n.as_f64().unwrap_or(0.0)),
        Value::Null => "-".into(),
        value => value.to_string(),
    }));
    cells
}

/// The whole screen: home, everything, and nothing of the screen before.
fn screen(client: &Client, board: &Board) -> String {
    let items = board.items();
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|sample| {
            let mut cells = row(sample);
            let name = sample["function"].as_str().unwrap_or_default();
            cells.push(
                board
                    .0
                    .get(name)
                    .map(|row| spark(&row.trend))
                    .unwrap_or_default(),
            );
            cells
        })
        .collect();
    let mut headers = HEADERS.to_vec();
    headers.push("LAST 30 S");
    let target = client.target();
    format!(
        "\x1b[H\x1b[J{}, namespace {}; Ctrl-C ends it\n\n{}",
        target.server,
        target.namespace,
        table(&headers, &rows)
    )
}

/// A line of bars, the highest being the row's highest.
fn spark(values: &VecDeque<f64>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let max = values.iter().copied().fold(0.0, f64::max);
    let bar = |value: &f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of 7, never negative"
        )]
        let height = if max > 0.0 {
            (value / max * 7.0).round() as usize
        } else {
            0
        };
        BARS[height.min(7)]
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_is_first_and_idle_ones_are_there() {
        let mut board = Board::default();
        board.add(&json!({"function": "idle"}));
        board.add(&json!({"function": "busy"}));
        board.add(
            &json!({"type": "sample", "function": "busy", "rps": 2.5, "p95_ms": null, "ready": 1}),
        );
        let items = board.items();
        assert_eq!(items[0]["function"], "busy");
        assert_eq!(row(&items[0])[..5], ["busy", "2.5", "0", "0", "-"]);
        assert_eq!(row(&items[1])[..3], ["idle", "0", "0"]);
        assert_eq!(spark(&board.0["busy"].trend), "▁█");
    }
}
