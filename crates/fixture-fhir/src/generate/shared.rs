//! What no patient owns, or several share: organizations, people, places, a device, groups.
//!
//! Invariant: the groups and the appointment name every patient or a part of them, so they belong to nobody alone.

use serde_json::{Value, json};

use super::{Draw, reference};

pub(super) const ORGANIZATIONS: usize = 2;
pub(super) const PRACTITIONERS: usize = 3;

pub(super) fn records(draw: &mut Draw, patients: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for number in 0..ORGANIZATIONS {
        all.push(json!({"resourceType": "Organization", "id": format!("org-{number}"), "active": true,
            "name": format!("Clinic {number}"), "meta": draw.meta()}));
    }
    for number in 0..PRACTITIONERS {
        let organization = reference(&format!("Organization/org-{}", draw.below(ORGANIZATIONS)));
        all.push(json!({"resourceType": "Practitioner", "id": format!("doc-{number}"), "active": true,
            "name": [{"family": draw.pick(&["Silva", "Park", "Moreau"])}],
            "telecom": [{"system": "phone", "value": format!("555-{number}")}]}));
        all.push(json!({"resourceType": "PractitionerRole", "id": format!("role-{number}"), "active": true,
            "practitioner": {"reference": format!("Practitioner/doc-{number}")}, "organization": organization}));
    }
    all.push(json!({"resourceType": "Location", "id": "ward", "status": "active", "name": "Ward",
        "managingOrganization": {"reference": "Organization/org-0"}}));
    all.push(json!({"resourceType": "Medication", "id": "drug", "code": {"text": "aspirin"}}));
    all.push(json!({"resourceType": "Device", "id": "scanner", "status": "active", "location": {"reference": "Location/ward"}}));
    let everybody: Vec<Value> = (0..patients).map(|one| member(&format!("Patient/p-{one}"))).collect();
    all.push(group("everybody", &everybody));
    for number in 0..patients {
        let second = (number + 1 + draw.below(patients - 1)) % patients;
        let pair = [member(&format!("Patient/p-{number}")), member(&format!("Patient/p-{second}"))];
        all.push(group(&format!("pair-{number}"), &pair));
        let actor = |one: usize| json!({"actor": {"reference": format!("Patient/p-{one}")}, "status": "accepted"});
        all.push(json!({"resourceType": "Appointment", "id": format!("app-{number}"), "status": "booked",
            "start": format!("{}T09:00:00Z", draw.date()), "meta": draw.meta(),
            "participant": [actor(number), actor(second), {"actor": {"reference": "Practitioner/doc-0"}, "status": "accepted"}]}));
    }
    all
}

fn member(text: &str) -> Value {
    json!({ "entity": reference(text) })
}

fn group(id: &str, members: &[Value]) -> Value {
    json!({"resourceType": "Group", "id": id, "type": "person", "actual": true, "member": members})
}
