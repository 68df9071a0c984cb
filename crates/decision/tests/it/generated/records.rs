//! Synthetic records of three patients, and of nobody.
//!
//! Every way in which a resource can be somebody's, or seem to be: by each element of the compartment, by references of
//! every form, by tags and labels, by what a Provenance, a List or a DocumentReference names.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use testkit::{ehr, records};

/// One stored resource.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) text: String,
}

impl Record {
    fn of(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap();
        let member = |name: &str| value[name].as_str().unwrap().to_owned();
        Self { kind: member("resourceType"), id: member("id"), text: text.to_owned() }
    }
}

/// How each type names patients, and what else: elements that hold one reference, and those that hold a list.
const TYPES: &[(&str, &[&str], &[&str])] = &[
    ("Observation", &["subject", "encounter"], &["performer", "focus", "hasMember"]),
    ("Condition", &["subject", "asserter", "encounter"], &[]),
    ("Encounter", &["subject", "serviceProvider"], &["account"]),
    ("DiagnosticReport", &["subject"], &["result", "performer"]),
    ("MedicationRequest", &["subject", "requester", "medicationReference"], &[]),
    ("DocumentReference", &["subject"], &["author"]),
    ("Coverage", &["beneficiary", "subscriber", "policyHolder"], &["payor"]),
    ("Immunization", &["patient"], &[]),
    ("RelatedPerson", &["patient"], &[]),
    ("Patient", &["managingOrganization"], &["generalPractitioner"]),
    ("Practitioner", &[], &[]),
    ("Organization", &["partOf"], &[]),
    ("Location", &["managingOrganization"], &[]),
    ("Binary", &["securityContext"], &[]),
    ("Device", &["patient"], &[]),
    ("Task", &["for", "owner"], &[]),
    ("Provenance", &[], &["target"]),
    ("List", &["subject"], &[]),
    ("Group", &["managingEntity"], &[]),
    ("Appointment", &[], &[]),
    ("Vehicle", &[], &[]),
    ("Linkage", &["author"], &[]),
];

/// The types that records have.
pub(crate) fn types() -> Vec<&'static str> {
    TYPES.iter().map(|(name, ..)| *name).collect()
}

/// A reference in a resource, mostly a literal one to a patient.
pub(crate) fn reference() -> impl Strategy<Value = Value> {
    let patient = select(vec!["ME", "ME", "ME", "ME", "OTHER", "THIRD"]);
    let plain = patient.clone().prop_map(|id| json!({"reference": format!("Patient/{id}")}));
    let odd = patient.prop_flat_map(|id| {
        select(vec![
            json!({"reference": format!("{}/Patient/{id}", ehr::BASE)}),
            json!({"reference": format!("{}/Patient/{id}", ehr::UPSTREAM)}),
            json!({"reference": format!("https://evil.example/fhir/Patient/{id}")}),
            json!({"reference": format!("Patient/{id}/_history/2")}),
            json!({"reference": format!("Patient/{id}"), "type": "Patient"}),
            json!({"reference": format!("Patient/{id}"), "type": "Group"}),
            json!({"reference": format!("Patient/{id}"), "identifier": {"system": "urn:mrn", "value": "OTHER"}}),
            json!({"type": "Patient", "identifier": {"system": "urn:mrn", "value": id}}),
            json!({"reference": format!("Patient?identifier=urn:mrn|{id}")}),
            json!({"reference": format!("/Patient/{id}")}),
            json!({"reference": format!("patient/{id}")}),
            json!({"reference": format!("Patient/{id}#x")}),
            json!({"reference": format!("Patient/{id}/")}),
            json!({"display": id}),
            json!({"reference": "#p1"}),
            json!({"reference": "urn:uuid:0b5b1c5e-0000-4000-8000-000000000001"}),
            json!({"reference": id}),
            json!({"reference": 7}),
            json!({}),
        ])
    });
    let others = select(vec![
        "Practitioner/Practitioner-1",
        "Organization/Organization-1",
        "Organization/ORG1",
        "Encounter/Encounter-1",
        "Encounter/E-ME",
        "Observation/Observation-1",
        "Observation/OBS-ME",
        "Group/G1",
        "Location/Location-1",
        "Device/Device-1",
        "Spaceship/1",
    ])
    .prop_map(|text| json!({ "reference": text }));
    prop_oneof![6 => plain, 2 => odd, 2 => others]
}

/// `meta`, mostly none.
fn meta() -> impl Strategy<Value = Option<Value>> {
    let tag = (select(vec!["dept", "team", "function"]), select(vec!["cardio", "onc", "red", "blue", "doctor"]))
        .prop_map(|(key, value)| json!({"system": ehr::system(key), "code": value}));
    let odd = select(vec![
        json!({"system": ehr::system("dept")}),
        json!({"code": "SUBSETTED"}),
        json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}),
        json!({"system": "http://example.org/workflow", "code": "cardio"}),
    ]);
    let label = select(vec!["U", "L", "N", "N", "R", "V", "X"]).prop_flat_map(|code| {
        select(vec![
            "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
            "http://hl7.org/fhir/v3/Confidentiality",
        ])
        .prop_map(move |system| json!({"system": system, "code": code}))
    });
    let tags = vec(prop_oneof![6 => tag, 1 => odd], 0..3);
    let labels = vec(label, 0..2);
    let version = select(vec![None, Some("1"), Some("2")]);
    prop_oneof![
        2 => Just(None),
        3 => (tags, labels, version).prop_map(|(tags, labels, version)| {
            let mut meta = Map::new();
            if let Some(version) = version {
                meta.insert("versionId".to_owned(), version.into());
            }
            if !tags.is_empty() {
                meta.insert("tag".to_owned(), tags.into());
            }
            if !labels.is_empty() {
                meta.insert("security".to_owned(), labels.into());
            }
            Some(meta.into())
        }),
    ]
}

fn category() -> impl Strategy<Value = Value> {
    select(vec!["laboratory", "vital-signs", "social-history"]).prop_map(|code| {
        json!([{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": code}]}])
    })
}

/// The content of a resource of that type, without an id.
pub(crate) fn content(
    kind: &'static str,
    single: &'static [&'static str],
    lists: &'static [&'static str],
) -> impl Strategy<Value = Map<String, Value>> {
    let owner = single.len() + lists.len();
    let present = vec(prop::bool::weighted(0.6), owner.saturating_sub(1));
    let references = vec(reference(), owner);
    let more = vec(reference(), 0..2);
    let items = vec(reference(), 0..3);
    let status = select(vec!["final", "amended", "draft"]);
    let contained = prop::bool::weighted(0.06);
    (present, references, more, items, meta(), category(), status, contained).prop_map(
        move |(present, references, more, items, meta, category, status, contained)| {
            let mut map = Map::new();
            map.insert("resourceType".to_owned(), kind.into());
            if let Some(meta) = meta {
                map.insert("meta".to_owned(), meta);
            }
            let mut references = references.into_iter();
            for (at, name) in single.iter().enumerate() {
                let value = references.next().unwrap_or_default();
                if at == 0 || present.get(at - 1).copied().unwrap_or_default() {
                    map.insert((*name).to_owned(), value);
                }
            }
            for (at, name) in lists.iter().enumerate() {
                let first = references.next().unwrap_or_default();
                let at = at + single.len();
                if at == 0 || present.get(at - 1).copied().unwrap_or_default() {
                    let list: Vec<Value> = std::iter::once(first).chain(more.iter().cloned()).collect();
                    map.insert((*name).to_owned(), list.into());
                }
            }
            own(kind, &mut map, items, category, status);
            if contained {
                map.insert("contained".to_owned(), json!([{"resourceType": "Patient", "id": "p1"}]));
            }
            map
        },
    )
}

/// What only this type has.
fn own(kind: &str, map: &mut Map<String, Value>, items: Vec<Value>, category: Value, status: &str) {
    let mut set = |name: &str, value: Value| map.insert(name.to_owned(), value);
    match kind {
        "Observation" => {
            set("status", status.into());
            set("category", category);
            set("code", json!({"text": "weight"}));
            set("valueQuantity", json!({"value": 1.50}));
        }
        "Condition" | "DiagnosticReport" => {
            set("category", category);
            set("code", json!({"text": "asthma"}));
        }
        "Patient" => {
            let links: Vec<Value> = items.into_iter().map(|one| json!({"other": one, "type": "seealso"})).collect();
            set("link", links.into());
            set("name", json!([{"family": "Doe"}]));
        }
        "List" => {
            set("status", "current".into());
            set("entry", items.into_iter().map(|one| json!({ "item": one })).collect());
        }
        "Group" => {
            set("actual", true.into());
            set("member", items.into_iter().map(|one| json!({ "entity": one })).collect());
        }
        "Appointment" => {
            set("participant", items.into_iter().map(|one| json!({"actor": one, "status": "accepted"})).collect());
        }
        "Linkage" => {
            set("item", items.into_iter().map(|one| json!({"type": "source", "resource": one})).collect());
        }
        "DocumentReference" => {
            let url = if status == "final" { "Binary/BIN-NOBODY" } else { "Binary/Binary-1" };
            set("content", json!([{"attachment": {"url": url}}]));
        }
        "Vehicle" => {
            set("plate", status.into());
        }
        _ => {}
    }
}

/// A resource as a client may write it, of a type by its index.
pub(crate) fn written() -> impl Strategy<Value = (&'static str, Map<String, Value>)> {
    // Observations more often: most rules are about them.
    let index = prop_oneof![1 => Just(0), 2 => 0..TYPES.len()];
    index.prop_flat_map(|index| {
        let (kind, single, lists) = TYPES[index];
        content(kind, single, lists).prop_map(move |map| (kind, map))
    })
}

/// All that is stored: the corpus's own records, and as many generated ones of every type.
pub(crate) fn stored(each: usize) -> impl Strategy<Value = Vec<Record>> {
    let of_types: Vec<_> =
        TYPES.iter().map(|(kind, single, lists)| vec(content(kind, single, lists), each).boxed()).collect();
    of_types.prop_map(|all| {
        let mut records: Vec<Record> = records::stored().map(|name| Record::of(records::text(name))).collect();
        for (mut map, number) in all.into_iter().flat_map(|one| one.into_iter().zip(1..)) {
            let kind = map["resourceType"].as_str().unwrap().to_owned();
            let id = if kind == "Patient" && number == 1 { "THIRD".to_owned() } else { format!("{kind}-{number}") };
            map.insert("id".to_owned(), id.as_str().into());
            records.push(Record { text: Value::Object(map).to_string(), kind, id });
        }
        records
    })
}
