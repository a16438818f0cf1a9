//! Whoever follows logs: gets lines as they come, and never makes the thread wait.
//!
//! A reader that is too slow misses lines from the middle, not the newest, and is told how many.

use std::collections::VecDeque;

use gateless_common::share::Share;
use tokio::sync::mpsc;

use crate::instance::{LogLine, LogQuery};

const CHANNEL_LINES: usize = 1024;
const PENDING_LINES: usize = 256;

/// One of them.
pub(super) struct Follower {
    query: LogQuery,
    lines: mpsc::Sender<LogLine>,
    /// What the channel has no room for, the newest.
    pending: VecDeque<LogLine>,
    /// Lines missed before `pending`.
    skipped: u64,
    _place: Share<String>,
}

impl Follower {
    pub(super) fn new(query: LogQuery, place: Share<String>) -> (Self, mpsc::Receiver<LogLine>) {
        let (lines, receiver) = mpsc::channel(CHANNEL_LINES);
        let follower = Self {
            query,
            lines,
            pending: VecDeque::new(),
            skipped: 0,
            _place: place,
        };
        (follower, receiver)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.pending.is_empty() && !self.is_closed()
    }

    /// Notes a line, if it is wanted, for the next [`Follower::deliver`].
    pub(super) fn offer(&mut self, line: &LogLine) {
        let query = &self.query;
        let wanted = query.function == *line.revision.function()
            && query
                .revision
                .as_ref()
                .is_none_or(|name| *name == line.revision)
            && query
                .instance
                .as_ref()
                .is_none_or(|id| *id == line.instance)
            && query.is_in_time(line.time_ms);
        if !wanted {
            return;
        }
        self.pending.push_back(line.clone());
        if self.pending.len() > PENDING_LINES {
            self.deliver();
        }
        if self.pending.len() > PENDING_LINES {
            self.pending.pop_front();
            self.skipped += 1;
        }
    }

    /// Sends what there is room for.
    pub(super) fn deliver(&mut self) {
        while let Some(first) = self.pending.front() {
            let Ok(room) = self.lines.try_reserve() else {
                return;
            };
            if self.skipped > 0 {
                let line = format!("[{} lines skipped: the reader is too slow]", self.skipped);
                room.send(LogLine {
                    line,
                    ..first.clone()
                });
                self.skipped = 0;
            } else if let Some(line) = self.pending.pop_front() {
                room.send(line);
            }
        }
    }
}
