//! Who this sidecar is, for as long as its data folder lives.

use std::io;
use std::path::Path;

use gateless_common::io::{PRIVATE, create, private_dir};
use gateless_common::name::is_hex;
use gateless_core::name::NodeId;

/// Reads the id from the data folder, or makes one: 8 lower-case hex characters.
///
/// # Errors
/// When the folder cannot be used, or the file holds something else.
pub fn id(data: &Path) -> io::Result<NodeId> {
    private_dir(data)?;
    let path = data.join("node-id");
    if !path.try_exists()? {
        // Durable before anybody learns it: a lost id would change the id of every call.
        let id = format!("{:08x}", rand::random::<u32>());
        create(&path, id.as_bytes(), PRIVATE)?;
    }
    let text = std::fs::read_to_string(&path)?;
    let text = text.trim();
    if !is_hex(text, 8) {
        let message = format!(
            "{} holds no node id; remove it to get a new one",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(NodeId::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_stays_and_a_damaged_one_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let first = id(data.path()).unwrap();
        assert_eq!(id(data.path()).unwrap(), first);
        let (kept, is_to_be_made) = crate::tests::released("node-id");
        if is_to_be_made {
            std::fs::copy(data.path().join("node-id"), &kept).unwrap();
        }
        let kept = id(kept.parent().unwrap()).unwrap();
        assert_eq!(kept.as_str().len(), 8, "as a released version wrote it");
        std::fs::write(data.path().join("node-id"), "x").unwrap();
        assert!(id(data.path()).is_err());
    }
}
