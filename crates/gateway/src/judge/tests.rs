//! The steps to a decision, with hand-made findings of the decision point.

use super::*;

fn case() -> Case {
    Case {
        at: DateTime::from_timestamp(1, 0).unwrap(),
        request_id: clock::request_id(DateTime::from_timestamp(1, 0).unwrap()),
        snapshot: None,
        credential: Credential::none(),
        method: "GET".to_owned(),
        ip: None,
        stored: Store::default(),
        elapsed: Duration::ZERO,
    }
}

fn lookup(id: u32) -> Lookup {
    Lookup { path: format!("/Observation/{id}"), query: String::new() }
}

/// What the decision point says when it needs these.
fn undecided(lookups: &[u32]) -> Outcome {
    let lookups: Vec<Lookup> = lookups.iter().copied().map(lookup).collect();
    let decision = Decision {
        action: Action::Lookup(lookups.into()),
        resource_type: Some("Observation".into()),
        rules: vec!["patient/*.rs".into()].into(),
        ..Decision::bare(Verdict::Undecided, Phase::Tags)
    };
    Outcome { elapsed: Duration::from_micros(3), ..decision.into() }
}

fn asked(step: Step) -> Asking {
    match step {
        Step::Asks(asking) => asking,
        Step::Decided(judged) => panic!("decided: {judged:?}"),
    }
}

fn decided(step: Step) -> Judged {
    match step {
        Step::Decided(judged) => judged,
        Step::Asks(asking) => panic!("not decided: {asking:?}"),
    }
}

fn told(asking: Asking) -> Case {
    let Asking { mut case, lookups, .. } = asking;
    case.stored.add(lookups, Vec::new());
    case
}

#[test]
fn a_decision_that_needs_what_is_stored_is_gone_on_with_once_it_came() {
    let first = asked(next(case(), undecided(&[1, 2])));
    assert_eq!(first.lookups, [lookup(1), lookup(2)]);
    let second = asked(next(told(first), undecided(&[1, 2, 3])));
    assert_eq!(second.lookups, [lookup(3)], "what is there is not fetched again");
    let judged = decided(next(told(second), Decision::bare(Verdict::Permit, Phase::Tags).into()));
    assert!(judged.decision().permits());
    assert_eq!((judged.stored.view().len(), judged.elapsed()), (3, Duration::from_micros(6)));
}

#[test]
fn a_decision_that_asks_in_vain_is_a_denial() {
    let first = asked(next(case(), undecided(&[1])));
    let judged = decided(next(told(first), undecided(&[1])));
    let expected = Verdict::Deny { status: 502, reason: Reason::ResponseUnreadable };
    assert_eq!(judged.decision().verdict, expected);
    assert_eq!((&judged.decision().action, judged.decision().rules.len()), (&Action::None, 0));
    assert_eq!(judged.decision().resource_type.as_deref(), Some("Observation"), "what is known of it is kept");
    assert_eq!(decided(next(case(), undecided(&[]))).decision().verdict, expected);
}

#[test]
fn a_decision_that_asks_without_end_is_a_denial() {
    let mut at = case();
    for round in 0..4 {
        at = told(asked(next(at, undecided(&[round]))));
    }
    assert_eq!(decided(next(at, undecided(&[9]))).decision().reason(), Some(Reason::ResponseUnreadable));
}
