//! The records that the attacks are run on: the fixture's own, more that cases name, and whole charts of other patients.
//!
//! Invariant: what a `patient/` rule of ME can never open holds [`CANARY`] in every string that is free text, so that
//! each leak shows; what it can open does not hold it. Whose a record is stands here by name, not by what the engine says.

use fixture_fhir::{Mind, Server, generate};
use serde_json::{Map, Value, json};
use testkit::{ehr, records};

/// What no caller who is bound to ME may see. Base64 of whole bytes, so that it can be the data of a Binary too.
pub(crate) const CANARY: &str = "xCanaryOther";

/// The types of which all generated records are nobody's.
const SHARED_TYPES: &[&str] = &["Location", "Medication", "Organization", "Practitioner", "PractitionerRole"];

/// A record with what the tests know of it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) kind: String,
    pub(crate) id: String,
    /// As it is stored.
    pub(crate) text: String,
    /// Whether a caller who is bound to ME may never see it.
    pub(crate) foreign: bool,
}

/// All records, in the order that they are stored.
pub(crate) struct World {
    pub(crate) records: Vec<Known>,
    servers: Vec<(Mind, Server)>,
}

impl World {
    /// The records, and a server of each mind.
    pub(crate) fn new(minds: &[Mind]) -> Self {
        let mut all: Vec<Known> = earlier_versions();
        all.extend(records::stored().map(|name| fixture(name, name)));
        all.extend(of_the_cases());
        all.extend(generate(7, 3).into_iter().map(generated));
        let of = |mind: &Mind| {
            let mut server = Server::new(all.iter().map(|known| &*known.text), ehr::UPSTREAM, *mind);
            // A search of ME's that can be paged through, so that its link can be tampered with: `search-1`.
            server.serve("GET", "/Observation?patient=Patient/ME&_count=1", &[], b"");
            (*mind, server)
        };
        let servers = minds.iter().map(of).collect();
        Self { records: all, servers }
    }

    /// A server of its own with these records.
    pub(crate) fn server(&self, mind: Mind) -> Server {
        self.servers.iter().find(|(known, _)| *known == mind).map(|(_, server)| server.clone()).unwrap()
    }

    /// Those that a caller who is bound to ME may never see.
    pub(crate) fn foreign(&self) -> impl Iterator<Item = &Known> {
        self.records.iter().filter(|known| known.foreign)
    }
}

/// A record of the fixture.
fn fixture(name: &str, id: &str) -> Known {
    let text = records::text(name);
    let foreign = !records::OWN.contains(&id) && !records::SHARED.contains(&id);
    // Of this one the text is the point: a member stands in it twice.
    if name == "OBS-DUPLICATE" {
        let text = text.replacen('{', &format!(r#"{{"note":[{{"text":"{CANARY}"}}],"#), 1);
        return Known { kind: "Observation".to_owned(), id: id.to_owned(), text, foreign };
    }
    // The record is ME's; who is inside of it is not.
    if name == "OBS-SMUGGLED" {
        let text = text.replace("Jones", CANARY);
        return Known { kind: "Observation".to_owned(), id: id.to_owned(), text, foreign: false };
    }
    known(serde_json::from_str(text).unwrap(), Some(text), foreign)
}

/// What is stored before the present versions: `OBS-MOVED` was ME's, and `C-R` had no label.
fn earlier_versions() -> Vec<Known> {
    let unlabelled = json!({"resourceType": "Condition", "id": "C-R", "subject": {"reference": "Patient/ME"},
        "note": [{"text": CANARY}]});
    let moved: Value = serde_json::from_str(records::text("OBS-MOVED-V1")).unwrap();
    vec![known(moved, None, true), known(unlabelled, None, true)]
}

/// What cases name that the fixture has not.
fn of_the_cases() -> Vec<Known> {
    let other = json!({"reference": "Patient/OTHER"});
    let shared = json!({"resourceType": "Practitioner", "id": "DOC", "name": [{"family": "Park"}]});
    let foreign = [
        json!({"resourceType": "Composition", "id": "C-OTHER", "status": "final", "subject": other}),
        json!({"resourceType": "MessageHeader", "id": "M1", "focus": [other]}),
        json!({"resourceType": "VerificationResult", "id": "V1", "target": [other]}),
        json!({"resourceType": "Consent", "id": "CONSENT-OTHER", "status": "active", "patient": other,
            "provision": {"period": {"end": "2020-01-01"}, "actor": [{"reference": {"reference": "Patient/ME"}}]}}),
        json!({"resourceType": "Observation", "id": "OBS-INLINE", "subject": other, "valueString": "x",
            "_valueString": {"extension": [{"url": "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label",
            "valueCoding": {"system": fixture_fhir::CONFIDENTIALITY, "code": "R"}}]}}),
        json!({"resourceType": "Observation", "id": "OBS-NARRATIVE", "subject": other, "code": {"text": "x"},
            "text": {"status": "generated", "div": "<div>x</div>"}, "performer": [{"display": "x"}]}),
        json!({"resourceType": "Encounter", "id": "E-WARD", "subject": other, "location": [{"location": {"reference": "Location/WARD"}}]}),
        json!({"resourceType": "Observation", "id": "OBS-BY-P1", "subject": other, "code": {"text": "HIV"},
            "performer": [{"reference": "Practitioner/P1"}]}),
    ];
    let foreign = foreign.into_iter().map(|record| known(record, None, true));
    let ward = json!({"resourceType": "Location", "id": "WARD", "name": "Ward"});
    [known(shared, None, false), known(ward, None, false)].into_iter().chain(foreign).collect()
}

fn generated(record: Value) -> Known {
    let kind = record["resourceType"].as_str().unwrap();
    let nobodys = match kind {
        "Device" => record.get("patient").is_none(),
        shared => SHARED_TYPES.contains(&shared),
    };
    let foreign = !nobodys;
    known(record, None, foreign)
}

fn known(mut record: Value, text: Option<&str>, foreign: bool) -> Known {
    let (kind, id) = (string(&record, "resourceType"), string(&record, "id"));
    if foreign {
        mark(&mut record, "");
        enrich(record.as_object_mut().unwrap(), &kind, &id);
    }
    let text = text.filter(|_| !foreign).map_or_else(|| record.to_string(), str::to_owned);
    Known { kind, id, text, foreign }
}

fn string(record: &Value, name: &str) -> String {
    record[name].as_str().unwrap().to_owned()
}

/// What a server works with keeps its text: names, references, codes, dates, and what an identifier is found by.
const KEPT: &[&str] = &[
    "resourceType",
    "id",
    "reference",
    "system",
    "code",
    "url",
    "status",
    "mode",
    "intent",
    "type",
    "use",
    "gender",
    "versionId",
    "contentType",
    "criteria",
];

/// Puts the canary into each string that is free.
fn mark(value: &mut Value, name: &str) {
    match value {
        Value::String(text) => {
            let date = text.len() >= 4 && text.bytes().take(4).all(|byte| byte.is_ascii_digit());
            if name == "data" {
                CANARY.clone_into(text);
            } else if !KEPT.contains(&name) && !date {
                text.push(' ');
                text.push_str(CANARY);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, name)),
        // The system of an identifier is kept by its name.
        Value::Object(_) if name == "identifier" => {}
        Value::Object(members) => members.iter_mut().for_each(|(name, member)| mark(member, name)),
        _ => {}
    }
}

/// Puts in more of what a record may have, so that there is something to leak in each.
fn enrich(members: &mut Map<String, Value>, kind: &str, id: &str) {
    if kind == "Binary" {
        return;
    }
    let said = format!("{CANARY} {id}");
    members.entry("text").or_insert_with(|| json!({"status": "generated", "div": format!("<div>{said}</div>")}));
    let identifiers = members.entry("identifier").or_insert_with(|| json!([]));
    if let Some(list) = identifiers.as_array_mut() {
        list.push(json!({"system": "urn:canary", "value": said}));
        let found_by = match id {
            "OTHER" => Some("OTHERMRN"),
            "OBS-OTHER" => Some("OTHERS"),
            _ => None,
        };
        list.extend(found_by.map(|value| json!({"system": "x", "value": value})));
    }
    members.entry("extension").or_insert_with(|| json!([{"url": "urn:canary", "valueString": said}]));
    if kind == "Patient" {
        members.insert("birthDate".to_owned(), "1950-03-01".into());
        members.insert("telecom".to_owned(), json!([{"system": "phone", "value": said}]));
    }
}
