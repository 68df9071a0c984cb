//! What the HTTP layer in front of us refuses, normalises or lets through: none of it may become a permit (E10, E17).

use super::gateway_kit::*;

/// The raw bytes of a request with a right token; `line` is its first line, `more` its other headers and body.
fn raw(world: &World, line: &str, more: &str) -> Vec<u8> {
    format!("{line}\r\nauthorization: Bearer {}\r\nconnection: close\r\n{more}", world.p1()).into_bytes()
}

#[test]
fn e10_odd_targets_and_framings_are_refused() {
    let (world, gateway) = World::running(&[]);
    let host = format!("host: {HOST}\r\n");
    let line = |target: &str| format!("GET {target} HTTP/1.1");
    let with_host = |target: &str| raw(&world, &line(target), &format!("{host}\r\n"));
    let mut invalid_utf8 = with_host("/fhir/Patient/XX");
    let at = invalid_utf8.windows(2).position(|pair| pair == b"XX").unwrap();
    invalid_utf8[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
    for (what, bytes) in [
        ("another host", raw(&world, &line("/fhir/Patient/p1"), "host: evil.example\r\n\r\n")),
        ("two hosts", raw(&world, &line("/fhir/Patient/p1"), &format!("{host}{host}\r\n"))),
        ("no host", raw(&world, &line("/fhir/Patient/p1"), "\r\n")),
        ("absolute form of another host", with_host("http://evil.example/fhir/Patient/p1")),
        ("a base of another case", with_host("/FHIR/Patient/p1")),
        ("two slashes", with_host("/fhir//Patient/p1")),
        ("dot segments", with_host("/fhir/./Patient/p1")),
        ("dot segments, encoded", with_host("/fhir/%2e%2e/fhir/Patient/p1")),
        ("an encoded slash", with_host("/fhir/Patient%2Fp1")),
        ("encoded twice", with_host("/fhir/Patient/%2570")),
        ("a semicolon", with_host("/fhir/Patient/p1;x=1")),
        ("a backslash", with_host("/fhir\\Patient\\p1")),
        ("no UTF-8", invalid_utf8),
        ("no UTF-8, encoded", with_host("/fhir/Patient/%ff%fe")),
        ("a null", with_host("/fhir/Patient/p1%00")),
        ("the asterisk form", raw(&world, "GET * HTTP/1.1", &format!("{host}\r\n"))),
        ("a tunnel", raw(&world, "CONNECT api.example:443 HTTP/1.1", &format!("{host}\r\n"))),
        (
            "another method by header",
            raw(&world, &line("/fhir/Patient/p1"), &format!("{host}x-http-method-override: DELETE\r\n\r\n")),
        ),
        ("two tokens", raw(&world, &line("/fhir/Patient/p1"), &format!("{host}authorization: Bearer x\r\n\r\n"))),
        ("a token in the query", with_host("/fhir/Patient/p1?access_token=x")),
        ("a WebSocket", raw(&world, &line("/fhir/Patient/p1"), &format!("{host}upgrade: websocket\r\n\r\n"))),
        (
            "length and chunks",
            raw(
                &world,
                &line("/fhir/Patient/p1"),
                &format!("{host}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            ),
        ),
        (
            "two lengths",
            raw(
                &world,
                &line("/fhir/Patient/p1"),
                &format!("{host}content-length: 0\r\ncontent-length: 5\r\n\r\nabcde"),
            ),
        ),
        (
            "an odd coding",
            raw(&world, &line("/fhir/Patient/p1"), &format!("{host}transfer-encoding: xchunked\r\n\r\n")),
        ),
        (
            "broken chunks",
            raw(
                &world,
                "POST /fhir/Observation HTTP/1.1",
                &format!("{host}transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n"),
            ),
        ),
        ("a space before the colon", raw(&world, &line("/fhir/Patient/p1"), &format!("{host}x-a : b\r\n\r\n"))),
        ("a folded header", raw(&world, &line("/fhir/Patient/p1"), &format!("{host}x-a: b\r\n c\r\n\r\n"))),
    ] {
        // A connection that is closed without an answer is a refusal, too.
        let status = send(gateway.address, &bytes).map_or(400, |got| got.status);
        assert!((400..500).contains(&status), "{what}: {status}");
    }
    assert!(world.upstream.saw().is_empty(), "{:?}", world.upstream.saw());
    let right = raw(&world, &line("/fhir/Patient/p1"), &format!("{host}\r\n"));
    assert_eq!(send(gateway.address, &right).unwrap().status, 200, "and the next right one is served");
}

#[test]
fn what_another_layer_cuts_off_reaches_no_other_resource() {
    let (world, gateway) = World::running(&[]);
    let bytes = raw(&world, "GET /fhir/Patient/p1#/../p2 HTTP/1.1", &format!("host: {HOST}\r\n\r\n"));
    let got = send(gateway.address, &bytes);
    assert!(got.is_none_or(|got| got.status == 200 || got.status == 400));
    assert!(world.upstream.saw().iter().all(|saw| saw.target == "/r4/Patient/p1"));
}

#[test]
fn the_absolute_form_of_the_services_own_host_is_the_same_request() {
    let (world, gateway) = World::running(&[]);
    let bytes = raw(&world, &format!("GET https://{HOST}/fhir/Patient/p1 HTTP/1.1"), &format!("host: {HOST}\r\n\r\n"));
    assert_eq!(send(gateway.address, &bytes).unwrap().status, 200);
    assert_eq!(world.upstream.saw()[0].target, "/r4/Patient/p1");
}

#[test]
fn a_second_request_hidden_in_a_body_is_a_body() {
    let (world, gateway) = World::running(&[]);
    let hidden = format!("GET /fhir/Patient/p1 HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    let more = format!("host: {HOST}\r\ncontent-length: {}\r\n\r\n{hidden}", hidden.len());
    let got = send(gateway.address, &raw(&world, "GET /fhir/Patient/p2 HTTP/1.1", &more)).unwrap();
    assert!((400..500).contains(&got.status), "{}", got.status);
    assert!(world.upstream.saw().is_empty());
}

#[test]
fn a_body_over_the_limit_is_413_and_is_not_read_on() {
    let (world, gateway) = World::running(&[]);
    let body = format!("{{\"resourceType\":\"Observation\",\"note\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let token = world.token("patient/Observation.cruds", Some("p1"));
    let got = ask(gateway.address, "POST", "/fhir/Observation", Some(&token), &body);
    assert_eq!(got.status, 413);
    assert!(world.upstream.saw().is_empty());
}
