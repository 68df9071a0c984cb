//! What a token may cost: what is remembered, what is refused again without work, and how much work there is at most.

use super::*;

/// Tokens of another key under the right `kid`, all different.
fn forged(fixture: &Fixture, count: usize) -> Vec<String> {
    let good = fixture.token(&claims());
    let (_, signature) = good.rsplit_once('.').unwrap();
    let forge = |number: usize| {
        let payload = with("jti", json!(number.to_string()));
        let header = fixture.key.header("at+jwt").to_string();
        format!("{}.{}.{signature}", base64url(header), base64url(payload.to_string()))
    };
    (0..count).map(forge).collect()
}

#[test]
fn a_token_seen_before_is_the_same_value_until_the_bundle_changes() {
    let fixture = Fixture::new();
    let token = fixture.token(&claims());
    let (one, two) = (fixture.snapshot(1), fixture.snapshot(2));
    let same = |one: &Credential, other: &Credential| std::ptr::eq(one.verified().unwrap(), other.verified().unwrap());
    let first = fixture.ask(&one, &token, NOW);
    assert!(same(&first, &fixture.ask(&one, &token, NOW + 299)));
    assert!(!same(&first, &fixture.ask(&two, &token, NOW)), "what is computed for each version is computed again");
    assert!(!same(&first, &fixture.ask(&two, &token, NOW + 310)), "five minutes, whatever the bundles do");
}

#[test]
fn only_what_verified_is_found_again() {
    let fixture = Fixture::new();
    let snapshot = fixture.snapshot(1);
    for token in forged(&fixture, 10) {
        for _ in 0..3 {
            assert_eq!(fixture.ask(&snapshot, &token, NOW).refusal(), Some(Reason::BadSignature));
        }
    }
    assert_eq!(fixture.ask(&snapshot, &fixture.token(&claims()), NOW).refusal(), None);
}

#[test]
fn a_refused_signature_counts_once_its_key_is_there() {
    let mut fixture = Fixture::new();
    let next = SigningKey::es256("k1");
    let token = next.sign("at+jwt", &claims());
    assert_eq!(fixture.ask(&fixture.snapshot(1), &token, NOW).refusal(), Some(Reason::BadSignature));
    fixture.parts.issuers[0].keys = vec![bundles::issuer_key(&next)];
    assert_eq!(fixture.ask(&fixture.snapshot(2), &token, NOW).refusal(), None);
}

#[test]
fn a_flood_of_bad_tokens_runs_out_of_signatures_and_takes_nobody_elses() {
    let fixture = Fixture::new();
    let snapshot = fixture.snapshot(1);
    let known = fixture.token(&claims());
    assert_eq!(fixture.ask(&snapshot, &known, NOW).refusal(), None);
    let bad = forged(&fixture, 3_000);
    let reasons: Vec<_> = bad.iter().map(|token| fixture.ask(&snapshot, token, NOW).refusal().unwrap()).collect();
    let looked_at = reasons.iter().filter(|reason| **reason == Reason::BadSignature).count();
    assert_eq!(looked_at, 2_000, "the burst");
    assert!(reasons[2_000..].iter().all(|reason| *reason == Reason::Internal), "nothing is said of the others");

    let fresh = fixture.token(&with("jti", json!("fresh")));
    assert_eq!(fixture.ask(&snapshot, &fresh, NOW).refusal(), Some(Reason::Internal));
    assert_eq!(fixture.ask(&snapshot, &bad[1_999], NOW).refusal(), Some(Reason::BadSignature), "needs no signature");
    assert_eq!(fixture.ask(&snapshot, &known, NOW).refusal(), None, "needs none either");
    let again = fixture.snapshot(2);
    assert_eq!(fixture.ask(&again, &known, NOW).refusal(), None);
    assert_eq!(fixture.ask(&snapshot, &fresh, NOW + 1).refusal(), None, "a second later there is a budget");
}

#[test]
fn a_token_that_verified_before_is_verified_anew_whatever_the_budget() {
    let fixture = Fixture::new();
    let snapshot = fixture.snapshot(1);
    let known = fixture.token(&with("exp", json!(NOW + 3_000)));
    assert_eq!(fixture.ask(&snapshot, &known, NOW).refusal(), None);
    for token in forged(&fixture, 2_001) {
        let _ = fixture.ask(&snapshot, &token, NOW + 290);
    }
    let fresh = fixture.token(&with("jti", json!("fresh")));
    assert_eq!(fixture.ask(&snapshot, &fresh, NOW + 290).refusal(), Some(Reason::Internal));
    // A clock that stands still refills nothing, and 300 s after NOW the known one is due.
    let late = fixture.ask(&snapshot, &known, NOW + 300);
    assert_eq!((late.refusal(), late.verified().unwrap().checked_at), (None, NOW + 300));
}

#[test]
fn right_tokens_never_run_out_of_signatures() {
    let fixture = Fixture::new();
    let snapshot = fixture.snapshot(1);
    for number in 0..2_100 {
        let token = fixture.token(&with("jti", json!(number.to_string())));
        assert_eq!(fixture.ask(&snapshot, &token, NOW).refusal(), None, "{number}");
    }
}

#[test]
fn a_token_too_long_to_be_remembered_counts_and_costs_budget_each_time() {
    let fixture = Fixture::new();
    let snapshot = fixture.snapshot(1);
    let long = fixture.token(&with("sub", json!("x".repeat(5_000))));
    let counts = (0..2_100).filter(|_| fixture.ask(&snapshot, &long, NOW).refusal().is_none()).count();
    assert_eq!(counts, 2_000);
    assert!(format!("{:?}", fixture.authenticator).len() < 5_000_000, "and is not kept");
    assert!(!format!("{:?}", fixture.authenticator.cache).contains("xxxxx"), "and is not kept");
}
