//! A bulk export through `arc proxy`, in front of a FHIR server that takes FHIR literally, and of one that takes nothing so.

use std::sync::Mutex;

use actix_web::HttpResponse;
use fixture_fhir::{Mind, Server};
use policy::operation::{FhirOperation, Interaction, Method, Operation};
use policy::settings::SearchWithoutContext;
use serde_json::{Value, json};

use super::gateway_kit::*;

const ALL: &str = "system/*.rs";
const KICK_OFF: &str = "/fhir/$export?_type=Observation";

fn observation(id: &str, category: &str) -> String {
    json!({
        "resourceType": "Observation", "id": id, "status": "final", "code": {"coding": [{"code": category}]},
        "subject": {"reference": "Patient/p1"}, "valueString": "line\nbreak",
    })
    .to_string()
}

/// The clinic with an export, in front of this server.
fn running(mind: Mind) -> (World, ArcProxy) {
    let world = World::new();
    let mut records = vec![patient("p1").to_string(), patient("p2").to_string()];
    records
        .extend((0..500).map(|index| observation(&format!("o{index}"), if index % 2 == 0 { "even" } else { "odd" })));
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let server = Mutex::new(Server::new(records, &world.upstream.base(), mind));
    world.upstream.answers(move |saw| {
        let headers: Vec<(&str, &[u8])> =
            saw.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let target = saw.target.strip_prefix("/r4").unwrap();
        let answer = server.lock().unwrap().serve(&saw.method, target, &headers, &saw.body);
        let mut response = HttpResponse::build(answer.status.try_into().unwrap());
        for (name, value) in &answer.headers {
            response.append_header((name.as_str(), value.as_slice()));
        }
        response.body(answer.body)
    });
    let mut parts = world.parts();
    let fhir = FhirOperation {
        interaction: Interaction::Operation,
        resource_type: None,
        code: Some("export".into()),
        type_segment: None,
        id_segment: None,
    };
    parts.operations.push(Operation {
        method: Method::Get,
        template: "/$export".parse().unwrap(),
        fhir: Some(fhir),
        query: Vec::new(),
        headers: Vec::new(),
    });
    parts.operations.sort_by_key(|one| (one.template.shape(), one.method));
    world.plane.publish(parts);
    let gateway = ArcProxy::start(&world, &[]);
    gateway.runs(1);
    (world, gateway)
}

fn target(link: &str) -> String {
    assert!(link.starts_with("https://api.example/fhir?_page="), "{link}");
    link.strip_prefix("https://api.example").unwrap().to_owned()
}

fn kicked_off(gateway: &ArcProxy, call: &str, token: &str) -> String {
    let got = get(gateway, call, token);
    assert_eq!((got.status, got.body.len()), (202, 0), "{got:?}");
    target(got.header("content-location").expect("a job"))
}

fn manifest(gateway: &ArcProxy, job: &str, token: &str) -> Value {
    let got = get(gateway, job, token);
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json; charset=utf-8")), "{got:?}");
    got.json()
}

/// The lines of a body in chunks.
fn lines(got: &Got) -> Vec<Value> {
    assert_eq!((got.status, got.header("transfer-encoding")), (200, Some("chunked")), "{got:?}");
    let (mut rest, mut text) = (&got.body[..], Vec::new());
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        text.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    assert!(rest.is_empty(), "the last chunk is there");
    String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn s26_an_export_goes_from_its_kick_off_to_its_files_by_links_of_the_gateways_own() {
    for mind in [Mind::HONEST, Mind::HOSTILE] {
        let (world, gateway) = running(mind);
        let token = world.token(ALL, None);
        let job = kicked_off(&gateway, KICK_OFF, &token);
        let saw = world.upstream.saw().pop().unwrap();
        assert_eq!(
            (saw.target.as_str(), saw.header("prefer")),
            ("/r4/$export?_type=Observation", Some("respond-async"))
        );
        let manifest = manifest(&gateway, &job, &token);
        assert_eq!(manifest["request"], format!("{BASE}/$export?_type=Observation"));
        assert_eq!(
            (manifest["output"].as_array().unwrap().len(), &manifest["output"][0]["type"]),
            (1, &json!("Observation"))
        );
        let got = get(&gateway, &target(manifest["output"][0]["url"].as_str().unwrap()), &token);
        assert_eq!(got.header("content-type"), Some("application/fhir+ndjson"));
        assert_eq!(
            (got.header("cache-control"), got.header("vary")),
            (Some("private, no-store"), Some("Authorization"))
        );
        let lines = lines(&got);
        assert_eq!((lines.len(), &lines[7]["valueString"]), (500, &json!("line\nbreak")));
        let told = [manifest.to_string(), String::from_utf8(got.body).unwrap()].concat();
        assert!(!told.contains(&world.upstream.address.to_string()));
        eventually("decisions and outcomes are stored", || outcomes(&world.plane.entries()).len() == 3);
        let last = outcomes(&world.plane.entries()).pop().unwrap();
        assert_eq!((last.status, last.released, last.dropped), (200, 500, 0));
        let cancelled = ask(gateway.address, "DELETE", &job, Some(&token), "");
        assert_eq!((cancelled.status, cancelled.body.len()), (202, 0));
        assert_eq!(get(&gateway, &job, &token).status, 404, "the upstream has it no more");
    }
}

#[test]
fn d53_a_type_that_is_given_in_part_is_exported_in_part_whatever_the_upstream_makes_of_its_filter() {
    let (world, gateway) = running(Mind::HONEST);
    let token = world.token("system/Observation.rs?code=even", None);
    assert_eq!(get(&gateway, KICK_OFF, &token).status, 403);
    let filter = "&_typeFilter=Observation%3Fcode%3Deven";
    let job = kicked_off(&gateway, &format!("{KICK_OFF}{filter}"), &token);
    let link = target(manifest(&gateway, &job, &token)["output"][0]["url"].as_str().unwrap());
    assert_eq!(lines(&get(&gateway, &link, &token)).len(), 250);
    // Another file is there in its place.
    world.upstream.answers(|_| {
        let lines = [observation("1", "odd"), observation("2", "even"), patient("p2").to_string(), "<html>".to_owned()];
        HttpResponse::Ok().content_type("application/fhir+ndjson").body(lines.join("\n"))
    });
    let kept = lines(&get(&gateway, &link, &token));
    assert_eq!((kept.len(), &kept[0]["id"]), (1, &json!("2")));
    eventually("it is on record", || {
        outcomes(&world.plane.entries()).last().is_some_and(|one| (one.released, one.dropped) == (1, 3))
    });
}

#[test]
fn o_17_a_job_and_a_file_are_their_callers_alone() {
    let (world, gateway) = running(Mind::HONEST);
    let token = world.token(ALL, None);
    let job = kicked_off(&gateway, KICK_OFF, &token);
    let file = target(manifest(&gateway, &job, &token)["output"][0]["url"].as_str().unwrap());
    let mut other = claims(ALL, None);
    other["client_id"] = json!("key_2");
    let other = world.token_key.sign("at+jwt", &other);
    let person = world.token("user/*.rs", None);
    let before = world.upstream.saw().len();
    for link in [&job, &file] {
        assert_eq!(get(&gateway, link, &other).status, 404, "another client");
        assert_eq!(get(&gateway, link, &person).status, 403, "decided anew");
        assert_eq!(get(&gateway, link, &world.token(ALL, Some("p1"))).status, 404, "another patient");
        assert_eq!(ask(gateway.address, "GET", link, None, "").status, 401);
        assert_eq!(get(&gateway, &format!("{link}&_count=1"), &token).status, 400);
        assert_eq!(ask(gateway.address, "HEAD", link, Some(&token), "").status, 405);
    }
    assert_eq!(ask(gateway.address, "DELETE", &job, Some(&other), "").status, 404);
    assert_eq!(ask(gateway.address, "DELETE", &file, Some(&token), "").status, 405);
    assert_eq!(world.upstream.saw().len(), before, "none of them was forwarded");
}

#[test]
fn where_an_inexact_search_keeps_nothing_the_next_page_is_read() {
    let world = World::new();
    let mut parts = world.parts();
    parts.settings.search_without_context = SearchWithoutContext::Check;
    world.plane.publish(parts);
    let gateway = ArcProxy::start(&world, &[]);
    gateway.runs(1);
    let base = world.upstream.base();
    world.upstream.answers(move |saw| {
        let page = saw.target.split_once("page=").map_or(1, |(_, page)| page.parse::<u32>().unwrap());
        let whose = if page == 4 { "p1" } else { "p2" };
        let resource = json!({
            "resourceType": "Observation", "id": format!("o{page}"), "status": "final", "subject": {"reference": format!("Patient/{whose}")},
        });
        let bundle = json!({
            "resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}],
            "link": [{"relation": "next", "url": format!("{base}?page={}", page + 1)}],
        });
        HttpResponse::Ok().content_type("application/fhir+json").body(bundle.to_string())
    });
    let got = get(&gateway, "/fhir/Observation?code=x", &world.p1());
    assert_eq!((got.status, got.ids()), (200, vec!["o4".to_owned()]));
    let saw: Vec<String> = world.upstream.saw().into_iter().map(|saw| saw.target).collect();
    assert_eq!(saw, ["/r4/Observation?code=x", "/r4?page=2", "/r4?page=3", "/r4?page=4"]);
    eventually("it is on record", || outcomes(&world.plane.entries()).last().is_some_and(|one| one.dropped == 3));
}
