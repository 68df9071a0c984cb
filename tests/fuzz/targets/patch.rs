//! PATCH, by JSON Patch and FHIRPath Patch: what goes on is the patient's before and after, and says which version it is for.
#![no_main]

use fuzz::{claims, decided, forwarded, issuer, request};
use libfuzzer_sys::fuzz_target;
use policy::decision::Lookup;
use policy::request::{Caller, Header, Stored};

const STORED: &str = r#"{"resourceType":"Observation","id":"O1","meta":{"versionId":"3"},"status":"final","subject":{"reference":"Patient/ME"},"code":{"text":"x"},"note":[{"text":"a"},{"text":"b"}]}"#;
/// Patches that bring the record to another patient are never forwarded; these texts show one that does.
const OTHER: &str = "Patient/OTHER";

fuzz_target!(|bytes: &[u8]| {
    let Some((which, body)) = bytes.split_first() else { return };
    let media: &[u8] = if which % 2 == 0 { b"application/json-patch+json" } else { b"application/fhir+json" };
    let (claims, issuer) = (claims("patient/*.cruds"), issuer());
    let headers = [Header { name: "host", value: b"gw.example" }, Header { name: "content-type", value: media }];
    let lookup = Lookup { path: "/Observation/O1".to_owned(), query: String::new() };
    let stored = [Stored { lookup: &lookup, status: 200, etag: Some("W/\"3\""), body: STORED.as_bytes() }];
    let caller = Caller::Verified(&claims, &issuer);
    let decision = decided(&request("PATCH", "/fhir/Observation/O1", &headers, body, caller, &stored));
    assert_eq!(decision, decided(&request("PATCH", "/fhir/Observation/O1", &headers, body, caller, &stored)));
    let Some(upstream) = forwarded(&decision) else { return };
    assert!(upstream.body.is_none(), "the body goes as it came: {upstream:?}");
    let versions: Vec<_> = upstream.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("if-match")).collect();
    assert!(versions.len() == 1 && &*versions[0].1 == b"W/\"3\"", "{upstream:?}");
    let patch: serde_json::Value = serde_json::from_slice(body).expect("what is forwarded is JSON");
    if which % 2 == 0 {
        for one in patch.as_array().expect("a JSON Patch is a list") {
            let whole = one["op"] == "replace" && one["path"] == "/subject/reference" && one["value"] == OTHER;
            let last = patch.as_array().and_then(|all| all.last()) == Some(one);
            assert!(!(whole && last), "{patch}");
        }
    }
});
