//! Synthetic records: a few charts that refer to each other in every way that matters to ownership.
//!
//! Invariant: the same seed and number give the same records; every type and id stands once. Of patient `p-0`
//! each kind of reference is there whatever the seed; the seed chooses whom the others are, labels, tags,
//! codes, dates and how many records there are more.

mod chart;
mod shared;
mod special;

use serde_json::{Value, json};

/// The base under which absolute references of these records are the server's own.
pub const BASE: &str = "http://upstream.internal:8080/r4";
/// The system of tags that tell tenants.
pub const TENANT: &str = "https://tags.example/tenant";
/// The system of security labels.
pub const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// The system of patients' identifiers.
pub const MRN: &str = "https://ids.example/mrn";

/// At most so many patients are made.
const MAX_PATIENTS: usize = 500;

/// Records of at least three patients (`p-0`, `p-1`, …) and what they share.
#[must_use]
pub fn generate(seed: u64, patients: usize) -> Vec<Value> {
    let patients = patients.clamp(3, MAX_PATIENTS);
    let mut draw = Draw(seed);
    let mut records = shared::records(&mut draw, patients);
    for patient in 0..patients {
        let mut cast = Cast::new(&mut draw, patient, patients);
        records.extend(chart::records(&mut cast));
        records.extend(special::records(&mut cast));
    }
    records
}

/// A stream of numbers from a seed (SplitMix64).
#[derive(Debug)]
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % end.max(1)
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let place = self.below(all.len());
        all.get(place).copied().unwrap_or_default()
    }

    /// Labels and tags, or none: `meta` of a record.
    fn meta(&mut self) -> Value {
        let mut meta = json!({ "versionId": "1" });
        let label = self.pick(&["", "", "", "U", "N", "N", "R", "V", "secret"]);
        let tenant = self.pick(&["", "", "a", "a", "b", "*"]);
        if let Some(members) = meta.as_object_mut() {
            if !label.is_empty() {
                members.insert("security".to_owned(), json!([{"system": CONFIDENTIALITY, "code": label}]));
            }
            if !tenant.is_empty() {
                members.insert("tag".to_owned(), json!([{"system": TENANT, "code": tenant}]));
            }
        }
        meta
    }

    fn date(&mut self) -> String {
        format!("20{:02}-{:02}-{:02}", 10 + self.below(16), 1 + self.below(12), 1 + self.below(28))
    }
}

/// Who plays in one patient's chart.
#[derive(Debug)]
struct Cast<'a> {
    draw: &'a mut Draw,
    /// The number of the patient.
    own: usize,
    /// `Patient/p-1`.
    me: String,
    /// Another patient.
    other: String,
    /// The number of the other patient.
    other_number: usize,
}

impl<'a> Cast<'a> {
    fn new(draw: &'a mut Draw, own: usize, patients: usize) -> Self {
        let other = (own + 1 + draw.below(patients - 1)) % patients;
        Self { draw, own, me: format!("Patient/p-{own}"), other: format!("Patient/p-{other}"), other_number: other }
    }

    /// A record of the chart: its type, the end of its id, and its members.
    fn record(&mut self, kind: &str, name: &str, members: Value) -> Value {
        let mut record = json!({"resourceType": kind, "id": format!("{name}-{}", self.own), "meta": self.draw.meta()});
        if let (Some(record), Value::Object(members)) = (record.as_object_mut(), members) {
            record.extend(members);
        }
        record
    }

    fn practitioner(&mut self) -> Value {
        reference(&format!("Practitioner/doc-{}", self.draw.below(shared::PRACTITIONERS)))
    }

    fn organization(&mut self) -> Value {
        reference(&format!("Organization/org-{}", self.draw.below(shared::ORGANIZATIONS)))
    }

    fn me(&self) -> Value {
        reference(&self.me)
    }

    fn other(&self) -> Value {
        reference(&self.other)
    }

    /// A record of this chart, or of the other patient's.
    fn mine(&self, kind: &str, name: &str) -> Value {
        reference(&format!("{kind}/{name}-{}", self.own))
    }

    fn theirs(&self, kind: &str, name: &str) -> Value {
        reference(&format!("{kind}/{name}-{}", self.other_number))
    }
}

fn reference(text: &str) -> Value {
    json!({ "reference": text })
}

/// A CodeableConcept.
fn concept(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}], "text": code})
}

/// The category of an Observation.
fn category(code: &str) -> Value {
    json!([concept("http://terminology.hl7.org/CodeSystem/observation-category", code)])
}
