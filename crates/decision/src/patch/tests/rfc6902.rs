//! JSON Patch as RFC 6902 says.

use super::json;
use crate::patch::{MAX_OPERATIONS, Patch, PatchFault, apply, apply_by_names};

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
        ("into what takes its place", "[{},{}]", r#"[{"op":"move","from":"/0","path":"/0/a"}]"#, Target),
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
