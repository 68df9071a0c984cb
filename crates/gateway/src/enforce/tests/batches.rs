//! A batch has one entry of the audit for itself and one for each of its own.

use policy::audit::DecisionRecord;
use policy::decision::{Decision, Verdict};

use super::*;

fn batch(fixture: &Fixture, count: usize) -> Enforced {
    fixture.with("/v1/things/1", |inbound| {
        let mut judged = fixture.judged(inbound);
        let permit = Decision { operation: Some(0), ..Decision::bare(Verdict::Permit, Phase::Tags) };
        let deny = denial(403, Reason::NoRule, Phase::Rules);
        let entries: Vec<_> =
            (0..count).map(|index| if index % 2 == 0 { permit.clone() } else { deny.clone() }).collect();
        judged.decision.entries = entries.into();
        fixture.gateway.enforce(judged)
    })
}

fn decisions(fixture: &Fixture) -> Vec<DecisionRecord> {
    let decision = |entry: Entry| match entry.record {
        Record::Decision(decision) => Some(*decision),
        _ => None,
    };
    fixture.entries().into_iter().filter_map(decision).collect()
}

#[test]
fn each_entry_of_a_batch_is_on_record_before_the_batch_is_handed_out() {
    let fixture = Fixture::new(1 << 30);
    let Enforced::Forward(permitted) = batch(&fixture, 3) else { panic!("denied") };
    let entries = fixture.entries();
    assert!(entries.iter().all(|entry| entry.request_id == permitted.judged().request_id()));
    let seen: Vec<_> = decisions(&fixture)
        .into_iter()
        .map(|one| (one.entry, one.method, one.operation.is_some(), one.effect, one.status))
        .collect();
    assert_eq!(
        seen,
        [
            (None, "GET".to_owned(), true, Effect::Permit, None),
            (Some(0), "GET".to_owned(), true, Effect::Permit, None),
            (Some(1), "-".to_owned(), false, Effect::Deny, Some(403)),
            (Some(2), "GET".to_owned(), true, Effect::Permit, None),
        ]
    );
    drop(permitted);
    assert_eq!(fixture.entries().len(), 5, "and one outcome for all of it");
}

#[test]
fn a_batch_whose_entries_do_not_fit_is_not_handed_out() {
    let fixture = Fixture::new(64 * 1024);
    assert!(matches!(batch(&fixture, 100), Enforced::Answer(answer) if answer.status == 503));
    assert_eq!(fixture.entries().len(), 0, "nor is a part of it on record");
}

#[test]
fn a_record_without_an_entry_is_written_as_before() {
    let fixture = Fixture::new(1 << 30);
    drop(fixture.forwarded());
    let text = serde_json::to_string(&decisions(&fixture)[0]).unwrap();
    assert!(!text.contains("\"entry\""), "{text}");
}
