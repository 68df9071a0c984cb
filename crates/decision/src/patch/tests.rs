//! What holds for any patch, and the limits of all; `rfc6902` and `r4` say what each kind makes.

mod r4;
mod rfc6902;

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

const PATIENT: &str = r#"{"resourceType":"Patient","birthDate":"1970-01-01","name":[{"family":"A","given":["B","C","D"]}],"maritalStatus":{"text":"x"},"contact":[{"gender":"male"},{"gender":"other"}]}"#;

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
