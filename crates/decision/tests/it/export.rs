//! Bulk export: where its job is, what its manifest names, and what of its files is released.

use decision::{Answer, Engine, ExportFile, Filtered, Grants};
use policy::request::{Header, Request};
use testkit::call::Call;
use testkit::markdown::Row;
use testkit::token::Token;
use testkit::{ehr, records};

use crate::check::{Answered, answer, ehr_engine};

const KICK_OFF: &str = "GET /$export?_type=Observation";

fn asked<T>(engine: &Engine, token: &str, call: &str, work: impl FnOnce(&Request<'_>, &Grants) -> T) -> T {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let headers = call.borrowed();
    let request = call.request(&headers, &token);
    work(&request, &Grants::new(engine, &request.caller))
}

/// What is released of the lines of a file.
fn lines(engine: &Engine, token: &str, call: &str, file: &ExportFile, text: &str) -> (String, Filtered) {
    let mut out = Vec::new();
    let filtered = asked(engine, token, call, |request, grants| {
        decision::filter_lines(engine, request, grants, file, text.as_bytes(), &mut out).expect("it is an export")
    });
    (String::from_utf8(out).unwrap(), filtered)
}

/// The records of a row's `lines` that are released of its `file`.
pub(crate) fn kept(engine: &Engine, row: &Row) -> String {
    let names: Vec<&str> = row.cell("lines").split_whitespace().collect();
    let text: String = names.iter().map(|name| format!("{}\n", records::text(name))).collect();
    let file = ExportFile::Resources(row.cell("file").to_owned());
    let (out, filtered) = lines(engine, row.cell("token"), row.cell("call"), &file, &text);
    let kept: Vec<&str> =
        names.into_iter().filter(|name| out.lines().any(|line| line == records::text(name))).collect();
    assert_eq!(kept.len(), usize::try_from(filtered.released).unwrap(), "line {}: {out}", row.line);
    assert_eq!(out.lines().count(), kept.len(), "line {}: what is kept is kept byte for byte", row.line);
    kept.join(" ")
}

fn location(url: &str) -> Answered {
    answer(&ehr_engine(""), "system/*.rs", KICK_OFF, 202, &[("content-location", url), ("x-progress", "ME")], "secret")
}

#[test]
fn s26_a_kick_off_answers_with_a_link_of_the_gateways_own_and_nothing_else() {
    let got = location(&format!("{}/$export-status/7", ehr::UPSTREAM));
    let sealed = format!("{}?_page=sealed-{}", ehr::BASE, ehr::UPSTREAM.len() + "/$export-status/7".len());
    assert_eq!((got.status, got.body.as_str(), got.header("content-location")), (202, "", Some(sealed.as_str())));
    let names: Vec<_> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-location", "cache-control", "vary"]);
}

#[test]
fn d52_a_job_outside_the_upstreams_base_is_no_answer() {
    for url in ["http://evil.example/r4/job", &format!("{}evil/job", ehr::UPSTREAM), "/r4/job", "job", ""] {
        assert_eq!(location(url).status, 502, "{url}");
    }
    let engine = ehr_engine("");
    for (status, expected) in [(200, 502), (201, 502), (303, 502), (202, 502), (429, 429), (500, 500), (404, 404)] {
        let got = answer(&engine, "system/*.rs", KICK_OFF, status, &[], r#"{"secret":"upstream"}"#);
        assert_eq!((got.status, got.body.contains("secret")), (expected, false), "{status} without a location");
    }
}

#[test]
fn d38_an_export_always_goes_upstream_as_a_request_to_answer_later() {
    for prefer in ["", " + Prefer: respond-async", " + Prefer: return=minimal"] {
        let decision = crate::check::ask(&ehr_engine(""), "system/*.rs", &format!("{KICK_OFF}{prefer}"));
        let policy::decision::Action::Forward(upstream) = &decision.action else { panic!("{decision:?}") };
        let sent: Vec<_> = upstream.headers.iter().filter(|(name, _)| name == "prefer").collect();
        assert_eq!(sent, [&("prefer".into(), b"respond-async".into())], "{prefer}");
    }
}

#[test]
fn a_gateway_that_cannot_rewrite_its_answer_kicks_no_export_off() {
    let engine = ehr_engine("");
    asked(&engine, "system/*.rs", KICK_OFF, |request, grants| {
        let capabilities = policy::request::Capabilities { check_response: false, ..request.capabilities };
        let arena = decision::Arena::new();
        let decision = decision::decide(&engine, &Request { capabilities, ..*request }, grants, &arena);
        assert_eq!(decision.reason(), Some(policy::Reason::ObligationUnsupported));
    });
}

fn status(token: &str, call: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Answered {
    let engine = ehr_engine("");
    let headers: Vec<_> = headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let given = Answer { status, headers: &headers, body: body.as_bytes(), upstream_base: ehr::UPSTREAM };
    let mut seal = |url: &str, file: &ExportFile| {
        url.strip_prefix(ehr::UPSTREAM)
            .filter(|rest| !rest.contains("unsealable"))
            .map(|rest| format!("{file:?} {rest}"))
    };
    let released = asked(&engine, token, call, |request, grants| {
        decision::respond_to_status(&engine, request, grants, &given, &mut seal)
    });
    Answered::of(released, body.as_bytes())
}

#[test]
fn s26_a_job_that_is_under_way_says_how_long_to_wait_and_nothing_of_what_it_does() {
    let headers =
        [("retry-after", "120"), ("x-progress", "Patient OTHER"), ("content-location", "http://evil.example/x")];
    let got = status("system/*.rs", KICK_OFF, 202, &headers, "Patient OTHER");
    assert_eq!((got.status, got.body.as_str(), got.header("retry-after")), (202, "", Some("120")));
    assert_eq!((got.header("x-progress"), got.header("content-location")), (None, None));
    for wait in ["", "soon", "12345678", "1 2", "Fri, 27 Nov 2026 00:00:00 GMT"] {
        assert_eq!(status("system/*.rs", KICK_OFF, 202, &[("retry-after", wait)], "").header("retry-after"), None);
    }
    let failed = status("system/*.rs", KICK_OFF, 500, &headers, r#"{"secret":"OTHER"}"#);
    assert_eq!((failed.status, failed.body.contains("OTHER")), (500, false));
    assert_eq!(status("system/*.rs", KICK_OFF, 303, &headers, "").status, 502);
}

/// A manifest with these members beside its instant.
fn manifest(members: &str) -> String {
    let manifest = r#"{"transactionTime":"2026-11-25T09:00:00.000+01:00","request":"http://upstream.internal:8080/r4/$export?secret","requiresAccessToken":false,MEMBERS}"#;
    manifest.replace("MEMBERS", members).replace("UP", ehr::UPSTREAM)
}

#[test]
fn s26_a_manifest_names_granted_types_by_links_of_the_gateways_own() {
    let body = manifest(
        r#""output":[{"type":"Observation","url":"UP/f/1","count":7,"extension":{"secret":1}},{"type":"Patient","url":"UP/f/2"},{"type":"Spaceship","url":"UP/f/3"}],"deleted":[{"type":"Bundle","url":"UP/f/4"}],"error":[{"type":"OperationOutcome","url":"UP?f=5"},{"type":"Patient","url":"UP/f/6"}],"link":[{"relation":"next","url":"UP/f/7"}],"extension":{"secret":"OTHER"}"#,
    );
    let got = status("system/*.rs", KICK_OFF, 200, &[("expires", "0"), ("x-secret", "1")], &body);
    assert_eq!((got.status, got.dropped), (200, 3));
    let expected = serde_json::json!({
        "transactionTime": "2026-11-25T09:00:00.000+01:00",
        "request": "https://gw.example/fhir/$export?_type=Observation",
        "requiresAccessToken": true,
        "output": [{"type": "Observation", "url": "Resources(\"Observation\") /f/1"}],
        "deleted": [{"type": "Bundle", "url": "Deleted /f/4"}],
        "error": [{"type": "OperationOutcome", "url": "Errors ?f=5"}],
    });
    assert_eq!(got.json(), expected);
    let names: Vec<_> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "cache-control", "vary"]);
    let all = status("system/*.rs", "GET /$export", 200, &[], &body);
    assert_eq!(all.json()["output"].as_array().unwrap().len(), 2, "all types of the Service");
}

#[test]
fn d52_a_manifest_that_cannot_be_read_or_leads_elsewhere_is_no_manifest() {
    let whole = manifest(r#""output":[{"type":"Observation","url":"UP/f/1"}],"error":[]"#);
    assert_eq!(status("system/*.rs", KICK_OFF, 200, &[], &whole).status, 200);
    assert_eq!(
        status("system/*.rs", KICK_OFF, 200, &[], &manifest(r#""output":[]"#)).json()["error"],
        serde_json::json!([])
    );
    for body in [
        String::new(),
        "[]".to_owned(),
        whole[..whole.len() - 1].to_owned(),
        whole.replace("\"output\"", "\"output\":[],\"output\""),
        whole.replace("2026-11-25T09", "Patient OTHER"),
        whole.replace(ehr::UPSTREAM, "http://evil.example/r4"),
        whole.replace("/f/1", "evil/f/1"),
        whole.replace("/f/1", "/unsealable"),
        whole.replace(r#""url""#, r#""uri""#),
        whole.replace("[{", "{").replace("}]", "}"),
    ] {
        assert_eq!(status("system/*.rs", KICK_OFF, 200, &[], &body).status, 502, "{body}");
    }
    let many = vec![r#"{"type":"Observation","url":"UP/f"}"#; 5_001].join(",");
    assert_eq!(status("system/*.rs", KICK_OFF, 200, &[], &manifest(&format!("\"output\":[{many}]"))).status, 502);
}

#[test]
fn d53_what_was_no_export_has_no_state_and_no_files() {
    let body = manifest(r#""output":[{"type":"Observation","url":"UP/f/1"}]"#);
    for (token, call) in [("user/*.rs", KICK_OFF), ("system/*.rs", "GET /Observation"), ("none", KICK_OFF)] {
        assert_eq!(status(token, call, 200, &[], &body).status, 502, "{token} {call}");
        let engine = ehr_engine("");
        let mut out = Vec::new();
        let file = ExportFile::Resources("Observation".into());
        let text = records::text("OBS-ME").as_bytes();
        let filtered = asked(&engine, token, call, |request, grants| {
            decision::filter_lines(&engine, request, grants, &file, text, &mut out)
        });
        assert_eq!((filtered, out.is_empty()), (None, true));
    }
}

#[test]
fn s26_the_end_of_a_job_is_a_202_or_the_upstreams_status_without_its_words() {
    let engine = ehr_engine("");
    for (status, expected) in [(202, 202), (200, 202), (204, 202), (404, 404), (409, 409), (302, 502)] {
        let given = Answer { status, headers: &[], body: b"{\"secret\":1}", upstream_base: ehr::UPSTREAM };
        let released = asked(&engine, "system/*.rs", KICK_OFF, |request, grants| {
            decision::respond_to_cancel(&engine, request, grants, &given)
        });
        let got = Answered::of(released, b"");
        assert_eq!((got.status, got.body.contains("secret")), (expected, false));
    }
}

#[test]
fn d53_a_line_that_cannot_be_decided_is_dropped_and_the_next_one_is_not() {
    let engine = ehr_engine("");
    let file = ExportFile::Resources("Observation".into());
    let own = records::text("OBS-ME");
    let text = format!(
        "{own}\r\n\n  \n<html>\n{{\"resourceType\":\"Observation\"\n{{\"resourceType\":\"Observation\"}}\n{{\"resourceType\":\"Observation\",\"id\":\"a/b\"}}\n[{own}]\n{own} {own}\n{}\n{own}",
        "[".repeat(10_000)
    );
    let (out, filtered) = lines(&engine, "system/*.rs", KICK_OFF, &file, &text);
    assert_eq!(out, format!("{own}\n{own}\n"));
    assert_eq!(filtered, Filtered { released: 2, dropped: 7 });
    let mut raw = b"\xff\xfe{}\n".to_vec();
    raw.extend_from_slice(own.as_bytes());
    let mut out = Vec::new();
    let filtered = asked(&engine, "system/*.rs", KICK_OFF, |request, grants| {
        decision::filter_lines(&engine, request, grants, &file, &raw, &mut out).unwrap()
    });
    assert_eq!(filtered, Filtered { released: 1, dropped: 1 });
}

#[test]
fn d53_tags_and_labels_bind_each_line() {
    let labelled = ehr_engine("labels=enforce");
    let call = "GET /$export?_type=Observation&_typeFilter=Observation%3Fcode%3Dx";
    let restricted = r#"{"resourceType":"Observation","id":"1","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}}"#;
    let unrestricted = restricted.replace("\"R\"", "\"U\"");
    let file = ExportFile::Resources("Observation".into());
    let text = format!("{restricted}\n{unrestricted}\n");
    assert_eq!(lines(&labelled, "system/*.rs", call, &file, &text).0, format!("{unrestricted}\n"));
    assert_eq!(lines(&ehr_engine(""), "system/*.rs", call, &file, &text).0, text);
}

#[test]
fn d53_an_error_file_says_what_went_wrong_in_closed_words() {
    let own = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"Patient/OTHER is broken"},{"severity":"warning","code":"not-found","expression":["OTHER"]}]}"#;
    let text = format!(
        "{own}\n{}\n{}\n{}\n",
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"OTHER","code":"processing"}]}"#,
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"OTHER"}]}"#,
        records::text("OTHER"),
    );
    let (out, filtered) = lines(&ehr_engine(""), "system/*.rs", KICK_OFF, &ExportFile::Errors, &text);
    assert_eq!(
        out,
        "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"processing\"},{\"severity\":\"warning\",\"code\":\"not-found\"}]}\n"
    );
    assert_eq!(filtered, Filtered { released: 1, dropped: 3 });
}

#[test]
fn d53_deletions_are_told_of_types_that_are_given_whole() {
    let entry = |method: &str, url: &str| {
        format!(r#"{{"request":{{"method":"{method}","url":"{url}"}},"resource":{{"x":"OTHER"}}}}"#)
    };
    let bundle = |entries: &[String]| {
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","))
    };
    let text = bundle(&[
        entry("DELETE", "Observation/1"),
        entry("DELETE", "Condition/2"),
        entry("PUT", "Observation/3"),
        entry("DELETE", "Observation/4/_history/1"),
        entry("DELETE", "http://evil.example/Observation/5"),
        entry("DELETE", "Observation?code=x"),
    ]);
    let told = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Observation/1"}}]}"#;
    let engine = ehr_engine("");
    let deleted = |token: &str, call: &str| lines(&engine, token, call, &ExportFile::Deleted, &text).0;
    assert_eq!(deleted("system/*.rs", KICK_OFF), format!("{told}\n"));
    assert!(deleted("system/*.rs", "GET /$export").contains("Condition/2"));
    let granular = "GET /$export?_type=Observation&_typeFilter=Observation%3Fcategory%3Dlaboratory";
    assert_eq!(deleted("system/Observation.rs?category=laboratory", granular), "");
}
