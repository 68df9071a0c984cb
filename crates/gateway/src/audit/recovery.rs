//! What a start finds in the spool's folder: what was left to ship, and what a crash tore.

use std::fs;
use std::io;
use std::path::Path;

use super::segment::{self, Position, Segment};
use crate::files;

const BOOT: &str = "boot";
const ACKNOWLEDGED: &str = "acknowledged";
/// Both files hold a few digits.
const MAX_NOTE_BYTES: u64 = 256;

/// What a start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The number of this start; it never comes twice, not even when the folder was lost.
    pub boot: u64,
    /// Entries that wait to be shipped.
    pub waiting: u64,
    /// Lines that were cut off because a crash tore them or the disk spoiled them.
    pub torn: u64,
}

/// Counts the boot up on disk, at least to the present second: an empty folder repeats no number.
pub(super) fn next_boot(folder: &Path, now_seconds: i64) -> io::Result<u64> {
    let before = note(folder, BOOT)?.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    let boot = before.saturating_add(1).max(now_seconds.unsigned_abs());
    files::replace(folder, BOOT, boot.to_string().as_bytes())?;
    Ok(boot)
}

/// Up to where the control plane has said that it has all; losing this only ships some entries twice.
pub(super) fn acknowledged(folder: &Path) -> io::Result<Option<Position>> {
    Ok(note(folder, ACKNOWLEDGED)?.and_then(|text| {
        let (boot, seq) = text.trim().split_once('-')?;
        Some(Position { boot: boot.parse().ok()?, seq: seq.parse().ok()? })
    }))
}

pub(super) fn acknowledge(folder: &Path, position: Position) -> io::Result<()> {
    files::replace(folder, ACKNOWLEDGED, format!("{}-{}", position.boot, position.seq).as_bytes())
}

fn note(folder: &Path, name: &str) -> io::Result<Option<String>> {
    let bytes = files::read_if_there(&folder.join(name), MAX_NOTE_BYTES)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The segments with something left to ship, oldest first, each cut to its whole lines; and where the first one's unshipped part begins.
pub(super) fn segments(folder: &Path, recovered: &mut Recovered) -> io::Result<(Vec<Segment>, u64)> {
    let acknowledged = acknowledged(folder)?;
    let mut left = Vec::new();
    let mut first_offset = 0;
    for segment in segment::list(folder)? {
        let (segment, shipped) = mend(segment, acknowledged, recovered)?;
        if shipped == segment.length {
            fs::remove_file(&segment.path)?;
            continue;
        }
        if left.is_empty() {
            first_offset = shipped;
        }
        left.push(segment);
    }
    files::sync_folder(folder)?;
    Ok((left, first_offset))
}

/// Cuts off what is not a whole line, and finds how far the segment was shipped.
fn mend(mut segment: Segment, acknowledged: Option<Position>, recovered: &mut Recovered) -> io::Result<(Segment, u64)> {
    let bytes = segment::read(&segment.path)?;
    let (mut whole, mut shipped) = (0, 0);
    for line in segment::lines(&bytes, 0) {
        whole = line.end;
        if segment::position(line.json).is_some_and(|position| Some(position) <= acknowledged) {
            shipped = line.end;
        } else {
            recovered.waiting += 1;
        }
    }
    if whole < bytes.len() {
        recovered.torn += bytes.get(whole..).map_or(0, lines_in);
        keep_aside(&segment.path, bytes.get(whole..).unwrap_or_default())?;
        let file = files::private().write(true).open(&segment.path)?;
        file.set_len(length(whole))?;
        file.sync_all()?;
    }
    segment.length = length(whole);
    Ok((segment, length(shipped)))
}

fn lines_in(rest: &[u8]) -> u64 {
    length(rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count())
}

/// What was cut off stays for whoever wants to know.
fn keep_aside(path: &Path, rest: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("torn");
    let (Some(folder), Some(name)) = (beside.parent(), beside.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    files::replace(folder, name, rest)
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
