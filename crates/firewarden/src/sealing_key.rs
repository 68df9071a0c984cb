//! The server's sealing key: from `FIREWARDEN_SEALING_KEY`, or from a file that only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use store::seal::{KEY_BYTES, SealError, Sealer};

/// The variable that holds the key as 64 hexadecimal digits.
pub const VARIABLE: &str = "FIREWARDEN_SEALING_KEY";

/// Why there is no sealing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The variable holds something else.
    #[error("{VARIABLE} must be 64 hexadecimal digits (openssl rand -hex 32)")]
    Variable,
    /// The file cannot be read or made.
    #[error("sealing key {0}: {1}")]
    File(String, io::Error),
    /// Others can read the file.
    #[error("sealing key {0}: others can read it; run chmod 600 on it")]
    Readable(String),
    /// It is no key.
    #[error("sealing key {0}: {1}")]
    Key(String, SealError),
}

/// The sealer of this server; the key is made on the first start.
pub fn sealer(variable: Option<String>, file: &Path) -> Result<Sealer, KeyError> {
    if let Some(text) = variable {
        let key = from_hex(text.trim()).ok_or(KeyError::Variable)?;
        return Sealer::new(&key).map_err(|error| KeyError::Key(VARIABLE.into(), error));
    }
    let name = file.display().to_string();
    let key = match read(file) {
        Ok(key) => key,
        Err(KeyError::File(_, error)) if error.kind() == io::ErrorKind::NotFound => make(file)?,
        Err(error) => return Err(error),
    };
    Sealer::new(&key).map_err(|error| KeyError::Key(name, error))
}

fn read(file: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |error| KeyError::File(file.display().to_string(), error);
    let open = fs::File::open(file).map_err(failed)?;
    if open.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        return Err(KeyError::Readable(file.display().to_string()));
    }
    let mut key = Vec::with_capacity(KEY_BYTES);
    open.take(KEY_BYTES as u64 + 1).read_to_end(&mut key).map_err(failed)?;
    Ok(key)
}

/// Makes the key beside its place and links it there, so that a crash leaves no half of one and no other start's is lost.
fn make(file: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |error| KeyError::File(file.display().to_string(), error);
    let key = Sealer::draw_key().map_err(|error| KeyError::Key(file.display().to_string(), error))?;
    let fresh = file.with_extension(format!("new.{}", std::process::id()));
    let mut open =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).map_err(failed)?;
    open.write_all(&key).and_then(|()| open.sync_all()).map_err(failed)?;
    let linked = fs::hard_link(&fresh, file);
    fs::remove_file(&fresh).map_err(failed)?;
    match linked {
        Ok(()) => Ok(key.to_vec()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(file),
        Err(error) => Err(failed(error)),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != KEY_BYTES * 2 || !text.is_ascii() {
        return None;
    }
    (0..KEY_BYTES).map(|index| u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use store::seal::Place;

    use super::*;

    const PLACE: Place<'_> = Place { account: "a", purpose: "p", id: "i" };

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sealing.key");
        let sealed = sealer(None, &file).unwrap().seal(PLACE, b"x").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(sealer(None, &file).unwrap().open(PLACE, &sealed).unwrap(), b"x");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sealing.key");
        sealer(None, &file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(sealer(None, &file), Err(KeyError::Readable(_))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, [1; 31]).unwrap();
        assert!(matches!(sealer(None, &file), Err(KeyError::Key(..))));
    }

    #[test]
    fn the_variable_wins_and_a_default_is_refused() {
        let none = Path::new("/nowhere/key");
        assert!(sealer(Some("0123456789abcdef".repeat(4)), none).is_ok());
        assert!(matches!(sealer(Some("00".repeat(32)), none), Err(KeyError::Key(..))));
        assert!(matches!(sealer(Some("x".repeat(64)), none), Err(KeyError::Variable)));
    }
}
