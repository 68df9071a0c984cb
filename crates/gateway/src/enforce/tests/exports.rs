//! A bulk export at the gateway: its links, and its files line by line.

use policy::facts::{Standing, TypeFacts};
use policy::operation::{FhirOperation, Interaction};
use policy::text::TypeName;

use super::*;

const UP: &str = "http://up";

/// A FHIR Service with an export, and a caller whose token has this scope.
fn fixture(scope: &str) -> Fixture {
    let name = |text: &str| TypeName::try_from(text).unwrap();
    let mut fixture = Fixture::with_parts(1 << 30, |parts| {
        parts.service.kind = ServiceKind::Fhirv4;
        let fhir = FhirOperation {
            interaction: Interaction::Operation,
            resource_type: None,
            code: Some("export".into()),
            type_segment: None,
            id_segment: None,
        };
        let operation = |method| Operation {
            method,
            template: "/$export".parse().unwrap(),
            fhir: Some(fhir.clone()),
            query: Vec::new(),
            headers: Vec::new(),
        };
        parts.operations = vec![operation(Method::Get), operation(Method::Post)];
        let facts = |text| TypeFacts {
            name: name(text),
            standing: Standing::Compartment,
            parameters: Vec::new(),
            owners: Vec::new(),
        };
        parts.types = vec![facts("Condition"), facts("Observation")];
    });
    fixture.token = token(&fixture, "key_1", scope);
    fixture
}

fn token(fixture: &Fixture, client: &str, scope: &str) -> String {
    let now = Clock::start().now().timestamp();
    let account = bundles::parts(ServiceKind::Fhirv4, BASE, &[]).service.account_id;
    fixture.token_key.sign(
        "at+jwt",
        &json!({
            "iss": ISSUER, "sub": client, "client_id": client, "aud": BASE, "exp": now + 300, "jti": "x",
            "token_kind": "key", "account_id": account, "scope": scope,
        }),
    )
}

/// Asks with another method than GET, or with a body.
fn enforced(fixture: &Fixture, method: &str, target: &str, body: &str) -> Enforced {
    fixture.with(target, |inbound| {
        let mut headers = inbound.headers.to_vec();
        if !body.is_empty() {
            headers.push(Header { name: "content-type", value: b"application/fhir+json" });
        }
        let inbound = Inbound { method, headers: &headers, body: Ok(body.as_bytes()), ..*inbound };
        fixture.gateway.enforce(fixture.judged(&inbound))
    })
}

fn permitted(enforced: Enforced) -> Box<Permitted<Upstream<'static>>> {
    match enforced {
        Enforced::Forward(permitted) => permitted,
        Enforced::Answer(answer) => panic!("not forwarded: {answer:?}"),
    }
}

fn refused(enforced: Enforced) -> u16 {
    match enforced {
        Enforced::Forward(permitted) => panic!("forwarded: {permitted:?}"),
        Enforced::Answer(answer) => answer.status,
    }
}

/// The target of a sealed link.
fn target(link: &str) -> String {
    link.strip_prefix("https://api.example").expect("on the Service's base").to_owned()
}

/// Kicks an export off; the link to its job.
fn job(fixture: &Fixture) -> String {
    let kick_off = "/v1/$export?_type=Observation";
    let permitted = permitted(enforced(fixture, "GET", kick_off, ""));
    assert_eq!((&*permitted.inner().path, &*permitted.inner().query), ("/$export", "_type=Observation"));
    let location = [Header { name: "content-location", value: b"http://up/job/7" }];
    let answer = Answer { status: 202, headers: &location, body: b"", upstream_base: UP };
    let released = fixture.with(kick_off, |inbound| done(permitted.release(inbound, &answer)));
    assert_eq!(released.status, 202);
    let link = released.headers.iter().find(|(name, _)| name == "content-location").expect("a link");
    target(std::str::from_utf8(&link.1).unwrap())
}

/// The link to the first file of a list of its manifest.
fn file(fixture: &Fixture, job: &str, list: &str) -> String {
    let permitted = permitted(fixture.ask(job));
    assert_eq!((&*permitted.inner().path, permitted.inner().method), ("/job/7", Method::Get));
    let manifest = json!({
        "transactionTime": "2026-11-25T09:00:00Z", "request": "http://up/$export", "requiresAccessToken": true,
        "output": [{"type": "Observation", "url": "http://up/file?type=o"}],
        "error": [{"type": "OperationOutcome", "url": "http://up/file?type=e"}],
    });
    let body = manifest.to_string();
    let released = fixture.with(job, |inbound| done(permitted.release(inbound, &ok(body.as_bytes(), &[]))));
    let given: serde_json::Value = serde_json::from_slice(&released.body.bytes(body.as_bytes())).unwrap();
    assert_eq!(given["request"], "https://api.example/v1/$export?_type=Observation");
    target(given[list][0]["url"].as_str().expect("a file"))
}

fn observation(id: &str) -> String {
    format!("{{\"resourceType\":\"Observation\",\"id\":\"{id}\"}}")
}

fn header<'p>(permitted: &'p Permitted<Upstream<'static>>, name: &str) -> Vec<&'p [u8]> {
    permitted.inner().headers.iter().filter(|(own, _)| own == name).map(|(_, value)| &**value).collect()
}

#[test]
fn s26_a_file_is_released_line_by_line_and_its_end_only_once_the_outcome_is_on_record() {
    let fixture = fixture("system/*.rs");
    let link = file(&fixture, &job(&fixture), "output");
    let permitted = permitted(fixture.ask(&link));
    assert_eq!((&*permitted.inner().path, &*permitted.inner().query), ("/file", "type=o"));
    assert_eq!(header(&permitted, "accept"), [b"application/fhir+ndjson"]);
    assert!(header(&permitted, "prefer").is_empty() && permitted.is_file());
    let mut streaming = permitted.stream().expect("a file");
    let entries = fixture.entries().len();
    fixture.with(&link, |inbound| {
        let foreign = r#"{"resourceType":"Condition","id":"c"}"#;
        let text = format!("{}\n{foreign}\n{}", observation("1"), &observation("2")[..10]);
        assert_eq!(streaming.take(inbound, text.as_bytes()), Ok(Vec::new()), "it waits for what follows");
        let text = format!("{}\n", &observation("2")[10..]);
        assert_eq!(streaming.take(inbound, text.as_bytes()), Ok(format!("{}\n", observation("1")).into_bytes()));
        assert_eq!(fixture.entries().len(), entries, "no outcome yet");
        let (last, released) = streaming.finish(inbound).unwrap();
        assert_eq!(last, format!("{}\n", observation("2")).into_bytes());
        assert_eq!((released.status, released.released, released.dropped), (200, 2, 1));
    });
    let outcome = fixture.outcome();
    assert_eq!((outcome.status, outcome.upstream_status, outcome.released, outcome.dropped), (200, Some(200), 2, 1));
    assert_eq!(outcome.bytes, u64::try_from(2 * observation("1").len() + 2).unwrap());
}

#[test]
fn a_file_that_breaks_off_or_is_given_up_has_an_outcome_that_says_what_went_out() {
    let fixture = fixture("system/*.rs");
    let link = file(&fixture, &job(&fixture), "output");
    let begun = || {
        let mut streaming = permitted(fixture.ask(&link)).stream().unwrap();
        let line = format!("{}\n", observation("1"));
        fixture.with(&link, |inbound| streaming.take(inbound, line.as_bytes())).unwrap();
        streaming
    };
    assert_eq!(begun().break_off().status, 502);
    let outcome = fixture.outcome();
    assert_eq!((outcome.status, outcome.upstream_status, outcome.released), (502, Some(200), 1));
    drop(begun());
    let outcome = fixture.outcome();
    assert_eq!((outcome.status, outcome.upstream_status, outcome.released), (CLIENT_LEFT, Some(200), 1));
}

#[test]
fn a_file_that_the_upstream_refuses_keeps_its_status_and_one_that_is_none_is_a_502() {
    let fixture = fixture("system/*.rs");
    let link = file(&fixture, &job(&fixture), "error");
    for (status, expected) in [(404, 404), (500, 500), (204, 502), (202, 502), (302, 502)] {
        let location = [Header { name: "content-location", value: b"http://up/job/8" }];
        let answer = Answer { status, headers: &location, body: b"secret", upstream_base: UP };
        let permitted = permitted(fixture.ask(&link));
        let released = fixture.with(&link, |inbound| done(permitted.release(inbound, &answer)));
        let told = String::from_utf8(released.body.bytes(b"secret")).unwrap();
        assert_eq!((released.status, told.contains("secret")), (expected, false));
        assert!(released.headers.iter().all(|(name, _)| name != "content-location"));
    }
}

#[test]
fn o_17_a_job_is_its_callers_alone_and_is_decided_anew_each_time() {
    let mut fixture = fixture("system/*.rs");
    let job = job(&fixture);
    assert_eq!(refused(enforced(&fixture, "GET", &format!("{job}&_type=Patient"), "")), 400);
    assert_eq!(refused(enforced(&fixture, "DELETE", &format!("{job}&x=1"), "")), 400);
    assert_eq!(refused(enforced(&fixture, "DELETE", &job, "{}")), 400, "a body beside the seal was never decided");
    assert_eq!(refused(enforced(&fixture, "HEAD", &job, "")), 405);
    assert_eq!(refused(enforced(&fixture, "GET", &format!("{job}A"), "")), 404);
    let own = fixture.token.clone();
    for (client, scope, status) in [
        ("key_2", "system/*.rs", 404),
        ("key_1", "system/Condition.rs", 403),
        ("key_1", "user/*.rs", 403),
        ("key_1", "system/Observation.r", 403),
    ] {
        fixture.token = token(&fixture, client, scope);
        assert_eq!(refused(enforced(&fixture, "GET", &job, "")), status, "{client} {scope}");
        assert_eq!(refused(enforced(&fixture, "DELETE", &job, "")), status, "{client} {scope}");
    }
    fixture.token = token(&fixture, "key_1", "system/Observation.rs");
    let narrower = permitted(enforced(&fixture, "GET", &job, ""));
    assert_eq!(narrower.inner().path, "/job/7", "less than before, but all that was asked");
    fixture.token = own;
    let ends = permitted(enforced(&fixture, "DELETE", &job, ""));
    assert_eq!((&*ends.inner().path, ends.inner().method), ("/job/7", Method::Delete));
    let answer = Answer { status: 202, headers: &[], body: b"secret", upstream_base: UP };
    let released = fixture.with(&job, |inbound| done(ends.release(inbound, &answer)));
    assert_eq!((released.status, released.body.len()), (202, 0));
}

#[test]
fn what_a_client_wants_of_a_job_says_nothing_of_its_kick_off() {
    let fixture = fixture("system/*.rs");
    let job = job(&fixture);
    let permitted = fixture.with(&job, |inbound| {
        let mut headers = inbound.headers.to_vec();
        headers.push(Header { name: "accept", value: b"application/fhir+ndjson" });
        headers.push(Header { name: "prefer", value: b"respond-async" });
        let inbound = Inbound { headers: &headers, ..*inbound };
        permitted(fixture.gateway.enforce(fixture.judged(&inbound)))
    });
    assert_eq!(header(&permitted, "accept"), [b"application/json"]);
    assert!(header(&permitted, "prefer").is_empty());
}

#[test]
fn an_export_by_post_is_decided_anew_with_its_parameters() {
    let fixture = fixture("system/Observation.rs");
    let body = r#"{"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Observation"}]}"#;
    let location = [Header { name: "content-location", value: b"http://up/job/9" }];
    let answer = Answer { status: 202, headers: &location, body: b"", upstream_base: UP };
    let kick = |body: &str| {
        let permitted = permitted(enforced(&fixture, "POST", "/v1/$export", body));
        fixture.with("/v1/$export", |inbound| {
            let mut headers = inbound.headers.to_vec();
            headers.push(Header { name: "content-type", value: b"application/fhir+json" });
            let inbound = Inbound { method: "POST", headers: &headers, body: Ok(body.as_bytes()), ..*inbound };
            done(permitted.release(&inbound, &answer))
        })
    };
    let released = kick(body);
    let (_, link) = released.headers.iter().find(|(name, _)| name == "content-location").expect("a link");
    let job = target(std::str::from_utf8(link).unwrap());
    let asked = permitted(fixture.ask(&job));
    assert_eq!(
        (&*asked.inner().path, asked.inner().method, asked.inner().body.is_none()),
        ("/job/9", Method::Get, true)
    );
    assert!(header(&asked, "content-type").is_empty());
    let long = body.replace("\"parameter\"", &format!("\"id\":\"{}\",\"parameter\"", "x".repeat(5_000)));
    assert_eq!(kick(&long).status, 502, "what cannot be sealed has no job");
}
