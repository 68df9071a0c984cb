//! Parameters of every kind, chains, includes, order, pages and shapes.

use fixture_fhir::Mind;

use crate::{BASE, found, get, server, shown};

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (target, expected) in rows {
        assert_eq!(found(Mind::HONEST, target), *expected, "{target}");
    }
}

#[test]
fn a_search_finds_by_parameters_of_every_kind() {
    check(&[
        ("/Observation", "a1 a2 b1 b2 f1"),
        ("/Observation?category=lab", "a1 b1"),
        ("/Observation?category=http://cat%7Clab,http://cat%7Cvital", "a1 a2 b1"),
        ("/Observation?category=http://x%7Clab", ""),
        ("/Observation?category=%7Clab", ""),
        ("/Observation?category:not=lab", "a2 b2 f1"),
        ("/Observation?code:text=weig", "a1 a2 b1"),
        ("/Observation?category:missing=true", "b2 f1"),
        ("/Observation?date=2026-01", "a1"),
        ("/Observation?date=ge2026-02&date=lt2026-03", "a2"),
        ("/Observation?value-quantity=gt5.5", "a2 b1"),
        ("/Observation?value-quantity=70.5%7Chttp://u%7Ckg", "a2"),
        ("/Observation?value-quantity=5%7C%7Cg", ""),
        ("/Observation?code-value-quantity=1-1$gt60", "a2"),
        ("/Patient?name=do", "A"),
        ("/Patient?family:exact=doe", ""),
        ("/Patient?family:contains=ONE", "B"),
        ("/Patient?birthdate=1980", "A"),
        ("/Patient?identifier=mrn%7C2", "B"),
        ("/Patient?_id=A,B", "A B"),
        ("/Patient?_tag=t%7Cone", "A"),
        ("/Patient?_lastUpdated=2026", "A B"),
        ("/ValueSet?url=http://vs.example/one", "V"),
        ("/ValueSet?url:below=http://vs.example/", "V"),
        ("/Observation?_list=L", "a2"),
        ("/Observation?_content=weight", "a1 a2 b1"),
        ("/Observation?patient=", "a1 a2 b1 b2 f1"),
        ("/Observation?date=yesterday", "400"),
        ("/Observation?code:in=http://vs", "400"),
        ("/Observation?_filter=code%20eq%20x", "400"),
        ("/Nothing", "404"),
    ]);
}

#[test]
fn a_reference_is_found_by_id_type_url_and_identifier_in_the_own_base_only() {
    check(&[
        ("/Observation?patient=A", "a1 a2"),
        ("/Observation?subject=Patient/A", "a1 a2"),
        ("/Observation?subject:Patient=B", "b1 b2"),
        ("/Observation?subject:Group=B", ""),
        (&format!("/Observation?subject={BASE}/Patient/B"), "b1 b2"),
        ("/Observation?subject=https://other.example/fhir/Patient/A", "f1"),
        ("/Observation?subject:identifier=mrn%7C2", "b2"),
        ("/Observation?performer=A", "b2"),
        ("/Observation?subject=Patient/A/_history/1", ""),
        ("/Observation?subject:missing=true", ""),
    ]);
}

#[test]
fn a_chain_goes_over_any_number_of_hops_up_to_its_bound() {
    check(&[
        ("/Observation?patient.name=doe", "a1 a2"),
        ("/Observation?subject:Patient.name=jones", "b1 b2"),
        ("/Observation?encounter.patient.name=doe", "f1"),
        ("/Observation?patient.general-practitioner.name=silva", "a1 a2"),
        ("/Patient?_has:Observation:patient:category=vital", "A"),
        ("/Practitioner?_has:Observation:performer:code=1-1", "D"),
        ("/Organization?_has:Patient:organization:_has:Observation:patient:category=lab", "O"),
        ("/Observation?patient._has:Encounter:patient:status=finished", "a1 a2"),
        ("/Observation?code.name=x", "400"),
        ("/Patient?_has:Observation:bogus:code=x", "400"),
        ("/Patient?link.link.link.link.link.link.link.link.link.name=x", ""),
    ]);
}

#[test]
fn includes_bring_each_resource_once() {
    check(&[
        ("/Observation?_id=a1&_include=Observation:subject", "a1 +A"),
        ("/Observation?_id=a1&_include=Observation:subject:Group", "a1"),
        ("/Observation?_id=a1&_include=*", "a1 +A +D"),
        ("/Observation?_id=b2&_include=Observation:performer", "b2 +A"),
        ("/Observation?_id=a1&_include=Observation:patient&_include:iterate=Patient:organization", "a1 +A +O"),
        ("/Patient?_id=A&_revinclude=Observation:subject", "A +a1 +a2"),
        ("/Patient?_id=A&_revinclude=Observation:performer", "A +b2"),
        (
            "/Organization?_id=O&_revinclude=Patient:organization&_revinclude:iterate=Observation:patient",
            "O +A +a1 +a2",
        ),
        ("/Patient?_id=A&_revinclude=*", "A +E +G +a1 +a2 +b2 +B"),
        ("/Observation?_include:bogus=Observation:subject", "400"),
        ("/Observation?_include=Observation:code", "400"),
    ]);
}

#[test]
fn compartments_and_the_system_are_searched() {
    check(&[
        ("/Patient/A/Observation", "a1 a2 b2"),
        ("/Patient/A/Observation?category=lab", "a1"),
        ("/Patient/A/*", "E G a1 a2 b2 A B"),
        ("/Practitioner/D/Observation", "a1 a2 b1"),
        ("/Encounter/E/Observation", "f1"),
        ("/Organization/O/Patient", "404"),
        ("/?_type=Organization,Practitioner", "O D"),
        ("/?_id=A", "A"),
    ]);
}

#[test]
fn a_form_is_read_with_the_url() {
    let mut server = server(Mind::HONEST);
    let form: &[(&str, &[u8])] = &[("Content-Type", b"application/x-www-form-urlencoded")];
    let mut post = |target: &str, body: &str| shown(&server.serve("POST", target, form, body.as_bytes()));
    assert_eq!(post("/Observation/_search", "patient=A&category=lab"), "a1");
    assert_eq!(post("/Observation/_search?patient=A", "patient=B"), "", "both hold");
    assert_eq!(post("/_search", "_type=Practitioner"), "D");
    assert_eq!(post("/Patient/A/Observation/_search", "category=vital"), "a2");
    let json: &[(&str, &[u8])] = &[("Content-Type", b"application/json")];
    assert_eq!(server.serve("POST", "/Observation/_search", json, b"{}").status, 415);
}

#[test]
fn results_are_sorted_and_paged() {
    check(&[
        ("/Observation?_sort=-date", "b1 a2 a1 b2 f1"),
        ("/Observation?_sort=category,-_id", "b1 a1 a2 f1 b2"),
        ("/Observation?_sort=value-quantity", "a1 b1 a2 b2 f1"),
        ("/Observation?_count=0", ""),
    ]);
    let mut server = server(Mind::HONEST);
    let mut served = get(&mut server, "/Observation?_count=2&_include=Observation:patient");
    let mut pages = Vec::new();
    loop {
        pages.push(shown(&served));
        assert_eq!(served.value()["total"], 5);
        let links = served.value()["link"].clone();
        let next = links.as_array().unwrap().iter().find(|link| link["relation"] == "next").cloned();
        let Some(next) = next else { break };
        served = get(&mut server, next["url"].as_str().unwrap());
    }
    assert_eq!(pages, ["a1 a2 +A", "b1 b2 +B", "f1"]);
    assert_eq!(get(&mut server, "/?_getpages=search-99").status, 410);
    let none = get(&mut server, "/Observation?_total=none");
    assert!(none.value().get("total").is_none());
}

#[test]
fn a_part_of_a_resource_is_tagged_and_the_rest_keeps_its_bytes() {
    let mut server = server(Mind::HONEST);
    let names = |served: &fixture_fhir::Served| {
        let value = served.value();
        let resource = value.pointer("/entry/0/resource").unwrap_or(&value).clone();
        let tagged =
            resource["meta"]["tag"].as_array().is_some_and(|tags| tags.iter().any(|one| one["code"] == "SUBSETTED"));
        (resource.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" "), tagged)
    };
    for (query, expected) in [
        ("_elements=code,Observation.status", "code id meta resourceType status"),
        ("_summary=text", "id meta resourceType status text"),
        (
            "_summary=true",
            "category code effectiveDateTime id meta performer resourceType status subject valueQuantity",
        ),
    ] {
        for target in [format!("/Observation?_id=a1&{query}"), format!("/Observation/a1?{query}")] {
            assert_eq!(names(&get(&mut server, &target)), (expected.to_owned(), true), "{target}");
        }
    }
    let count = get(&mut server, "/Observation?_summary=count");
    assert_eq!((count.value()["total"].clone(), shown(&count)), (5.into(), String::new()));
    let raw = r#"{"resourceType": "Basic","id":"r" ,"code":{"text":"a"},"x":1.00,"x":2.00}"#;
    let mut server = fixture_fhir::Server::new([raw], BASE, Mind::HONEST);
    assert_eq!(
        get(&mut server, "/Basic/r").body,
        raw.as_bytes(),
        "a record is served as it is, twice-named members too"
    );
    assert!(String::from_utf8(get(&mut server, "/Basic").body).unwrap().contains(r#""x":1.00,"x":2.00"#));
}

#[test]
fn unknown_parameters_are_ignored_with_a_word_or_refused_if_handling_is_strict() {
    assert_eq!(found(Mind::HONEST, "/Observation?patien=A"), "a1 a2 b1 b2 f1 !");
    let strict: &[(&str, &[u8])] = &[("Prefer", b"handling=strict")];
    assert_eq!(server(Mind::HONEST).serve("GET", "/Observation?patien=A", strict, b"").status, 400);
}
