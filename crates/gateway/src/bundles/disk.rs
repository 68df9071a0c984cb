//! The gateway's folder of bundles: `bundle-<version>`, the high-water mark, and the last head.
//!
//! Invariant: a bundle's file is on disk before the mark names it, and the mark before it decides.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use policy::bundle::MAX_CONTENT_BYTES;
use policy::manifest::MAX_MANIFEST_BYTES;
use serde::{Deserialize, Serialize};

use super::verify::Refused;
use crate::files;

const MARK: &str = "high-water-mark.json";
const HEAD: &str = "head.jws";
const PREFIX: &str = "bundle-";
/// The mark has under 200 bytes.
const MAX_MARK_BYTES: u64 = 4 * 1024;

/// The newest version that was ever in force here, and its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub(super) version: u64,
    pub(super) digest: String,
}

impl Mark {
    /// Whether that version may be in force after this one was.
    pub(super) fn allows(&self, version: u64, digest: &str) -> Result<(), Refused> {
        if version < self.version {
            return Err(Refused::Older { version, mark: self.version });
        }
        if version == self.version && digest != self.digest {
            return Err(Refused::OtherContent { version });
        }
        Ok(())
    }
}

pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        files::private_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The mark; a file that cannot be read is an error, for without it nothing says what is too old.
    pub(super) fn mark(&self) -> io::Result<Option<Mark>> {
        let path = self.folder.join(MARK);
        let Some(bytes) = files::read_if_there(&path, MAX_MARK_BYTES)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|fault| {
            let message =
                format!("`{}` is damaged ({fault}): enrol the gateway anew, with an empty folder", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    pub(super) fn save_mark(&self, mark: &Mark) -> io::Result<()> {
        files::replace(&self.folder, MARK, &serde_json::to_vec(mark)?)
    }

    pub(super) fn head(&self) -> Option<String> {
        let limit = u64::try_from(MAX_MANIFEST_BYTES).ok()?;
        String::from_utf8(files::read(&self.folder.join(HEAD), limit).ok()?).ok()
    }

    pub(super) fn save_head(&self, text: &str) -> io::Result<()> {
        files::replace(&self.folder, HEAD, text.as_bytes())
    }

    pub(super) fn save_bundle(&self, version: u64, bytes: &[u8]) -> io::Result<()> {
        files::replace(&self.folder, &format!("{PREFIX}{version}"), bytes)
    }

    /// The bundles that are there, newest first.
    pub(super) fn bundles(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let version = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
            found.extend(version.map(|version| (version, entry.path())));
        }
        found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        Ok(found)
    }

    /// Removes what can never be loaded again.
    pub(super) fn forget_before(&self, version: u64) {
        for (older, path) in self.bundles().unwrap_or_default() {
            if older < version
                && let Err(fault) = fs::remove_file(&path)
            {
                tracing::warn!(path = %path.display(), %fault, "an old bundle could not be removed");
            }
        }
    }
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    files::read(path, u64::try_from(MAX_CONTENT_BYTES + MAX_MANIFEST_BYTES).unwrap_or(u64::MAX))
}
