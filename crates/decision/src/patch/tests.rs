//! JSON Patch as RFC 6902 says, FHIRPath Patch as R4 says, and what holds for any patch.

use proptest::prelude::*;

use super::*;

fn json(stored: &str, patch: &str) -> Result<String, PatchFault> {
    apply(stored, &Patch::read_json(patch)?)
}

/// A FHIRPath Patch of operations, each given by its parts.
fn fhir(stored: &str, operations: &[&str]) -> Result<String, PatchFault> {
    let operations: Vec<String> =
        operations.iter().map(|parts| format!(r#"{{"name":"operation","part":[{parts}]}}"#)).collect();
    let text = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, operations.join(","));
    apply(stored, &Patch::read_parameters(&text)?)
}

fn parts(kind: &str, path: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(",{more}") };
    format!(r#"{{"name":"type","valueCode":"{kind}"}},{{"name":"path","valueString":"{path}"}}{more}"#)
}

#[test]
fn rfc6902_appendix_a_what_succeeds() {
    for (case, stored, patch, expected) in [
        ("A.1", r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, r#"{"foo":"bar","baz":"qux"}"#),
        (
            "A.2",
            r#"{"foo":["bar","baz"]}"#,
            r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ),
        ("A.3", r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
        ("A.4", r#"{"foo":["bar","qux","baz"]}"#, r#"[{"op":"remove","path":"/foo/1"}]"#, r#"{"foo":["bar","baz"]}"#),
        (
            "A.5",
            r#"{"baz":"qux","foo":"bar"}"#,
            r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            r#"{"baz":"boo","foo":"bar"}"#,
        ),
        (
            "A.6",
            r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
        ),
        (
            "A.7",
            r#"{"foo":["all","grass","cows","eat"]}"#,
            r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            r#"{"foo":["all","cows","eat","grass"]}"#,
        ),
        (
            "A.8",
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
        ),
        (
            "A.10",
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            r#"{"foo":"bar","child":{"grandchild":{}}}"#,
        ),
        (
            "A.11",
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
            r#"{"foo":"bar","baz":"qux"}"#,
        ),
        ("A.14", r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
        (
            "A.16",
            r#"{"foo":["bar"]}"#,
            r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            r#"{"foo":["bar",["abc","def"]]}"#,
        ),
        ("the whole is replaced", "{}", r#"[{"op":"replace","path":"","value":[1]}]"#, "[1]"),
        ("the whole is added", "{}", r#"[{"op":"add","path":"","value":{"a":1}}]"#, r#"{"a":1}"#),
        ("the whole is tested", r#"{"a":1}"#, r#"[{"op":"test","path":"","value":{"a":1.0}}]"#, r#"{"a":1}"#),
        ("an add replaces", r#"{"a":1,"b":2}"#, r#"[{"op":"add","path":"/a","value":null}]"#, r#"{"a":null,"b":2}"#),
        ("the empty name", r#"{"":1}"#, r#"[{"op":"replace","path":"/","value":2}]"#, r#"{"":2}"#),
        ("a digit as a name", r#"{"a":{"0":1}}"#, r#"[{"op":"remove","path":"/a/0"}]"#, r#"{"a":{}}"#),
        ("a dash as a name", r#"{"-":1}"#, r#"[{"op":"replace","path":"/-","value":2}]"#, r#"{"-":2}"#),
        ("at the end", "[1]", r#"[{"op":"add","path":"/1","value":2}]"#, "[1,2]"),
        (
            "a copy is of its own",
            r#"{"a":{"b":1}}"#,
            r#"[{"op":"copy","from":"/a","path":"/c"},{"op":"remove","path":"/c/b"}]"#,
            r#"{"a":{"b":1},"c":{}}"#,
        ),
        (
            "a copy into itself",
            r#"{"a":{"b":1}}"#,
            r#"[{"op":"copy","from":"/a","path":"/a/c"}]"#,
            r#"{"a":{"b":1,"c":{"b":1}}}"#,
        ),
        ("a move to itself", r#"{"a":1,"b":2}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1,"b":2}"#),
        ("a move up", r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a/b","path":"/a"}]"#, r#"{"a":1}"#),
        ("nothing", r#"{ "a" : 1 }"#, "[]", r#"{ "a" : 1 }"#),
        (
            "in order",
            "{}",
            r#"[{"op":"add","path":"/a","value":[]},{"op":"add","path":"/a/-","value":1}]"#,
            r#"{"a":[1]}"#,
        ),
    ] {
        assert_eq!(json(stored, patch).as_deref(), Ok(expected), "{case}");
    }
}

#[test]
fn rfc6902_appendix_a_and_section_5_what_fails() {
    use PatchFault::{Malformed, Target, Test, TooLarge};
    for (case, stored, patch, fault) in [
        ("A.9", r#"{"baz":"qux"}"#, r#"[{"op":"test","path":"/baz","value":"bar"}]"#, Test),
        ("A.12", r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#, Target),
        ("A.13", r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux","op":"remove"}]"#, Malformed),
        ("A.15", r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":"10"}]"#, Test),
        ("a test of nothing", "{}", r#"[{"op":"test","path":"/a","value":null}]"#, Target),
        ("remove of nothing", "{}", r#"[{"op":"remove","path":"/a"}]"#, Target),
        ("replace of nothing", "{}", r#"[{"op":"replace","path":"/a","value":1}]"#, Target),
        ("the whole cannot go", "{}", r#"[{"op":"remove","path":""}]"#, Target),
        ("past the end", "[1]", r#"[{"op":"add","path":"/2","value":2}]"#, Target),
        ("replace at the end", "[1]", r#"[{"op":"replace","path":"/1","value":2}]"#, Target),
        ("a dash is for add", "[1]", r#"[{"op":"remove","path":"/-"}]"#, Target),
        ("a leading zero", "[1,2]", r#"[{"op":"remove","path":"/01"}]"#, Target),
        ("a name in a list", "[1]", r#"[{"op":"add","path":"/a","value":2}]"#, Target),
        ("below a text", r#"{"a":"b"}"#, r#"[{"op":"add","path":"/a/b","value":2}]"#, Target),
        ("into its own child", r#"{"a":{"b":{}}}"#, r#"[{"op":"move","from":"/a","path":"/a/b/c"}]"#, Target),
        ("the whole into itself", r#"{"a":1}"#, r#"[{"op":"move","from":"","path":"/a"}]"#, Target),
        ("a move of nothing", "{}", r#"[{"op":"move","from":"/a","path":"/a"}]"#, Target),
        ("no value", "{}", r#"[{"op":"add","path":"/a"}]"#, Malformed),
        ("no path", "{}", r#"[{"op":"remove"}]"#, Malformed),
        ("no from", "{}", r#"[{"op":"copy","path":"/a"}]"#, Malformed),
        ("another operation", "{}", r#"[{"op":"merge","path":"/a","value":1}]"#, Malformed),
        ("by its case", "{}", r#"[{"op":"Add","path":"/a","value":1}]"#, Malformed),
        ("a second path by its case", "{}", r#"[{"op":"add","path":"/a","Path":"/b","value":1}]"#, Malformed),
        ("no pointer", "{}", r#"[{"op":"add","path":"a","value":1}]"#, Malformed),
        ("a name twice in a value", "{}", r#"[{"op":"add","path":"/a","value":[{"b":1,"b":2}]}]"#, Malformed),
        ("no list", "{}", r#"{"op":"add","path":"/a","value":1}"#, Malformed),
        ("no object", "{}", r#"["add"]"#, Malformed),
        (
            "what fails last fails all",
            "{}",
            r#"[{"op":"add","path":"/a","value":1},{"op":"remove","path":"/b"}]"#,
            Target,
        ),
        ("no resource", r#"{"a":1,"a":2}"#, "[]", PatchFault::Stored),
    ] {
        assert_eq!(json(stored, patch), Err(fault), "{case}");
    }
    let many = |count: usize| format!("[{}]", vec![r#"{"op":"add","path":"/a","value":1}"#; count].join(","));
    assert!(json("{}", &many(MAX_OPERATIONS)).is_ok());
    assert_eq!(json("{}", &many(MAX_OPERATIONS + 1)), Err(TooLarge));
}

#[test]
fn copies_of_copies_end_at_the_limits() {
    let double = r#"{"op":"copy","from":"","path":"/a"}"#;
    let deep = format!("[{}]", vec![double; 100].join(","));
    assert_eq!(json("{}", &deep), Err(PatchFault::TooLarge), "each copy nests one level more");
    let wide = r#"{"op":"copy","from":"/a","path":"/a/-"},{"op":"copy","from":"/a","path":"/b"},{"op":"copy","from":"/b","path":"/a/0"}"#;
    let wide = format!("[{}]", vec![wide; 33].join(","));
    assert_eq!(json(r#"{"a":[],"b":[]}"#, &wide), Err(PatchFault::TooLarge));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_RESULT_BYTES / 2));
    let copy = |count: usize| format!("[{}]", vec![r#"{"op":"copy","from":"/a","path":"/b"}"#; count].join(","));
    assert_eq!(json(&large, &copy(3)), Err(PatchFault::TooLarge));
}

#[test]
fn nesting_stays_within_what_is_read() {
    let nested = |count: usize| "[".repeat(count) + &"]".repeat(count);
    let add = |path: &str, count: usize| format!(r#"[{{"op":"add","path":"{path}","value":{}}}]"#, nested(count));
    assert!(json(r#"{"a":[]}"#, &add("/a/-", 62)).is_ok());
    assert_eq!(json(r#"{"a":[[]]}"#, &add("/a/0/-", 62)), Err(PatchFault::TooLarge));
    assert_eq!(json("{}", &add("/a", 63)), Err(PatchFault::TooLarge), "the patch itself is read to the same depth");
    let stored = format!(r#"{{"a":{},"b":[[[[]]]]}}"#, nested(62));
    let push = r#"[{"op":"move","from":"/a","path":"/b/0/0/0/-"}]"#;
    assert_eq!(json(&stored, push), Err(PatchFault::TooLarge));
}

#[test]
fn d28_d16_a_patch_tells_what_it_touches_brings_in_and_asks() {
    let text = r#"[{"op":"add","path":"/name/0/given/-","value":{"a":1.0}},
        {"op":"move","from":"/a/b","path":"/c~1d"},{"op":"remove","path":""},
        {"op":"replace","path":"/x","value":[ 2 ]},{"op":"test","path":"/t","value":3}]"#;
    let patch = Patch::read_json(text).unwrap();
    let touched: Vec<String> = patch.touched().iter().map(|path| path.join(".")).collect();
    assert_eq!(touched, ["name.given", "a.b", "c/d", "", "x", "t"]);
    assert_eq!(patch.values(), [r#"{"a":1.0}"#, "[ 2 ]"]);
    assert!(patch.has_test());
    assert!(!Patch::read_json(r#"[{"op":"remove","path":"/test"}]"#).unwrap().has_test());
}

#[test]
fn d28_by_names_an_index_is_never_the_name_of_a_member() {
    let patch = Patch::read_json(r#"[{"op":"add","path":"/a/0/b","value":1}]"#).unwrap();
    let end = Patch::read_json(r#"[{"op":"copy","from":"/a","path":"/c/-"}]"#).unwrap();
    assert_eq!(patch.touched(), [["a", "b"]]);
    assert_eq!(apply_by_names(r#"{"a":[{}]}"#, &patch).as_deref(), Ok(r#"{"a":[{"b":1}]}"#));
    assert_eq!(apply(r#"{"a":{"0":{}}}"#, &patch).as_deref(), Ok(r#"{"a":{"0":{"b":1}}}"#));
    assert_eq!(apply_by_names(r#"{"a":{"0":{}}}"#, &patch), Err(PatchFault::Path));
    assert_eq!(apply_by_names(r#"{"a":1,"c":{}}"#, &end), Err(PatchFault::Path));
    assert_eq!(apply_by_names(r#"{"a":1,"c":[]}"#, &end).as_deref(), Ok(r#"{"a":1,"c":[1]}"#));
}

const PATIENT: &str = r#"{"resourceType":"Patient","birthDate":"1970-01-01","name":[{"family":"A","given":["B","C","D"]}],"maritalStatus":{"text":"x"},"contact":[{"gender":"male"},{"gender":"other"}]}"#;

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

/// Any JSON over few names.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just("1.00".to_owned()), Just("null".to_owned()), Just("\"~\\u002f\"".to_owned())];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|list| format!("[ {} ]", list.join(" ,"))),
            prop::collection::btree_map("[ab0]", inner, 0..3).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

fn operation() -> impl Strategy<Value = String> {
    let op = prop_oneof!["add", "remove", "replace", "move", "copy", "test"];
    let path = "(/[ab01-]){0,3}";
    (op, path, path, value()).prop_map(|(op, path, from, value)| {
        format!(r#"{{"op":"{op}","path":"{path}","from":"{from}","value":{value}}}"#)
    })
}

fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}", stored in value()) {
        for patch in [Patch::read_json(&text), Patch::read_parameters(&text)] {
            drop(patch.and_then(|patch| apply(&stored, &patch)));
        }
        drop(json(&text, "[]"));
    }

    #[test]
    fn whatever_a_patch_makes_is_json_that_names_nothing_twice(stored in value(), operations in prop::collection::vec(operation(), 0..6)) {
        if let Ok(text) = json(&stored, &format!("[{}]", operations.join(","))) {
            prop_assert!(!Document::read(&text).unwrap().root().is_ambiguous());
        }
    }

    #[test]
    fn what_no_operation_touches_keeps_its_text(stored in value(), name in "[cde]", new in value()) {
        let text = format!(r#"{{"kept" : {stored} , "c":1}}"#);
        let patched = json(&text, &format!(r#"[{{"op":"add","path":"/{name}","value":{new}}}]"#)).unwrap();
        let document = Document::read(&patched).unwrap();
        prop_assert_eq!(document.root().get("kept").map(|value| value.raw()), Some(&*stored));
        prop_assert_eq!(document.root().get(&name).map(|value| value.raw()), Some(&*new));
    }

    #[test]
    fn a_test_succeeds_exactly_on_an_equal_value(one in value(), other in value()) {
        let test = |value: &str| json(&one, &format!(r#"[{{"op":"test","path":"","value":{value}}}]"#));
        prop_assert_eq!(test(&one), Ok(one.clone()));
        prop_assert_eq!(test(&other).is_ok(), parsed(&one) == parsed(&other));
    }

    #[test]
    fn an_add_that_succeeds_is_found_by_a_test(stored in value(), path in "(/[ab01]){0,3}", new in value()) {
        let add = format!(r#"{{"op":"add","path":"{path}","value":{new}}}"#);
        let test = format!(r#"{{"op":"test","path":"{path}","value":{new}}}"#);
        let added = json(&stored, &format!("[{add}]"));
        prop_assert_eq!(json(&stored, &format!("[{add},{test}]")), added);
    }

    #[test]
    fn an_add_to_a_list_is_undone_by_its_removal(elements in prop::collection::vec(value(), 0..4), at in any::<prop::sample::Index>(), new in value()) {
        let stored = format!("[{}]", elements.join(","));
        let at = at.index(elements.len() + 1);
        let patch = format!(r#"[{{"op":"add","path":"/{at}","value":{new}}},{{"op":"remove","path":"/{at}"}}]"#);
        prop_assert_eq!(json(&stored, &patch), Ok(stored));
    }

    #[test]
    fn any_parameters_are_applied_or_refused(kind in "(add|insert|delete|replace|move)", path in "Patient(\\.(name|given|contact|a)(\\[[0-3]\\])?){0,3}", index in 0..5_u8, value in value()) {
        let more = match &*kind {
            "add" => format!(r#"{{"name":"name","valueString":"a"}},{{"name":"value","valueMeta":{value}}}"#),
            "insert" => format!(r#"{{"name":"index","valueInteger":{index}}},{{"name":"value","valueMeta":{value}}}"#),
            "replace" => format!(r#"{{"name":"value","valueMeta":{value}}}"#),
            "move" => format!(r#"{{"name":"source","valueInteger":{index}}},{{"name":"destination","valueInteger":0}}"#),
            _ => String::new(),
        };
        if let Ok(text) = fhir(PATIENT, &[&parts(&kind, &path, &more)]) {
            prop_assert!(!Document::read(&text).unwrap().root().is_ambiguous());
            let kept = text.contains(r#""maritalStatus":{"text":"x"}"#);
            prop_assert!(kept);
        }
    }
}
