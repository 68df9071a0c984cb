//! Lookups and further pages: steps of one request, with hand-made findings of the decision point.

use super::*;
use crate::judge::Pending;

fn lookup(id: u32) -> Lookup {
    Lookup { path: format!("/things/{id}"), query: String::new() }
}

fn released(text: &str, read_on: Option<&str>) -> Outcome {
    let body = Body::from(text.to_owned());
    let read_on = read_on.map(str::to_owned);
    Outcome::Release(Released {
        status: 200,
        headers: Vec::new(),
        body,
        reason: None,
        released: 0,
        dropped: 2,
        read_on,
    })
}

#[test]
fn phase_9_may_ask_for_what_is_stored_before_anything_is_released() {
    let fixture = Fixture::new(1 << 30);
    let step = fixture.forwarded().step(Outcome::Lookup(vec![lookup(1), lookup(1)]), &ok(b"{}", &[]));
    let Releasing::Needs(mut waiting, wanted) = step else { panic!("{step:?}") };
    assert_eq!(wanted, [lookup(1)]);
    assert_eq!(fixture.entries().len(), 1, "no outcome yet");
    let one = Fetched { lookup: lookup(1), status: 200, etag: None, body: b"{}".to_vec() };
    waiting.looked_up(wanted, vec![one]);
    assert_eq!(waiting.open.judged.stored.view().len(), 1);
    assert_eq!(done(waiting.step(released("x", None), &ok(b"{}", &[]))).status, 200);
    assert_eq!(fixture.outcome().upstream_status, Some(200));
}

#[test]
fn a_request_that_is_given_up_while_it_is_looked_up_is_on_record_and_was_not_permitted() {
    let fixture = Fixture::new(1 << 30);
    let pending = || {
        fixture.with("/v1/things/1", |inbound| Pending::of(&fixture.gateway, fixture.judged(inbound), vec![lookup(1)]))
    };
    drop(pending());
    let entries = fixture.entries();
    let [Entry { record: Record::Decision(decision), .. }] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(
        (decision.effect, decision.status, decision.operation.as_deref()),
        (Effect::Deny, None, Some("/things/{id}"))
    );
    let judged = fixture.with("/v1/things/1", |inbound| fixture.gateway.judge_on(pending(), inbound, Vec::new()));
    let Judging::Decided(judged) = judged else { panic!("{judged:?}") };
    assert_eq!(judged.stored.view().len(), 1);
    assert_eq!(fixture.entries().len(), 1, "one that goes on is written once it is decided");
}

#[test]
fn an_answer_that_asks_in_vain_or_without_end_is_not_released() {
    let fixture = Fixture::new(1 << 30);
    let answer = ok(b"{}", &[]);
    let refused = done(fixture.forwarded().step(Outcome::Lookup(Vec::new()), &answer));
    assert_eq!((refused.status, refused.reason), (502, Some(Reason::ResponseUnreadable)));
    let mut permitted = fixture.forwarded();
    let mut rounds = 0;
    let refused = loop {
        match permitted.step(Outcome::Lookup(vec![lookup(rounds)]), &answer) {
            Releasing::Needs(mut waiting, wanted) => {
                waiting.looked_up(wanted, Vec::new());
                permitted = waiting;
            }
            other => break done(other),
        }
        rounds += 1;
    };
    assert_eq!((rounds, refused.status, fixture.outcome().status), (4, 502, 502));
}

#[test]
fn the_gateway_reads_on_until_a_page_has_something_that_is_kept() {
    let fixture = Fixture::new(1 << 30);
    let answer = ok(b"{}", &[]);
    let step = fixture.forwarded().step(released("", Some("http://up?page=2")), &answer);
    let Releasing::ReadOn(next) = step else { panic!("{step:?}") };
    assert_eq!((&*next.inner().path, &*next.inner().query), ("", "page=2"));
    assert!(next.inner().headers.iter().any(|(name, _)| name == "firewarden-check"));
    let kept = done(next.step(released("x", None), &answer));
    assert_eq!((kept.dropped, kept.body.bytes(b"")), (4, b"x".to_vec()));
    assert_eq!((fixture.entries().len(), fixture.outcome().dropped), (2, 4), "one decision, one outcome for all pages");
}

#[test]
fn the_gateway_reads_ten_pages_on_and_then_releases_the_last_one() {
    let fixture = Fixture::new(1 << 30);
    let answer = ok(b"{}", &[]);
    let mut permitted = fixture.forwarded();
    let mut pages = 0;
    let last = loop {
        match permitted.step(released("", Some("http://up/things?page=2")), &answer) {
            Releasing::ReadOn(next) => permitted = next,
            other => break done(other),
        }
        pages += 1;
    };
    assert_eq!((pages, last.status, last.read_on), (10, 200, None));
}

#[test]
fn a_next_page_that_is_not_the_upstreams_is_not_read() {
    let fixture = Fixture::new(1 << 30);
    let answer = ok(b"{}", &[]);
    for elsewhere in ["http://evil.example/things?page=2", "http://up.evil/x", "http://up/../x", "/things?page=2"] {
        assert_eq!(done(fixture.forwarded().step(released("", Some(elsewhere)), &answer)).status, 200, "{elsewhere}");
    }
}
