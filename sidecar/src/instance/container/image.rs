//! Images: got ahead or for a start, once at a time, and pinned, so that a revision stays what it was when its tag moves.
//!
//! An image that is here is taken as it is, but for the tag `latest`, which every new revision asks the registry for: so Kubernetes does
//! it, too. Deliberately no image is ever removed: that is the engine's owner's.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt;
use gateless_common::io::{PRIVATE, replace_until_reboot};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::engine::{Client, Refused, ask};
use super::request::check_platform;

/// For one image to come whole.
const PULL: Duration = Duration::from_secs(30 * 60);
/// For the next word of a registry that said something.
const SILENCE: Duration = Duration::from_secs(2 * 60);
/// Images that come at once.
const PULLS: usize = 3;
/// Revisions whose image is known, at most; those that were settled first are forgotten, and asked for by name again.
const MAX_PINS: usize = 1_024;

/// Which image every revision runs.
#[derive(Debug)]
pub(super) struct Images {
    folder: PathBuf,
    /// One turn an image, so that what several wait for is got once.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pulls: Semaphore,
}

impl Images {
    /// Pins are kept in `folder`.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        forget_the_oldest(&folder)?;
        Ok(Self {
            folder,
            turns: Mutex::default(),
            pulls: Semaphore::new(PULLS),
        })
    }

    /// The id of a revision's image, which is then here; `telling` hears when a registry has to be asked.
    pub(super) async fn ensure(
        &self,
        client: &Client,
        revision_uid: &str,
        image: &str,
        telling: impl Fn(),
    ) -> Result<String, String> {
        let turn = self
            .turns
            .lock()
            .entry(image.to_owned())
            .or_default()
            .clone();
        let result = {
            let _mine = turn.lock().await;
            self.settle(client, revision_uid, image, telling).await
        };
        drop(turn);
        let mut turns = self.turns.lock();
        // The map's own is the last: nobody waits.
        turns.retain(|name, turn| name != image || Arc::strong_count(turn) > 1);
        result
    }

    async fn settle(
        &self,
        client: &Client,
        revision_uid: &str,
        image: &str,
        telling: impl Fn(),
    ) -> Result<String, String> {
        let pin = self.folder.join(revision_uid);
        if let Ok(pinned) = fs::read_to_string(&pin)
            && here(client, image, &pinned).await?.is_some()
        {
            return Ok(pinned);
        }
        let id = self.get(client, image, telling).await?;
        if let Err(error) = replace_until_reboot(&pin, id.as_bytes(), PRIVATE) {
            tracing::warn!(image, %error, "which image a revision runs cannot be noted");
        }
        Ok(id)
    }

    async fn get(
        &self,
        client: &Client,
        image: &str,
        telling: impl Fn(),
    ) -> Result<String, String> {
        let mut known = here(client, image, image).await?;
        if let Some(id) = known.take_if(|_| !moves(image)) {
            return Ok(id);
        }
        telling();
        let pulled = {
            let _turn = self.pulls.acquire().await;
            tokio::time::timeout(PULL, pull(client, image)).await
        };
        let failure = match pulled {
            Ok(Ok(())) => None,
            Ok(Err(refused)) => Some(refused.words),
            Err(_) => Some(format!("it takes longer than {} min", PULL.as_secs() / 60)),
        };
        match (failure, known) {
            (None, _) => match here(client, image, image).await? {
                Some(id) => Ok(id),
                None => Err(format!("image {image} came and is not here")),
            },
            (Some(words), Some(id)) => {
                tracing::warn!(image, error = words, "an image is run as it is here");
                Ok(id)
            }
            (Some(words), None) => Err(format!("image {image} cannot be had: {words}")),
        }
    }
}

/// Whether a reference is expected to mean another image tomorrow.
fn moves(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => true,
    }
}

/// As the engine is asked for it: without a tag every tag would come.
fn reference(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.contains([':', '@']) {
        true => image.to_owned(),
        false => format!("{image}:latest"),
    }
}

/// The id of what is here under a name or id, if anything is.
async fn here(client: &Client, image: &str, name: &str) -> Result<Option<String>, String> {
    let found = match ask(client.docker.inspect_image(name)).await {
        Ok(found) => found,
        Err(refused) if refused.is_unknown() => return Ok(None),
        Err(refused) => return Err(refused.words),
    };
    let part = |part: Option<String>| part.unwrap_or_default();
    let platform = format!("{}/{}", part(found.os), part(found.architecture));
    check_platform(image, &platform, &client.platform)?;
    Ok(found.id)
}

async fn pull(client: &Client, image: &str) -> Result<(), Refused> {
    let options = CreateImageOptions {
        from_image: Some(reference(image)),
        platform: client.platform.clone(),
        ..CreateImageOptions::default()
    };
    let mut progress = client.docker.create_image(Some(options), None, None);
    loop {
        match tokio::time::timeout(SILENCE, progress.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(step))) => tracing::debug!(image, step = ?step.status, "image comes"),
            Ok(Some(Err(error))) => return Err(error.into()),
            Err(_) => {
                return Err(Refused {
                    status: None,
                    words: format!("nothing more came for {} s", SILENCE.as_secs()),
                });
            }
        }
    }
}

fn forget_the_oldest(folder: &Path) -> io::Result<()> {
    let mut pins = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let settled = entry.metadata().and_then(|metadata| metadata.modified());
        pins.push((settled.ok(), entry.path()));
    }
    pins.sort();
    let surplus = pins.len().saturating_sub(MAX_PINS);
    for (_, pin) in pins.into_iter().take(surplus) {
        fs::remove_file(pin)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_latest_is_asked_for_anew() {
        for image in ["hello", "acme/hello:latest", "localhost:5000/hello"] {
            assert!(moves(image), "{image}");
        }
        for image in [
            "hello:1",
            "localhost:5000/a/hello:v2",
            "hello@sha256:00",
            "hello:latest@sha256:00",
        ] {
            assert!(!moves(image), "{image}");
        }
    }

    #[test]
    fn an_image_without_a_tag_is_one_image() {
        assert_eq!(
            reference("localhost:5000/hello"),
            "localhost:5000/hello:latest"
        );
        assert_eq!(reference("hello:1"), "hello:1");
        assert_eq!(reference("hello@sha256:00"), "hello@sha256:00");
    }

    #[test]
    fn pins_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MAX_PINS + 3 {
            fs::write(folder.path().join(number.to_string()), "sha256:0").unwrap();
        }
        forget_the_oldest(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), MAX_PINS);
    }
}
