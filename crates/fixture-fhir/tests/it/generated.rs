//! The synthetic records, and that nothing asked of a server of them makes it panic or answer otherwise twice.

use std::collections::{BTreeMap, BTreeSet};

use fixture_fhir::{BASE, Mind, Server, generate};
use serde_json::Value;

fn ids(records: &[Value]) -> BTreeSet<(&str, &str)> {
    records.iter().map(|one| (one["resourceType"].as_str().unwrap(), one["id"].as_str().unwrap())).collect()
}

#[test]
fn a_seed_gives_the_same_records_each_once_and_of_many_types() {
    for seed in 0..20 {
        let records = generate(seed, 3);
        assert_eq!(records, generate(seed, 3));
        assert_ne!(records, generate(seed + 1, 3));
        assert_eq!(ids(&records).len(), records.len(), "each type and id once");
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, _) in ids(&records) {
            *kinds.entry(kind).or_default() += 1;
            assert!(fhir::r4().has_type(kind), "{kind}");
        }
        assert!(kinds.len() > 25 && kinds["Patient"] == 3, "{kinds:?}");
    }
    assert_eq!(generate(1, 0).iter().filter(|one| one["resourceType"] == "Patient").count(), 3);
}

#[test]
fn every_way_to_name_a_patient_is_there() {
    let records = generate(7, 4);
    let all = ids(&records);
    for way in
        ["of-group", "by-identifier", "foreign-base", "own-base", "versioned", "contained-subject", "other-performs"]
    {
        assert!(all.contains(&("Observation", &*format!("{way}-0"))), "{way}");
    }
    let texts = (0..10).flat_map(|seed| generate(seed, 3)).map(|one| one.to_string()).collect::<Vec<_>>().join("\n");
    for code in ["\"code\":\"R\"", "\"code\":\"V\"", "\"code\":\"secret\"", "tags.example", "\"code\":\"b\""] {
        assert!(texts.contains(code), "{code}");
    }
}

#[test]
fn what_proves_a_patient_to_the_server_is_found_by_patient() {
    let mut server = Server::new(generate(3, 3), BASE, Mind::HONEST);
    let found = server.serve("GET", "/Observation?patient=p-0&_count=1000", &[], b"").value();
    let found: BTreeSet<&str> =
        found["entry"].as_array().unwrap().iter().map(|one| one["resource"]["id"].as_str().unwrap()).collect();
    for (way, is_found) in [
        ("obs0-0", true),
        ("own-base-0", true),
        ("versioned-0", true),
        ("other-performs-0", true),
        ("foreign-base-0", false),
        ("by-identifier-0", false),
        ("of-group-0", false),
        ("contained-subject-0", false),
        ("i-perform-0", false),
        ("no-subject-0", false),
        ("number-subject-0", false),
    ] {
        assert_eq!(found.contains(way), is_found, "{way}");
    }
}

#[test]
fn no_request_panics_and_each_is_answered_the_same_twice() {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "", "get"];
    let paths = [
        "",
        "/",
        "//",
        "/Patient",
        "/Patient/p-0",
        "/Patient/p-0/*",
        "/Patient/p-0/_history/1",
        "/%",
        "/%ff",
        "/_search",
        "/Patient/_search",
        "/Patient/p-0/$everything",
        "/$export-file/x/y",
        "/Group/everybody/$export",
        "/é/ü",
        "/Observation/obs0-0",
        "/a/b/c/d/e/f/g",
        "/Bundle",
        "/Binary/bin-0",
    ];
    let queries = [
        "",
        "?",
        "?&&&",
        "?=",
        "?%=%",
        "?_has:=x",
        "?_has:a:b:c=x",
        "?a.b.c.d=1",
        "?_count=-1",
        "?_count=18446744073709551615",
        "?_sort=-",
        "?_include=:",
        "?_include=*&_revinclude=*&_include:iterate=*&_revinclude:iterate=*",
        "?_getpages=1&_getpagesoffset=18446744073709551615",
        "?date=ge",
        "?date=é1",
        "?patient=\\",
        "?_elements=,",
        "?_type=",
        "?_offset=18446744073709551615&_count=1",
        "?patient.patient.patient.patient.patient.patient.patient.patient.patient.patient=1",
    ];
    let bodies: [&[u8]; 8] = [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"null",
        b"{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[null]}",
        b"[{\"op\":\"add\",\"path\":\"\",\"value\":1}]",
        b"a=b",
    ];
    let types: [&[u8]; 4] =
        [b"application/fhir+json", b"application/json-patch+json", b"application/x-www-form-urlencoded", b"\xff"];
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for mind in [Mind::HONEST, Mind::HOSTILE] {
        let records = generate(1, 3);
        let fresh = Server::new(records, BASE, mind);
        let (mut one, mut two) = (fresh.clone(), fresh);
        for (place, path) in paths.iter().enumerate() {
            for (number, query) in queries.iter().enumerate() {
                let method = methods[(place + number) % methods.len()];
                let body = bodies[(place * 3 + number) % bodies.len()];
                let headers: &[(&str, &[u8])] =
                    &[("Content-Type", types[(place + number * 3) % types.len()]), ("Prefer", b"respond-async")];
                let target = format!("{path}{query}");
                let answer = one.serve(method, &target, headers, body);
                assert_eq!(answer, two.serve(method, &target, headers, body), "{method} {target}");
                assert!((200..600).contains(&answer.status), "{method} {target}");
            }
        }
        for target in ["/", "/Bundle", "/Patient"] {
            assert_eq!(one.serve("POST", target, &[], deep.as_bytes()).status, 400, "{target}");
        }
        assert_eq!(one.serve("GET", &format!("/Patient?{}", "a=b&".repeat(600)), &[], b"").status, 413);
        assert_eq!(one.serve("GET", &format!("/Patient?{}", "a".repeat(70_000)), &[], b"").status, 413);
    }
}
