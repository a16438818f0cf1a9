//! Which container engine a sidecar may use, and what is known of it.
//!
//! Of every build: one without the feature `containers` says that it has none. Deliberately no connection to it here.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Which engine functions that are images are run by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// None is looked for.
    #[default]
    Off,
    /// The first of the usual sockets that answers.
    Auto,
    /// The one at this socket.
    Socket(PathBuf),
}

/// Why a text names no engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be none, auto, or a socket such as unix:///run/docker.sock")]
pub struct NotAnEngine;

impl FromStr for Choice {
    type Err = NotAnEngine;

    fn from_str(text: &str) -> Result<Self, NotAnEngine> {
        match (text, text.strip_prefix("unix://")) {
            ("none", _) => Ok(Self::Off),
            ("auto", _) => Ok(Self::Auto),
            (_, Some(path)) if path.starts_with('/') => Ok(Self::Socket(path.into())),
            _ => Err(NotAnEngine),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("none"),
            Self::Auto => f.write_str("auto"),
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// How a host's container engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// None is to be used.
    Off,
    /// It does not answer, or cannot be used.
    Missing(String),
    /// It answers.
    Here(About),
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// `Docker` or `Podman`.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Of its API.
    pub api: String,
}

impl State {
    /// Whether containers can be run now.
    #[must_use]
    pub const fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("no container engine is used: --container-engine none"),
            Self::Missing(why) => f.write_str(why),
            Self::Here(about) => write!(f, "{} {}", about.name, about.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_none_auto_or_a_socket() {
        for text in ["none", "auto", "unix:///run/docker.sock"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "docker",
            "unix://run/docker.sock",
            "tcp://127.0.0.1:2375",
        ] {
            assert_eq!(text.parse::<Choice>(), Err(NotAnEngine), "{text:?}");
        }
    }
}
