//! `arc proxy` in front of an API: what it forwards, what it releases, and what it keeps to itself.

use actix_web::HttpResponse;
use policy::Reason;
use policy::audit::Effect;
use serde_json::json;

use super::gateway_kit::*;

#[test]
fn a_permitted_read_reaches_the_upstream_and_its_answer_the_client() {
    let (world, gateway) = World::running(&[]);
    let got = get(&gateway, "/fhir/Patient/p1", &world.p1());
    assert_eq!((got.status, got.json()), (200, patient("p1")));
    assert_eq!(got.header("cache-control"), Some("private, no-store"));
    let saw = world.upstream.saw();
    assert_eq!((saw.len(), saw[0].method.as_str(), saw[0].target.as_str()), (1, "GET", "/r4/Patient/p1"));
    assert_eq!(saw[0].header("authorization"), None, "the client's token goes no further");
    assert_eq!(saw[0].header("host"), Some(world.upstream.address.to_string().as_str()));
    eventually("decision and outcome are stored", || world.plane.entries().len() == 2);
    let entries = world.plane.entries();
    let (decision, outcome) = (&decisions(&entries)[0], &outcomes(&entries)[0]);
    assert_eq!(entries[0].request_id, entries[1].request_id);
    assert_eq!((decision.effect, decision.operation.as_deref()), (Effect::Permit, Some("/Patient/{id}")));
    assert_eq!((decision.patient.as_deref(), decision.principal.kind.as_str()), (Some("p1"), "key"));
    assert_eq!((decision.ip.as_deref(), decision.mode.as_str()), (Some("127.0.0.1"), "enforce"));
    assert_eq!((outcome.upstream_status, outcome.status), (Some(200), 200));
    assert_eq!(usize::try_from(outcome.bytes), Ok(got.body.len()));
}

#[test]
fn k22_every_denial_is_audited_with_its_reason_and_nothing_is_forwarded() {
    let (world, gateway) = World::running(&[]);
    let expired = {
        let mut claims = claims("patient/Patient.rs", Some("p1"));
        claims["exp"] = json!(now() - 60);
        claims
    };
    let expired = world.token_key.sign("at+jwt", &expired);
    let own = world.p1();
    for (method, target, token, status, reason) in [
        ("GET", "/fhir/Patient/p1", None, 401, Reason::NoToken),
        ("GET", "/fhir/Patient/p1", Some("nonsense"), 401, Reason::MalformedToken),
        ("GET", "/fhir/Patient/p1", Some(expired.as_str()), 401, Reason::Expired),
        ("GET", "/fhir/Patient/p2", Some(&own), 403, Reason::OtherPatient),
        ("GET", "/fhir/Basic/1", Some(&own), 404, Reason::NotInService),
        ("DELETE", "/fhir/Patient/p1", Some(&own), 405, Reason::MethodNotAllowed),
        ("GET", "/fhir/Observation?_nonsense=1", Some(&own), 400, Reason::UnknownParameter),
        ("GET", "/fhir/Observation?_getpages=1", Some(&own), 403, Reason::ParameterDenied),
        ("GET", "/fhir/../Patient/p1", Some(&own), 400, Reason::MalformedUrl),
    ] {
        let before = world.plane.decisions().len();
        let got = ask(gateway.address, method, target, token, "");
        assert_eq!(got.status, status, "{method} {target}");
        eventually("the denial is stored", || world.plane.decisions().len() > before);
        let decision = world.plane.decisions().pop().unwrap();
        assert_eq!((decision.effect, decision.reason, decision.status), (Effect::Deny, Some(reason), Some(status)));
        assert_eq!(decision.token_hash.is_some(), token.is_some());
        if status == 401 {
            let challenge = if token.is_none() { "Bearer" } else { "Bearer error=\"invalid_token\"" };
            assert_eq!(got.header("www-authenticate"), Some(challenge));
            assert_eq!(decision.principal.kind, "anonymous");
        }
    }
    assert!(world.upstream.saw().is_empty());
}

#[test]
fn a_search_is_narrowed_on_its_way_and_checked_on_its_way_back() {
    let (world, gateway) = World::running(&[]);
    let got = get(&gateway, "/fhir/Observation?code=x", &world.p1());
    assert_eq!((got.status, got.ids()), (200, vec!["o1".to_owned()]), "{}", String::from_utf8_lossy(&got.body));
    let saw = world.upstream.saw();
    assert!(saw[0].target.contains("patient=") && saw[0].target.contains("p1"), "{}", saw[0].target);
    assert!(got.json()["total"].is_null());
    assert!(!String::from_utf8(got.body).unwrap().contains(&world.upstream.address.to_string()));
    eventually("the outcome is stored", || !outcomes(&world.plane.entries()).is_empty());
    let outcome = outcomes(&world.plane.entries())[0].clone();
    assert_eq!((outcome.released, outcome.dropped), (1, 1));
}

#[test]
fn a_foreign_instance_and_a_missing_one_are_the_same_answer() {
    let (world, gateway) = World::running(&[]);
    let foreign = get(&gateway, "/fhir/Observation/o2", &world.p1());
    let missing = get(&gateway, "/fhir/Observation/none", &world.p1());
    assert_eq!(foreign.status, 404);
    let without_date = |got: &Got| {
        let mut headers = got.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers.sort(); // their order is random in each answer
        headers
    };
    assert_eq!(
        (foreign.status, &foreign.body, without_date(&foreign)),
        (missing.status, &missing.body, without_date(&missing))
    );
    assert!(!String::from_utf8(missing.body).unwrap().contains("secret"));
}

#[test]
fn pages_are_followed_by_sealed_links_of_the_same_caller_only() {
    let (world, gateway) = World::running(&[]);
    for post in [false, true] {
        let first = if post {
            ask(gateway.address, "POST", "/fhir/Observation/_search", Some(&world.p1()), "code=x")
        } else {
            get(&gateway, "/fhir/Observation?code=x", &world.p1())
        };
        let next = first.next().expect("a next link");
        assert!(next.starts_with("https://api.example/fhir?_page="), "{next}");
        let target = next.strip_prefix("https://api.example").unwrap();
        let second = get(&gateway, target, &world.p1());
        assert_eq!((second.status, second.ids()), (200, vec!["o3".to_owned()]), "decided anew, and checked");
        let saw = world.upstream.saw().pop().unwrap();
        assert_eq!((saw.method.as_str(), saw.target.as_str()), ("GET", "/r4?_getpages=abc&_getpagesoffset=2"));
        assert!(saw.body.is_empty());

        let before = world.upstream.saw().len();
        let other_patient = world.token("patient/Observation.rs patient/Patient.rs", Some("p2"));
        let less = world.token("patient/Patient.rs", Some("p1"));
        let mut other_client = claims("patient/Observation.rs", Some("p1"));
        other_client["client_id"] = json!("key_2");
        let other_client = world.token_key.sign("at+jwt", &other_client);
        for (what, target, token, status) in [
            ("another patient", target.to_owned(), other_patient.as_str(), 404),
            ("another client", target.to_owned(), &other_client, 404),
            ("a scope less", target.to_owned(), &less, 403),
            ("a broken seal", format!("{target}A"), &world.p1(), 404),
            ("a parameter beside it", format!("{target}&_count=1"), &world.p1(), 400),
            ("a parameter before it", target.replace("?_page", "?_count=1&_page"), &world.p1(), 400),
        ] {
            assert_eq!(get(&gateway, &target, token).status, status, "{what}");
        }
        assert_eq!(ask(gateway.address, "GET", target, None, "").status, 401);
        let with_body = ask(gateway.address, "GET", target, Some(&world.p1()), "patient=p2");
        assert_eq!(with_body.status, 400, "a body beside the seal was never decided");
        assert_eq!(world.upstream.saw().len(), before, "none of them was forwarded");
    }
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    let (world, gateway) = World::running(&[]);
    let got = ask(gateway.address, "HEAD", "/fhir/Patient/p1", Some(&world.p1()), "");
    assert_eq!((got.status, got.body.len()), (200, 0));
    assert_eq!(world.upstream.saw()[0].method, "GET");
    assert_eq!(ask(gateway.address, "HEAD", "/fhir/Patient/p2", Some(&world.p1()), "").status, 403);
}

#[test]
fn options_is_answered_by_the_gateway_and_metadata_by_the_upstream_without_a_token() {
    let (world, gateway) = World::running(&[]);
    assert_eq!(ask(gateway.address, "OPTIONS", "/fhir/Patient", None, "").status, 204);
    assert!(world.upstream.saw().is_empty());
    assert_eq!(ask(gateway.address, "GET", "/fhir/metadata", None, "").status, 200);
    eventually("both are audited", || world.plane.decisions().len() == 2);
}

#[test]
fn an_upstream_that_is_down_slow_wrong_or_endless_tells_nothing() {
    let (world, gateway) = World::running(&["--max-response-bytes", "1000", "--upstream-timeout", "1s"]);
    let ask = || get(&gateway, "/fhir/Patient/p1", &world.p1());
    world.upstream.answers(|_| HttpResponse::Ok().content_type("text/html").body("<h1>secret"));
    assert_eq!(ask().status, 502);
    world.upstream.answers(|_| HttpResponse::Ok().content_type("application/fhir+json").body("x".repeat(1_001)));
    assert_eq!(ask().status, 502);
    world.upstream.answers(|_| HttpResponse::Found().insert_header(("location", "http://127.0.0.1:1/secret")).finish());
    assert_eq!(ask().status, 502, "a redirect is not followed");
    world.upstream.answers(|_| HttpResponse::InternalServerError().body("secret stack trace"));
    let got = ask();
    assert_eq!((got.status, String::from_utf8(got.body).unwrap().contains("secret")), (500, false));
    world.upstream.answers(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        HttpResponse::Ok().content_type("application/fhir+json").body(patient("p1").to_string())
    });
    assert_eq!(ask().status, 502, "slow");
    eventually("five outcomes are stored", || outcomes(&world.plane.entries()).len() == 5);
    assert!(outcomes(&world.plane.entries()).iter().all(|outcome| outcome.released == 0));

    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let upstream = format!("http://{dead}");
    drop(gateway);
    let gateway = ArcProxy::start(&world, &["--upstream", &upstream]);
    let got = get(&gateway, "/fhir/Patient/p1", &world.p1());
    assert_eq!((got.status, got.json()["resourceType"].as_str()), (502, Some("OperationOutcome")));
    eventually("that it did not answer is stored", || {
        outcomes(&world.plane.entries())
            .iter()
            .any(|outcome| outcome.upstream_status.is_none() && outcome.status == 502)
    });
}

#[test]
fn credentials_for_the_upstream_stand_in_place_of_the_clients() {
    let world = World::new();
    let mut parts = world.parts();
    parts.settings.pass_authorization = true;
    world.plane.publish(parts);
    let gateway = ArcProxy::start(&world, &[]);
    gateway.runs(1);
    let token = world.p1();
    get(&gateway, "/fhir/Patient/p1", &token);
    assert_eq!(world.upstream.saw()[0].header("authorization"), Some(format!("Bearer {token}").as_str()));
    drop(gateway);
    let file = world.folder.path().join("headers");
    std::fs::write(&file, "Authorization: Basic c2VjcmV0\nX-Tenant: 7\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let gateway = ArcProxy::start(&world, &["--upstream-header-file", file.to_str().unwrap()]);
    get(&gateway, "/fhir/Patient/p1", &token);
    let saw = world.upstream.saw().pop().unwrap();
    assert_eq!((saw.header("authorization"), saw.header("x-tenant")), (Some("Basic c2VjcmV0"), Some("7")));
    assert_eq!(saw.headers.iter().filter(|(name, _)| name == "authorization").count(), 1);
}

#[test]
fn what_a_client_says_of_itself_does_not_reach_the_upstream() {
    let (world, gateway) = World::running(&[]);
    let text = format!(
        "GET /fhir/Patient/p1 HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         x-forwarded-for: 1.2.3.4\r\nforwarded: for=1.2.3.4\r\nx_tenant: 9\r\ncookie: a=b\r\nrange: bytes=0-1\r\n\
         if-none-match: *\r\naccept-encoding: gzip\r\nte: trailers\r\nfirewarden-check: forged\r\n\r\n",
        world.p1(),
    );
    assert_eq!(send(gateway.address, text.as_bytes()).unwrap().status, 200);
    let saw = world.upstream.saw().pop().unwrap();
    let mut names: Vec<_> = saw.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "firewarden-check", "host"]);
    assert_eq!(saw.header("firewarden-check").map(|token| token.split('.').count()), Some(3), "the gateway's own");
    eventually("it is stored", || !world.plane.decisions().is_empty());
    assert_eq!(world.plane.decisions()[0].ip.as_deref(), Some("127.0.0.1"), "E11: the peer, not a header");
}

#[test]
fn k36_a_denied_caller_gets_a_check_token_but_with_the_not_found_answer() {
    let (world, gateway) = World::running(&[]);
    assert!(get(&gateway, "/fhir/Patient/p2", &world.p1()).header("firewarden-check").is_some());
    for target in ["/fhir/Observation/o2", "/fhir/Observation/none"] {
        let got = get(&gateway, target, &world.p1());
        assert_eq!((got.status, got.header("firewarden-check")), (404, None), "{target}");
    }
    let outsider = ask(gateway.address, "GET", "/fhir/Patient/p2", None, "");
    assert_eq!((outsider.status, outsider.header("firewarden-check")), (401, None));
    let keys = ask(gateway.address, "GET", "/fhir/.well-known/firewarden/gateway-keys", None, "");
    assert_eq!((keys.status, keys.header("content-type")), (200, Some("application/jwk-set+json")));
    assert_eq!(keys.json()["keys"][0]["crv"], "Ed25519");
    assert!(world.upstream.saw().iter().all(|saw| !saw.target.contains("well-known")));
}

#[test]
fn metrics_and_probes_have_their_own_listener_and_bounded_labels() {
    let (world, gateway) = World::running(&[]);
    for index in 0..30 {
        get(&gateway, &format!("/fhir/Nothing{index}/x{index}"), &format!("t{index}"));
    }
    get(&gateway, "/fhir/Patient/p1", &world.p1());
    let metrics = gateway.metrics();
    assert!(metrics.contains("arc_decision_microseconds_bucket"), "{metrics}");
    assert!(metrics.contains("arc_bundle_version 1"), "{metrics}");
    assert!(!metrics.contains("Nothing"));
    assert!(metrics.lines().filter(|line| line.starts_with("arc_decisions_total")).count() <= 3, "{metrics}");
    assert_eq!(ask(gateway.address, "GET", "/metrics", None, "").status, 401, "clients do not reach it");
}
