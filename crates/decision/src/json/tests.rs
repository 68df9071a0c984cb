//! The reader, case by case and against `serde_json`.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Document<'_>, InvalidJson> {
    Document::read(text)
}

#[test]
fn every_value_keeps_its_text() {
    let document = parse(" { \"a\" : 1.00 , \"b\\u0063\":[ true,null, \"x\\n\\ud83d\\ude00\" ]} ").unwrap();
    let value = document.root();
    let second = value.members().nth(1).unwrap();
    assert_eq!(value.get("a").unwrap().raw(), "1.00");
    assert_eq!(second.name, "bc");
    assert_eq!(second.raw, "\"b\\u0063\":[ true,null, \"x\\n\\ud83d\\ude00\" ]");
    assert_eq!(value.get("bc").unwrap().elements().nth(2).unwrap().as_str().as_deref(), Some("x\n\u{1f600}"));
}

#[test]
fn what_is_not_the_grammar_is_refused() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "1.",
        "+1",
        ".5",
        "1e",
        "'a'",
        "{a:1}",
        "nul",
        "[1 2]",
        "{} {}",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\u12g4\"",
        "NaN",
        "\u{feff}{}",
        "\"a",
    ] {
        assert_eq!(parse(text).unwrap_err(), InvalidJson::Malformed, "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |count: usize| "[".repeat(count) + &"]".repeat(count);
    assert!(parse(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(parse(&deep(MAX_DEPTH + 1)).unwrap_err(), InvalidJson::TooDeep);
    assert_eq!(parse(&"[".repeat(1_000_000)).unwrap_err(), InvalidJson::TooDeep);
    assert!(too_deep(deep(MAX_DEPTH + 1).as_bytes()) && !too_deep(deep(MAX_DEPTH).as_bytes()));
    assert!(!too_deep(format!("[\"{}\"]", "[".repeat(100)).as_bytes()));
}

#[test]
fn a_name_that_stands_twice_marks_all_around_it() {
    for text in [
        "{\"a\":1,\"a\":2}",
        "[{\"x\":{\"a\":1,\"\\u0061\":1}}]",
        "{\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"a\":0,\"b\":0,\"c\":0,\"1\":0}",
    ] {
        assert!(parse(text).unwrap().root().is_ambiguous(), "{text}");
    }
    assert!(!parse("[{\"a\":1},{\"a\":1}]").unwrap().root().is_ambiguous());
}

proptest! {
    #[test]
    fn it_reads_what_serde_json_reads_and_nothing_else(text in "[\\[\\]{}:,\"a1\\\\u0e.\\-+tfn \n]{0,24}") {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match (parse(&text), theirs) {
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
            // A number too large for a float is still the grammar.
            (Ok(_), Err(fault)) => prop_assert!(fault.to_string().contains("number out of range"), "{text} {fault}"),
            (Err(fault), Ok(_)) => prop_assert!(false, "{text} {fault:?}"),
        }
    }

    #[test]
    fn what_was_quoted_reads_back(text in any::<String>()) {
        let mut out = String::new();
        quote(&text, &mut out);
        let document = parse(&out).unwrap();
        let read = document.root().as_str();
        prop_assert_eq!(read.as_deref(), Some(&*text));
    }
}

/// What a value says, by a cursor over the flat list.
fn tree(value: Value<'_>) -> serde_json::Value {
    match value.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(flag) => flag.into(),
        Kind::Number => serde_json::from_str(value.raw()).unwrap(),
        Kind::String => value.as_str().unwrap().into_owned().into(),
        Kind::Array => value.elements().map(tree).collect(),
        Kind::Object => {
            let members = value.members().map(|member| (member.name.into_owned(), tree(member.value)));
            serde_json::Value::Object(members.collect())
        }
    }
}

/// Whether any object has a name twice, asked of each pair.
fn repeats(value: Value<'_>) -> bool {
    let names: Vec<_> = value.members().map(|member| member.name).collect();
    let twice = names.iter().enumerate().any(|(index, name)| names[..index].contains(name));
    assert_eq!(value.repeats_a_name(), twice, "{}", value.raw());
    let within = value.values().map(repeats).fold(false, |any, one| any | one);
    assert_eq!(value.is_ambiguous(), twice || within, "{}", value.raw());
    twice || within
}

/// Documents whose names often meet, some of them escaped, in objects of up to 40 members.
fn documents() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[ab]{1,2}",
        Just("a_name_longer_than_eight".to_owned()),
        Just("a_name_longer_than_nine".to_owned()),
        Just("\\u0061".to_owned()),
        Just("\\\\b\\/".to_owned()),
        "[a-z]{1,12}",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("-1.50e3".to_owned()),
        Just("0".to_owned()),
        "[a-z\u{e4}\u{1f600} ]{0,20}".prop_map(|text| format!("\"{text}\"")),
        Just("\"\\ud83d\\ude00\\n\\\\\\\"\"".to_owned()),
    ];
    leaf.prop_recursive(5, 200, 40, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(|all| format!("[ {} ]", all.join(" ,\n        "))),
            proptest::collection::vec((name.clone(), inner.clone()), 0..5).prop_map(|members| object(&members)),
            proptest::collection::vec(("[a-z]{1,3}", inner), 15..40).prop_map(|members| object(&members)),
        ]
    })
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(", "))
}

proptest! {
    #[test]
    fn the_flat_list_says_what_the_tree_of_serde_json_says(text in documents()) {
        let mut reader = Reader::default();
        reader.read("[1,[2,{\"left\":\"over\"}]]").unwrap();
        let value = reader.read(&text).unwrap();
        prop_assert_eq!(value.raw(), text.trim());
        repeats(value);
        if !value.is_ambiguous() {
            prop_assert_eq!(tree(value), serde_json::from_str::<serde_json::Value>(&text).unwrap());
        }
    }

    #[test]
    fn a_text_that_is_cut_off_is_refused(text in documents(), at in any::<prop::sample::Index>()) {
        prop_assume!(text.starts_with(['[', '{', '"']));
        let cut = text.floor_char_boundary(at.index(text.len()));
        prop_assert!(Document::read(&text[..cut]).is_err());
    }
}

#[test]
fn a_string_ends_at_its_quote_wherever_that_falls() {
    for length in 0..40 {
        for tail in ["", " ", "\u{e9}"] {
            let text = format!("[\"{}{tail}\", 1]", "x".repeat(length));
            let document = parse(&text).unwrap();
            assert_eq!(document.root().elements().count(), 2, "{text}");
            assert_eq!(document.root().elements().next().unwrap().raw().len(), length + tail.len() + 2);
            for control in ["\u{0}", "\n", "\u{1f}"] {
                let text = format!("\"{}{control}{tail}\"", "x".repeat(length));
                assert_eq!(parse(&text).unwrap_err(), InvalidJson::Malformed, "{text:?}");
            }
        }
    }
}
