//! Bodies: resources new and stored, patches, parameters of operations.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use testkit::records as corpus;

use super::records::{Record, reference, written};

/// A new resource: type and text.
pub(crate) fn new_resource() -> impl Strategy<Value = (String, String)> {
    let names: Vec<&'static str> = corpus::names().filter(|name| name.contains("-NEW")).collect();
    let known = select(names).prop_map(|name| {
        let value: Value = serde_json::from_str(corpus::text(name)).unwrap();
        (value["resourceType"].as_str().unwrap().to_owned(), corpus::text(name).to_owned())
    });
    let drawn = written().prop_map(|(kind, map)| (kind.to_owned(), Value::Object(map).to_string()));
    prop_oneof![1 => known, 3 => drawn]
}

/// One change to a stored resource.
fn change() -> impl Strategy<Value = (&'static str, Option<Value>)> {
    let subject = reference().prop_map(|one| ("subject", Some(one)));
    let status = select(vec!["final", "amended"]).prop_map(|word| ("status", Some(word.into())));
    let more = select(vec![
        ("meta", None),
        ("note", Some(json!([{"text": "changed"}]))),
        ("code", Some(json!({"text": "changed"}))),
        ("id", Some("ELSE".into())),
        ("id", None),
        ("resourceType", Some("Condition".into())),
        ("Subject", Some(json!({"reference": "Patient/OTHER"}))),
        ("contained", Some(json!([{"resourceType": "Patient", "id": "p1"}]))),
    ]);
    prop_oneof![2 => subject, 6 => status, 2 => more]
}

/// What a stored resource is to become: type, id and text.
pub(crate) fn next_version(records: Vec<Record>) -> impl Strategy<Value = (String, String, String)> {
    (select(records), vec(change(), 0..3)).prop_map(|(record, changes)| {
        let mut value: Value = serde_json::from_str(&record.text).unwrap();
        for (name, change) in changes {
            match change {
                Some(new) => value[name] = new,
                None => {
                    value.as_object_mut().unwrap().remove(name);
                }
            }
        }
        (record.kind, record.id, value.to_string())
    })
}

/// A patch: media type and text.
pub(crate) fn patch() -> impl Strategy<Value = (&'static str, String)> {
    let step = select(vec![
        json!({"op": "replace", "path": "/status", "value": "amended"}),
        json!({"op": "add", "path": "/note", "value": [{"text": "x"}]}),
        json!({"op": "add", "path": "/status", "value": "final"}),
        json!({"op": "test", "path": "/status", "value": "final"}),
        json!({"op": "remove", "path": "/code"}),
        json!({"op": "remove", "path": "/meta"}),
        json!({"op": "replace", "path": "/subject/reference", "value": "Patient/OTHER"}),
        json!({"op": "replace", "path": "/subject/reference", "value": "Patient/ME"}),
        json!({"op": "copy", "from": "/code", "path": "/method"}),
        json!({"op": "move", "from": "/code", "path": "/method"}),
        json!({"op": "add", "path": "/category/-", "value": {"text": "x"}}),
        json!({"op": "add", "path": "/category/9", "value": {"text": "x"}}),
        json!({"op": "replace", "path": "/id", "value": "ELSE"}),
        json!({"op": "bogus", "path": "/status"}),
        json!({"op": "add", "path": "status", "value": 1}),
        json!({"path": "/status"}),
    ]);
    let json_patch = vec(step, 0..4).prop_map(|list| ("application/json-patch+json", Value::from(list).to_string()));
    let part = |kind: &str, path: &str, value: Value| json!({"name": "operation", "part": [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}, value]});
    let string = |text: &str| json!({"name": "value", "valueCode": text});
    let operations = select(vec![
        part("replace", "Observation.status", string("amended")),
        part("replace", "Observation.subject.reference", json!({"name": "value", "valueString": "Patient/OTHER"})),
        part("delete", "Observation.code", json!({"name": "x"})),
        part("delete", "Observation.note[0]", json!({"name": "x"})),
        part("replace", "Observation.where(status='final').status", string("x")),
        part("replace", "Condition.code", string("x")),
    ]);
    let fhirpath = vec(operations, 1..3).prop_map(|list| {
        ("application/fhir+json", json!({"resourceType": "Parameters", "parameter": list}).to_string())
    });
    let odd = select(vec![
        ("application/json-patch+json", "{}".to_owned()),
        ("application/json", "[]".to_owned()),
        ("application/merge-patch+json", "{}".to_owned()),
        ("application/json-patch+json", "[".to_owned()),
    ]);
    prop_oneof![6 => json_patch, 3 => fhirpath, 1 => odd]
}

/// The body of an operation.
pub(crate) fn parameters() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        select(vec![
            json!({"name": "_type", "valueString": "Observation"}),
            json!({"name": "_count", "valueInteger": 5}),
            json!({"name": "start", "valueDate": "2020-01-01"}),
            json!({"name": "bogus", "valueString": "x"}),
            json!({"name": "patient", "valueString": "OTHER"}),
            json!({"name": "subject", "valueUri": "Patient/ME"}),
        ]),
        reference().prop_map(|one| json!({"name": "subject", "valueReference": one})),
        written().prop_map(|(_, map)| json!({"name": "resource", "resource": map})),
    ];
    let parameters =
        vec(one, 0..3).prop_map(|list| json!({"resourceType": "Parameters", "parameter": list}).to_string());
    let resource = written().prop_map(|(_, map)| Value::Object(map).to_string());
    let odd = select(vec![String::new(), "{}".to_owned(), "[]".to_owned(), "null".to_owned()]);
    prop_oneof![6 => parameters, 2 => resource, 1 => odd]
}
