//! The claims `tags`, `clearance` and `role_ids`: their form, and that reading them trusts nobody.

use super::*;

fn read(claims: &Value) -> Option<Claims> {
    let fixture = Fixture::new();
    fixture.ask(&fixture.snapshot(1), &fixture.token(claims), NOW).claims().cloned()
}

#[test]
fn tags_are_keys_with_lists_of_texts() {
    let many: serde_json::Map<_, _> = (0..50).map(|number| (number.to_string(), json!(["v"]))).collect();
    for (tags, keys) in [
        (json!({}), 0),
        (json!({"dept": ["cardio"]}), 1),
        (json!({"dept": ["cardio", "icu"], "site": ["a"]}), 2),
        (json!({"dept": []}), 0),
        (json!({"k".repeat(127): ["v".repeat(255)]}), 1),
        (json!({"k": vec!["v"; 200]}), 1),
        (json!(many), 50),
    ] {
        let claims = read(&with("tags", tags.clone()));
        assert_eq!(claims.map(|claims| claims.tags.len()), Some(keys), "{tags}");
    }
    assert_eq!(read(&with("tags", json!({"dept": ["cardio"]}))).unwrap().tags["dept"], ["cardio"]);
}

#[test]
fn a12_tags_of_another_form_are_a_fault_of_the_token() {
    let many: serde_json::Map<_, _> = (0..51).map(|number| (number.to_string(), json!(["v"]))).collect();
    for tags in [
        json!(null),
        json!("dept"),
        json!(["dept"]),
        json!(1),
        json!({"dept": "cardio"}),
        json!({"dept": null}),
        json!({"dept": {"cardio": true}}),
        json!({"dept": ["cardio", 1]}),
        json!({"dept": [["cardio"]]}),
        json!({"": ["cardio"]}),
        json!({"k".repeat(128): ["v"]}),
        json!({"k": ["v".repeat(256)]}),
        json!({"k": vec!["v"; 201]}),
        json!(many),
    ] {
        assert_eq!(Fixture::new().claims_reason(&with("tags", tags.clone())), Some(Reason::MalformedToken), "{tags}");
    }
    for clearance in [json!(null), json!(1), json!(["R"]), json!({})] {
        let reason = Fixture::new().claims_reason(&with("clearance", clearance.clone()));
        assert_eq!(reason, Some(Reason::MalformedToken), "{clearance}");
    }
}

#[test]
fn an_untrusted_issuers_claims_are_handed_on_with_the_issuer_who_is_not_trusted() {
    let mut fixture = Fixture::new();
    fixture.parts.issuers[0].trusted_for_roles = false;
    let snapshot = fixture.snapshot(1);
    let mut claims = with("tags", json!({"dept": ["cardio"]}));
    claims["clearance"] = json!("R");
    let credential = fixture.ask(&snapshot, &fixture.token(&claims), NOW);
    let Caller::Verified(claims, issuer) = credential.caller(snapshot.bundle()) else { panic!("{credential:?}") };
    assert!(!issuer.trusted_for_roles, "what the decision goes by");
    assert_eq!((claims.tags.len(), claims.clearance.as_deref()), (1, Some("R")));
    assert_eq!(claims.kind, policy::claims::TokenKind::Foreign);
}
