//! Who this sidecar is, for as long as its data folder lives.

use std::io;
use std::path::Path;

use gateless_core::name::NodeId;

/// Reads the id from the data folder, or makes one: 8 lower-case hex characters.
///
/// # Errors
/// When the folder cannot be used, or the file holds something else.
pub fn id(data: &Path) -> io::Result<NodeId> {
    std::fs::create_dir_all(data)?;
    let path = data.join("node-id");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let text = text.trim();
            let valid =
                text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !valid {
                let message = format!(
                    "{} holds no node id; remove it to get a new one",
                    path.display()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            Ok(NodeId::new(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = format!("{:08x}", rand::random::<u32>());
            // Written aside and renamed: a torn id would be another node.
            let aside = data.join("node-id.new");
            std::fs::write(&aside, &id)?;
            std::fs::File::open(&aside)?.sync_all()?;
            std::fs::rename(&aside, &path)?;
            Ok(NodeId::new(&id))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_stays_and_a_damaged_one_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let first = id(data.path()).unwrap();
        assert_eq!(id(data.path()).unwrap(), first);
        std::fs::write(data.path().join("node-id"), "x").unwrap();
        assert!(id(data.path()).is_err());
    }
}
