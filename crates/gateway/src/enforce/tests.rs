//! What is forwarded was permitted and is on record; what was forwarded gets an outcome, come what may.

use policy::audit::{Effect, Entry, OutcomeRecord, Record};
use policy::bundle::Parts;
use policy::id::RoleId;
use policy::operation::{Method, Operation};
use policy::request::Header;
use policy::role::Role;
use policy::settings::ServiceKind;
use serde_json::json;
use tempfile::TempDir;
use testkit::bundles::{self, ISSUER, Published};
use testkit::jws::SigningKey;
use uuid::Uuid;

use super::*;
use crate::Judging;
use crate::clock::Clock;
use crate::enrolment::Enrolment;

mod batches;
mod check_tokens;
mod exports;
mod steps;

const BASE: &str = "https://api.example/v1";

struct Fixture {
    folder: TempDir,
    gateway: Arc<Gateway>,
    token_key: SigningKey,
    token: String,
}

impl Fixture {
    /// A plain Service whose token may read things, its bundle in force.
    fn new(audit_max_bytes: u64) -> Self {
        Self::with_parts(audit_max_bytes, |_| {})
    }

    /// The same, with something else in its bundle.
    fn with_parts(audit_max_bytes: u64, change: impl FnOnce(&mut Parts)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (token_key, bundle_key) = (SigningKey::es256("t1"), SigningKey::ed25519("b1"));
        let now = Clock::start().now().timestamp();
        let role = RoleId::new(Uuid::from_u128(7));
        let mut parts = bundles::parts(ServiceKind::Plain, BASE, &[&token_key]);
        let template = "/things/{id}".parse().unwrap();
        parts.operations =
            vec![Operation { method: Method::Get, template, fhir: None, query: Vec::new(), headers: Vec::new() }];
        parts.roles =
            vec![Role { id: role, name: "reader".into(), operations: vec![0], fields: Vec::new(), condition: None }];
        change(&mut parts);
        let account = parts.service.account_id;
        let published = Published::new(parts, 1, None, now);
        let bundles_folder = folder.path().join("bundles");
        std::fs::create_dir_all(&bundles_folder).unwrap();
        std::fs::write(bundles_folder.join("bundle-1"), published.wire(&bundle_key)).unwrap();
        std::fs::write(bundles_folder.join("head.jws"), published.signed_head(&bundle_key, now)).unwrap();
        let file = bundles::enrolment("http://127.0.0.1:1", &[&bundle_key]).to_string();
        let enrolment = Enrolment::parse(file.as_bytes()).unwrap();
        let (gateway, found) = Gateway::open(&enrolment, folder.path(), audit_max_bytes).unwrap();
        assert_eq!(found.bundles.version, Some(1));
        let token = token_key.sign(
            "at+jwt",
            &json!({
                "iss": ISSUER, "sub": "key_1", "aud": BASE, "exp": now + 300, "jti": "x", "token_kind": "key",
                "account_id": account, "role_ids": [role],
            }),
        );
        Self { folder, gateway: Arc::new(gateway), token_key, token }
    }

    fn ask(&self, target: &str) -> Enforced {
        self.with(target, |inbound| self.gateway.enforce(self.judged(inbound)))
    }

    /// A request that needs no lookup, judged.
    fn judged(&self, inbound: &Inbound<'_>) -> Judged {
        match self.gateway.judge(inbound) {
            Judging::Decided(judged) => judged,
            Judging::Needs(pending) => panic!("not decided: {pending:?}"),
        }
    }

    fn with<T>(&self, target: &str, run: impl FnOnce(&Inbound<'_>) -> T) -> T {
        let authorization = format!("Bearer {}", self.token);
        let headers = [
            Header { name: "host", value: b"api.example" },
            Header { name: "authorization", value: authorization.as_bytes() },
        ];
        run(&Inbound {
            method: "GET",
            target,
            headers: &headers,
            body: Ok(b""),
            ip: Some("127.0.0.1"),
            upstream_base: "http://up",
        })
    }

    fn forwarded(&self) -> Box<Permitted<Upstream<'static>>> {
        match self.ask("/v1/things/1") {
            Enforced::Forward(permitted) => permitted,
            Enforced::Answer(answer) => panic!("not forwarded: {answer:?}"),
        }
    }

    /// Every entry of the spool, as it stands on disk.
    fn entries(&self) -> Vec<Entry> {
        let files = std::fs::read_dir(self.folder.path().join("audit")).unwrap().map(|file| file.unwrap().path());
        let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|one| one == "log")).collect();
        segments.sort();
        let text: String = segments.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        text.lines().map(|line| serde_json::from_str(line.split_once(' ').unwrap().1).unwrap()).collect()
    }

    fn outcome(&self) -> OutcomeRecord {
        match self.entries().pop().unwrap().record {
            Record::Outcome(outcome) => outcome,
            other => panic!("the last entry is no outcome: {other:?}"),
        }
    }
}

fn done(releasing: Releasing) -> Released {
    match releasing {
        Releasing::Done(released) => released,
        other => panic!("not released: {other:?}"),
    }
}

fn ok<'a>(body: &'a [u8], headers: &'a [Header<'a>]) -> Answer<'a> {
    Answer { status: 200, headers, body, upstream_base: "http://up" }
}

#[test]
fn a_permit_is_on_record_before_it_is_handed_out_and_its_outcome_before_the_answer_is() {
    let fixture = Fixture::new(1 << 30);
    let permitted = fixture.forwarded();
    assert_eq!(permitted.inner().path, "/things/1");
    let entries = fixture.entries();
    assert!(
        matches!(&entries[..], [Entry { record: Record::Decision(decision), .. }] if decision.effect == Effect::Permit)
    );
    let released = fixture.with("/v1/things/1", |inbound| done(permitted.release(inbound, &ok(b"{}", &[]))));
    assert_eq!((released.status, released.body.bytes(b"{}")), (200, b"{}".to_vec()));
    let outcome = fixture.outcome();
    assert_eq!((outcome.status, outcome.upstream_status, outcome.bytes), (200, Some(200), 2));
}

#[test]
fn a_request_that_is_given_up_has_its_outcome() {
    let fixture = Fixture::new(1 << 30);
    drop(fixture.forwarded());
    assert_eq!((fixture.outcome().status, fixture.outcome().upstream_status), (CLIENT_LEFT, None));
    assert_eq!(fixture.entries().len(), 2, "and only one");
}

#[test]
fn an_upstream_without_an_answer_is_a_502_with_its_outcome() {
    let fixture = Fixture::new(1 << 30);
    for (failure, upstream_status) in [(Failure::NoAnswer, None), (Failure::BrokenAnswer(200), Some(200))] {
        assert_eq!(fixture.forwarded().fail(failure).status, 502);
        assert_eq!((fixture.outcome().status, fixture.outcome().upstream_status), (502, upstream_status));
    }
}

#[test]
fn a_denial_is_on_record_and_has_no_outcome() {
    let fixture = Fixture::new(1 << 30);
    assert!(matches!(fixture.ask("/v1/others/1"), Enforced::Answer(answer) if answer.status == 404));
    assert_eq!(fixture.entries().len(), 1);
}

#[test]
fn a_body_that_broke_off_is_a_denial_on_record() {
    let fixture = Fixture::new(1 << 30);
    let enforced = fixture.with("/v1/things/1", |inbound| {
        let broken = Inbound { body: Err(crate::BrokenBody), ..*inbound };
        fixture.gateway.enforce(fixture.judged(&broken))
    });
    assert!(matches!(enforced, Enforced::Answer(answer) if answer.status == 400));
    assert_eq!(fixture.entries().len(), 1);
}

#[test]
fn what_cannot_be_put_on_record_is_not_handed_out() {
    let fixture = Fixture::new(1);
    let mut open = Vec::new();
    let refused = loop {
        match fixture.ask("/v1/things/1") {
            Enforced::Forward(permitted) => open.push(permitted),
            Enforced::Answer(answer) => break answer,
        }
        assert!(open.len() < 1_000);
    };
    assert_eq!((refused.status, refused.reason), (503, Some(Reason::Internal)));
    let count = open.len();
    drop(open);
    let outcomes = fixture.entries().iter().filter(|entry| matches!(entry.record, Record::Outcome(_))).count();
    assert_eq!(outcomes, count, "room was kept for every outcome");
}

#[test]
fn two_gateways_do_not_share_a_folder() {
    let fixture = Fixture::new(1 << 30);
    let key = SigningKey::ed25519("b1");
    let enrolment = Enrolment::parse(bundles::enrolment("http://x", &[&key]).to_string().as_bytes()).unwrap();
    let fault = Gateway::open(&enrolment, fixture.folder.path(), 1 << 30).unwrap_err();
    assert!(fault.to_string().contains("another gateway"), "{fault}");
}
