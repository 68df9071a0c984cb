//! FHIRPath Patch as R4 says, as far as D16 reads it.

use super::{PATIENT, fhir, parts};
use crate::patch::{MAX_OPERATIONS, Patch, PatchFault};

fn patient(change: &str, by: &str) -> String {
    let changed = PATIENT.replacen(change, by, 1);
    assert_ne!(changed, PATIENT, "{change}");
    changed
}

#[test]
fn r4_fhirpatch_what_succeeds() {
    let name = |text: &str| format!(r#"{{"name":"name","valueString":"{text}"}}"#);
    let add = |path: &str, property: &str, value: &str| {
        parts("add", path, &format!(r#"{},{{"name":"value",{value}}}"#, name(property)))
    };
    let insert = |path: &str, index: usize, value: &str| {
        parts("insert", path, &format!(r#"{{"name":"index","valueInteger":{index}}},{{"name":"value",{value}}}"#))
    };
    let replace = |path: &str, value: &str| parts("replace", path, &format!(r#"{{"name":"value",{value}}}"#));
    let delete = |path: &str| parts("delete", path, "");
    let shift = |path: &str, source: usize, destination: usize| {
        let more = format!(
            r#"{{"name":"source","valueInteger":{source}}},{{"name":"destination","valueInteger":{destination}}}"#
        );
        parts("move", path, &more)
    };
    let given = r#"["B","C","D"]"#;
    for (case, operation, expected) in [
        (
            "add",
            add("Patient", "active", r#""valueBoolean":true"#),
            patient("\"other\"}]}", "\"other\"}],\"active\":true}"),
        ),
        ("add to a list", add("Patient.name[0]", "given", r#""valueString":"E""#), patient("\"D\"]", "\"D\",\"E\"]")),
        (
            "add by the only element",
            add("Patient.name", "given", r#""valueString":"E""#),
            patient("\"D\"]", "\"D\",\"E\"]"),
        ),
        (
            "add of a backbone element",
            add(
                "Patient",
                "contact",
                r#""part":[{"name":"name","valueHumanName":{"text":"a name"}},{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"telecom","valueContactPoint":{"value":"2"}}]"#,
            ),
            patient("\"other\"}]", r#""other"},{"name":{"text":"a name"},"telecom":[{"value":"1"},{"value":"2"}]}]"#),
        ),
        ("insert", insert("Patient.name.given", 0, r#""valueString":"E""#), patient(given, r#"["E","B","C","D"]"#)),
        (
            "insert inside",
            insert("Patient.name.given", 2, r#""valueString":"E""#),
            patient(given, r#"["B","C","E","D"]"#),
        ),
        (
            "insert at the end",
            insert("Patient.name.given", 3, r#""valueString":"E""#),
            patient(given, r#"["B","C","D","E"]"#),
        ),
        (
            "insert begins a list",
            insert("Patient.telecom", 0, r#""valueContactPoint":{"value":"1"}"#),
            patient("\"other\"}]}", "\"other\"}],\"telecom\":[{\"value\":\"1\"}]}"),
        ),
        ("delete", delete("Patient.birthDate"), patient("\"birthDate\":\"1970-01-01\",", "")),
        ("delete in a list", delete("Patient.name[0].given[1]"), patient("\"C\",", "")),
        (
            "delete of the only element",
            delete("Patient.name"),
            patient(&format!(r#""name":[{{"family":"A","given":{given}}}],"#), ""),
        ),
        ("delete of nothing", delete("Patient.gender"), PATIENT.to_owned()),
        ("delete below nothing", delete("Patient.link[3].other.display"), PATIENT.to_owned()),
        ("delete past the end", delete("Patient.contact[2]"), PATIENT.to_owned()),
        ("replace", replace("Patient.birthDate", r#""valueDate":"1971-01-01""#), patient("1970", "1971")),
        ("replace below", replace("Patient.maritalStatus.text", r#""valueString":"y""#), patient("\"x\"", "\"y\"")),
        (
            "replace in a list",
            replace("Patient.contact[1].gender", r#""valueCode":"female""#),
            patient("other", "female"),
        ),
        ("move", shift("Patient.name.given", 2, 0), patient(given, r#"["D","B","C"]"#)),
        ("move to the end", shift("Patient.name.given", 0, 2), patient(given, r#"["C","D","B"]"#)),
        ("move nowhere", shift("Patient.name.given", 1, 1), PATIENT.to_owned()),
    ] {
        assert_eq!(fhir(PATIENT, &[&operation]).as_deref(), Ok(&*expected), "{case}");
    }
    let choice = add("Observation", "valueQuantity", r#""valueQuantity":{"value":1.00}"#);
    assert_eq!(
        fhir(r#"{"resourceType":"Observation"}"#, &[&choice]).as_deref(),
        Ok(r#"{"resourceType":"Observation","valueQuantity":{"value":1.00}}"#),
        "a choice element is named as the property"
    );
}

#[test]
fn r4_fhirpatch_what_does_not_fit_what_is_stored() {
    let value = r#"{"name":"value","valueString":"x"}"#;
    let named = |name: &str| format!(r#"{{"name":"name","valueString":"{name}"}},{value}"#);
    let at = |index: usize| format!(r#"{{"name":"index","valueInteger":{index}}},{value}"#);
    for (case, operation) in [
        ("a single element that is there", parts("add", "Patient", &named("birthDate"))),
        ("a parent that is not there", parts("add", "Patient.photo", &named("title"))),
        ("a parent that is no object", parts("add", "Patient.birthDate", &named("id"))),
        ("a parent that is one of several", parts("add", "Patient.contact", &named("gender"))),
        ("replace of nothing", parts("replace", "Patient.gender", value)),
        ("replace of one of several", parts("replace", "Patient.contact", value)),
        ("delete of one of several", parts("delete", "Patient.contact", "")),
        ("delete below one of several", parts("delete", "Patient.contact.gender", "")),
        ("insert past the end", parts("insert", "Patient.name.given", &at(4))),
        ("insert into what is no list", parts("insert", "Patient.birthDate", &at(0))),
        ("insert at 1 into nothing", parts("insert", "Patient.telecom", &at(1))),
        ("another type", parts("delete", "Person.birthDate", "")),
        (
            "move past the end",
            parts(
                "move",
                "Patient.name.given",
                r#"{"name":"source","valueInteger":0},{"name":"destination","valueInteger":3}"#,
            ),
        ),
    ] {
        assert_eq!(fhir(PATIENT, &[&operation]), Err(PatchFault::Target), "{case}");
    }
    let telecom = parts("add", "Patient", &named("telecom"));
    assert_eq!(fhir(PATIENT, &[&telecom, &telecom]), Err(PatchFault::Target), "whether it repeats is not known");
}

#[test]
fn d16_a_name_that_may_mean_a_choice_or_one_half_of_an_element_is_refused() {
    let value = r#"{"name":"value","valueString":"x"}"#;
    let add = parts("add", "Observation", &format!(r#"{{"name":"name","valueString":"value"}},{value}"#));
    for stored in [
        r#"{"resourceType":"Observation","valueQuantity":{"value":1}}"#,
        r#"{"resourceType":"Observation","_value":{"id":"1"}}"#,
        r#"{"resourceType":"Observation","_valueString":{"id":"1"}}"#,
    ] {
        for operation in
            [&add, &parts("delete", "Observation.value", ""), &parts("replace", "Observation.value", value)]
        {
            assert_eq!(fhir(stored, &[operation]), Err(PatchFault::Target), "{stored} {operation}");
        }
    }
    let stored = r#"{"resourceType":"ValueSet","valueSet":"x"}"#;
    assert_eq!(fhir(stored, &[&parts("delete", "ValueSet.value", "")]).as_deref(), Ok(stored), "no type of a choice");
}

#[test]
fn d16_a_name_that_differs_from_an_element_only_in_case_is_refused() {
    assert_eq!(fhir(PATIENT, &[&parts("delete", "Patient.birthdate", "")]), Err(PatchFault::Target));
    assert_eq!(fhir(PATIENT, &[&parts("delete", "Patient.contact[0].Gender", "")]), Err(PatchFault::Path));
}

#[test]
fn r4_tags_and_extensions_are_added_as_lists() {
    let stored = r#"{"resourceType":"Patient","meta":{}}"#;
    let tag = parts(
        "add",
        "Patient.meta",
        r#"{"name":"name","valueString":"tag"},{"name":"value","valueCoding":{"code":"x"}}"#,
    );
    assert_eq!(
        fhir(stored, &[&tag, &tag]).as_deref(),
        Ok(r#"{"resourceType":"Patient","meta":{"tag":[{"code":"x"},{"code":"x"}]}}"#)
    );
}

#[test]
fn d16_parameters_that_are_no_patch_are_refused() {
    let value = r#"{"name":"value","valueString":"x"}"#;
    let name = r#"{"name":"name","valueString":"active"}"#;
    for (case, operation) in [
        ("no value", parts("add", "Patient", name)),
        ("no name", parts("add", "Patient", value)),
        ("a part too many", parts("delete", "Patient.name", value)),
        ("an unknown part", parts("delete", "Patient.name", r#"{"name":"pathology","valueString":"x"}"#)),
        ("a part twice", parts("replace", "Patient.name", &format!("{value},{value}"))),
        ("a second value", parts("replace", "Patient.name", r#"{"name":"value","valueString":"x","valueCode":"y"}"#)),
        (
            "a half of a value",
            parts("replace", "Patient.name", r#"{"name":"value","valueString":"x","_valueString":{}}"#),
        ),
        ("an empty part", parts("replace", "Patient.name", r#"{"name":"value"}"#)),
        ("no parts", parts("replace", "Patient.name", r#"{"name":"value","part":[]}"#)),
        ("a resource", parts("replace", "Patient.name", r#"{"name":"value","resource":{"resourceType":"Patient"}}"#)),
        ("an unknown type", parts("replace", "Patient.name", r#"{"name":"value","valueName":"x"}"#)),
        ("a mistyped value", parts("replace", "Patient.name", r#"{"name":"value","valueBoolean":"true"}"#)),
        ("a mistyped object", parts("replace", "Patient.name", r#"{"name":"value","valueHumanName":["x"]}"#)),
        (
            "a mistyped path",
            r#"{"name":"type","valueCode":"delete"},{"name":"path","valueUri":"Patient.name"}"#.to_owned(),
        ),
        ("another type", parts("test", "Patient.name", value)),
        (
            "a negative index",
            parts("insert", "Patient.name", &format!(r#"{{"name":"index","valueInteger":-1}},{value}"#)),
        ),
        (
            "a name twice",
            parts("replace", "Patient.name", r#"{"name":"value","valueHumanName":{"text":"x","text":"y"}}"#),
        ),
    ] {
        assert_eq!(fhir(PATIENT, &[&operation]), Err(PatchFault::Malformed), "{case}");
    }
    for (case, operation) in [
        ("the whole resource", parts("delete", "Patient", "")),
        ("the whole resource, replaced", parts("replace", "Patient", value)),
        (
            "an insert beside an index",
            parts("insert", "Patient.name[0]", &format!(r#"{{"name":"index","valueInteger":0}},{value}"#)),
        ),
        ("a function", parts("delete", "Patient.name.where(use='old')", "")),
        ("the type as an element", parts("replace", "Patient.resourceType", value)),
        (
            "a name that is none",
            parts("add", "Patient", &format!(r#"{{"name":"name","valueString":"_active"}},{value}"#)),
        ),
    ] {
        assert_eq!(fhir(PATIENT, &[&operation]), Err(PatchFault::Path), "{case}");
    }
    for text in [
        "{}",
        "[]",
        r#"{"resourceType":"Parameters"}"#,
        r#"{"resourceType":"Patient","parameter":[]}"#,
        r#"{"resourceType":"Parameters","parameter":[{"name":"other","part":[]}]}"#,
        r#"{"resourceType":"Parameters","Parameter":[],"parameter":[]}"#,
        r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[],"valueString":"x"}]}"#,
    ] {
        assert_eq!(Patch::read_parameters(text).unwrap_err(), PatchFault::Malformed, "{text}");
    }
    let many = vec![parts("delete", "Patient.x", ""); MAX_OPERATIONS + 1];
    assert_eq!(fhir(PATIENT, &many.iter().map(|one| &**one).collect::<Vec<_>>()), Err(PatchFault::TooLarge));
}

#[test]
fn d28_a_fhirpath_patch_tells_what_it_touches_and_brings_in() {
    let add = parts(
        "add",
        "Patient.contact[0]",
        r#"{"name":"name","valueString":"name"},{"name":"value","part":[{"name":"text","valueString":"x"}]}"#,
    );
    let text = format!(
        r#"{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[{add}]}},{{"name":"operation","part":[{}]}}]}}"#,
        parts("delete", "Patient.name[1].given", "")
    );
    let patch = Patch::read_parameters(&text).unwrap();
    assert_eq!(patch.touched(), [vec!["contact", "name"], vec!["name", "given"]]);
    assert_eq!(patch.values(), [r#"{"text":"x"}"#]);
    assert!(!patch.has_test());
}
