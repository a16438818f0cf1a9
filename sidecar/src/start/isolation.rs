//! How far functions are isolated here: what was asked for, with the data folder hidden and what is on `PATH` shown.

mod programs;

use std::path::Path;
use std::sync::Arc;

use gateless_proto::v1;
use gateless_sandbox::{Isolation, Level, Missing, Part, Sandbox, Settings};

use super::Config;

/// What process functions are started in here: walls, or a fence alone.
pub(super) fn open(config: &Config) -> Result<(Arc<Sandbox>, Isolation), Missing> {
    let mut settings = config.isolation.clone();
    if settings.level != Level::None {
        hide_and_show(&mut settings, config);
    }
    let sandbox = Sandbox::open(settings)?;
    let isolation = sandbox.isolation().clone();
    Ok((Arc::new(sandbox), isolation))
}

fn hide_and_show(settings: &mut Settings, config: &Config) {
    settings.hidden.push(config.data.clone());
    for path in settings
        .hidden
        .iter_mut()
        .chain(&mut settings.shared)
        .chain(&mut settings.shown)
    {
        // What is not there yet is below a folder that is, or is made later with its own modes.
        if let Ok(whole) = path.canonicalize() {
            *path = whole;
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path);
    let programs = programs::folders(folders, &settings.hidden, Path::is_dir);
    settings.shown.extend(programs);
}

/// The same for the server.
pub(super) fn told(isolation: &Isolation) -> v1::Isolation {
    let missing = isolation.missing.iter().copied();
    v1::Isolation {
        level: isolation.level.to_string(),
        missing: missing.map(Part::as_str).map(str::to_owned).collect(),
        whole: isolation.whole,
    }
}
