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

/// Why a revision fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Several instances in a row ended by themselves before they were ready.
    CrashLoop,
    /// An instance ended by itself.
    Crashed,
    /// An instance was not ready in time.
    StartTimeout,
    /// An instance could not be started at all.
    NotStarted,
    /// The driver ended an instance that was wanted.
    Stopped,
    /// An instance did nothing any more, and was ended.
    Unresponsive,
}

impl Reason {
    /// Of an end that nobody asked for; `unready` instances in a row, this one included, were never ready.
    #[must_use]
    pub const fn of(end: End, unready: u32) -> Self {
        match end {
            End::Crashed if unready > 1 => Self::CrashLoop,
            End::Crashed => Self::Crashed,
            End::StartTimeout => Self::StartTimeout,
            End::NotStarted => Self::NotStarted,
            End::Stopped => Self::Stopped,
            End::Unresponsive => Self::Unresponsive,
        }
    }

    /// As conditions and the API spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CrashLoop => "crash_loop",
            Self::Crashed => "crashed",
            Self::StartTimeout => "start_timeout",
            Self::NotStarted => "spawn_failed",
            Self::Stopped => "stopped",
            Self::Unresponsive => "unresponsive",
        }
    }
}
