//! What the ends of a revision's instances come to, as one word for programs.
//!
//! Deliberately no say in when the next one is started; that is back-off's.

/// How an instance ended, as far as its driver can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, or killed by somebody else.
    Crashed,
    /// It was not ready in time.
    StartTimeout,
    /// It could not be started at all.
    NotStarted,
    /// Its driver was told to end it.
    Stopped,
    /// It was ended, because it did nothing any more.
    Unresponsive,
}

impl End {
    /// As conditions and the API spell it; `unready` instances in a row, this one included, were never ready.
    #[must_use]
    pub const fn as_str(self, unready: u32) -> &'static str {
        match self {
            // Before they were ready, time and again.
            Self::Crashed if unready > 1 => "crash_loop",
            Self::Crashed => "crashed",
            Self::StartTimeout => "start_timeout",
            Self::NotStarted => "spawn_failed",
            Self::Stopped => "stopped",
            Self::Unresponsive => "unresponsive",
        }
    }
}
