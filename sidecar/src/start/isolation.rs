//! How far functions are isolated here: what was asked for, with the data folder hidden, and what the host lacks of it.

use std::sync::Arc;

use gateless_sandbox::{Level, Missing, Sandbox};

use super::Config;

/// `None`: functions are trusted as this host's users are.
pub(super) fn open(config: &Config) -> Result<Option<Arc<Sandbox>>, Missing> {
    let mut settings = config.isolation.clone();
    if settings.level == Level::None {
        return Ok(None);
    }
    settings.hidden.push(config.data.clone());
    for path in settings.hidden.iter_mut().chain(&mut settings.shared) {
        // What is not there yet is below a folder that is, or is made later with its own modes.
        if let Ok(whole) = path.canonicalize() {
            *path = whole;
        }
    }
    let sandbox = Sandbox::open(settings)?;
    for part in sandbox.missing() {
        tracing::warn!(
            missing = part.as_str(),
            "functions are isolated without a part this host lacks"
        );
    }
    Ok(Some(Arc::new(sandbox)))
}
