//! The spool: entries are appended to segments on disk, chained by hash, and synced every 50 ms.
//!
//! Invariant: `append` returns `Ok` only when the entry has been handed to the operating system (it
//! survives the death of this process), or when the Service's policy lets it be lost and it was counted.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use policy::audit::{Entry, Record};
use policy::id::{GatewayId, RequestId, ServiceId};
use policy::settings::AuditPolicy;

use super::recovery::{self, Recovered};
use super::segment::{self, Segment};
use crate::clock;
use crate::files;
use crate::hash::{hex, sha256};

/// The default bound of the spool on disk: about a million entries.
pub const DEFAULT_MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// The smallest bound that can be set: room for some hundred entries.
pub const MIN_MAX_BYTES: u64 = 64 * 1024;
/// How often what was written is synced to the disk.
const SYNC_EVERY: Duration = Duration::from_millis(50);
/// How large a segment grows: shipped entries free the disk one segment at a time.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// What is kept free for the outcome of each request that was forwarded; one has under 600 bytes.
const OUTCOME_BYTES: u64 = 1024;
/// Past nine tenths, `keep_denials` sheds permits.
const SHED_NUMERATOR: u64 = 9;
const SHED_DENOMINATOR: u64 = 10;
/// What the first entry of a boot is chained to.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Whose spool it is, and how large it may grow.
#[derive(Clone, Debug)]
pub struct Options {
    /// Under which Service entries are kept.
    pub service_id: ServiceId,
    /// The gateway that writes them.
    pub gateway_id: GatewayId,
    /// The bound of all segments together.
    pub max_bytes: u64,
}

/// The entry cannot be written, and the Service's policy is never to lose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit spool cannot take more")]
pub struct Full;

/// What an entry is for the bounds of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// A permit that is forwarded: room for its outcome is set aside.
    Permit,
    /// Anything that is answered at once.
    Denial,
    /// The outcome of a permit, for which room was set aside.
    Outcome,
}

/// What one entry says, but for its place in the chain.
#[derive(Debug)]
pub struct Said {
    /// When.
    pub at: DateTime<Utc>,
    /// About which request.
    pub request_id: RequestId,
    /// Under which bundle.
    pub bundle_version: Option<u64>,
    /// What.
    pub record: Record,
}

pub(super) struct State {
    pub(super) segments: VecDeque<Segment>,
    /// How much of the first segment has been acknowledged.
    pub(super) shipped: u64,
    file: Option<Arc<File>>,
    seq: u64,
    prev_hash: String,
    /// Requests that were forwarded and whose outcome is still to be written.
    open: u64,
    /// Entries that were lost since the last gap record.
    lost: u64,
    /// Entries that were ever lost.
    lost_in_all: u64,
    pub(super) waiting: u64,
    dirty: bool,
}

pub(super) struct Shared {
    pub(super) folder: PathBuf,
    options: Options,
    boot: u64,
    state: Mutex<State>,
}

/// The spool of one gateway.
pub struct Spool {
    pub(super) shared: Arc<Shared>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Spool").field("folder", &self.shared.folder).field("boot", &self.shared.boot).finish()
    }
}

/// What the metrics say of a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Entries that wait to be acknowledged.
    pub waiting: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Entries that were lost since the start.
    pub lost: u64,
}

impl Spool {
    /// Opens the folder, cuts what a crash tore, counts the boot, and begins a segment.
    pub fn open(folder: &Path, options: &Options, now: DateTime<Utc>) -> io::Result<(Self, Recovered)> {
        files::private_folder(folder)?;
        let mut recovered = Recovered { boot: recovery::next_boot(folder, now.timestamp())?, ..Recovered::default() };
        let (segments, shipped) = recovery::segments(folder, &mut recovered)?;
        let state = State {
            segments: segments.into(),
            shipped,
            file: None,
            seq: 0,
            prev_hash: NO_HASH.to_owned(),
            open: 0,
            lost: recovered.torn,
            lost_in_all: recovered.torn,
            waiting: recovered.waiting,
            dirty: false,
        };
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            options: Options { max_bytes: options.max_bytes.max(MIN_MAX_BYTES), ..options.clone() },
            boot: recovered.boot,
            state: Mutex::new(state),
        });
        sync_in_background(Arc::downgrade(&shared))?;
        Ok((Self { shared }, recovered))
    }

    /// Appends an entry, chained to the one before.
    ///
    /// `Err` says that the request may not go on: there is no room, and the policy is to lose nothing.
    pub fn append(&self, said: Said, policy: AuditPolicy, room: Room) -> Result<(), Full> {
        self.shared.append(vec![said], policy, room)
    }

    /// Appends the entries of one request, with nothing between them; `room` is for all of them together.
    pub fn append_all(&self, said: Vec<Said>, policy: AuditPolicy, room: Room) -> Result<(), Full> {
        self.shared.append(said, policy, room)
    }

    /// How full it is.
    #[must_use]
    pub fn level(&self) -> Level {
        let state = self.shared.lock();
        Level { waiting: state.waiting, bytes: state.bytes(), lost: state.lost_in_all }
    }

    /// Syncs what was written; for an orderly end.
    pub fn sync(&self) -> io::Result<()> {
        self.shared.sync()
    }
}

impl State {
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum()
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, all: Vec<Said>, policy: AuditPolicy, room: Room) -> Result<(), Full> {
        let mut state = self.lock();
        if room == Room::Outcome {
            state.open = state.open.saturating_sub(1);
        }
        let mut lost = u64::try_from(all.len()).unwrap_or(u64::MAX);
        if self.has_room(&state, policy, room, lost) {
            for said in all {
                if self.write(&mut state, said).is_err() {
                    break;
                }
                lost -= 1;
            }
        }
        match (lost, policy) {
            (0, _) => {}
            (_, AuditPolicy::NeverLose) => return Err(Full),
            (lost, AuditPolicy::KeepDenials | AuditPolicy::BestEffort) => {
                state.lost += lost;
                state.lost_in_all += lost;
            }
        }
        if room == Room::Permit {
            state.open += 1;
        }
        Ok(())
    }

    fn has_room(&self, state: &State, policy: AuditPolicy, room: Room, entries: u64) -> bool {
        // Beside the first one, each entry of a batch takes about as much as two outcomes.
        let more = entries.saturating_sub(1).saturating_mul(2);
        let set_aside = state.open.saturating_add(more).saturating_mul(OUTCOME_BYTES);
        let used = state.bytes();
        let limit = self.options.max_bytes;
        match room {
            Room::Outcome => used < limit,
            Room::Permit if policy == AuditPolicy::KeepDenials => {
                used.saturating_add(set_aside) < limit / SHED_DENOMINATOR * SHED_NUMERATOR
            }
            // One's own outcome, the entry itself, and a gap record before it.
            Room::Permit | Room::Denial => used.saturating_add(set_aside).saturating_add(4 * OUTCOME_BYTES) < limit,
        }
    }

    fn write(&self, state: &mut State, said: Said) -> io::Result<()> {
        if state.lost > 0 {
            let gap = gap(&said, state.lost);
            self.write_one(state, gap)?;
            state.lost = 0;
        }
        self.write_one(state, said)
    }

    fn write_one(&self, state: &mut State, said: Said) -> io::Result<()> {
        let file = self.file(state)?;
        let entry = Entry {
            id: clock::audit_id(said.at),
            at: said.at,
            service_id: self.options.service_id,
            gateway_id: self.options.gateway_id,
            boot: self.boot,
            seq: state.seq + 1,
            request_id: said.request_id,
            bundle_version: said.bundle_version,
            prev_hash: state.prev_hash.clone(),
            record: said.record,
        };
        let json = serde_json::to_vec(&entry)?;
        let line = segment::line(&json);
        let Some(active) = state.segments.back_mut() else { return Err(io::Error::other("no segment")) };
        if let Err(fault) = (&*file).write_all(&line) {
            tracing::error!(%fault, path = %active.path.display(), "the audit spool cannot be written");
            // Half a line must not stand before the next one; if it cannot be cut off, the next goes to a new file.
            if file.set_len(active.length).is_err() {
                state.file = None;
            }
            return Err(fault);
        }
        active.length += u64::try_from(line.len()).unwrap_or(0);
        state.seq = entry.seq;
        state.prev_hash = hex(&sha256(&json));
        state.waiting += 1;
        state.dirty = true;
        Ok(())
    }

    /// The file to append to; a new segment when the last one is full, or is of another boot.
    fn file(&self, state: &mut State) -> io::Result<Arc<File>> {
        let full = state.segments.back().is_some_and(|segment| segment.length >= self.segment_bytes());
        match &state.file {
            Some(file) if !full => return Ok(Arc::clone(file)),
            Some(file) => file.sync_data()?,
            None => {}
        }
        state.file = None;
        let segment = Segment::new(&self.folder, self.boot, state.seq + 1);
        // Left by a write that failed: nothing whole is in it.
        if state.segments.back().is_some_and(|last| last.path == segment.path) {
            state.segments.pop_back();
            fs::remove_file(&segment.path)?;
        }
        let file = Arc::new(files::private().append(true).create_new(true).open(&segment.path)?);
        files::sync_folder(&self.folder)?;
        state.segments.push_back(segment);
        state.file = Some(Arc::clone(&file));
        Ok(file)
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        SEGMENT_BYTES.min(self.options.max_bytes / 8)
    }

    /// Ends the last segment, so that it can be removed once it is shipped.
    pub(super) fn end_segment(state: &mut State) {
        state.file = None;
        state.dirty = false;
    }

    fn sync(&self) -> io::Result<()> {
        let file = {
            let mut state = self.lock();
            if !std::mem::take(&mut state.dirty) {
                return Ok(());
            }
            state.file.clone()
        };
        file.map_or(Ok(()), |file| file.sync_data())
    }
}

/// The entry that says how many were lost, in the place of the one that follows it.
const fn gap(next: &Said, lost: u64) -> Said {
    Said { at: next.at, request_id: next.request_id, bundle_version: next.bundle_version, record: Record::Gap { lost } }
}

fn sync_in_background(shared: Weak<Shared>) -> io::Result<()> {
    let sync = move || {
        while let Some(shared) = shared.upgrade() {
            if let Err(fault) = shared.sync() {
                tracing::error!(%fault, "the audit spool could not be synced to the disk");
            }
            drop(shared);
            std::thread::sleep(SYNC_EVERY);
        }
    };
    std::thread::Builder::new().name("audit-sync".to_owned()).spawn(sync).map(|_| ())
}
