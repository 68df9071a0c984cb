//! A bundle that is tampered with, older, foreign, expired or cut leaves the last good one in force (E23).

use policy::id::ServiceId;
use policy::manifest::{HEAD_TYPE, MANIFEST_TYPE};
use policy::settings::ServiceKind;
use serde_json::json;
use tempfile::TempDir;
use testkit::bundles::{Published, enrolment, parts};
use testkit::jws::SigningKey;
use uuid::Uuid;

use super::*;
use crate::enrolment::Enrolment;

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

struct Fixture {
    key: SigningKey,
    folder: TempDir,
    versions: Vec<Published>,
}

impl Fixture {
    /// Five versions, of which nothing has been pulled.
    fn new() -> Self {
        let key = SigningKey::ed25519("b1");
        let mut versions: Vec<Published> = Vec::new();
        for version in 1..=5 {
            let mut parts = parts(ServiceKind::Plain, "https://api.example", &[]);
            parts.settings.max_staleness_seconds = 600 + version;
            versions.push(Published::new(parts, u64::from(version), versions.last(), NOW));
        }
        Self { key, folder: tempfile::tempdir().unwrap(), versions }
    }

    fn version(&self, version: usize) -> &Published {
        &self.versions[version - 1]
    }

    fn start(&self, now: i64) -> (Bundles, ColdStart) {
        let file = enrolment("http://127.0.0.1:1", &[&self.key]).to_string();
        let trust = Enrolment::parse(file.as_bytes()).unwrap().trust;
        Bundles::open(trust, self.folder.path(), at(now)).unwrap()
    }

    fn pull(&self, bundles: &Bundles, version: usize, now: i64) -> Result<u64, Refused> {
        let published = self.version(version);
        self.pull_bytes(bundles, published, &published.wire(&self.key), now)
    }

    fn pull_bytes(&self, bundles: &Bundles, head: &Published, wire: &[u8], now: i64) -> Result<u64, Refused> {
        match bundles.hear(&head.signed_head(&self.key, now), at(now))? {
            Heard::Current => Ok(0),
            Heard::Behind(fresh) => bundles.accept(wire, &fresh, at(now)).map(|one| one.manifest().version),
        }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

fn in_force(bundles: &Bundles) -> Option<u64> {
    bundles.current().map(|snapshot| snapshot.manifest().version)
}

#[test]
fn a_newer_bundle_takes_the_place_of_the_one_before() {
    let fixture = Fixture::new();
    let (bundles, found) = fixture.start(NOW);
    assert_eq!((found.version, in_force(&bundles)), (None, None));
    assert_eq!(fixture.pull(&bundles, 1, NOW), Ok(1));
    assert_eq!(fixture.pull(&bundles, 1, NOW + 5), Ok(0), "the head confirms it");
    assert_eq!(fixture.pull(&bundles, 2, NOW + 5), Ok(2));
    assert_eq!(fixture.pull(&bundles, 5, NOW + 5), Ok(5), "versions may be left out");
    assert_eq!(in_force(&bundles), Some(5));
}

#[test]
fn e23_no_other_bundle_is_taken() {
    let fixture = Fixture::new();
    let foreign_key = SigningKey::ed25519("b1");
    let unknown_key = SigningKey::ed25519("b2");
    let head_as_bundle = fixture.version(2).signed_head(&fixture.key, NOW);
    let manifest = |change: &dyn Fn(&mut Manifest)| {
        let mut published = fixture.version(2).clone();
        change(&mut published.manifest);
        published.wire(&fixture.key)
    };
    let good = fixture.version(2).wire(&fixture.key);
    let with_head = |name: &str, value: serde_json::Value| {
        let mut header = fixture.key.header(MANIFEST_TYPE);
        header[name] = value;
        let payload = serde_json::to_vec(&fixture.version(2).manifest).unwrap();
        let line = fixture.key.sign_raw(header.to_string().as_bytes(), &payload);
        [line.as_bytes(), b"\n", &fixture.version(2).content].concat()
    };
    let other_service = ServiceId::new(Uuid::from_u128(9));
    let foreign_content = {
        let mut parts = parts(ServiceKind::Plain, "https://api.example", &[]);
        parts.service.id = other_service;
        Published::new(parts, 2, Some(fixture.version(1)), NOW).wire(&fixture.key)
    };
    let cases: Vec<(&str, Vec<u8>, Refused)> = vec![
        ("signed by another key of that name", fixture.version(2).wire(&foreign_key), Refused::BadSignature),
        ("signed by an unknown key", fixture.version(2).wire(&unknown_key), Refused::UnknownKey("b2".to_owned())),
        ("another algorithm", with_head("alg", json!("none")), Refused::BadSignature),
        ("brings its key", with_head("jwk", foreign_key.jwk()), Refused::Malformed("bundle")),
        ("another Service", manifest(&|one| one.service_id = other_service), Refused::OtherService(other_service)),
        ("another Service's content", foreign_content, Refused::OtherContent { version: 2 }),
        ("expired", manifest(&|one| one.expires_at = NOW), Refused::Expired(NOW)),
        ("signed in the future", manifest(&|one| one.issued_at = NOW + 31), Refused::Future(NOW + 31)),
        ("older", fixture.version(1).wire(&fixture.key), Refused::Older { version: 1, mark: 2 }),
        ("no predecessor", manifest(&|one| one.previous = None), Refused::BrokenChain { version: 2 }),
        (
            "another predecessor",
            manifest(&|one| one.previous = Some("00".repeat(32))),
            Refused::BrokenChain { version: 2 },
        ),
        ("another length", manifest(&|one| one.length += 1), Refused::Content("length")),
        (
            "another format",
            manifest(&|one| one.format = policy::bundle::FORMAT + 1),
            policy::bundle::InvalidBundle::Format(policy::bundle::FORMAT + 1).into(),
        ),
        (
            "a head",
            [head_as_bundle.as_bytes(), b"\n"].concat(),
            Refused::Type { found: HEAD_TYPE.to_owned(), expected: MANIFEST_TYPE },
        ),
        ("nothing", Vec::new(), Refused::Malformed("bundle")),
        ("no content", good.split(|byte| *byte == b'\n').next().unwrap().to_vec(), Refused::Malformed("bundle")),
        ("an endless line", vec![b'a'; 100_000], Refused::Malformed("bundle")),
    ];
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 1, NOW).unwrap();
    for (what, wire, expected) in cases {
        assert_eq!(fixture.pull_bytes(&bundles, fixture.version(2), &wire, NOW), Err(expected), "{what}");
        assert_eq!(in_force(&bundles), Some(1), "{what}");
    }
    assert_eq!(fixture.pull(&bundles, 2, NOW), Ok(2), "and the good one still is");
}

#[test]
fn e23_no_bit_of_a_bundle_can_be_changed_and_no_byte_left_out() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 1, NOW).unwrap();
    let good = fixture.version(2).wire(&fixture.key);
    for index in 0..good.len() {
        let mut flipped = good.clone();
        flipped[index] ^= 1 << (index % 8);
        assert!(fixture.pull_bytes(&bundles, fixture.version(2), &flipped, NOW).is_err(), "bit {index}");
        assert!(fixture.pull_bytes(&bundles, fixture.version(2), &good[..index], NOW).is_err(), "cut {index}");
    }
    assert_eq!(in_force(&bundles), Some(1));
}

#[test]
fn a_content_that_breaks_its_form_is_refused_though_it_is_signed() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    for content in [b"".to_vec(), b"nonsense".to_vec(), [fixture.version(1).content.clone(), vec![0]].concat()] {
        let mut published = fixture.version(1).clone();
        published.manifest.digest = testkit::jws::sha256_hex(&content);
        published.manifest.length = content.len() as u64;
        published.content = content;
        let refused = fixture.pull_bytes(&bundles, &published, &published.wire(&fixture.key), NOW);
        assert!(matches!(refused, Err(Refused::Invalid(_))), "{refused:?}");
    }
    assert_eq!(in_force(&bundles), None);
}

#[test]
fn a_version_never_comes_back_with_another_content() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 1, NOW).unwrap();
    let mut parts = parts(ServiceKind::Plain, "https://other.example", &[]);
    parts.settings.hide_existence = false;
    let twin = Published::new(parts, 1, None, NOW);
    let refused = fixture.pull_bytes(&bundles, &twin, &twin.wire(&fixture.key), NOW);
    assert_eq!(refused, Err(Refused::OtherContent { version: 1 }));
}

#[test]
fn a_head_counts_only_when_it_is_fresh_and_ours() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    let hear = |text: &str, now| bundles.hear(text, at(now)).map(|_| ());
    let right = fixture.version(1).signed_head(&fixture.key, NOW);
    assert_eq!(hear(&right, NOW + 89), Ok(()));
    assert_eq!(hear(&right, NOW + 90), Err(Refused::Expired(NOW + 60)));
    assert_eq!(hear(&right, NOW - 31), Err(Refused::Future(NOW)), "the clock was set back");
    let stranger = SigningKey::ed25519("b1");
    assert_eq!(hear(&fixture.version(1).signed_head(&stranger, NOW), NOW), Err(Refused::BadSignature));
    let mut eternal = fixture.version(1).head(NOW);
    eternal.expires_at = NOW + 1_000_000;
    let eternal = fixture.key.sign(HEAD_TYPE, &serde_json::to_value(eternal).unwrap());
    assert!(hear(&eternal, NOW).is_err());
    let mut unknown = serde_json::to_value(fixture.version(1).head(NOW)).unwrap();
    unknown["more"] = json!(1);
    assert!(hear(&fixture.key.sign(HEAD_TYPE, &unknown), NOW).is_err());
    let manifest = fixture.key.sign(MANIFEST_TYPE, &serde_json::to_value(fixture.version(1).head(NOW)).unwrap());
    assert!(matches!(hear(&manifest, NOW), Err(Refused::Type { .. })));
}

#[test]
fn e23_a_restart_never_goes_back() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 4, NOW).unwrap();
    drop(bundles);
    std::fs::write(fixture.file("bundle-4"), fixture.version(3).wire(&fixture.key)).unwrap();
    let (bundles, found) = fixture.start(NOW);
    assert_eq!(in_force(&bundles), None, "the older one is not loaded from disk");
    assert_eq!(found.refused[0].1, Refused::Older { version: 3, mark: 4 });
    assert_eq!(fixture.pull(&bundles, 3, NOW), Err(Refused::Older { version: 3, mark: 4 }), "nor pulled");
    assert_eq!(fixture.pull(&bundles, 4, NOW), Ok(4));
}

#[test]
fn a_cold_start_verifies_what_is_on_disk() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 1, NOW).unwrap();
    drop(bundles);
    assert_eq!(fixture.start(NOW + 100).1.version, Some(1));
    let week = 7 * 24 * 3_600;
    assert_eq!(fixture.start(NOW + week).1.refused[0].1, Refused::Expired(NOW + week), "also from its own disk");
    let good = fixture.version(1).wire(&fixture.key);
    let mut spoiled = good.clone();
    *spoiled.last_mut().unwrap() ^= 1;
    std::fs::write(fixture.file("bundle-1"), &spoiled).unwrap();
    let (bundles, found) = fixture.start(NOW);
    assert_eq!((found.version, found.refused[0].1.clone()), (None, Refused::Content("digest")));
    assert_eq!(fixture.pull(&bundles, 1, NOW), Ok(1), "and heals with the next pull");
}

#[test]
fn a_crash_between_the_file_and_the_mark_loses_nothing() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 1, NOW).unwrap();
    drop(bundles);
    std::fs::write(fixture.file("bundle-2"), fixture.version(2).wire(&fixture.key)).unwrap();
    std::fs::write(fixture.file("bundle-3.new"), b"half a bund").unwrap();
    assert_eq!(fixture.start(NOW).1.version, Some(2));
    assert_eq!(fixture.start(NOW).1.version, Some(2), "and the mark says so now");
    std::fs::write(fixture.file("bundle-9"), b"half a bund").unwrap();
    assert_eq!(fixture.start(NOW).1.version, Some(2));
}

#[test]
fn a_damaged_mark_stops_the_start() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 1, NOW).unwrap();
    drop(bundles);
    std::fs::write(fixture.file("high-water-mark.json"), b"{").unwrap();
    let file = enrolment("http://127.0.0.1:1", &[&fixture.key]).to_string();
    let trust = Enrolment::parse(file.as_bytes()).unwrap().trust;
    assert!(Bundles::open(trust, fixture.folder.path(), at(NOW)).is_err());
}

#[test]
fn a_bundle_that_no_head_confirms_grows_stale_also_across_a_restart() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 1, NOW).unwrap();
    let stale = |bundles: &Bundles, now| bundles.stale(&bundles.current().unwrap(), at(now));
    assert!(!stale(&bundles, NOW + 601));
    assert!(stale(&bundles, NOW + 602), "max_staleness is 601 seconds");
    drop(bundles);
    let (bundles, _) = fixture.start(NOW + 500);
    assert!(!stale(&bundles, NOW + 601));
    assert!(stale(&bundles, NOW + 602), "a restart does not make it fresh");
    assert_eq!(fixture.pull(&bundles, 1, NOW + 700), Ok(0));
    assert!(!stale(&bundles, NOW + 1_301));
    fixture.pull_bytes(&bundles, fixture.version(2), b"broken", NOW + 1_000).unwrap_err();
    assert!(stale(&bundles, NOW + 1_302), "a head that names another bundle confirms nothing");
}

#[test]
fn past_its_signed_life_a_bundle_no_longer_decides() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    let week = 7 * 24 * 3_600;
    fixture.pull(&bundles, 1, NOW + week - 10).unwrap();
    assert!(!bundles.stale(&bundles.current().unwrap(), at(NOW + week - 1)));
    assert!(bundles.stale(&bundles.current().unwrap(), at(NOW + week)));
}

#[test]
fn a_request_keeps_its_snapshot_and_does_not_have_to_drop_it() {
    let fixture = Fixture::new();
    let (bundles, _) = fixture.start(NOW);
    fixture.pull(&bundles, 1, NOW).unwrap();
    let held = bundles.current().unwrap();
    fixture.pull(&bundles, 2, NOW).unwrap();
    assert_eq!((held.manifest().version, in_force(&bundles)), (1, Some(2)));
    assert_eq!(Arc::strong_count(&held), 2, "the updater holds it too");
    drop(held);
    fixture.pull(&bundles, 3, NOW).unwrap();
    assert_eq!(bundles.lock().retired.len(), 0);
}
