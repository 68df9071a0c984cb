//! A whole request as bytes: one answer, whoever asks, and none that tells or sends what it must not.
#![no_main]

use decision::{Arena, Grants, explain, refuse};
use fuzz::{ENGINE, Raw, claims, decided, forwarded, issuer, request, role};
use libfuzzer_sys::fuzz_target;
use policy::claims::Claims;
use policy::decision::{Action, Verdict};
use policy::request::Caller;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let Some(raw) = Raw::read(rest) else { return };
    let headers = raw.borrowed();
    let issuer = issuer();
    let claims = match which % 4 {
        0 => claims("patient/*.cruds"),
        1 => claims("user/*.cruds system/*.cruds"),
        2 => Claims { role_ids: vec![role()], ..claims("") },
        _ => claims("patient/Observation.rs?code=x user/Patient.r"),
    };
    for caller in [Caller::Verified(&claims, &issuer), Caller::Missing] {
        let request = request(raw.method, raw.target, &headers, raw.body, caller, &[]);
        let decision = decided(&request);
        assert_eq!(decision, decided(&request), "a decision is a function");
        let said = explain(&ENGINE, &request, &Grants::new(&ENGINE, &caller), &Arena::new());
        let status = match decision.verdict {
            Verdict::Deny { status, .. } => Some(status),
            Verdict::Permit | Verdict::Undecided => None,
        };
        assert_eq!((said.status, said.reason, said.phase), (status, decision.reason(), decision.phase.as_str()));
        if let Verdict::Deny { status, reason } = decision.verdict {
            assert_eq!(decision.action, Action::None);
            assert!(decision.obligations.is_empty() && decision.rules.is_empty() && !said.next.is_empty());
            let refused = refuse(Some(&ENGINE), &decision);
            let text = String::from_utf8(refused.body.bytes(b"")).expect("our own text");
            assert!(!text.contains(reason.as_str()) && text.len() < 400 && status >= 400, "{text}");
        }
        if caller == Caller::Missing {
            let open = decision.operation.is_none();
            assert!(open || !decision.permits(), "nobody is let in: {decision:?}");
        }
        if let Some(upstream) = forwarded(&decision) {
            let forbidden = ["authorization", "host", "cookie", "range", "if-none-match", "forwarded", "content-length"];
            for (name, value) in upstream.headers.iter() {
                assert!(!forbidden.contains(&&*name.to_ascii_lowercase()), "{name}");
                assert!(!name.contains('_') && !value.contains(&b'\n') && !value.contains(&b'\r'), "{name}");
            }
        }
    }
});
