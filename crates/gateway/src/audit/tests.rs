//! The spool keeps what it was given: in order, in a chain, across crashes, and never more than it may.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use policy::audit::{Entry, OutcomeRecord, Record};
use policy::id::RequestId;
use policy::settings::AuditPolicy;
use tempfile::TempDir;
use uuid::Uuid;

use super::spool::MIN_MAX_BYTES;
use super::*;
use crate::hash::{hex, sha256};

const NOW: i64 = 1_800_000_000;

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn said(number: u64) -> Said {
    let record = Record::Outcome(OutcomeRecord {
        upstream_status: Some(200),
        status: 200,
        reason: None,
        released: 0,
        dropped: 0,
        bytes: number,
    });
    Said { at: at(), request_id: RequestId::new(Uuid::from_u128(number.into())), bundle_version: Some(3), record }
}

struct Fixture {
    folder: TempDir,
    max_bytes: u64,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), max_bytes: spool::DEFAULT_MAX_BYTES }
    }

    fn small() -> Self {
        Self { max_bytes: MIN_MAX_BYTES, ..Self::new() }
    }

    fn open(&self) -> (Spool, Recovered) {
        let options = Options {
            service_id: testkit::bundles::service_id(),
            gateway_id: testkit::bundles::gateway_id(),
            max_bytes: self.max_bytes,
        };
        Spool::open(self.folder.path(), &options, at()).unwrap()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<_> = all.filter(|path| path.extension().is_some_and(|one| one == "log")).collect();
        segments.sort();
        segments
    }
}

fn write(spool: &Spool, number: u64) -> Result<(), Full> {
    spool.append(said(number), AuditPolicy::NeverLose, Room::Denial)
}

fn entries(batch: &Batch) -> Vec<Entry> {
    let body: serde_json::Value = serde_json::from_slice(&batch.body).unwrap();
    serde_json::from_value(body["entries"].clone()).unwrap()
}

/// Ships everything, as a control plane would take it.
fn ship(spool: &Spool) -> Vec<Entry> {
    let mut all = Vec::new();
    while let Some(batch) = spool.next_batch().unwrap() {
        let entries = entries(&batch);
        let last = entries.last().unwrap();
        assert_eq!(spool.acknowledge(&batch, last.boot, last.seq).unwrap(), entries.len());
        all.extend(entries);
    }
    all
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    let number = |entry: &Entry| match &entry.record {
        Record::Outcome(outcome) => Some(outcome.bytes),
        Record::Decision(_) | Record::Gap { .. } => None,
    };
    entries.iter().filter_map(number).collect()
}

#[test]
fn entries_are_shipped_in_order_and_chained() {
    let fixture = Fixture::new();
    let (spool, recovered) = fixture.open();
    (1..=1_200).for_each(|number| write(&spool, number).unwrap());
    let shipped = ship(&spool);
    assert_eq!(numbers(&shipped), (1..=1_200).collect::<Vec<_>>());
    let mut before = "0".repeat(64);
    for (entry, seq) in shipped.iter().zip(1..) {
        assert_eq!((entry.boot, entry.seq, &entry.prev_hash), (recovered.boot, seq, &before));
        before = hex(&sha256(&serde_json::to_vec(entry).unwrap()));
    }
    assert_eq!(shipped.iter().map(|entry| entry.id).collect::<BTreeSet<_>>().len(), 1_200);
    assert!(spool.next_batch().unwrap().is_none());
}

#[test]
fn a_batch_is_kept_until_it_is_acknowledged() {
    let fixture = Fixture::new();
    let (spool, _) = fixture.open();
    (1..=600).for_each(|number| write(&spool, number).unwrap());
    let first = spool.next_batch().unwrap().unwrap();
    assert_eq!(first.len(), policy::audit::MAX_BATCH_ENTRIES);
    assert_eq!(numbers(&entries(&spool.next_batch().unwrap().unwrap())), numbers(&entries(&first)));
    let third = &entries(&first)[2];
    assert_eq!(spool.acknowledge(&first, third.boot, third.seq).unwrap(), 3, "as far as it is stored");
    assert_eq!(numbers(&entries(&spool.next_batch().unwrap().unwrap()))[0], 4);
    assert_eq!(spool.acknowledge(&first, 0, 0).unwrap(), 0);
    assert_eq!(spool.level().waiting, 597);
}

#[test]
fn a_restart_goes_on_where_the_control_plane_stopped() {
    let fixture = Fixture::new();
    let (spool, first) = fixture.open();
    (1..=10).for_each(|number| write(&spool, number).unwrap());
    let batch = spool.next_batch().unwrap().unwrap();
    spool.acknowledge(&batch, first.boot, 4).unwrap();
    drop(spool);
    let (spool, second) = fixture.open();
    assert_eq!((second.waiting, second.torn), (6, 0));
    assert!(second.boot > first.boot);
    write(&spool, 11).unwrap();
    let shipped = ship(&spool);
    assert_eq!(numbers(&shipped), (5..=11).collect::<Vec<_>>());
    assert_eq!((shipped[6].boot, shipped[6].seq), (second.boot, 1));
    assert_eq!(shipped[6].prev_hash, "0".repeat(64));
    drop(spool);
    assert_eq!(fixture.open().1.waiting, 0);
}

#[test]
fn a_folder_that_was_lost_repeats_no_boot() {
    let fixture = Fixture::new();
    let first = fixture.open().1.boot;
    assert_eq!(fixture.open().1.boot, first + 1);
    assert!(first >= NOW.unsigned_abs());
}

#[test]
fn a_torn_end_is_cut_kept_aside_and_noted_as_a_gap() {
    for cut in [1, 7, 50] {
        let fixture = Fixture::new();
        let (spool, _) = fixture.open();
        (1..=3).for_each(|number| write(&spool, number).unwrap());
        drop(spool);
        let path = fixture.segments().pop().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let (spool, recovered) = fixture.open();
        assert_eq!((recovered.waiting, recovered.torn), (2, 1), "{cut}");
        write(&spool, 4).unwrap();
        let shipped = ship(&spool);
        assert_eq!(numbers(&shipped), [1, 2, 4]);
        assert_eq!(shipped[2].record, Record::Gap { lost: 1 });
        assert!(path.with_extension("torn").exists());
    }
}

#[test]
fn a_spoiled_middle_ships_what_stands_before_it_and_counts_the_rest() {
    let fixture = Fixture::new();
    let (spool, _) = fixture.open();
    (1..=5).for_each(|number| write(&spool, number).unwrap());
    drop(spool);
    let path = fixture.segments().pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let (spool, recovered) = fixture.open();
    assert_eq!((recovered.waiting, recovered.torn), (2, 3));
    write(&spool, 6).unwrap();
    assert_eq!(numbers(&ship(&spool)), [1, 2, 6]);
}

#[test]
fn a_full_spool_denies_where_nothing_may_be_lost() {
    let fixture = Fixture::small();
    let (spool, _) = fixture.open();
    let mut written = 0;
    while write(&spool, written + 1).is_ok() {
        written += 1;
        assert!(spool.level().bytes <= MIN_MAX_BYTES);
    }
    assert!(written > 50, "{written}");
    assert_eq!(spool.append(said(0), AuditPolicy::NeverLose, Room::Permit), Err(Full));
    assert_eq!(numbers(&ship(&spool)), (1..=written).collect::<Vec<_>>());
    assert_eq!(write(&spool, 0), Ok(()), "and goes on once there is room");
    assert_eq!(spool.level().lost, 0);
}

#[test]
fn room_for_the_outcome_of_each_permit_is_set_aside() {
    let fixture = Fixture::small();
    let (spool, _) = fixture.open();
    let mut open = 0;
    while spool.append(said(open), AuditPolicy::NeverLose, Room::Permit).is_ok() {
        open += 1;
    }
    for number in 0..open {
        assert_eq!(spool.append(said(number), AuditPolicy::NeverLose, Room::Outcome), Ok(()), "{number} of {open}");
    }
    assert!(spool.level().bytes <= MIN_MAX_BYTES);
}

#[test]
fn where_entries_may_be_lost_a_gap_says_how_many() {
    let fixture = Fixture::small();
    let (spool, _) = fixture.open();
    let mut kept = 0;
    while spool.level().lost < 5 {
        spool.append(said(kept), AuditPolicy::BestEffort, Room::Denial).unwrap();
        kept += 1;
    }
    ship(&spool);
    write(&spool, 99).unwrap();
    let shipped = ship(&spool);
    assert_eq!(shipped[0].record, Record::Gap { lost: 5 });
    assert_eq!(numbers(&shipped), [99]);
}

#[test]
fn keep_denials_sheds_permits_first() {
    let fixture = Fixture::small();
    let (spool, _) = fixture.open();
    while spool.level().lost == 0 {
        spool.append(said(1), AuditPolicy::KeepDenials, Room::Permit).unwrap();
        spool.append(said(1), AuditPolicy::KeepDenials, Room::Outcome).unwrap();
    }
    let before = spool.level();
    spool.append(said(2), AuditPolicy::KeepDenials, Room::Denial).unwrap();
    assert!(spool.level().bytes > before.bytes, "a denial still finds room");
    assert_eq!(spool.level().lost, before.lost);
}

#[test]
fn a_segment_that_cannot_be_made_denies() {
    let fixture = Fixture::new();
    let (spool, _) = fixture.open();
    std::fs::remove_dir_all(fixture.folder.path()).unwrap();
    assert_eq!(write(&spool, 1), Err(Full));
    std::fs::create_dir(fixture.folder.path()).unwrap();
    assert_eq!(write(&spool, 2), Ok(()), "and heals");
    assert_eq!(numbers(&ship(&spool)), [2]);
}

#[test]
fn many_threads_leave_one_unbroken_chain() {
    let fixture = Fixture::new();
    let (spool, _) = fixture.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let spool = &spool;
            scope.spawn(move || (0..200).for_each(|number| write(spool, thread * 1_000 + number).unwrap()));
        }
    });
    let shipped = ship(&spool);
    assert_eq!(shipped.len(), 1_600);
    for pair in shipped.windows(2) {
        assert_eq!(pair[1].prev_hash, hex(&sha256(&serde_json::to_vec(&pair[0]).unwrap())));
    }
}
