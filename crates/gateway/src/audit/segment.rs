//! A segment of the spool: lines of a checksum, a space, the entry as JSON, and a line feed.
//!
//! The checksum finds what a crash tore and what a disk spoiled; the hash chain inside the entries finds what somebody changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::files;

/// The largest segment that is read back: far above what one grows to.
const MAX_SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
const CHECKSUM_DIGITS: usize = 8;
const SUFFIX: &str = ".log";

/// One file of the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) boot: u64,
    pub(super) first_seq: u64,
    /// How many of its bytes are whole lines.
    pub(super) length: u64,
}

/// Where an entry stands in the whole of the audit, as its own text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Position {
    pub(super) boot: u64,
    pub(super) seq: u64,
}

impl Segment {
    pub(super) fn new(folder: &Path, boot: u64, first_seq: u64) -> Self {
        Self { path: folder.join(format!("{boot:020}-{first_seq:020}{SUFFIX}")), boot, first_seq, length: 0 }
    }

    fn named(path: PathBuf, length: u64) -> Option<Self> {
        let (boot, first_seq) = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.split_once('-')?;
        let (boot, first_seq) = (boot.parse().ok()?, first_seq.parse().ok()?);
        Some(Self { path, boot, first_seq, length })
    }
}

/// The segments of a folder, oldest first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        found.extend(Segment::named(entry.path(), entry.metadata()?.len()));
    }
    found.sort_by_key(|segment| (segment.boot, segment.first_seq));
    Ok(found)
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    files::read(path, MAX_SEGMENT_BYTES)
}

/// One line, as it stands in a segment.
pub(super) fn line(json: &[u8]) -> Vec<u8> {
    let mut line = format!("{:08x} ", crc32fast::hash(json)).into_bytes();
    line.extend_from_slice(json);
    line.push(b'\n');
    line
}

/// A whole line of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) json: &'a [u8],
    /// Where the next line begins.
    pub(super) end: usize,
}

/// The whole lines from this offset on; it ends before the first that is torn or spoiled.
pub(super) fn lines(bytes: &[u8], from: usize) -> impl Iterator<Item = Line<'_>> {
    let mut offset = from;
    std::iter::from_fn(move || {
        let rest = bytes.get(offset..)?;
        let length = rest.iter().position(|byte| *byte == b'\n')?;
        let json = checked(rest.get(..length)?)?;
        offset += length + 1;
        Some(Line { json, end: offset })
    })
}

fn checked(line: &[u8]) -> Option<&[u8]> {
    let (checksum, json) = line.split_at_checked(CHECKSUM_DIGITS)?;
    let json = json.strip_prefix(b" ")?;
    let checksum = u32::from_str_radix(std::str::from_utf8(checksum).ok()?, 16).ok()?;
    (crc32fast::hash(json) == checksum).then_some(json)
}

/// The position that an entry's text names.
pub(super) fn position(json: &[u8]) -> Option<Position> {
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_before_the_first_that_is_torn_or_spoiled() {
        let whole = [line(b"{\"seq\":1}"), line(b"{\"seq\":2}"), line(b"{\"seq\":3}")].concat();
        assert_eq!(lines(&whole, 0).count(), 3);
        assert_eq!(lines(&whole, 0).last().unwrap().end, whole.len());
        for cut in 1..line(b"{\"seq\":3}").len() {
            assert_eq!(lines(&whole[..whole.len() - cut], 0).count(), 2, "{cut}");
        }
        let mut spoiled = whole.clone();
        let middle = line(b"{\"seq\":1}").len() + 12;
        spoiled[middle] ^= 1;
        assert_eq!(lines(&spoiled, 0).count(), 1);
    }
}
