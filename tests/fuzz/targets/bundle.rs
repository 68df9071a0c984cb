//! The content of a bundle: what decodes is valid, is encoded the same again, and makes an engine that decides.
#![no_main]

use decision::{Arena, Engine, Grants, decide};
use fuzz::{SMALL, claims, issuer, request, role};
use libfuzzer_sys::fuzz_target;
use policy::Bundle;
use policy::claims::Claims;
use policy::request::{Caller, Header};

/// The content as it is, or a good one with changes: three bytes each, a place and what stands there then.
fn content(bytes: &[u8]) -> Vec<u8> {
    let Some((first, changes)) = bytes.split_first().filter(|(first, _)| **first < 0x80) else { return bytes.to_vec() };
    let mut content = SMALL.clone();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % content.len();
        match first % 3 {
            0 => content[place] = change[2],
            1 => content.insert(place, change[2]),
            _ => drop(content.remove(place)),
        }
    }
    content
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = Bundle::decode(&content(bytes)) else { return };
    let encoded = bundle.encode().expect("what was decoded is encoded");
    let again = Bundle::decode(&encoded).expect("and decoded again");
    assert_eq!(again, bundle);
    let host = bundle.parts().service.base_url.clone();
    let authority = host.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
    let path = host.split("://").nth(1).and_then(|rest| rest.split_once('/')).map_or("", |(_, path)| path).to_owned();
    let engine = Engine::new(bundle);
    let (claims, issuer) = (Claims { role_ids: vec![role()], ..claims("") }, issuer());
    let smart = Claims { scope: Some("patient/*.cruds system/*.r".to_owned()), ..claims.clone() };
    let headers = [Header { name: "host", value: authority.as_bytes() }];
    for (method, below) in [("GET", "/Observation?patient=ME&_include=*"), ("GET", "/Patient/ME"), ("POST", "/Observation"), ("GET", "/")] {
        let target = if path.is_empty() { below.to_owned() } else { format!("/{path}{below}") };
        for claims in [&claims, &smart] {
            let request = request(method, &target, &headers, b"", Caller::Verified(claims, &issuer), &[]);
            let _ = decide(&engine, &request, &Grants::new(&engine, &request.caller), &Arena::new());
        }
    }
});
