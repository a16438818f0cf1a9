//! Logs of real processes: exit reports, long lines, floods, history.

use std::os::unix::fs::MetadataExt;

use super::{Node, shell};
use crate::instance::contract::{Host, next_line, query};
use crate::instance::logs::MAX_LINE_BYTES;
use crate::instance::{LAST_LOG_LINES, LogStream};

#[tokio::test]
async fn an_exit_reports_the_last_lines_of_both_streams() {
    let node = Node::new();
    let mut opened = node.open();
    let id = opened.start(
        "one",
        shell("hello", "seq 100; echo cause >&2; printf unended; exit 3"),
    );
    let exit = opened.exit(&id).await;
    assert_eq!(exit.last_log_lines.len(), LAST_LOG_LINES);
    for expected in ["100", "cause", "unended"] {
        assert!(
            exit.last_log_lines.iter().any(|line| line == expected),
            "{exit:?}"
        );
    }
    opened.close().await;
}

#[tokio::test]
async fn logs_outlive_the_instance_and_name_the_stream() {
    let node = Node::new();
    let mut opened = node.open();
    let long = format!(
        "head -c {} /dev/zero | tr '\\0' x; echo; echo err >&2",
        MAX_LINE_BYTES + 5
    );
    let id = opened.start("one", shell("hello", &long));
    opened.exit(&id).await;
    let mut lines = (opened.logs)(query("hello", false));
    let first = next_line(&mut lines).await.unwrap();
    assert_eq!(
        (first.stream, first.line.len()),
        (LogStream::Stdout, MAX_LINE_BYTES)
    );
    let second = next_line(&mut lines).await.unwrap();
    assert_eq!(
        (second.stream, second.line.as_str()),
        (LogStream::Stderr, "err")
    );
    assert_eq!(next_line(&mut lines).await, None);

    let mut later = query("hello", false);
    later.since_ms = Some(second.time_ms + 1);
    assert_eq!(next_line(&mut (opened.logs)(later)).await, None);
    opened.close().await;
}

#[tokio::test]
async fn a_flood_stays_bounded_and_its_end_is_kept() {
    let node = Node::new();
    let mut opened = node.open();
    let id = opened.start(
        "one",
        shell("hello", "seq 4000000; echo done; exec sleep 1000"),
    );
    let mut lines = (opened.logs)(query("hello", true));
    while next_line(&mut lines).await.unwrap().line != "done" {}
    let raw = std::fs::metadata(node.instance_folder(&id).join("stdout.log")).unwrap();
    assert!(raw.len() > 24 << 20);
    assert!(
        raw.blocks() * 512 <= 12 << 20,
        "{} bytes",
        raw.blocks() * 512
    );
    let folder = node.data().join("logs/default/hello");
    let kept: u64 = ["hello-00001.log", "hello-00001.log.1"]
        .iter()
        .map(|name| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len()))
        .sum();
    assert!(kept <= 8 << 20, "{kept} bytes");
    opened.driver.stop(&id);
    opened.exit(&id).await;
    opened.close().await;
}
