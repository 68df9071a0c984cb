//! A bundle of 10,000 roles takes force: how long that takes, and what decisions notice of it.
//!
//! The times are those of the wall: on a machine that others use too, read the minimum beside the median.
//! What a gateway does beside that, keeping the bytes on its disk, is the disk's cost and not measured here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use decision::Engine;
use policy::Bundle;
use policy::bundle::FORMAT;
use policy::manifest::{MANIFEST_TYPE, Manifest};
use policy::settings::ServiceKind;

use crate::ours::role_question;
use crate::report::{Figure, clock_cost, micros};
use crate::service::{self, role_id};

const ROLES: u32 = 10_000;
/// Verify, decode, build, swap: in milliseconds.
const MUST_MILLIS: f64 = 20.0;
/// How much the 99th percentile of decisions may grow meanwhile.
const MUST_GROW: f64 = 3.0;
const SWAPS: usize = 20;
const RUNS: usize = 20;

/// A signed bundle as it comes from the wire, and the key that is pinned.
struct Signed {
    /// The compact JWS of the manifest.
    jws: String,
    content: Vec<u8>,
    key: Vec<u8>,
}

pub fn figures() -> Vec<Figure> {
    let signed = sign(service::bundle(ServiceKind::Fhirv4, ROLES).encode().expect("the bundle encodes"));
    let current = ArcSwap::from_pointee(load(&signed));
    let times: Vec<[f64; 4]> = (0..=RUNS).map(|_| timed_swap(&signed, &current)).skip(1).collect();
    let part = |what: &str, of: fn(&[f64; 4]) -> f64| Figure::of(what, "ms", times.iter().map(of).collect(), None);
    let whole = part("bundle of 10,000 roles: verify, decode, build, swap", |one| one.iter().sum());
    let (alone, during) = decisions(&signed, &current);
    let ratio = Figure::of("", "×", during.iter().zip(&alone).map(|(during, alone)| during / alone).collect(), None);
    vec![
        whole.median_at_most(MUST_MILLIS),
        part("  of it: verify Ed25519 and SHA-256", |one| one[0]),
        part("  of it: decode and check the bundle", |one| one[1]),
        part("  of it: build the engine", |one| one[2]),
        part("  of it: swap", |one| one[3]),
        Figure::of("p99 of decisions, nothing else going on", "µs", alone, None),
        Figure::of(format!("p99 of decisions during {SWAPS} swaps on another thread"), "µs", during, None),
        Figure { what: format!("  times as long (median of {RUNS} runs)"), ..ratio }.median_at_most(MUST_GROW),
    ]
}

fn load(signed: &Signed) -> Engine {
    verify(signed);
    Engine::new(Bundle::decode(&signed.content).expect("it decodes"))
}

fn timed_swap(signed: &Signed, current: &ArcSwap<Engine>) -> [f64; 4] {
    let from = Instant::now();
    verify(signed);
    let verified = Instant::now();
    let bundle = Bundle::decode(&signed.content).expect("it decodes");
    let decoded = Instant::now();
    let engine = std::sync::Arc::new(Engine::new(bundle));
    let built = Instant::now();
    let old = current.swap(engine);
    let swapped = Instant::now();
    drop(old);
    [verified - from, decoded - verified, built - decoded, swapped - built].map(|time| micros(time) / 1_000.0)
}

/// As a gateway does: the manifest's signature, its type, and that the content is the signed one.
fn verify(signed: &Signed) {
    let (input, signature) = signed.jws.rsplit_once('.').expect("three parts");
    let (header, payload) = input.split_once('.').expect("three parts");
    let read = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    UnparsedPublicKey::new(&ED25519, &signed.key).verify(input.as_bytes(), &read(signature)).expect("it verifies");
    let header: serde_json::Value = serde_json::from_slice(&read(header)).expect("a header");
    let manifest: Manifest = serde_json::from_slice(&read(payload)).expect("a manifest");
    assert_eq!(header["typ"], MANIFEST_TYPE);
    assert_eq!(manifest.length, signed.content.len() as u64);
    assert_eq!(manifest.digest, hex(&signed.content));
}

fn sign(content: Vec<u8>) -> Signed {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let manifest = Manifest {
        format: FORMAT,
        service_id: policy::id::ServiceId::new(uuid::Uuid::from_u128(1)),
        version: 1,
        previous: None,
        issued_at: 0,
        expires_at: i64::MAX,
        digest: hex(&content),
        length: content.len() as u64,
        compiler: "bench".to_owned(),
    };
    let header = serde_json::json!({ "alg": "EdDSA", "kid": "k", "typ": MANIFEST_TYPE }).to_string();
    let payload = serde_json::to_vec(&manifest).expect("a manifest");
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes()));
    Signed { jws: format!("{input}.{signature}"), content, key: pair.public_key().as_ref().to_vec() }
}

fn hex(content: &[u8]) -> String {
    digest(&SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The 99th percentiles of decisions in each run: alone, and while another thread swaps; taken in turn, so that what
/// else the machine does meets both.
fn decisions(signed: &Signed, current: &ArcSwap<Engine>) -> (Vec<f64>, Vec<f64>) {
    let mut alone = Vec::new();
    let mut during = Vec::new();
    // As long as the swaps take, so that both see as many of the machine's own interruptions.
    let mut span = Duration::from_millis(500);
    for _ in 0..RUNS {
        let begun = Instant::now();
        let done = AtomicBool::new(false);
        during.push(std::thread::scope(|threads| {
            threads.spawn(|| {
                for _ in 0..SWAPS {
                    current.store(std::sync::Arc::new(load(signed)));
                }
                done.store(true, Ordering::Release);
            });
            p99(current, || done.load(Ordering::Acquire))
        }));
        span = begun.elapsed().min(span * 4);
        let until = Instant::now() + span;
        alone.push(p99(current, || Instant::now() >= until));
    }
    (alone, during)
}

fn p99(current: &ArcSwap<Engine>, ended: impl Fn() -> bool) -> f64 {
    let roles = [role_id(0), role_id(ROLES / 2), role_id(ROLES - 1)];
    let clock = clock_cost();
    let mut taken = Vec::with_capacity(1 << 20);
    while !ended() && taken.len() < taken.capacity() {
        for _ in 0..100 {
            let from = Instant::now();
            let engine = current.load();
            std::hint::black_box(role_question(&engine, "GET", "/fhir/Patient/p-1", &roles));
            drop(engine);
            taken.push(micros(from.elapsed()) - clock);
        }
    }
    // The other thread may go on for longer than there are samples for.
    while !ended() {
        std::thread::yield_now();
    }
    Figure::of("", "µs", taken, None).p99
}
