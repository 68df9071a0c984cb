//! Bundles at the gateway: verified, never older than what was seen before, swapped whole.
//!
//! Invariant: a snapshot is in force only after the high-water mark on disk says its version, so a
//! restart can never go back behind it. What does not verify leaves the last good one in force.

mod disk;
mod verify;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use policy::manifest::{Head, Manifest};

use crate::enrolment::Trust;
use crate::snapshot::Snapshot;
use disk::{Disk, Mark};
pub use verify::Refused;

/// What a head told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The bundle in force is the current one.
    Current,
    /// There is a newer bundle to pull.
    Behind(Fresh),
}

/// A head that verified, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    head: Head,
    text: String,
}

impl Fresh {
    /// The version that is current at the control plane.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.head.version
    }
}

/// What was found on disk at a start.
#[derive(Debug)]
pub struct ColdStart {
    /// The version in force.
    pub version: Option<u64>,
    /// What was not loaded, and why.
    pub refused: Vec<(String, Refused)>,
}

struct Writer {
    mark: Option<Mark>,
    /// Snapshots that were in force: the last request that uses one must not have to drop it.
    retired: Vec<Arc<Snapshot>>,
}

/// The bundle in force, and what must never be undercut.
pub struct Bundles {
    trust: Trust,
    disk: Disk,
    current: ArcSwapOption<Snapshot>,
    /// When the newest head was signed that names the bundle in force; seconds since 1970.
    heard_at: AtomicI64,
    /// When the head on disk was signed.
    kept_at: AtomicI64,
    writer: Mutex<Writer>,
}

/// How old the head on disk may be before the next one replaces it: each costs the disk two syncs.
const KEEP_HEAD_EVERY_SECONDS: i64 = 30;

impl std::fmt::Debug for Bundles {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Bundles").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl Bundles {
    /// Opens the folder and puts the last good bundle in force, verified anew.
    ///
    /// Files that do not verify stay where they are and are named in [`ColdStart::refused`].
    pub fn open(trust: Trust, folder: &Path, now: DateTime<Utc>) -> io::Result<(Self, ColdStart)> {
        let disk = Disk::open(folder)?;
        let mark = disk.mark()?;
        let bundles = Self {
            trust,
            disk,
            current: ArcSwapOption::empty(),
            heard_at: AtomicI64::new(i64::MIN),
            kept_at: AtomicI64::new(i64::MIN),
            writer: Mutex::new(Writer { mark, retired: Vec::new() }),
        };
        let cold_start = bundles.cold_start(now)?;
        Ok((bundles, cold_start))
    }

    fn cold_start(&self, now: DateTime<Utc>) -> io::Result<ColdStart> {
        let mut refused = Vec::new();
        for (version, path) in self.disk.bundles()? {
            let loaded = disk::read(&path).map_err(|fault| Refused::Disk(fault.to_string()));
            match loaded.and_then(|bytes| self.load(&bytes, None, now)) {
                Ok(_) => {
                    self.recall_head(now);
                    return Ok(ColdStart { version: Some(version), refused });
                }
                Err(reason) => refused.push((path.display().to_string(), reason)),
            }
        }
        Ok(ColdStart { version: None, refused })
    }

    /// The head on disk says how long ago the control plane was last heard; its own expiry does not matter for that.
    fn recall_head(&self, now: DateTime<Utc>) {
        let Some(text) = self.disk.head() else { return };
        if let (Ok(head), Some(current)) = (verify::head_at_any_age(&self.trust, &text, now), self.current())
            && names(&head, current.manifest())
        {
            self.heard_at.fetch_max(head.issued_at, Ordering::Relaxed);
        }
    }

    /// The snapshot in force; a request takes it once.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    /// Reads a head. One that names the bundle in force proves that it is fresh.
    pub fn hear(&self, text: &str, now: DateTime<Utc>) -> Result<Heard, Refused> {
        let head = verify::head(&self.trust, text, now)?;
        if let Some(mark) = &self.lock().mark {
            mark.allows(head.version, &head.digest)?;
        }
        match self.current() {
            Some(current) if current.manifest().version >= head.version => {
                if !names(&head, current.manifest()) && current.manifest().version == head.version {
                    return Err(Refused::OtherContent { version: head.version });
                }
                self.confirm(&head, text);
                Ok(Heard::Current)
            }
            _ => Ok(Heard::Behind(Fresh { head, text: text.to_owned() })),
        }
    }

    /// Verifies a pulled bundle, keeps it on disk, and puts it in force.
    ///
    /// It decodes and compiles, so it belongs on a thread of its own.
    pub fn accept(&self, bytes: &[u8], fresh: &Fresh, now: DateTime<Utc>) -> Result<Arc<Snapshot>, Refused> {
        let snapshot = self.load(bytes, Some(&fresh.head), now)?;
        self.confirm(&fresh.head, &fresh.text);
        Ok(snapshot)
    }

    fn load(&self, bytes: &[u8], head: Option<&Head>, now: DateTime<Utc>) -> Result<Arc<Snapshot>, Refused> {
        let (manifest, content) = verify::bundle(&self.trust, bytes, now)?;
        let mut writer = self.lock();
        if let Some(mark) = &writer.mark {
            mark.allows(manifest.version, &manifest.digest)?;
        }
        if let Some(head) = head {
            follows_head(&manifest, head)?;
        }
        if let Some(current) = self.current() {
            follows_current(&manifest, current.manifest())?;
        }
        let bundle = verify::content(&manifest, content)?;
        let mark = Mark { version: manifest.version, digest: manifest.digest.clone() };
        let snapshot = Arc::new(Snapshot::new(manifest, bundle));
        if head.is_some() {
            self.disk.save_bundle(mark.version, bytes).map_err(|fault| Refused::Disk(fault.to_string()))?;
        }
        if writer.mark.as_ref() != Some(&mark) {
            self.disk.save_mark(&mark).map_err(|fault| Refused::Disk(fault.to_string()))?;
        }
        let version = mark.version;
        writer.mark = Some(mark);
        let before = self.current.swap(Some(Arc::clone(&snapshot)));
        writer.retired.extend(before);
        writer.retired.retain(|one| Arc::strong_count(one) > 1);
        self.disk.forget_before(version);
        Ok(snapshot)
    }

    fn confirm(&self, head: &Head, text: &str) {
        self.heard_at.fetch_max(head.issued_at, Ordering::Relaxed);
        let kept = self.kept_at.load(Ordering::Relaxed);
        if head.issued_at.saturating_sub(kept) < KEEP_HEAD_EVERY_SECONDS {
            return;
        }
        match self.disk.save_head(text) {
            Ok(()) => self.kept_at.store(head.issued_at, Ordering::Relaxed),
            Err(fault) => {
                tracing::warn!(%fault, "the head could not be kept; a restart would count as longer without the control plane");
            }
        }
    }

    /// Whether the snapshot may no longer decide: its signed life is over, or no head has confirmed it for longer
    /// than the Service's `max_staleness`.
    #[must_use]
    pub fn stale(&self, snapshot: &Snapshot, now: DateTime<Utc>) -> bool {
        let now = now.timestamp();
        let allowed = i64::from(snapshot.bundle().parts().settings.max_staleness_seconds);
        now >= snapshot.manifest().expires_at || self.unheard_for(now) > allowed
    }

    /// For how many seconds no head has confirmed the bundle in force.
    #[must_use]
    pub fn unheard_for(&self, now_seconds: i64) -> i64 {
        now_seconds.saturating_sub(self.heard_at.load(Ordering::Relaxed))
    }

    /// When the newest signed head was made, as a floor for the clock.
    #[must_use]
    pub fn heard_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.heard_at.load(Ordering::Relaxed), 0).filter(|at| at.timestamp() > 0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(head: &Head, manifest: &Manifest) -> bool {
    head.version < manifest.version || (head.version == manifest.version && head.digest == manifest.digest)
}

/// A pulled bundle is the one that the head names, or one that was published since.
fn follows_head(manifest: &Manifest, head: &Head) -> Result<(), Refused> {
    if manifest.version < head.version {
        return Err(Refused::Older { version: manifest.version, mark: head.version });
    }
    if manifest.version == head.version && manifest.digest != head.digest {
        return Err(Refused::OtherContent { version: head.version });
    }
    Ok(())
}

/// Versions count up by one with each bundle, so a leap past this is a fault or a forged future.
const LARGEST_LEAP: u64 = 1_000_000;

fn follows_current(manifest: &Manifest, current: &Manifest) -> Result<(), Refused> {
    match manifest.version.checked_sub(current.version) {
        None => Err(Refused::Older { version: manifest.version, mark: current.version }),
        Some(1) if manifest.previous.as_deref() != Some(&*current.digest) => {
            Err(Refused::BrokenChain { version: manifest.version })
        }
        Some(leap) if leap > LARGEST_LEAP => Err(Refused::Leap { from: current.version, to: manifest.version }),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
