//! URL and query: what goes upstream is read the same again, and says what the rule needs.
#![no_main]

use fuzz::{BASE, claims, decided, forwarded, issuer, request};
use libfuzzer_sys::fuzz_target;
use policy::request::{Caller, Header};

const SCOPES: [&str; 3] = ["patient/*.rs", "patient/Observation.rs?category=laboratory patient/Encounter.s", "user/*.rs"];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let Ok(target) = std::str::from_utf8(rest) else { return };
    let which = usize::from(*which) % SCOPES.len();
    let (claims, issuer) = (claims(SCOPES[which]), issuer());
    let headers = [Header { name: "host", value: b"gw.example" }];
    let ask = |target: &str| decided(&request("GET", target, &headers, b"", Caller::Verified(&claims, &issuer), &[]));
    let first = ask(target);
    assert_eq!(first, ask(target), "a decision is a function");
    let Some(upstream) = forwarded(&first) else { return };
    assert!(upstream.path.starts_with('/') && !upstream.path.contains(['?', '#', ' ', '\\', ';']), "{upstream:?}");
    assert!(upstream.query.is_ascii() && !upstream.query.contains([';', '#', ' ', '\\']), "{upstream:?}");
    let path: Vec<&str> = upstream.path.split('/').collect();
    assert!(!path.iter().any(|segment| *segment == ".." || *segment == "."), "{upstream:?}");
    let interaction = first.interaction.map(policy::operation::Interaction::as_str);
    if which == 0 && interaction == Some("search-type") && first.resource_type.as_deref() == Some("Observation") {
        let own = upstream.query.split('&').any(|one| {
            let value = one.split_once('=').map(|(_, value)| value);
            matches!(value, Some("Patient/ME" | "Patient%2FME"))
        });
        assert!(own, "a search by a patient's rule is narrowed: {upstream:?}");
    }
    // What is sent says the same when it is read again: nothing in it is read in a second way.
    if first.operation.is_some() {
        let question = if upstream.query.is_empty() { "" } else { "?" };
        let again = format!("{}{}{question}{}", &BASE["https://gw.example".len()..], upstream.path, upstream.query);
        let second = ask(&again);
        // `*` becomes the includes that are granted, which are more than a client may write out itself.
        if first.related.len() > 20 && second.reason() == Some(policy::Reason::TooLarge) {
            return;
        }
        let sent = forwarded(&second).unwrap_or_else(|| panic!("{again} is refused: {second:?}"));
        assert_eq!(sent.path, upstream.path, "{again}");
        let parts = |query: &str| {
            let mut parts: Vec<String> = query.split('&').map(str::to_owned).collect();
            parts.sort();
            parts.dedup();
            parts
        };
        assert_eq!(parts(&sent.query), parts(&upstream.query), "{again}");
    }
});
