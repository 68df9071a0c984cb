//! Shipping: batches of entries, oldest first, each kept until the control plane says that it is stored.

use std::fs;
use std::io;

use policy::audit::MAX_BATCH_ENTRIES;

use super::recovery;
use super::segment::{self, Position};
use super::spool::{Shared, Spool};
use crate::files;

/// The most bytes of a batch's body: the control plane takes 1 MiB.
const MAX_BATCH_BYTES: usize = 1000 * 1024;

/// Entries to ship, and how far acknowledging them gets.
#[derive(Debug)]
pub struct Batch {
    /// The body for the control plane: `{"entries":[...]}`.
    pub body: Vec<u8>,
    /// The position of each entry, and where it ends in its segment.
    entries: Vec<(Position, u64)>,
}

impl Batch {
    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none; a batch that is handed out has at least one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Spool {
    /// The oldest entries that were not acknowledged; none when all were.
    ///
    /// It reads from disk. One caller at a time: batches overlap otherwise, which only ships entries twice.
    pub fn next_batch(&self) -> io::Result<Option<Batch>> {
        loop {
            let (segment, from, last) = {
                let state = self.shared.lock();
                let Some(segment) = state.segments.front() else { return Ok(None) };
                (segment.clone(), state.shipped, state.segments.len() == 1)
            };
            if from < segment.length {
                let bytes = segment::read(&segment.path)?;
                let whole = bytes.get(..usize::try_from(segment.length).unwrap_or(usize::MAX)).unwrap_or(&bytes);
                return batch(whole, usize::try_from(from).unwrap_or(usize::MAX)).map(Some);
            }
            if last {
                return Ok(None);
            }
            self.drop_first()?;
        }
    }

    /// Takes note that the control plane has stored everything up to this entry; gives how many of the batch that is.
    pub fn acknowledge(&self, batch: &Batch, boot: u64, seq: u64) -> io::Result<usize> {
        let stored = Position { boot, seq };
        let Some((index, (position, end))) =
            batch.entries.iter().enumerate().rev().find(|(_, (position, _))| *position <= stored)
        else {
            return Ok(0);
        };
        let count = index + 1;
        let drop_it = {
            let mut state = self.shared.lock();
            state.shipped = state.shipped.max(*end);
            state.waiting = state.waiting.saturating_sub(u64::try_from(count).unwrap_or(0));
            let all_shipped = state.segments.front().is_some_and(|segment| segment.length <= state.shipped);
            // A new segment costs the next request a sync of the folder, so a small one that is written to stays.
            all_shipped && (state.segments.len() > 1 || state.bytes() > self.shared.segment_bytes() / 4)
        };
        recovery::acknowledge(&self.shared.folder, *position)?;
        if drop_it {
            self.drop_first()?;
        }
        Ok(count)
    }

    /// Removes the first segment, all of which was acknowledged.
    fn drop_first(&self) -> io::Result<()> {
        let mut state = self.shared.lock();
        match state.segments.front() {
            Some(segment) if segment.length <= state.shipped => fs::remove_file(&segment.path)?,
            _ => return Ok(()),
        }
        state.segments.pop_front();
        state.shipped = 0;
        if state.segments.is_empty() {
            Shared::end_segment(&mut state);
        }
        files::sync_folder(&self.shared.folder)
    }
}

fn batch(bytes: &[u8], from: usize) -> io::Result<Batch> {
    let mut batch = Batch { body: b"{\"entries\":[".to_vec(), entries: Vec::new() };
    for line in segment::lines(bytes, from).take(MAX_BATCH_ENTRIES) {
        let full = batch.body.len() + line.json.len() > MAX_BATCH_BYTES;
        if full && !batch.is_empty() {
            break;
        }
        let Some(position) = segment::position(line.json) else { break };
        if !batch.is_empty() {
            batch.body.push(b',');
        }
        batch.body.extend_from_slice(line.json);
        batch.entries.push((position, u64::try_from(line.end).unwrap_or(u64::MAX)));
    }
    batch.body.extend_from_slice(b"]}");
    if batch.is_empty() {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the segment was spoiled"))
    } else {
        Ok(batch)
    }
}
