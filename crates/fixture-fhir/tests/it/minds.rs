//! Each lenience: what it changes, and that nothing else does.

use fixture_fhir::{Mind, Served, Server};
use serde_json::json;

use crate::{JSON, get, server, shown};

const HONEST: Mind = Mind::HONEST;

/// One request on a server of each mind: the honest answer and the lenient one.
#[track_caller]
fn differs(mind: Mind, ask: impl Fn(&mut Server) -> Served, honest: &str, lenient: &str) {
    for (mind, expected) in [(HONEST, honest), (mind, lenient), (Mind::HOSTILE, lenient)] {
        assert_eq!(shown(&ask(&mut server(mind))), expected, "{mind:?}");
    }
}

fn asking(target: &'static str) -> impl Fn(&mut Server) -> Served {
    move |server| get(server, target)
}

#[test]
fn the_last_of_repeated_parameters_wins() {
    let mind = Mind { last_wins: true, ..HONEST };
    differs(mind, asking("/Observation?patient=A&patient=B"), "", "b1 b2");
    differs(mind, asking("/Observation?date=ge2026-02&date=lt2026-03"), "a2", "a1 a2");
}

#[test]
fn names_in_another_case_are_known() {
    let mind = Mind { case_insensitive_names: true, ..HONEST };
    differs(mind, asking("/Observation?PATIENT=B"), "a1 a2 b1 b2 f1 !", "b1 b2");
    differs(mind, asking("/observation?patient=B"), "404", "b1 b2");
    differs(mind, asking("/Observation?_ID=a1&_INCLUDE=Observation:Subject"), "a1 a2 b1 b2 f1 !", "a1 +A");
}

#[test]
fn a_semicolon_separates() {
    let mind = Mind { semicolons: true, ..HONEST };
    differs(mind, asking("/Observation?category=lab;patient=B"), "", "b1");
}

#[test]
fn what_is_unknown_is_ignored_though_handling_is_strict() {
    let mind = Mind { ignores_unknown: true, ..HONEST };
    let strict =
        |server: &mut Server| server.serve("GET", "/Observation?patien=A", &[("Prefer", b"handling=strict")], b"");
    differs(mind, strict, "400", "a1 a2 b1 b2 f1 !");
    differs(mind, asking("/Observation?code:in=http://vs"), "400", "a1 a2 b1 b2 f1");
    differs(mind, asking("/?_type=Observation,Encounter&category=lab"), "a1 b1", "E a1 b1");
    differs(mind, asking("/Observation?_id=a1&_include:bogus=Observation:subject"), "400", "a1 +A");
}

#[test]
fn a_batch_does_not_cut_elements() {
    let mind = Mind { ignores_elements_in_batch: true, ..HONEST };
    let ask = |mind: Mind| {
        let body = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "Observation/a1?_elements=code"}}]});
        let served = server(mind).serve("POST", "/", &[JSON], body.to_string().as_bytes());
        served.value()["entry"][0]["resource"].get("subject").is_some()
    };
    assert_eq!((ask(HONEST), ask(mind), ask(Mind::HOSTILE)), (false, true, true));
    assert!(get(&mut server(mind), "/Observation/a1?_elements=code").value().get("subject").is_none());
}

#[test]
fn a_method_is_overridden() {
    let mind = Mind { follows_overrides: true, ..HONEST };
    let field =
        |server: &mut Server| server.serve("POST", "/Observation/a1", &[("X-HTTP-Method-Override", b"DELETE")], b"");
    differs(mind, field, "405", "204");
    differs(mind, |server| server.serve("POST", "/Observation/a1?_method=DELETE", &[], b""), "405", "204");
    differs(mind, |server| server.serve("GET", "/Observation/a1?_method=DELETE", &[], b""), "", "204");
}

#[test]
fn of_two_members_with_one_name_the_last_counts() {
    let mind = Mind { merges_duplicate_json_keys_last: true, ..HONEST };
    let body = br#"{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/A"},"subject":{"reference":"Patient/B"}}"#;
    let ask = |server: &mut Server| {
        let created = server.serve("POST", "/Observation", &[JSON], body);
        if created.status == 201 { get(server, "/Observation?patient=B") } else { created }
    };
    differs(mind, ask, "400", "b1 b2 new-1");
}

#[test]
fn member_names_are_read_in_any_case() {
    let mind = Mind { case_insensitive_json: true, ..HONEST };
    let body = br#"{"resourceType":"Observation","status":"final","SUBJECT":{"Reference":"Patient/B"}}"#;
    let ask = |server: &mut Server| {
        assert_eq!(server.serve("POST", "/Observation", &[JSON], body).status, 201);
        get(server, "/Observation?patient=B")
    };
    differs(mind, ask, "b1 b2", "b1 b2 new-1");
    let entry = br#"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/A","URL":"Patient/B"}}]}"#;
    let asked =
        |mind: Mind| server(mind).serve("POST", "/", &[JSON], entry).value()["entry"][0]["resource"]["id"].clone();
    assert_eq!((asked(HONEST), asked(Mind::HOSTILE)), ("A".into(), "B".into()));
}

#[test]
fn what_is_encoded_twice_is_decoded_twice() {
    let mind = Mind { double_decodes: true, ..HONEST };
    differs(mind, asking("/Observation?patient=Patient%252FB"), "", "b1 b2");
    differs(mind, asking("/Observation/%2561%2531"), "400", "");
    differs(mind, asking("/Patient%252FA"), "404", "");
}

#[test]
fn dot_segments_are_resolved() {
    let mind = Mind { resolves_dot_segments: true, ..HONEST };
    differs(mind, asking("/metadata/../Patient"), "400", "A B");
    differs(mind, asking("//Patient/./%2e%2e/List"), "400", "L");
}

#[test]
fn any_base_is_the_own_one() {
    let mind = Mind { any_base: true, ..HONEST };
    differs(mind, asking("/Observation?patient=A"), "a1 a2", "a1 a2 f1");
    differs(mind, asking("/Observation?subject=https://gw.example/Patient/B"), "", "b1 b2");
    differs(mind, asking("/Observation?subject=Patient/B/_history/1"), "", "b1 b2");
    let body = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": "https://gw.example/fhir/Patient/B"}}]});
    let asked = |mind: Mind| {
        let served = server(mind).serve("POST", "/", &[JSON], body.to_string().as_bytes());
        served.value()["entry"][0]["response"]["status"].clone()
    };
    assert_eq!((asked(HONEST), asked(mind), asked(Mind::HOSTILE)), ("400".into(), "200".into(), "200".into()));
}

#[test]
fn a_filter_widens() {
    let mind = Mind { filter_widens: true, ..HONEST };
    differs(mind, asking("/Observation?patient=A&_filter=code%20eq%20x"), "400", "a1 a2 b1 b2 f1");
}

#[test]
fn a_paging_link_takes_includes() {
    let mind = Mind { pages_take_parameters: true, ..HONEST };
    let ask = |server: &mut Server| {
        get(server, "/Observation?_count=1");
        get(server, "/?_getpages=search-1&_getpagesoffset=1&_count=1&_include=Observation:subject")
    };
    differs(mind, ask, "a2", "a2 +A");
}

#[test]
fn preconditions_are_ignored() {
    let mind = Mind { ignores_preconditions: true, ..HONEST };
    let ask = |server: &mut Server| server.serve("DELETE", "/Observation/a1", &[("If-Match", b"W/\"9\"")], b"");
    differs(mind, ask, "412", "204");
}

#[test]
fn a_conditional_reference_is_resolved_in_a_create() {
    let mind = Mind { resolves_conditional_references: true, ..HONEST };
    let body =
        json!({"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient?identifier=mrn|2"}});
    let ask = move |server: &mut Server| {
        assert_eq!(server.serve("POST", "/Observation", &[JSON], body.to_string().as_bytes()).status, 201);
        get(server, "/Observation?patient=B")
    };
    differs(mind, ask, "b1 b2", "b1 b2 new-1");
}

#[test]
fn a_posted_bundle_is_run() {
    let mind = Mind { runs_posted_bundles: true, ..HONEST };
    let body = json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "DELETE", "url": "Observation/a1"}}]});
    let ask = move |server: &mut Server| {
        assert_eq!(server.serve("POST", "/Bundle", &[JSON], body.to_string().as_bytes()).status, 201);
        get(server, "/Observation")
    };
    differs(mind, ask, "a1 a2 b1 b2 f1", "a2 b1 b2 f1");
}

#[test]
fn a_deletion_cascades() {
    let mind = Mind { cascades: true, ..HONEST };
    let ask = |server: &mut Server| {
        assert_eq!(server.serve("DELETE", "/Patient/A?_cascade=delete", &[], b"").status, 204);
        get(server, "/?_type=Encounter,Patient,Practitioner")
    };
    differs(mind, ask, "E B D", "D");
    let plain = |server: &mut Server| {
        assert_eq!(server.serve("DELETE", "/Patient/A", &[], b"").status, 204);
        get(server, "/Encounter")
    };
    differs(mind, plain, "E", "E");
}
