//! The response filter: what is released is JSON, a part of what came, and the patient's own.
#![no_main]

use decision::{Answer, Grants, Outcome, respond};
use fuzz::{ENGINE, UPSTREAM, claims, issuer, request, says};
use libfuzzer_sys::fuzz_target;
use policy::request::{Caller, Header};
use serde_json::Value;

const CALLS: [(&str, bool); 4] = [
    ("/fhir/Observation?code=x", true),
    ("/fhir/Observation/O1", false),
    ("/fhir/Observation?_include=Observation:encounter", true),
    ("/fhir/Encounter?_elements=status", true),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, body)) = bytes.split_first() else { return };
    let (target, is_search) = CALLS[usize::from(*which) % CALLS.len()];
    let (claims, issuer) = (claims("patient/*.rs"), issuer());
    let headers = [Header { name: "host", value: b"gw.example" }];
    let request = request("GET", target, &headers, b"", Caller::Verified(&claims, &issuer), &[]);
    let grants = Grants::new(&ENGINE, &request.caller);
    let answer = Answer { status: 200, headers: &[], body, upstream_base: UPSTREAM };
    let mut seal = |_: &str| Some("https://gw.example/fhir?_page=x".to_owned());
    let Outcome::Release(released) = respond(&ENGINE, &request, &grants, &answer, &mut seal) else { return };
    let out = released.body.bytes(body);
    assert_eq!(out.len(), released.body.len(), "every piece lies in the body");
    if released.status != 200 {
        assert!(released.released == 0, "{released:?}");
        return;
    }
    let text = std::str::from_utf8(&out).expect("what is released is UTF-8");
    let value: Value = serde_json::from_str(text).unwrap_or_else(|fault| panic!("{fault} in {text}"));
    // What was released can be released again, and nothing of it is dropped then.
    let came: Value = serde_json::from_slice(body).expect("and so was what came");
    let none = Vec::new();
    let resources = |all: &Value| -> Vec<Value> {
        if !is_search {
            return vec![all.clone()];
        }
        let entries = all["entry"].as_array().unwrap_or(&none);
        entries.iter().map(|entry| entry["resource"].clone()).collect()
    };
    let given = resources(&came);
    for one in resources(&value) {
        let kind = one["resourceType"].as_str().unwrap_or_default();
        if kind == "OperationOutcome" {
            continue;
        }
        if !target.contains("_elements") {
            assert!(given.contains(&one), "it is one that came: {one}");
        }
        if matches!(kind, "Observation" | "Encounter" | "Condition") && !target.contains("_elements") {
            assert!(says(&one, "Patient/ME"), "it is the patient's: {one}");
        }
        if kind == "Patient" {
            assert_eq!(one["id"], "ME", "{one}");
        }
    }
});
