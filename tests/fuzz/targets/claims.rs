//! Claims of a token: what is read is written and read again, and no token gives more by an untrusted issuer.
#![no_main]

use decision::Grants;
use fuzz::{ENGINE, decided, issuer, request};
use libfuzzer_sys::fuzz_target;
use policy::bundle::Issuer;
use policy::claims::Claims;
use policy::request::{Caller, Header};

fuzz_target!(|bytes: &[u8]| {
    let Ok(claims) = serde_json::from_slice::<Claims>(bytes) else { return };
    let written = serde_json::to_vec(&claims).expect("claims are JSON");
    assert_eq!(serde_json::from_slice::<Claims>(&written).expect("and are read again"), claims);
    let trusted = issuer();
    let untrusted = Issuer { trusted_for_roles: false, ..issuer() };
    let nobody = Claims { patient: None, ..claims.clone() };
    let _ = Grants::new(&ENGINE, &Caller::Verified(&claims, &trusted)).heap_bytes();
    let headers = [Header { name: "host", value: b"gw.example" }];
    for target in ["/fhir/Patient/ME", "/fhir/Observation?code=x", "/fhir/Organization/1", "/fhir/?_type=Observation"] {
        let ask = |claims: &Claims, issuer: &Issuer| {
            decided(&request("GET", target, &headers, b"", Caller::Verified(claims, issuer), &[]))
        };
        let smart = claims.scope.as_deref().unwrap_or_default().contains('/');
        // Beside SMART scopes roles bound what `user/` gives, so without trust there is less to bound.
        assert!(smart || !ask(&claims, &untrusted).permits() || ask(&claims, &trusted).permits(), "{claims:?}");
        let alone = ask(&nobody, &trusted);
        assert!(!alone.permits() || alone.rules.iter().all(|rule| !rule.starts_with("patient/")), "{alone:?}");
    }
});
