//! The part of a chart that is hard to own: each record names its patient in a way that proves less, or names two.
//!
//! Invariant: the id of a record says which way (`two-subjects`, `by-identifier`), and every way is in every chart.

use serde_json::{Value, json};

use super::{BASE, Cast, MRN, category, concept};

pub(super) fn records(cast: &mut Cast<'_>) -> Vec<Value> {
    let mut all = subjects(cast);
    all.extend(observations(cast));
    all.extend(of_two(cast));
    all.extend(without_owner(cast));
    all
}

/// Observations that differ in how `subject` is written.
fn subjects(cast: &mut Cast<'_>) -> Vec<Value> {
    let (own, me) = (cast.own, cast.me.clone());
    let ways = [
        ("of-group", json!({"reference": format!("Group/pair-{own}")})),
        ("by-identifier", json!({"identifier": {"system": MRN, "value": format!("MRN-{own}")}})),
        ("foreign-base", json!({"reference": format!("https://other.example/fhir/{me}")})),
        ("own-base", json!({"reference": format!("{BASE}/{me}")})),
        ("versioned", json!({"reference": format!("{me}/_history/1")})),
        ("wrong-type", json!({"reference": me, "type": "Practitioner"})),
        ("conditional", json!({"reference": format!("Patient?identifier={MRN}|MRN-{own}")})),
        ("missing-patient", json!({"reference": "Patient/nobody"})),
        ("of-device", cast.mine("Device", "dev")),
        ("of-place", json!({"reference": "Location/ward"})),
        ("display-only", json!({"display": "somebody"})),
        ("other-case", json!({"reference": format!("patient/p-{own}")})),
    ];
    ways.into_iter().map(|(name, subject)| plain(cast, name, json!({ "subject": subject }))).collect()
}

/// An Observation with these members besides the usual ones.
fn plain(cast: &mut Cast<'_>, name: &str, members: Value) -> Value {
    let mut all = json!({
        "status": "final",
        "category": category(cast.draw.pick(&["vital-signs", "laboratory"])),
        "code": concept("http://loinc.org", "8302-2"),
    });
    if let (Some(all), Value::Object(members)) = (all.as_object_mut(), members) {
        all.extend(members);
    }
    cast.record("Observation", name, all)
}

/// Observations that name another patient, or hold one.
fn observations(cast: &mut Cast<'_>) -> Vec<Value> {
    let (me, other) = (cast.me(), cast.other());
    let contained = json!([{"resourceType": "Patient", "id": "inside", "name": [{"family": "Inside"}]}]);
    let ways = [
        ("other-performs", json!({"subject": me, "performer": [other]})),
        ("i-perform", json!({"subject": other, "performer": [me]})),
        ("other-focus", json!({"subject": me, "focus": [other]})),
        ("my-focus", json!({"subject": other, "focus": [me]})),
        ("contained-subject", json!({"subject": {"reference": "#inside"}, "contained": contained})),
        ("contained-beside", json!({"subject": me, "contained": contained, "performer": [{"reference": "#inside"}]})),
        (
            "contained-other",
            json!({"subject": me,
            "contained": [{"resourceType": "Condition", "id": "c", "subject": other, "code": {"text": "hidden"}}],
            "focus": [{"reference": "#c"}]}),
        ),
        ("no-subject", json!({})),
        ("derived-from-other", json!({"subject": me, "derivedFrom": [cast.theirs("Observation", "obs0")]})),
        (
            "inline-label",
            json!({"subject": me, "valueString": "secret", "_valueString": {"extension": [{
            "url": "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label",
            "valueCoding": {"system": super::CONFIDENTIALITY, "code": "R"}}]}}),
        ),
        ("number-subject", json!({"subject": {"reference": 7}})),
    ];
    ways.into_iter().map(|(name, members)| plain(cast, name, members)).collect()
}

/// Records of two patients.
fn of_two(cast: &mut Cast<'_>) -> Vec<Value> {
    let (me, other) = (cast.me(), cast.other());
    let theirs = cast.theirs("Observation", "obs0");
    let records = [
        ("Coverage", json!({"status": "active", "beneficiary": me, "subscriber": other, "payor": [other]})),
        ("DiagnosticReport", json!({"status": "final", "code": {"text": "panel"}, "subject": me, "result": [theirs]})),
        ("CareTeam", json!({"status": "active", "subject": me, "participant": [{"member": other}]})),
        ("List", json!({"status": "current", "mode": "working", "subject": me, "entry": [{"item": theirs}]})),
        ("Provenance", json!({"target": [theirs, me], "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": me}]})),
        ("Task", json!({"status": "requested", "intent": "order", "for": other, "owner": me, "focus": theirs})),
        ("MedicationRequest", json!({"status": "active", "intent": "order", "subject": other, "requester": me})),
        ("Consent", json!({"status": "active", "patient": other, "performer": [me]})),
        ("Communication", json!({"status": "completed", "subject": me, "recipient": [other], "sender": me})),
        (
            "DocumentReference",
            json!({"status": "current", "subject": other, "author": [me],
            "content": [{"attachment": {"url": format!("{BASE}/Binary/two-{}", cast.own)}}]}),
        ),
        ("Binary", json!({"contentType": "text/plain", "data": "aGk=", "securityContext": other})),
        (
            "Encounter",
            json!({"status": "finished", "class": {"code": "AMB"}, "subject": other,
            "participant": [{"individual": cast.mine("RelatedPerson", "rel")}]}),
        ),
        (
            "AuditEvent",
            json!({"type": {"code": "rest"}, "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": me, "requestor": true}], "entity": [{"what": other}], "source": {"observer": other}}),
        ),
        ("Composition", json!({"status": "final", "subject": me, "section": [{"entry": [theirs]}]})),
    ];
    records.into_iter().map(|(kind, members)| cast.record(kind, "two", members)).collect()
}

/// Records that name no patient though their type could.
fn without_owner(cast: &mut Cast<'_>) -> Vec<Value> {
    let practitioner = cast.practitioner();
    let records = [
        ("Device", json!({"status": "active"})),
        ("List", json!({"status": "current", "mode": "working", "source": practitioner})),
        ("Task", json!({"status": "requested", "intent": "order"})),
        ("Binary", json!({"contentType": "text/plain", "data": "aG8="})),
        (
            "Provenance",
            json!({"target": [practitioner], "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": practitioner}]}),
        ),
        ("Consent", json!({"status": "active"})),
    ];
    records.into_iter().map(|(kind, members)| cast.record(kind, "none", members)).collect()
}
