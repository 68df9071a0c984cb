//! The response filter on a searchset: how fast, and what it holds beside the body.
//!
//! Invariant: both ways release the same resources, which is checked before anything is timed; the other way is what a
//! gateway without a filter of its own would do: a tree of `serde_json`, entries taken out, written again.

use std::hint::black_box;
use std::time::Instant;

use decision::{Answer, Engine, Grants, Outcome, respond};
use policy::decision::Released;
use policy::settings::ServiceKind;
use serde_json::Value;
use testkit::call::Call;
use testkit::ehr;
use testkit::token::Token;

use crate::allocations::counted;
use crate::report::{Figure, micros};

/// Entries of the Bundle that is timed.
const ENTRIES: usize = 1_000;
/// Entries of the one whose memory is measured: 100 MB and more.
const MANY: usize = 60_000;
/// Runs of each way, one after the other, so that both meet the same machine.
const SAMPLES: usize = 200;

/// Times the filter beside the tree, on the Bundle as servers send it and with indentation.
pub fn figures() -> Vec<Figure> {
    let engine = Engine::new(ehr::fhir(ehr::settings(ServiceKind::Fhirv4, "")));
    let compact = searchset(ENTRIES);
    let tree: Value = serde_json::from_str(&compact).expect("the Bundle is JSON");
    let indented = serde_json::to_string_pretty(&tree).expect("it can be written");
    let mut figures = timed(&engine, "1,000 Observations, half of them foreign", &compact, true);
    figures.extend(timed(&engine, "the same, indented", &indented, false));
    figures.extend(held(&engine, "1,000 Observations", &compact));
    figures.extend(held(&engine, "60,000 Observations", &searchset(MANY)));
    figures
}

fn timed(engine: &Engine, what: &str, body: &str, must: bool) -> Vec<Figure> {
    assert_eq!(filtered(engine, body).released as usize, ENTRIES / 2);
    assert_eq!(resources(&filtered(engine, body).body.bytes(body.as_bytes())), resources(&by_tree(body)));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        let from = Instant::now();
        black_box(filtered(engine, black_box(body)));
        ours.push(micros(from.elapsed()));
        let from = Instant::now();
        black_box(by_tree(black_box(body)));
        theirs.push(micros(from.elapsed()));
    }
    let size = body.len() as f64;
    // Bytes in a microsecond are megabytes in a second.
    let rate = |times: &[f64]| times.iter().map(|time| size / time).collect::<Vec<f64>>();
    let speed = Figure::of(format!("{what}: the filter, MB/s"), "MB/s", rate(&ours), None);
    let tree = Figure::of(format!("{what}: a tree of serde_json, MB/s"), "MB/s", rate(&theirs), None);
    let ratio = Figure::of("", "", theirs, None).median / Figure::of("", "", ours.clone(), None).median;
    vec![
        Figure::of(format!("{what} ({:.2} MB): the filter", size / 1e6), "µs", ours, must.then_some(size / 250.0)),
        speed,
        tree,
        // The table's targets are upper bounds, so the ratio is shown as the tree's share.
        Figure::of(format!("{what}: time of the filter, in the tree's"), "×", vec![1.0 / ratio], must.then_some(0.2)),
    ]
}

fn held(engine: &Engine, what: &str, body: &str) -> Vec<Figure> {
    let (released, allocated) = counted(|| filtered(engine, body));
    assert_eq!(released.status, 200);
    let share = |bytes: i64| bytes as f64 / body.len() as f64;
    let name = format!("{what} ({:.0} MB): memory beside the body", body.len() as f64 / 1e6);
    let (_, tree) = counted(|| by_tree(body));
    vec![
        Figure::of(format!("{name}, peak"), "× body", vec![share(allocated.peak_bytes)], Some(0.5)),
        Figure::of(format!("{name}, of serde_json"), "× body", vec![share(tree.peak_bytes)], None),
    ]
}

fn filtered(engine: &Engine, body: &str) -> Released {
    let (call, token) = (Call::parse("GET /Observation"), Token::parse("patient/Observation.rs"));
    let headers = call.borrowed();
    let request = call.request(&headers, &token);
    let grants = Grants::new(engine, &request.caller);
    let answer = Answer { status: 200, headers: &[], body: body.as_bytes(), upstream_base: ehr::UPSTREAM };
    match respond(engine, &request, &grants, &answer, &mut |_| None) {
        Outcome::Release(released) => released,
        Outcome::Lookup(_) => unreachable!("nothing of it has to be looked up"),
    }
}

/// The other way: without the look at duplicate keys, for a tree has lost them.
fn by_tree(body: &str) -> Vec<u8> {
    let mut bundle: Value = serde_json::from_str(body).expect("the Bundle is JSON");
    let entries = bundle["entry"].as_array_mut().expect("a list");
    entries.retain(|entry| {
        let resource = &entry["resource"];
        let mine = |reference: &Value| reference["reference"] == "Patient/ME";
        resource["resourceType"] == "Observation"
            && (mine(&resource["subject"]) || resource["performer"].as_array().is_some_and(|all| all.iter().any(mine)))
    });
    serde_json::to_vec(&bundle).expect("it can be written")
}

fn resources(body: &[u8]) -> Vec<Value> {
    let bundle: Value = serde_json::from_slice(body).expect("the answer is JSON");
    bundle["entry"].as_array().expect("a list").iter().map(|entry| entry["resource"].clone()).collect()
}

/// A searchset of blood pressures and laboratory values, every other one of another patient.
fn searchset(count: usize) -> String {
    let entries: Vec<String> = (0..count).map(entry).collect();
    format!(
        r#"{{"resourceType":"Bundle","id":"5f9b1c1e-7f1b-4b53-9d0c-2f5a6f1f0a11","meta":{{"lastUpdated":"2026-03-01T09:30:10.123+00:00"}},"type":"searchset","total":{count},"link":[{{"relation":"self","url":"{}/Observation?patient=Patient%2FME"}},{{"relation":"next","url":"{}?_getpages=7&_getpagesoffset={count}"}}],"entry":[{}]}}"#,
        ehr::UPSTREAM,
        ehr::UPSTREAM,
        entries.join(",")
    )
}

fn entry(number: usize) -> String {
    let patient = if number.is_multiple_of(2) { "ME" } else { "OTHER" };
    let day = 1 + number % 28;
    let (base, systolic, diastolic) = (ehr::UPSTREAM, 95 + number % 60, 55 + number % 40);
    let head = format!(
        r##""resourceType":"Observation","id":"obs-{number}","meta":{{"versionId":"{}","lastUpdated":"2026-02-{day:02}T10:15:3{}.417+00:00","source":"#a1b2c3d4e5f6{number}","profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-vital-signs"]}},"identifier":[{{"use":"official","system":"http://acme.example/observations","value":"{}"}}],"status":"final""##,
        1 + number % 5,
        number % 10,
        100_000 + number * 17,
    );
    let tail = format!(
        r#""subject":{{"reference":"Patient/{patient}","display":"Patient {patient}"}},"encounter":{{"reference":"Encounter/enc-{}"}},"effectiveDateTime":"2026-02-{day:02}T09:{:02}:00+01:00","issued":"2026-02-{day:02}T10:15:00.000+01:00","performer":[{{"reference":"Practitioner/p-{}","display":"Dr. Ada M\u00fcller"}}]"#,
        number / 8,
        number % 60,
        number % 40,
    );
    let quantity = |value: usize, unit: &str| {
        format!(
            r#"{{"value":{value}.{},"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}"#,
            number % 10
        )
    };
    let code = |code: &str, display: &str| {
        format!(
            r#"{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}],"text":"{display}"}}"#
        )
    };
    let category = |code: &str| {
        format!(
            r#""category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"{code}","display":"{code}"}}]}}]"#
        )
    };
    let said = if number.is_multiple_of(3) {
        format!(
            r#"{},"code":{},{tail},"component":[{{"code":{},"valueQuantity":{}}},{{"code":{},"valueQuantity":{}}}]"#,
            category("vital-signs"),
            code("85354-9", "Blood pressure panel with all children optional"),
            code("8480-6", "Systolic blood pressure"),
            quantity(systolic, "mm[Hg]"),
            code("8462-4", "Diastolic blood pressure"),
            quantity(diastolic, "mm[Hg]"),
        )
    } else {
        format!(
            r#"{},"code":{},{tail},"valueQuantity":{},"interpretation":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N","display":"Normal"}}]}}],"note":[{{"text":"Sample was \"slightly\" hemolytic.\nRepeated after {} min."}}],"referenceRange":[{{"low":{},"high":{},"text":"12.0-17.5 g/dL"}}]"#,
            category("laboratory"),
            code("718-7", "Hemoglobin [Mass/volume] in Blood"),
            quantity(9 + number % 9, "g/dL"),
            number % 50,
            quantity(12, "g/dL"),
            quantity(17, "g/dL"),
        )
    };
    format!(
        r#"{{"fullUrl":"{base}/Observation/obs-{number}","resource":{{{head},{said}}},"search":{{"mode":"match"}}}}"#
    )
}
