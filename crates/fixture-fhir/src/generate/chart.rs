//! The plain part of a chart: the patient and what names them as charts do.
//!
//! Invariant: whatever stands here names its patient by a relative reference in the element of its owner.

use serde_json::{Value, json};

use super::{Cast, MRN, category, concept};

pub(super) fn records(cast: &mut Cast<'_>) -> Vec<Value> {
    let mut all = vec![patient(cast), encounter(cast)];
    for number in 0..2 + cast.draw.below(3) {
        all.push(observation(cast, &format!("obs{number}")));
    }
    all.extend(clinical(cast));
    all.extend(administrative(cast));
    all
}

fn patient(cast: &mut Cast<'_>) -> Value {
    let (practitioner, organization, date) = (cast.practitioner(), cast.organization(), cast.draw.date());
    let mut members = json!({
        "active": true,
        "identifier": [{"system": MRN, "value": format!("MRN-{}", cast.own)}],
        "name": [{"family": cast.draw.pick(&["Doe", "Jones", "Okafor", "Lindt"]), "given": [format!("Given{}", cast.own)]}],
        "gender": cast.draw.pick(&["female", "male", "other"]),
        "birthDate": date,
        "generalPractitioner": [practitioner],
        "managingOrganization": organization,
    });
    // of three patients one is linked to another
    if let (0, Some(members)) = (cast.own % 3, members.as_object_mut()) {
        members.insert("link".to_owned(), json!([{"other": cast.other(), "type": "seealso"}]));
    }
    cast.record("Patient", "p", members)
}

fn encounter(cast: &mut Cast<'_>) -> Value {
    let (practitioner, organization, date) = (cast.practitioner(), cast.organization(), cast.draw.date());
    let members = json!({
        "status": "finished", "class": {"code": "AMB"}, "subject": cast.me(), "period": {"start": date},
        "participant": [{"individual": practitioner}], "serviceProvider": organization,
        "location": [{"location": {"reference": "Location/ward"}}],
    });
    cast.record("Encounter", "enc", members)
}

fn observation(cast: &mut Cast<'_>, name: &str) -> Value {
    let (practitioner, date) = (cast.practitioner(), cast.draw.date());
    let value = f64::from(u32::try_from(cast.draw.below(2000)).unwrap_or(0)) / 10.0;
    let members = json!({
        "status": "final",
        "category": category(cast.draw.pick(&["vital-signs", "laboratory", "social-history"])),
        "code": concept("http://loinc.org", cast.draw.pick(&["29463-7", "8302-2", "4548-4", "HIV"])),
        "subject": cast.me(), "encounter": cast.mine("Encounter", "enc"), "performer": [practitioner],
        "effectiveDateTime": date, "valueQuantity": {"value": value, "unit": "kg"},
    });
    cast.record("Observation", name, members)
}

fn clinical(cast: &mut Cast<'_>) -> Vec<Value> {
    let (practitioner, date) = (cast.practitioner(), cast.draw.date());
    let (me, encounter) = (cast.me(), cast.mine("Encounter", "enc"));
    let code = concept("http://snomed.info/sct", cast.draw.pick(&["44054006", "86406008"]));
    let records = [
        ("Condition", "cond", json!({"subject": me, "code": code, "encounter": encounter, "recordedDate": date})),
        ("AllergyIntolerance", "all", json!({"patient": me, "recorder": practitioner, "code": {"text": "nuts"}})),
        (
            "MedicationRequest",
            "med",
            json!({"status": "active", "intent": "order", "subject": me, "requester": practitioner,
            "medicationReference": {"reference": "Medication/drug"}, "authoredOn": date}),
        ),
        ("Procedure", "proc", json!({"status": "completed", "subject": me, "performer": [{"actor": practitioner}]})),
        (
            "DiagnosticReport",
            "rep",
            json!({"status": "final", "code": code, "subject": me,
            "result": [cast.mine("Observation", "obs0")]}),
        ),
        ("CareTeam", "team", json!({"status": "active", "subject": me, "participant": [{"member": practitioner}]})),
        ("Immunization", "imm", json!({"status": "completed", "patient": me, "occurrenceDateTime": date})),
    ];
    records.into_iter().map(|(kind, name, members)| cast.record(kind, name, members)).collect()
}

fn administrative(cast: &mut Cast<'_>) -> Vec<Value> {
    let (me, organization) = (cast.me(), cast.organization());
    let binary = format!("Binary/bin-{}", cast.own);
    let records = [
        ("Coverage", "cov", json!({"status": "active", "beneficiary": me, "payor": [organization]})),
        ("Consent", "cons", json!({"status": "active", "patient": me, "dateTime": cast.draw.date()})),
        (
            "Task",
            "task",
            json!({"status": "requested", "intent": "order", "for": me,
            "focus": cast.mine("MedicationRequest", "med")}),
        ),
        ("RelatedPerson", "rel", json!({"patient": me, "name": [{"family": "Kin"}]})),
        ("Device", "dev", json!({"status": "active", "patient": me})),
        (
            "List",
            "list",
            json!({"status": "current", "mode": "working", "subject": me,
            "entry": [{"item": cast.mine("Condition", "cond")}]}),
        ),
        (
            "DocumentReference",
            "doc",
            json!({"status": "current", "subject": me,
            "content": [{"attachment": {"contentType": "text/plain", "url": binary}}]}),
        ),
        ("Binary", "bin", json!({"contentType": "text/plain", "data": "aGVsbG8="})),
        (
            "Provenance",
            "prov",
            json!({"target": [cast.mine("Observation", "obs0")], "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": organization}]}),
        ),
    ];
    records.into_iter().map(|(kind, name, members)| cast.record(kind, name, members)).collect()
}
